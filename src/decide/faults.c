/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/faults.h"

#include <string.h>

static bool broken_rules[FAULTS];

void
rules_break(Fault fault)
{
    memset(broken_rules, 0, sizeof broken_rules);
    rules_break_also(fault);
}

void
rules_break_also(Fault fault)
{
    if (fault > FAULT_NONE && fault < FAULTS)
        broken_rules[fault] = true;
}

bool
rules_broken(Fault fault)
{
    return broken_rules[fault];
}
