/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/faults.h"
#include "decide/pass.h"

/* Managed, dynamic and running, with a balloon that frees what it takes: the others have what they have. */
static bool
wants_limit(const Pass *pass, const GuestSnapshot *guest)
{
    const GuestSettings *settings = guest->settings;

    return pass->settings->memory_high && settings->managed && settings->mode == GUEST_MODE_DYNAMIC &&
           settings->bar == BALLOON_USABLE;
}

/*
 * A guest whose file is being emptied was reset again: what it touches now must leave room for what comes back, which
 * the kernel lets in whatever the limit is.
 */
static uint64_t
coming_back(const Pass *pass, size_t i)
{
    const GuestSnapshot *guest = &pass->snapshot->guests[i];

    if (!pass->state->work[i].booting || guest->paging == NULL || guest->paging->stage != PAGING_STAGE_EMPTYING ||
        broken(FAULT_NO_ROOM_TO_RETURN))
        return 0;
    return paging_in_file(guest);
}

void
pass_limit(Pass *pass)
{
    for (size_t i = 0; i < pass->snapshot->guest_count; i++) {
        const GuestSnapshot *guest = &pass->snapshot->guests[i];
        const Work *work = &pass->state->work[i];
        GuestPlan *plan = &pass->plan->guests[i];
        LimitCase given = {
            .guest = guest,
            .wanted = wants_limit(pass, guest) || work->limited,
            .held = work->limited,
            .waiting = plan->rule == PLAN_RULE_ADOPTING || guest->life != GUEST_LIFE_RUNNING || guest->migrating,
            .committed_kib = plan->committed_kib,
            .overhead_kib = plan->overhead_kib,
            .slack_kib = work->slack_kib,
        };
        LimitAnswer answer;

        plan->limit_kib = LIMIT_NONE;
        if (pass->observe || pass->link_down || guest->life == GUEST_LIFE_OFF)
            continue;
        /* what is in a file may come back at any time: no more than the least that errors need */
        if (work->limited && work->booting && guest->paging != NULL)
            given.slack_kib = LIMIT_LEAST_SLACK_KIB;
        given.committed_kib -= MIN(coming_back(pass, i), given.committed_kib);
        answer = guest_limit_work_out(&pass->state->memories.guests[i].limit, &given, pass->now_usec);
        plan->limit_tell = answer.tell;
        plan->limit_kib = answer.limit_kib;
    }
}
