/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the rules say that one sentence does not. A sentence says only what follows from the rule and the figures in it. */

#include "rule_whys.h"

#include "givers.h"
#include "rules.h"
#include "units.h"

#include <inttypes.h>

/* ---- shares ---- */

void
why_shortage(ExplainText *text)
{
    say(text,
        "The budget does not suffice for what the guests want and is shared by priority: with priority {priority} its "
        "share is {share}, which %s.",
        text->guest->ideal_kib < text->guest->demand_kib
            ? fitted(text, "is {want-share} less than it wants and {demand-share} less than it needs")
            : fitted(text, "covers what it needs and is {want-share} less than it wants"));
}

/* ---- delays ---- */

static size_t
count_awaited(const Plan *plan)
{
    size_t awaited = 0;

    for (size_t i = 0; i < plan->guest_count; i++)
        awaited += plan->guests[i].rule == PLAN_RULE_ADOPTING;
    return awaited;
}

static const char *
giving_text(ExplainText *text, const GuestPlan *other)
{
    return size(text, giver_kib(other));
}

void
why_wait_free(ExplainText *text)
{
    const char *giving = others(text, giver_kib, giving_text);
    size_t awaited = count_awaited(text->plan);

    if (giving != NULL)
        say(text, "Other guests are giving memory back: %s.", giving);
    if (awaited > 0)
        say(text, "%zu guest%s that ran before dynmemd did might have more than is known: the first report is awaited.",
            awaited, awaited == 1 ? "" : "s");
    if (!text->report->snapshot->host.figures_valid)
        tell(text, "The figures of the host can't be read at the moment, and without them no raise is safe.");
}

void
why_wait_surplus(ExplainText *text)
{
    if (count_awaited(text->plan) > 0 && text->guest->ideal_kib >= text->guest->target_kib)
        tell(text, "Nobody is squeezed until the guests that ran before dynmemd did have sent their first report.");
    else
        tell(text, "Its share is {share}, but what a guest has beyond its share is taken back only when another one "
                   "wants it or once it has lasted.");
}

void
why_small(ExplainText *text)
{
    const GuestPlan *guest = text->guest;

    if (guest->ideal_kib > guest->target_kib && guest->target_kib >= guest->demand_kib)
        tell(text, "Its share is {share}, which is {share-target} more than its target. That is spare memory, of which "
                   "it has half or more, and it is refilled when less is left.");
    else
        say(text,
            "Its share is {share}, and that differs from its target by %s only, too little to move it for at once.",
            fitted(text, guest->ideal_kib > guest->target_kib ? "{share-target}" : "{target-share}"));
}

void
why_stale(ExplainText *text)
{
    tell(text, text->snapshot->report_usec != 0
                   ? "Its statistics have not changed for {report}, and it is not shrunk on old figures."
                   : "Its statistics have stopped changing, and it is not shrunk on old figures.");
}

/* Whoever had all its memory until its driver was up goes to its startup now; whoever had less keeps that. */
const char *
figure_settling(const ExplainText *text)
{
    return text->guest->target_kib < text->settings->startup_kib ? "it keeps the {target} that it was told"
                                                                 : "its startup is {startup}";
}

/* ---- bound ---- */

void
why_bound(ExplainText *text)
{
    tell(text, text->guest->ideal_kib > text->guest->target_kib + 2 * KIB_PER_MIB
                   ? "It is to have {share}, and a limit above it leaves it no more than {target} for now."
                   : "It would want more than {share}, and a limit above it leaves no more.");
    if (has_max(text))
        tell(text, "Its control group may hold {max} (memory.max, from <hard_limit> in its XML), its QEMU included.");
    if (text->snapshot->limits.above.group[0].id != 0)
        tell(text, "The group above it may hold {above} (memory.max), and holds {above-holds}.");
    if (text->settings->strict_nodes != 0)
        tell(text, "Its memory may come from certain NUMA nodes of the host only (<numatune> in its XML).");
}

const char *
figure_bound(const ExplainText *text)
{
    return text->guest->ideal_kib > text->guest->target_kib ? "it gets {target} of {share}" : "it is to have {share}";
}

/* ---- out of the sharing ---- */

void
why_observe(ExplainText *text)
{
    if (text->report->dry_run)
        tell(text, "This is a dry run: nothing is changed in any guest.");
    else if (text->report->snapshot->host.link == WORLD_LINK_READ_ONLY)
        tell(text, "The connection to libvirt may only read: nothing is changed in any guest.");
    else
        tell(text, "Its mode is observe: everything is worked out and nothing is changed.");
    if (is_sharing(text->guest))
        tell(text, "Otherwise it would have {share}.");
}

const char *
figure_observe(const ExplainText *text)
{
    return text->guest->ideal_kib != 0 ? "it would get {share}" : NULL;
}

void
why_starting(ExplainText *text)
{
    tell(text, text->guest->granted_kib > 0
                   ? "It started {boot} ago and its balloon is not where it was told to go yet. Until then a limit on "
                     "its cgroup (memory.high) keeps it to the {booked} that are booked for it, and it is not squeezed."
                   : "It started {boot} ago and its balloon driver is not up yet. Until then it may touch all of its "
                     "memory, so {booked} are booked for it and it is not squeezed.");
}

void
why_let_go(ExplainText *text)
{
    say(text,
        "%s. It gets its startup memory of {startup} back first, as it comes free; when that, and all else that its "
        "balloon leaves it, is booked for it, it is let go, and its memory is changed no more.",
        text->settings->managed        ? "Its mode is static now"
        : text->settings->element_gone ? "Its dynmem element is gone from its definition, so it is no longer managed"
                                       : "It is no longer managed");
}

void
why_stuck(ExplainText *text)
{
    tell(text, text->guest->flagged_usec != 0 ? "Its balloon does not move; that was noticed {flagged} ago."
                                              : "Its balloon does not move.");
    tell(text, "It is left out of the sharing, so that nobody waits for it, and what it has stays booked.");
    if (text->guest->retry_usec > text->now_usec)
        tell(text, "It is tried again in {retry}.");
}

void
why_frozen(ExplainText *text)
{
    say(text, "%s: what it had, {booked}, stays booked and nothing is changed.",
        text->snapshot->migrating                      ? "It is being migrated"
        : text->snapshot->life == GUEST_LIFE_SUSPENDED ? "It is suspended"
        : text->snapshot->life == GUEST_LIFE_PAUSED    ? "It is paused"
                                                       : "It is frozen");
}
