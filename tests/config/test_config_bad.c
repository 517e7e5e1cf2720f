/* SPDX-License-Identifier: Apache-2.0 */
/* Configs that do not load: status, line:column, path and words of each; and that nothing at all
 * crashes. */
#include "bad_config.h"
#include "support/context.h"
#include "support/runner.h"

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const bad syntax[] = {
    {"", NNCF_E_PARSE, 1, 1, "", "the config is empty"},
    {"  \n// nothing\n", NNCF_E_PARSE, 3, 1, "", "the config is empty"},
    {"[]", NNCF_E_CONFIG, 1, 1, "", "a config is an object"},
    {"3", NNCF_E_CONFIG, 1, 1, "", "a config is an object"},
    {"\xef\xbb\xbf{}", NNCF_E_PARSE, 1, 1, "", "remove the byte order mark"},
    {"\xff\xfe{", NNCF_E_PARSE, 1, 1, "", "UTF-16"},
    {"{\"a\": \"\xe9\"}", NNCF_E_PARSE, 1, 8, "", "byte 0xe9 is not UTF-8"},
    {"{} // caf\xe9", NNCF_E_PARSE, 1, 10, "", "byte 0xe9 is not UTF-8"},
    {"{\"a\": \"\xc0\xaf\"}", NNCF_E_PARSE, 1, 8, "", "not UTF-8"},
    {"{\"a\": \"\xed\xa0\x80\"}", NNCF_E_PARSE, 1, 8, "", "not UTF-8"},
    {"{\"a\": \"\xf4\x90\x80\x80\"}", NNCF_E_PARSE, 1, 8, "", "not UTF-8"},
    {"{\n  \"a\": 1,\n  \"a\": 2\n}", NNCF_E_PARSE, 3, 3, "a",
        "a second time; the first is in line 2, column 3"},
    {"{\"o\": {\"k\": 1, \"\\u006b\": 2}}", NNCF_E_PARSE, 1, 16, "o.k",
        "\"k\" stands here a second time"},
    {"{\"a\": NaN}", NNCF_E_PARSE, 1, 7, "", "NaN is not JSON"},
    {"{\"a\": Infinity}", NNCF_E_PARSE, 1, 7, "", "Infinity is not JSON"},
    {"{\"a\": [1, -Infinity]}", NNCF_E_PARSE, 1, 11, "a", "-Infinity is not JSON"},
    {"{\"a\": True}", NNCF_E_PARSE, 1, 7, "", "write true"},
    {"{\"a\": None}", NNCF_E_PARSE, 1, 7, "", "write null"},
    {"{\"a\": 'x'}", NNCF_E_PARSE, 1, 7, "", "texts stand in double quotes"},
    {"{'a': 1}", NNCF_E_PARSE, 1, 2, "", "texts stand in double quotes"},
    {"{a: 1}", NNCF_E_PARSE, 1, 2, "", "a key must stand in double quotes: \"a\""},
    {"{\"a\": Adam}", NNCF_E_PARSE, 1, 7, "", "found Adam; texts stand in double quotes"},
    {"{\"a\": 1} x", NNCF_E_PARSE, 1, 10, "",
        "nothing may follow the config's closing bracket; found 'x'"},
    {"{\"a\": 1}}", NNCF_E_PARSE, 1, 9, "", "found '}'"},
    {"{\"a\": 1} {}", NNCF_E_PARSE, 1, 10, "", "nothing may follow"},
    {"{\"a\\u0000b\": 1}", NNCF_E_PARSE, 1, 4, "", "\\u0000 is not allowed"},
    {"{\"a\": \"\\u0000\"}", NNCF_E_PARSE, 1, 8, "", "\\u0000 is not allowed"},
    {"{\"a\": 1e999}", NNCF_E_PARSE, 1, 7, "a", "the number 1e999 is out of range"},
    {"{\"a\": [0, -1e400]}", NNCF_E_PARSE, 1, 11, "a[1]", "the number -1e400 is out of range"},
    {"{\"a\": 007}", NNCF_E_PARSE, 1, 7, "", "must not begin with 0: 007"},
    {"{\"a\": -01}", NNCF_E_PARSE, 1, 7, "", "must not begin with 0"},
    {"{\"a\": .5}", NNCF_E_PARSE, 1, 7, "", "0.5, not .5"},
    {"{\"a\": 5.}", NNCF_E_PARSE, 1, 7, "", "not 5."},
    {"{\"a\": +1}", NNCF_E_PARSE, 1, 7, "", "a number wants a digit"},
    {"{\"a\": -}", NNCF_E_PARSE, 1, 7, "", "a number wants a digit"},
    {"{\"a\": 1e}", NNCF_E_PARSE, 1, 7, "", "digits behind its e"},
    {"{\"a\": 0x10}", NNCF_E_PARSE, 1, 7, "", "hexadecimal"},
    {"{\"a\": 1 2}", NNCF_E_PARSE, 1, 9, "", "expected ',' or '}', found '2'"},
    {"{\"a\": 1/**/2}", NNCF_E_PARSE, 1, 12, "", "expected ',' or '}', found '2'"},
    {"{\"a\": \"x\ty\"}", NNCF_E_PARSE, 1, 9, "",
        "control character 0x09 in a text; write it \\u0009"},
    {"{\"a\": \"x\n\"}", NNCF_E_PARSE, 1, 7, "", "is not closed on its line"},
    {"{\"a\": \"x", NNCF_E_PARSE, 1, 7, "", "is not closed on its line"},
    {"{\"a\": \"x\\", NNCF_E_PARSE, 1, 9, "", "unknown escape"},
    {"{\"a\": \"\\x41\"}", NNCF_E_PARSE, 1, 8, "", "unknown escape"},
    {"{\"a\": \"\\u12g4\"}", NNCF_E_PARSE, 1, 8, "", "four hexadecimal digits"},
    {"{\"a\": \"\\ud83d\"}", NNCF_E_PARSE, 1, 8, "", "\\ud83d is half of a surrogate pair"},
    {"{\"a\": \"\\ude00\"}", NNCF_E_PARSE, 1, 8, "", "\\ude00 is half of a surrogate pair"},
    {"{\"a\": \"\\ud83d\\u0041\"}", NNCF_E_PARSE, 1, 8, "", "half of a surrogate pair"},
    {"{\"a\": 1,,}", NNCF_E_PARSE, 1, 10, "", "expected a key in double quotes, found '}'"},
    {"{\"a\": [1,,]}", NNCF_E_PARSE, 1, 11, "a", "expected a value, found ']'"},
    {"{\"a\": [,1]}", NNCF_E_PARSE, 1, 8, "a", "expected a value, found ','"},
    {"{\"a\": 1 \"b\": 2}", NNCF_E_PARSE, 1, 9, "", "expected ',' or '}', found '\"'"},
    {"{\"a\" 1}", NNCF_E_PARSE, 1, 6, "", "expected ':' behind the key, found '1'"},
    {"{\"a\":}", NNCF_E_PARSE, 1, 6, "", "expected a value, found '}'"},
    {"{\"a\": [1, 2}", NNCF_E_PARSE, 1, 12, "a", "expected ',' or ']', found '}'"},
    {"{\n\"a\": [1,\n", NNCF_E_PARSE, 3, 1, "a",
        "the array that begins in line 2, column 6 is not closed"},
    {"{\"a\": {\"b\": 1", NNCF_E_PARSE, 1, 14, "a",
        "the object that begins in line 1, column 7 is not closed"},
    {"{\"a\": 1 # one\n}", NNCF_E_PARSE, 1, 9, "", "comments begin with // or stand in /* */"},
    {"{\"a\": 1 / 2}", NNCF_E_PARSE, 1, 9, "", "found '/'"},
    {"{\n /* never\n \"a\": 1}", NNCF_E_PARSE, 2, 2, "",
        "the comment that begins here is never closed"},
    {"{\"a\": 1 /*/ }", NNCF_E_PARSE, 1, 9, "", "never closed"},
    {"{\"a\": 1\v}", NNCF_E_PARSE, 1, 8, "", "found byte 0x0b"},
    /* Places count bytes and lines through comments and CRLF. */
    {"{ // one\r\n  /* two\r\n  three */ \"a\": x }", NNCF_E_PARSE, 3, 17, "", "found x"},
};

