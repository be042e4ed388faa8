/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain_starts.h"

#include "givers.h"
#include "held_tick.h"
#include "rule_ways.h"
#include "units.h"

#include <inttypes.h>

#define CLAIMANTS 3

const char *
restart_text(RestartKind kind)
{
    static const char *const texts[] = {
        [RESTART_NONE] = NULL,
        [RESTART_RESET] = "it was reset",
        [RESTART_SOON] = "it was stopped a moment before",
        [RESTART_HOST] = "it ran when the host went down",
    };

    return texts[kind];
}

/* ---- who gives, who waits ---- */

static const char *
giver_words(ExplainText *text, const GuestPlan *other)
{
    g_autofree char *words = giver_text(other);

    return g_string_chunk_insert(text->strings, words);
}

static void
say_who_gives(ExplainText *text)
{
    const char *giving = others(text, giver_kib, giver_words);

    if (giving != NULL)
        say(text, "Memory is being given up by others: %s.", giving);
}

/* Names of those that others are squeezed for, up to three, or NULL. */
static const char *
claimants(ExplainText *text)
{
    const Plan *plan = text->plan;
    g_autoptr(GString) list = g_string_new(NULL);
    unsigned count = 0;

    for (size_t i = 0; i < plan->start_count; i++)
        if (plan->starts[i].verdict == START_WAITS && count++ < CLAIMANTS)
            g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "", plan->starts[i].request->name);
    for (size_t i = 0; i < plan->guest_count; i++) {
        const GuestPlan *other = &plan->guests[i];

        if (other != text->guest && (other->rule == PLAN_RULE_RESTART || other->rule == PLAN_RULE_PAGING_LEAVE) &&
            count++ < CLAIMANTS)
            g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "", other->guest->name);
    }
    if (count > CLAIMANTS)
        g_string_append_printf(list, " and %u more", count - CLAIMANTS);
    return count > 0 ? g_string_chunk_insert(text->strings, list->str) : NULL;
}

/* ---- why ---- */

void
why_make_room(ExplainText *text)
{
    const char *names = claimants(text);

    if (names != NULL)
        say(text, "Memory is waited for by %s.", names);
}

static void
say_blockers(ExplainText *text, const StartPlan *start)
{
    for (unsigned i = 0; i < start->blocker_count; i++) {
        g_autofree char *blocker = start_blocker_text(&start->blockers[i]);

        say(text, "In the way: %s.", blocker);
    }
}

void
why_reserved(ExplainText *text)
{
    const StartPlan *start = plan_find_start(text->plan, text->snapshot->uuid);

    if (start == NULL) {
        tell(text, "It is off and about to start: {booked} are booked for it.");
        return;
    }
    if (restart_text(start->request->restart) != NULL)
        say(text, "This start counts as a restart, which is not refused for want of memory: %s.",
            restart_text(start->request->restart));
    if (start->verdict == START_WAITS) {
        tell(text, "It is off and waits to be started. It needs {start-needs}, {start-overhead} of them for its QEMU; "
                   "{start-free} are free and {start-reclaimable} can be taken from others.");
        say_who_gives(text);
        say_blockers(text, start);
        say(text, "It is answered in %s at the latest.", since(text, start->request->deadline_usec));
        return;
    }
    if (start->booked_kib > 0)
        tell(text,
             "It is off and about to start: {start-booked} are booked for it, and {start-overhead} for its QEMU.");
    else
        tell(text, "It is off and about to start; nothing could be booked for it yet.");
    if (start->shortfall_kib > 0)
        tell(text, "{start-missing} of what it needs could not be found, and are to come from a paging file.");
}

static void
say_restart(ExplainText *text)
{
    const char *because = restart_text(text->guest->restart);

    if (because != NULL)
        say(text, "It restarted {boot} ago: %s.", because);
    else
        tell(text, "It started {boot} ago.");
}

/* What it was found so far, and what it still lacks. */
static void
say_grant(ExplainText *text)
{
    tell(text, text->guest->shortfall_kib > 0
                   ? "Of the {startup} that it needs to boot {granted} are found, and {shortfall} are missing."
                   : "The {startup} that it needs to boot are found.");
}

