/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The checks of scenarios with guests that do not cooperate, or must be left alone. */

#include "trace.h"

void check_slow(const Trace *trace, GString *wrong);
void check_floor(const Trace *trace, GString *wrong);
void check_no_driver(const Trace *trace, GString *wrong);
void check_no_stats(const Trace *trace, GString *wrong);
void check_lying(const Trace *trace, GString *wrong);
void check_lying_in_shortage(const Trace *trace, GString *wrong);
void check_trickle(const Trace *trace, GString *wrong);
void check_inhibited_tight(const Trace *trace, GString *wrong);
void check_inhibited_unseen(const Trace *trace, GString *wrong);
void check_intermittent(const Trace *trace, GString *wrong);
void check_inhibited(const Trace *trace, GString *wrong);
void check_mute(const Trace *trace, GString *wrong);
void check_hang(const Trace *trace, GString *wrong);
void check_frozen(const Trace *trace, GString *wrong);
void check_static(const Trace *trace, GString *wrong);
