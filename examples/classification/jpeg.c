/* SPDX-License-Identifier: Apache-2.0 */
/* libjpeg ends the process on an error unless it is given another way out: longjmp to jpeg_read().
 */
#include "jpeg.h"
#include "exif.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

typedef struct failure {
    struct jpeg_error_mgr base; /* first: libjpeg hands us this member's address */
    jmp_buf out;
    char message[JMSG_LENGTH_MAX];
    const char *damage; /* what libjpeg made up pixels for, which it thinks is worth a warning only;
                           NULL: nothing */
} failure;

static void on_error(j_common_ptr info)
{
    failure *f = (failure *)(void *)info->err;
    info->err->format_message(info, f->message);
    longjmp(f->out, 1);
}

/* Warnings: photographs collected from the web are full of harmless ones. Not harmless are those
 * behind which the rest of the picture is grey, or noise. */
static void on_warning(j_common_ptr info, int level)
{
    failure *f = (failure *)(void *)info->err;
    if (level >= 0)
        return; /* a trace */
    switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
        f->damage = "the picture is cut short";
        break;
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
        f->damage = "the picture is damaged";
        break;
    default:
        break;
    }
}

/* Photographs in CMYK (ImageNet has some): Adobe's files hold them inverted, so that colour times
 * black is RGB. */
static void cmyk_to_rgb(const uint8_t *cmyk, int width, uint8_t *rgb)
{
    for (int i = 0; i < width; i++)
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] = (uint8_t)((cmyk[4 * i + c] * cmyk[4 * i + 3] + 127) / 255);
}

/* Everything that the error exit has to give back lives here, in memory: locals may be lost in a
 * longjmp. */
typedef struct reader {
    struct jpeg_decompress_struct info;
    failure error;
    FILE *file;
    uint8_t *row;
    picture picture;
    bool out_of_memory;
    int orientation;
} reader;

static int orientation_of(const struct jpeg_decompress_struct *info)
{
    for (jpeg_saved_marker_ptr m = info->marker_list; m != NULL; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length >= 4 && memcmp(m->data, "Exif", 4) == 0)
            return exif_orientation(m->data, m->data_length);
    return EXIF_UPRIGHT;
}

/* Turns and mirrors the picture as it was seen; false without memory. */
static bool make_upright(picture *p, int orientation)
{
    const exif_walk w = exif_upright(orientation, p->width, p->height);
    if (orientation == EXIF_UPRIGHT)
        return true;
    uint8_t *upright = malloc((size_t)w.width * (size_t)w.height * 3), *to = upright;
    if (upright == NULL)
        return false;
    for (int y = 0; y < w.height; y++)
        for (int x = 0; x < w.width; x++, to += 3)
            memcpy(to, p->rgb + 3 * (w.origin + x * w.across + y * w.down), 3);
    free(p->rgb);
    *p = (picture){upright, w.width, w.height};
    return true;
}

static void choose_scale(struct jpeg_decompress_struct *info, int enough)
{
    unsigned shorter =
        info->image_width < info->image_height ? info->image_width : info->image_height;
    info->scale_num = 1;
    info->scale_denom = 1;
    while (enough > 0 && info->scale_denom < 8 &&
        shorter / (2 * info->scale_denom) >= (unsigned)enough)
        info->scale_denom *= 2;
}

static bool decode(reader *r, int enough)
{
    struct jpeg_decompress_struct *info = &r->info;
    bool cmyk;
    if (setjmp(r->error.out) != 0)
        return false;
    jpeg_create_decompress(info);
    jpeg_stdio_src(info, r->file);
    jpeg_save_markers(info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(info, TRUE);
    r->orientation = orientation_of(info);
    choose_scale(info, enough);
    cmyk = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
    info->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(info);
    r->picture.width = (int)info->output_width;
    r->picture.height = (int)info->output_height;
    r->picture.rgb = malloc((size_t)info->output_width * info->output_height * 3);
    r->row = malloc((size_t)info->output_width * 4);
    if (r->picture.rgb == NULL || r->row == NULL) {
        r->out_of_memory = true;
        return false;
    }
    while (info->output_scanline < info->output_height) {
        uint8_t *to = r->picture.rgb + (size_t)info->output_scanline * info->output_width * 3;
        JSAMPROW row = cmyk ? r->row : to;
        jpeg_read_scanlines(info, &row, 1);
        if (cmyk)
            cmyk_to_rgb(r->row, (int)info->output_width, to);
    }
    jpeg_finish_decompress(info);
    if (r->error.damage != NULL)
        return false;
    r->out_of_memory = !make_upright(&r->picture, r->orientation);
    return !r->out_of_memory;
}

nncf_status jpeg_read(const char *path, int enough, picture *p, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return app_fail(err, NNCF_E_NOMEM, path, "%s: no memory to read it", path);
    if ((r->file = fopen(path, "rb")) == NULL) {
        free(r);
        return app_fail_errno(err, path, "open");
    }
    r->info.err = jpeg_std_error(&r->error.base);
    r->error.base.error_exit = on_error;
    r->error.base.emit_message = on_warning;
    if (!decode(r, enough)) {
        status = r->out_of_memory
            ? app_fail(err, NNCF_E_NOMEM, path, "%s: no memory for the picture", path)
            : r->error.damage != NULL
            ? app_fail(
                  err, NNCF_E_FORMAT, path, "%s: %s: remove or replace it", path, r->error.damage)
            : app_fail(err, NNCF_E_FORMAT, path, "%s: %s", path, r->error.message);
        free(r->picture.rgb);
    } else {
        *p = r->picture;
    }
    jpeg_destroy_decompress(&r->info);
    fclose(r->file);
    free(r->row);
    free(r);
    return status;
}

nncf_status jpeg_check(const char *path, nncf_error *err)
{
    uint8_t end[2] = {0};
    FILE *file = fopen(path, "rb");
    picture p;
    nncf_status status;
    if (file == NULL)
        return app_fail_errno(err, path, "open");
    if (fseek(file, -2, SEEK_END) != 0 || fread(end, 1, 2, file) != 2)
        end[0] = 0;
    fclose(file);
    if (end[0] == 0xff && end[1] == JPEG_EOI)
        return NNCF_OK;
    status = jpeg_read(path, 1, &p, err); /* something may follow the picture */
    if (status == NNCF_OK)
        free(p.rgb);
    return status;
}
