/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The connection that events come through: opened on a thread of its own, since that can block for as long as
 * libvirtd starts its guests, and opened again with growing pauses whenever it is gone.
 */

#include "events.h"
#include "ports.h"
#include "watch_private.h"

Link *link_new(Watch *watch);
/* An attempt under way is left behind. */
void link_free(Link *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, link_free)

/* Begins to connect. */
void link_start(Link *link);

/* What the connection allows, whether or not the inventory is complete. */
WorldLink link_state(const Link *link);

/* hooks are those of the present connection. */
bool link_is_current(const Link *link, const EventHooks *hooks);
/* The connection of hooks is gone. Does nothing when it is neither the present one nor one that is being set up. */
void link_note_closed(Link *link, const EventHooks *hooks, const char *why);

/* One line for people. Owned by link, valid until its state changes. */
const char *link_text(const Link *link);
