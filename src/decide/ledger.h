/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The ledger: what each guest may touch at this moment (committed), what it costs besides (overhead), and
 * what all of them may be committed together (the budget), so that the host is never promised twice.
 *
 * Two rules rest on it. Rule G: a target is raised only while the sum of all committed plus the raise
 * fits the budget. Rule S: lowering a target is always allowed, because committed is the larger of actual
 * and target and can't rise by it. Memory is thus freed first and given after it is seen to be free.
 *
 * What is worked out here is what a guest may touch by its balloon alone. While it boots under a limit (memory.high) it is
 * booked at what the limit enforces instead: see pass_restart.c.
 */

#include "decide/recent.h"
#include "plan.h"

/* On what grounds a guest's committed memory is worked out. */
typedef enum Booking {
    BOOKING_NONE,    /* off */
    BOOKING_BALLOON, /* its balloon answers: max(actual, target) */
    BOOKING_ADOPTED, /* its balloon is believed for now: max(actual, target, resident) */
    BOOKING_MAXIMUM, /* nothing holds it back: maximum */
    BOOKING_FULL,    /* can't be ballooned: max(full memory, resident) */
    BOOKING_POOL,    /* lives in a huge page pool, which is outside the budget: nothing but its overhead */
    BOOKING_FROZEN,  /* what it had */
} Booking;

typedef struct OverheadMemory {
    bool valid;
    uint64_t overhead_kib;
    uint64_t resident_kib; /* the last that was known */
    uint64_t steady_usec;  /* actual has been what it is since then */
    uint64_t steady_kib;
    uint64_t updated_usec;
} OverheadMemory;

/* Zero: nothing yet. */
typedef struct LedgerMemory {
    bool valid;
    RecentMost other;    /* what non-guest processes use */
    uint64_t held_kib;   /* the measured budget in force, see ledger_work_out_budget */
    uint64_t above_usec; /* the measured budget has been clearly above it since then; 0: it is not */
} LedgerMemory;

/* Sums over the guests, what ledger_work_out_budget needs of them. */
typedef struct LedgerSums {
    uint64_t committed_kib;
    uint64_t overhead_kib;
    uint64_t resident_kib;
    uint64_t untouched_kib; /* committed and overhead that are not resident yet */
    uint64_t slack_kib;     /* resident beyond committed and overhead, within the slack of their limits */
    uint64_t unseen_kib;    /* committed and overhead of guests whose resident memory is not known */
} LedgerSums;

typedef struct LedgerBudget {
    uint64_t budget_kib; /* net of overheads, as the next two */
    uint64_t total_kib;
    uint64_t available_kib;
    uint64_t reserve_kib;
    uint64_t other_kib;
    uint64_t overhead_room_kib; /* Budget= does not count overheads: so much of them fits besides; 0 without Budget= */
    BudgetLimit limit;
} LedgerBudget;

/*
 * What is kept for the host when Reserve= is not set: 6 % of the first 4 GiB, 4 % up to 12 GiB, 2 % up to
 * 28 GiB, 1 % beyond; at least 128 MiB. A large host does not need as large a part.
 */
uint64_t ledger_sliding_reserve(uint64_t total_kib);

/*
 * Overhead of a guest before anything is learnt: page tables of its memory (1/512), 8 MiB for each virtual
 * processor (stacks and device queues), 48 MiB for QEMU itself. Without hardware virtualisation 128 MiB and 1/64 of its
 * memory more, for the code it translates.
 */
uint64_t ledger_estimate_overhead(const GuestSettings *settings);

/*
 * Overhead as learnt: what is resident beyond the balloon, while that has been steady. It rises within
 * seconds and falls within minutes, and only as far as the guest can be shown to have touched its memory.
 * Also remembers the resident memory, since a figure may be missing in a tick.
 */
uint64_t ledger_learn_overhead(OverheadMemory *memory, const GuestSnapshot *guest, uint64_t now_usec);

/* What the guest may touch. previous_kib: what it was booked at in the last tick, 0 where there was none. */
uint64_t ledger_committed(Booking booking, const GuestSnapshot *guest, uint64_t overhead_kib, uint64_t previous_kib);

/*
 * Adds a guest to the sums, or a start that was admitted: of that no resident memory is known either, and it may have
 * begun to touch what is booked for it before it is seen running. resident_kib: 0 where it is not known. slack_kib: how
 * much it may hold beyond committed and overhead, out of the reserve; 0 where no limit keeps it to that.
 */
void ledger_add(LedgerSums *sums, uint64_t committed_kib, uint64_t overhead_kib, uint64_t resident_kib,
                uint64_t slack_kib);

/*
 * The budget: the smallest of two measured figures and of Budget=.
 *
 * (a) MemTotal less huge page pools, reserve, non-guest processes and overheads;
 * (b) committed plus MemAvailable less reserve, less what is committed but not yet touched.
 *
 * Targets must not move with every page that the host reads from a disk. So what non-guest processes use rises at
 * once and falls half a minute later, and the smaller figure is held: when it sinks below the held one, that sinks at
 * once and a little further; it rises again when there has been clearly more for some time.
 *
 * The slack of guests' limits is a part of the reserve (guest_limit.h): what they hold of it, up to half of the reserve,
 * is taken from there and not from the budget.
 *
 * Where a guest's resident memory is not known (it was started a moment ago), what is used by nobody else is taken
 * to be the guest's and not to be use by non-guest processes.
 */
void ledger_work_out_budget(LedgerMemory *memory, const HostSnapshot *host, const Settings *settings,
                            const LedgerSums *sums, uint64_t now_usec, LedgerBudget *budget);

/*
 * Books the overhead of a start that is admitted in this tick. It lowers the budget, and the held figure by as much, so
 * that the next measurement, which is lower too, is no news.
 */
void ledger_book_overhead(LedgerMemory *memory, const Settings *settings, uint64_t overhead_kib, LedgerBudget *budget);
