/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions as Python's re.search reads them, with bounds on what all those of one call
 * may cost. */
#ifndef NNCF__BASE_REGEX_H
#define NNCF__BASE_REGEX_H

#include <nncf/base.h>
#include <nncf/context.h>

#include <stdbool.h>
#include <stdint.h>

/*
 * The budget of one call, for one thread: steps of all its searches, and bytes of all its
 * expressions and of matching. A step is an item of an expression that is tried at a place of the
 * text; comparing plain text is charged too.
 */
enum { NNCF__REGEX_STEPS = 30000000, NNCF__REGEX_BYTES = 16 << 20 };
typedef struct nncf__regex_work nncf__regex_work;
typedef struct nncf__regex nncf__regex;

/* NULL: no memory. */
nncf__regex_work *nncf__regex_begin(nncf_context *context);
void nncf__regex_end(nncf__regex_work *work); /* NULL is fine */
/* Is the budget used up? */
bool nncf__regex_exhausted(const nncf__regex_work *work);
/* Take `steps` off the budget; false: it is used up. */
bool nncf__regex_charge(nncf__regex_work *work, uint64_t steps);

/*
 * A scope of a config of NNCF 1.2 and later: "{re}" anywhere in it makes the rest a regular
 * expression. *regex stays NULL for other scopes. NNCF_E_CONFIG: it is no regular expression;
 * NNCF_E_LIMIT: the budget is used up; NNCF_E_NOMEM. `why` receives the reason.
 */
enum { NNCF__REGEX_WHY = 400 };
nncf_status nncf__regex_of_scope(
    nncf__regex_work *work, const char *scope, nncf__regex **regex, char why[NNCF__REGEX_WHY]);
/* Does it match anywhere in `text`? 1, 0; -1: not within the budget; -2: no memory. */
enum { NNCF__REGEX_LIMIT = -1, NNCF__REGEX_NOMEM = -2 };
int nncf__regex_search(nncf__regex_work *work, const nncf__regex *regex, const char *text);
void nncf__regex_free(nncf__regex *regex); /* NULL is fine; before nncf__regex_end() */

#endif
