/* SPDX-License-Identifier: Apache-2.0 */
/* The dialect of a config. Private to config/. */
#ifndef NNCF__CONFIG_READ_DETECT_H
#define NNCF__CONFIG_READ_DETECT_H

#include <nncf/base.h>
#include <nncf/config.h>

/* Set config->setup.release and config->release_node: the caller's choice, `nncf_dialect`, or what
 * the keys imply. */
nncf_status nncf__config_detect(nncf_config *config, nncf_error *err);

#endif
