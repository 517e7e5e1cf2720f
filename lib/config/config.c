/* SPDX-License-Identifier: Apache-2.0 */
/* A config's life: load or parse, destroy; and what was read as a whole. Parsing takes these steps:
 * copy the text, index its lines, blank comments (comments.c), scan it into nodes (scan.c), read
 * the nodes into the canonical form (read.c). After an error the config is destroyed; with a
 * `report` callback reading continues first, so that every error is reported. */
#include "config/config.h"

#include "base/alloc.h"
#include "base/error.h"
#include "config/internal.h"
#include "config/json/document.h"
#include "config/read/read.h"
#include "config/schema/release.h"
#include "context/context.h"

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/context.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void nncf_config_destroy(nncf_config *config)
{
    if (!config)
        return;
    nncf_context *context = config->context;
    nncf__document *d = &config->document;
    bool owns_context = config->owns_context;
    for (uint32_t i = 0; i < d->n_nodes; i++)
        nncf__value_free(&d->nodes[i]);
    nncf__free(context, d->nodes);
    nncf__free(context, d->in_order);
    nncf__free(context, d->by_key);
    nncf__free(context, d->keys);
    nncf__free(context, d->line_starts);
    nncf__free(context, d->text);
    nncf__free(context, d->name);
    nncf__config_arena_free(config);
    nncf__free(context, config);
    if (owns_context)
        nncf_context_destroy(context);
}

static nncf_status ensure_context(nncf_context **context, bool *owns, nncf_error *err)
{
    *owns = *context == NULL;
    if (*context)
        return NNCF_OK;
    return nncf__context_small(context, err);
}

/* A caller's parameters. */
typedef struct load_options {
    /* 0: none */
    int32_t release;
    /* nncf__scope_check, -1: the dialect's */
    int32_t check;
    /* nullable */
    int32_t (*report)(void *user, const nncf_error *error);
    void *user;
} load_options;

static nncf_status read_params(const nncf_config_params *params, load_options *out, nncf_error *err)
{
    static const int32_t checks[] = {-1, NNCF__SCOPES_WARN, NNCF__SCOPES_STRICT, NNCF__SCOPES_OFF};
    nncf_config_params p;
    *out = (load_options){.check = -1};
    if (!params)
        return NNCF_OK;
    nncf_status status = nncf__params_copy(&p, sizeof(p), params, "nncf_config_params", err);
    if (status != NNCF_OK)
        return status;
    if (p.scopes < 0 || p.scopes > NNCF_SCOPES_OFF || p.reserved != 0)
        return nncf__fail(err, NNCF_E_ARG, "nncf_config_params",
            "scopes is none of NNCF_SCOPES_..., or reserved not 0");
    out->check = checks[p.scopes];
    out->report = p.report;
    out->user = p.user;
    if (p.dialect)
        out->release = nncf__config_release_of(p.dialect);
    if (p.dialect && out->release == 0)
        return nncf__fail(err, NNCF_E_ARG, "nncf_config_params",
            "dialect \"%.40s\" is no NNCF release with a JSON dialect; allowed: \"1.0\" to "
            "\"2.17\"",
            p.dialect);
    return NNCF_OK;
}

/* Takes over the context if it owns it, also on failure. */
static nncf_status parse(nncf_context *context, bool owns_context, const char *name,
    const char *text, size_t size, const load_options *options, nncf_config **out, nncf_error *err)
{
    nncf_config *config = nncf__calloc(context, 1, sizeof(*config));
    if (!config) {
        if (owns_context)
            nncf_context_destroy(context);
        return nncf__fail(err, NNCF_E_NOMEM, name, "out of memory");
    }
    config->context = context;
    config->owns_context = owns_context;
    config->wanted_check = options->check;
    config->wanted_release = options->release;
    config->report = options->report;
    config->user = options->user;
    nncf__document *d = &config->document;
    d->context = context;
    d->size = size;
    d->name = nncf__strdup(context, name);
    d->text = nncf__alloc(context, size + 1);
    nncf_status status;
    nncf_error own = NNCF_ERROR_INIT, *callers = err;
    if (config->report)
        err = &own;
    if (!d->name || !d->text) {
        status = nncf__fail(err, NNCF_E_NOMEM, name, "out of memory");
    } else {
        if (size > 0)
            memcpy(d->text, text, size);
        d->text[size] = '\0';
        status = nncf__config_index_lines(d) ? nncf__config_blank_comments(d, err)
                                             : nncf__fail(err, NNCF_E_NOMEM, name, "out of memory");
        if (status == NNCF_OK)
            status = nncf__config_scan(d, err);
        if (status == NNCF_OK)
            status = nncf__config_read(config, err);
    }
    if (config->report && status != NNCF_OK) {
        if (config->n_reported == 0 && status != NNCF_E_NOMEM) /* it is no JSON */
            (void)config->report(config->user, &own);
        (void)nncf__result_copy(callers, &own, sizeof(own));
    }
    if (status != NNCF_OK) {
        nncf_config_destroy(config);
        return status;
    }
    *out = config;
    return NNCF_OK;
}

static nncf_status too_large(const char *name, nncf_error *err)
{
    return nncf__fail(err, NNCF_E_LIMIT, name, "%s: a config may have at most %d bytes", name,
        NNCF__MAX_CONFIG_SIZE);
}

static nncf_status parse_text(nncf_context *context, const char *name, const char *text,
    size_t size, const nncf_config_params *params, nncf_config **config, nncf_error *err)
{
    if (!config)
        return nncf__fail(err, NNCF_E_ARG, "nncf_config_parse", "config is NULL");
    if (!text && size > 0)
        return nncf__fail(err, NNCF_E_ARG, "nncf_config_parse", "text is NULL");
    if (!name)
        name = "<memory>";
    if (size > NNCF__MAX_CONFIG_SIZE)
        return too_large(name, err);
    load_options options;
    bool owns_context;
    nncf_status status = read_params(params, &options, err);
    if (status == NNCF_OK)
        status = ensure_context(&context, &owns_context, err);
    if (status != NNCF_OK)
        return status;
    return parse(context, owns_context, name, text, size, &options, config, err);
}

