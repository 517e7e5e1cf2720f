/* SPDX-License-Identifier: Apache-2.0 */
#include "conv/conv2d.h"
#include "products.h"

#ifdef BENCH_HAVE_BLIS

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <blis.h>
#include <stdbool.h>
#pragma GCC diagnostic pop

bool blis_peer_can(const nncf__conv2d *s)
{
    return s->groups == 1;
}

void blis_peer_threads(int64_t threads)
{
    bli_thread_set_num_threads(threads);
}

void blis_peer_run(const product *p, int pass)
{
    const nncf__conv2d *s = &p->s;
    const dim_t pixels = s->out_h * s->out_w, k = s->c_in * s->kernel_h * s->kernel_w,
                out = s->c_out;
    float *columns = p->columns ? p->columns : p->x, *dcolumns = p->columns ? p->columns : p->dx;
    float one = 1, zero = 0;
    for (int64_t i = 0; i < s->n; i++) {
        float *col = columns + i * k * pixels, *z = p->z + i * out * pixels,
              *dz = p->dz + i * out * pixels;
        if (pass == PASS_FORWARD)
            bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, out, pixels, k, &one, p->w, k, 1, col,
                pixels, 1, &zero, z, pixels, 1);
        else if (pass == PASS_INPUT)
            bli_sgemm(BLIS_TRANSPOSE, BLIS_NO_TRANSPOSE, k, pixels, out, &one, p->w, k, 1, dz,
                pixels, 1, &zero, dcolumns + i * k * pixels, pixels, 1);
        else
            bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_TRANSPOSE, out, k, pixels, &one, dz, pixels, 1, col,
                pixels, 1, i ? &one : &zero, p->dw, k, 1);
    }
}

#else

bool blis_peer_can(const nncf__conv2d *s)
{
    (void)s;
    return false;
}

void blis_peer_threads(int64_t threads)
{
    (void)threads;
}

void blis_peer_run(const product *p, int pass)
{
    (void)p;
    (void)pass;
}

#endif
