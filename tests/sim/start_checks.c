/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start_checks.h"

#include "expect.h"
#include "units.h"

#include <inttypes.h>
#include <string.h>

/* The second in which the guest first runs from then on, UINT64_MAX: never. */
static uint64_t
starts_at(const Trace *trace, const char *name, uint64_t from)
{
    size_t guest = trace_guest(trace, name);

    for (uint64_t second = from; second < trace->seconds; second++)
        if (trace_point(trace, guest, second)->running)
            return second;
    return UINT64_MAX;
}

/* It was let after at least so many seconds and at most so many. */
static void
expect_started(const Trace *trace, GString *wrong, const char *name, uint64_t from, uint64_t least, uint64_t most)
{
    uint64_t second = starts_at(trace, name, from);

    expect(wrong, second >= from + least && second <= from + most,
           "%s, asked for in second %" PRIu64 ", started in second %" PRId64, name, from, (int64_t)second);
}

/* The reason has figures, and the guest never runs. */
static void
expect_refused(const Trace *trace, GString *wrong, const char *name, uint64_t from)
{
    const SimRefusal *refusal = trace_refusal(trace, name, from);

    expect(wrong, refusal != NULL, "the start of %s was not refused", name);
    expect(wrong, refusal == NULL || strstr(refusal->reason, "MiB") != NULL || strstr(refusal->reason, "GiB") != NULL,
           "the refusal of %s has no figures: %s", name, refusal != NULL ? refusal->reason : "");
    expect(wrong, starts_at(trace, name, from) == UINT64_MAX, "%s runs", name);
}

static void
expect_nothing_reserved(const Trace *trace, GString *wrong)
{
    const TraceHost *host = &trace->hosts[trace->seconds - 1];

    expect(wrong, host->reserved_kib == 0, "%.1f MiB are still reserved", (double)host->reserved_kib / 1024);
}

void
check_start_refused(const Trace *trace, GString *wrong)
{
    expect_refused(trace, wrong, "comes", 300);
    expect(wrong, trace_refusal(trace, "comes", 303) == NULL, "it was not refused at once, though it can't ever fit");
    expect_nothing_reserved(trace, wrong);
    expect_unmet(trace, wrong, TRACE_ALL, 400, 1);
    expect(wrong, trace->summary.exhausted_seconds == 0, "the host was exhausted for %" PRIu64 " seconds",
           trace->summary.exhausted_seconds);
}

void
check_start_squeezes(const Trace *trace, GString *wrong)
{
    size_t guest = trace_guest(trace, "comes");

    expect_started(trace, wrong, "comes", 300, 2, 25);
    expect_state(trace, wrong, "comes", GUEST_STATE_RESERVED, 300, starts_at(trace, "comes", 300));
    expect_unmet(trace, wrong, TRACE_ALL, 0, 2);
    expect(wrong, last_point(trace, guest)->state == GUEST_STATE_ACTIVE, "it is %s at the end",
           guest_state_name(last_point(trace, guest)->state));
    expect_nothing_reserved(trace, wrong);
    expect_never_over(trace, wrong);
}

void
check_start_low_priority(const Trace *trace, GString *wrong)
{
    expect_refused(trace, wrong, "comes", 300);
    expect_unmet(trace, wrong, TRACE_ALL, 60, 1);
    expect_nothing_reserved(trace, wrong);
    expect_never_over(trace, wrong);
}

void
check_start_high_priority(const Trace *trace, GString *wrong)
{
    expect_started(trace, wrong, "comes", 300, 2, 60);
    expect_nothing_reserved(trace, wrong);
    expect_never_over(trace, wrong);
}

void
check_starts_queue(const Trace *trace, GString *wrong)
{
    static const char *const by_priority[] = {"new1", "new3", "new5", "new2", "new0", "new4"};
    uint64_t before = 0;
    unsigned started = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(by_priority); i++) {
        uint64_t second = starts_at(trace, by_priority[i], 300);

        expect(wrong, second >= before, "%s started before one of higher priority", by_priority[i]);
        expect(wrong, (second == UINT64_MAX) == (trace_refusal(trace, by_priority[i], 300) != NULL),
               "%s neither runs nor was refused, or both", by_priority[i]);
        started += second != UINT64_MAX;
        before = second;
    }
    expect(wrong, started >= 2 && started <= 3, "%u of them started", started);
    expect_nothing_reserved(trace, wrong);
    expect_never_over(trace, wrong);
}

void
check_start_unmanaged(const Trace *trace, GString *wrong)
{
    expect(wrong, trace->summary.refused->len == 0, "it was refused");
    expect_started(trace, wrong, "foreign", 300, 1, 70);
    expect_nothing_reserved(trace, wrong);
    expect(wrong, trace->summary.exhausted_seconds == 0, "the host was exhausted for %" PRIu64 " seconds",
           trace->summary.exhausted_seconds);
}

void
check_start_admission_off(const Trace *trace, GString *wrong)
{
    expect(wrong, trace->summary.refused->len == 0, "it was refused");
    expect_started(trace, wrong, "comes", 300, 1, 70);
    expect_nothing_reserved(trace, wrong);
}

void
check_start_forced(const Trace *trace, GString *wrong)
{
    size_t guest = trace_guest(trace, "comes");

    expect_started(trace, wrong, "comes", 300, 1, 70);
    expect(wrong, trace_seconds_paging(trace, guest, 0, trace->seconds) == 0, "it had a paging file");
    expect(wrong, last_point(trace, guest)->state == GUEST_STATE_ACTIVE, "it is %s at the end",
           guest_state_name(last_point(trace, guest)->state));
}

void
check_start_buffers_first(const Trace *trace, GString *wrong)
{
    expect_started(trace, wrong, "comes", 300, 2, 25);
    expect_unmet(trace, wrong, TRACE_ALL, 60, 0.1);
    expect_never_over(trace, wrong);
}

void
check_start_outbid(const Trace *trace, GString *wrong)
{
    expect_started(trace, wrong, "comes", 300, 2, 40);
    expect_nothing_reserved(trace, wrong);
    expect_never_over(trace, wrong);
}

void
check_starts_small(const Trace *trace, GString *wrong)
{
    unsigned started = 0;

    for (size_t i = 1; i < trace->count; i++)
        started += last_point(trace, i)->running;
    expect(wrong, started >= 5 && started <= 9, "%u of them run", started);
    expect(wrong, trace->summary.refused->len == trace->count - 1 - started, "%u were refused and %u run",
           trace->summary.refused->len, started);
    expect_nothing_reserved(trace, wrong);
    expect_never_over(trace, wrong);
}

void
check_start_daemon(const Trace *trace, GString *wrong)
{
    expect_started(trace, wrong, "comes", 300, 2, 5); /* WhenAbsent=allow */
    expect_started(trace, wrong, "comes", 499, 1, 40);
    expect_nothing_reserved(trace, wrong);
    expect(wrong, trace->summary.exhausted_seconds == 0, "the host was exhausted for %" PRIu64 " seconds",
           trace->summary.exhausted_seconds);
}

void
check_start_given_up(const Trace *trace, GString *wrong)
{
    expect(wrong, starts_at(trace, "comes", 300) == UINT64_MAX, "it runs");
    for (size_t i = 0; i < 2; i++)
        expect(wrong, last_point(trace, i)->assigned_kib >= 5 * KIB_PER_GIB, "%s did not get its buffer back",
               spec_of(trace, i)->name);
    expect_nothing_reserved(trace, wrong);
    expect_never_over(trace, wrong);
}
