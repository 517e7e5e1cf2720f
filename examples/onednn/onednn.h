/* SPDX-License-Identifier: Apache-2.0 */
/* A program that trains with oneDNN's primitives, and has its weights and activations compressed by
 * libnncf. */
#ifndef ONEDNN_ONEDNN_H
#define ONEDNN_ONEDNN_H

#include <nncf/nncf.h>

#include <stdio.h>

typedef struct onednn_options {
    const char *data; /* folder of MNIST's or Fashion-MNIST's IDX files; NULL: Debian's package */
    const char *stripped; /* file that is written, and read again for int8 inference */
    int epochs; /* in float, then as many compressed */
    FILE *output;
} onednn_options;

typedef struct onednn_result {
    double float_top1, compressed_top1; /* percent of the test images */
    double int8_top1, int8_same; /* of the stripped file on int8 primitives; same class, percent */
    double float_seconds, compressed_seconds; /* CPU time of an epoch, median */
    double sparsity;
    unsigned long long bytes_float, bytes_compressed;
} onednn_result;

nncf_status onednn_run(const onednn_options *o, onednn_result *r, nncf_error *err);

#endif
