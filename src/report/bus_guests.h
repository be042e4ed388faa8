/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The guests' objects on the bus, kept in step with the last tick. PropertiesChanged goes out at most once a tick
 * and guest, and later where only figures moved that move all the time.
 */

#include "outcome.h"

#include <gio/gio.h>

typedef struct BusGuests BusGuests;

/* The objects appear on manager, which is referenced. */
BusGuests *bus_guests_new(GDBusObjectManagerServer *manager);
void bus_guests_free(BusGuests *guests);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusGuests, bus_guests_free)

void bus_guests_update(BusGuests *guests, const TickReport *report);

/*
 * Decides when figures that move all the time are worth a signal: at once when one of them moved by more
 * than a sixteenth since it was last told, else after five seconds.
 */
#define MOVING_FIGURES_USEC (UINT64_C(5) * 1000 * 1000)
bool moving_figure_jumped(uint64_t told, uint64_t now);
