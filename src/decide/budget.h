/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What all guests may be booked at together (the budget), and what a guest's QEMU costs besides (overhead). Who is booked at
 * what is the ledger's (ledger.h).
 */

#include "decide/recent.h"
#include "plan.h"

typedef struct OverheadMemory {
    bool valid;
    uint64_t overhead_kib;
    uint64_t resident_kib; /* the last that was known */
    uint64_t steady_usec;  /* actual has been what it is since then */
    uint64_t steady_kib;
    uint64_t updated_usec;
} OverheadMemory;

/* Zero: nothing yet. */
typedef struct BudgetMemory {
    RecentMost other;      /* what non-guest processes use */
    uint64_t smoothed_kib; /* the measured budget in force, see budget_work_out */
    uint64_t above_usec;   /* the measured budget has been clearly above it since then; 0: it is not */
    /* of this tick */
    uint64_t group_kib; /* what the group of all guests leaves them, net of overheads; more than there can be: none */
    uint64_t overhead_room_kib; /* Budget= does not count overheads: so much of them fits besides; 0 without Budget= */
} BudgetMemory;

/* Sums over the guests, what budget_work_out needs of them. */
typedef struct LedgerSums {
    uint64_t committed_kib;
    uint64_t reserved_kib; /* part of that: booked for starts */
    uint64_t overhead_kib;
    uint64_t resident_kib;
    uint64_t untouched_kib; /* committed and overhead that are not resident yet */
    uint64_t slack_kib;     /* resident beyond committed and overhead, within the slack of their limits */
    uint64_t
        unseen_kib; /* committed and overhead of QEMUs that are there, or may be, and whose resident memory is not known */
} LedgerSums;

/*
 * What is kept for the host: Reserve=, and where that is not set by the size of its memory.
 */
uint64_t budget_reserve(const Settings *settings, const HostFigures *figures);

/*
 * By the size of its memory: 6 % of the first 4 GiB, 4 % up to 12 GiB, 2 % up to
 * 28 GiB, 1 % beyond; at least 128 MiB. A large host does not need as large a part.
 */
uint64_t budget_sliding_reserve(uint64_t total_kib);

/*
 * Overhead of a guest before anything is learnt: page tables of its memory (1/512), 8 MiB for each virtual
 * processor (stacks and device queues), 48 MiB for QEMU itself. Without hardware virtualisation 128 MiB and 1/64 of its
 * memory more, for the code it translates.
 */
uint64_t overhead_estimate(const GuestSettings *settings);

/*
 * Overhead as learnt: what is resident beyond the balloon, while that has been steady. It rises within
 * seconds and falls within minutes, and only as far as the guest can be shown to have touched its memory.
 * Also remembers the resident memory, since a figure may be missing in a tick.
 */
uint64_t overhead_learn(OverheadMemory *memory, const GuestSnapshot *guest, uint64_t now_usec);

/*
 * The budget, and the figures that it follows from, into plan, whose reserve_kib is known: the smallest of two measured figures, of
 * Budget=, and of group_kib, what a group that all guests stand in leaves them, overheads included (UINT64_MAX: there is none).
 *
 * (a) MemTotal less huge page pools, reserve, non-guest processes and overheads;
 * (b) committed plus MemAvailable less reserve, less what is committed but not yet touched.
 *
 * Targets must not move with every page that the host reads from a disk. So what non-guest processes use rises at
 * once and falls half a minute later, and the smaller figure is held: when it sinks below the held one, that sinks at
 * once and a little further; it rises again when there has been clearly more for some time.
 *
 * The slack of guests' limits is a part of the reserve (limit.h): what they hold of it, up to half of the reserve,
 * is taken from there and not from the budget.
 *
 * Where a guest's resident memory is not known (it was started a moment ago), what is used by nobody else is taken
 * to be the guest's and not to be use by non-guest processes.
 */
void budget_work_out(BudgetMemory *memory, const HostSnapshot *host, const Settings *settings, const LedgerSums *sums,
                     uint64_t group_kib, uint64_t now_usec, Plan *plan);

/*
 * Books the overhead of a start that is admitted in this tick. It lowers the budget, and the held figure by as much, so
 * that the next measurement, which is lower too, is no news.
 */
void budget_book_overhead(BudgetMemory *memory, const Settings *settings, uint64_t overhead_kib, Plan *plan);