void
why_restart(ExplainText *text)
{
    const GuestPlan *guest = text->guest;

    say_restart(text);
    tell(text, "Until its balloon driver is back its balloon is void, so a limit on its cgroup (memory.high) keeps it "
               "to what memory is found for it.");
    say_grant(text);
    if (guest->shortfall_kib > 0)
        say_who_gives(text);
    if (guest->paging_phase == PAGING_PHASE_REFUSED)
        say(text,
            "A paging file would hold the rest, but can't be had: %s. So it boots with what there is, which is "
            "slow: above the limit it is held back while its memory is reclaimed.",
            guest->paging_bar != NULL ? guest->paging_bar : "it could not be made");
    else if (guest->paging_phase == PAGING_PHASE_MAKE)
        tell(text, "That can't be had in time, so a paging file of {file-planned} is being made for the rest.");
}

static void
say_file(ExplainText *text)
{
    const PagingRecord *file = text->snapshot->paging;

    if (file == NULL)
        return;
    say(text, "Its paging file in %s is {file} old and has {file-size}, of which {file-used} are used.",
        file->directory);
    if (text->guest->paging_urgency == PAGING_URGENCY_OVERDUE)
        tell(text, "It should have been gone {file-due} ago; this goes on being tried.");
    else if (text->guest->paging_deadline_usec > text->now_usec)
        tell(text, "It is to be gone in {file-due}.");
    if (file->error != NULL)
        say(text, "What failed last: %s.", file->error);
}

void
why_paging(ExplainText *text)
{
    say_restart(text);
    tell(text, text->snapshot->paging == NULL
                   ? "There is not enough memory on the host in time, so a paging file is being made for a part of the "
                     "{startup} that it needs to boot."
                   : "There was not enough memory on the host in time, so a part of the {startup} that it needs to "
                     "boot is in a paging file.");
    if (text->guest->shortfall_kib > 0)
        say_grant(text);
    say_file(text);
}

void
why_paging_leave(ExplainText *text)
{
    say_file(text);
    say_who_gives(text);
}

const char *
figure_reserved(const ExplainText *text)
{
    const StartPlan *start = plan_find_start(text->plan, text->snapshot->uuid);

    if (start != NULL && start->shortfall_kib > 0)
        return "{booked} are booked for it, {start-missing} are missing";
    if (start == NULL || start->verdict != START_WAITS)
        return "{booked} are booked for it";
    return "it needs {start-needs}, {start-free} are free";
}

/* ---- what would have to change ---- */

void
more_make_room(ExplainText *text)
{
    if (text->settings->priority < 100)
        tell(text, "Raise its priority, now {priority} of 100: what a guest needs is taken only for others whose "
                   "priority is not below its own.");
    if (text->guest->ideal_kib < text->settings->maximum_kib)
        tell(text, "Raise its minimum, now {minimum}: nobody is squeezed below it.");
}

void
more_reserved(ExplainText *text)
{
    const StartPlan *start = plan_find_start(text->plan, text->snapshot->uuid);

    if (start == NULL || start->verdict != START_WAITS) {
        tell(text, "Nothing need be changed: it gets what is booked for it when it starts.");
        return;
    }
    tell(text, "It is started as soon as memory is seen to be free; for that nothing need be changed.");
    take_from_others(text);
    raise_budget(text);
    tell(text, "Lower its startup memory, now {startup}, if it can boot with less.");
}

void
more_restart(ExplainText *text)
{
    if (text->guest->shortfall_kib == 0) {
        tell(text, "Nothing need be changed: it takes part in the sharing once its balloon driver is back.");
        return;
    }
    tell(text, "It gets its startup memory as it comes free; for that nothing need be changed.");
    if (text->guest->paging_phase == PAGING_PHASE_REFUSED)
        tell(text, "See 'dm-ctl check' for what a paging file would need on this host.");
    take_from_others(text);
    raise_budget(text);
}

void
more_paging(ExplainText *text)
{
    if (!text->snapshot->driver_up)
        tell(text, "Its file stays until its balloon driver is back: if that does not come, look at its console.");
    take_from_others(text);
    raise_budget(text);
}