nncf_status nncf_config_parse(nncf_context *context, const char *name, const char *text,
    size_t size, const nncf_config_params *params, nncf_config **config, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = parse_text(context, name, text, size, params, config, &reason);
    return nncf__report(context, "nncf_config_parse", NULL, status, &reason, err);
}

/* Only a file can be a config: reading a FIFO or a terminal would wait for whoever writes there. */
static nncf_status check_kind(const char *path, int file, nncf_error *err)
{
    struct stat about;
    if (fstat(file, &about) != 0)
        return nncf__fail_errno(err, errno, path, "cannot read %s", path);
    if (S_ISREG(about.st_mode))
        return NNCF_OK;
    if (S_ISDIR(about.st_mode))
        return nncf__fail_errno(err, EISDIR, path, "cannot read %s", path);
    return nncf__fail(err, NNCF_E_IO, path,
        "cannot read %s: it is a %s, not a file; give a text from elsewhere to nncf_config_parse()",
        path, S_ISFIFO(about.st_mode) ? "FIFO" : "device");
}

/* Read at most capacity bytes. */
static nncf_status read_file(
    const char *path, char *buffer, size_t capacity, size_t *size, nncf_error *err)
{
    int file;
    do
        file = open(
            path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* to open a FIFO would wait too */
    while (file < 0 && errno == EINTR);
    if (file < 0)
        return nncf__fail_errno(err, errno, path, "cannot open %s", path);
    nncf_status status = check_kind(path, file, err);
    *size = 0;
    while (status == NNCF_OK && *size < capacity) {
        ssize_t n = read(file, buffer + *size, capacity - *size);
        if (n == 0)
            break;
        if (n > 0) {
            *size += (size_t)n;
        } else if (errno != EINTR) {
            status = nncf__fail_errno(err, errno, path, "cannot read %s", path);
            break;
        }
    }
    close(file);
    return status;
}

static nncf_status load(nncf_context *context, const char *path, const nncf_config_params *params,
    nncf_config **config, nncf_error *err)
{
    if (!path || !config)
        return nncf__fail(
            err, NNCF_E_ARG, "nncf_config_load", "%s is NULL", path ? "config" : "path");
    load_options options;
    bool owns_context;
    nncf_status status = read_params(params, &options, err);
    if (status == NNCF_OK)
        status = ensure_context(&context, &owns_context, err);
    if (status != NNCF_OK)
        return status;
    size_t size = 0;
    char *text =
        nncf__alloc(context, NNCF__MAX_CONFIG_SIZE + 1); /* one more: to see that it is too large */
    if (!text)
        status = nncf__fail(err, NNCF_E_NOMEM, path, "out of memory");
    else
        status = read_file(path, text, NNCF__MAX_CONFIG_SIZE + 1, &size, err);
    if (status == NNCF_OK && size > NNCF__MAX_CONFIG_SIZE)
        status = too_large(path, err);
    if (status != NNCF_OK) {
        nncf__free(context, text);
        if (owns_context)
            nncf_context_destroy(context);
        return status;
    }
    /* The text is given back before the context may end with the config. */
    nncf_config *loaded = NULL;
    status = parse(context, false, path, text, size, &options, &loaded, err);
    nncf__free(context, text);
    if (status == NNCF_OK) {
        loaded->owns_context = owns_context;
        *config = loaded;
    } else if (owns_context) {
        nncf_context_destroy(context);
    }
    return status;
}

nncf_status nncf_config_load(nncf_context *context, const char *path,
    const nncf_config_params *params, nncf_config **config, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = load(context, path, params, config, &reason);
    return nncf__report(context, "nncf_config_load", NULL, status, &reason, err);
}

/* ---- what was read ---- */

const char *nncf_config_get_dialect(const nncf_config *config)
{
    return config ? config->dialect : NULL;
}

nncf_status nncf__config_check_supported(const nncf_config *config, nncf_error *err)
{
    if (!config)
        return nncf__fail(err, NNCF_E_ARG, "nncf_config_check_supported", "config is NULL");
    if (config->n_unsupported == 0)
        return NNCF_OK;
    const nncf__document *d = &config->document;
    const nncf__unsupported *first = &config->unsupported[0];
    char path[NNCF__PATH_TEXT];
    nncf__source_location place = nncf__config_location(d, d->nodes[first->node].offset);
    nncf__config_node_path(d, first->node, path);
    return nncf__fail_at(
        err, NNCF_E_UNSUPPORTED, &place, path, "%s: not supported yet: %s", path, first->what);
}

nncf_status nncf_config_check_supported(const nncf_config *config, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = nncf__config_check_supported(config, &reason);
    return nncf__report(
        config ? config->context : NULL, "nncf_config_check_supported", NULL, status, &reason, err);
}

size_t nncf_config_get_algorithm_count(const nncf_config *config)
{
    return config ? config->n_algorithms : 0;
}

const char *nncf_config_get_algorithm_name(const nncf_config *config, size_t index)
{
    return config && index < config->n_algorithms ? config->algorithms[index].name : NULL;
}

const nncf__config_setup *nncf__config_setup_of(const nncf_config *config)
{
    return &config->setup;
}

const nncf__algorithm *nncf__config_algorithms(const nncf_config *config, size_t *count)
{
    *count = config->n_algorithms;
    return config->algorithms;
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_config_params, .scopes = NNCF_SCOPES_BY_DIALECT)
