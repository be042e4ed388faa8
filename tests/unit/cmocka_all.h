/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* cmocka.h with what it needs before it, in the order it needs it. */

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
