/* SPDX-License-Identifier: Apache-2.0 */
/* What a training leaves, as one list of numbers: to compare those of several processes. */
#ifndef NNCF_TESTS_PARALLEL_RECORD_H
#define NNCF_TESTS_PARALLEL_RECORD_H

#include "parallel/net.h"

#include <stdbool.h>
#include <stddef.h>

enum { NET_RECORD_MOST = 1 << 14 };

typedef struct net_record {
    size_t n;
    float values[NET_RECORD_MOST];
} net_record;

/* After what is there already. */
void net_record_put(net_record *r, const float *x, size_t n);
/* Of the controller; without one, nothing. */
void net_record_parameters(net_record *r, const net *n);
/* Of batch norm. */
void net_record_statistics(net_record *r, const net *n);
/* With biases, gamma and beta. */
void net_record_weights(net_record *r, const net *n);
bool net_record_same(const net_record *a, const net_record *b);
/* The largest difference, in units of a's largest value. */
double net_record_distance(const net_record *a, const net_record *b);

#endif
