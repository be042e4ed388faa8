/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/pressure.h"

#include "decide/budget.h"
#include "decide/faults.h"
#include "units.h"

/* Hundredths of a percent of the last ten seconds in which some, or all, tasks waited for memory. */
#define SOME_HIGH_CENTI 1000
#define FULL_HIGH_CENTI 500
#define SOME_LOW_CENTI 300
#define FULL_LOW_CENTI 100

#define HIGH_FOR_USEC (5 * USEC_PER_SEC)
#define LOW_FOR_USEC (30 * USEC_PER_SEC)

/* The slack of limits may take half of the reserve (limit.h). Where Reserve= is very low, a host suffers before that. */
static bool
is_short(const HostFigures *figures, uint64_t reserve_kib)
{
    uint64_t usable = saturating_sub(figures->total_kib, figures->hugepages_kib);

    return figures->available_kib < MAX(reserve_kib, budget_sliding_reserve(usable)) / 2 || broken(FAULT_OWN_PRESSURE);
}

bool
pressure_judge(PressureMemory *memory, const HostSnapshot *host, uint64_t reserve_kib, uint64_t now_usec)
{
    const HostFigures *figures = &host->figures;
    bool lacks = is_short(figures, reserve_kib);
    bool high =
        lacks && (figures->pressure_some_centi >= SOME_HIGH_CENTI || figures->pressure_full_centi >= FULL_HIGH_CENTI);
    bool low =
        !lacks || (figures->pressure_some_centi < SOME_LOW_CENTI && figures->pressure_full_centi < FULL_LOW_CENTI);

    if (!figures->has_pressure || broken(FAULT_NO_PRESSURE)) {
        *memory = (PressureMemory){.pressed = false};
        return false;
    }
    /* The kernel's word comes sooner than its averages, and is half of what it takes. */
    if (host->pressure_event && !low)
        high = true;

    lasting_note(&memory->against_usec, memory->pressed ? low : high, now_usec);
    if (lasts_for(memory->against_usec, memory->pressed ? LOW_FOR_USEC : HIGH_FOR_USEC, now_usec))
        *memory = (PressureMemory){.pressed = !memory->pressed};
    return memory->pressed;
}
