/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C half of safetensors_diff.py: what our reader says of many files. Standard input: for each
 * file its size, 4 bytes little endian, and its bytes. Standard output: for each file a line, "-
 * MESSAGE" where it is refused, else
 * "+" with a word "NAME:TYPE:SHAPE:DATA" for each tensor and "KEY=VALUE" for each text, names,
 * texts and data in hex.
 */
#include "checkpoint_target.h"
#include "formats/safetensors/safetensors.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

static void put_hex(const void *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        const uint8_t byte = ((const uint8_t *)data)[i];
        putchar(digits[byte >> 4]);
        putchar(digits[byte & 15]);
    }
}

static void put_tensor(const nncf__entry *e)
{
    putchar(' ');
    put_hex(e->name, strlen(e->name));
    printf(":%s:", e->type);
    for (size_t i = 0; i < e->ndim; i++)
        printf("%s%" PRId64, i ? "," : "", e->shape[i]);
    putchar(':');
    put_hex(e->data, (size_t)(e->end - e->begin));
}

static void put_text(const nncf_checkpoint *c, const nncf__pair *text)
{
    const char *value = nncf_checkpoint_get_text(c, text->key); /* by the public way, too */
    putchar(' ');
    put_hex(text->key, strlen(text->key));
    putchar('=');
    if (value == text->value)
        put_hex(value, strlen(value));
}

static bool read_exactly(void *data, size_t size)
{
    return fread(data, 1, size, stdin) == size;
}

int main(void)
{
    uint8_t prefix[4];
    target_memory memory = {0};
    nncf_context *context = target_context(&memory);
    if (!context)
        return EXIT_FAILURE;
    const size_t before = memory.live;
    while (read_exactly(prefix, sizeof prefix)) {
        const size_t size =
            prefix[0] | (size_t)prefix[1] << 8 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 24;
        uint8_t *file = malloc(
            size ? size : 1); /* of exactly its size, so that a sanitizer sees what reads beyond */
        nncf_checkpoint *c = NULL;
        nncf_error err = NNCF_ERROR_INIT;
        if (!file || !read_exactly(file, size))
            return EXIT_FAILURE;
        memory.peak = before;
        if (target_open(context, file, size, &c, &err) != NNCF_OK) {
            for (char *p = err.message; *p; p++) /* a line is a line */
                *p = *p == '\n' ? ' ' : *p;
            printf("- %s", err.message);
        } else {
            putchar('+');
            for (size_t i = 0; i < c->n_entries; i++)
                put_tensor(&c->entries[i]);
            for (size_t i = 0; i < c->n_texts; i++)
                put_text(c, &c->texts[i]);
        }
        putchar('\n');
        nncf_checkpoint_close(c);
        free(file);
        if (memory.live != before || memory.peak - before > target_bound(size, size))
            return EXIT_FAILURE;
    }
    nncf_context_destroy(context);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
