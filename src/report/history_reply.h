/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest's history as the bus has it. */

#include "history.h"

/*
 * What the method History answers (a{sv}, floating): what is known of owner's guest since the last seconds, 0: of all the time that is
 * kept. now_usec is history_clock_usec().
 */
GVariant *history_reply(const History *history, const HistoryOwner *owner, uint64_t seconds, uint64_t now_usec);
