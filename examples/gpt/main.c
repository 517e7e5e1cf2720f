/* SPDX-License-Identifier: Apache-2.0 */
/* Trains a character-level GPT as an NNCF JSON config says. */
#include "gpt.h"

int main(int argc, char **argv)
{
    task t = gpt_task;
    return trainer_main(&t, argc, argv);
}
