/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan.h
 * @brief What a config will do to a model, before a controller is made.
 */
#ifndef NNCF_PLAN_H
#define NNCF_PLAN_H

#include <nncf/base.h>
#include <nncf/config.h>
#include <nncf/model.h>

NNCF_BEGIN_DECLS

/** What a config will do to a model. Opaque; keeps nothing of either. @since 0.1 */
typedef struct nncf_plan nncf_plan;

/**
 * @brief Predict what nncf_compression_ctrl_create() would do: every mask and quantizer with its
 * insertion point, parameters, range source, the config line that caused it, and its bytes in
 * training. Nothing is created, the model does not change, and weights are not read.
 * @param model with all of its layers; may have a controller
 * @param config the config
 * @param[out] plan destroy with nncf_plan_destroy()
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_ARG; NNCF_E_STATE the model has no layers; what else creation of a
 * controller returns
 * @par Threads as the model's.
 * @since 0.1
 */
NNCF_API nncf_status nncf_plan_create(
    const nncf_model *model, const nncf_config *config, nncf_plan **plan, nncf_error *err);
/**
 * @brief Destroy a plan, before its model: its memory belongs to the model's context. NULL is fine.
 * @param plan nullable
 * @since 0.1
 */
NNCF_API void nncf_plan_destroy(nncf_plan *plan);
/**
 * @brief The plan as a table for people, or as one JSON object.
 *
 * The table has one line a mask or quantizer: layer; what (`mask`, or a quantizer of `weight`,
 * `input`, `output`, or `inner`, in front of a sum's activation); bits and mode; granularity
 * (`tensor`, `N channels` or `groups of N`; of a mask `blocks NxN` or `N:M`); range source; bytes;
 * config path and line. With quantization there follows a line for each weight that stays float,
 * and for each input that a product, or with a device another operator, would have quantized but
 * reads as floats: `float`, and why.
 *
 * The object has `entries`, an array with `layer`, `what`, `scope` (NNCF's name of the place), and
 * for quantizers `bits`, `mode`, `signed` (true, false; null: the data decides), `per_channel`,
 * `channels` (sets of constants), `group_size` where there is one, `range`; for masks
 * `structure` (`blocks NxN`, `N:M`) where there is one; `bytes`, `config` (path), `line`; `tied`,
 * objects of `layer` and of the layer `to` whose weight it reads; `left`, the scopes of layers
 * whose weight stays float since it is frozen (nncf_model_set_frozen_policy()); both have a line of
 * the table each; `floats`, what else stays float: `layer`, `what`, `from` (the operator that the
 * input comes from, or null), `why`; then the totals `masks`, `weight_quantizers`,
 * `input_quantizers`, `activation_quantizers`, `bytes`.
 * @param plan the plan
 * @param form NNCF_FORM_TEXT or NNCF_FORM_JSON
 * @param[out] buffer at most `capacity` bytes with the final NUL; may be NULL when capacity is 0
 * @param capacity bytes of buffer
 * @param[out] needed nullable; bytes that the whole text takes, NUL included
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_BUFFER capacity too small (what fits is there, with a NUL); NNCF_E_NOMEM;
 * NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_plan_format(const nncf_plan *plan, nncf_form form, char *buffer,
    size_t capacity, size_t *needed, nncf_error *err);

NNCF_END_DECLS
#endif
