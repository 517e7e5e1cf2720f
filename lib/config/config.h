/* SPDX-License-Identifier: Apache-2.0 */
/* What the rest of the library reads from a config. */
#ifndef NNCF__CONFIG_CONFIG_H
#define NNCF__CONFIG_CONFIG_H

#include "base/text.h"
#include "config/canonical.h"

#include <nncf/base.h>
#include <nncf/config.h>

#include <stddef.h>
#include <stdint.h>

const nncf__config_setup *nncf__config_setup_of(const nncf_config *config);
/* Algorithms in file order; borrowed from the config. */
const nncf__algorithm *nncf__config_algorithms(const nncf_config *config, size_t *count);
/* Line of algorithm `algorithm`, or of what the path of keys `steps` leads to in it, as far as the
 * file has them (*taken keys; nullable). *out receives the path in the file. */
int32_t nncf__config_origin(const nncf_config *config, size_t algorithm, const char *const *steps,
    size_t n_steps, char *out, size_t capacity, size_t *taken);
/* nncf_config_check_supported(), for calls that report a refusal themselves. */
nncf_status nncf__config_check_supported(const nncf_config *config, nncf_error *err);
/* The canonical `compression` part as JSON text (keys sorted by the table, defaults in): what a
 * snapshot compares. Append to text. */
void nncf__config_canonical(const nncf_config *config, nncf__text *text);

#endif
