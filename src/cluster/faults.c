/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster/faults.h"

static uint64_t broken_rules;

void
cluster_rules_break(uint64_t faults)
{
    broken_rules = faults;
}

bool
cluster_rules_broken(uint64_t fault)
{
    return (broken_rules & fault) != 0;
}
