/* SPDX-License-Identifier: Apache-2.0 */
/* Trains a text classifier of 1-d convolutions as an NNCF JSON config says. */
#include "textcnn.h"

int main(int argc, char **argv)
{
    task t = textcnn_task;
    return trainer_main(&t, argc, argv);
}
