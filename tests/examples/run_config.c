/* SPDX-License-Identifier: Apache-2.0 */
#include "run_config.h"
#include "fixture.h"
#include "run.h"

#include <stdlib.h>

nncf_status run_config(
    const char *dir, const char *text, options o, char **printed, nncf_error *err)
{
    size_t size;
    FILE *output = open_memstream(printed, &size);
    run r;
    fixture_write_text(dir, "config.json", text);
    char *config = app_copy(fixture_path(dir, "config.json"));
    o.config = config;
    o.data = dir;
    o.threads = 1;
    nncf_status status = run_open(&o, output, output, &r, err);
    if (status == NNCF_OK) {
        status = o.eval ? run_eval(&r, err) : run_train(&r, err);
        if (status == NNCF_OK)
            status = run_export(&r, err);
        run_close(&r);
    }
    fclose(output); /* sets *printed */
    free(config);
    return status;
}
