/* SPDX-License-Identifier: Apache-2.0 */
/* NNCF releases as numbers and as text. */
#include "config/schema/release.h"

#include "config/canonical.h"

#include <stdio.h>
#include <string.h>

/* Every release with a JSON dialect, oldest first. */
static const int32_t releases[] = {10000, 10100, 10200, 10300, 10301, 10400, 10500, 10600, 10700,
    20000, 20100, 20200, 20300, 20400, 20500, 20600, 20700, 20800, 20900, 21000, 21100, 21200,
    21300, 21400, 21500, 21600, 21700};

const char *nncf__config_release_text(int32_t release, char out[NNCF__RELEASE_TEXT])
{
    int major = release / 10000, minor = release / 100 % 100, patch = release % 100;
    if (patch == 99) /* "up to the last patch" */
        patch = 0;
    if (patch)
        snprintf(out, NNCF__RELEASE_TEXT, "%d.%d.%d", major % 100, minor, patch);
    else
        snprintf(out, NNCF__RELEASE_TEXT, "%d.%d", major % 100, minor);
    return out;
}

/* Digits at *text, at most two; -1: there are none. */
static int32_t read_digits(const char **text)
{
    size_t length = strspn(*text, "0123456789");
    if (length == 0 || length > 2)
        return -1;
    int32_t value = 0;
    for (size_t i = 0; i < length; i++)
        value = value * 10 + (*(*text)++ - '0');
    return value;
}

int32_t nncf__config_release_of(const char *text)
{
    if (*text == 'v')
        text++;
    int32_t major = read_digits(&text), minor = -1, patch = 0;
    if (major < 1 || *text++ != '.')
        return 0;
    minor = read_digits(&text);
    if (minor < 0)
        return 0;
    if (*text == '.') {
        text++;
        patch = read_digits(&text);
    }
    if (*text != '\0' || patch < 0)
        return 0;
    int32_t release = major * 10000 + minor * 100;
    for (size_t i = 0; i < sizeof(releases) / sizeof(releases[0]); i++)
        if (releases[i] == release)
            return release + patch;
    return 0;
}
