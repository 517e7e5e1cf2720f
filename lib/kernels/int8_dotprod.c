/* SPDX-License-Identifier: Apache-2.0 */
/* Integer kernels for AArch64 with FEAT_DotProd, whose sdot multiplies signed bytes: 128 is
 * subtracted from each byte of pixels. Statics and one table only: see meson.build. */
#define INT8_NEON
#define INT8_TABLE        nncf__int8_dotprod
#define INT8_NAME         "dotprod"
#define OFFSET            128
#define DOT_FOUR(c, a, b) vdotq_s32(c, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b))
#define DOT(acc, a, b)                                                                             \
    acc = (vec)                                                                                    \
    {                                                                                              \
        DOT_FOUR(acc.low, a.low, b.low), DOT_FOUR(acc.high, a.high, b.high)                        \
    }
#include "kernels/vec_int8.h"
