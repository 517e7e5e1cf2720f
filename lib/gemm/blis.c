/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only file that knows BLIS. We take the microkernel and the block sizes from its context and
 * nothing else: BLIS never allocates on our paths (it aborts when it cannot) and never makes
 * threads.
 *
 * Which sub-configuration: on virtual machines BLIS 0.9 reads the CPU's brand string, finds neither
 * "Gold" nor "Platinum", and takes haswell on a server with AVX-512; on AMD's Zen 4 it takes zen3.
 * Measured there: skx and zen3 reach the same peak, skx holds it at small k. Therefore skx wherever
 * the CPU has AVX-512, unless BLIS_ARCH_TYPE says otherwise. On Zen 5 skx runs at 250 GF/s a core,
 * as does the built-in microkernel, which is ahead below k = 64, and which alone does narrow panels
 * and writes to the output itself: pixel_product.c says where it takes its place. BLIS reads that
 * variable with strtol() and aborts at a number that it was not built for; a name means 0, which is
 * skx, whatever the CPU has. So we look first, take names for what they say, and never let BLIS see
 * a value that would end the process.
 */
#include "base/error.h"
#include "gemm/microkernel.h"
#include "kernels/kernels.h"

#include <nncf/context.h>

#ifdef NNCF__HAVE_BLIS

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <blis.h>
#pragma GCC diagnostic pop

typedef struct configuration {
    const char *name;
    arch_t id;
    /* lowest ISA that implies what its kernels need */
    int32_t isa;
} configuration;

/* What an x86-64 build of BLIS holds, without those for CPUs that had their own instructions (knl,
 * bulldozer and its kin): a wrong guess would be an illegal instruction. */
static const configuration configurations[] = {
    {"skx", BLIS_ARCH_SKX, NNCF_ISA_AVX512},
    {"haswell", BLIS_ARCH_HASWELL, NNCF_ISA_AVX2},
    {"zen3", BLIS_ARCH_ZEN3, NNCF_ISA_AVX2},
    {"zen2", BLIS_ARCH_ZEN2, NNCF_ISA_AVX2},
    {"zen", BLIS_ARCH_ZEN, NNCF_ISA_AVX2},
    {"sandybridge", BLIS_ARCH_SANDYBRIDGE, NNCF_ISA_AVX2},
    {"penryn", BLIS_ARCH_PENRYN, NNCF_ISA_AVX2},
    {"generic", BLIS_ARCH_GENERIC, NNCF_ISA_PORTABLE},
};
enum { N_CONFIGURATIONS = sizeof configurations / sizeof configurations[0] };

static struct {
    pthread_once_t once;
    bool usable;
    /* kernel, context, tile, blocks */
    nncf__microkernel micro;
    int32_t isa;
    bool rows;
    char description[96];
    /* said once, by the first context that asks */
    char warning[256];
    atomic_flag warned;
} blis = {.once = PTHREAD_ONCE_INIT, .warned = ATOMIC_FLAG_INIT};

static bool cpu_runs(int32_t isa)
{
    return isa == NNCF_ISA_PORTABLE || nncf__kernels_get(isa) != NULL;
}

/* The user's choice, as a name or as BLIS's number; NULL when it is unset or must not reach BLIS.
 */
static const configuration *configuration_of_user(const char *text)
{
    if (!text)
        return NULL;
    char *end;
    long number = strtol(text, &end, 10);
    bool is_number = end != text && *end == '\0';
    for (size_t i = 0; i < N_CONFIGURATIONS; i++) {
        const configuration *c = &configurations[i];
        if ((is_number ? number == (long)c->id : strcmp(text, c->name) == 0) && cpu_runs(c->isa))
            return c;
    }
    snprintf(blis.warning, sizeof blis.warning,
        "BLIS_ARCH_TYPE is \"%.40s\", which this CPU or BLIS does not have, and was not followed; "
        "allowed: skx, "
        "haswell, zen3, zen2, zen, generic, or their numbers in BLIS",
        text);
    return NULL;
}

/* Set the variable for the time of BLIS's first call. It has no effect when the program itself has
 * used BLIS before: then what it chose is used. */
static void initialize_blis(void)
{
    const char *user = getenv("BLIS_ARCH_TYPE");
    char *saved = user ? strdup(user) : NULL;
    const configuration *c = configuration_of_user(user);
    if (!c && cpu_runs(NNCF_ISA_AVX512))
        c = &configurations[0];
    if (c) {
        char number[16];
        snprintf(number, sizeof number, "%d", (int)c->id);
        setenv("BLIS_ARCH_TYPE", number, 1);
    } else if (user) {
        unsetenv("BLIS_ARCH_TYPE");
    }
    (void)bli_gks_query_nat_cntx();
    if (saved)
        setenv("BLIS_ARCH_TYPE", saved, 1);
    else if (!user)
        unsetenv("BLIS_ARCH_TYPE");
    free(saved);
}

/* Header and library must number configurations alike, else their contexts may differ too. */
static bool library_is_known(void)
{
    const char *version = bli_info_get_version_str();
    bool known = strncmp(version, "0.9", 3) == 0 || strncmp(version, "1.", 2) == 0;
    for (size_t i = 0; known && i < N_CONFIGURATIONS; i++)
        known = strcmp(bli_arch_string(configurations[i].id), configurations[i].name) == 0;
    if (!known)
        snprintf(blis.warning, sizeof blis.warning,
            "BLIS %.40s does not fit the header that libnncf was built with; its own kernels are "
            "used",
            version);
    return known;
}

