/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

static unsigned there;

void
bugs_put_back(unsigned bugs)
{
    there = bugs;
}

bool
has_bug(Bug bug)
{
    return (there >> bug & 1) != 0;
}
