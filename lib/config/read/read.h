/* SPDX-License-Identifier: Apache-2.0 */
/* Document to canonical form. Private to config/. */
#ifndef NNCF__CONFIG_READ_READ_H
#define NNCF__CONFIG_READ_READ_H

#include <nncf/base.h>
#include <nncf/config.h>

/* Read `compression` and NNCF's keys at the root of config->document into the canonical form. */
nncf_status nncf__config_read(nncf_config *config, nncf_error *err);

#endif
