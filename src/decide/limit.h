/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What memory.high of a guest's cgroup should be: what the guest is booked at, what its QEMU costs, slack, and what it is lent for
 * the page cache of its disks. So a guest can't
 * outgrow its booking unseen between a reset and its driver, and yet is not held back by a little error in the estimate of
 * what its QEMU costs. It is only ever memory.high, which holds a guest back and never kills it.
 *
 * Slack is not booked: it is a part of the host's reserve. Each guest has as much of one half of the reserve as it is
 * booked at of all that the host can give; nobody gets less than 16 MiB (that may add up to more where Reserve= was set very
 * low), nor more than that or an eighth of what it is booked at. A limit is allowed to stand a half of its slack above what it should be, so limits and
 * their slacks together stay within three quarters of the reserve.
 *
 * A limit rises at once, with the booking, so that it is in force when memory is given; and it falls with it, since a guest
 * may touch at any moment what its limit lets it have, whatever its balloon was said to take. It is not set below what the
 * guest holds, since taking that away would hold it back. A limit that is not down where it was told to be is booked
 * (ledger.h). A guest that is seen being held back all the same costs more than was thought: that is learnt, and booked as part
 * of its overhead; quickly at first, and what lasts without end, so that a wrong estimate holds nobody back for good.
 */

#include "plan.h"

#define LIMIT_LEAST_SLACK_KIB (16 * 1024)

/* Zero: nothing yet. */
typedef struct LimitMemory {
    bool counted; /* held_back is of an earlier tick */
    uint64_t held_back;
    bool held_now;      /* it was held back since the last tick, and for want of its own memory */
    uint64_t extra_kib; /* learnt: what its QEMU costs beyond its overhead */
    uint64_t learnt_usec;
    uint64_t told_kib; /* 0: nothing was told yet */
    uint64_t told_usec;
    bool lends; /* it uses the page cache, and is lent memory for that as far as there is any (pass_lend.c) */
    uint64_t lent_kib;
} LimitMemory;

/* booked_kib: committed and overhead of a guest. */
uint64_t limit_slack(const HostFigures *figures, uint64_t reserve_kib, uint64_t booked_kib);

/* What limits may let in at most beyond so much that is booked: an eighth, and a half of that. */
static inline uint64_t
limit_most_slack(uint64_t booked_kib)
{
    return booked_kib / 16 * 3;
}

/* By how much the slack of a limit, and the half of it that the limit may stand too high, grow at most with such a raise. */
uint64_t limit_raise_slack(const HostFigures *figures, uint64_t reserve_kib, uint64_t raise_kib);

/*
 * Looks whether a guest is held back though it should not be, and returns what is to be counted as overhead besides. excused:
 * it boots under its limit or has a paging file, and is meant to be held back.
 */
uint64_t limit_learn(LimitMemory *memory, const GuestSnapshot *guest, bool excused, uint64_t now_usec);

/* Whether a limit of ours is in force. */
static inline bool
limit_in_force(const GuestSnapshot *guest)
{
    return guest->limits.usable && guest->limits.set && guest->limits.high_kib != LIMIT_NONE;
}

/* Whether a lower limit was told in an earlier tick and is not in force, by more than a limit may stand too high. */
bool limit_is_late(const LimitMemory *memory, const GuestSnapshot *guest, uint64_t slack_kib);
