/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Why a guest has what it has: what it has, what it needs, which rule decided, how the host stands. A sentence says
 * only what follows from the rule and the figures beside it.
 */

#include "explain.h"
#include "explain_booked.h"
#include "explain_starts.h"
#include "explain_text.h"
#include "givers.h"
#include "held_tick.h"
#include "units.h"

#include <inttypes.h>

/* ---- what it needs ---- */

static void
say_doubts(ExplainText *text)
{
    uint32_t doubts = text->snapshot->doubts;

    if ((doubts & (DOUBT_USABLE_ABOVE_TOTAL | DOUBT_IMPOSSIBLE)) != 0)
        say(text, "What it reports can't be right, so it is taken to need all that it has.");
    else if (doubts != 0)
        say(text, "Some of what it reports can't be right, and is trusted within bounds only.");
}

static void
say_what_it_needs(ExplainText *text)
{
    const GuestPlan *guest = text->guest;
    const GuestSnapshot *snapshot = text->snapshot;
    const GuestSettings *settings = text->settings;

    if (!is_sharing(guest) || guest->want_kib == 0)
        return;
    say(text, "It needs %s; with its buffer of %" PRIu32 " percent it wants %s%s.", size(text, guest->demand_kib),
        settings->buffer_percent, size(text, guest->want_kib),
        guest->want_kib == settings->maximum_kib   ? ", its maximum"
        : guest->want_kib == settings->minimum_kib ? ", its minimum"
                                                   : "");
    if (snapshot->has_usable && snapshot->report_usec != 0)
        say(text, "Its last report, %s ago, said that %s of %s were usable.", since(text, snapshot->report_usec),
            size(text, snapshot->usable_kib), size(text, snapshot->report_actual_kib));
    if (guest->starved)
        say(text,
            "It is starved (it fetches memory back from its disk, or has almost nothing usable left), so it may need "
            "more than it shows.");
    if (guest->demand_kib <= guest->floor_kib && guest->floor_kib != 0)
        say(text, "A guest of its size can't live below %s, which is taken as its need.", size(text, guest->floor_kib));
    if (text->report->settings->cache_share_percent > 0 && snapshot->has_cache)
        say(text, "%" PRIu32 " percent of its page cache count as needed (CacheShare=).",
            text->report->settings->cache_share_percent);
    say_doubts(text);
}

/* ---- the rules ---- */

static void
why_satisfied(ExplainText *text)
{
    say(text, "It is to have %s, which covers all that it wants.", size(text, text->guest->ideal_kib));
}

static void
why_at_minimum(ExplainText *text)
{
    say(text, "It would do with less than its minimum of %s, and no guest is squeezed below its minimum.",
        size(text, text->settings->minimum_kib));
}

static void
why_at_maximum(ExplainText *text)
{
    say(text, "It would want more than its maximum of %s, and no guest gets more than its maximum.",
        size(text, text->settings->maximum_kib));
}

static void
why_shortage(ExplainText *text)
{
    const GuestPlan *guest = text->guest;
    const char *lack = size(text, saturating_sub(guest->want_kib, guest->ideal_kib));

    if (guest->ideal_kib < guest->demand_kib)
        say(text,
            "The budget does not suffice for what the guests want and is shared by priority: with priority %" PRIu32
            " its share is %s, which is %s less than it wants and %s less than it needs.",
            text->settings->priority, size(text, guest->ideal_kib), lack,
            size(text, guest->demand_kib - guest->ideal_kib));
    else
        say(text,
            "The budget does not suffice for what the guests want and is shared by priority: with priority %" PRIu32
            " its share is %s, which covers what it needs and is %s less than it wants.",
            text->settings->priority, size(text, guest->ideal_kib), lack);
}

static void
why_minimums(ExplainText *text)
{
    say(text,
        "Not even the minimums of the guests that share fit: they add up to %s, and the guests may have %s "
        "together. It is to have %s.",
        size(text, text->plan->minimums_kib), size(text, text->plan->sharing_kib), size(text, text->guest->ideal_kib));
}

static void
why_pressure(ExplainText *text)
{
    say(text,
        "The kernel reports that the host itself lacks memory, so buffers are given up: it is to have %s, which covers "
        "what it needs, but not all that it wants.",
        size(text, text->guest->ideal_kib));
}

static void
why_surplus(ExplainText *text)
{
    say(text, "Memory that nobody wants is handed out (GiveAway=): it is to have %s, which is %s more than it wants.",
        size(text, text->guest->ideal_kib), size(text, saturating_sub(text->guest->ideal_kib, text->guest->want_kib)));
}

