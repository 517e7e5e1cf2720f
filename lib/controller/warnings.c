/* SPDX-License-Identifier: Apache-2.0 */
/* Warnings of a controller: a line in the log, and the same text for a host without a log. */
#include "controller/warnings.h"

#include "base/error.h"
#include "controller/ctrl.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* As long as a line of the log. */
enum { LINE = 1024 };

void nncf__warn(nncf_compression_ctrl *ctrl, const char *format, ...)
{
    char line[LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    nncf__trim_utf8(line, sizeof line);
    nncf__log(ctrl->context, NNCF_LOG_WARNING, "%s", line);
    if (ctrl->n_warnings == NNCF__MOST_WARNINGS)
        return;
    char *text = ctrl->warnings[ctrl->n_warnings++];
    const size_t length = strlen(line), most = NNCF__WARNING_TEXT - 1;
    memcpy(text, line, length < most ? length : most); /* zeros follow */
    nncf__trim_utf8(text, NNCF__WARNING_TEXT);
}

size_t nncf_compression_ctrl_get_warning_count(const nncf_compression_ctrl *ctrl)
{
    return ctrl ? ctrl->n_warnings : 0;
}

const char *nncf_compression_ctrl_get_warning(const nncf_compression_ctrl *ctrl, size_t index)
{
    if (!ctrl || index >= ctrl->n_warnings)
        return NULL;
    return ctrl->warnings[index];
}
