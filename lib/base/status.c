/* SPDX-License-Identifier: Apache-2.0 */
/* The version and the status codes as numbers and texts. */
#include <nncf/base.h>

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* A literal in the header, so that other languages can read it. */
static_assert(
    NNCF_API_VERSION == (NNCF_VERSION_MAJOR << 16 | NNCF_VERSION_MINOR << 8 | NNCF_VERSION_PATCH),
    "NNCF_API_VERSION and NNCF_VERSION_... disagree");

#define STRINGIFY_(x) #x
#define STRINGIFY(x)  STRINGIFY_(x)

uint32_t nncf_version_number(void)
{
    return NNCF_API_VERSION;
}

const char *nncf_version_string(void)
{
    return STRINGIFY(NNCF_VERSION_MAJOR) "." STRINGIFY(NNCF_VERSION_MINOR) "." STRINGIFY(
        NNCF_VERSION_PATCH);
}

typedef struct status_text {
    nncf_status status;
    const char *name, *message;
} status_text;

static const status_text status_texts[] = {
#define STATUS_TEXT(name, value, text) {name, #name, text},
    NNCF_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
};

static const status_text *find_status(nncf_status status)
{
    for (size_t i = 0; i < sizeof(status_texts) / sizeof(status_texts[0]); i++)
        if (status_texts[i].status == status)
            return &status_texts[i];
    return NULL;
}

const char *nncf_status_name(nncf_status status)
{
    const status_text *found = find_status(status);
    return found ? found->name : "NNCF_E_?";
}

const char *nncf_status_message(nncf_status status)
{
    const status_text *found = find_status(status);
    return found ? found->message : "a status that this version of the library does not know";
}
