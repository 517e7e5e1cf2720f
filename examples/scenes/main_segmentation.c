/* SPDX-License-Identifier: Apache-2.0 */
#include "scene_task.h"

int main(int argc, char **argv)
{
    task t = segmentation_task;
    return trainer_main(&t, argc, argv);
}