static void
why_peak(ExplainText *text)
{
    say(text,
        "It needed more a short while ago, and nobody else lacks that memory: it is to have %s, which is %s more than "
        "it "
        "wants now.",
        size(text, text->guest->ideal_kib), size(text, saturating_sub(text->guest->ideal_kib, text->guest->want_kib)));
}

static const char *
giving_text(ExplainText *text, const GuestPlan *other)
{
    return size(text, giver_kib(other));
}

/* What limits the share behind a delay. */
static void
say_shared_limit(ExplainText *text)
{
    PlanRule limit = shared_limit(text);

    if (limit == PLAN_RULE_SHORTAGE)
        why_shortage(text);
    else if (limit == PLAN_RULE_MINIMUMS)
        why_minimums(text);
    else if (limit == PLAN_RULE_PRESSURE)
        why_pressure(text);
}

static size_t
count_awaited(const Plan *plan)
{
    size_t awaited = 0;

    for (size_t i = 0; i < plan->guest_count; i++)
        awaited += plan->guests[i].rule == PLAN_RULE_ADOPTING;
    return awaited;
}

static void
why_wait_free(ExplainText *text)
{
    const char *giving = others(text, giver_kib, giving_text);
    size_t awaited = count_awaited(text->plan);

    say(text,
        "It is to have %s, but a raise is told only as far as memory is seen to be free: guests are committed %s of a "
        "budget of %s.",
        size(text, text->guest->ideal_kib), size(text, text->plan->committed_kib), size(text, text->plan->budget_kib));
    if (giving != NULL)
        say(text, "Other guests are giving memory back: %s.", giving);
    if (awaited > 0)
        say(text, "%zu guest%s that ran before dynmemd did might have more than is known: the first report is awaited.",
            awaited, awaited == 1 ? "" : "s");
    if (!text->report->snapshot->host.figures_valid)
        say(text, "The figures of the host can't be read at the moment, and without them no raise is safe.");
    say_shared_limit(text);
}

static void
why_wait_surplus(ExplainText *text)
{
    if (count_awaited(text->plan) > 0 && text->guest->ideal_kib >= text->guest->target_kib) {
        say(text, "Nobody is squeezed until the guests that ran before dynmemd did have sent their first report.");
        return;
    }
    say(text,
        "Its share is %s, but what a guest has beyond its share is taken back only when another one wants it or once "
        "it has lasted.",
        size(text, text->guest->ideal_kib));
    say_shared_limit(text);
}

static void
why_step(ExplainText *text)
{
    say(text, "It is being shrunk to %s, in steps that it can follow; the present one ends at %s.",
        size(text, text->guest->ideal_kib), size(text, text->guest->target_kib));
    say_shared_limit(text);
}

static void
why_small(ExplainText *text)
{
    uint64_t ideal = text->guest->ideal_kib;
    uint64_t target = text->guest->target_kib;

    if (ideal > target && target >= text->guest->demand_kib)
        say(text,
            "Its share is %s, which is %s more than its target. That is spare memory, of which it has half or more, "
            "and it "
            "is refilled when less is left.",
            size(text, ideal), size(text, ideal - target));
    else
        say(text, "Its share is %s, and that differs from its target by %s only, too little to move it for.",
            size(text, ideal), size(text, MAX(ideal, target) - MIN(ideal, target)));
    say_shared_limit(text);
}

static void
why_stale(ExplainText *text)
{
    if (text->snapshot->report_usec != 0)
        say(text, "Its statistics have not changed for %s, and it is not shrunk on old figures.",
            since(text, text->snapshot->report_usec));
    else
        say(text, "Its statistics have stopped changing, and it is not shrunk on old figures.");
}

static void
why_starved(ExplainText *text)
{
    say(text,
        "A starved guest shows what it has, not what it needs. It is tried with more, in steps that double, and with "
        "up to twice "
        "what it has of what nobody else lacks: it is to have %s.",
        size(text, text->guest->ideal_kib));
}

static void
why_settling(ExplainText *text)
{
    say(text, "Its balloon driver came up %s ago, and it is not squeezed until it has settled.",
        since(text, text->snapshot->driver_usec));
}

static void
why_retry(ExplainText *text)
{
    say(text,
        "It did not follow its target before and is being tried again; until it has behaved for a while nothing that "
        "it has yet to give is counted on.");
    say_shared_limit(text);
}

static void
why_limit(ExplainText *text)
{
    say(text,
        "It gave what it could: it stopped shrinking with next to nothing usable left, so it is not squeezed further "
        "for a while.");
    say_shared_limit(text);
}

