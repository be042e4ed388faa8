/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restart_checks.h"

#include "expect.h"
#include "units.h"

#include <inttypes.h>

#define DEADLINE 600 /* [SmartPaging] DeadlineSec= unless it is set */

/* A boot with a paging file may take so long, seconds, and one without a file that is to have one. */
#define BOOT_SECONDS 60
#define CRAWL_SECONDS 150

/* ---- what many of them expect ---- */

static uint64_t
peak(const Trace *trace, size_t guest)
{
    return trace->summary.guests[guest].paging_peak_kib;
}

/* The guest's driver is up within so many seconds. */
static void
expect_booted(const Trace *trace, GString *wrong, size_t guest, uint64_t from, uint64_t seconds)
{
    for (uint64_t second = from + 1; second < MIN(from + seconds, trace->seconds); second++) {
        const TracePoint *point = trace_point(trace, guest, second);

        if (point->running && !point->booting)
            return;
    }
    expect(wrong, false, "%s, restarted in second %" PRIu64 ", has not booted %" PRIu64 " seconds later",
           spec_of(trace, guest)->name, from, seconds);
}

static void
expect_paged(const Trace *trace, GString *wrong, size_t guest, uint64_t from, uint64_t to, bool paged)
{
    uint64_t seconds = trace_seconds_paging(trace, guest, from, to);

    expect(wrong, (seconds > 0) == paged,
           "%s had a paging file for %" PRIu64 " s from second %" PRIu64 " on, expected %s",
           spec_of(trace, guest)->name, seconds, from, paged ? "one" : "none");
}

/* Whatever was made from then on is gone within so many seconds, and stays gone. */
static void
expect_gone(const Trace *trace, GString *wrong, uint64_t from, uint64_t seconds)
{
    for (size_t i = 0; i < trace->count; i++)
        expect(wrong, trace_seconds_paging(trace, i, from + seconds, trace->seconds) == 0,
               "%s still has a paging file %" PRIu64 " s after second %" PRIu64, spec_of(trace, i)->name, seconds,
               from);
}

/* Nothing is ever in a paging file, though one may have been tried. */
static void
expect_nothing_paged(const Trace *trace, GString *wrong)
{
    for (size_t i = 0; i < trace->count; i++)
        expect(wrong, peak(trace, i) == 0, "%s pages", spec_of(trace, i)->name);
}

static void
expect_nobody_pages(const Trace *trace, GString *wrong)
{
    for (size_t i = 0; i < trace->count; i++)
        expect_paged(trace, wrong, i, 0, trace->seconds, false);
}

/* From then on nobody was committed more than the budget, and the host was never exhausted. */
static void
expect_kept(const Trace *trace, GString *wrong, uint64_t from)
{
    for (uint64_t second = from; second < trace->seconds; second++)
        if (trace->hosts[second].over_budget) {
            expect(wrong, false, "second %" PRIu64 ": %.1f MiB are committed of %.1f MiB", second,
                   (double)trace->hosts[second].committed_kib / 1024, (double)trace->hosts[second].budget_kib / 1024);
            break;
        }
    expect(wrong, trace->summary.exhausted_seconds == 0, "the host was exhausted for %" PRIu64 " seconds",
           trace->summary.exhausted_seconds);
}

static void
expect_none_refused(const Trace *trace, GString *wrong)
{
    for (guint i = 0; i < trace->summary.refused->len; i++) {
        const SimRefusal *refusal = g_ptr_array_index(trace->summary.refused, i);

        expect(wrong, false, "a start of %s was refused in second %" PRIu64 ": %s", refusal->name, refusal->second,
               refusal->reason);
    }
}

/* All run well in the last minutes. */
static void
expect_well(const Trace *trace, GString *wrong)
{
    expect_unmet(trace, wrong, TRACE_ALL, trace->seconds - 60, 0.1);
    for (size_t i = 0; i < trace->count; i++)
        expect(wrong, !last_point(trace, i)->running || last_point(trace, i)->state == GUEST_STATE_ACTIVE,
               "%s is %s at the end", spec_of(trace, i)->name, guest_state_name(last_point(trace, i)->state));
}

