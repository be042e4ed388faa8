/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_checks.h"

#include "expect.h"
#include "units.h"

#include <inttypes.h>

/* ---- guests that do not cooperate ---- */

void
check_slow(const Trace *trace, GString *wrong)
{
    expect(wrong, trace_seconds_in(trace, trace_guest(trace, "slow"), GUEST_STATE_STUCK, 0, trace->seconds) == 0,
           "it was taken for stuck");
    expect_unmet(trace, wrong, TRACE_ALL, 500, 0.5);
    expect_never_over(trace, wrong);
}

void
check_floor(const Trace *trace, GString *wrong)
{
    expect(wrong, last_point(trace, trace_guest(trace, "floor"))->assigned_kib == 4 * KIB_PER_GIB,
           "it was not brought down to what it gives");
    for (size_t i = 1; i < trace->count; i++)
        expect(wrong, last_point(trace, i)->assigned_kib >= percent_of(KIB_PER_GIB * 10 / 3, 98),
               "%s has only %.1f MiB", spec_of(trace, i)->name, (double)last_point(trace, i)->assigned_kib / 1024);
    expect_calm(trace, wrong, 6);
    expect_never_over(trace, wrong);
}

void
check_no_driver(const Trace *trace, GString *wrong)
{
    const TracePoint *point = last_point(trace, trace_guest(trace, "none"));

    expect(wrong, point->committed_kib == 8 * KIB_PER_GIB, "it is committed %.1f MiB",
           (double)point->committed_kib / 1024);
    expect_others_unmet(trace, wrong, "none", 0, 4);
    expect_never_over(trace, wrong);
}

void
check_no_stats(const Trace *trace, GString *wrong)
{
    expect_untouched(trace, wrong, "mute", 60, trace->seconds);
    expect(wrong, last_point(trace, trace_guest(trace, "mute"))->assigned_kib >= 2 * KIB_PER_GIB,
           "it was shrunk without knowing what it needs");
    expect_others_unmet(trace, wrong, "mute", 0, 4);
    expect_never_over(trace, wrong);
}

void
check_lying(const Trace *trace, GString *wrong)
{
    size_t liar = trace_guest(trace, "liar");
    bool doubted = false;

    for (uint64_t second = 0; second < trace->seconds; second++)
        doubted |= trace_point(trace, liar, second)->doubts != 0;
    expect(wrong, doubted, "nothing it said was doubted");
    expect_others_unmet(trace, wrong, "liar", 0, 5);
}

/* What it pulls out of its balloon is gone; all else that it does costs nobody anything for long. */
void
check_lying_in_shortage(const Trace *trace, GString *wrong)
{
    size_t liar = trace_guest(trace, "liar");
    uint64_t fair = 12 * KIB_PER_GIB / 3;
    double unmet = 0;

    for (uint64_t second = 0; second < trace->seconds; second++) {
        const TracePoint *point = trace_point(trace, liar, second);

        if (point->assigned_kib <= fair)
            unmet += trace_unmet(trace, TRACE_ALL, second, second + 1) - trace_unmet(trace, liar, second, second + 1);
        if ((point->doubts & DOUBT_USABLE_ABOVE_TOTAL) != 0 && point->demand_kib < point->need_kib / 2) {
            expect(wrong, false, "second %" PRIu64 ": it is believed that it needs only %.1f MiB", second,
                   (double)point->demand_kib / 1024);
            return;
        }
    }
    expect(wrong, unmet <= 40, "the others lacked %.1f GiB s while it had no more than its share", unmet);
}

void
check_trickle(const Trace *trace, GString *wrong)
{
    expect_state(trace, wrong, "trickle", GUEST_STATE_STUCK, 150, 400);
    for (size_t i = 1; i < trace->count; i++)
        expect(wrong, trace_point(trace, i, 300)->assigned_kib >= 39 * KIB_PER_GIB / 10, "%s has only %.1f MiB",
               spec_of(trace, i)->name, (double)trace_point(trace, i, 300)->assigned_kib / 1024);
    expect_never_over(trace, wrong);
}

void
check_inhibited_tight(const Trace *trace, GString *wrong)
{
    expect(wrong, trace->summary.exhausted_seconds == 0, "the host was exhausted for %" PRIu64 " seconds",
           trace->summary.exhausted_seconds);
    expect(wrong, last_point(trace, trace_guest(trace, "pinned"))->rule == PLAN_RULE_INHIBITED,
           "it was not found out: %s", plan_rule_name(last_point(trace, trace_guest(trace, "pinned"))->rule));
}

