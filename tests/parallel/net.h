/* SPDX-License-Identifier: Apache-2.0 */
/* A small network, and passes of parts of one batch through it or through a replica. */
#ifndef NNCF_TESTS_PARALLEL_NET_H
#define NNCF_TESTS_PARALLEL_NET_H

#include "support/fixture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NET_BATCH = 12,
    NET_CHANNELS = 3,
    NET_SIDE = 6,
    NET_WIDTH = 8,
    NET_CLASSES = 5,
    NET_BLOCKS = 4,
    NET_LAYERS = 5
};

/* 3x3, depthwise 3x3 and 1x1 with stride 3 with batch norm (whose planes are 6x6, 6x6 and 2x2),
 * dropout, linear. */
typedef struct net {
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    fx_block block[NET_BLOCKS];
    nncf_layer *dropout;
} net;

/* A net without batch norm and with nothing that is random. */
enum { NET_PLAIN = 1 };

/* The same weights each time; config nullable. The context is taken over. */
void net_make(net *n, nncf_context *context, const char *config, int flags);
void net_free(net *n);
void net_zero_grad(net *n);
/* Plain SGD on everything that has a gradient. */
void net_update(net *n, float rate);

/* Rows [first, first + rows) of a batch, through the layers of any model that net_make() made, or
 * of a replica of it. */
typedef struct net_pass {
    nncf_model *model;
    int64_t first, rows;
    float *x, *dx, *y[NET_LAYERS], *d[NET_LAYERS];
} net_pass;

void net_pass_make(net_pass *p, nncf_model *model, int64_t first, int64_t rows);
void net_pass_free(net_pass *p);
/* Batch `batch`: all rows of it are the same in every pass. */
void net_forward(net_pass *p, uint64_t batch);
/* Of the mean over the rows of half the squares of y - target. */
void net_backward(net_pass *p, uint64_t batch);
int64_t net_count(int layer, int64_t rows);

#endif
