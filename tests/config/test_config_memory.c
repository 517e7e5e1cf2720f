/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every malloc of the process fails once, and then every later one too: json-c's are among them,
 * which no allocator of a context sees. Also what configs may take at the most.
 */
#include "support/memory.h"
#include "support/runner.h"

#include <nncf/config.h>
#include <stdbool.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>

/* ---- the process's allocator; free() stays the C library's ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

static struct {
    bool armed, goes_on;
    size_t calls, fail_at, failed;
} heap;

static bool is_refused(void)
{
    if (!heap.armed)
        return false;
    heap.calls++;
    if (heap.calls != heap.fail_at && !(heap.goes_on && heap.calls > heap.fail_at))
        return false;
    heap.failed++;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return is_refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
    return is_refused() ? NULL : __libc_realloc(ptr, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    return is_refused() ? NULL : __libc_memalign(align, size);
}

int posix_memalign(void **ptr, size_t align, size_t size)
{
    void *block = is_refused() ? NULL : __libc_memalign(align, size);
    if (block)
        *ptr = block;
    return block ? 0 : ENOMEM;
}

/* ---- */

/* All kinds of values, of algorithms and of lists; keys and texts of all lengths. */
static const char specimen[] =
    "{\"model\": \"a text of some length, which is more than fits into whatever a parser begins "
    "with: ............\",\n"
    "\"a key of some length, which is more than fits into whatever a parser begins with: "
    "............\": [1, -2.5e3,\n"
    "true, false, null, 99999999999999999999, {\"k\": [], \"\": {}}, "
    "\"\\u00e9\\ud83d\\ude00\\n\"],\n"
    "\"k0\": 0, \"k1\": 0, \"k2\": 0, \"k3\": 0, \"k4\": 0, \"k5\": 0, \"k6\": 0, \"k7\": 0, "
    "\"k8\": 0, \"k9\": 0,\n"
    "\"nncf_dialect\": \"1.6\", \"ignored_scopes\": [\"A\", \"{re}b+\"],\n"
    "\"compression\": [{\"algorithm\": \"magnitude_sparsity\", \"ignored_scopes\": [\"A/B[c]\"], "
    "\"params\":\n"
    "{\"schedule\": \"multistep\", \"steps\": [3, 2], \"sparsity_levels\": [0.1, 0.2, 0.3]}},\n"
    "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": [{\"num_init_samples\": 2}, "
    "{\"type\":\n"
    "\"percentile\", \"target_scopes\": [\"A\"]}], \"precision\": {\"bitwidth_per_scope\": [[4, "
    "\"A\"]]}},\n"
    "\"weights\": {\"signed\": true}, \"scope_overrides\": {\"A/B\": {\"bits\": 4, "
    "\"initializer\": {\"range\": "
    "{}}}}}]}\n";

/* The first status that is not NNCF_OK. Without assertions, which need memory themselves. */
static nncf_status use(const nncf_config *config)
{
    static char buffer[1 << 15];
    nncf_status status = nncf_config_dump(config, buffer, sizeof buffer, NULL, NULL);
    double number;
    int64_t integer;
    int32_t flag;
    const char *text, *key;
    if (status == NNCF_OK)
        status = nncf_config_explain(config, NNCF_FORM_TEXT, buffer, sizeof buffer, NULL, NULL);
    if (status == NNCF_OK)
        status = nncf_config_explain(config, NNCF_FORM_JSON, buffer, sizeof buffer, NULL, NULL);
    if (status == NNCF_OK)
        status = nncf_config_migrate(config, buffer, sizeof buffer, NULL, NULL);
    if (status == NNCF_OK)
        status = nncf_config_get_string(config, "model", &text, NULL);
    if (status == NNCF_OK)
        status = nncf_config_get_key(config, "", 1, &key, NULL);
    if (status == NNCF_OK)
        status = nncf_config_get_int(config, "k9", &integer, NULL);
    if (status == NNCF_OK)
        status = nncf_config_get_double(
            config, "compression[0].params.sparsity_levels[2]", &number, NULL);
    if (status == NNCF_OK)
        status = nncf_config_get_bool(config, "compression[1].weights.signed", &flag, NULL);
    if (status == NNCF_OK &&
        (strncmp(text, "a text of some", 14) != 0 || strncmp(key, "a key of some", 13) != 0 ||
            integer != 0 || number != 0.3 || flag != 1))
        status = NNCF_E_INTERNAL;
    return status;
}

static nncf_status load_and_use(nncf_error *err)
{
    nncf_config *config = NULL;
    nncf_status status =
        nncf_config_parse(NULL, "specimen", specimen, sizeof specimen - 1, NULL, &config, err);
    if (status == NNCF_OK)
        status = use(config);
    else if (config)
        status = NNCF_E_INTERNAL;
    nncf_config_destroy(config);
    return status;
}

START_TEST(every_failing_malloc_is_survived)
{
    /* BLIS, which aborts where it finds no memory, takes its own when it is first used */
    ck_assert_int_eq(load_and_use(NULL), NNCF_OK);
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        size_t n = 0, survived = 0;
        do {
            nncf_error err = NNCF_ERROR_INIT;
            heap.goes_on = goes_on;
            heap.fail_at = ++n;
            heap.calls = heap.failed = 0;
            heap.armed = true;
            nncf_status status = load_and_use(&err);
            heap.armed = false;
            /* a failure is told of, unless one could do without that memory */
            survived += heap.failed > 0 && status == NNCF_OK;
            ck_assert_msg(status == NNCF_OK || (status == NNCF_E_NOMEM && heap.failed > 0),
                "malloc %zu: %s: %s", n, nncf_status_name(status), err.message);
        } while (heap.failed > 0);
        /* json-c's values of the specimen alone are more than 60 */
        ck_assert_uint_gt(n, 80);
        ck_assert_uint_le(survived, n / 10);
    }
}
END_TEST

/* ---- what a config may take ---- */

static size_t fill(
    char *text, size_t room, const char *head, const char *element, size_t count, const char *tail)
{
    size_t used = (size_t)snprintf(text, room, "%s", head);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, room - used, "%s%s", i > 0 ? "," : "", element);
    return used + (size_t)snprintf(text + used, room - used, "%s", tail);
}

