/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the run of a scenario is held against. Each appends one line to wrong where it does not hold. Guests are
 * named; times are seconds of the run.
 */

#include "trace.h"

void expect(GString *wrong, bool holds, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* What a guest (or TRACE_ALL) lacked from then on, in GiB s. */
void expect_unmet(const Trace *trace, GString *wrong, size_t guest, uint64_t from, double most);
/* What all but that guest lacked. */
void expect_others_unmet(const Trace *trace, GString *wrong, const char *name, uint64_t from, double most);
/* Target changes in the last ten minutes: of the guest with most, and the mean of all. */
void expect_calm(const Trace *trace, GString *wrong, unsigned most);
void expect_mean_changes(const Trace *trace, GString *wrong, double most);
/* Never was more than the budget committed, nor more than the host's memory held. */
void expect_never_over(const Trace *trace, GString *wrong);
/* No target lies further below what a guest has than it can follow: it would squeeze on if the daemon died. */
void expect_steps(const Trace *trace, GString *wrong);
/* So many seconds after that one the guest has what it needs. */
void expect_satisfied(const Trace *trace, GString *wrong, const char *name, uint64_t from, uint64_t seconds);
/* In all seconds of [from, to) it was in that state. */
void expect_state(const Trace *trace, GString *wrong, const char *name, GuestState state, uint64_t from, uint64_t to);
/* Its target did not change. */
void expect_untouched(const Trace *trace, GString *wrong, const char *name, uint64_t from, uint64_t to);

const SimGuestSpec *spec_of(const Trace *trace, size_t guest);
/* The guest in the last second. */
const TracePoint *last_point(const Trace *trace, size_t guest);
