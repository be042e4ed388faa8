/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Guests that are counted on, and nothing else, before the stage of the decision that makes targets worth telling of ideals. */

#include "decide/pass.h"

#define CALM_GUESTS 4

typedef struct CalmRow {
    uint64_t held_kib; /* target in force */
    uint64_t actual_kib;
    uint64_t ideal_kib;
    uint64_t need_kib;
    uint64_t want_kib;
    uint64_t minimum_kib;
    uint64_t maximum_kib;
    uint64_t cap_kib;
    uint64_t rate_kib;
    uint64_t target_kib; /* the answer */
    PlanRule delay;
} CalmRow;

typedef struct CalmTable {
    CalmRow guests[CALM_GUESTS];
    GuestMemory memories[CALM_GUESTS];
    size_t count;
    uint64_t budget_kib;
    uint64_t now_usec;
} CalmTable;

static inline void
calm_table_settle(CalmTable *table)
{
    GuestSnapshot guests[CALM_GUESTS];
    GuestPlan plans[CALM_GUESTS];
    Work work[CALM_GUESTS];
    SharingScratch scratch[CALM_GUESTS];
    DecideState state = {.scratch = scratch};
    Plan plan = {.guests = plans, .sharing_kib = table->budget_kib};
    const Settings settings = {.interval_usec = USEC_PER_SEC};
    const Pass pass = {.state = &state,
                       .first = work,
                       .end = work + table->count,
                       .settings = &settings,
                       .plan = &plan,
                       .now_usec = table->now_usec};

    for (size_t i = 0; i < table->count; i++) {
        const CalmRow *row = &table->guests[i];

        guests[i] = (GuestSnapshot){.actual_kib = row->actual_kib};
        plans[i] = (GuestPlan){.ideal_kib = row->ideal_kib, .demand_kib = row->need_kib, .want_kib = row->want_kib};
        table->memories[i].stuck.rate_kib = row->rate_kib;
        work[i] = (Work){.guest = &guests[i],
                         .memory = &table->memories[i],
                         .plan = &plans[i],
                         .standing = {.part = PART_SHARES},
                         .target_kib = row->held_kib,
                         .minimum_kib = row->minimum_kib,
                         .maximum_kib = row->maximum_kib,
                         .cap_kib = row->cap_kib};
    }
    pass_calm(&pass);
    for (size_t i = 0; i < table->count; i++) {
        table->guests[i].target_kib = plans[i].target_kib;
        table->guests[i].delay = work[i].delay;
    }
}
