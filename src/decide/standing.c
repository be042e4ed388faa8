/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/standing.h"

#include "decide/faults.h"
#include "units.h"

/* A driver that has not answered this long after a start or reset will not: the guest counts as static until it does. */
#define BOOT_GRACE_USEC (300 * USEC_PER_SEC)
/* A balloon that moves has a driver; when no statistics have come with it by then, none will. */
#define MUTE_GRACE_USEC (60 * USEC_PER_SEC)
/* A guest that ran before the daemon has this long for its first fresh report, in periods and at least. */
#define ADOPT_GRACE_PERIODS 4
#define ADOPT_GRACE_USEC (10 * USEC_PER_SEC)
/* Since the driver is up: time for services to start before the guest is squeezed. */
#define SETTLE_USEC (10 * USEC_PER_SEC)
/*
 * After a reset the driver's first word comes before its balloon has begun to move, and the size QEMU tells
 * is still the one from before (hw/virtio/virtio-balloon.c keeps it). So the size is believed a little later, when
 * it is near the target; and in any case after a while.
 */
#define RESET_SETTLE_USEC (4 * USEC_PER_SEC)
#define RESET_GIVE_UP_USEC (60 * USEC_PER_SEC)
/* Statistics that have not come for so long do not count as stale any more but as missing. */
#define NO_STATISTICS_USEC (300 * USEC_PER_SEC)

static void
stay_out(Standing *standing, GuestState state, Booking booking, PlanRule rule)
{
    standing->state = state;
    standing->booking = booking;
    standing->part = PART_OUT;
    standing->rule = rule;
}

/* Settings that leave nothing to decide. Returns whether there was one. */
static bool
stands_by_settings(const GuestSnapshot *guest, Standing *standing)
{
    const GuestSettings *settings = guest->settings;
    Booking booking = settings->bar == BALLOON_HUGEPAGES ? BOOKING_POOL : BOOKING_FULL;

    if (guest->life == GUEST_LIFE_OFF)
        stay_out(standing, GUEST_STATE_OFF, BOOKING_NONE, PLAN_RULE_OFF);
    else if (!settings->managed)
        stay_out(standing, GUEST_STATE_STATIC, booking, PLAN_RULE_UNMANAGED);
    else if (settings->mode == GUEST_MODE_STATIC)
        stay_out(standing, GUEST_STATE_STATIC, booking, PLAN_RULE_STATIC);
    else if (settings->bar != BALLOON_USABLE)
        stay_out(standing, GUEST_STATE_STATIC, booking, PLAN_RULE_BAR);
    else
        return false;
    return true;
}

static void
stands_frozen(const GuestMemory *memory, const GuestSnapshot *guest, Standing *standing)
{
    bool void_balloon = memory->restarting || (!guest->driver_up && !guest->adopted);
    Booking booking = void_balloon ? BOOKING_MAXIMUM : BOOKING_FROZEN;

    if (guest->migrating)
        stay_out(standing, GUEST_STATE_MIGRATING, booking, PLAN_RULE_FROZEN);
    else if (guest->life != GUEST_LIFE_RUNNING)
        stay_out(standing, GUEST_STATE_SUSPENDED, booking, PLAN_RULE_FROZEN);
    else
        stay_out(standing, GUEST_STATE_UNRESPONSIVE, booking, PLAN_RULE_UNRESPONSIVE);
}

/*
 * A balloon larger than nothing was inflated by some driver, and as long as QEMU holds no more than the size it
 * tells, that driver holds it still. A reset without a driver after it would show in resident memory, which is booked.
 */
static bool
balloon_holds(const GuestSnapshot *guest, uint64_t overhead_kib)
{
    return guest->has_actual && guest->actual_kib < guest->settings->maximum_kib && guest->resident_kib != 0 &&
           guest->resident_kib <= guest->actual_kib + overhead_kib + stuck_tolerance(guest->actual_kib);
}

static GuestState
adopting_state(const GuestSnapshot *guest, bool observe)
{
    return observe || guest->settings->mode == GUEST_MODE_OBSERVE ? GUEST_STATE_OBSERVED : GUEST_STATE_ACTIVE;
}

