/* SPDX-License-Identifier: Apache-2.0 */
/* The context: a caller's parameters, checked and resolved. */
#include "context/context.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "gemm/microkernel.h"
#include "kernels/binary.h"
#include "kernels/int8.h"
#include "kernels/kernels.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 256 };

static const char *const isa_names[] = {NULL, "reference", "portable", "avx2", "avx512", "neon"};

static nncf_status check_params(const nncf_context_params *p, nncf_error *err)
{
    static const char where[] = "nncf_context_params";
    if (p->n_threads < 0 || p->n_threads > MAX_THREADS)
        return nncf__fail(err, NNCF_E_ARG, where,
            "n_threads is %d; allowed: 1..%d, or 0 for one a processor", (int)p->n_threads,
            MAX_THREADS);
    if (p->max_isa < NNCF_ISA_BEST || p->max_isa > NNCF_ISA_NEON)
        return nncf__fail(err, NNCF_E_ARG, where,
            "max_isa is %d; allowed: NNCF_ISA_BEST .. NNCF_ISA_NEON (%d..%d)", (int)p->max_isa,
            NNCF_ISA_BEST, NNCF_ISA_NEON);
    if (!p->alloc != !p->free)
        return nncf__fail(err, NNCF_E_ARG, where, "%s is given without %s; give both or neither",
            p->alloc ? "alloc" : "free", p->alloc ? "free" : "alloc");
    if (p->log_level < 0 || p->log_level > NNCF_LOG_DEBUG)
        return nncf__fail(err, NNCF_E_ARG, where,
            "log_level is %d; allowed: NNCF_LOG_ERROR .. NNCF_LOG_DEBUG (%d..%d), or 0 for "
            "warnings",
            (int)p->log_level, NNCF_LOG_ERROR, NNCF_LOG_DEBUG);
    if (p->disable_int8 != 0 && p->disable_int8 != 1)
        return nncf__fail(
            err, NNCF_E_ARG, where, "disable_int8 is %d; allowed: 0, 1", (int)p->disable_int8);
    return NNCF_OK;
}

/* Headers of 0.x work with the library of the same 0.x only; from 1.0 on an older minor release's
 * program works too. */
static bool version_fits(uint32_t version)
{
    uint32_t major = version >> 16, minor = version >> 8 & 0xff;
    if (major != NNCF_VERSION_MAJOR)
        return false;
    return NNCF_VERSION_MAJOR == 0 ? minor == NNCF_VERSION_MINOR : minor <= NNCF_VERSION_MINOR;
}

/* The environment only ever takes away, so that a test or a user can rule instructions out. */
static void apply_environment(nncf_context *context)
{
    const char *disable = getenv("NNCF_DISABLE_INT8");
    if (disable && strcmp(disable, "1") == 0)
        context->params.disable_int8 = 1;
    else if (disable && *disable && strcmp(disable, "0") != 0)
        nncf__log(context, NNCF_LOG_WARNING,
            "the environment variable NNCF_DISABLE_INT8 is \"%s\" and was not followed; allowed: "
            "0, "
            "1",
            disable);
    const char *word = getenv("NNCF_MAX_ISA");
    if (!word || !*word)
        return;
    for (int32_t isa = NNCF_ISA_REFERENCE; isa <= NNCF_ISA_NEON; isa++) {
        if (strcmp(word, isa_names[isa]) == 0) {
            const int32_t ceiling = nncf__isa_ceiling(isa);
            if (ceiling < nncf__isa_ceiling(context->params.max_isa))
                context->params.max_isa = ceiling;
            return;
        }
    }
    nncf__log(context, NNCF_LOG_WARNING,
        "the environment variable NNCF_MAX_ISA is \"%s\" and was not followed; allowed: reference, "
        "portable, "
        "avx2, avx512, neon",
        word);
}

/* kernels/ has left what it chose in the description; put version and threads around it. */
static void describe(nncf_context *context)
{
    char chosen[sizeof(context->description)];
    int32_t isa = context->params.max_isa;
    snprintf(chosen, sizeof(chosen), "%s", context->description);
    if (chosen[0] == '\0')
        snprintf(chosen, sizeof(chosen), "%s",
            isa >= NNCF_ISA_REFERENCE && isa <= NNCF_ISA_NEON ? isa_names[isa] : "no kernels");
    snprintf(context->description, sizeof(context->description),
        "libnncf %s, %.200s, %d thread%s%s", nncf_version_string(), chosen,
        (int)context->params.n_threads, context->params.n_threads == 1 ? "" : "s",
        context->params.parallel_for ? " of the host" : "");
}

