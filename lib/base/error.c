/* SPDX-License-Identifier: Apache-2.0 */
/* The error record, the rules of parameter structs, the log. */
#include "base/error.h"

#include "base/context.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <locale.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A text that did not fit must not end in the middle of a UTF-8 sequence. */
void nncf__trim_utf8(char *text, size_t capacity)
{
    size_t length = strlen(text);
    if (length + 1 < capacity)
        return;
    size_t lead = length;
    while (lead > 0 && length - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    unsigned char first = (unsigned char)text[lead - 1];
    size_t want = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    if (length - (lead - 1) < want)
        text[lead - 1] = '\0';
}

/* printf after what `out` holds already, cut to capacity. */
static void append_v(char *out, size_t capacity, const char *format, va_list args)
    NNCF_PRINTF(3, 0);
static void append_v(char *out, size_t capacity, const char *format, va_list args)
{
    size_t used = strlen(out);
    vsnprintf(out + used, capacity - used, format, args);
    nncf__trim_utf8(out, capacity);
}

static void append(char *out, size_t capacity, const char *format, ...) NNCF_PRINTF(3, 4);
static void append(char *out, size_t capacity, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_v(out, capacity, format, args);
    va_end(args);
}

/* Copy what fits the caller's record, which may be of an older, shorter version. */
static nncf_status on_result(nncf_error *err, nncf_error *record, const char *where)
{
    if (where)
        append(record->where, sizeof(record->where), "%s", where);
    (void)nncf__result_copy(err, record, sizeof(*record));
    return record->status;
}

nncf_status nncf__fail(
    nncf_error *err, nncf_status status, const char *where, const char *format, ...)
{
    if (!err)
        return status;
    nncf_error record = NNCF_ERROR_INIT;
    record.status = status;
    va_list args;
    va_start(args, format);
    append_v(record.message, sizeof(record.message), format, args);
    va_end(args);
    return on_result(err, &record, where);
}

nncf_status nncf__fail_at(nncf_error *err, nncf_status status, const nncf__source_location *place,
    const char *where, const char *format, ...)
{
    if (!err)
        return status;
    nncf_error record = NNCF_ERROR_INIT;
    record.status = status;
    record.offset = place->offset;
    record.line = place->line;
    record.column = place->column;
    if (place->file)
        append(record.message, sizeof(record.message), "%s:", place->file);
    if (place->line > 0)
        append(
            record.message, sizeof(record.message), "%d:%d:", (int)place->line, (int)place->column);
    if (place->file || place->line > 0)
        append(record.message, sizeof(record.message), " ");
    va_list args;
    va_start(args, format);
    append_v(record.message, sizeof(record.message), format, args);
    va_end(args);
    return on_result(err, &record, where);
}

nncf_status nncf__fail_errno(
    nncf_error *err, int os_errno, const char *where, const char *format, ...)
{
    if (!err)
        return NNCF_E_IO;
    nncf_error record = NNCF_ERROR_INIT;
    record.status = NNCF_E_IO;
    record.os_errno = os_errno;
    va_list args;
    va_start(args, format);
    append_v(record.message, sizeof(record.message), format, args);
    va_end(args);
    /* strerror() is not thread-safe, and the two strerror_r() differ; the "C" locale keeps messages
     * in one language. */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale) {
        append(record.message, sizeof(record.message), ": %s", strerror_l(os_errno, c_locale));
        freelocale(c_locale);
    } else {
        append(record.message, sizeof(record.message), ": error %d", os_errno);
    }
    return on_result(err, &record, where);
}

/* A struct_size above this is an uninitialized struct, not a newer one. */
enum { MAX_STRUCT_SIZE = 1 << 16 };

/* Could sizeof have given it? A struct that begins with a size_t is whole multiples of one; half a
 * pointer is not read.
 */
static bool plausible_size(size_t size)
{
    return size >= sizeof(size_t) && size <= MAX_STRUCT_SIZE && size % sizeof(size_t) == 0;
}

