/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <nncf/nncf.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_CONFIG = 256,
    OPT_DATA,
    OPT_OUT,
    OPT_WEIGHTS,
    OPT_RESUME,
    OPT_BASELINE,
    OPT_TEACHER,
    OPT_EPOCHS,
    OPT_MAX_STEPS,
    OPT_BATCH_SIZE,
    OPT_TRAIN_SAMPLES,
    OPT_THREADS,
    OPT_SEED,
    OPT_EVAL,
    OPT_PREDICT,
    OPT_EXPORT_ONNX,
    OPT_EXPORT_FORMAT,
    OPT_EXPORT_FOLD,
    OPT_EXPORT_IMAGES,
    OPT_STRIP,
    OPT_SHRINK_EPOCH,
    OPT_TENSORBOARD,
    OPT_ACCEPT_CONFIG,
    OPT_MEMORY,
    OPT_VERBOSE,
    OPT_VERSION,
    OPT_HELP
};

static const struct option long_options[] = {{"config", required_argument, NULL, OPT_CONFIG},
    {"data", required_argument, NULL, OPT_DATA}, {"out", required_argument, NULL, OPT_OUT},
    {"weights", required_argument, NULL, OPT_WEIGHTS},
    {"resume", required_argument, NULL, OPT_RESUME},
    {"baseline-metrics", required_argument, NULL, OPT_BASELINE},
    {"teacher", required_argument, NULL, OPT_TEACHER},
    {"epochs", required_argument, NULL, OPT_EPOCHS},
    {"max-steps", required_argument, NULL, OPT_MAX_STEPS},
    {"batch-size", required_argument, NULL, OPT_BATCH_SIZE},
    {"train-samples", required_argument, NULL, OPT_TRAIN_SAMPLES},
    {"shrink-epoch", required_argument, NULL, OPT_SHRINK_EPOCH},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"memory", required_argument, NULL, OPT_MEMORY}, {"seed", required_argument, NULL, OPT_SEED},
    {"eval", no_argument, NULL, OPT_EVAL}, {"predict", no_argument, NULL, OPT_PREDICT},
    {"export-onnx", required_argument, NULL, OPT_EXPORT_ONNX},
    {"export-format", required_argument, NULL, OPT_EXPORT_FORMAT},
    {"export-fold-batch-norm", no_argument, NULL, OPT_EXPORT_FOLD},
    {"export-images", required_argument, NULL, OPT_EXPORT_IMAGES},
    {"strip", required_argument, NULL, OPT_STRIP},
    {"tensorboard", required_argument, NULL, OPT_TENSORBOARD},
    {"accept-config", no_argument, NULL, OPT_ACCEPT_CONFIG},
    {"verbose", no_argument, NULL, OPT_VERBOSE}, {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP}, {NULL, 0, NULL, 0}};

