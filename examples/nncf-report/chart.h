/* SPDX-License-Identifier: Apache-2.0 */
/* Charts as inline SVG. Lines differ by dashes and markers as well as by colour. */
#ifndef REPORT_CHART_H
#define REPORT_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { STYLE_BASELINE = -1 /* the FP32 run's */ };

typedef struct chart_line {
    const char *name;
    int style; /* which run, or STYLE_BASELINE */
    bool thin; /* the lesser of two lines of a run: without markers */
    size_t count;
    const double *x, *y; /* NAN: no point there */
} chart_line;

typedef struct chart {
    const char *title; /* HTML in the caption is escaped */
    const char *note; /* after the title, or NULL */
    const char *x_label, *y_label;
    double y_low, y_high; /* NAN: as the values are */
    bool panel; /* one of many small ones, without a legend */
    const chart_line *lines;
    size_t count;
} chart;

void chart_lines(FILE *file, const chart *c);

/* Shares of values in bins of equal width. */
typedef struct bins {
    const char *name;
    int style;
    double low, high;
    const double *counts;
    size_t count;
    double grid_low, grid_high; /* ends of the quantizer's range; equal: none */
    double grid_levels;
} bins;

void chart_histograms(
    FILE *file, const char *title, const char *const *notes, const bins *all, size_t count);

/* A bar of a share 0..1 of its place's width, in a run's style. */
void chart_bar(FILE *file, double share, int style);
/* The line and marker of a style, for legends. */
void chart_key(FILE *file, int style, bool thin);

/* Text for HTML. */
void html(FILE *file, const char *text);
/* A number as people read it, in at most 4 digits: "0.0123", "12.3k". */
const char *shortly(double value, char text[32]);

#endif
