/* SPDX-License-Identifier: Apache-2.0 */
/* From a stored image to the network's input. */
#ifndef CLASSIFICATION_AUGMENT_H
#define CLASSIFICATION_AUGMENT_H

#include "dataset.h"
#include "rng.h"

/* Image `index` of the data set as `channels` planes of size x size floats, normalized.
 *
 * Small images: within 8 pixels of the wanted size they are padded with black or cut around the
 * centre, otherwise resized. Photographs: shorter side to 256/224 of the wanted size, then the
 * centre. With `random` (training): small images are shifted and mirrored as the data set says; of
 * photographs a random part is taken (8 to 100 % of the area, aspect ratio 3/4 to 4/3) and
 * mirrored. NULL (testing): none of that. */
nncf_status augment_sample(const dataset *d, size_t index, rng *random, int channels, int size,
    float *out, nncf_error *err);

#endif
