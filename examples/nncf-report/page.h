/* SPDX-License-Identifier: Apache-2.0 */
/* The page: one file of HTML that needs nothing else, and its sections. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include "chart.h"
#include "record.h"

void page_write(FILE *file, const report *all);

/* curves.c */
void page_summary(FILE *file, const report *all);
void page_curves(FILE *file, const report *all);
void page_times(FILE *file, const report *all);
void page_epochs(FILE *file, const report *all);
/* layers.c */
void page_sparsity(FILE *file, const report *all);
void page_ranges(FILE *file, const report *all);
void page_weights(FILE *file, const report *all);
void page_bytes(FILE *file, const report *all);
/* config.c */
void page_configs(FILE *file, const report *all);

/* <td> with a number: what is shown, and all digits in <data value>. "–" for NAN. */
void page_cell(FILE *file, double value, const char *format);
/* A heading of a table for each run: key and name. */
void page_run_headings(FILE *file, const report *all);

#endif
