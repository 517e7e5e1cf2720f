/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of JSON text. */
#include "formats/safetensors/json.h"

#include "base/strings.h"

#include <string.h>

void nncf__json_start(nncf__json *j, const char *text, size_t length)
{
    *j = (nncf__json){.text = text, .length = length};
}

static void flaw(nncf__json *j, const char *what)
{
    if (j->flaw)
        return;
    j->flaw = what;
    j->cut = j->at >= j->length;
}

/* The character at hand; 0 at the end and after a flaw. A NUL in the text is a flaw wherever it is
 * looked at. */
static unsigned char now(const nncf__json *j)
{
    return j->at < j->length && !j->flaw ? (unsigned char)j->text[j->at] : 0;
}

static bool take(nncf__json *j, char c, const char *what)
{
    if (now(j) != (unsigned char)c) {
        flaw(j, what);
        return false;
    }
    j->at++;
    return true;
}

static void skip_space(nncf__json *j)
{
    while (j->at < j->length &&
        (j->text[j->at] == ' ' || j->text[j->at] == '\n' || j->text[j->at] == '\t' ||
            j->text[j->at] == '\r'))
        j->at++;
}

char nncf__json_peek(nncf__json *j)
{
    if (!j->flaw)
        skip_space(j);
    return (char)now(j);
}

bool nncf__json_in_object(const nncf__json *j)
{
    const uint32_t i = j->depth - 1;
    return j->depth > 0 && (j->objects[i / 64] >> i % 64 & 1) != 0;
}

void nncf__json_open(nncf__json *j)
{
    const char c = nncf__json_peek(j);
    if (c != '{' && c != '[') {
        flaw(j, "an object or array is missing");
        return;
    }
    if (j->depth == NNCF__JSON_DEPTH) {
        flaw(j, "too many levels of objects and arrays");
        return;
    }
    const uint32_t i = j->depth++;
    const uint64_t bit = (uint64_t)1 << i % 64;
    j->objects[i / 64] = c == '{' ? j->objects[i / 64] | bit : j->objects[i / 64] & ~bit;
    j->fresh = true;
    j->at++;
}

bool nncf__json_more(nncf__json *j)
{
    const char c = nncf__json_peek(j), close = nncf__json_in_object(j) ? '}' : ']';
    if (j->flaw)
        return false;
    if (c == close) {
        j->at++;
        j->depth--;
        j->fresh = false;
        return false;
    }
    if (!j->fresh &&
        !take(j, ',', close == '}' ? "a comma or } is missing" : "a comma or ] is missing"))
        return false;
    j->fresh = false;
    return true;
}

void nncf__json_key(nncf__json *j, nncf__json_span *key)
{
    nncf__json_string(j, key);
    nncf__json_peek(j);
    take(j, ':', "a colon is missing");
}