static const char help[] =
    "usage: nncf-classification --config FILE [options]\n"
    "Trains an image classifier as an NNCF JSON config says: plainly, sparse, quantized, or both.\n"
    "\n"
    "  --config FILE            NNCF config; what is given below goes before it\n"
    "  --data DIR               images: Fashion-MNIST / MNIST IDX files (gz or not), CIFAR-10/100 "
    "binary files, or\n"
    "                           pictures in train/<class>/ and val/<class>/ (JPEG, PNG); a plain "
    "folder of them "
    "is one class\n"
    "  --out DIR                snapshots, metrics.jsonl, record.jsonl (for nncf-report) and "
    "statistics.txt go there\n"
    "  --weights FILE           start from the weights in this safetensors file, by name\n"
    "  --resume FILE            go on from a snapshot of this program, bit for bit\n"
    "  --accept-config          resume although the config's compression part differs from the "
    "snapshot's\n"
    "  --eval                   only test what --resume or --weights gives\n"
    "  --predict IMAGE...       print the five likeliest classes of pictures, by what --resume or "
    "--weights gives\n"
    "  --export-onnx FILE       at the end write the model as ONNX, with a few images and their "
    "logits inside\n"
    "  --export-format FORMAT   qdq: QuantizeLinear and DequantizeLinear (default); fakequantize: "
    "OpenVINO's operator\n"
    "  --export-fold-batch-norm put batch norm into the weights' scales, for engines that run "
    "integer convolutions\n"
    "  --export-images N        so many test images go along (default 4)\n"
    "  --strip FILE             at the end write the deployable model: codes, scales and ranges as "
    "safetensors;\n"
    "                           sparse weights as a bit mask and non-zeros "
    "(--export-fold-batch-norm goes for it too)\n"
    "  --tensorboard DIR        scalars, histograms and the config as TensorBoard's event files in "
    "DIR\n"
    "  --epochs N               train up to epoch N in all\n"
    "  --max-steps N            stop after N training steps, and test on N batches at most\n"
    "  --batch-size N           images per step\n"
    "  --train-samples N        each epoch sees N images, drawn anew from all by seed and epoch "
    "(default: all)\n"
    "  --shrink-epoch N         remove what filter_pruning has pruned before epoch N (from 1 on) "
    "and "
    "train the\n"
    "                           smaller model\n"
    "  --seed N                 of weights, order, augmentation and masks (default 0)\n"
    "  --threads N              threads that compute (default: the processors there are)\n"
    "  --memory POLICY          fast (default), small: make again what backward needs, instead of "
    "keeping it\n"
    "  --baseline-metrics FILE  metrics.jsonl of the FP32 run, for the table at the end (default: "
    "beside the weights)\n"
    "  --teacher FILE           weights before compression, for knowledge_distillation and "
    "accuracy_aware_training\n"
    "                           (default: --weights)\n"
    "  --verbose                the library's log, and the table of layers at the end\n"
    "  --version, --help\n";

static bool parse_number(
    const char *name, const char *text, int64_t lowest, FILE *errors, int64_t *value)
{
    char *end;
    long long n;
    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < lowest) {
        fprintf(errors,
            "nncf-classification: --%s takes a whole number of at least %lld, not \"%s\"\n", name,
            (long long)lowest, text);
        return false;
    }
    *value = n;
    return true;
}

static bool parse_format(const char *text, FILE *errors, int32_t *format)
{
    if (strcmp(text, "qdq") != 0 && strcmp(text, "fakequantize") != 0) {
        fprintf(errors,
            "nncf-classification: --export-format takes qdq or fakequantize, not \"%s\"\n", text);
        return false;
    }
    *format = strcmp(text, "qdq") == 0 ? NNCF_ONNX_QDQ : NNCF_ONNX_FAKE_QUANTIZE;
    return true;
}

static bool parse_memory(const char *text, FILE *errors, int32_t *policy)
{
    if (strcmp(text, "fast") != 0 && strcmp(text, "small") != 0) {
        fprintf(errors, "nncf-classification: --memory takes fast or small, not \"%s\"\n", text);
        return false;
    }
    *policy = strcmp(text, "small") == 0 ? NNCF_MEMORY_SMALL : NNCF_MEMORY_FAST;
    return true;
}

