/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at NNCF JSON configs of any release: is it valid, what does it mean and why, how is it
 * written in the last dialect. Results go to stdout, complaints to stderr. Exit: 0 done, 1 not.
 */
#include "models.h"

#include <nncf/nncf.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *command;
    const char **files;
    const char *model;
    int n_files;
    bool json;
    nncf_config_params params;
} options;

static const char help[] =
    "usage: nncf-config COMMAND [OPTION...] FILE...\n"
    "\n"
    "  check FILE...   is each file a valid config? Names every mistake, and what a controller "
    "would refuse\n"
    "  explain FILE    the effective config, and where each value comes from\n"
    "  dump FILE       the effective config as JSON\n"
    "  migrate FILE    the same config in the last JSON dialect, NNCF 2.17\n"
    "  plan FILE       the masks and quantizers that it gives a model, and which line decided "
    "each\n"
    "\n"
    "  --dialect R     read it as NNCF R (1.0 ... 2.17), whatever its keys say\n"
    "  --scopes HOW    scopes without a match: warn, strict, off\n"
    "  --model NAME    for plan: mobilenetv2 (as NNCF 1.0's sample has it), mobilenet_v2, "
    "resnet18, resnet50;\n"
    "                  without it the config's own \"model\"\n"
    "  --json          write JSON (check, explain, plan)\n"
    "  --help, --version\n";

static int complain(const char *message, const char *detail)
{
    fprintf(stderr, "nncf-config: %s%s\nTry nncf-config --help\n", message, detail);
    return 1;
}

static void log_line(void *user, int32_t level, const char *line)
{
    (void)user;
    if (level == NNCF_LOG_ERROR && strncmp(line, "nncf_", 5) == 0)
        return; /* "call: message" of a refused call, which is printed from its record */
    if (level <= NNCF_LOG_WARNING)
        fprintf(stderr, "%s: %s\n", level == NNCF_LOG_ERROR ? "error" : "warning", line);
}

static nncf_status load(nncf_context *context, const options *o, const char *file,
    nncf_config **config, nncf_error *err)
{
    return nncf_config_load(context, file, &o->params, config, err);
}

/* A text as JSON, quotes included. */
static void print_json(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            printf("\\u%04x", (unsigned)*text);
        else
            putchar(*text);
    }
    putchar('"');
}

static void print_member(const char *key, const char *text)
{
    printf(", \"%s\": ", key);
    print_json(text);
}

static void print_error(const nncf_error *err)
{
    printf("{\"status\": \"%s\", \"line\": %d, \"column\": %d", nncf_status_name(err->status),
        (int)err->line, (int)err->column);
    print_member("where", err->where);
    print_member("message", err->message);
    putchar('}');
}

/* What is wrong with one file, in its order. */
typedef struct mistakes {
    nncf_error errors[64]; /* the library tells of no more */
    size_t count;
} mistakes;

static int32_t add_mistake(void *user, const nncf_error *error)
{
    mistakes *m = user;
    if (m->count == sizeof(m->errors) / sizeof(m->errors[0]))
        return 0;
    size_t i = m->count++;
    for (; i > 0 && m->errors[i - 1].offset > error->offset; i--)
        m->errors[i] = m->errors[i - 1];
    m->errors[i] = *error;
    return 0;
}

/* One element of check's JSON, without the opening bracket's comma. */
static void print_check(
    const char *file, const nncf_config *config, const mistakes *wrong, const nncf_error *missing)
{
    printf("{\"file\": ");
    print_json(file);
    printf(", \"valid\": %s", config ? "true" : "false");
    if (config) {
        print_member("dialect", nncf_config_get_dialect(config));
        printf(", \"algorithms\": [");
        for (size_t i = 0; i < nncf_config_get_algorithm_count(config); i++) {
            printf("%s", i > 0 ? ", " : "");
            print_json(nncf_config_get_algorithm_name(config, i));
        }
        printf("], \"supported\": %s", missing->status == NNCF_OK ? "true" : "false");
        if (missing->status != NNCF_OK) {
            printf(", \"missing\": ");
            print_error(missing);
        }
    } else {
        printf(", \"errors\": [");
        for (size_t i = 0; i < wrong->count; i++) {
            printf("%s", i > 0 ? ", " : "");
            print_error(&wrong->errors[i]);
        }
        putchar(']');
    }
    putchar('}');
}

