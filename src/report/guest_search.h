/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finds the guest that somebody means by a name or a uuid. */

#include "outcome.h"

typedef enum GuestSearchError {
    GUEST_SEARCH_NO_SUCH_GUEST,
    GUEST_SEARCH_AMBIGUOUS,
} GuestSearchError;

#define GUEST_SEARCH_ERROR (guest_search_error_quark())
GQuark guest_search_error_quark(void);

/*
 * The plan of the guest whose name or uuid (either case, with '-' or '_') is text. Returns NULL and sets error
 * (GUEST_SEARCH_ERROR; the message lists names that are near) when there is none, or when the name of
 * one guest is the uuid of another. Owned by report, which may be NULL when nothing is known yet.
 */
const GuestPlan *guest_search(const TickReport *report, const char *text, GError **error);
