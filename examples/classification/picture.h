/* SPDX-License-Identifier: Apache-2.0 */
/* Files of pictures. */
#ifndef CLASSIFICATION_PICTURE_H
#define CLASSIFICATION_PICTURE_H

#include "app.h"

typedef struct picture {
    uint8_t *rgb; /* height x width x 3; free() it */
    int width, height;
} picture;

/* Files that are read, for messages. */
#ifdef WITH_PNG
#define PICTURE_FORMATS "JPEG or PNG"
#else
#define PICTURE_FORMATS "JPEG"
#endif

/* Is a file of that name one that is read? */
bool picture_has_name(const char *name);
/* Decodes a file, of the format that its first bytes tell, whatever its name. `enough` as in
 * jpeg_read(); other formats come out at full size. */
nncf_status picture_read(const char *path, int enough, picture *p, nncf_error *err);
/* Is the file a whole picture? Files that end as pictures do are believed; only of others the
 * pixels are read. */
nncf_status picture_check(const char *path, nncf_error *err);

/* png.c; transparent parts are white. */
nncf_status png_read(const char *path, picture *p, nncf_error *err);

#endif