static int check(nncf_context *context, const options *o)
{
    static mistakes wrong;
    nncf_config_params params = o->params;
    int failed = 0;
    params.report = add_mistake;
    params.user = &wrong;
    if (o->json)
        printf("[");
    for (int i = 0; i < o->n_files; i++) {
        nncf_config *config = NULL;
        nncf_error err = NNCF_ERROR_INIT, missing = NNCF_ERROR_INIT;
        wrong.count = 0;
        if (nncf_config_load(context, o->files[i], &params, &config, &err) != NNCF_OK) {
            failed = 1;
            if (wrong.count == 0) /* the file cannot be read */
                (void)add_mistake(&wrong, &err);
            for (size_t k = 0; k < wrong.count; k++)
                fprintf(stderr, "%s\n", wrong.errors[k].message);
        } else if (nncf_config_check_supported(config, &missing) != NNCF_OK) {
            fprintf(stderr, "note: %s\n", missing.message);
        }
        if (o->json) {
            printf("%s", i > 0 ? ",\n " : "");
            print_check(o->files[i], config, &wrong, &missing);
        } else if (config) {
            printf("%s: valid, NNCF %s\n", o->files[i], nncf_config_get_dialect(config));
        }
        nncf_config_destroy(config);
    }
    if (o->json)
        printf("]\n");
    return failed;
}

typedef nncf_status text_fn(const nncf_config *config, nncf_form form, char *buffer,
    size_t capacity, size_t *needed, nncf_error *err);

static nncf_status dump(const nncf_config *config, nncf_form form, char *buffer, size_t capacity,
    size_t *needed, nncf_error *err)
{
    (void)form;
    return nncf_config_dump(config, buffer, capacity, needed, err);
}

static nncf_status migrate(const nncf_config *config, nncf_form form, char *buffer, size_t capacity,
    size_t *needed, nncf_error *err)
{
    (void)form;
    return nncf_config_migrate(config, buffer, capacity, needed, err);
}