/* ---- when there is a file, and when not ---- */

/* It is as large as what is missing, and a margin. */
static void
expect_size(const Trace *trace, GString *wrong, size_t guest, uint64_t most)
{
    for (uint64_t second = 0; second < trace->seconds; second++)
        if (trace_point(trace, guest, second)->size_kib > most) {
            expect(wrong, false, "the paging file of %s has %.1f MiB", spec_of(trace, guest)->name,
                   (double)trace_point(trace, guest, second)->size_kib / 1024);
            return;
        }
}

void
check_restart_four(const Trace *trace, GString *wrong)
{
    for (size_t i = 0; i < trace->count; i++) {
        expect_booted(trace, wrong, i, 300, BOOT_SECONDS);
        if (i > 0)
            expect(wrong, peak(trace, i) + 8 * KIB_PER_MIB >= peak(trace, i - 1),
                   "%s paged %.1f MiB at most and %s, of higher priority, %.1f MiB", spec_of(trace, i)->name,
                   (double)peak(trace, i) / 1024, spec_of(trace, i - 1)->name, (double)peak(trace, i - 1) / 1024);
    }
    expect(wrong, peak(trace, trace->count - 1) > peak(trace, 0), "all paged %.1f MiB whatever their priority",
           (double)peak(trace, 0) / 1024);
    expect_paged(trace, wrong, trace->count - 1, 300, trace->seconds, true);
    expect_gone(trace, wrong, 300, DEADLINE);
    expect_kept(trace, wrong, 150);
    expect_well(trace, wrong);
}

void
check_restart_odd(const Trace *trace, GString *wrong)
{
    expect_gone(trace, wrong, 300, DEADLINE);
    expect_well(trace, wrong);
}

void
check_restart_with_room(const Trace *trace, GString *wrong)
{
    expect_booted(trace, wrong, 0, 300, 13);
    expect(wrong, trace_point(trace, 0, 305)->target_kib == sim_guest_spec_startup(spec_of(trace, 0)),
           "its target is %.1f MiB when it restarts", (double)trace_point(trace, 0, 305)->target_kib / 1024);
    expect_nobody_pages(trace, wrong);
    expect_never_over(trace, wrong);
    expect_well(trace, wrong);
}

void
check_restart_one(const Trace *trace, GString *wrong)
{
    for (size_t i = 0; i < trace->count; i++) {
        if (trace_seconds_paging(trace, i, 0, trace->seconds) == 0)
            expect_unmet(trace, wrong, i, 200, 1);
        else
            expect_booted(trace, wrong, i, 300, BOOT_SECONDS);
        expect_paged(trace, wrong, i, 0, trace->seconds, i == 1);
    }
    expect_size(trace, wrong, 1, 300 * KIB_PER_MIB);
    expect_gone(trace, wrong, 300, DEADLINE);
    expect_kept(trace, wrong, 150);
    expect_well(trace, wrong);
}

void
check_restart_two(const Trace *trace, GString *wrong)
{
    for (size_t i = 0; i < 2; i++) {
        expect_booted(trace, wrong, i, i == 0 ? 300 : 330, BOOT_SECONDS);
        expect_paged(trace, wrong, i, 300, trace->seconds, true);
    }
    expect_paged(trace, wrong, 2, 0, trace->seconds, false);
    expect_gone(trace, wrong, 330, DEADLINE);
    expect_kept(trace, wrong, 150);
    expect_well(trace, wrong);
}

void
check_restart_by_start(const Trace *trace, GString *wrong)
{
    expect_none_refused(trace, wrong);
    expect_booted(trace, wrong, 0, 400, BOOT_SECONDS + 60);
    expect_paged(trace, wrong, 0, 300, trace->seconds, true);
    expect_gone(trace, wrong, 400, DEADLINE);
    expect_kept(trace, wrong, 150);
}

