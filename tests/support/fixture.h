/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of models and controllers share: contexts that count their memory and keep their log,
 * layers with buffers, controllers from text, stored results, random numbers, and main().
 */
#ifndef NNCF_TESTS_SUPPORT_FIXTURE_H
#define NNCF_TESTS_SUPPORT_FIXTURE_H

#include "context.h"
#include "ctrl.h"
#include "golden.h"
#include "layers.h"
#include "memory.h"
#include "random.h"
#include "runner.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#endif
