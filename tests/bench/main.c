/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <nncf/model.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(const bench_options *o);
    const char *what;
} modes[] = {
    {"step", step_mode,
        "a training step of a model: forward, loss, backward, optimizer, controller"},
    {"eval", eval_mode, "the forward of a model in eval mode"},
    {"gemm", gemm_mode,
        "1x1 convolutions and linear layers of a model, each shape: forward and both gradients"},
    {"conv", conv_mode, "the other convolutions of a model, depthwise ones too"},
    {"fakequant", fakequant_mode, "fake-quantization of activations, against memcpy"},
    {"rb", rb_mode, "a weight through RB mask and quantizer, and its gradient back"},
    {"threshold", threshold_mode,
        "magnitude thresholds and masks over ResNet-50's weights, against a sort"},
    {"blocks", blocks_mode, "a 3x3 layer whose weight is masked in blocks, against a dense one"},
    {"binary", binary_mode,
        "a 3x3 layer of binary weights and inputs in eval mode, against floats"},
    {"kernels", kernels_mode,
        "each kernel alone: microkernels' peaks, products of a model, passes over memory"},
    {"ops", ops_mode,
        "each kind of layer but convolutions, alone: forward, and forward with backward"},
    {"gpt", gpt_mode, "a training step of the network of examples/gpt in plain C loops"},
};
enum { N_MODES = sizeof modes / sizeof *modes };

static void usage(FILE *to)
{
    fprintf(to, "usage: nncf-bench MODE [OPTION VALUE]... [--quick]\nmodes:\n");
    for (size_t i = 0; i < N_MODES; i++)
        fprintf(to, "  %-10s %s\n", modes[i].name, modes[i].what);
    fprintf(to,
        "options:\n"
        "  --model NAME       mobilenetv2 (default), resnet18, resnet50\n"
        "  --config FILE      an NNCF config; none (default): no compression\n"
        "  --optimizer NAME   adam (default), sgd\n"
        "  --memory POLICY    fast (default), small, or bytes: what a step keeps for backward\n"
        "  --batch N          images of a batch (16)\n"
        "  --image N          height and width (224)\n"
        "  --threads N        (2)\n"
        "  --runs N           measurements after warm-up (7)\n"
        "  --warmup N         (2)\n"
        "  --only TEXT        shapes or layers whose name holds TEXT\n"
        "  --quick            smallest sizes and one run: does it work?\n"
        "One JSON object a line; times in seconds.\n");
}

static bool whole(const char *text, int64_t lowest, int64_t highest, int64_t *value)
{
    char *end;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || n < lowest || n > highest)
        return false;
    *value = n;
    return true;
}

static bool take(bench_options *o, const char *name, const char *value)
{
    const struct {
        const char *name;
        int64_t lowest, *value;
    } numbers[] = {{"--batch", 1, &o->batch}, {"--image", 32, &o->image},
        {"--threads", 1, &o->threads}, {"--runs", 1, &o->runs}, {"--warmup", 0, &o->warmup}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(name, numbers[i].name) == 0)
            return whole(value, numbers[i].lowest, 100000, numbers[i].value);
    if (strcmp(name, "--model") == 0)
        o->model = value;
    else if (strcmp(name, "--config") == 0)
        o->config = strcmp(value, "none") == 0 ? NULL : value;
    else if (strcmp(name, "--only") == 0)
        o->only = value;
    else if (strcmp(name, "--optimizer") == 0 &&
        (strcmp(value, "adam") == 0 || strcmp(value, "sgd") == 0))
        o->optimizer = value;
    else if (strcmp(name, "--memory") == 0 &&
        (strcmp(value, "fast") == 0 || strcmp(value, "small") == 0))
        o->memory = strcmp(value, "small") == 0 ? NNCF_MEMORY_SMALL : NNCF_MEMORY_FAST;
    else if (strcmp(name, "--memory") == 0)
        return whole(value, 1, INT64_MAX, &o->budget);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    bench_options o = {.model = "mobilenetv2",
        .optimizer = "adam",
        .only = "",
        .batch = 16,
        .image = 224,
        .threads = 2,
        .runs = 7,
        .warmup = 2};
    bench_begin();
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return EXIT_SUCCESS;
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            o.quick = true;
            o.batch = 2; /* the last layers see single pixels: batch norm needs more than one */
            o.image = 32;
            o.runs = 1;
            o.warmup = 0;
        } else if (i + 1 >= argc || !take(&o, argv[i], argv[i + 1])) {
            fprintf(stderr, "nncf-bench: %s%s%s is not understood\n", argv[i],
                i + 1 < argc ? " " : "", i + 1 < argc ? argv[i + 1] : "");
            usage(stderr);
            return 2;
        } else {
            i++;
        }
    }
    for (size_t m = 0; argc > 1 && m < N_MODES; m++)
        if (strcmp(argv[1], modes[m].name) == 0)
            return modes[m].run(&o);
    usage(stderr);
    return 2;
}
