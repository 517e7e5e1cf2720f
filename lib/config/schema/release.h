/* SPDX-License-Identifier: Apache-2.0 */
/* NNCF releases as numbers and as text. Private to config/. */
#ifndef NNCF__CONFIG_SCHEMA_RELEASE_H
#define NNCF__CONFIG_SCHEMA_RELEASE_H

#include <stdint.h>

enum { NNCF__RELEASE_TEXT = 16 };
/* "1.3.1" for 10301; returns out. */
const char *nncf__config_release_text(int32_t release, char out[NNCF__RELEASE_TEXT]);
/* "2.4", "1.3.1" or "v1.5"; 0: no such release. */
int32_t nncf__config_release_of(const char *text);

#endif
