/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "expect.h"

#include <inttypes.h>

#define LAST_MINUTES 600 /* seconds: where target changes are counted, as others did */

void
expect(GString *wrong, bool holds, const char *format, ...)
{
    va_list arguments;

    if (holds)
        return;
    va_start(arguments, format);
    g_string_append_vprintf(wrong, format, arguments);
    va_end(arguments);
    g_string_append_c(wrong, '\n');
}

const SimGuestSpec *
spec_of(const Trace *trace, size_t guest)
{
    return g_ptr_array_index(trace->scenario->guests, guest);
}

const TracePoint *
last_point(const Trace *trace, size_t guest)
{
    return trace_point(trace, guest, trace->seconds - 1);
}

void
expect_unmet(const Trace *trace, GString *wrong, size_t guest, uint64_t from, double most)
{
    double unmet = trace_unmet(trace, guest, from, trace->seconds);

    expect(wrong, unmet <= most, "%s lacked %.1f GiB s from second %" PRIu64 " on, expected at most %.1f",
           guest == TRACE_ALL ? "all guests together" : spec_of(trace, guest)->name, unmet, from, most);
}

/* All but the named guest. */
void
expect_others_unmet(const Trace *trace, GString *wrong, const char *name, uint64_t from, double most)
{
    size_t guest = trace_guest(trace, name);
    double unmet =
        trace_unmet(trace, TRACE_ALL, from, trace->seconds) - trace_unmet(trace, guest, from, trace->seconds);

    expect(wrong, unmet <= most, "the others lacked %.1f GiB s, expected at most %.1f", unmet, most);
}

/* In the last ten minutes, of the guest with most. */
void
expect_calm(const Trace *trace, GString *wrong, unsigned most)
{
    uint64_t from = trace->seconds > LAST_MINUTES ? trace->seconds - LAST_MINUTES : 0;
    unsigned changes = trace_changes(trace, TRACE_ALL, from, trace->seconds);

    expect(wrong, changes <= most, "a guest's target changed %u times in ten minutes, expected at most %u", changes,
           most);
}

/* In the last ten minutes, mean of all guests. */
void
expect_mean_changes(const Trace *trace, GString *wrong, double most)
{
    uint64_t from = trace->seconds > LAST_MINUTES ? trace->seconds - LAST_MINUTES : 0;
    double changes = 0;

    for (size_t i = 0; i < trace->count; i++)
        changes += trace_changes(trace, i, from, trace->seconds);
    changes /= (double)trace->count;
    expect(wrong, changes <= most, "targets changed %.1f times in ten minutes, expected at most %.1f", changes, most);
}

void
expect_never_over(const Trace *trace, GString *wrong)
{
    expect(wrong, trace->summary.over_budget_ticks == 0, "more than the budget was committed in %" PRIu64 " seconds",
           trace->summary.over_budget_ticks);
    expect(wrong, trace->summary.exhausted_seconds == 0,
           "the guests held more than the host's memory in %" PRIu64 " seconds", trace->summary.exhausted_seconds);
}

void
expect_steps(const Trace *trace, GString *wrong)
{
    for (size_t i = 0; i < trace->count; i++) {
        for (uint64_t second = 0; second < trace->seconds; second++) {
            const TracePoint *point = trace_point(trace, i, second);
            uint64_t step = MAX(point->assigned_kib / 5, KIB_PER_GIB);

            if (point->state != GUEST_STATE_ACTIVE || point->target_kib + step >= point->assigned_kib)
                continue;
            expect(wrong, false, "%s has %.1f MiB in second %" PRIu64 " and was told %.1f MiB", spec_of(trace, i)->name,
                   (double)point->assigned_kib / 1024, second, (double)point->target_kib / 1024);
            return;
        }
    }
}

void
expect_satisfied(const Trace *trace, GString *wrong, const char *name, uint64_t from, uint64_t seconds)
{
    uint64_t taken = trace_seconds_to_satisfy(trace, trace_guest(trace, name), from);

    expect(wrong, taken <= seconds, "%s lacked something for %" PRId64 " seconds, expected at most %" PRIu64, name,
           (int64_t)taken, seconds);
}

void
expect_state(const Trace *trace, GString *wrong, const char *name, GuestState state, uint64_t from, uint64_t to)
{
    size_t guest = trace_guest(trace, name);
    uint64_t seconds = trace_seconds_in(trace, guest, state, from, to);

    expect(wrong, seconds == MIN(to, trace->seconds) - from,
           "%s was %s for %" PRIu64 " of the seconds %" PRIu64 " to %" PRIu64, name, guest_state_name(state), seconds,
           from, to);
}

/* Between two seconds its target did not change. */
void
expect_untouched(const Trace *trace, GString *wrong, const char *name, uint64_t from, uint64_t to)
{
    unsigned changes = trace_changes(trace, trace_guest(trace, name), from, to);

    expect(wrong, changes == 0, "%s was told %u targets between seconds %" PRIu64 " and %" PRIu64, name, changes, from,
           to);
}