#define RB(params) "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": {" params "}}}"
#define MAG(params)                                                                                \
    "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {" params "}}}"
#define QUANT(more)   "{\"compression\": {\"algorithm\": \"quantization\", " more "}}"
#define LIST(entries) "{\"compression\": [" entries "]}"
#define P             "compression.params."
#define C             "compression."

static const bad meaning[] = {
    {"{\"compression\": \"rb_sparsity\"}", NNCF_E_CONFIG, 1, 17, "compression",
        "found \"rb_sparsity\"; allowed: an object"},
    {"{\"compression\": null}", NNCF_E_CONFIG, 1, 17, "compression",
        "found null; allowed: an object"},
    {LIST("3"), NNCF_E_CONFIG, 1, 18, "compression[0]", "found 3; an algorithm is an object"},
    {LIST("{}"), NNCF_E_CONFIG, 1, 18, "compression[0]", "the key \"algorithm\" is missing"},
    {"{\"compression\": {\"params\": {}}}", NNCF_E_CONFIG, 1, 17, "compression",
        "the key \"algorithm\" is missing"},
    {LIST("{\"params\": {},\n\"algoritm\": \"rb_sparsity\"}"), NNCF_E_CONFIG, 2, 1,
        "compression[0].algoritm", "unknown key; did you mean \"algorithm\"?"},
    {LIST("{\"algorithm\": 3}"), NNCF_E_CONFIG, 1, 32, "compression[0].algorithm",
        "found 3; allowed: \"rb_sparsity\""},
    {LIST("{\"algorithm\": \"rb_sparsty\"}"), NNCF_E_CONFIG, 1, 32, "compression[0].algorithm",
        "did you mean \"rb_sparsity\"?"},
    {LIST("{\"algorithm\": \"rb_sparsty\"}"), NNCF_E_CONFIG, 1, 32, "compression[0].algorithm",
        "\"rb_sparsity\", \"magnitude_sparsity\", \"const_sparsity\", \"quantization\", "
        "\"filter_pruning\" (1.3+), \"binarization\", \"knowledge_distillation\" (2.0+), "
        "\"movement_sparsity\" (2.4+), \"experimental_quantization\" (2.4+), \"bootstrapNAS\" "
        "(2.4+)"},
    {"{\"nncf_dialect\": \"2.10\", \"compression\": {\"algorithm\": \"nas\"}}", NNCF_E_CONFIG, 1,
        55, "compression.algorithm", "\"binarization\" (until 2.9), \"knowledge_distillation\", "},
    {LIST("{\"algorithm\": \"rb_sparsity\"},\n{\"algorithm\": \"magnitude_sparsity\"}"),
        NNCF_E_CONFIG, 2, 15, "compression[1].algorithm",
        "\"magnitude_sparsity\" cannot go together with \"rb_sparsity\""},
    {LIST("{\"algorithm\": \"quantization\"},\n{\"algorithm\": \"quantization\"}"), NNCF_E_CONFIG,
        2, 15, "compression[1].algorithm", "\"quantization\" stands here a second time"},
    {LIST("{\"algorithm\": \"const_sparsity\"},\n{\"algorithm\": \"const_sparsity\"}"),
        NNCF_E_CONFIG, 2, 15, "compression[1].algorithm", "a second time"},

    /* keys */
    {"{\n  \"compression\": [\n    {\n      \"algorithm\": \"rb_sparsity\",\n      \"params\": {\n"
     "        \"sparsity_traget\": 0.5\n      }\n    }\n  ]\n}",
        NNCF_E_CONFIG, 6, 9, "compression[0].params.sparsity_traget",
        "bad.json:6:9: compression[0].params.sparsity_traget: unknown key; did you mean "
        "\"sparsity_target\"? Allowed "
        "here: schedule, sparsity_init, sparsity_target"},
    {RB("\"qwertz\": 1"), NNCF_E_CONFIG, 1, 57, P "qwertz", "unknown key. Allowed here: schedule"},
    {RB("\"sched\": \"exponential\""), NNCF_E_CONFIG, 1, 57, P "sched",
        "did you mean \"schedule\"?"},
    {RB("\"params.power\": 1"), NNCF_E_CONFIG, 1, 57, P "\"params.power\"", "unknown key"},
    {"{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params.power\": 1}}", NNCF_E_CONFIG, 1,
        46, C "\"params.power\"", "unknown key"},
    {"{\"compression\": {\"algorithm\": \"rb_sparsity\", \"sparsity_target\": 0.5}}", NNCF_E_CONFIG,
        1, 46, C "sparsity_target", "unknown key; it belongs into \"params\""},
    {RB("\"ignored_scopes\": []"), NNCF_E_CONFIG, 1, 57, P "ignored_scopes",
        "it belongs beside \"algorithm\""},
    {RB("\"weight_importance\": \"abs\""), NNCF_E_CONFIG, 1, 57, P "weight_importance",
        "it is not a key of rb_sparsity"},
    {QUANT("\"type\": \"min_max\""), NNCF_E_CONFIG, 1, 47, C "type",
        "it belongs into \"initializer\""},
    {QUANT("\"initializer\": {\"range\": {\"type\": \"minmax_percentile\"}}"), NNCF_E_CONFIG, 1, 81,
        C "initializer.range.type", "TensorFlow beta of 1.7"},
    {QUANT("\"initializer\": {\"precision\": {\"type\": \"hawq\", \"bits\": [4, 16]}}"),
        NNCF_E_CONFIG, 1, 101, C "initializer.precision.bits",
        "found 16 among the bits; allowed with hawq: integers from 2 to 8"},
    {QUANT("\"initializer\": {\"precision\": {\"type\": \"hawq\", \"criterion\": \"ms\"}}"),
        NNCF_E_CONFIG, 1, 106, C "initializer.precision.criterion",
        "allowed: \"complexity\", \"bytes\", \"host\""},
    {QUANT("\"params\": {\"batch_multiplier\": 0}"), NNCF_E_CONFIG, 1, 78,
        C "params.batch_multiplier", "found 0; allowed: an integer from 1 to 65536"},
    {QUANT("\"weight\": {}"), NNCF_E_CONFIG, 1, 47, C "weight", "did you mean \"weights\"?"},
    {QUANT("\"weights\": {\"bit\": 8}"), NNCF_E_CONFIG, 1, 59, C "weights.bit",
        "did you mean \"bits\"?"},
    {"{\"compression\": {\"algorithm\": \"const_sparsity\", \"params\": {\"power\": 1}}}",
        NNCF_E_CONFIG, 1, 60, P "power",
        "it is not a key of const_sparsity. Allowed here: nothing"},
    {MAG("\"steps\": [1], \"multistep_steps\": [1]"), NNCF_E_CONFIG, 1, 78, P "multistep_steps",
        "says the same as compression.params.steps; keep one of the two"},
    {"{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"weight_importance\": \"abs\", "
     "\"params\": "
     "{\"weight_importance\": \"abs\"}}}",
        NNCF_E_CONFIG, 1, 92, P "weight_importance",
        "says the same as compression.weight_importance"},

    /* values */
    {"{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": [1]}}", NNCF_E_CONFIG, 1, 56,
        C "params", "found an array; allowed: an object"},
    {RB("\"schedule\": \"Exponential\""), NNCF_E_CONFIG, 1, 69, P "schedule",
        "found \"Exponential\"; allowed: \"exponential\", \"polynomial\", \"multistep\", "
        "\"adaptive\"; did you mean "
        "\"exponential\"?"},
    {RB("\"schedule\": 1"), NNCF_E_CONFIG, 1, 69, P "schedule",
        "found 1; allowed: \"exponential\""},
    {RB("\"sparsity_init\": -0.1"), NNCF_E_CONFIG, 1, 74, P "sparsity_init",
        "found -0.1; allowed: a number from 0 to less than 1"},
    {RB("\"sparsity_target\": 1"), NNCF_E_CONFIG, 1, 76, P "sparsity_target",
        "found 1; allowed: a number from 0"},
    {RB("\"sparsity_target\": 52"), NNCF_E_CONFIG, 1, 76, P "sparsity_target", "found 52"},
    {RB("\"sparsity_target\": \"0.5\""), NNCF_E_CONFIG, 1, 76, P "sparsity_target",
        "found \"0.5\"; allowed: a number"},
    {RB("\"sparsity_target\": true"), NNCF_E_CONFIG, 1, 76, P "sparsity_target",
        "found true; allowed: a number"},
    {RB("\"sparsity_target\": null"), NNCF_E_CONFIG, 1, 76, P "sparsity_target",
        "found null; allowed: a number"},
    {RB("\"sparsity_init\": 0.6"), NNCF_E_CONFIG, 1, 74, P "sparsity_init",
        "sparsity_init 0.6 is above sparsity_target 0.5 (the default)"},
    {RB("\"sparsity_init\": 0.6, \"sparsity_target\": 0.55"), NNCF_E_CONFIG, 1, 74,
        P "sparsity_init", "sparsity_init 0.6 is above sparsity_target 0.55, but"},
    /* an algorithm that nobody reads */
    {"{\n\"algorithm\": \"quantization\", \"initializer\": {}}", NNCF_E_CONFIG, 2, 1, "algorithm",
        "put it and its keys into \"compression\": { \"algorithm\": \"quantization\", ... }"},
    {"{\"algoritm\": \"rb_sparsity\"}", NNCF_E_CONFIG, 1, 2, "algoritm",
        "no algorithm is read here"},
    {"{\"compression\": {\"algorithm\": \"rb_sparsity\"}, \"algorithm\": \"quantization\"}",
        NNCF_E_CONFIG, 1, 47, "algorithm", "no algorithm is read here"},
    {RB("\"sparsity_steps\": 0"), NNCF_E_CONFIG, 1, 75, P "sparsity_steps",
        "found 0; allowed: a number greater than 0"},
    {RB("\"sparsity_steps\": -5"), NNCF_E_CONFIG, 1, 75, P "sparsity_steps", "found -5"},
    {RB("\"sparsity_steps\": 9223372036854775808"), NNCF_E_CONFIG, 1, 75, P "sparsity_steps",
        "found 9223372036854775808; allowed"},
    {RB("\"sparsity_training_steps\": -1"), NNCF_E_CONFIG, 1, 84, P "sparsity_training_steps",
        "found -1; allowed: a number not less than 0"},
    {RB("\"patience\": 0"), NNCF_E_CONFIG, 1, 69, P "patience",
        "found 0; allowed: a number not less than 1"},
    {RB("\"power\": 0"), NNCF_E_CONFIG, 1, 66, P "power",
        "found 0; allowed: a number greater than 0"},
    {RB("\"step\": 0"), NNCF_E_CONFIG, 1, 65, P "step",
        "found 0; allowed: a number greater than 0 and at most 1"},
    {RB("\"eps\": 1"), NNCF_E_CONFIG, 1, 64, P "eps",
        "found 1; allowed: a number from 0 to less than 1"},
    {MAG("\"schedule\": \"multistep\",\n\"steps\": [1, 2],\n\"sparsity_levels\": [0.1, 0.2]"),
        NNCF_E_CONFIG, 3, 20, P "sparsity_levels", "2 levels for 2 steps; there must be 3"},
    {MAG("\"schedule\": \"multistep\",\n\"steps\": [1, 2]"), NNCF_E_CONFIG, 2, 10, P "steps",
        "2 levels (the default) for 2 steps; there must be 3"},
    {MAG("\"schedule\": \"multistep\",\n\"multistep_sparsity_levels\": [0.1]"), NNCF_E_CONFIG, 2,
        30, P "multistep_sparsity_levels", "1 level for 1 step (the default); there must be 2"},
    {MAG("\"structure\": \"blocks\""), NNCF_E_CONFIG, 1, 77, P "structure",
        "did you mean \"block\"?"},
    {MAG("\"block_size\": 1"), NNCF_E_CONFIG, 1, 78, P "block_size",
        "found 1; allowed: an integer from 2 to 1024"},
    {MAG("\"structure\": \"n:m\", \"n\": 4"), NNCF_E_CONFIG, 1, 89, P "n",
        "n is 4 and m is 4 (the default); fewer weights must be kept"},
    {MAG("\"structure\": \"n:m\", \"m\": 2"), NNCF_E_CONFIG, 1, 89, P "m",
        "n is 2 (the default) and m is 2"},
    {MAG("\"structure\": \"n:m\", \"sparsity_target\": 0.6"), NNCF_E_CONFIG, 1, 103,
        P "sparsity_target", "the level 0.6 is above 1 - n / m"},
    {MAG("\"structure\": \"n:m\", \"n\": 3"), NNCF_E_CONFIG, 1, 77, P "structure",
        "the level 0.5 (the default) is above 1 - n / m"},
    {MAG("\"steps\": [1, -1]"), NNCF_E_CONFIG, 1, 77, P "steps[1]",
        "found -1; allowed: a number not less than 0"},
    {MAG("\"steps\": [\"1\"]"), NNCF_E_CONFIG, 1, 74, P "steps[0]",
        "found \"1\"; allowed: a number"},
    {MAG("\"steps\": 5"), NNCF_E_CONFIG, 1, 73, P "steps",
        "found 5; allowed: an array of numbers, each not less than 0"},
    {MAG("\"sparsity_levels\": [0.1, 1.0]"), NNCF_E_CONFIG, 1, 89, P "sparsity_levels[1]",
        "found 1.0; allowed: a number from 0 to less than 1"},
    {MAG("\"sparsity_levels\": []"), NNCF_E_CONFIG, 1, 83, P "sparsity_levels",
        "found an empty array"},
    {"{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"weight_importance\": "
     "\"norm_abs\"}}",
        NNCF_E_CONFIG, 1, 74, C "weight_importance",
        "found \"norm_abs\"; allowed: \"normed_abs\", \"abs\"; did you mean \"normed_abs\"?"},
    {QUANT("\"bits\": 1"), NNCF_E_CONFIG, 1, 55, C "bits",
        "found 1; allowed: an integer from 2 to 8"},
    {QUANT("\"bits\": 16"), NNCF_E_CONFIG, 1, 55, C "bits",
        "found 16; allowed: an integer from 2 to 8"},
    {QUANT("\"bits\": 8.0"), NNCF_E_CONFIG, 1, 55, C "bits", "found 8.0; allowed: an integer"},
    {QUANT("\"weights\": {\"bits\": \"8\"}"), NNCF_E_CONFIG, 1, 67, C "weights.bits",
        "found \"8\"; allowed: an integer"},
    {QUANT("\"weights\": {\"mode\": \"symetric\"}"), NNCF_E_CONFIG, 1, 67, C "weights.mode",
        "did you mean \"symmetric\"?"},
    {QUANT("\"activations\": {\"signed\": 1}"), NNCF_E_CONFIG, 1, 73, C "activations.signed",
        "found 1; allowed: true, false"},
    {QUANT("\"quantize_inputs\": \"yes\""), NNCF_E_CONFIG, 1, 66, C "quantize_inputs",
        "found \"yes\"; allowed: true, false"},
    {QUANT("\"initializer\": {\"num_init_steps\": -1}"), NNCF_E_CONFIG, 1, 81,
        C "initializer.num_init_steps", "found -1; allowed: an integer from 0 to 1000000"},
    {QUANT("\"initializer\": {\"num_init_steps\": 1.5}"), NNCF_E_CONFIG, 1, 81,
        C "initializer.num_init_steps", "found 1.5; allowed: an integer"},
    {QUANT("\"initializer\": {\"type\": \"minmax\"}"), NNCF_E_CONFIG, 1, 71, C "initializer.type",
        "did you mean \"min_max\"?"},
    {QUANT("\"ignored_scopes\": 5"), NNCF_E_CONFIG, 1, 65, C "ignored_scopes",
        "found 5; allowed: a scope"},
    {QUANT("\"ignored_scopes\": [\"a\", 5]"), NNCF_E_CONFIG, 1, 71, C "ignored_scopes[1]",
        "found 5; allowed: a scope"},
    {QUANT("\"ignored_scopes\": [\"\"]"), NNCF_E_CONFIG, 1, 66, C "ignored_scopes[0]",
        "an empty scope matches"},
    {QUANT("\"target_scopes\": []"), NNCF_E_CONFIG, 1, 64, C "target_scopes",
        "selects no layer at all"},
};