static void
why_off(ExplainText *text)
{
    say(text, "It is off and has no memory.");
}

static void
why_unmanaged(ExplainText *text)
{
    say(text,
        "dynmem does not manage it: it has no dynmem element in its metadata. Its memory is counted (%s) and never "
        "changed.",
        size(text, text->guest->committed_kib));
}

static void
why_static(ExplainText *text)
{
    say(text, "Its mode is static: its memory is counted (%s) and never changed.",
        size(text, text->guest->committed_kib));
}

static void
why_bar(ExplainText *text)
{
    say(text, "Its memory can't be changed to any use: %s. It is counted with %s.",
        balloon_bar_text(text->settings->bar), size(text, text->guest->committed_kib));
}

static void
why_inhibited(ExplainText *text)
{
    say(text,
        "Its balloon took memory and the host gained nothing by it: its QEMU holds %s, although the guest should have "
        "%s. So it is counted with %s and left alone.",
        size(text, text->snapshot->resident_kib), size(text, text->guest->assigned_kib),
        size(text, text->guest->committed_kib));
}

static void
why_no_driver(ExplainText *text)
{
    say(text, "Its balloon driver has not answered, so it may use all of its memory, and %s are counted for it.",
        size(text, text->guest->committed_kib));
}

static void
why_no_statistics(ExplainText *text)
{
    say(text,
        "It sends no statistics that could be used, so nobody knows what it needs: it is left at what it has, and "
        "counted with %s.",
        size(text, text->guest->committed_kib));
}

static void
why_observe(ExplainText *text)
{
    if (text->report->dry_run)
        say(text, "This is a dry run: nothing is changed in any guest.");
    else if (text->report->snapshot->host.link == WORLD_LINK_READ_ONLY)
        say(text, "The connection to libvirt may only read: nothing is changed in any guest.");
    else
        say(text, "Its mode is observe: everything is worked out and nothing is changed.");
    if (is_sharing(text->guest))
        say(text, "If it were not so, it would be to have %s.", size(text, text->guest->ideal_kib));
    say_shared_limit(text);
}

static void
why_starting(ExplainText *text)
{
    if (text->guest->granted_kib > 0) {
        say(text,
            "It started %s ago and its balloon is not where it was told to go yet. Until then a limit on its cgroup "
            "(memory.high) keeps it to the %s that are booked for it, and it is not squeezed.",
            since(text, text->snapshot->boot_usec), size(text, text->guest->committed_kib));
        return;
    }
    say(text,
        "It started %s ago and its balloon driver is not up yet. Until then it may touch all of its memory, so %s are "
        "booked for it and it is not squeezed.",
        since(text, text->snapshot->boot_usec), size(text, text->guest->committed_kib));
}

static void
why_adopting(ExplainText *text)
{
    say(text, "It ran before dynmemd did, and its first report is awaited: until then it keeps what it has.");
}

static void
why_reset(ExplainText *text)
{
    say(text,
        "It was reset %s ago. Until its balloon driver is back and settled its balloon is void and it may touch all of "
        "its "
        "memory, so %s are booked for it.",
        since(text, text->snapshot->boot_usec), size(text, text->guest->committed_kib));
}

static void
why_stuck(ExplainText *text)
{
    const GuestPlan *guest = text->guest;

    if (guest->flagged_usec != 0)
        say(text, "Its balloon does not move; that was noticed %s ago.", since(text, guest->flagged_usec));
    else
        say(text, "Its balloon does not move.");
    say(text, "It is left out of the sharing, so that nobody waits for it, and what it has stays booked.");
    if (guest->retry_usec > text->now_usec)
        say(text, "It is tried again in %s.", since(text, guest->retry_usec));
}

static void
why_unresponsive(ExplainText *text)
{
    say(text, "Its QEMU does not answer. It is set aside with %s booked, and taken back as soon as it answers.",
        size(text, text->guest->committed_kib));
}

static void
why_frozen(ExplainText *text)
{
    const char *what = text->snapshot->migrating                      ? "It is being migrated"
                       : text->snapshot->life == GUEST_LIFE_SUSPENDED ? "It is suspended"
                       : text->snapshot->life == GUEST_LIFE_PAUSED    ? "It is paused"
                                                                      : "It is frozen";

    say(text, "%s: what it had, %s, stays booked and nothing is changed.", what,
        size(text, text->guest->committed_kib));
}

static void
why_link_down(ExplainText *text)
{
    say(text, "There is no connection to libvirt: guests keep the targets that they have.");
}