void
check_inhibited_unseen(const Trace *trace, GString *wrong)
{
    for (uint64_t second = 0; second < trace->seconds; second++)
        if (trace_point(trace, trace_guest(trace, "pinned"), second)->held) {
            expect(wrong, false, "it is held back in second %" PRIu64 " for what its balloon did not free", second);
            break;
        }
    for (uint64_t second = 0; second < trace->seconds; second++) {
        uint64_t resident = trace->hosts[second].resident_kib;

        if (resident > 17 * KIB_PER_GIB) {
            expect(wrong, false, "second %" PRIu64 ": the reserve is not kept, the guests hold %.1f MiB", second,
                   (double)resident / 1024);
            break;
        }
    }
    expect(wrong, last_point(trace, 1)->assigned_kib >= 4 * KIB_PER_GIB, "%s has only %.1f MiB",
           spec_of(trace, 1)->name, (double)last_point(trace, 1)->assigned_kib / 1024);
    /* what it keeps is booked, and no raise is told for that */
    expect(wrong, trace->summary.exhausted_seconds == 0, "the host was exhausted for %" PRIu64 " seconds",
           trace->summary.exhausted_seconds);
}

void
check_intermittent(const Trace *trace, GString *wrong)
{
    uint64_t stuck = trace_seconds_in(trace, trace_guest(trace, "limping"), GUEST_STATE_STUCK, 250, trace->seconds);

    expect(wrong, stuck >= (trace->seconds - 250) * 9 / 10, "it passed for good in %" PRIu64 " seconds",
           trace->seconds - 250 - stuck);
    expect_calm(trace, wrong, 6);
    expect_never_over(trace, wrong);
}

void
check_inhibited(const Trace *trace, GString *wrong)
{
    expect(wrong, last_point(trace, trace_guest(trace, "pinned"))->rule == PLAN_RULE_INHIBITED,
           "it was not found out: %s", plan_rule_name(last_point(trace, trace_guest(trace, "pinned"))->rule));
    expect(wrong, trace->summary.exhausted_seconds == 0, "the host was exhausted for %" PRIu64 " seconds",
           trace->summary.exhausted_seconds);
    expect_others_unmet(trace, wrong, "pinned", 0, 5);
}

/* ---- guests that must be left alone ---- */

void
check_mute(const Trace *trace, GString *wrong)
{
    const TracePoint *before = trace_point(trace, trace_guest(trace, "mute"), 115);
    const TracePoint *after = trace_point(trace, trace_guest(trace, "mute"), 599);

    expect(wrong, after->assigned_kib >= before->assigned_kib, "it was shrunk from %.1f to %.1f MiB",
           (double)before->assigned_kib / 1024, (double)after->assigned_kib / 1024);
    expect_unmet(trace, wrong, TRACE_ALL, 700, 0.5);
    expect_never_over(trace, wrong);
}

void
check_hang(const Trace *trace, GString *wrong)
{
    expect_state(trace, wrong, "hung", GUEST_STATE_UNRESPONSIVE, 101, 600);
    expect_untouched(trace, wrong, "hung", 101, 600);
    expect(wrong, last_point(trace, trace_guest(trace, "hung"))->state == GUEST_STATE_ACTIVE, "it was not taken back");
    expect_others_unmet(trace, wrong, "hung", 0, 20);
    expect_never_over(trace, wrong);
}

void
check_frozen(const Trace *trace, GString *wrong)
{
    expect_state(trace, wrong, "paused", GUEST_STATE_SUSPENDED, 100, 500);
    expect_untouched(trace, wrong, "paused", 101, 500);
    expect_state(trace, wrong, "leaving", GUEST_STATE_MIGRATING, 200, 700);
    expect_untouched(trace, wrong, "leaving", 201, 700);
    expect_unmet(trace, wrong, trace_guest(trace, "one"), 0, 10);
    expect_never_over(trace, wrong);
}

void
check_static(const Trace *trace, GString *wrong)
{
    static const char *const names[] = {"static", "observed", "unmanaged"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        size_t guest = trace_guest(trace, names[i]);

        expect(wrong, trace->summary.guests[guest].target_changes == 0, "%s was told something", names[i]);
        expect(wrong, last_point(trace, guest)->committed_kib == 8 * KIB_PER_GIB, "%s is committed %.1f MiB", names[i],
               (double)last_point(trace, guest)->committed_kib / 1024);
    }
    expect_satisfied(trace, wrong, "one", 200, 5);
    expect_never_over(trace, wrong);
}