START_TEST(wrong_syntax_is_refused_at_its_place)
{
    bad_check(&syntax[_i], (size_t)_i);
}
END_TEST

START_TEST(wrong_meaning_is_refused_at_its_place)
{
    bad_check(&meaning[_i], (size_t)_i);
}
END_TEST

/* ---- all of them ---- */

static const char many_mistakes[] =
    "{\n"
    " \"target_device\": \"cpu\",\n"
    " \"compression\": [\n"
    "  {\"algorithm\": \"rb_sparsity\", \"parms\": {},\n"
    "   \"params\": {\"schedule\": \"expo\", \"power\": 0,\n"
    "    \"sparsity_init\": 0.9}},\n" /* above the target: looked at once the others are right */
    "  {\"algorithm\": \"quantizaton\", \"bits\": 99},\n"
    "  {\"algorithm\": \"quantization\", \"weights\": {\"bits\": 9, \"mode\": \"symetric\"},\n"
    "   \"initializer\": {\"range\": [{\"type\": \"min\"}, 3, {\"num_init_samples\": -1}]},\n"
    "   \"scope_overrides\": {\"A\": {\"bit\": 4, \"bits\": 1}, \"weights\": {\"B\": {\"mode\": "
    "3}}}},\n"
    "  {\"algorithm\": \"const_sparsity\", \"ignored_scopes\": [\"\"]}\n"
    " ],\n"
    " \"target_scopes\": [1], \"compression_lr_multiplier\": -1, \"anything\": {\"else\": \"is not "
    "looked at\"}\n"
    "}\n";

