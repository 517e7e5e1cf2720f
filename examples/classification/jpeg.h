/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLASSIFICATION_JPEG_H
#define CLASSIFICATION_JPEG_H

#include "picture.h"

/* Decodes a file to RGB, upright: turned as its Exif orientation says. It may come out at 1/2, 1/4,
 * ... of its size (which saves most of the decoding) as long as the shorter side keeps at least
 * `enough` pixels; 0: full size. A file that is cut short or damaged is refused, though a part of
 * it could be shown. */
nncf_status jpeg_read(const char *path, int enough, picture *p, nncf_error *err);
/* Is the file a whole picture? Files that end as pictures do are believed; only of others the
 * pixels are read. */
nncf_status jpeg_check(const char *path, nncf_error *err);

#endif
