/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random configs: keys and values of the library's own table, in any dialect, now and then in the
 * wrong place or out of bounds, and configs of the golden folder with random edits. For each that
 * loads config_target.h must hold.
 */
#include "../sweep/sweep_run.h"
#include "config/canonical.h"
#include "config/schema/keys.h"
#include "config_target.h"

#include <stdbool.h>

enum { MOST = 1 << 16, CORPUS = 200 };

typedef struct text {
    char data[MOST];
    size_t used;
} text;

__attribute__((format(printf, 2, 3))) static void put(text *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(t->data + t->used, MOST - t->used, format, arguments);
    va_end(arguments);
    t->used = n < 0 || (size_t)n >= MOST - t->used ? MOST - 1 : t->used + (size_t)n;
}

static const char *const scopes[] = {"Net/Conv2d[a]", "Conv2d", "{re}.*conv\\\\d+",
    "A/B[c]/D/NNCFConv2d[x]/conv2d_0", "\\u00e9/\\n", "{re}(^|/)A", "weights", "activations", "x.y",
    "", "caf\xc3\xa9 \\\"q\\\" \\\\"};
static const char *const dialects[] = {"1.0", "1.1", "1.2", "1.3", "1.3.1", "1.4", "1.4.1", "1.5",
    "1.6", "1.7", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.10", "2.17",
    "seed"};
static const char *const numbers[] = {"0", "1", "0.5", "2", "8", "1e-3", "0.999", "3.0", "1E+2",
    "100", "-1", "4096", "0.125", "-0", "1e300", "1e-320"};

static void put_scope(sweep *s, text *t)
{
    put(t, "\"%s\"", SWEEP_PICK(&s->rng, scopes));
}

static void put_scopes(sweep *s, text *t)
{
    if (sweep_one_in(&s->rng, 3)) {
        put_scope(s, t);
        return;
    }
    put(t, "[");
    for (int64_t i = 0, n = sweep_range(&s->rng, 0, 3); i < n; i++) {
        put(t, i ? "," : "");
        put_scope(s, t);
    }
    put(t, "]");
}

/* Any JSON, as the training program's own. */
static void put_any(sweep *s, text *t, int depth)
{
    switch (sweep_range(&s->rng, 0, depth < 4 ? 7 : 5)) {
    case 0:
        put(t, "%s", SWEEP_PICK(&s->rng, numbers));
        break;
    case 1:
        put(t, sweep_one_in(&s->rng, 2) ? "true" : "false");
        break;
    case 2:
        put(t, "null");
        break;
    case 3:
        put(t, "%" PRId64, (int64_t)sweep_bits(&s->rng));
        break;
    case 4:
        put(t, "%.17g", (double)(int64_t)sweep_bits(&s->rng) * 1e-9);
        break;
    case 5:
        put_scope(s, t);
        break;
    case 6:
        put(t, "[");
        for (int64_t i = 0, n = sweep_range(&s->rng, 0, 4); i < n; i++) {
            put(t, i ? ", " : "");
            put_any(s, t, depth + 1);
        }
        put(t, "]");
        break;
    default:
        put(t, "{");
        for (int64_t i = 0, n = sweep_range(&s->rng, 0, 4); i < n; i++) {
            put(t, "%s\"k%" PRId64 "\": ", i ? ", " : "", i);
            put_any(s, t, depth + 1);
        }
        put(t, "}");
    }
}

static void put_number(sweep *s, text *t, const nncf__key *key)
{
    double low = key->min, high = key->max > 1e6 ? low + 200 : key->max;
    if (sweep_one_in(&s->rng, 20))
        put(t, "%s", SWEEP_PICK(&s->rng, numbers));
    else if (key->type == NNCF__KEY_INTEGER || sweep_one_in(&s->rng, 2))
        put(t, "%" PRId64, sweep_range(&s->rng, (int64_t)low, (int64_t)high));
    else
        put(t, "%.*g", (int)sweep_range(&s->rng, 1, 17),
            low + (high - low) * (double)(sweep_bits(&s->rng) >> 11) / 9007199254740992.0);
}

static void put_numbers(sweep *s, text *t, const nncf__key *key)
{
    put(t, "[");
    for (int64_t i = 0, n = sweep_range(&s->rng, 0, 3); i < n; i++) {
        put(t, i ? ", " : "");
        put_number(s, t, key);
    }
    put(t, "]");
}

