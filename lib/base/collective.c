/* SPDX-License-Identifier: Apache-2.0 */
/* A failure stays: ranks that continue after one would wait for each other in different places. */
#include "base/collective.h"

#include "base/error.h"

#include <nncf/base.h>
#include <nncf/parallel.h>

NNCF__STRUCT_INIT(nncf_collective_params, .size = 1)
NNCF__STRUCT_INIT(nncf_gradient, )

nncf_status nncf__all_reduce(
    nncf__collective *c, void *values, size_t count, int32_t dtype, int32_t reduction)
{
    if (!nncf__has_ranks(c) || count == 0)
        return NNCF_OK;
    if (!c->failed)
        c->failed = c->params.all_reduce(c->params.user, values, count, dtype, reduction);
    return c->failed ? NNCF_E_CALLBACK : NNCF_OK;
}

nncf_status nncf__all_reduce_is_wrong(nncf__collective *c)
{
    c->failed = 1;
    c->wrong = true;
    return NNCF_E_CALLBACK;
}

nncf_status nncf__collective_check(const nncf__collective *c, const char *what, nncf_error *err)
{
    if (!c->failed)
        return NNCF_OK;
    if (c->wrong)
        return nncf__fail(err, NNCF_E_CALLBACK, NULL,
            "%s of all ranks: all_reduce has returned 0 on rank %d of %d, but what it left is no "
            "result of the values that it was given; look at how it treats NNCF_I64 and "
            "`reduction`",
            what, (int)c->params.rank, (int)c->params.size);
    return nncf__fail(err, NNCF_E_CALLBACK, NULL,
        "%s of all ranks: all_reduce has returned %d on rank %d of %d; if another rank has ended, "
        "end this one and begin again with the last snapshot",
        what, (int)c->failed, (int)c->params.rank, (int)c->params.size);
}
