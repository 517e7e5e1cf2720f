/* SPDX-License-Identifier: Apache-2.0 */
/* Making a context: what nncf_context_create() does beside checking its arguments. */
#ifndef NNCF__CONTEXT_CONTEXT_H
#define NNCF__CONTEXT_CONTEXT_H

#include <nncf/base.h>
#include <nncf/context.h>

/* A context for models made without one. */
nncf_status nncf__context_default(nncf_context **context, nncf_error *err);
/* A context for configs and files, which compute nothing: without threads. */
nncf_status nncf__context_small(nncf_context **context, nncf_error *err);

#endif