nncf_status nncf__params_copy(
    void *dst, size_t dst_size, const void *src, const char *type_name, nncf_error *err)
{
    size_t src_size;
    if (!src)
        return nncf__fail(err, NNCF_E_ARG, type_name, "%s: the pointer is NULL", type_name);
    memcpy(&src_size, src, sizeof(src_size));
    if (!plausible_size(src_size))
        return nncf__fail(err, NNCF_E_ARG, type_name,
            "%s: struct_size is %zu; initialize the struct with { NNCF_PARAMS(%s), ... }",
            type_name, src_size, type_name);
    const unsigned char *bytes = src;
    for (size_t i = dst_size; i < src_size; i++)
        if (bytes[i] != 0)
            return nncf__fail(err, NNCF_E_ARG, type_name,
                "%s: byte %zu is set, but libnncf %s knows only the first %zu bytes of the struct: "
                "the "
                "program was built for a newer libnncf",
                type_name, i, nncf_version_string(), dst_size);
    memset(dst, 0, dst_size);
    memcpy(dst, src, src_size < dst_size ? src_size : dst_size);
    memcpy(dst, &dst_size, sizeof(dst_size));
    return NNCF_OK;
}

void nncf__struct_init(void *dst, size_t dst_size, const void *defaults, size_t size)
{
    if (!dst || dst_size < sizeof(size_t))
        return;
    memset(dst, 0, dst_size);
    memcpy(dst, defaults, size < dst_size ? size : dst_size);
    memcpy(dst, &dst_size, sizeof(dst_size));
}

nncf_status nncf__result_copy(void *dst, const void *src, size_t src_size)
{
    if (!dst)
        return NNCF_E_ARG;
    size_t dst_size;
    memcpy(&dst_size, dst, sizeof(dst_size));
    if (!plausible_size(dst_size))
        return NNCF_E_ARG;
    memcpy(dst, src, src_size < dst_size ? src_size : dst_size);
    memcpy(dst, &dst_size, sizeof(dst_size));
    return NNCF_OK;
}

nncf_status nncf__result_give(
    void *dst, const void *src, size_t src_size, const char *type_name, nncf_error *err)
{
    nncf_status status = nncf__result_copy(dst, src, src_size);
    return status == NNCF_OK ? NNCF_OK
                             : nncf__fail(err, status, type_name,
                                   "%s: the pointer is NULL, or struct_size is not set; initialize "
                                   "the struct with { NNCF_PARAMS(%s) }",
                                   type_name, type_name);
}

void nncf__log(const nncf_context *context, int32_t level, const char *format, ...)
{
    if (!context->params.log || level > context->params.log_level)
        return;
    char line[1024] = "";
    va_list args;
    va_start(args, format);
    append_v(line, sizeof(line), format, args);
    va_end(args);
    context->params.log(context->params.log_user, level, line);
}

nncf_status nncf__report(const nncf_context *context, const char *call, const char *scope,
    nncf_status status, const nncf_error *reason, nncf_error *err)
{
    /* a scope may be longer than a message: its end distinguishes layers */
    enum { SCOPE_TEXT = 256 };
    if (status == NNCF_OK)
        return status;
    const char *message = reason->message[0] ? reason->message : nncf_status_message(status);
    const size_t n = strlen(call);
    if (strncmp(message, call, n) == 0 && message[n] == ':')
        call = "";
    if (context)
        nncf__log(context, NNCF_LOG_ERROR, "%s%s%s%s%s", call, *call ? ": " : "",
            scope ? scope : "", scope ? ": " : "", message);
    nncf_error record = *reason;
    record.status = status;
    if (scope) {
        const size_t length = strlen(scope);
        const char *end = scope + (length > SCOPE_TEXT ? length - SCOPE_TEXT : 0);
        while (((unsigned char)*end & 0xc0) == 0x80)
            end++;
        record.where[0] = record.message[0] = '\0';
        append(record.message, sizeof(record.message), "%s%s: %s", end == scope ? "" : "...", end,
            message);
    } else if (message != reason->message) {
        append(record.message, sizeof(record.message), "%s", message);
    }
    return err ? on_result(err, &record, scope) : status;
}

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_error, )
