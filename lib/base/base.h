/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ground floor: allocation, errors, text buffers, checked arithmetic, threads, random numbers, the context.
 * Everything else may include this; this includes nothing of the library but public headers.
 */
#ifndef NNCF__BASE_H
#define NNCF__BASE_H

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdarg.h>
#include <stdbool.h>

/* ---- context.c ---- */

struct nncf__pool;

struct nncf_context {
    nncf_context_params params; /* n_threads resolved, max_isa resolved: never NNCF_ISA_BEST */
    struct nncf__pool *pool;    /* NULL: one thread, or the host's parallel_for */
    const void *kernels;        /* cached by nncf__kernels_get(); see kernels/kernels.h */
    void **scratch;             /* [n_threads], each scratch_size bytes, 64-byte aligned */
    size_t scratch_size;
    bool dry; /* a copy that finds out how much scratch a call wants: reserving notes it, nncf__parallel() does nothing
               */
    char description[256];
};

/*
 * Choose the kernels: fill context->kernels, resolve params.max_isa, and leave what was chosen in context->description
 * ("avx512, BLIS 0.9.0 (skx)"; left empty it becomes the name of max_isa); nncf_context_create() then puts version and
 * threads around it. Defined in kernels/, so that base needs nothing of kernels.
 */
nncf_status nncf__kernels_init(nncf_context *context);

/* Processors that this process may run on, at least 1. */
int32_t nncf__processor_count(void);

/* ---- alloc.c: everything the library allocates goes through these; 64-byte aligned; context is never NULL in here
 * ---- */

void *nncf__alloc(nncf_context *context, size_t size); /* size 0 is served too; NULL: no memory */
void *nncf__calloc(nncf_context *context, size_t count,
                   size_t size);                   /* zeroed; NULL also when count * size overflows */
void nncf__free(nncf_context *context, void *ptr); /* NULL is fine */
char *nncf__strdup(nncf_context *context, const char *text);
size_t nncf__alloc_bytes(size_t size); /* what a block of that size takes from the allocator */
/* Make *ptr hold at least `size` bytes, contents not kept; *capacity follows. On failure nothing changes. */
nncf_status nncf__grow(nncf_context *context, void **ptr, size_t *capacity, size_t size);

bool nncf__mul(size_t a, size_t b, size_t *out); /* false on overflow, then *out is untouched */
bool nncf__add(size_t a, size_t b, size_t *out);

/* A context for objects made without one. */
nncf_status nncf__context_default(nncf_context **context, nncf_error *err);

/* ---- error.c ---- */

/* Fill err (nullable) and return status. `where` may be NULL. */
nncf_status nncf__fail(nncf_error *err, nncf_status status, const char *where, const char *format, ...)
    NNCF_PRINTF(4, 5);
typedef struct nncf__place {
    const char *file; /* for the message's prefix */
    uint64_t offset;
    int32_t line, column; /* from 1; 0 = none */
} nncf__place;
/* The same with file:line:column in front of the message. */
nncf_status nncf__fail_at(nncf_error *err, nncf_status status, const nncf__place *place, const char *where,
                          const char *format, ...) NNCF_PRINTF(5, 6);
nncf_status nncf__fail_errno(nncf_error *err, int os_errno, const char *where, const char *format, ...)
    NNCF_PRINTF(4, 5);

/*
 * Copy a caller's parameter struct into a zeroed one of ours. `src` begins with its size_t struct_size. Smaller: the
 * rest is zero. Larger: the bytes that we do not know must be zero, else NNCF_E_ARG (the caller asks for something we
 * cannot do).
 */
nncf_status nncf__params_copy(void *dst, size_t dst_size, const void *src, const char *type_name, nncf_error *err);
/* The same for results: write min(sizes) of src into the caller's struct, keeping its struct_size. */
nncf_status nncf__result_copy(void *dst, const void *src, size_t src_size);

void nncf__log(nncf_context *context, int32_t level, const char *format, ...) NNCF_PRINTF(3, 4);

/* ---- text.c: growable text with sticky failure ---- */

typedef struct nncf__text {
    nncf_context *context;
    char *data; /* NUL-terminated once anything was appended */
    size_t length, capacity;
    bool failed; /* an allocation failed: the text is incomplete */
    bool fixed;  /* data is a caller's buffer: what does not fit is only counted in length */
} nncf__text;
/* A text that goes into a caller's buffer of `capacity` bytes (nullable, and then 0) as it is made, for
 * nncf__text_deliver(); it allocates nothing. NULL, 0: its length is counted. */
nncf__text nncf__text_into(char *buffer, size_t capacity);
void nncf__text_append(nncf__text *text, const char *data, size_t length);
void nncf__text_printf(nncf__text *text, const char *format, ...) NNCF_PRINTF(2, 3);
/* Append a JSON string: in quotes, with escapes. UTF-8 is left as it is. */
void nncf__text_json_string(nncf__text *text, const char *string);
void nncf__text_free(nncf__text *text);
/* Hand a finished text to a caller's buffer by the rule of nncf_config_dump(); frees the text. */
nncf_status nncf__text_deliver(nncf__text *text, char *buffer, size_t capacity, size_t *needed);

/* The shortest decimal text that reads back as `value`, with a point in every locale; returns out. "inf", "nan" for
 * those. */
#define NNCF__DOUBLE_TEXT 40
char *nncf__format_double(double value, char out[NNCF__DOUBLE_TEXT]);

/* Edit distance (insert, delete, substitute, swap of neighbours), for "did you mean"; texts over 63 bytes count by
 * their first 63. */
unsigned nncf__edit_distance(const char *a, const char *b);
/* Length of the UTF-8 sequence at `s` (left > 0 bytes), 0 when it is none (RFC 3629: shortest forms, no surrogates). */
size_t nncf__utf8_length(const unsigned char *s, size_t left);
bool nncf__utf8_valid(const char *text);

/* ---- threads.c ---- */

nncf_status nncf__pool_create(nncf_context *context, int32_t n_threads, struct nncf__pool **pool);
void nncf__pool_destroy(nncf_context *context, struct nncf__pool *pool);

/*
 * Run fn(arg, chunk, worker) for every chunk in 0..n_chunks-1, each exactly once, on up to n_threads workers (worker in
 * 0..n_threads-1, so it indexes scratch). Which worker takes which chunk is not determined: results must not depend on
 * it. One chunk or one thread runs inline. Never nested.
 */
typedef void nncf__chunk_fn(void *arg, size_t chunk, size_t worker);
void nncf__parallel(nncf_context *context, size_t n_chunks, nncf__chunk_fn *fn, void *arg);

/* Give every worker at least `size` bytes of scratch; contents are lost. Call before nncf__parallel(). */
nncf_status nncf__scratch_reserve(nncf_context *context, size_t size);
void nncf__scratch_free(nncf_context *context);
/* This worker's scratch; NULL before the first reserve. */
void *nncf__scratch(const nncf_context *context, size_t worker);

#endif