static void put_members(sweep *s, text *t, int32_t kind, const char *section, int64_t percent);

static void put_overrides(sweep *s, text *t, bool grouped)
{
    put(t, "{");
    for (int64_t i = 0, n = sweep_range(&s->rng, 0, 3); i < n; i++) {
        put(t, "%s\"%s\": ", i ? ", " : "",
            grouped ? (i ? "activations" : "weights") : scopes[sweep_range(&s->rng, 0, 3) + i]);
        if (grouped && i < 2) {
            put_overrides(s, t, false);
            continue;
        }
        put(t, "{\"bits\": %d", (int)sweep_range(&s->rng, 2, 8));
        if (sweep_one_in(&s->rng, 2))
            put(t, ", \"mode\": \"%ssymmetric\"", sweep_one_in(&s->rng, 2) ? "a" : "");
        if (sweep_one_in(&s->rng, 2))
            put(t, ", \"signed\": %s", sweep_one_in(&s->rng, 2) ? "true" : "false");
        if (sweep_one_in(&s->rng, 2))
            put(t, ", \"per_channel\": true");
        if (sweep_one_in(&s->rng, 3)) {
            put(t, ", \"initializer\": {\"range\": {");
            put_members(s, t, NNCF__QUANTIZATION, "initializer.range", 20);
            put(t, "}}");
        }
        put(t, "}");
    }
    put(t, "}");
}

static void put_value(sweep *s, text *t, int32_t kind, const nncf__key *key)
{
    if (sweep_one_in(&s->rng, 150)) {
        put_any(s, t, 0);
        return;
    }
    char word[64] = "";
    switch (key->type) {
    case NNCF__KEY_SECTION:
        put(t, "{");
        put_members(s, t, kind, key->path, 25);
        put(t, "}");
        break;
    case NNCF__KEY_NUMBER:
    case NNCF__KEY_INTEGER:
        put_number(s, t, key);
        break;
    case NNCF__KEY_FLAG:
    case NNCF__KEY_CODED_FLAG:
        put(t, sweep_one_in(&s->rng, 2) ? "true" : "false");
        break;
    case NNCF__KEY_WORD:
        while (
            !nncf__config_word(key->words, (size_t)sweep_range(&s->rng, 0, 6), word, sizeof word))
            ;
        put(t, "\"%s\"", word);
        break;
    case NNCF__KEY_NUMBERS:
        put_numbers(s, t, key);
        break;
    case NNCF__KEY_TEXT:
        put_scope(s, t);
        break;
    case NNCF__KEY_RANGES: {
        bool several = sweep_one_in(&s->rng, 3);
        put(t, several ? "[" : "");
        for (int64_t i = 0, n = several ? sweep_range(&s->rng, 0, 3) : 1; i < n; i++) {
            put(t, i ? ", {" : "{");
            put_members(s, t, kind, key->path, 30);
            put(t, "}");
        }
        put(t, several ? "]" : "");
        break;
    }
    case NNCF__KEY_OVERRIDES:
        put_overrides(s, t, sweep_one_in(&s->rng, 2));
        break;
    case NNCF__KEY_BITWIDTHS:
        put(t, "[");
        for (int64_t i = 0, n = sweep_range(&s->rng, 0, 3); i < n; i++) {
            put(t, "%s[%d, ", i ? ", " : "", (int)sweep_range(&s->rng, 2, 8));
            put_scope(s, t);
            put(t, "]");
        }
        put(t, "]");
        break;
    case NNCF__KEY_SCOPES:
    case NNCF__KEY_SIGNS:
        put_scopes(s, t);
        break;
    case NNCF__KEY_LISTS:
        put(t, "[\"Conv2d\", [\"A\", \"B\"]]");
        break;
    default:
        put_any(s, t, 0);
    }
}

