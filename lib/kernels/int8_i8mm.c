/* SPDX-License-Identifier: Apache-2.0 */
/* Integer kernels for AArch64 with FEAT_I8MM, whose usdot multiplies unsigned by signed bytes.
 * Statics and one table only: see meson.build. */
#define INT8_NEON
#define INT8_TABLE        nncf__int8_i8mm
#define INT8_NAME         "i8mm"
#define DOT_FOUR(c, a, b) vusdotq_s32(c, vreinterpretq_u8_s32(a), vreinterpretq_s8_s32(b))
#define DOT(acc, a, b)                                                                             \
    acc = (vec)                                                                                    \
    {                                                                                              \
        DOT_FOUR(acc.low, a.low, b.low), DOT_FOUR(acc.high, a.high, b.high)                        \
    }
#include "kernels/vec_int8.h"
