/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/stuck.h"

#include "decide/faults.h"

/* The rate below which a guest makes no progress: 10 MiB/s, for small guests 1 % of their size a second. */
#define LEAST_RATE_KIB (10 * KIB_PER_MIB)
#define LEAST_RATE_PERCENT 1
#define RATE_SMOOTHING_USEC (5 * USEC_PER_SEC)

#define SLOW_AFTER_USEC (3 * USEC_PER_SEC)
#define STUCK_AFTER_USEC (20 * USEC_PER_SEC)
#define TRIAL_FAILS_AFTER_USEC (10 * USEC_PER_SEC)
#define RETRY_USEC (60 * USEC_PER_SEC)
#define RETRY_DOUBLINGS 3
/* One that is starved rests only this part of the time. */
#define STARVED_PART 2
/* A gap between two ticks counts as no more than this: the host may have slept. */
#define LONGEST_TICK_USEC (5 * USEC_PER_SEC)

/* A lower limit counts for so long, or until the guest has plenty usable. */
#define LIMIT_USEC (600 * USEC_PER_SEC)
#define LIMIT_USABLE_PART 16

#define INHIBITED_WINDOW_USEC (5 * USEC_PER_SEC)
#define STALE_SIZE_USEC (2 * USEC_PER_SEC)
#define INHIBITED_DOUBT_KIB (256 * KIB_PER_MIB)

static uint64_t
least_rate(uint64_t actual_kib)
{
    if (broken(FAULT_ANY_PROGRESS))
        return 1;
    return MAX(MIN(percent_of(actual_kib, LEAST_RATE_PERCENT), LEAST_RATE_KIB), 1);
}

/*
 * Compares what the balloon took with what the host got. QEMU's memory is held against the largest size of the last
 * seconds, so that it does not matter which of the two figures is the older one, nor that the balloon still moves.
 */
static void
watch_inhibited(StuckMemory *memory, const GuestSnapshot *guest, uint64_t overhead_kib, uint64_t now_usec)
{
    uint64_t resident = saturating_sub(guest->resident_kib, guest->settings->fixed_kib);
    uint64_t actual;
    uint64_t given;
    uint64_t freed;

    if (resident == 0 || broken(FAULT_NO_INHIBITED))
        return;
    /* of a guest that does not answer QEMU's memory is known, and the balloon's size of now is not */
    if (saturating_sub(now_usec, guest->asked_usec) > STALE_SIZE_USEC)
        return;
    /* what it touches while it grows is ahead of the size in the last answer */
    if (guest->target_kib > guest->actual_kib) {
        memory->from_actual_kib = memory->suspect_usec = 0;
        return;
    }
    actual = recent_note(&memory->size, guest->actual_kib, INHIBITED_WINDOW_USEC, now_usec);
    if (memory->from_actual_kib == 0 || actual >= memory->from_actual_kib) {
        /* what was freed since its size fell is none that it held before */
        if (guest->actual_kib >= memory->from_actual_kib)
            memory->from_resident_kib = resident;
        memory->from_actual_kib = actual;
        memory->suspect_usec = 0;
        return;
    }
    given = memory->from_actual_kib - actual;
    freed = saturating_sub(memory->from_resident_kib, resident);
    if (given < MAX(memory->from_actual_kib / 16, 128 * KIB_PER_MIB))
        return;
    /* well beyond what QEMU may cost: that is not known for a guest that never touched all its memory */
    if (resident > actual + overhead_kib + MAX(given / 4, INHIBITED_DOUBT_KIB) && freed < given / 4) {
        /* one that takes back by itself what it gave up is ahead of its size, too, until the next answers tell */
        lasting_note(&memory->suspect_usec, true, now_usec);
        memory->inhibited = guest->asked_usec >= memory->suspect_usec + INHIBITED_WINDOW_USEC;
        return;
    }
    memory->suspect_usec = 0;
    if (freed >= given / 4) {
        memory->from_actual_kib = actual;
        memory->from_resident_kib = resident;
    }
}

/* How long a guest that has failed so often is let be before it is tried again. */
static uint64_t
rest_of(const StuckMemory *memory)
{
    return RETRY_USEC << MIN(memory->tries - 1, RETRY_DOUBLINGS);
}

static void
flag(StuckMemory *memory, uint64_t now_usec)
{
    if (memory->flagged_usec == 0)
        memory->flagged_usec = now_usec;
    memory->tries++;
    memory->retry_usec = now_usec + rest_of(memory);
    memory->on_trial = false;
    memory->rate_kib = 0;
}

