/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"

#include <nncf/base.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Reserve space for `extra` more bytes and the NUL. */
static bool reserve(nncf__text *text, size_t extra)
{
    if (text->failed)
        return false;
    size_t needed, doubled;
    if (!nncf__add(text->length, extra, &needed) || !nncf__add(needed, 1, &needed)) {
        text->failed = true;
        return false;
    }
    if (text->capacity >= needed)
        return true;
    if (!nncf__mul(text->capacity, 2, &doubled) || doubled < needed)
        doubled = needed < 256 ? 256 : needed;
    char *data = nncf__alloc(text->context, doubled);
    if (!data) {
        text->failed = true;
        return false;
    }
    if (text->data)
        memcpy(data, text->data, text->length);
    nncf__free(text->context, text->data);
    text->data = data;
    text->capacity = doubled;
    return true;
}

nncf__text nncf__text_into(char *buffer, size_t capacity)
{
    if (buffer && capacity > 0)
        buffer[0] = '\0';
    return (nncf__text){.data = buffer, .capacity = buffer ? capacity : 0, .fixed = true};
}

/* Bytes of a caller's buffer that are free, the final NUL's left out. */
static size_t space_left(const nncf__text *text)
{
    return text->capacity > text->length + 1 ? text->capacity - text->length - 1 : 0;
}

void nncf__text_append(nncf__text *text, const char *data, size_t length)
{
    if (text->fixed) {
        const size_t space = space_left(text), fits = length < space ? length : space;
        if (fits > 0) {
            memcpy(text->data + text->length, data, fits);
            text->data[text->length + fits] = '\0';
        }
        text->length += length;
        return;
    }
    if (!reserve(text, length))
        return;
    if (length > 0)
        memcpy(text->data + text->length, data, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void nncf__text_json_string(nncf__text *text, const char *string)
{
    const char *begin = string; /* of what needs no escape */
    nncf__text_append(text, "\"", 1);
    for (const char *p = string; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        nncf__text_append(text, begin, (size_t)(p - begin));
        begin = p + 1;
        nncf__text_printf(text, c >= 0x20 ? "\\%c" : "\\u%04x", c);
    }
    nncf__text_append(text, begin, strlen(begin));
    nncf__text_append(text, "\"", 1);
}

void nncf__text_printf(nncf__text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        text->failed = true;
        return;
    }
    if (text->fixed) {
        const size_t space = space_left(text);
        if (space > 0) {
            va_start(args, format);
            vsnprintf(text->data + text->length, space + 1, format, args);
            va_end(args);
        }
        text->length += (size_t)length;
        return;
    }
    if (!reserve(text, (size_t)length))
        return;
    va_start(args, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, args);
    va_end(args);
    text->length += (size_t)length;
}

void nncf__text_free(nncf__text *text)
{
    if (!text->fixed)
        nncf__free(text->context, text->data);
    text->data = NULL;
    text->length = text->capacity = 0;
    text->failed = false;
}

nncf_status nncf__text_check_form(int32_t form, nncf_error *err)
{
    if (form == NNCF_FORM_TEXT || form == NNCF_FORM_JSON)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_ARG, NULL, "form is %d, none of NNCF_FORM_...", (int)form);
}

nncf_status nncf__text_finish(
    nncf__text *text, char *buffer, size_t capacity, size_t *needed, nncf_error *err)
{
    const size_t size = text->length + 1;
    nncf_status status = NNCF_OK;
    if (!buffer && capacity > 0) {
        status = nncf__fail(err, NNCF_E_ARG, NULL, "buffer is NULL, and capacity is not 0");
    } else if (text->failed) {
        status = nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for a text");
    } else {
        if (needed)
            *needed = size;
        if (!text->fixed && capacity > 0) {
            const size_t n = capacity < size ? capacity - 1 : text->length;
            if (n > 0)
                memcpy(buffer, text->data, n);
            buffer[n] = '\0';
        }
        if (capacity < size)
            status = nncf__fail(err, NNCF_E_BUFFER, NULL,
                "the text takes %zu bytes with its final NUL; capacity is %zu", size, capacity);
    }
    nncf__text_free(text);
    return status;
}