void
check_start_too_late(const Trace *trace, GString *wrong)
{
    expect(wrong, trace_refusal(trace, "small1", 700) != NULL, "it was not refused");
    expect_nobody_pages(trace, wrong);
    expect_kept(trace, wrong, 150);
}

void
check_restore_not_paged(const Trace *trace, GString *wrong)
{
    expect_nobody_pages(trace, wrong);
    expect_kept(trace, wrong, 150);
}

/* ---- guests that do not come back as they should ---- */

static uint64_t
first_second(const Trace *trace, size_t guest, PagingUrgency urgency)
{
    for (uint64_t second = 0; second < trace->seconds; second++)
        if (trace_point(trace, guest, second)->urgency >= urgency)
            return second;
    return UINT64_MAX;
}

void
check_restart_wedged(const Trace *trace, GString *wrong)
{
    expect_paged(trace, wrong, 0, 300, 320, true);
    expect(wrong, first_second(trace, 0, PAGING_URGENCY_HARDER) >= 600, "it was pressed for too early");
    expect(wrong, first_second(trace, 0, PAGING_URGENCY_OVERDUE) < 920, "its file was never overdue");
    expect(wrong, trace_point(trace, 0, 1499)->has_file, "its file is gone, and there is no memory for what it held");
    expect_booted(trace, wrong, 0, 1500, BOOT_SECONDS);
    expect_gone(trace, wrong, 1500, DEADLINE);
    for (size_t i = 1; i < trace->count; i++)
        expect(wrong, trace_point(trace, i, 890)->assigned_kib <= sim_guest_spec_minimum(spec_of(trace, i)) + 1024,
               "%s still has %.1f MiB when the file is almost overdue", spec_of(trace, i)->name,
               (double)trace_point(trace, i, 890)->assigned_kib / 1024);
    expect_kept(trace, wrong, 150);
    expect_well(trace, wrong);
}

void
check_restart_wedged_room(const Trace *trace, GString *wrong)
{
    expect_paged(trace, wrong, 0, 300, 320, true);
    expect_gone(trace, wrong, 500, 60);
    expect(wrong, last_point(trace, 0)->booting, "it has come back");
    expect_kept(trace, wrong, 150);
}

void
check_restart_again(const Trace *trace, GString *wrong)
{
    expect_paged(trace, wrong, 0, 300, trace->seconds, true);
    expect_booted(trace, wrong, 0, 341, BOOT_SECONDS);
    expect_gone(trace, wrong, 341, DEADLINE);
    expect_kept(trace, wrong, 150);
    expect_well(trace, wrong);
}

void
check_restart_emptying(const Trace *trace, GString *wrong)
{
    bool both = false;

    for (uint64_t second = 0; second < trace->seconds; second++) {
        const TracePoint *point = trace_point(trace, 0, second);

        both |= point->booting && point->has_file && point->stage == PAGING_STAGE_EMPTYING;
        if (point->has_file && point->stage == PAGING_STAGE_EMPTYING &&
            point->resident_kib + point->paged_kib > point->committed_kib + 400 * KIB_PER_MIB) {
            expect(wrong, false,
                   "second %" PRIu64 ": it holds %.1f MiB, %.1f MiB come back, and it is booked at %.1f MiB", second,
                   (double)point->resident_kib / 1024, (double)point->paged_kib / 1024,
                   (double)point->committed_kib / 1024);
            return;
        }
    }
    expect(wrong, both, "it did not boot while its file was emptied");
    expect_booted(trace, wrong, 0, 89, CRAWL_SECONDS);
    expect_gone(trace, wrong, 89, DEADLINE);
    expect_well(trace, wrong);
}

void
check_restart_destroyed(const Trace *trace, GString *wrong)
{
    expect_paged(trace, wrong, 1, 300, trace->seconds, true);
    expect_gone(trace, wrong, 316, 15);
    expect_kept(trace, wrong, 150);
    expect_well(trace, wrong);
}