/* The driver has not answered in this boot. */
static void
stands_without_driver(GuestMemory *memory, const GuestSnapshot *guest, bool observe, uint64_t overhead_kib,
                      uint64_t interval_usec, uint64_t now_usec, Standing *standing)
{
    uint64_t since = now_usec - MIN(guest->boot_usec, now_usec);
    uint64_t adopt_grace = MAX(ADOPT_GRACE_PERIODS * MAX(guest->period_usec, interval_usec), ADOPT_GRACE_USEC);

    /* one with a paging file restarts, and what its balloon held before means nothing */
    if (guest->adopted && !guest->boot_in_place && paging_file(guest) == NULL) {
        if (since < adopt_grace)
            stay_out(standing, adopting_state(guest, observe), BOOKING_ADOPTED, PLAN_RULE_ADOPTING);
        else if (memory->balloon_moved || balloon_holds(guest, overhead_kib))
            stay_out(standing, GUEST_STATE_STATIC, BOOKING_ADOPTED, PLAN_RULE_NO_STATISTICS);
        else
            stay_out(standing, GUEST_STATE_STATIC, BOOKING_FULL,
                     guest->driver_known ? PLAN_RULE_NO_STATISTICS : PLAN_RULE_NO_DRIVER);
    } else if (memory->balloon_moved && since >= MUTE_GRACE_USEC) {
        stay_out(standing, GUEST_STATE_STATIC, BOOKING_ADOPTED, PLAN_RULE_NO_STATISTICS);
    } else if (since >= BOOT_GRACE_USEC) {
        stay_out(standing, GUEST_STATE_STATIC, BOOKING_FULL, PLAN_RULE_NO_DRIVER);
    } else if (guest->boot_in_place || guest->adopted) {
        stay_out(standing, GUEST_STATE_RESTARTING, BOOKING_MAXIMUM, PLAN_RULE_RESET);
    } else {
        stay_out(standing, GUEST_STATE_STARTING, BOOKING_MAXIMUM, PLAN_RULE_STARTING);
    }
}

static bool
balloon_is_believed(GuestMemory *memory, const GuestSnapshot *guest, uint64_t target_kib, uint64_t now_usec)
{
    uint64_t up = now_usec - MIN(guest->driver_usec, now_usec);
    uint64_t off = MAX(guest->actual_kib, target_kib) - MIN(guest->actual_kib, target_kib);

    if (up < RESET_SETTLE_USEC)
        return false;
    /* on its way down, and within what its limit lets it have already */
    if (memory->restart.limited && memory->balloon_moved && guest->actual_kib <= memory->restart.granted_kib)
        return true;
    return off <= stuck_tolerance(guest->actual_kib) || up >= RESET_GIVE_UP_USEC;
}

static void
watch_balloon(GuestMemory *memory, const GuestSnapshot *guest)
{
    if (!guest->has_actual)
        return;
    if (memory->first_actual_kib == 0)
        memory->first_actual_kib = guest->actual_kib;
    else if (guest->actual_kib != memory->first_actual_kib)
        memory->balloon_moved = true;
}

static void
stands_with_balloon(GuestMemory *memory, const GuestSnapshot *guest, StuckVerdict verdict, bool observe,
                    uint64_t now_usec, Standing *standing)
{
    bool observed = observe || guest->settings->mode == GUEST_MODE_OBSERVE;

    standing->state = observed ? GUEST_STATE_OBSERVED : GUEST_STATE_ACTIVE;
    /* A guest that others may move at any time can be anything up to its full memory; one that nobody moves
       because all of the daemon only looks on is shown as it would stand. */
    standing->booking = observed && !observe ? BOOKING_FULL : BOOKING_BALLOON;
    standing->part = observed && !observe ? PART_OBSERVED : PART_SHARES;
    standing->rule = observed ? PLAN_RULE_OBSERVE : PLAN_RULE_COUNT;
    if (observed)
        return;

    if (verdict == STUCK_TRIAL) {
        standing->state = GUEST_STATE_STUCK;
        standing->retry = true;
        standing->not_counted_on = true;
        standing->rule = PLAN_RULE_RETRY;
    }
    if (verdict == STUCK_SLOW)
        standing->not_counted_on = true;
    if (!guest->fresh && !broken(FAULT_NO_STALE_FREEZE)) {
        standing->not_squeezed = true;
        standing->rule = PLAN_RULE_STALE;
    } else if (now_usec - MIN(guest->driver_usec, now_usec) < SETTLE_USEC && !guest->adopted &&
               !broken(FAULT_SQUEEZE_STARTING)) {
        standing->not_squeezed = true;
        standing->rule = PLAN_RULE_SETTLING;
    }
}

