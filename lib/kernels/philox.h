/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC11: 10 rounds of two 32x32 -> 64 bit products on a 128-bit
 * counter, under a 64-bit key that a Weyl sequence bumps. Any element of any stream can be had at
 * once, so nothing is stored.
 */
#ifndef NNCF__KERNELS_PHILOX_H
#define NNCF__KERNELS_PHILOX_H

#include <stdint.h>

#define NNCF__PHILOX_ROUNDS 10
#define NNCF__PHILOX_M0     0xD2511F53u
#define NNCF__PHILOX_M1     0xCD9E8D57u
#define NNCF__PHILOX_W0     0x9E3779B9u /* golden ratio */
#define NNCF__PHILOX_W1     0xBB67AE85u /* sqrt(3) - 1 */

static inline void nncf__philox4x32(
    const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < NNCF__PHILOX_ROUNDS; round++) {
        uint64_t a = (uint64_t)x0 * NNCF__PHILOX_M0;
        uint64_t b = (uint64_t)x2 * NNCF__PHILOX_M1;
        x0 = (uint32_t)(b >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)b;
        x2 = (uint32_t)(a >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)a;
        k0 += NNCF__PHILOX_W0;
        k1 += NNCF__PHILOX_W1;
    }
    out[0] = x0;
    out[1] = x1;
    out[2] = x2;
    out[3] = x3;
}

#endif