START_TEST(every_mistake_is_reported)
{
    static const struct {
        int32_t line;
        const char *where;
    } expected[] = {{2, "target_device"}, {13, "target_scopes[0]"},
        {13, "compression_lr_multiplier"}, {4, "compression[0].parms"},
        {5, "compression[0].params.schedule"}, {5, "compression[0].params.power"},
        {7, "compression[1].algorithm"}, {8, "compression[2].weights.bits"},
        {8, "compression[2].weights.mode"}, {9, "compression[2].initializer.range[0].type"},
        {9, "compression[2].initializer.range[1]"},
        {9, "compression[2].initializer.range[2].num_init_samples"},
        {10, "compression[2].scope_overrides.A.bit"}, {10, "compression[2].scope_overrides.A.bits"},
        {10, "compression[2].scope_overrides.weights.B.mode"},
        {11, "compression[3].ignored_scopes[0]"}};
    static bad_reports r;
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_config_parse(NULL, "bad.json", many_mistakes, strlen(many_mistakes), NULL,
                         &config, &err),
        NNCF_E_CONFIG);
    bad_parse_all("bad.json", many_mistakes, strlen(many_mistakes), NNCF_E_CONFIG, &err, &r);
    for (size_t i = 0; i < r.count && i < sizeof(expected) / sizeof(expected[0]); i++) {
        ck_assert_msg(
            strcmp(r.errors[i].where, expected[i].where) == 0, "%zu: %s", i, r.errors[i].message);
        ck_assert_int_eq(r.errors[i].line, expected[i].line);
        ck_assert_int_eq(r.errors[i].status, NNCF_E_CONFIG);
    }
    ck_assert_uint_eq(r.count, sizeof(expected) / sizeof(expected[0]));

    /* what an algorithm's keys must be together is told when each is right, beside the mistakes of
     * another one */
    static const char together[] =
        "{\"compression\": [{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": "
        "0.9}}, {\"algorithm\": \"quantization\", \"bit\": 8}]}";
    ck_assert_int_eq(nncf_config_parse(NULL, "b", together, strlen(together), NULL, &config, &err),
        NNCF_E_CONFIG);
    bad_parse_all("b", together, strlen(together), NNCF_E_CONFIG, &err, &r);
    ck_assert_uint_eq(r.count, 2);
    ck_assert_str_eq(r.errors[0].where, "compression[0].params.sparsity_init");
    ck_assert_str_eq(r.errors[1].where, "compression[1].bit");

    /* no more than 64 */
    static char text[4096] = "{\"compression\": {\"algorithm\": \"rb_sparsity\"";
    for (int i = 0; i < 100; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), ", \"x%d\": 1", i);
    strcat(text, "}}");
    ck_assert_int_eq(
        nncf_config_parse(NULL, "b", text, strlen(text), NULL, &config, &err), NNCF_E_CONFIG);
    bad_parse_all("b", text, strlen(text), NNCF_E_CONFIG, &err, &r);
    ck_assert_uint_eq(r.count, 64);
    ck_assert_str_eq(r.errors[63].where, "compression.x63");
    ck_assert_ptr_null(config);
}
END_TEST

