/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/gate.h"

#include "units.h"

#define NOBODY UINT32_MAX

uint64_t
gate_admit(GateGuest *guests, size_t count, uint64_t free_kib, bool open)
{
    uint32_t heads[GATE_WEIGHT_LIMIT + 1];

    /* one list per weight, filled from the back so that each is in the order of the guests */
    for (size_t weight = 0; weight <= GATE_WEIGHT_LIMIT; weight++)
        heads[weight] = NOBODY;
    for (size_t i = count; i-- > 0;) {
        uint32_t weight = MIN(guests[i].weight, GATE_WEIGHT_LIMIT);

        guests[i].waits = false;
        if (guests[i].target_kib <= guests[i].committed_kib)
            continue;
        guests[i].next = heads[weight];
        heads[weight] = (uint32_t)i;
    }

    for (unsigned round = 0; round < 2; round++) {
        for (size_t weight = GATE_WEIGHT_LIMIT + 1; weight-- > 0;) {
            for (uint32_t i = heads[weight]; i != NOBODY; i = guests[i].next) {
                GateGuest *guest = &guests[i];
                uint64_t goal = round == 0 ? MIN(guest->target_kib, guest->need_kib) : guest->target_kib;
                uint64_t raise = saturating_sub(goal, guest->committed_kib);

                if (!open) {
                    raise = MIN(raise, free_kib);
                    free_kib -= raise;
                }
                guest->committed_kib += raise;
            }
        }
    }

    for (size_t weight = 0; weight <= GATE_WEIGHT_LIMIT; weight++) {
        for (uint32_t i = heads[weight]; i != NOBODY; i = guests[i].next) {
            guests[i].waits = guests[i].committed_kib < guests[i].target_kib;
            guests[i].target_kib = guests[i].committed_kib;
        }
    }
    return free_kib;
}