/* BLIS says const nowhere. */
static void call(const nncf__microkernel *m, int64_t rows, int64_t cols, int64_t k, const float *a,
    const float *b, float *c, int64_t row_stride, int64_t col_stride, bool add)
{
    union {
        const float *read;
        float *blis;
    } pa = {a}, pb = {b}, next_a = {a + k * rows};
    union {
        void *object;
        sgemm_ukr_ft function;
    } kernel = {.object = m->blis_kernel};
    auxinfo_t next = {0};
    bli_auxinfo_set_next_a(next_a.blis, &next);
    bli_auxinfo_set_next_b(pb.blis, &next);
    float one = 1.0f, beta = add ? 1.0f : 0.0f;
    kernel.function(rows, cols, k, &one, pa.blis, pb.blis, &beta, c, row_stride, col_stride, &next,
        m->blis_context);
}

/* BLIS's microkernel knows whole tiles only. The last panel of 64 channels holds 4 of 12: the
 * built-in one does those alone. */
static bool is_narrow(const nncf__microkernel *m, int64_t k, const float *panel_m,
    const float *panel_n, int64_t used, float *c, bool add)
{
    if (used == m->nr || !m->has_builtin)
        return false;
    m->k->gemm_micro((size_t)k, panel_m, panel_n, (size_t)used, c, add);
    return true;
}

/* The tile is stored along MR, which is the storage that the kernel prefers. */
static void run_columns(const nncf__microkernel *m, int64_t k, const float *panel_m,
    const float *panel_n, int64_t used, float *c, bool add)
{
    if (is_narrow(m, k, panel_m, panel_n, used, c, add))
        return;
    call(m, m->mr, m->nr, k, panel_m, panel_n, c, 1, m->mr, add);
}

static void run_rows(const nncf__microkernel *m, int64_t k, const float *panel_m,
    const float *panel_n, int64_t used, float *c, bool add)
{
    if (is_narrow(m, k, panel_m, panel_n, used, c, add))
        return;
    call(m, m->nr, m->mr, k, panel_n, panel_m, c, m->mr, 1, add);
}

static void load(void)
{
    if (!library_is_known())
        return;
    initialize_blis();
    cntx_t *context = bli_gks_query_nat_cntx();
    arch_t id = bli_arch_query_id();
    const configuration *c = NULL;
    for (size_t i = 0; i < N_CONFIGURATIONS; i++)
        if (configurations[i].id == id)
            c = &configurations[i];
#if !defined(__x86_64__)
    /* Elsewhere one instruction set is all that this library is built for. */
    const configuration here = {bli_arch_string(id), id, NNCF_ISA_PORTABLE};
    c = &here;
#endif
    int64_t rows = bli_cntx_get_blksz_def_dt(BLIS_FLOAT, BLIS_MR, context);
    int64_t cols = bli_cntx_get_blksz_def_dt(BLIS_FLOAT, BLIS_NR, context);
    bool padded = rows != bli_cntx_get_blksz_max_dt(BLIS_FLOAT, BLIS_MR, context) ||
        cols != bli_cntx_get_blksz_max_dt(BLIS_FLOAT, BLIS_NR, context);
    blis.rows = bli_cntx_l3_nat_ukr_prefers_rows_dt(BLIS_FLOAT, BLIS_GEMM_UKR, context);
    nncf__microkernel *m = &blis.micro;
    m->mr = blis.rows ? cols : rows;
    m->nr = blis.rows ? rows : cols;
    m->kc = bli_cntx_get_blksz_def_dt(BLIS_FLOAT, BLIS_KC, context);
    m->mc = bli_cntx_get_blksz_def_dt(BLIS_FLOAT, BLIS_MC, context);
    if (!c || padded || m->mr > NNCF__TILE_EDGE_MAX || m->nr > NNCF__TILE_EDGE_MAX ||
        m->mr * m->nr > NNCF__TILE_MAX) {
        snprintf(blis.warning, sizeof blis.warning,
            "BLIS runs its %s configuration, which libnncf cannot drive; its own kernels are used",
            bli_arch_string(id));
        return;
    }
    m->run = blis.rows ? run_rows : run_columns;
    union {
        void_fp function;
        void *object;
    } kernel = {.function = bli_cntx_get_l3_nat_ukr_dt(BLIS_FLOAT, BLIS_GEMM_UKR, context)};
    m->blis_kernel = kernel.object;
    m->blis_context = context;
    blis.isa = c->isa;
    snprintf(blis.description, sizeof blis.description, "BLIS %.40s %s %dx%d",
        bli_info_get_version_str(), c->name, (int)rows, (int)cols);
    blis.usable = true;
}

bool nncf__blis_microkernel(const nncf_context *context, int32_t isa, nncf__microkernel *m)
{
    pthread_once(&blis.once, load);
    if (blis.warning[0] && !atomic_flag_test_and_set(&blis.warned))
        nncf__log(context, NNCF_LOG_WARNING, "%s", blis.warning);
    if (!blis.usable || isa < blis.isa)
        return false;
    *m = blis.micro;
    return true;
}

const char *nncf__blis_describe(void)
{
    return blis.description;
}

#else

bool nncf__blis_microkernel(const nncf_context *context, int32_t isa, nncf__microkernel *m)
{
    (void)context;
    (void)isa;
    (void)m;
    return false;
}

const char *nncf__blis_describe(void)
{
    return "none";
}

#endif
