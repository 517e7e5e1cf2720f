/* SPDX-License-Identifier: Apache-2.0 */
/* Adam and SGD over the network's parameters and the controller's (mask logits, quantizer scales).
 */
#ifndef CLASSIFICATION_OPTIMIZER_H
#define CLASSIFICATION_OPTIMIZER_H

#include "net.h"
#include "settings.h"

/* Everything that one array needs. */
typedef struct optimizer_parameter {
    char *name; /* unique; in snapshots */
    char *alias; /* the name under which NNCF knows it, for `parameter_groups`; may equal name */
    float *data, *grad;
    size_t count;
    float *state[2]; /* Adam: first and second moment. SGD: momentum buffer and NULL. Both NULL
                        without momentum */
    double lr, weight_decay;
    int64_t ctrl_index; /* of a controller's parameter; -1: the network's */
    bool trained; /* a group has it, or there are no groups */
    bool frozen;
} optimizer_parameter;

typedef struct optimizer {
    const optimizer_settings *settings;
    nncf_compression_ctrl *ctrl;
    nncf_context *context;
    app_arena states; /* of the parameters */
    optimizer_parameter *parameters;
    nncf_optimizer_array *arrays; /* as many, for a step */
    size_t n_parameters;
    int64_t steps; /* taken so far */
} optimizer;

nncf_status optimizer_create(const optimizer_settings *settings, const net *n,
    nncf_compression_ctrl *ctrl, nncf_context *context, optimizer **out, nncf_error *err);
void optimizer_destroy(optimizer *o);
/* One step with all learning rates multiplied by `factor`, with weight decay or without; all
 * gradients are 0 afterwards. */
nncf_status optimizer_step(optimizer *o, double factor, bool decays, nncf_error *err);
/* From the beginning: no steps, no moments. */
void optimizer_restart(optimizer *o);
/* After an epoch: which of the controller's parameters are to be left alone from now on. */
void optimizer_refresh(optimizer *o);

/* Python's regular expression as POSIX knows it; NULL and a message where it cannot be said in
 * POSIX. free() it. */
char *optimizer_posix_regex(const char *python, nncf_error *err);

#endif
