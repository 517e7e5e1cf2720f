/* SPDX-License-Identifier: Apache-2.0 */
/* Error records, parameter and result structs, the log. */
#ifndef NNCF__BASE_ERROR_H
#define NNCF__BASE_ERROR_H

#include <nncf/base.h>
#include <nncf/context.h>

#include <stddef.h>
#include <stdint.h>

/* Fill err (nullable) and return status. `where` may be NULL. */
nncf_status nncf__fail(nncf_error *err, nncf_status status, const char *where, const char *format,
    ...) NNCF_PRINTF(4, 5);
typedef struct nncf__source_location {
    /* for the message's prefix */
    const char *file;
    uint64_t offset;
    /* from 1; 0 = none */
    int32_t line, column;
} nncf__source_location;
/* The same with file:line:column in front of the message. */
nncf_status nncf__fail_at(nncf_error *err, nncf_status status, const nncf__source_location *place,
    const char *where, const char *format, ...) NNCF_PRINTF(5, 6);
nncf_status nncf__fail_errno(
    nncf_error *err, int os_errno, const char *where, const char *format, ...) NNCF_PRINTF(4, 5);

/*
 * Copy a caller's parameter struct into a zeroed struct of the library. `src` begins with its
 * size_t struct_size. Smaller: the rest is zero. Larger: the bytes that we do not know must be
 * zero, else NNCF_E_ARG (the caller requests something impossible).
 */
nncf_status nncf__params_copy(
    void *dst, size_t dst_size, const void *src, const char *type_name, nncf_error *err);
/* The same for results: write min(sizes) of src into the caller's struct, keeping its struct_size.
 */
nncf_status nncf__result_copy(void *dst, const void *src, size_t src_size);
/* The same with a message when dst is NULL or has no plausible struct_size. */
nncf_status nncf__result_give(
    void *dst, const void *src, size_t src_size, const char *type_name, nncf_error *err);

/* What nncf_<struct>_init() does: zeros, the defaults, and dst_size as struct_size; of the smaller
 * of both structs. */
void nncf__struct_init(void *dst, size_t dst_size, const void *defaults, size_t size);
/* Define nncf_<struct>_init(); after the type, the members whose default is not 0. */
#define NNCF__STRUCT_INIT(type, ...)                                                               \
    void type##_init(type *dst, size_t struct_size)                                                \
    {                                                                                              \
        static const type defaults = {.struct_size = sizeof(type), __VA_ARGS__};                   \
        nncf__struct_init(dst, struct_size, &defaults, sizeof defaults);                           \
    }

/*
 * A call was refused, for `reason`: that goes to the context's log as "call: message" and to err,
 * both nullable. `scope` (nullable) is the layer that the call is about: it is put in front of the
 * message, and becomes err->where. NNCF_OK does nothing. Returns status.
 */
nncf_status nncf__report(const nncf_context *context, const char *call, const char *scope,
    nncf_status status, const nncf_error *reason, nncf_error *err);

/* A text that vsnprintf() may have cut: drop the begin of a UTF-8 sequence at its end. */
void nncf__trim_utf8(char *text, size_t capacity);
void nncf__log(const nncf_context *context, int32_t level, const char *format, ...)
    NNCF_PRINTF(3, 4);

#endif
