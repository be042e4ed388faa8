/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/paging_rule.h"

#include "decide/faults.h"
#include "units.h"

PagingRuling
paging_rule(const PagingCase *given)
{
    uint64_t missing = saturating_sub(given->startup_kib, given->granted_kib);
    bool restarts = given->restart != RESTART_NONE || broken(FAULT_PAGE_COLD_STARTS);
    bool booting = given->booting || broken(FAULT_PAGE_RUNNING);
    bool in_time = given->in_time_kib > 0 && given->waited_usec < given->patience_usec;
    PagingRuling ruling = {.verdict = PAGING_NOTHING};

    if (!restarts || !booting || missing == 0)
        return ruling;
    if (!broken(FAULT_PAGE_FIRST))
        ruling.use_kib = MIN(missing, given->free_kib);
    ruling.shortfall_kib = missing - ruling.use_kib;
    if (broken(FAULT_PAGE_ALL))
        ruling.shortfall_kib = given->startup_kib;
    if (ruling.shortfall_kib == 0)
        ruling.verdict = PAGING_USE_FREE;
    else if (in_time && !broken(FAULT_PAGE_FIRST))
        ruling.verdict = PAGING_WAIT;
    else
        ruling.verdict = given->barred ? PAGING_REFUSED : PAGING_PAGE;
    return ruling;
}
