/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The report of the last tick, kept. A TickReport is valid only while the sink is called; comparing two ticks and
 * answering questions between ticks need it longer.
 */

#include "outcome.h"

typedef struct HeldTick HeldTick;

HeldTick *held_tick_new(void);
void held_tick_free(HeldTick *held);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HeldTick, held_tick_free)

/* Copies report. Memory is kept from tick to tick and grown only when there are more guests than ever. */
void held_tick_update(HeldTick *held, const TickReport *report);

/*
 * The copy, or NULL before the first update. Valid until the next update. Its outcome is NULL, and settings (of the
 * guests and of starts too) have no paging_directory, and no reserve_file.
 */
const TickReport *held_tick_report(const HeldTick *held);

/* What is to be said of the settings of the guest with that uuid, or NULL. Owned by report. */
const GuestIssue *tick_report_issue(const TickReport *report, const char *uuid);

/* How many guests have settings that can't be used. */
unsigned tick_report_rejected(const TickReport *report);

/* The guest with that uuid in plan, whose guests are sorted by uuid, or NULL. */
const GuestPlan *plan_find(const Plan *plan, const char *uuid);

/* The start of the guest with that uuid in plan, whose starts are sorted by uuid, or NULL. */
const StartPlan *plan_find_start(const Plan *plan, const char *uuid);