/* ---- limits ---- */

static nncf_status parse_sized(const char *text, size_t size, nncf_error *err)
{
    nncf_config *config = NULL;
    nncf_status status = nncf_config_parse(NULL, "big", text, size, NULL, &config, err);
    nncf_config_destroy(config);
    return status;
}

START_TEST(configs_beyond_a_limit_are_refused)
{
    size_t size = (1 << 20) + 1;
    char *text = malloc(size + 1);
    nncf_error err = NNCF_ERROR_INIT;
    memset(text, ' ', size);
    memcpy(text, "{}", 2);
    ck_assert_int_eq(parse_sized(text, size, &err), NNCF_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "at most 1048576 bytes"));

    memset(text, ' ', 200);
    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', 32); /* the 33rd bracket */
    ck_assert_int_eq(parse_sized(text, 100, &err), NNCF_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "nested more than 32 deep"));
    ck_assert_int_eq(err.column, 5 + 32);
    memset(text, '[', 1 << 20);
    ck_assert_int_eq(parse_sized(text, 1 << 20, &err), NNCF_E_LIMIT);

    size_t used = (size_t)snprintf(text, size, "{\"a\": \"");
    memset(text + used, 'x', 4097);
    memcpy(text + used + 4097, "\"}", 2);
    ck_assert_int_eq(parse_sized(text, used + 4097 + 2, &err), NNCF_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "longer than 4096 bytes"));
    text[1] = '"';
    memset(text + 2, 'x', 4097);
    memcpy(text + 2 + 4097, "\":1}", 4);
    ck_assert_int_eq(parse_sized(text, 2 + 4097 + 4, &err), NNCF_E_LIMIT);

    used = (size_t)snprintf(text, size, "{");
    for (int i = 0; i <= 100000; i++)
        used += (size_t)snprintf(text + used, size - used, "%s\"%x\":0", i ? "," : "", (unsigned)i);
    ck_assert_int_eq(parse_sized(text, used, &err), NNCF_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "more than 100000 keys"));

    used = (size_t)snprintf(text, size,
        "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": {\"steps\": [1");
    for (int i = 0; i < 4096; i++)
        used += (size_t)snprintf(text + used, size - used, ",1");
    used += (size_t)snprintf(text + used, size - used, "]}}}");
    ck_assert_int_eq(parse_sized(text, used, &err), NNCF_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "found 4097 numbers; at most 4096"));

    /* A NUL inside of the text is a byte like any other, and wrong. */
    ck_assert_int_eq(parse_sized("{}\0", 3, &err), NNCF_E_PARSE);
    ck_assert_ptr_nonnull(strstr(err.message, "byte 0x00"));
    ck_assert_int_eq(parse_sized("{\"a\0b\": 1}", 10, &err), NNCF_E_PARSE);
    ck_assert_int_eq(parse_sized("{\"a\": \"\\\0\"}", 10, &err), NNCF_E_PARSE);
    free(text);
}
END_TEST

