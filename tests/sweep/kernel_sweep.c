/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random layers: convolutions, linear layers, sums and pools of random small shapes, plain and
 * quantized, forward and all gradients, at every instruction set and number of threads, against
 * plain loops in double.
 */
#include "kernel_case.h"

/* Of the quantized elements, so many may lie next to a tie, where either code is right; and passes
 * may be refused. */
enum { MOST_UNSURE = 50, MOST_REFUSED = 50 }; /* one in so many */

int main(int argc, char **argv)
{
    sweep s;
    kernel_runner r;
    sweep_start(&s, "kernel_sweep", argc, argv);
    kernel_runner_start(&r);
    while (sweep_next(&s)) {
        kernel_case c;
        kernel_draw(&s, &c);
        kernel_run(&r, &s, &c);
    }
    for (int i = 0; i < KERNEL_CONTEXTS; i++)
        if (r.contexts[i])
            printf("%s\n", nncf_context_get_description(r.contexts[i]));
    printf("%" PRIu64 " passes, %" PRIu64 " whose signs differ; %" PRIu64
           " quantized elements, %" PRIu64 " next to a tie\n",
        r.ran, r.refused, r.elements, r.unsure);
    kernel_runner_stop(&r);
    int status = sweep_finish(&s);
    if (s.only)
        return status;
    if (r.unsure > r.elements / MOST_UNSURE || r.refused > r.ran / MOST_REFUSED) {
        fprintf(stderr, "kernel_sweep: too many elements next to a tie\n");
        return EXIT_FAILURE;
    }
    return status;
}
