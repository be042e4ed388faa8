/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The answer of the method Rate. */

#include "starts.h"

/* One JSON object, sizes in bytes; data/org.dynmem1.xml names its members. Caller frees. */
char *rating_json(const StartRating *rating);