void
standing_work_out(GuestMemory *memory, const GuestSnapshot *guest, uint64_t target_kib, bool observe,
                  uint64_t overhead_kib, uint64_t interval_usec, uint64_t now_usec, Standing *standing)
{
    bool observed = observe || guest->settings->mode == GUEST_MODE_OBSERVE;
    StuckVerdict verdict = STUCK_FOLLOWS;

    *standing = (Standing){.rule = PLAN_RULE_COUNT};
    if (guest->fresh && guest->has_usable) {
        memory->fresh_once = true;
        memory->fresh_usec = now_usec;
    }

    if (stands_by_settings(guest, standing))
        return;
    if (guest->migrating || guest->life != GUEST_LIFE_RUNNING || !guest->answering) {
        stuck_suspend(&memory->stuck);
        stands_frozen(memory, guest, standing);
        return;
    }
    watch_balloon(memory, guest);
    if (broken(FAULT_NO_RESET_BOOKING)) {
        memory->restarting = false;
    } else if (!guest->driver_up) {
        stuck_suspend(&memory->stuck);
        stands_without_driver(memory, guest, observe, overhead_kib, interval_usec, now_usec, standing);
        return;
    }
    if (memory->restarting) {
        if (!balloon_is_believed(memory, guest, target_kib, now_usec)) {
            stay_out(standing, GUEST_STATE_RESTARTING, BOOKING_MAXIMUM, PLAN_RULE_RESET);
            return;
        }
        memory->restarting = false;
    }
    if (!guest->has_actual) {
        stay_out(standing, GUEST_STATE_STATIC, BOOKING_FULL, PLAN_RULE_NO_STATISTICS);
        return;
    }

    /* whoever is not told anything can't fail to follow */
    if (!observed)
        verdict = stuck_judge(&memory->stuck, guest, target_kib, memory->demand.starved, overhead_kib, now_usec);
    if (memory->stuck.inhibited) {
        stay_out(standing, GUEST_STATE_STATIC, BOOKING_FULL, PLAN_RULE_INHIBITED);
        return;
    }
    if (!memory->demand.valid && !guest->has_usable) {
        uint64_t since = now_usec - MIN(guest->driver_usec, now_usec);

        if (since < ADOPT_GRACE_USEC && guest->adopted)
            stay_out(standing, adopting_state(guest, observe), BOOKING_ADOPTED, PLAN_RULE_ADOPTING);
        else
            stay_out(standing, GUEST_STATE_STATIC, BOOKING_BALLOON, PLAN_RULE_NO_STATISTICS);
        return;
    }
    if (memory->fresh_once) {
        if (now_usec - memory->fresh_usec >= NO_STATISTICS_USEC) {
            stay_out(standing, GUEST_STATE_STATIC, BOOKING_BALLOON, PLAN_RULE_NO_STATISTICS);
            return;
        }
    } else if (guest->adopted && !guest->fresh) {
        if (now_usec - MIN(guest->boot_usec, now_usec) < ADOPT_GRACE_USEC)
            stay_out(standing, adopting_state(guest, observe), BOOKING_ADOPTED, PLAN_RULE_ADOPTING);
        else
            stay_out(standing, GUEST_STATE_STATIC, BOOKING_ADOPTED, PLAN_RULE_NO_STATISTICS);
        return;
    }
    if (verdict == STUCK_STUCK) {
        stay_out(standing, GUEST_STATE_STUCK, BOOKING_BALLOON, PLAN_RULE_STUCK);
        standing->drawn_back = true;
        return;
    }
    stands_with_balloon(memory, guest, verdict, observe, now_usec, standing);
}
