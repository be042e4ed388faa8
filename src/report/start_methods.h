/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The methods of the Manager that are about starting guests: Reserve, Release, Start, Rate, and Hook, which libvirt's hook
 * calls. Most are answered later, when memory was found or the time is over. What somebody asked for is theirs: when
 * their connection to the bus goes away, so does it.
 */

#include "dynmem-bus.h"
#include "held_tick.h"
#include "report.h"

typedef struct StartMethods StartMethods;

/*
 * Connects the methods of manager. The callbacks of options are called on the main loop's thread; held must outlive it, as
 * must cancellable, which is to be cancelled before start_methods_free.
 */
StartMethods *start_methods_new(BusManager *manager, const ReportOptions *options, const HeldTick *held,
                                GCancellable *cancellable);
/*
 * Whoever still waits is not answered any more: the bus tells them that the daemon has gone, and libvirt's hook then asks
 * the next one. Answers that come later are dropped.
 */
void start_methods_free(StartMethods *methods);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StartMethods, start_methods_free)
