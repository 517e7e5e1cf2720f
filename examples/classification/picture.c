/* SPDX-License-Identifier: Apache-2.0 */
#include "picture.h"
#include "jpeg.h"

#include <stdlib.h>
#include <string.h>

bool picture_has_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL)
        return false;
#ifdef WITH_PNG
    if (strcasecmp(dot, ".png") == 0)
        return true;
#endif
    return strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0;
}

/* The first bytes of a file, or the last ones; zeros where it is shorter. */
static nncf_status look(const char *path, bool end, uint8_t *bytes, size_t size, nncf_error *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return app_fail_errno(err, path, "open");
    memset(bytes, 0, size);
    if ((end && fseek(file, -(long)size, SEEK_END) != 0) || fread(bytes, 1, size, file) != size)
        memset(bytes, 0, size);
    fclose(file);
    return NNCF_OK;
}

static nncf_status is_png(const char *path, bool *png, nncf_error *err)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uint8_t bytes[8];
    nncf_status status = look(path, false, bytes, sizeof bytes, err);
    *png = status == NNCF_OK && memcmp(bytes, signature, sizeof bytes) == 0;
    return status;
}

nncf_status picture_read(const char *path, int enough, picture *p, nncf_error *err)
{
    bool png;
    nncf_status status = is_png(path, &png, err);
    if (status != NNCF_OK)
        return status;
    return png ? png_read(path, p, err) : jpeg_read(path, enough, p, err);
}

nncf_status picture_check(const char *path, nncf_error *err)
{
    static const uint8_t last[12] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
    uint8_t bytes[12];
    bool png;
    picture p;
    nncf_status status = is_png(path, &png, err);
    if (status == NNCF_OK && !png)
        return jpeg_check(path, err);
    if (status == NNCF_OK)
        status = look(path, true, bytes, sizeof bytes, err);
    if (status != NNCF_OK || memcmp(bytes, last, sizeof bytes) == 0)
        return status;
    status = png_read(path, &p, err); /* something may follow the picture */
    if (status == NNCF_OK)
        free(p.rgb);
    return status;
}