/* The kernels and microkernel that this CPU and the ceiling of the parameters allow: fills
 * context->kernels, resolves max_isa, and leaves "avx512, BLIS 0.9.0 (skx)" in the description. */
static nncf_status choose_kernels(nncf_context *context)
{
    int32_t isa = nncf__isa_ceiling(context->params.max_isa);
    if (isa < NNCF_ISA_REFERENCE || isa > NNCF_ISA_NEON)
        return NNCF_E_ARG;
    const nncf__kernels *table = nncf__kernels_get(isa);
    while (!table) /* the reference is always there */
        table = nncf__kernels_get(--isa);
    context->kernels = table;
    context->params.max_isa = isa;
#ifdef NNCF__WITHOUT_KERNELS
    snprintf(context->description, sizeof(context->description), "%s, no kernels for layers",
        table->name);
#else
    const nncf__int8_kernels *int8 =
        context->params.disable_int8 ? NULL : nncf__int8_kernels_get(isa);
    context->int8 = int8;
    context->binary = context->params.disable_int8 ? NULL : nncf__binary_kernels_get(isa);
    const char *gemm = nncf__gemm_describe(context);
    snprintf(context->description, sizeof(context->description), "%s, %s, %s%s", table->name,
        strcmp(gemm, "none") == 0 ? "no BLIS" : gemm, int8 ? "int8 by " : "no int8 kernels",
        int8 ? int8->name : "");
#endif
    return NNCF_OK;
}

nncf_status nncf_context_create(uint32_t api_version, const nncf_context_params *params,
    nncf_context **context, nncf_error *err)
{
    if (!context)
        return nncf__fail(err, NNCF_E_ARG, "nncf_context_create", "context is NULL");
    if (!version_fits(api_version))
        return nncf__fail(err, NNCF_E_VERSION, "nncf_context_create",
            "the program was built with the headers of libnncf %u.%u.%u, but libnncf %s is "
            "running; "
            "rebuild it or install the library it was built for",
            (unsigned)(api_version >> 16), (unsigned)(api_version >> 8 & 0xff),
            (unsigned)(api_version & 0xff), nncf_version_string());
    nncf_context local = {0};
    local.params.struct_size = sizeof(local.params);
    nncf_status status;
    if (params) {
        status = nncf__params_copy(
            &local.params, sizeof(local.params), params, "nncf_context_params", err);
        if (status == NNCF_OK)
            status = check_params(&local.params, err);
        if (status != NNCF_OK)
            return status;
    }
    if (local.params.log_level == 0)
        local.params.log_level = NNCF_LOG_WARNING;
    if (local.params.n_threads == 0) {
        int32_t n = nncf__processor_count();
        local.params.n_threads = n < MAX_THREADS ? n : MAX_THREADS;
    }
    apply_environment(&local);

    nncf_context *created = nncf__alloc(&local, sizeof(*created));
    if (!created)
        return nncf__fail(err, NNCF_E_NOMEM, "nncf_context_create", "out of memory");
    *created = local;
    status = choose_kernels(created);
    if (status != NNCF_OK) {
        nncf_context_destroy(created);
        return nncf__fail(
            err, status, "nncf_context_create", "no kernels: %s", nncf_status_message(status));
    }
    if (created->params.n_threads > 1 && !created->params.parallel_for) {
        status = nncf__pool_create(created, created->params.n_threads, &created->pool);
        if (status != NNCF_OK) {
            int n_threads = (int)created->params.n_threads;
            nncf_context_destroy(created);
            return nncf__fail(err, status, "nncf_context_create",
                "there is no memory for %d threads, or the system "
                "allows no more; ask for fewer in n_threads",
                n_threads);
        }
    }
    describe(created);
    nncf__log(created, NNCF_LOG_INFO, "%s", created->description);
    *context = created;
    return NNCF_OK;
}

void nncf_context_destroy(nncf_context *context)
{
    if (!context)
        return;
    nncf__pool_destroy(context, context->pool);
    nncf__scratch_free(context);
    nncf_context local = *context; /* the hooks outlive the memory that they give back */
    nncf__free(&local, context);
}

const char *nncf_context_get_description(const nncf_context *context)
{
    return context ? context->description : NULL;
}

nncf_status nncf__context_default(nncf_context **context, nncf_error *err)
{
    return nncf_context_create(NNCF_API_VERSION, NULL, context, err);
}

nncf_status nncf__context_small(nncf_context **context, nncf_error *err)
{
    const nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .n_threads = 1};
    return nncf_context_create(NNCF_API_VERSION, &params, context, err);
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_context_params, .max_isa = NNCF_ISA_BEST, .log_level = NNCF_LOG_WARNING)
