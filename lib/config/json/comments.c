/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comments and trailing commas, as jstyleson reads them (every NNCF release uses it), without its
 * defects: a line comment may end with the text, and a block comment ends at the first star-slash
 * only. Everything is overwritten with spaces, so that byte offsets stay those of the file.
 */
#include "base/error.h"
#include "base/strings.h"
#include "config/json/document.h"

#include <nncf/base.h>

#include <string.h>

static nncf_status check_encoding(const nncf__document *document, nncf_error *err)
{
    const unsigned char *text = (const unsigned char *)document->text;
    size_t size = document->size;
    nncf__source_location place = nncf__config_location(document, 0);
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return nncf__fail_at(err, NNCF_E_PARSE, &place, "",
            "the file begins with a byte order mark; remove the byte order mark (save as \"UTF-8 "
            "without BOM\")");
    if (size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return nncf__fail_at(err, NNCF_E_PARSE, &place, "", "the file is UTF-16; save it as UTF-8");
    for (size_t i = 0; i < size;) {
        size_t length = nncf__utf8_length(text + i, size - i);
        if (length == 0) {
            place = nncf__config_location(document, i);
            return nncf__fail_at(err, NNCF_E_PARSE, &place, "",
                "byte 0x%02x is not UTF-8; save the file as UTF-8", text[i]);
        }
        i += length;
    }
    return NNCF_OK;
}

static void blank(char *text, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        if (text[i] != '\n' && text[i] != '\r')
            text[i] = ' ';
}

/* Past the closing quote. A text that is not closed on its line is an error that scan.c reports in
 * its place. */
static size_t skip_string(const char *text, size_t size, size_t i)
{
    for (i++; i < size && text[i] != '\n'; i++) {
        if (text[i] == '"')
            return i + 1;
        if (text[i] == '\\' && i + 1 < size && text[i + 1] != '\n')
            i++;
    }
    return i;
}

nncf_status nncf__config_blank_comments(nncf__document *document, nncf_error *err)
{
    nncf_status status = check_encoding(document, err);
    if (status != NNCF_OK)
        return status;
    char *text = document->text;
    size_t size = document->size;
    size_t comma = SIZE_MAX; /* the last thing that stood outside of comments, if it was a comma */
    for (size_t i = 0; i < size;) {
        char c = text[i];
        if (c == '/' && i + 1 < size && text[i + 1] == '/') {
            const char *newline = memchr(text + i, '\n', size - i);
            size_t end = newline ? (size_t)(newline - text) : size;
            blank(text, i, end);
            i = end;
        } else if (c == '/' && i + 1 < size && text[i + 1] == '*') {
            const char *close = i + 2 < size ? memmem(text + i + 2, size - i - 2, "*/", 2) : NULL;
            if (!close) {
                nncf__source_location place = nncf__config_location(document, i);
                return nncf__fail_at(err, NNCF_E_PARSE, &place, "",
                    "the comment that begins here is never closed; add */");
            }
            size_t end = (size_t)(close - text) + 2;
            blank(text, i, end);
            i = end;
        } else if (c == '"') {
            comma = SIZE_MAX;
            i = skip_string(text, size, i);
        } else {
            if ((c == ']' || c == '}') && comma != SIZE_MAX)
                text[comma] = ' ';
            if (c == ',')
                comma = i;
            else if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
                comma = SIZE_MAX;
            i++;
        }
    }
    return NNCF_OK;
}