static void (*const reasons[PLAN_RULE_COUNT])(ExplainText *text) = {
    [PLAN_RULE_SATISFIED] = why_satisfied,
    [PLAN_RULE_AT_MINIMUM] = why_at_minimum,
    [PLAN_RULE_AT_MAXIMUM] = why_at_maximum,
    [PLAN_RULE_SHORTAGE] = why_shortage,
    [PLAN_RULE_MINIMUMS] = why_minimums,
    [PLAN_RULE_PRESSURE] = why_pressure,
    [PLAN_RULE_PEAK] = why_peak,
    [PLAN_RULE_SURPLUS] = why_surplus,
    [PLAN_RULE_WAIT_FREE] = why_wait_free,
    [PLAN_RULE_WAIT_SURPLUS] = why_wait_surplus,
    [PLAN_RULE_STEP] = why_step,
    [PLAN_RULE_SMALL] = why_small,
    [PLAN_RULE_STALE] = why_stale,
    [PLAN_RULE_STARVED] = why_starved,
    [PLAN_RULE_SETTLING] = why_settling,
    [PLAN_RULE_RETRY] = why_retry,
    [PLAN_RULE_MAKE_ROOM] = why_make_room,
    [PLAN_RULE_LIMIT] = why_limit,
    [PLAN_RULE_LET_BE] = why_let_be,
    [PLAN_RULE_BOUND] = why_bound,
    [PLAN_RULE_OFF] = why_off,
    [PLAN_RULE_UNMANAGED] = why_unmanaged,
    [PLAN_RULE_STATIC] = why_static,
    [PLAN_RULE_BAR] = why_bar,
    [PLAN_RULE_INHIBITED] = why_inhibited,
    [PLAN_RULE_NO_DRIVER] = why_no_driver,
    [PLAN_RULE_NO_STATISTICS] = why_no_statistics,
    [PLAN_RULE_OBSERVE] = why_observe,
    [PLAN_RULE_STARTING] = why_starting,
    [PLAN_RULE_ADOPTING] = why_adopting,
    [PLAN_RULE_BROUGHT] = why_brought,
    [PLAN_RULE_LET_GO] = why_let_go,
    [PLAN_RULE_RESET] = why_reset,
    [PLAN_RULE_STUCK] = why_stuck,
    [PLAN_RULE_UNRESPONSIVE] = why_unresponsive,
    [PLAN_RULE_FROZEN] = why_frozen,
    [PLAN_RULE_RESERVED] = why_reserved,
    [PLAN_RULE_RESTART] = why_restart,
    [PLAN_RULE_PAGING] = why_paging,
    [PLAN_RULE_PAGING_LEAVE] = why_paging_leave,
    [PLAN_RULE_LINK_DOWN] = why_link_down,
};

/* ---- the host ---- */

static void
say_host(ExplainText *text)
{
    const Plan *plan = text->plan;

    if (is_sharing(text->guest))
        say(text,
            "The guests that share may have %s together; what they need adds up to %s, what they want to %s, their "
            "minimums to %s.",
            size(text, plan->sharing_kib), size(text, plan->demands_kib), size(text, plan->wants_kib),
            size(text, plan->minimums_kib));
    if (plan->over_budget)
        say(text, "The host is over its budget: guests are committed %s of %s.", size(text, plan->committed_kib),
            size(text, plan->budget_kib));
}

GPtrArray *
explain_why(const GuestPlan *guest, const TickReport *report)
{
    const GuestIssue *issue = tick_report_issue(report, guest->guest->uuid);
    ExplainText text;

    explain_text_init(&text, guest, report);
    say_what_it_has(&text);
    say_what_it_needs(&text);
    if (reasons[guest->rule] != NULL)
        reasons[guest->rule](&text);
    if (guest->guest->rhythm_sec != 0)
        say(&text,
            "It reports every %" PRIu64 " s, and every %" PRIu64 " s is asked for: somebody else has changed that "
            "(virt-manager, cockpit, 'virsh dommemstat'), or the guest is slow.",
            guest->guest->rhythm_sec, guest->guest->period_usec / USEC_PER_SEC);
    if (guest->retry && guest->rule != PLAN_RULE_RETRY)
        say(&text, "It did not follow its target before and is on trial.");
    say_host(&text);
    if (issue != NULL && issue->rejected)
        say(&text, "Its settings can't be used as they are: %s.", issue->message);
    else if (issue != NULL)
        say(&text, "Its settings are in force, and may not work out: %s.", issue->message);
    return explain_text_finish(&text);
}
