/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of nncf-classification as one page of HTML. Exit: 0 done, 1 failed, 2 wrong command line. */
#include "page.h"

#include <nncf/nncf.h>

#include <errno.h>
#include <getopt.h>
#include <string.h>

static const char help[] =
    "usage: nncf-report [--out FILE] RUN [RUN...]\n"
    "Writes one page of HTML, which needs no network, from the records of nncf-classification's "
    "runs: accuracy and loss beside the FP32 run, sparsity, ranges of quantizers, weights, bytes, "
    "times and config; several runs are compared.\n"
    "RUN is the folder that a run was given by --out, or its record.jsonl.\n"
    "\n"
    "  --out FILE       the page (default nncf-report.html)\n"
    "  --version, --help\n";

static int write_page(const char *path, const report *all)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        fprintf(stderr, "nncf-report: %s: %s\n", path, strerror(errno));
        return 1;
    }
    page_write(file, all);
    const bool written = !ferror(file);
    if (fclose(file) != 0 || !written) {
        fprintf(stderr, "nncf-report: %s: could not be written: %s\n", path, strerror(errno));
        return 1;
    }
    printf("%s\n", path);
    return 0;
}

static int report_runs(int count, char **paths, const char *out)
{
    report all = {0};
    int result = 0;
    for (int i = 0; i < count && result == 0; i++)
        if (record_read(paths[i], &all.runs[all.count++]) == false)
            result = 1;
    if (result == 0) {
        report_label(&all);
        result = write_page(out, &all);
    }
    for (size_t i = 0; i < all.count; i++)
        record_clear(&all.runs[i]);
    return result;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"out", required_argument, NULL, 'o'},
        {"version", no_argument, NULL, 'v'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    const char *out = "nncf-report.html";
    int code;
    while ((code = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (code) {
        case 'o':
            out = optarg;
            break;
        case 'v':
            printf("nncf-report, libnncf %d.%d.%d\n", NNCF_VERSION_MAJOR, NNCF_VERSION_MINOR,
                NNCF_VERSION_PATCH);
            return 0;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return 2; /* getopt has named it */
        }
    if (optind == argc || argc - optind > MOST_RUNS) {
        fprintf(stderr, "nncf-report: takes 1 to %d runs (see --help)\n", MOST_RUNS);
        return 2;
    }
    return report_runs(argc - optind, argv + optind, out);
}