/* Print what the library says of one file. */
static int print_text(nncf_context *context, const options *o, text_fn *text_of)
{
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    size_t needed = 0;
    if (o->n_files != 1)
        return complain(o->command, " takes one file");
    nncf_status status = load(context, o, o->files[0], &config, &err);
    if (status != NNCF_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    nncf_form form = o->json ? NNCF_FORM_JSON : NNCF_FORM_TEXT;
    status = text_of(config, form, NULL, 0, &needed, &err);
    char *text = status == NNCF_E_BUFFER ? malloc(needed) : NULL;
    if (text)
        status = text_of(config, form, text, needed, NULL, &err);
    if (text && status == NNCF_OK)
        fputs(text, stdout);
    else
        fprintf(stderr, "nncf-config: %s\n",
            text || status != NNCF_E_BUFFER ? err.message : "no memory");
    free(text);
    nncf_config_destroy(config);
    return status == NNCF_OK ? 0 : 1;
}

static nncf_status print_plan(const nncf_plan *plan, bool json, nncf_error *err)
{
    const nncf_form form = json ? NNCF_FORM_JSON : NNCF_FORM_TEXT;
    size_t needed = 0;
    nncf_status status = nncf_plan_format(plan, form, NULL, 0, &needed, err);
    char *text = status == NNCF_E_BUFFER ? malloc(needed) : NULL;
    if (text)
        status = nncf_plan_format(plan, form, text, needed, NULL, err);
    if (text && status == NNCF_OK)
        fputs(text, stdout);
    free(text);
    return status;
}

static int plan(nncf_context *context, const options *o)
{
    nncf_config *config = NULL;
    nncf_model *model = NULL;
    nncf_plan *made = NULL;
    float *weight = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    const char *name = o->model;
    if (o->n_files != 1)
        return complain("plan takes one file", "");
    nncf_status status = load(context, o, o->files[0], &config, &err);
    if (status == NNCF_OK && !name &&
        nncf_config_get_string(config, "model", &name, NULL) != NNCF_OK) {
        nncf_config_destroy(config);
        return complain(
            "the config names no \"model\": say with --model which, one of: ", models_names);
    }
    if (status == NNCF_OK) {
        status = models_create(context, name, &model, &weight, &err);
        if (status == NNCF_E_NOTFOUND) {
            fprintf(stderr, "nncf-config: no model \"%s\"; ", name);
            nncf_config_destroy(config);
            fprintf(stderr, "--model is one of: %s\nTry nncf-config --help\n", models_names);
            return 1;
        }
    }
    if (status == NNCF_OK)
        status = nncf_plan_create(model, config, &made, &err);
    if (status == NNCF_OK)
        status = print_plan(made, o->json, &err);
    if (status != NNCF_OK)
        fprintf(stderr, "%s\n", err.message[0] ? err.message : nncf_status_name(status));
    nncf_plan_destroy(made);
    nncf_model_destroy(model);
    nncf_config_destroy(config);
    free(weight);
    return status == NNCF_OK ? 0 : 1;
}

static int run(const options *o)
{
    const nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .n_threads = 1, .log = log_line};
    nncf_context *context = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    if (nncf_context_create(NNCF_API_VERSION, &params, &context, &err) != NNCF_OK) {
        fprintf(stderr, "nncf-config: %s\n", err.message);
        return 1;
    }
    int result;
    if (strcmp(o->command, "check") == 0)
        result = check(context, o);
    else if (strcmp(o->command, "explain") == 0)
        result = print_text(context, o, nncf_config_explain);
    else if (strcmp(o->command, "dump") == 0)
        result = print_text(context, o, dump);
    else if (strcmp(o->command, "migrate") == 0)
        result = print_text(context, o, migrate);
    else if (strcmp(o->command, "plan") == 0)
        result = plan(context, o);
    else
        result = complain("there is no command ", o->command);
    nncf_context_destroy(context);
    return result;
}

static bool read_scopes(const char *word, int32_t *scopes)
{
    static const char *const words[] = {"warn", "strict", "off"};
    static const int32_t values[] = {NNCF_SCOPES_WARN, NNCF_SCOPES_STRICT, NNCF_SCOPES_OFF};
    for (int i = 0; i < 3; i++) {
        if (strcmp(word, words[i]) == 0) {
            *scopes = values[i];
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    options o = {.params = {NNCF_PARAMS(nncf_config_params)}};
    o.files = calloc((size_t)argc + 1, sizeof(*o.files));
    if (!o.files)
        return complain("no memory", "");
    int result = -1;
    bool only_files = false;
    for (int i = 1; i < argc && result < 0; i++) {
        const char *word = argv[i];
        if (only_files || word[0] != '-') {
            if (!o.command)
                o.command = word;
            else
                o.files[o.n_files++] = word;
        } else if (strcmp(word, "--") == 0) {
            only_files = true;
        } else if (strcmp(word, "--json") == 0) {
            o.json = true;
        } else if (strcmp(word, "--dialect") == 0 && i + 1 < argc) {
            o.params.dialect = argv[++i];
        } else if (strcmp(word, "--model") == 0 && i + 1 < argc) {
            o.model = argv[++i];
        } else if (strcmp(word, "--scopes") == 0 && i + 1 < argc) {
            if (!read_scopes(argv[++i], &o.params.scopes))
                result = complain("--scopes is warn, strict or off, not ", argv[i]);
        } else if (strcmp(word, "--help") == 0) {
            fputs(help, stdout);
            result = 0;
        } else if (strcmp(word, "--version") == 0) {
            printf("nncf-config %s\n", nncf_version_string());
            result = 0;
        } else {
            result = complain("unknown option, or one without its value: ", word);
        }
    }
    if (result < 0 && (!o.command || o.n_files == 0))
        result = complain(o.command ? "no file given" : "no command given", "");
    if (result < 0)
        result = run(&o);
    free(o.files);
    return result;
}
