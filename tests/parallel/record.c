/* SPDX-License-Identifier: Apache-2.0 */
#include "parallel/record.h"

#include "support/ctrl.h"

#include <check.h>
#include <math.h>
#include <string.h>

void net_record_put(net_record *r, const float *x, size_t n)
{
    ck_assert_uint_le(r->n + n, NET_RECORD_MOST);
    if (n > 0)
        memcpy(r->values + r->n, x, n * sizeof *x);
    r->n += n;
}

void net_record_parameters(net_record *r, const net *n)
{
    for (size_t i = 0; n->ctrl && i < nncf_compression_ctrl_get_parameter_count(n->ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(n->ctrl, i);
        net_record_put(r, p.data, p.count);
    }
}

void net_record_statistics(net_record *r, const net *n)
{
    for (int i = 0; i < NET_BLOCKS; i++) {
        net_record_put(r, n->block[i].mean, (size_t)n->block[i].out_channels);
        net_record_put(r, n->block[i].var, (size_t)n->block[i].out_channels);
    }
}

void net_record_weights(net_record *r, const net *n)
{
    for (int i = 0; i < NET_BLOCKS; i++) {
        const fx_block *k = &n->block[i];
        net_record_put(r, k->w, k->weights);
        net_record_put(r, k->b, (size_t)k->out_channels);
        net_record_put(r, k->gamma, (size_t)k->out_channels);
        net_record_put(r, k->beta, (size_t)k->out_channels);
    }
}

bool net_record_same(const net_record *a, const net_record *b)
{
    return a->n == b->n && memcmp(a->values, b->values, a->n * sizeof(float)) == 0;
}

double net_record_distance(const net_record *a, const net_record *b)
{
    double largest = 0, most = 0;
    ck_assert_uint_eq(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        largest = fmax(largest, fabs((double)a->values[i]));
        most = fmax(most, fabs((double)a->values[i] - (double)b->values[i]));
    }
    ck_assert(largest > 0);
    return most / largest;
}
