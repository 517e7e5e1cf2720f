/* SPDX-License-Identifier: Apache-2.0 */
/* One layer's product in its three passes, and who else can do it. */
#ifndef TESTS_BENCH_PRODUCTS_H
#define TESTS_BENCH_PRODUCTS_H

#include "bench.h"

#include "conv/conv2d.h"

#include <stdbool.h>

enum { PASS_FORWARD, PASS_INPUT, PASS_WEIGHT, PASSES };

typedef struct product {
    nncf__conv2d s;
    float *x, *w, *z, *dz, *dx, *dw;
    float *columns; /* for BLIS: the patches of every image, (image, k, pixel); NULL: x is that
                       already */
} product;

/* The products of every layer of o->model, of ours only: lines of mode `kernels`. */
int products_alone(const bench_options *o);

/* ---- blis.c: the same sums by bli_sgemm, an image at a time; patches are made before, and not
 * counted ---- */

bool blis_peer_can(const nncf__conv2d *s); /* one group, and BLIS is linked */
void blis_peer_threads(int64_t threads);
void blis_peer_run(const product *p, int pass);

/* ---- onednn.c: oneDNN with the memory layouts that it likes best; reordering to and from them is
 * not counted ---- */

typedef struct onednn_peer onednn_peer;
/* NULL: not linked, or it cannot. */
onednn_peer *onednn_peer_create(const nncf__conv2d *s, int pass, int64_t threads);
void onednn_peer_run(onednn_peer *p);
const char *onednn_peer_kernel(const onednn_peer *p);
void onednn_peer_destroy(onednn_peer *p);

#endif
