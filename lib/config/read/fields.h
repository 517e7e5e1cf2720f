/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and values of one algorithm, by the table of keys. Private to config/. */
#ifndef NNCF__CONFIG_READ_FIELDS_H
#define NNCF__CONFIG_READ_FIELDS_H

#include "config/canonical.h"
#include "config/read/reader.h"

#include <nncf/base.h>

#include <stdint.h>

/* Read the keys of a section; `section` is its path in the table. */
nncf_status nncf__read_members(nncf__reader *reader, const char *section, uint32_t object);
/* Set the algorithm's fields to the defaults of the dialect. */
void nncf__read_defaults(const nncf__reader *reader);
/* A rule with the defaults of the dialect. */
void nncf__read_rule_defaults(const nncf__reader *reader, nncf__range_rule *rule);
/* One range rule, whose keys are those of the object; for one scope, or with NULL as its keys say.
 */
nncf_status nncf__read_rule(nncf__reader *reader, uint32_t object, const char *scope);

#endif
