/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain_starts.h"

#include "explain_ways.h"
#include "givers.h"
#include "held_tick.h"
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

    say(text, "It is squeezed to %s so that another guest can start or restart.", size(text, text->guest->ideal_kib));
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
        say(text, "It is off and about to start: %s are booked for it.", size(text, text->guest->committed_kib));
        return;
    }
    if (restart_text(start->request->restart) != NULL)
        say(text, "This start counts as a restart, which is not refused for want of memory: %s.",
            restart_text(start->request->restart));
    if (start->verdict == START_WAITS) {
        say(text,
            "It is off and waits to be started. It needs %s, %s of them for its QEMU; %s are free and %s can be taken "
            "from others.",
            size(text, start->needed_kib), size(text, start->overhead_kib), size(text, start->free_kib),
            size(text, start->reclaimable_kib));
        say_who_gives(text);
        say_blockers(text, start);
        say(text, "It is answered in %s at the latest.", since(text, start->request->deadline_usec));
        return;
    }
    if (start->booked_kib > 0)
        say(text, "It is off and about to start: %s are booked for it, and %s for its QEMU.",
            size(text, start->booked_kib), size(text, start->overhead_kib));
    else
        say(text, "It is off and about to start; nothing could be booked for it yet.");
    if (start->shortfall_kib > 0)
        say(text, "%s of what it needs could not be found, and are to come from a paging file.",
            size(text, start->shortfall_kib));
}

static void
say_restart(ExplainText *text)
{
    const char *because = restart_text(text->guest->restart);

    if (because != NULL)
        say(text, "It restarted %s ago: %s.", since(text, text->snapshot->boot_usec), because);
    else
        say(text, "It started %s ago.", since(text, text->snapshot->boot_usec));
}

/* What it was found so far, and what it still lacks. */
static void
say_grant(ExplainText *text)
{
    const GuestPlan *guest = text->guest;

    if (guest->shortfall_kib > 0)
        say(text, "Of the %s that it needs to boot %s are found, and %s are missing.",
            size(text, text->settings->startup_kib), size(text, guest->granted_kib), size(text, guest->shortfall_kib));
    else
        say(text, "The %s that it needs to boot are found.", size(text, text->settings->startup_kib));
}

void
why_restart(ExplainText *text)
{
    const GuestPlan *guest = text->guest;

    say_restart(text);
    say(text,
        "Until its balloon driver is back its balloon is void, so a limit on its cgroup (memory.high) keeps it to "
        "what memory is found for it.");
    say_grant(text);
    if (guest->shortfall_kib > 0)
        say_who_gives(text);
    if (guest->paging_phase == PAGING_PHASE_REFUSED)
        say(text,
            "A paging file would hold the rest, but can't be had: %s. So it boots with what there is, which is "
            "slow: above the limit it is held back while its memory is reclaimed.",
            guest->paging_bar != NULL ? guest->paging_bar : "it could not be made");
    else if (guest->paging_phase == PAGING_PHASE_MAKE)
        say(text, "That can't be had in time, so a paging file of %s is being made for the rest.",
            size(text, guest->paging_size_kib));
}

static void
say_file(ExplainText *text)
{
    const PagingRecord *file = text->snapshot->paging;

    if (file == NULL)
        return;
    say(text, "Its paging file in %s is %s old and has %s, of which %s are used.", file->directory,
        since(text, file->since_usec), size(text, file->size_kib), size(text, file->used_kib));
    if (text->guest->paging_urgency == PAGING_URGENCY_OVERDUE)
        say(text, "It should have been gone %s ago; this goes on being tried.",
            since(text, text->guest->paging_deadline_usec));
    else if (text->guest->paging_deadline_usec > text->now_usec)
        say(text, "It is to be gone in %s.", since(text, text->guest->paging_deadline_usec));
    if (file->error != NULL)
        say(text, "What failed last: %s.", file->error);
}

void
why_paging(ExplainText *text)
{
    say_restart(text);
    if (text->snapshot->paging == NULL)
        say(text,
            "There is not enough memory on the host in time, so a paging file is being made for a part of the %s that "
            "it "
            "needs to boot.",
            size(text, text->settings->startup_kib));
    else
        say(text,
            "There was not enough memory on the host in time, so a part of the %s that it needs to boot is in a paging "
            "file.",
            size(text, text->settings->startup_kib));
    if (text->guest->shortfall_kib > 0)
        say_grant(text);
    say_file(text);
}

void
why_paging_leave(ExplainText *text)
{
    say(text, "It has restarted with a paging file, and its balloon driver is back: it is ballooned down to the memory "
              "that it physically has, and memory that comes free goes to it first, until the file can be emptied.");
    say_file(text);
    say_who_gives(text);
}

/* ---- what would have to change ---- */

void
more_make_room(ExplainText *text)
{
    say(text, "Nothing need be changed: it gets its share again once the other guest has what it needs.");
    if (text->settings->priority < 100)
        say(text,
            "Raise its priority, now %" PRIu32 " of 100: what a guest needs is taken only for others whose priority "
            "is not below its own.",
            text->settings->priority);
    if (text->guest->ideal_kib < text->settings->maximum_kib)
        say(text, "Raise its minimum, now %s: nobody is squeezed below it.", size(text, text->settings->minimum_kib));
}

void
more_reserved(ExplainText *text)
{
    const StartPlan *start = plan_find_start(text->plan, text->snapshot->uuid);

    if (start == NULL || start->verdict != START_WAITS) {
        say(text, "Nothing need be changed: it gets what is booked for it when it starts.");
        return;
    }
    say(text, "It is started as soon as memory is seen to be free; for that nothing need be changed.");
    take_from_others(text);
    raise_budget(text);
    say(text, "Lower its startup memory, now %s, if it can boot with less.", size(text, text->settings->startup_kib));
}

void
more_restart(ExplainText *text)
{
    if (text->guest->shortfall_kib == 0) {
        say(text, "Nothing need be changed: it takes part in the sharing once its balloon driver is back.");
        return;
    }
    say(text, "It gets its startup memory as it comes free; for that nothing need be changed.");
    if (text->guest->paging_phase == PAGING_PHASE_REFUSED)
        say(text, "See 'dm-ctl check' for what a paging file would need on this host.");
    take_from_others(text);
    raise_budget(text);
}

void
more_paging(ExplainText *text)
{
    say(text, "Memory that comes free goes to it before all others; for that nothing need be changed.");
    if (!text->snapshot->driver_up)
        say(text, "Its file stays until its balloon driver is back: if that does not come, look at its console.");
    take_from_others(text);
    raise_budget(text);
}
