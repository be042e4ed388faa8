/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whatever comes from the bus costs the main loop time, and memory until it is looked at, be it refused there or a property: each caller
 * has so much of it a second, and all together have so much. Who asks for more is told so on the connection's own thread, and
 * the main loop does not hear of it: whoever asks, and however often, ticks are not delayed. Only what the bus lets root
 * alone send (data/org.dynmem1.conf) is not counted: no flood may stand in the way of libvirt's hook. And root has its own part
 * whatever others take: where nothing is left for all the bus is asked who calls, so that root is heard from its next call on.
 */

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct BusLimit BusLimit;

BusLimit *bus_limit_new(void);
/* A filter that still runs keeps it. */
void bus_limit_free(BusLimit *limit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusLimit, bus_limit_free)

/* Bounds what comes in on connection from now on, until the connection goes. */
void bus_limit_watch(BusLimit *limit, GDBusConnection *connection);

/* What a method costs, in the units of the next; 0: nothing that counts. Both may be NULL. */
unsigned bus_limit_cost(const char *interface, const char *member);

/* Whether a caller, by its unique name, may have that much now, and takes it. Any thread. */
bool bus_limit_take(BusLimit *limit, const char *sender, unsigned cost, uint64_t now_usec);

/* How many callers are remembered. */
unsigned bus_limit_callers(BusLimit *limit);