START_TEST(files_that_cannot_be_read_are_told_by_name)
{
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_config_load(NULL, "/nonexistent/c.json", NULL, &config, &err), NNCF_E_IO);
    ck_assert_int_eq(err.os_errno, ENOENT);
    ck_assert_str_eq(err.where, "/nonexistent/c.json");
    ck_assert_str_eq(err.message, "cannot open /nonexistent/c.json: No such file or directory");
    ck_assert_int_eq(nncf_config_load(NULL, NNCF_GOLDEN_DIR, NULL, &config, &err), NNCF_E_IO);
    ck_assert_int_eq(err.os_errno, EISDIR);
    ck_assert_int_eq(nncf_config_load(NULL, "", NULL, &config, NULL), NNCF_E_IO);

    char path[] = "/tmp/nncf_test_XXXXXX";
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(ftruncate(file, (1 << 20) + 1), 0);
    ck_assert_int_eq(nncf_config_load(NULL, path, NULL, &config, &err), NNCF_E_LIMIT);
    ck_assert_str_eq(err.where, path);
    ck_assert_int_eq(ftruncate(file, 0), 0);
    ck_assert_int_eq((int)write(file, "{\n\"a\": }", 8), 8);
    ck_assert_int_eq(nncf_config_load(NULL, path, NULL, &config, &err), NNCF_E_PARSE);
    char begin[64];
    snprintf(begin, sizeof(begin), "%s:2:6: ", path);
    ck_assert_int_eq(strncmp(err.message, begin, strlen(begin)), 0);
    close(file);
    unlink(path);

    /* What is no file is refused at once: nobody ever writes into this FIFO. */
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(nncf_config_load(NULL, path, NULL, &config, &err), NNCF_E_IO);
    ck_assert_ptr_nonnull(strstr(err.message, ": it is a FIFO, not a file"));
    unlink(path);
    ck_assert_int_eq(nncf_config_load(NULL, "/dev/zero", NULL, &config, &err), NNCF_E_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "cannot read /dev/zero: it is a device, not a file"));
    ck_assert_int_eq(nncf_config_load(NULL, "/dev/null", NULL, &config, &err), NNCF_E_IO);
    ck_assert_ptr_null(config);
}
END_TEST

