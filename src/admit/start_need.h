/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a start needs, by the XML of what starts. */

#include "keep/keep.h"
#include "ports.h"
#include "starts.h"

/*
 * libvirt's id of what it is about to start, which "prepare" is called with (qemu_process.c, qemuProcessInit); "restore" and
 * "migrate" come before there is one. 0: it is not said.
 */
uint64_t start_need_run(const StartAsk *ask);

/*
 * Fills in what of request follows from what starts: name, settings, kind, restart, what it needs, whether it is forced.
 *
 * What starts is what libvirt hands over (ask->xml); where nobody has handed over anything yet, the file that a managed save
 * has left, and else the definition. Its memory, devices and limits count, whatever was known before: it may have been defined
 * anew a moment ago. Only where its metadata element is bad the last good one counts, which known (may be NULL) has.
 * Of a guest that another host is to send (ask->ahead) there is no XML yet: it needs what it comes with and what its QEMU costs
 * there, besides what is estimated for that here. So what its hook asks for is booked.
 *
 * Returns why it can't be read, caller frees; NULL: it can. What of request is filled in must be clear before, and is untouched on
 * failure.
 */
char *start_need_settle(const StartAsk *ask, const GuestRecord *record, const GuestSettings *known,
                        const Settings *settings, Keep *keep, uint64_t now_usec, StartRequest *request);
