/* SPDX-License-Identifier: Apache-2.0 */
/* Scope matching against what NNCF's own functions answered. */
#include "comp_fixture.h"

static int matches_any(const char *scope, json_object *patterns)
{
    if (json_object_is_type(patterns, json_type_string))
        return nncf_scope_matches(scope, json_object_get_string(patterns));
    for (size_t i = 0; patterns && i < json_object_array_length(patterns); i++) {
        if (nncf_scope_matches(scope, json_object_get_string(json_object_array_get_idx(patterns, i))))
            return 1;
    }
    return 0;
}

START_TEST(golden)
{
    json_object *root = cf_golden("scope_cases.json"), *cases = cf_get(root, "cases");
    const char *const releases[] = {"v1.0", "v1.1"};
    size_t ran = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i), *expected = cf_get(c, "matches");
        for (size_t j = 0; j < 2; j++) {
            json_object *want = cf_get(expected, releases[j]);
            ck_assert_ptr_nonnull(want);
            ck_assert_msg(matches_any(cf_string(c, "scope"), cf_get(c, "pattern")) == json_object_get_boolean(want),
                          "case %s, %s", cf_string(c, "id"), releases[j]);
            ran++;
        }
    }
    printf("scope_cases.json: %zu cases, %zu answers\n", json_object_array_length(cases), ran);
    ck_assert_uint_ge(ran, 74);
    json_object_put(root);
}
END_TEST

START_TEST(edges)
{
    ck_assert_int_eq(nncf_scope_matches(NULL, "a"), 0);
    ck_assert_int_eq(nncf_scope_matches("a", NULL), 0);
    ck_assert_int_eq(nncf_scope_matches("", ""), 1);
    ck_assert_int_eq(nncf_scope_matches("Net/Conv2d[a]", "Net/Conv2d[a]/"), 0);
    ck_assert_int_eq(nncf_scope_matches("Net/Conv2d[a]", "Conv2d[a]"), 0); /* the first element lost its field */
    ck_assert_int_eq(nncf_scope_matches("Net/Conv2d[a]", "Conv2d"), 1);
    ck_assert_int_eq(nncf_scope_matches("Net/NNCFConv3d[a]", "Net/Conv3d[a]"), 1);
    ck_assert_int_eq(nncf_scope_matches("Net/NNCFConv2dX[a]", "Net/Conv2dX[a]"), 0);
    ck_assert_int_eq(nncf_scope_matches("A/A/B", "A/B"), 1);
    ck_assert_int_eq(nncf_scope_matches("A", "A/B"), 0);
    const char *const patterns[] = {"X", "Conv2d"};
    size_t which = 9;
    ck_assert(nncf__scope_matches_any("Net/Conv2d[a]", patterns, 2, &which));
    ck_assert_uint_eq(which, 1);
    ck_assert(!nncf__scope_matches_any("Net/Linear[a]", patterns, 2, NULL));
}
END_TEST

START_TEST(nearest)
{
    nncf_model *model;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_ptr_null(nncf__model_nearest(model, "anything"));
    cf_layer a = cf_conv(model, "MobileNetV2/Sequential[features]/Sequential[0]/Conv2d[0]", 1, 1, 1, NULL, NULL);
    cf_layer b = cf_conv(model, "MobileNetV2/Sequential[features]/Sequential[18]/Conv2d[0]", 1, 1, 1, NULL, NULL);
    const char typo[] = "MobileNetV2/Sequential[features]/Sequental[18]/Conv2d[0]";
    ck_assert_ptr_eq(nncf__model_nearest(model, typo), b.layer);
    ck_assert_ptr_null(nncf__model_nearest(model, "ResNet"));
    nncf_model_destroy(model);
    cf_layer_free(&a);
    cf_layer_free(&b);
}
END_TEST

CF_MAIN("scope", golden, edges, nearest)
