/* SPDX-License-Identifier: Apache-2.0 */
/* Where two canonical configs differ. */
#ifndef NNCF__FORMATS_CHECKPOINT_DIFFER_H
#define NNCF__FORMATS_CHECKPOINT_DIFFER_H

#include "base/text.h"

#include <nncf/base.h>

#include <stddef.h>

/* Append a line "path is VALUE here, VALUE in the snapshot" for each place where two canonical
 * configs differ, but no more than NNCF__MOST_DIFFERENCES and then how many more; how many there
 * are. The second text comes from a file and may be anything. NNCF_E_NOMEM. */
enum { NNCF__MOST_DIFFERENCES = 64 };
nncf_status nncf__config_differences(
    const char *ours, const char *theirs, nncf__text *lines, size_t *count);

#endif
