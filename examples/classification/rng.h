/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers that are a function of (seed, what for, a, b, how many were drawn): nothing
 * depends on which thread draws them, or when. */
#ifndef CLASSIFICATION_RNG_H
#define CLASSIFICATION_RNG_H

#include <stdint.h>

/* What the numbers are for, so that no two uses share a stream. */
enum rng_stream {
    RNG_INIT = 1, /* a: index of the tensor */
    RNG_SHUFFLE = 2, /* a: epoch */
    RNG_AUGMENT = 3 /* a: epoch, b: sample */
};

typedef struct rng {
    uint64_t key;
    uint64_t counter;
} rng;

rng rng_make(uint64_t seed, enum rng_stream stream, uint64_t a, uint64_t b);
uint64_t rng_next(rng *r);
double rng_uniform(rng *r); /* in [0,1), 53 bits */
double rng_between(rng *r, double lo, double hi);
uint64_t rng_below(rng *r, uint64_t n); /* 0..n-1, n > 0 */
double rng_normal(rng *r); /* mean 0, deviation 1 */

#endif