/* Keys of one section, each with a chance of `percent`. */
static void put_members(sweep *s, text *t, int32_t kind, const char *section, int64_t percent)
{
    size_t count, length = strlen(section);
    const nncf__key *rows = nncf__config_keys(&count);
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        const char *name = rows[i].path;
        if (!(rows[i].algorithms & 1u << kind) || rows[i].type == NNCF__KEY_ALGORITHM ||
            (length > 0 && (strncmp(name, section, length) != 0 || name[length] != '.')))
            continue;
        name += length > 0 ? length + 1 : 0;
        if (strchr(name, '.') || sweep_range(&s->rng, 0, 99) >= percent)
            continue;
        put(t, "%s\"%s\": ", first ? "" : ", ", name);
        first = false;
        put_value(s, t, kind, &rows[i]);
    }
    if (sweep_one_in(&s->rng, 400))
        put(t, "%s\"unknown\": 1", first ? "" : ", ");
}

static void put_algorithm(sweep *s, text *t)
{
    static const int32_t likely[] = {0, 1, 2, 3, 3, 3, 3, 4, 5, 6};
    size_t count;
    const nncf__algorithm_name *name =
        &nncf__config_algorithm_names(&count)[SWEEP_PICK(&s->rng, likely)];
    static const int64_t percents[] = {0, 3, 6, 15};
    put(t, "{\"algorithm\": \"%s\"", name->name);
    text members = {.used = 0};
    if (name->kind != NNCF__OTHER_ALGORITHM)
        put_members(s, &members, name->kind, "", SWEEP_PICK(&s->rng, percents));
    put(t, "%s%s}", members.used ? ", " : "", members.data);
}

static void put_root_key(sweep *s, text *t, const nncf__root_key *key)
{
    char word[64] = "";
    put(t, "\"%s\": ", key->key);
    if (key->words) {
        while (
            !nncf__config_word(key->words, (size_t)sweep_range(&s->rng, 0, 8), word, sizeof word))
            ;
        put(t, "\"%s\"", word);
    } else if (key->kind == NNCF__ROOT_DIALECT) {
        put(t, "\"%s\"", SWEEP_PICK(&s->rng, dialects));
    } else if (key->kind == NNCF__ROOT_SCOPES) {
        put_scopes(s, t);
    } else if (key->kind == NNCF__ROOT_MULTIPLIER) {
        put(t, "%s", SWEEP_PICK(&s->rng, numbers));
    } else {
        put_any(s, t, 0);
    }
}

static void generate(sweep *s, text *t)
{
    size_t count;
    const nncf__root_key *root = nncf__config_root_keys(&count);
    int64_t compression = sweep_range(&s->rng, 0, (int64_t)count),
            form = sweep_range(&s->rng, 0, 19);
    bool first = true;
    put(t, "{");
    for (size_t i = 0; i <= count; i++) {
        if ((int64_t)i == compression && form > 1) {
            put(t, "%s\"compression\": ", first ? "" : ",\n");
            first = false;
            int64_t n = form == 2 ? 0 : form < 12 ? 1 : sweep_range(&s->rng, 1, 3);
            bool is_array = form != 3 && (form < 8 || n != 1);
            put(t, is_array ? "[" : form == 3 && n == 0 ? "{}" : "");
            for (int64_t k = 0; k < n; k++) {
                put(t, k ? ", " : "");
                put_algorithm(s, t);
            }
            put(t, is_array ? "]" : "");
        }
        if (i < count && sweep_one_in(&s->rng, i == 0 ? 2 : 6)) {
            put(t, first ? "" : ", ");
            put_root_key(s, t, &root[i]);
            first = false;
        }
        if (sweep_one_in(&s->rng, 20)) {
            put(t, "%s\"own%zu\": ", first ? "" : ", ", i);
            put_any(s, t, 0);
            first = false;
        }
    }
    if (sweep_one_in(&s->rng, 4))
        put(t, "%s\"batch_size\": %d", first ? "" : ", ", (int)sweep_range(&s->rng, 1, 300));
    put(t, "}");
}

/* ---- configs that there are, with edits ---- */

static char *corpus[CORPUS];
static size_t n_corpus;

static void add_corpus(const char *data, size_t size)
{
    if (n_corpus < CORPUS && (corpus[n_corpus] = strndup(data, size)))
        n_corpus++;
}

static char *read_file(const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", NNCF_GOLDEN_DIR, name);
    FILE *file = fopen(path, "rb");
    char *data = file ? calloc(1, MOST) : NULL;
    if (data && fread(data, 1, MOST - 1, file) == 0)
        data[0] = 0;
    if (file)
        fclose(file);
    return data;
}

