/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C, every way there is here, against its definition bit by bit; SHA-256 against published
 * values and Python's hashlib. */
#include "formats/safetensors/crc32c.h"
#include "formats/safetensors/crc32c_sse42.h"
#include "formats/safetensors/sha256.h"
#include "support/fixture.h"

#include <stdbool.h>
#include <stdio.h>

/* As RFC 3720 defines it. */
static uint32_t by_bits(uint32_t crc, const uint8_t *data, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int b = 0; b < 8; b++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

typedef uint32_t crc_fn(uint32_t crc, const void *data, size_t size);
static crc_fn *const ways[] = {nncf__crc32c, nncf__crc32c_portable, nncf__crc32c_fast};
enum { N_WAYS = sizeof ways / sizeof *ways };

static bool runs_here(int way)
{
    return ways[way] != nncf__crc32c_fast || nncf__crc32c_has_sse42();
}

/* RFC 3720, B.4. */
START_TEST(crc32c_equals_published_values)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    memset(ones, 0xff, 32);
    for (int i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    for (int way = 0; way < N_WAYS; way++) {
        if (!runs_here(way))
            continue;
        ck_assert_uint_eq(ways[way](0, zeros, 32), 0x8a9136aa);
        ck_assert_uint_eq(ways[way](0, ones, 32), 0x62a8ab43);
        ck_assert_uint_eq(ways[way](0, up, 32), 0x46dd794e);
        ck_assert_uint_eq(ways[way](0, down, 32), 0x113fdb5c);
        ck_assert_uint_eq(ways[way](0, "123456789", 9), 0xe3069283);
        ck_assert_uint_eq(ways[way](ways[way](0, up, 5), up + 5, 27), 0x46dd794e);
    }
}
END_TEST

START_TEST(crc32c_equals_its_definition_at_any_length_and_place)
{
    enum { MOST = 300, PLACES = 17, LONG = 9 * NNCF__CRC32C_STRETCH + 100 };
    uint8_t *data = fx_alloc(LONG + PLACES, 1);
    uint64_t state = 4;
    for (size_t i = 0; i < LONG + PLACES; i++)
        data[i] = (uint8_t)fx_next(&state);
    for (int way = 0; way < N_WAYS; way++) {
        if (!runs_here(way)) {
            printf("there is no SSE4.2 here: not compared\n");
            continue;
        }
        for (size_t place = 0; place < PLACES; place++)
            for (size_t n = 0; n <= MOST; n++) {
                /* of exactly that size, so that a sanitizer sees what reads beyond */
                uint8_t *copy = malloc(n + place + 1);
                memcpy(copy + place, data + place, n);
                const uint32_t start = (uint32_t)fx_next(&state);
                ck_assert_uint_eq(
                    ways[way](start, copy + place, n), by_bits(start, data + place, n));
                free(copy);
            }
        /* around where three stretches are put together */
        for (size_t k = 0; k <= 9; k++)
            for (int off = -9; off <= 9; off++) {
                const size_t n = k * NNCF__CRC32C_STRETCH + (size_t)(off < 0 && k == 0 ? 0 : off);
                ck_assert_uint_eq(ways[way](7, data + k, n), by_bits(7, data + k, n));
            }
    }
    free(data);
}
END_TEST

/* FIPS 180-4 and the examples published with it. */
START_TEST(sha256_equals_published_values)
{
    char hex[NNCF__DIGEST_TEXT], *many = fx_alloc(1000001, 1);
    nncf__sha256_text("", 0, hex);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    nncf__sha256_text("abc", 3, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    nncf__sha256_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
    ck_assert_str_eq(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(many, 'a', 1000000);
    nncf__sha256_text(many, 1000000, hex);
    ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(many);
}
END_TEST

/*
 * All lengths from 0 to 300, from places at any alignment: the digest of the digests, one after the
 * other as hex. By Python: data = bytes((i * 7 + 3) & 255 for i in range(400)),
 * sha256(''.join(sha256(data[n % 16:n % 16 + n]).hexdigest() for n in range(301)).encode()).
 */
START_TEST(sha256_equals_hashlib_at_any_length)
{
    enum { MOST = 300 };
    uint8_t data[400];
    char *all = fx_alloc((MOST + 1) * (NNCF__DIGEST_TEXT - 1) + 1, 1), hex[NNCF__DIGEST_TEXT];
    for (int i = 0; i < 400; i++)
        data[i] = (uint8_t)(i * 7 + 3);
    for (size_t n = 0; n <= MOST; n++) {
        nncf__sha256_text(data + n % 16, n, hex);
        memcpy(all + n * (NNCF__DIGEST_TEXT - 1), hex, NNCF__DIGEST_TEXT);
    }
    nncf__sha256_text(all, strlen(all), hex);
    ck_assert_str_eq(hex, "9909a4a65b6f890f8534e7cc197b7bc11f09b55ddb4be1068bc8c413888bcf51");
    free(all);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("digests");
    TCase *tc = fx_case(suite, "digests", 60);
    tcase_add_test(tc, crc32c_equals_published_values);
    tcase_add_test(tc, crc32c_equals_its_definition_at_any_length_and_place);
    tcase_add_test(tc, sha256_equals_published_values);
    tcase_add_test(tc, sha256_equals_hashlib_at_any_length);
    return fx_main(suite);
}
