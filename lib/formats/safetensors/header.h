/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a file: its names, types, shapes and offsets. */
#ifndef NNCF__FORMATS_SAFETENSORS_HEADER_H
#define NNCF__FORMATS_SAFETENSORS_HEADER_H

#include <nncf/base.h>
#include <nncf/checkpoint.h>

#include <stddef.h>
#include <stdint.h>

/* Fill entries, dims, texts and by_key from the `length` bytes of checkpoint->header after the
 * first 8, in their own order. Types, shapes, sizes and offsets are checked one by one; how the
 * entries lie together is not. Names and texts are made C strings in place. On failure what was
 * filled in is for nncf_checkpoint_close(). */
nncf_status nncf__header_parse(
    nncf_checkpoint *checkpoint, size_t length, uint64_t data_size, nncf_error *err);
/* Name of an element type in the format; NULL: none. */
const char *nncf__dtype_name(int32_t dtype);
/* Bytes of an element; 0: not a type. */
size_t nncf__dtype_size(int32_t dtype);

#endif