/* It is to make up for what is held against it (bad_usec), and fails when that grows instead. */
static void
begin_trial(StuckMemory *memory)
{
    memory->on_trial = true;
    memory->bad_usec = STUCK_AFTER_USEC - TRIAL_FAILS_AFTER_USEC;
    memory->moved = false;
    memory->behind = false;
}

/* It does not shrink any more and has next to nothing usable left: it gave what it could. */
static bool
reached_limit(const StuckMemory *memory, const GuestSnapshot *guest, uint64_t target_kib)
{
    return memory->rate_kib < least_rate(guest->actual_kib) && guest->actual_kib > target_kib && guest->has_usable &&
           guest->usable_kib < guest->report_actual_kib / LIMIT_USABLE_PART;
}

static void
measure(StuckMemory *memory, const GuestSnapshot *guest, uint64_t target_kib, uint64_t elapsed_usec)
{
    uint64_t actual = guest->actual_kib;
    uint64_t before = distance_u64(memory->actual_kib, target_kib);
    uint64_t now = distance_u64(actual, target_kib);
    uint64_t least = least_rate(actual);
    uint64_t elapsed_msec = MAX(elapsed_usec / USEC_PER_MSEC, 1);
    uint64_t rate = saturating_sub(before, now) * 1000 / elapsed_msec;
    uint64_t smoothing_msec = RATE_SMOOTHING_USEC / USEC_PER_MSEC;

    if (now <= stuck_tolerance(actual)) {
        memory->behind = false;
        if (saturating_sub(before, now) > stuck_tolerance(actual)) {
            memory->moved = true;
            memory->rate_kib = rate;
        }
        if (memory->moved)
            memory->bad_usec = saturating_sub(memory->bad_usec, elapsed_usec / 2);
        return;
    }
    if (!memory->behind) {
        /* the benefit of the doubt: about two seconds until it counts as not moving */
        memory->behind = true;
        memory->moved = memory->moved || rate >= least;
        memory->rate_kib = MAX(least + least / 2, rate);
        return;
    }
    elapsed_msec = MIN(elapsed_msec, smoothing_msec);
    memory->rate_kib = (memory->rate_kib * (smoothing_msec - elapsed_msec) + rate * elapsed_msec) / smoothing_msec;
    if (broken(FAULT_ANY_PROGRESS) && rate > 0)
        memory->rate_kib = MAX(memory->rate_kib, least);
    if (memory->rate_kib < least) {
        memory->bad_usec += elapsed_usec;
    } else {
        memory->bad_usec = saturating_sub(memory->bad_usec, elapsed_usec / 2);
        memory->moved = true;
    }
}

StuckVerdict
stuck_judge(StuckMemory *memory, const GuestSnapshot *guest, uint64_t target_kib, bool starved, uint64_t overhead_kib,
            uint64_t now_usec)
{
    uint64_t elapsed =
        memory->checked_usec == 0 ? 0 : MIN(saturating_sub(now_usec, memory->checked_usec), LONGEST_TICK_USEC);

    watch_inhibited(memory, guest, overhead_kib, now_usec);
    if (elapsed > 0 && (memory->flagged_usec == 0 || memory->on_trial))
        measure(memory, guest, target_kib, elapsed);
    memory->checked_usec = now_usec;
    memory->actual_kib = guest->actual_kib;

    if (broken(FAULT_NO_STUCK))
        return STUCK_FOLLOWS;

    if (memory->flagged_usec != 0 && !memory->on_trial) {
        if (now_usec + (starved ? rest_of(memory) / STARVED_PART : 0) < memory->retry_usec)
            return STUCK_STUCK;
        begin_trial(memory);
        return STUCK_TRIAL;
    }

    if (memory->behind && memory->bad_usec >= SLOW_AFTER_USEC && reached_limit(memory, guest, target_kib)) {
        memory->limit_kib = guest->actual_kib;
        memory->limit_until_usec = now_usec + LIMIT_USEC;
        memory->bad_usec = 0;
        memory->behind = false;
    }
    if (guest->has_usable && guest->usable_kib >= guest->report_actual_kib / LIMIT_USABLE_PART * 2)
        memory->limit_kib = 0;

    if (memory->bad_usec >= STUCK_AFTER_USEC) {
        flag(memory, now_usec);
        return STUCK_STUCK;
    }
    if (memory->on_trial && memory->bad_usec > 0)
        return STUCK_TRIAL;
    if (memory->on_trial) {
        memory->on_trial = false;
        memory->flagged_usec = 0;
        memory->tries = 0;
    }
    return memory->behind && memory->bad_usec >= SLOW_AFTER_USEC ? STUCK_SLOW : STUCK_FOLLOWS;
}

void
stuck_suspend(StuckMemory *memory)
{
    memory->checked_usec = 0;
    memory->behind = false;
}