/* One option; false: its value is wrong and the message is out. */
static bool set_option(
    int code, const char *name, const char *value, FILE *errors, options *o, bool *predict)
{
    int64_t seed;
    switch (code) {
    case OPT_CONFIG:
        o->config = value;
        return true;
    case OPT_DATA:
        o->data = value;
        return true;
    case OPT_OUT:
        o->out = value;
        return true;
    case OPT_WEIGHTS:
        o->weights = value;
        return true;
    case OPT_RESUME:
        o->resume = value;
        return true;
    case OPT_BASELINE:
        o->baseline_metrics = value;
        return true;
    case OPT_TEACHER:
        o->teacher = value;
        return true;
    case OPT_EPOCHS:
        return parse_number(name, value, 1, errors, &o->epochs);
    case OPT_MAX_STEPS:
        return parse_number(name, value, 1, errors, &o->max_steps);
    case OPT_BATCH_SIZE:
        return parse_number(name, value, 1, errors, &o->batch_size);
    case OPT_TRAIN_SAMPLES:
        return parse_number(name, value, 1, errors, &o->train_samples);
    case OPT_SHRINK_EPOCH:
        return parse_number(name, value, 1, errors, &o->shrink_epoch);
    case OPT_THREADS:
        return parse_number(name, value, 1, errors, &o->threads);
    case OPT_MEMORY:
        return parse_memory(value, errors, &o->memory);
    case OPT_SEED:
        if (!parse_number(name, value, 0, errors, &seed))
            return false;
        o->seed = (uint64_t)seed;
        o->seed_given = true;
        return true;
    case OPT_ACCEPT_CONFIG:
        o->accept_config = true;
        return true;
    case OPT_PREDICT:
        *predict = true;
        return true;
    case OPT_EVAL:
        o->eval = true;
        return true;
    case OPT_EXPORT_ONNX:
        o->export_onnx = value;
        return true;
    case OPT_EXPORT_FORMAT:
        o->export_format_given = true;
        return parse_format(value, errors, &o->export_format);
    case OPT_EXPORT_FOLD:
        o->export_fold_batch_norm = true;
        return true;
    case OPT_EXPORT_IMAGES:
        return parse_number(name, value, 1, errors, &o->export_images);
    case OPT_TENSORBOARD:
        o->tensorboard = value;
        return true;
    case OPT_STRIP:
        o->strip = value;
        return true;
    default:
        o->verbose = true;
        return true;
    }
}

/* getopt prints the names of the wrong options itself, but only to stderr: opterr = 0 and our own
 * words instead. */
static void complain_unknown(int argc, char **argv, FILE *errors)
{
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "?";
    fprintf(errors,
        "nncf-classification: unknown option, or one without its value: %s (see --help)\n", word);
}

enum options_result options_parse(int argc, char **argv, FILE *output, FILE *errors, options *o)
{
    int code, index = 0;
    bool predict = false;
    memset(o, 0, sizeof *o);
    optind = 0; /* glibc: begin anew, also in a process that has parsed before */
    opterr = 0;
    while ((code = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (code == '?' || code == ':') {
            complain_unknown(argc, argv, errors);
            return OPTIONS_WRONG;
        }
        if (code == OPT_HELP || code == OPT_VERSION) {
            if (code == OPT_HELP)
                fputs(help, output);
            else
                fprintf(output, "nncf-classification, libnncf %s\n", nncf_version_string());
            return OPTIONS_DONE;
        }
        if (!set_option(code, long_options[index].name, optarg, errors, o, &predict))
            return OPTIONS_WRONG;
    }
    if (predict) {
        o->eval = true;
        o->images = argv + optind;
        o->n_images = (size_t)(argc - optind);
        if (optind == argc) {
            fputs("nncf-classification: --predict takes the files of pictures\n", errors);
            return OPTIONS_WRONG;
        }
    } else if (optind < argc) {
        fprintf(
            errors, "nncf-classification: \"%s\" is not an option (see --help)\n", argv[optind]);
        return OPTIONS_WRONG;
    }
    if (o->config == NULL) {
        fputs("nncf-classification: --config FILE is required (see --help)\n", errors);
        return OPTIONS_WRONG;
    }
    if (o->export_onnx == NULL &&
        (o->export_format_given || o->export_images > 0 ||
            (o->export_fold_batch_norm && o->strip == NULL))) {
        fputs("nncf-classification: the other --export- options go with --export-onnx FILE\n",
            errors);
        return OPTIONS_WRONG;
    }
    if (o->weights != NULL && o->resume != NULL) {
        fputs("nncf-classification: --weights and --resume exclude each other: a snapshot to "
              "resume has its weights\n",
            errors);
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}