void
check_restart_frozen(const Trace *trace, GString *wrong)
{
    expect_paged(trace, wrong, 0, 300, trace->seconds, true);
    expect_gone(trace, wrong, 500, DEADLINE);
    expect_kept(trace, wrong, 150);
    expect_well(trace, wrong);
}

/* ---- paging files that can't be had, or not be got rid of ---- */

void
check_restart_without_file(const Trace *trace, GString *wrong)
{
    expect_nothing_paged(trace, wrong);
    expect_booted(trace, wrong, 0, 300, CRAWL_SECONDS);
    expect_kept(trace, wrong, 150);
    expect_well(trace, wrong);
}

void
check_restart_make_fails(const Trace *trace, GString *wrong)
{
    expect_booted(trace, wrong, 0, 300, CRAWL_SECONDS);
    expect_gone(trace, wrong, 300, DEADLINE);
    expect_kept(trace, wrong, 150);
    expect_well(trace, wrong);
}

void
check_restart_daemon(const Trace *trace, GString *wrong)
{
    for (uint64_t second = 300; second <= 1200; second += 300)
        expect_booted(trace, wrong, 0, second, CRAWL_SECONDS);
    expect_gone(trace, wrong, 1222, DEADLINE);
    expect(wrong, trace->summary.exhausted_seconds == 0, "the host was exhausted for %" PRIu64 " seconds",
           trace->summary.exhausted_seconds);
    expect_well(trace, wrong);
}

void
check_restart_daemon_hog(const Trace *trace, GString *wrong)
{
    for (uint64_t second = 302; second < trace->seconds; second++)
        if (trace_point(trace, 0, second)->resident_kib > 2 * KIB_PER_GIB) {
            expect(wrong, false, "second %" PRIu64 ": it holds %.1f MiB", second,
                   (double)trace_point(trace, 0, second)->resident_kib / 1024);
            break;
        }
    expect_booted(trace, wrong, 0, 300, CRAWL_SECONDS);
    expect(wrong, trace->summary.exhausted_seconds == 0, "the host was exhausted for %" PRIu64 " seconds",
           trace->summary.exhausted_seconds);
    expect_well(trace, wrong);
}

/* ---- hosts where not all of it can be had ---- */

void
check_restart_v1(const Trace *trace, GString *wrong)
{
    expect_nobody_pages(trace, wrong);
    expect_booted(trace, wrong, 0, 300, 13);
    expect(wrong, trace_point(trace, 0, 301)->committed_kib == spec_of(trace, 0)->maximum_kib,
           "it is committed %.1f MiB at its restart", (double)trace_point(trace, 0, 301)->committed_kib / 1024);
    for (size_t i = 0; i < trace->count; i++)
        expect(wrong, last_point(trace, i)->high_kib == LIMIT_NONE, "%s is limited", spec_of(trace, i)->name);
    expect_well(trace, wrong);
}

/* For some seconds a limit is expected to come into force; when it does not, nobody relies on it. */
void
check_restart_unlimited(const Trace *trace, GString *wrong)
{
    expect_nothing_paged(trace, wrong);
    expect_booted(trace, wrong, 0, 300, 13);
    expect(wrong, trace_point(trace, 0, 307)->committed_kib == spec_of(trace, 0)->maximum_kib,
           "it is committed %.1f MiB at its restart", (double)trace_point(trace, 0, 307)->committed_kib / 1024);
    expect_well(trace, wrong);
}

void
check_restart_paging_no(const Trace *trace, GString *wrong)
{
    expect_paged(trace, wrong, 0, 0, trace->seconds, false);
    expect_paged(trace, wrong, 1, 300, trace->seconds, true);
    for (size_t i = 0; i < 2; i++)
        expect_booted(trace, wrong, i, 300, CRAWL_SECONDS);
    expect_gone(trace, wrong, 300, DEADLINE);
    expect_kept(trace, wrong, 150);
    expect_well(trace, wrong);
}

