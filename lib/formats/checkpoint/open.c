/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a snapshot: read the file, then find which of its tensors are masks. */
#include "base/alloc.h"
#include "base/error.h"
#include "context/context.h"
#include "formats/checkpoint/masks.h"
#include "formats/safetensors/file.h"
#include "formats/safetensors/load.h"
#include "formats/safetensors/safetensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>

#include <unistd.h>

static nncf_status open_source(
    nncf_checkpoint *c, const char *path, const nncf_checkpoint_open_params *p, nncf_error *err)
{
    static const char stream[] = "the stream";
    nncf__source source = {
        .name = path ? path : stream, .fd = -1, .read = p->read, .user = p->user};
    nncf_status status = NNCF_OK;
    source.size = p->size;
    if (!(c->path = nncf__strdup(c->context, source.name)))
        return nncf__fail(err, NNCF_E_NOMEM, source.name, "out of memory");
    if (path && (status = nncf__file_open(path, &source.fd, &source.size, err)) != NNCF_OK)
        return status;
    status = nncf__safetensors_load(c, &source, err);
    if (path)
        close(source.fd);
    if (status == NNCF_OK && nncf__masks_mark(c) != NNCF_OK)
        status = nncf__fail(err, NNCF_E_NOMEM, c->path, "out of memory");
    c->sparsity = nncf__find_sparsity(c);
    return status;
}

static nncf_status open_checkpoint(nncf_context *context, const char *path,
    const nncf_checkpoint_open_params *params, nncf_checkpoint **checkpoint, nncf_error *err)
{
    nncf_checkpoint_open_params p = {NNCF_PARAMS(nncf_checkpoint_open_params)};
    nncf_status status = NNCF_OK;
    if (!checkpoint)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_checkpoint_open: checkpoint is NULL");
    if (params)
        status = nncf__params_copy(&p, sizeof p, params, "nncf_checkpoint_open_params", err);
    if (status != NNCF_OK)
        return status;
    if (!path == !p.read)
        return nncf__fail(err, NNCF_E_ARG, NULL,
            "nncf_checkpoint_open: give either a path or nncf_checkpoint_open_params::read");
    const bool owns = !context;
    if (owns && (status = nncf__context_small(&context, err)) != NNCF_OK)
        return status;
    nncf_checkpoint *c = nncf__calloc(context, 1, sizeof *c);
    if (!c) {
        if (owns)
            nncf_context_destroy(context);
        return nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    }
    c->context = context;
    c->owns_context = owns;
    status = open_source(c, path, &p, err);
    if (status != NNCF_OK)
        nncf_checkpoint_close(c);
    else
        *checkpoint = c;
    return status;
}

nncf_status nncf_checkpoint_open(nncf_context *context, const char *path,
    const nncf_checkpoint_open_params *params, nncf_checkpoint **checkpoint, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = open_checkpoint(context, path, params, checkpoint, &reason);
    return nncf__report(context, "nncf_checkpoint_open", NULL, status, &reason, err);
}

void nncf_checkpoint_close(nncf_checkpoint *c)
{
    if (!c)
        return;
    nncf_context *context = c->context;
    nncf__free(context, c->entries);
    nncf__free(context, c->by_name);
    nncf__free(context, c->texts);
    nncf__free(context, c->by_key);
    nncf__free(context, c->header);
    nncf__free(context, c->dims);
    nncf__free(context, c->data);
    nncf__free(context, c->path);
    bool owns = c->owns_context;
    nncf__free(context, c);
    if (owns)
        nncf_context_destroy(context);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_checkpoint_open_params, )
