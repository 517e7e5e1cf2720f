/* SPDX-License-Identifier: Apache-2.0 */
/* A character-level GPT as a task of trainer.h. */
#ifndef GPT_GPT_H
#define GPT_GPT_H

#include "trainer.h"

extern const task gpt_task;

#endif