/* ---- nothing crashes, nothing leaks ---- */

static const char specimen[] =
    "{ // c\n\"m\": \"\\u00e9\\ud83d\\ude00\", \"n\": [1, -2.5e3, true, null, {\"k\": []}],\n/* d "
    "*/\"compression\": ["
    "{\"algorithm\": \"magnitude_sparsity\", \"ignored_scopes\": [\"A/B[c]\"], "
    "\"weight_importance\": \"abs\", "
    "\"params\": {\"schedule\": \"multistep\", \"steps\": [3, 2], \"sparsity_levels\": [0.1, 0.2, "
    "0.3]}},"
    "{\"algorithm\": \"quantization\", \"bits\": 4, \"initializer\": {\"num_init_steps\": 2, "
    "\"type\": \"min_max\",},"
    "\"weights\": {\"signed\": true}, \"activations\": {\"mode\": \"asymmetric\"}},],}\n";

static bool is_utf8(const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        int more = *s < 0x80 ? 0 : *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : *s >= 0xc2 ? 1 : -1;
        if (more < 0)
            return false;
        for (s++; more > 0; more--, s++)
            if ((*s & 0xc0) != 0x80)
                return false;
    }
    return true;
}

static void check_any(
    nncf_context *context, const fx_memory *counter, const char *text, size_t size)
{
    size_t live = counter->live;
    nncf_config *config = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    char *exact = malloc(size ? size : 1); /* so that reading past the end shows */
    memcpy(exact, text, size);
    nncf_status status = nncf_config_parse(context, "any", exact, size, NULL, &config, &err);
    free(exact);
    if (status == NNCF_OK) {
        nncf_config_destroy(config);
    } else {
        ck_assert_ptr_null(config);
        ck_assert(
            status == NNCF_E_PARSE || status == NNCF_E_CONFIG || status == NNCF_E_UNSUPPORTED);
        ck_assert_int_ge(err.line, 1);
        ck_assert_int_ge(err.column, 1);
        ck_assert_uint_le(err.offset, size);
        ck_assert(is_utf8(err.message) && is_utf8(err.where));
    }
    ck_assert_uint_eq(counter->live, live);
}

