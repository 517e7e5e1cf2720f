/* SPDX-License-Identifier: Apache-2.0 */
#include "picture.h"

#include <stdlib.h>
#include <string.h>

#ifdef WITH_PNG
#include <png.h>

nncf_status png_read(const char *path, picture *p, nncf_error *err)
{
    const png_color white = {255, 255, 255};
    png_image image = {.version = PNG_IMAGE_VERSION};
    nncf_status status = NNCF_OK;
    uint8_t *rgb = NULL;
    if (png_image_begin_read_from_file(&image, path) != 0) {
        image.format = PNG_FORMAT_RGB;
        rgb = malloc((size_t)image.width * image.height * 3);
        if (rgb == NULL)
            status = app_fail(err, NNCF_E_NOMEM, path, "%s: no memory for the picture", path);
        else
            png_image_finish_read(&image, &white, rgb, 0, NULL);
    }
    if (status == NNCF_OK && PNG_IMAGE_FAILED(image))
        status =
            app_fail(err, NNCF_E_FORMAT, path, "%s: %s: remove or replace it", path, image.message);
    if (status == NNCF_OK)
        *p = (picture){rgb, (int)image.width, (int)image.height};
    else
        free(rgb);
    png_image_free(&image);
    return status;
}
#else
nncf_status png_read(const char *path, picture *p, nncf_error *err)
{
    (void)p;
    return app_fail(err, NNCF_E_UNSUPPORTED, path,
        "%s: is a PNG, and this program was built without libpng", path);
}
#endif