/* ---- strings ---- */

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits; -1: they are not. */
static int32_t hex4(const char *text)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit((unsigned char)text[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* Code point of an escape that begins with \u at `at` (with 5 more bytes there), and how long it
 * is; -1: none. */
static int32_t code_point(const char *text, size_t left, size_t *length)
{
    const int32_t high = left >= 6 ? hex4(text + 2) : -1;
    *length = 6;
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high > 0xdbff || left < 12 || text[6] != '\\' || text[7] != 'u')
        return -1;
    const int32_t low = hex4(text + 8);
    *length = 12;
    return low < 0xdc00 || low > 0xdfff ? -1 : 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static void escape(nncf__json *j, nncf__json_span *s)
{
    const size_t left = j->length - j->at;
    size_t length = 2;
    s->escaped = true;
    if (left >= 2 && j->text[j->at + 1] == 'u') {
        const int32_t point = code_point(j->text + j->at, left, &length);
        s->nul = s->nul || point == 0;
        if (point < 0) {
            flaw(j, "a \\u escape is no character");
            return;
        }
    } else if (left < 2 || j->text[j->at + 1] == 0 || !strchr("\"\\/bfnrt", j->text[j->at + 1])) {
        flaw(j, "a backslash with a character that has no meaning behind it");
        return;
    }
    j->at += length;
}

void nncf__json_string(nncf__json *j, nncf__json_span *s)
{
    *s = (nncf__json_span){0};
    nncf__json_peek(j);
    if (!take(j, '"', "a string in double quotes is missing"))
        return;
    s->begin = j->at;
    for (unsigned char c; (c = now(j)) != '"';) {
        if (c == '\\') {
            escape(j, s);
        } else if (c < 0x20) {
            flaw(j, j->at < j->length ? "a control character in a string" : "a string has no end");
        } else if (c < 0x80) {
            j->at++;
        } else {
            const size_t n =
                nncf__utf8_length((const unsigned char *)j->text + j->at, j->length - j->at);
            if (n == 0)
                flaw(j, "a string is not UTF-8");
            j->at += n;
        }
        if (j->flaw)
            return;
    }
    s->end = j->at++;
}

static size_t put_utf8(int32_t point, char to[4])
{
    const uint32_t p = (uint32_t)point;
    if (p < 0x80) {
        to[0] = (char)p;
        return 1;
    }
    if (p < 0x800) {
        to[0] = (char)(0xc0 | p >> 6);
        to[1] = (char)(0x80 | (p & 63));
        return 2;
    }
    if (p < 0x10000) {
        to[0] = (char)(0xe0 | p >> 12);
        to[1] = (char)(0x80 | (p >> 6 & 63));
        to[2] = (char)(0x80 | (p & 63));
        return 3;
    }
    to[0] = (char)(0xf0 | p >> 18);
    to[1] = (char)(0x80 | (p >> 12 & 63));
    to[2] = (char)(0x80 | (p >> 6 & 63));
    to[3] = (char)(0x80 | (p & 63));
    return 4;
}

/* One character of a string, or a byte of one: bytes into out, how many; *at moves on. */
static size_t next_bytes(const char *text, size_t end, size_t *at, char out[4])
{
    static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
    if (text[*at] != '\\') {
        out[0] = text[(*at)++];
        return 1;
    }
    if (text[*at + 1] == 'u') {
        size_t length;
        const int32_t point = code_point(text + *at, end - *at, &length);
        *at += length;
        return put_utf8(point, out);
    }
    const char *letter = strchr(letters, text[*at + 1]);
    out[0] = letter ? meant[letter - letters] : text[*at + 1];
    *at += 2;
    return 1;
}

size_t nncf__json_decode(const char *text, const nncf__json_span *s, char *to, size_t capacity)
{
    size_t length = 0, at = s->begin;
    if (!s->escaped) {
        length = s->end - s->begin < capacity ? s->end - s->begin : capacity;
        memmove(to, text + s->begin, length);
        return length;
    }
    while (at < s->end) {
        char bytes[4];
        const size_t n = next_bytes(text, s->end, &at, bytes);
        if (n > capacity - length)
            break;
        memcpy(to + length, bytes, n);
        length += n;
    }
    return length;
}

bool nncf__json_is(const char *text, const nncf__json_span *s, const char *word)
{
    const size_t n = strlen(word);
    if (!s->escaped)
        return s->end - s->begin == n && memcmp(text + s->begin, word, n) == 0;
    size_t at = s->begin, done = 0;
    while (at < s->end) {
        char bytes[4];
        const size_t count = next_bytes(text, s->end, &at, bytes);
        if (count > n - done || memcmp(word + done, bytes, count) != 0)
            return false;
        done += count;
    }
    return done == n;
}

/* ---- numbers ---- */

static size_t digits(nncf__json *j)
{
    const size_t begin = j->at;
    while (now(j) >= '0' && now(j) <= '9')
        j->at++;
    if (j->at == begin)
        flaw(j, "a digit is missing");
    return j->at - begin;
}

/* Is a number of the grammar above what a double holds? That is so by the power of ten of its first
 * digit that is not 0; at 10^308 the digits decide. */
static bool too_large(const char *number, size_t length)
{
    static const char largest[] = "17976931348623158"; /* of 1.797...e308 */
    enum { DIGITS = sizeof largest - 1 };
    const int64_t far = 1000000000000; /* more than there can be zeros */
    char first[DIGITS] = {0};
    int64_t count = 0, before = -1, lead = 0, exponent = 0;
    size_t n = 0, i = number[0] == '-';
    for (; i < length && number[i] != 'e' && number[i] != 'E'; i++) {
        if (number[i] == '.') {
            before = count;
            continue;
        }
        if (n == 0 && number[i] != '0')
            lead = count;
        if (n < DIGITS && (n > 0 || number[i] != '0'))
            first[n++] = number[i];
        count++;
    }
    if (n == 0)
        return false; /* zero, whatever its exponent */
    if (i < length) {
        const bool negative = number[++i] == '-';
        for (i += number[i] == '-' || number[i] == '+'; i < length; i++)
            exponent = exponent < far ? 10 * exponent + (number[i] - '0') : exponent;
        exponent = negative ? -exponent : exponent;
    }
    const int64_t power = (before < 0 ? count : before) - 1 - lead + exponent;
    return power > 308 || (power == 308 && memcmp(first, largest, DIGITS) > 0);
}

void nncf__json_number(nncf__json *j, nncf__json_span *s)
{
    nncf__json_peek(j);
    *s = (nncf__json_span){.begin = j->at, .end = j->at};
    if (now(j) == '-')
        j->at++;
    if (now(j) == '0')
        j->at++;
    else
        digits(j);
    if (now(j) == '.') {
        j->at++;
        digits(j);
    }
    if (now(j) == 'e' || now(j) == 'E') {
        j->at++;
        if (now(j) == '+' || now(j) == '-')
            j->at++;
        digits(j);
    }
    if (j->flaw)
        return;
    s->end = j->at;
    if (too_large(j->text + s->begin, s->end - s->begin))
        flaw(j, "a number is out of range");
}

/* ---- values ---- */

static void word(nncf__json *j, const char *text)
{
    for (; *text; text++)
        if (!take(j, *text, "a value is missing"))
            return;
}

static void scalar(nncf__json *j, char first)
{
    nncf__json_span span;
    if (first == '"')
        nncf__json_string(j, &span);
    else if (first == '-' || (first >= '0' && first <= '9'))
        nncf__json_number(j, &span);
    else if (first == 't')
        word(j, "true");
    else if (first == 'f')
        word(j, "false");
    else
        word(j, "null");
}

void nncf__json_skip(nncf__json *j)
{
    const uint32_t outside = j->depth;
    nncf__json_span key;
    do {
        const char first = nncf__json_peek(j);
        if (first == '{' || first == '[')
            nncf__json_open(j);
        else
            scalar(j, first);
        while (!j->flaw && j->depth > outside && !nncf__json_more(j))
            ;
        if (!j->flaw && j->depth > outside && nncf__json_in_object(j))
            nncf__json_key(j, &key);
    } while (!j->flaw && j->depth > outside);
}

void nncf__json_end(nncf__json *j)
{
    nncf__json_peek(j);
    if (j->at < j->length)
        flaw(j, "something stands behind the value");
}