static void read_corpus(void)
{
    static const char *const files[] = {"adaptive", "later_names", "magnitude_defaults",
        "magnitude_multistep", "quantization_1_0", "quantization_1_1", "plain_crlf"};
    static const char *const cases[] = {
        "configs/dialects_quantization.cases", "configs/dialects_sparsity.cases"};
    char name[100];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(name, sizeof name, "configs/%s.json", files[i]);
        char *data = read_file(name);
        if (data)
            add_corpus(data, strlen(data));
        free(data);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *data = read_file(cases[i]);
        for (char *at = data; at && (at = strstr(at, "\n=== "));) {
            char *begin = strchr(at + 1, '\n'), *end = begin ? strstr(begin, "\n---") : NULL;
            if (end)
                add_corpus(begin + 1, (size_t)(end - begin));
            at = end;
        }
        free(data);
    }
}

static void edit(sweep *s, text *t)
{
    static const char *const pieces[] = {"[", "]", "{", "}", ",", ":", "\"", "null", "1e9",
        "\"1.6\"", "{}", "[]", "true", "0", "-1", "//", "/*", "*/", "\\u0041", "{re}", "\n", "0.5",
        "false", "\"weights\"", "\"range\"", "\"percentile\"", "\\\\"};
    const char *from = corpus[sweep_range(&s->rng, 0, (int64_t)n_corpus - 1)];
    put(t, "%s", from);
    for (int64_t i = 0, n = sweep_range(&s->rng, 0, 3); i < n && t->used > 8; i++) {
        size_t at = (size_t)sweep_range(&s->rng, 0, (int64_t)t->used - 1);
        size_t cut = (size_t)sweep_range(&s->rng, 0, 6);
        const char *piece = SWEEP_PICK(&s->rng, pieces);
        if (sweep_one_in(&s->rng, 2)) { /* a whole value, digits or a word */
            at += strcspn(t->data + at, "0123456789tf");
            cut = strspn(t->data + at, "0123456789.truefals");
        }
        cut = cut < t->used - at ? cut : t->used - at;
        size_t width = sweep_one_in(&s->rng, 3) ? 0 : strlen(piece);
        if (t->used + width >= MOST - 1)
            break;
        memmove(t->data + at + width, t->data + at + cut, t->used - at - cut + 1);
        memcpy(t->data + at, piece, width);
        t->used += width - cut;
    }
}

int main(int argc, char **argv)
{
    sweep s;
    nncf_context *context = NULL;
    const nncf_context_params quiet = {NNCF_PARAMS(nncf_context_params), .n_threads = 1};
    uint64_t loaded = 0;
    static text t;
    char why[CONFIG_TARGET_WHY];
    if (nncf_context_create(NNCF_API_VERSION, &quiet, &context, NULL) != NNCF_OK)
        return EXIT_FAILURE;
    read_corpus();
    sweep_start(&s, "configs", argc, argv);
    while (sweep_next(&s)) {
        t.used = 0;
        t.data[0] = 0;
        if (n_corpus > 0 && sweep_one_in(&s.rng, 3))
            edit(&s, &t);
        else
            generate(&s, &t);
        nncf_config_params params = {NNCF_PARAMS(nncf_config_params)};
        if (sweep_one_in(&s.rng, 5))
            params.dialect = SWEEP_PICK(&s.rng, dialects);
        if (sweep_one_in(&s.rng, 10))
            params.scopes = (int32_t)sweep_range(&s.rng, 0, 3);
        sweep_describe(
            &s, "dialect %s, %.400s", params.dialect ? params.dialect : "of the keys", t.data);
        bool loads;
        if (!config_target_holds(context, t.data, t.used, &params, &loads, why))
            sweep_fail(&s, "%s\nof (dialect %s)\n%s", why,
                params.dialect ? params.dialect : "of the keys", t.data);
        loaded += loads;
    }
    printf("configs: %" PRIu64 " loaded and went round\n", loaded);
    for (size_t i = 0; i < n_corpus; i++)
        free(corpus[i]);
    nncf_context_destroy(context);
    int result = sweep_finish(&s);
    return loaded > 0 ? result : EXIT_FAILURE;
}