/* ---- limits ---- */

void
check_restart_hog(const Trace *trace, GString *wrong)
{
    for (uint64_t second = 0; second < trace->seconds; second++) {
        const TracePoint *point = trace_point(trace, 0, second);

        /* with slack, and a little for the second in which a lower limit comes into force */
        if (point->booting && point->resident_kib > point->committed_kib + 144 * KIB_PER_MIB) {
            expect(wrong, false, "second %" PRIu64 ": it holds %.1f MiB and is committed at %.1f MiB", second,
                   (double)point->resident_kib / 1024, (double)point->committed_kib / 1024);
            break;
        }
    }
    expect(wrong, trace_point(trace, 0, 305)->held, "nothing holds it back");
    expect_booted(trace, wrong, 0, 300, BOOT_SECONDS);
    expect_booted(trace, wrong, 0, 500, BOOT_SECONDS);
    expect_nobody_pages(trace, wrong);
    expect_never_over(trace, wrong);
    expect_well(trace, wrong);
}

void
check_enforced(const Trace *trace, GString *wrong)
{
    uint64_t held = 0;

    for (size_t i = 0; i < trace->count; i++)
        for (uint64_t second = 60; second < trace->seconds; second++) {
            held += trace_point(trace, i, second)->held;
            if (trace_point(trace, i, second)->high_kib == LIMIT_NONE) {
                expect(wrong, false, "%s has no limit in second %" PRIu64, spec_of(trace, i)->name, second);
                return;
            }
        }
    expect(wrong, held == 0, "guests were held back in %" PRIu64 " seconds", held);
    expect_never_over(trace, wrong);
}

/* What it costs is learnt: in the end it is booked, and nobody is held back any more. */
void
check_enforced_costly(const Trace *trace, GString *wrong)
{
    for (size_t i = 0; i < trace->count; i++)
        for (uint64_t second = 60; second < trace->seconds; second++)
            if (trace_point(trace, i, second)->held) {
                expect(wrong, false, "%s is held back in second %" PRIu64, spec_of(trace, i)->name, second);
                return;
            }
    expect_unmet(trace, wrong, TRACE_ALL, 60, 0);
}

void
check_not_enforced(const Trace *trace, GString *wrong)
{
    for (size_t i = 0; i < trace->count; i++) {
        for (uint64_t second = 0; second < 300; second++)
            if (trace_point(trace, i, second)->high_kib != LIMIT_NONE) {
                expect(wrong, false, "%s is limited in second %" PRIu64, spec_of(trace, i)->name, second);
                return;
            }
        expect(wrong, last_point(trace, i)->high_kib == LIMIT_NONE, "%s is limited at the end",
               spec_of(trace, i)->name);
    }
    expect_booted(trace, wrong, 0, 300, CRAWL_SECONDS);
    expect_gone(trace, wrong, 300, DEADLINE);
    expect_well(trace, wrong);
}

void
check_restart_host(const Trace *trace, GString *wrong)
{
    expect_none_refused(trace, wrong);
    for (size_t i = 0; i < trace->count; i++) {
        expect_booted(trace, wrong, i, 300, CRAWL_SECONDS);
        expect(wrong, trace_point(trace, i, 305)->committed_kib >= sim_guest_spec_minimum(spec_of(trace, i)),
               "%s is left with %.1f MiB", spec_of(trace, i)->name,
               (double)trace_point(trace, i, 305)->committed_kib / 1024);
    }
    expect_gone(trace, wrong, 300, DEADLINE + 60);
    /* none is refused, so what their QEMUs cost may go beyond the budget, and into the reserve */
    expect(wrong, trace->summary.exhausted_seconds == 0, "the host was exhausted for %" PRIu64 " seconds",
           trace->summary.exhausted_seconds);
    expect_well(trace, wrong);
}