/* The most that a config of 1 MiB has out at a time, json-c's values not counted: those are 64
 * bytes or so each. */
START_TEST(memory_is_in_proportion_to_values)
{
    static const struct {
        const char *head, *element, *tail;
        size_t count;
        nncf_status status;
    } cases[] = {
        {"{\"a\":[", "0", "]}", 131070, NNCF_OK},
        {"{\"a\":[", "0", "]}", 131071, NNCF_E_LIMIT},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "{}", "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", 131000,
            NNCF_OK},
        {"{\"compression\":[", "{\"algorithm\":\"rb_sparsity\"}", "]}", 30000, NNCF_E_CONFIG},
        {"{\"compression\":{\"algorithm\":\"quantization\",\"ignored_scopes\":[", "\"a\"", "]}}",
            131000, NNCF_OK},
        /* each expression is as large as it may be */
        {"{\"compression\":{\"algorithm\":\"quantization\",\"ignored_scopes\":[",
            "\"{re}((a{99}){99}){6}x\"", "]}}", 38000, NNCF_E_LIMIT},
        {"{\"compression\":{\"algorithm\":\"quantization\",\"quantizable_subgraph_patterns\":[",
            "\"a\"", "]}}", 131000, NNCF_OK},
        {"{\"compression\":{\"algorithm\":\"quantization\",\"initializer\":{\"range\":[", "{}",
            "]}}}", 4096, NNCF_OK},
        {"{\"compression\":{\"algorithm\":\"quantization\",\"initializer\":{\"range\":[", "{}",
            "]}}}", 4097, NNCF_E_LIMIT},
    };
    enum { ROOM = (1 << 20) + 100, MOST = 32 << 20 };
    char *text = malloc(ROOM);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fx_memory counter = {0};
        nncf_context *context = NULL;
        nncf_config *config = NULL;
        nncf_error err = NNCF_ERROR_INIT;
        const nncf_context_params params = {
            NNCF_PARAMS(nncf_context_params), .n_threads = 1, FX_MEMORY(&counter)};
        ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
        size_t size =
            fill(text, ROOM, cases[i].head, cases[i].element, cases[i].count, cases[i].tail);
        nncf_status status = nncf_config_parse(context, "large", text, size, NULL, &config, &err);
        ck_assert_msg(status == cases[i].status, "case %zu: %s: %s", i, nncf_status_name(status),
            err.message);
        ck_assert_msg(counter.peak < MOST, "case %zu: %zu bytes", i, (size_t)counter.peak);
        /* a text into the caller's buffer, or its length alone, takes nothing more */
        const size_t loaded = counter.bytes;
        counter.peak = loaded;
        if (config) {
            size_t needed = 0;
            ck_assert_int_eq(nncf_config_dump(config, NULL, 0, &needed, NULL), NNCF_E_BUFFER);
            ck_assert_int_eq(
                nncf_config_explain(config, NNCF_FORM_TEXT, NULL, 0, &needed, NULL), NNCF_E_BUFFER);
            ck_assert_int_eq(
                nncf_config_explain(config, NNCF_FORM_JSON, NULL, 0, &needed, NULL), NNCF_E_BUFFER);
            ck_assert_uint_eq(counter.peak, loaded);
            ck_assert_int_eq(nncf_config_migrate(config, NULL, 0, &needed, NULL), NNCF_E_BUFFER);
            ck_assert_uint_lt(counter.peak, MOST);
        }
        nncf_config_destroy(config);
        nncf_context_destroy(context);
        ck_assert_uint_eq(counter.live, 0);
        ck_assert_uint_eq(counter.mistakes, 0);
    }
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_memory");
    TCase *tests = fx_case(suite, "config_memory", 120);
    tcase_add_test(tests, every_failing_malloc_is_survived);
    tcase_add_test(tests, memory_is_in_proportion_to_values);
    return fx_main(suite);
}
