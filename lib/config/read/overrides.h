/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of single quantizers: scope_overrides, signed scopes, bitwidth_per_scope. Private to
 * config/.
 */
#ifndef NNCF__CONFIG_READ_OVERRIDES_H
#define NNCF__CONFIG_READ_OVERRIDES_H

#include "config/json/document.h"
#include "config/read/reader.h"

#include <nncf/base.h>

#include <stdbool.h>
#include <stdint.h>

/* Is the member of scope_overrides one of the groups of 2.0 and later? */
bool nncf__is_override_group(const nncf__document *document, uint32_t node);
/* Overrides, their range rules, and bits of single quantizers. */
nncf_status nncf__config_read_overrides(nncf__reader *reader);

#endif
