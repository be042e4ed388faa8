/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The checks of scenarios with starts: admitted, delayed, refused. */

#include "trace.h"

void check_start_refused(const Trace *trace, GString *wrong);
void check_start_squeezes(const Trace *trace, GString *wrong);
void check_start_low_priority(const Trace *trace, GString *wrong);
void check_start_high_priority(const Trace *trace, GString *wrong);
void check_starts_queue(const Trace *trace, GString *wrong);
void check_start_unmanaged(const Trace *trace, GString *wrong);
void check_start_admission_off(const Trace *trace, GString *wrong);
void check_start_daemon(const Trace *trace, GString *wrong);
void check_start_forced(const Trace *trace, GString *wrong);
void check_start_buffers_first(const Trace *trace, GString *wrong);
void check_start_outbid(const Trace *trace, GString *wrong);
void check_starts_small(const Trace *trace, GString *wrong);
void check_start_given_up(const Trace *trace, GString *wrong);
