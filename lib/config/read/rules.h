/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between the keys of an algorithm. Private to config/. */
#ifndef NNCF__CONFIG_READ_RULES_H
#define NNCF__CONFIG_READ_RULES_H

#include "config/read/reader.h"

#include <nncf/base.h>

/* Check what involves several keys, and resolve what depends on the dialect. */
nncf_status nncf__config_check_rules(nncf__reader *reader);

#endif
