/* SPDX-License-Identifier: Apache-2.0 */
/* A text classifier by 1-d convolutions over characters, as a task of trainer.h. */
#ifndef TEXTCNN_TEXTCNN_H
#define TEXTCNN_TEXTCNN_H

#include "trainer.h"

extern const task textcnn_task;

#endif
