/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The methods of the Manager about settings of guests: SetGuest, SetMode, UnsetGuest and PreviewGuest. */

#include "dynmem-bus.h"
#include "held_tick.h"
#include "report.h"

typedef struct SettingsMethods SettingsMethods;

/* Answers the methods of manager. options is copied; held and cancellable must outlive it. */
SettingsMethods *settings_methods_new(BusManager *manager, const ReportOptions *options, const HeldTick *held,
                                      GCancellable *cancellable);
/* Who still waits gets no answer. */
void settings_methods_free(SettingsMethods *methods);
