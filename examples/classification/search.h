/* SPDX-License-Identifier: Apache-2.0 */
/* accuracy_aware_training: the library decides at which compression rate the next epoch trains;
 * here the snapshots, the optimizer and the learning rate follow. */
#ifndef CLASSIFICATION_SEARCH_H
#define CLASSIFICATION_SEARCH_H

#include "run.h"

/* Before the first epoch, or after a resume: nothing without accuracy_aware_training. */
nncf_status search_open(run *r, nncf_error *err);
void search_close(run *r);
/* The test's top-1 is reported, and what follows is done. r->search.over: no further epoch. */
nncf_status search_report(run *r, double top1, nncf_error *err);
/* The factor of the learning rate in an epoch, which counts from the last restart. */
double search_factor(const run *r, int64_t epoch);

#endif
