/* SPDX-License-Identifier: Apache-2.0 */
/* NNCF's keys at the root. Private to config/. */
#ifndef NNCF__CONFIG_READ_ROOT_H
#define NNCF__CONFIG_READ_ROOT_H

#include <nncf/base.h>
#include <nncf/config.h>

/* Read them into config->setup, whose release is known. */
nncf_status nncf__config_read_root(nncf_config *config, nncf_error *err);

#endif
