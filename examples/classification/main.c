/* SPDX-License-Identifier: Apache-2.0 */
/* Trains an image classifier as an NNCF JSON config says. Exit: 0 done, 1 failed, 2 wrong command
 * line. */
#include "run.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    nncf_error err = NNCF_ERROR_INIT;
    options o;
    run r;
    nncf_status status;
    switch (options_parse(argc, argv, stdout, stderr, &o)) {
    case OPTIONS_DONE:
        return 0;
    case OPTIONS_WRONG:
        return 2;
    case OPTIONS_RUN:
        break;
    }
    status = run_open(&o, stdout, stderr, &r, &err);
    if (status == NNCF_OK) {
        status = o.images != NULL ? run_predict(&r, &err)
            : o.eval              ? run_eval(&r, &err)
                                  : run_train(&r, &err);
        if (status == NNCF_OK)
            status = run_export(&r, &err);
        run_close(&r);
    }
    if (status != NNCF_OK) {
        fprintf(stderr, "nncf-classification: %s\n", err.message);
        return 1;
    }
    return 0;
}
