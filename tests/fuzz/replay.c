/* SPDX-License-Identifier: Apache-2.0 */
/* Plain main of a fuzz target: runs it once on each file named, and on each file cut and changed in
 * a few places. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        return NULL;
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(*size ? *size : 1);
    if (data && fread(data, 1, *size, f) != *size) {
        free(data);
        data = NULL;
    }
    fclose(f);
    return data;
}

/* A copy of exactly `size` bytes, so that a sanitizer sees what reads beyond. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

int main(int argc, char **argv)
{
    size_t runs = 0;
    for (int i = 1; i < argc; i++) {
        size_t size;
        uint8_t *data = read_file(argv[i], &size);
        if (!data) {
            fprintf(stderr, "%s: cannot be read\n", argv[i]);
            return EXIT_FAILURE;
        }
        run(data, size);
        for (size_t cut = 0; cut < size; cut++, runs++)
            run(data, cut);
        for (size_t bit = 0; bit < 8 * size; bit++, runs++) {
            data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            run(data, size);
            data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        runs++;
        free(data);
    }
    printf("%zu inputs from %d files\n", runs, argc - 1);
    return runs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
