/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions as Python's re.search reads them; private to this folder. */
#ifndef NNCF__REGEX_H
#define NNCF__REGEX_H

#include "base/base.h"

typedef struct nncf__regex nncf__regex;

/* NNCF_E_CONFIG: `pattern` is none (`where` names its place); NNCF_E_NOMEM. */
nncf_status nncf__regex_compile(nncf_context *context, const char *pattern, const char *where, nncf__regex **regex,
                                nncf_error *err);
/* Does it match anywhere in `text`? 1, 0; -1: not decided within the bounds on steps and memory. One thread at a time.
 */
int nncf__regex_search(const nncf__regex *regex, const char *text);
void nncf__regex_free(nncf__regex *regex); /* NULL is fine */

#endif