START_TEST(cut_and_changed_texts_end_in_an_error_or_load)
{
    static const char bytes[] = "{}[],:\"\\/*0-.eutn \n\t\x01\x7f\xc3\xff";
    fx_memory counter = {0};
    nncf_context *context = fx_new_context(&counter, 1, 0, 0);
    size_t size = sizeof(specimen) - 1;
    char changed[sizeof(specimen) + 1];
    check_any(context, &counter, specimen, size);
    for (size_t i = 0; i < size; i++) {
        check_any(context, &counter, specimen, i);
        for (size_t b = 0; b < sizeof(bytes); b++) { /* NUL too */
            memcpy(changed, specimen, size);
            changed[i] = bytes[b];
            check_any(context, &counter, changed, size);
        }
        memcpy(changed, specimen, size); /* a byte removed, a byte twice */
        memmove(changed + i, changed + i + 1, size - i - 1);
        check_any(context, &counter, changed, size - 1);
        memcpy(changed, specimen, i + 1);
        memcpy(changed + i + 1, specimen + i, size - i);
        check_any(context, &counter, changed, size + 1);
    }
    nncf_context_destroy(context);
    ck_assert_uint_eq(counter.live, 0);
    ck_assert_uint_eq(counter.mistakes, 0);
}
END_TEST

/* Keys and values of every length around the sizes of the buffers that messages are made in. */
START_TEST(long_words_are_cut_in_messages)
{
    static const char nested[] =
        "{\"compression\": {\"algorithm\": \"quantization\", \"ignored_scopes\": {\"%s\": 1}}}";
    static const char *const forms[] = {"{\"compression\": {\"algorithm\": \"%s\"}}",
        "{\"compression\": {\"algorithm\": \"quantization\", \"%s\": 1}}", nested,
        "{\"%s\": {\"%s\": {\"%s\": [NaN]}}}", "{\"%s\": 1, \"%s\": 2}"};
    static const char *const characters[] = {
        "x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\\\\"};
    fx_memory counter = {0};
    nncf_context *context = fx_new_context(&counter, 1, 0, 0);
    for (size_t c = 0; c < sizeof(characters) / sizeof(characters[0]); c++) {
        for (size_t length = 1; length < 300; length += length < 170 ? 1 : 13) {
            char word[1300] = "", text[4000];
            for (size_t i = 0; i < length; i++)
                memcpy(word + i * strlen(characters[c]), characters[c], strlen(characters[c]) + 1);
            for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
                const char *rest = forms[f];
                size_t used = 0;
                for (const char *hole; (hole = strstr(rest, "%s")); rest = hole + 2)
                    used += (size_t)snprintf(
                        text + used, sizeof(text) - used, "%.*s%s", (int)(hole - rest), rest, word);
                used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", rest);
                check_any(context, &counter, text, used);
            }
        }
    }
    nncf_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_bad");
    TCase *tests = fx_case(suite, "config_bad", 240);
    tcase_add_loop_test(
        tests, wrong_syntax_is_refused_at_its_place, 0, (int)(sizeof(syntax) / sizeof(syntax[0])));
    tcase_add_loop_test(tests, wrong_meaning_is_refused_at_its_place, 0,
        (int)(sizeof(meaning) / sizeof(meaning[0])));
    tcase_add_test(tests, every_mistake_is_reported);
    tcase_add_test(tests, configs_beyond_a_limit_are_refused);
    tcase_add_test(tests, files_that_cannot_be_read_are_told_by_name);
    tcase_add_test(tests, cut_and_changed_texts_end_in_an_error_or_load);
    tcase_add_test(tests, long_words_are_cut_in_messages);
    return fx_main(suite);
}
