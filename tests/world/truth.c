/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is true, held against what the ledger said in the last finished tick:
 *
 *   of each guest   what it is booked at covers what its QEMU could hold at worst;
 *   of the host     all that could be held, and what others use, leave the reserve.
 *
 * What memory.high keeps a guest to may lie above its booking by the slack of its limit, which is a part of the reserve.
 */

#include "world.h"

#include <string.h>

/*
 * The excuses: what happens in the world so that no ledger can know it in time. Each ends after a time in which the daemon
 * could look: it is there and connected, and the guest answers.
 */
static const struct {
    uint64_t usec;
    bool settles; /* it begins when the balloon is where it was told to be */
    const char *reason;
} excuses[EXCUSE_COUNT] = {
    [EXCUSE_UNASKED] = {5 * USEC_PER_SEC, false, "it started without being asked about, or is never refused"},
    [EXCUSE_SOON] = {3 * USEC_PER_SEC, false,
                     "it was started soon after its stop, which is not refused though nothing is free"},
    [EXCUSE_MOVED] = {3 * USEC_PER_SEC, true,
                      "somebody else told its balloon to give it more: that shows in its reports only"},
    [EXCUSE_EMPTIES] = {3 * USEC_PER_SEC, true, "it takes back what it gave up, as a guest can at any time"},
    [EXCUSE_UNLOADED] = {3 * USEC_PER_SEC, true,
                         "its driver is unloaded: its size tells, and no report comes with that"},
    [EXCUSE_RESET] = {5 * USEC_PER_SEC, false,
                      "it was reset, or goes on after it, and no limit holds it to what it is booked at"},
    [EXCUSE_UNHELD] = {2500 * USEC_PER_MSEC, false,
                       "it was started paused, or libvirt went away before its limit came, and it runs without one"},
    [EXCUSE_MISSED] =
        {12 * USEC_PER_SEC, false,
         "it was reset while nobody could hear of it, and no limit holds it: that its reports stay away tells"},
    [EXCUSE_PLUGGED] = {4 * USEC_PER_SEC, true, "its memory devices are larger: that shows when its XML is read"},
    [EXCUSE_REVERTED] = {4 * USEC_PER_SEC, true,
                         "a snapshot brings memory, and its hook looks like that of a guest that boots"},
    [EXCUSE_ABSENT] = {6 * USEC_PER_SEC, true, "the daemon is new, and has not seen it yet"},
    [EXCUSE_STRAY_CALL] = {3 * USEC_PER_SEC, true, "a call of a daemon that is gone has told it more"},
};

/* A kernel that has just begun to boot needs so long to touch what nothing keeps from it; by then its limit is there. */
#define BOOT_USEC (8 * USEC_PER_SEC)
/* A guest that is let in whatever room there is: so long until what others can give up has been taken from them. */
#define FORCED_USEC (120 * USEC_PER_SEC)

/* ---- what could be held ---- */

/* The least that its balloon may leave in QEMU by what it was told, or is being told. */
static uint64_t
balloon_at_worst(const Seat *seat)
{
    const Machine *machine = seat->machine;
    const World *world = seat->world;
    uint64_t ram = machine_ram(machine);
    uint64_t least = machine->foreign ? machine->balloon_kib : MIN(machine->balloon_kib, machine->asked_kib);

    for (guint i = 0; i < world->calls->len; i++) {
        const Call *call = g_ptr_array_index(world->calls, i);

        if (call->seat == seat && call->kind == CALL_TARGET && call->undone && call->daemon == world->daemon)
            least = MIN(least, ram - MIN(call->value, ram));
    }
    return least;
}

/* Of one without the element there is no mode in its XML. */
static GuestMode
mode_of(const Seat *seat)
{
    return seat->live.managed ? seat->live.mode : GUEST_MODE_DYNAMIC;
}

static bool
is_managed(const Seat *seat)
{
    return seat->live.managed || seat->world->manage_all;
}

bool
truth_is_ours(const Seat *seat)
{
    return is_managed(seat) && mode_of(seat) == GUEST_MODE_DYNAMIC && !seat->live.vfio;
}

bool
truth_is_wild(const Seat *seat)
{
    return !is_managed(seat) || mode_of(seat) == GUEST_MODE_STATIC || seat->live.vfio;
}

bool
truth_is_shown_wild(const Seat *seat)
{
    PlanRule rule = seat->told.rule;

    return seat->told.planned && (rule == PLAN_RULE_UNMANAGED || rule == PLAN_RULE_STATIC || rule == PLAN_RULE_BAR);
}

uint64_t
truth_touchable(const Seat *seat)
{
    const Machine *machine = seat->machine;
    uint64_t touchable;
    uint64_t limit = UINT64_MAX;
    uint64_t holds;

    if (machine == NULL || machine->huge)
        return 0;
    if (machine->arriving || machine->loading)
        touchable = machine->held_kib + machine->coming_kib;
    else if (!machine->ran)
        touchable = machine->held_kib;
    else if (machine->driver && !seat->wild)
        touchable = machine_ram(machine) - balloon_at_worst(seat) + machine_device(machine);
    else if (machine->cold && machine->high_kib == LIMIT_NONE && !seat->wild &&
             seat->world->now_usec - machine->booted_usec < BOOT_USEC)
        touchable = machine->held_kib;
    else
        touchable = machine_ram(machine) + machine_device(machine);
    if (machine->high_kib != LIMIT_NONE)
        limit = saturating_sub(machine->high_kib, machine->overhead_kib);
    /* memory.max kills, but it lets nobody have more */
    if (machine->hard_limit_kib != 0)
        limit = MIN(limit, machine->hard_limit_kib);
    /* what is in a file that is emptied comes back, whatever its limit is */
    holds = machine->held_kib + (seat->file.record.stage == PAGING_STAGE_EMPTYING ? machine->paged_kib : 0);
    if (machine->hard_limit_kib != 0)
        holds = MIN(holds, machine->hard_limit_kib);
    return MAX(MIN(touchable, limit), holds);
}

/* ---- what the ledger says ---- */

uint64_t
truth_booked(const Seat *seat)
{
    const Told *told = &seat->told;
    uint64_t booked = told->planned ? told->committed_kib + told->lent_kib : 0;

    if (told->starting && !(told->planned && told->off))
        booked += told->start_kib;
    return booked;
}

static uint64_t
booked_overhead(const Seat *seat)
{
    const Told *told = &seat->told;
    uint64_t overhead = told->planned && !told->off ? told->overhead_kib : 0;

    return told->starting ? MAX(overhead, told->start_overhead_kib) : overhead;
}

/* What is promised of slack: half of the reserve, shared by what is booked, no more than an eighth of that, and 16 MiB at least. */
#define SLACK_LEAST_KIB FROM_MIB(16)
/* So long, and up to twice that, a limit that was right a moment ago may be in force, because it is not lowered at once. */
#define SLACK_USEC (20 * USEC_PER_SEC)
/* What a limit let in beyond a booking is booked when its guest is reset; until others have made room it is still slack. */
#define LOW_USEC (8 * USEC_PER_SEC)

static uint64_t
promised_slack(const Seat *seat)
{
    const World *world = seat->world;
    uint64_t booked = truth_booked(seat) - seat->told.lent_kib + booked_overhead(seat);
    double part = world->committed_kib > 0 ? (double)booked / (double)world->committed_kib : 1.0;
    uint64_t share = (uint64_t)((double)world->options.reserve_kib / 2.0 * MIN(part, 1.0));

    return MAX(MIN(share, booked / 8), SLACK_LEAST_KIB);
}

void
truth_take_plan(World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];
        uint64_t booked = truth_booked(seat);
        uint64_t whole = promised_slack(seat);
        uint64_t for_memory = seat->told.committed_kib + seat->told.overhead_kib + seat->told.lent_kib;

        /* as of the bookings of a moment ago */
        if (seat->told.planned && seat->told.limit_kib != LIMIT_NONE)
            whole =
                MAX(whole, MIN((booked - seat->told.lent_kib) / 8, saturating_sub(seat->told.limit_kib, for_memory)));
        if (world->now_usec - seat->slack_usec >= SLACK_USEC) {
            seat->slack_before_kib = seat->slack_kib;
            seat->slack_kib = 0;
            seat->slack_usec = world->now_usec;
        }
        seat->slack_kib = MAX(seat->slack_kib, whole);
        if (booked <= seat->low_kib || world->now_usec - seat->low_usec >= LOW_USEC) {
            seat->low_kib = booked;
            seat->low_usec = world->now_usec;
        }
    }
}

/* What its limit may let in beyond, out of the reserve; a limit may stand half of its slack too high. */
static uint64_t
slack(const Seat *seat)
{
    uint64_t most = MAX(seat->slack_kib, seat->slack_before_kib);

    return most + most / 2 + SLACK_LEAST_KIB;
}

/* How much more it could hold than it is booked at, of which its limit's slack, held by memory.high, is *in_slack. */
static uint64_t
beyond(const Seat *seat, uint64_t *in_slack)
{
    uint64_t touchable = truth_touchable(seat);
    uint64_t booked = truth_booked(seat);
    uint64_t above = 0;

    *in_slack = 0;
    /* balloons are made of whole pages */
    if (touchable <= booked + PAGE_KIB || seat->machine == NULL)
        return 0;
    if (seat->machine->high_kib == LIMIT_NONE && touchable > seat->machine->held_kib)
        return touchable - booked;
    above = saturating_sub(touchable + seat->machine->overhead_kib, booked + booked_overhead(seat));
    if (seat->machine->high_kib != LIMIT_NONE)
        *in_slack = MIN(above, slack(seat));
    return above - *in_slack;
}

/* ---- excuses ---- */

void
truth_excuse(Seat *seat, Excuse excuse)
{
    /* and a tick must come: with a report, which comes as often as ticks do; without one, the next tick after the question */
    uint64_t usec = excuses[excuse].usec + (excuse == EXCUSE_UNLOADED ? 2 : 1) *
                                               saturating_sub(seat->world->options.interval_usec, USEC_PER_SEC);

    /* the one that ends later */
    if (seat->excuse != EXCUSE_NONE && usec < seat->excused_usec &&
        (excuses[seat->excuse].settles || !excuses[excuse].settles))
        return;
    if (seat->fair_kib == 0) {
        seat->fair_kib = MAX(truth_booked(seat), PAGE_KIB);
        seat->calm_kib = truth_touchable(seat);
    }
    seat->excuse = excuse;
    seat->excused_usec = usec;
}

void
truth_surprise(Seat *seat, Excuse excuse)
{
    uint64_t in_slack;

    if (beyond(seat, &in_slack) > 0 || excuses[excuse].settles)
        truth_excuse(seat, excuse);
}

static void
age_excuse(World *world, Seat *seat)
{
    const Machine *machine = seat->machine;
    bool settled;

    if (machine != NULL && (machine->arriving || machine->loading) && seat->start.unasked)
        truth_excuse(seat, EXCUSE_UNASKED);
    if (machine != NULL && machine->emptying)
        truth_surprise(seat, EXCUSE_EMPTIES);
    /* what it could not hold any more, and takes again, nobody gave it either */
    seat->calm_kib = MIN(seat->calm_kib, truth_touchable(seat));
    if (seat->excuse == EXCUSE_NONE || !daemon_knows(world, seat))
        return;
    settled = machine == NULL || (machine->coming_kib == 0 &&
                                  (!machine->driver || machine->paused || seat->kernel.driver == DRIVER_STUCK ||
                                   (machine->balloon_kib == machine->asked_kib && !machine->emptying)));
    if (excuses[seat->excuse].settles && !settled)
        return;
    seat->excused_usec = saturating_sub(seat->excused_usec, WORLD_STEP_USEC);
    if (seat->excused_usec == 0) {
        seat->excuse = EXCUSE_NONE;
        seat->fair_kib = 0;
    }
}

void
truth_step(World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];

        age_excuse(world, seat);
        if (seat->forced_usec != 0 && world->now_usec - seat->forced_usec >= FORCED_USEC)
            seat->forced_usec = 0;
        if (seat->plugged_usec != 0 && world->now_usec - seat->plugged_usec >= FORCED_USEC)
            seat->plugged_usec = 0;
    }
}

/* ---- the checks ---- */

static bool
is_forced(const World *world, const Seat *seat)
{
    /* where no limit can be set nothing holds a guest that boots */
    return seat->forced_usec != 0 || ((!world->options.limits || world->options.limits_flaky) &&
                                      !seat->machine->driver && seat->machine->high_kib == LIMIT_NONE);
}

/* By how much other processes have grown since the ledger could have looked last. */
static uint64_t
recent_growth(const World *world)
{
    uint64_t least = world->other_kib;

    for (unsigned i = 0; i < G_N_ELEMENTS(world->other_least_kib) && i < world->other_next; i++)
        least = MIN(least, world->other_least_kib[i]);
    return world->other_kib - least;
}

/* What it could hold beyond what it was booked at a moment ago. */
static uint64_t
above_booking(const Seat *seat)
{
    return saturating_sub(truth_touchable(seat), MIN(truth_booked(seat), seat->low_kib));
}

/* What its limit lets in of that: out of the reserve. */
static uint64_t
from_reserve(const Seat *seat)
{
    return seat->machine->high_kib == LIMIT_NONE ? 0 : MIN(above_booking(seat), slack(seat));
}

/* What it takes of the host that nobody gave it: where no limit holds it all that it takes now. */
static uint64_t
excused(const Seat *seat)
{
    uint64_t in_slack;

    if (seat->machine->high_kib != LIMIT_NONE)
        return above_booking(seat);
    return MAX(beyond(seat, &in_slack), saturating_sub(truth_touchable(seat), seat->calm_kib));
}

/* What QEMUs cost is an estimate. */
#define ROUNDING_KIB FROM_MIB(16)

static void
check_host(World *world)
{
    uint64_t room = saturating_sub(world->options.memory_kib, world->options.reserve_kib);
    uint64_t sum = world->other_kib;
    uint64_t promised = world->other_kib; /* the same, and what is booked beyond what could be held now */
    uint64_t allowed = world->debt_kib + recent_growth(world) + ROUNDING_KIB;
    uint64_t slacks = 0;
    uint64_t over;

    for (unsigned i = 0; i < world->count; i++) {
        const Seat *seat = &world->seats[i];
        const Machine *machine = seat->machine;
        uint64_t could;

        if (machine == NULL) {
            promised += truth_booked(seat) + booked_overhead(seat);
            continue;
        }
        could = truth_touchable(seat) + machine->overhead_kib;
        sum += could;
        promised += MAX(could, truth_booked(seat) + machine->overhead_kib);
        if (seat->excuse != EXCUSE_NONE)
            allowed += excused(seat);
        else
            slacks += from_reserve(seat);
        if (is_forced(world, seat))
            allowed += could;
        else if (seat->plugged_usec != 0)
            allowed += seat->plugged_kib;
    }
    allowed += MIN(slacks, world->options.reserve_kib);
    over = saturating_sub(sum, room);
    world->counts.tight += sum + FROM_MIB(64) > room;
    if (!world->judged)
        allowed = UINT64_MAX;
    else if (over > allowed)
        world_break(
            world, NULL,
            "the host is promised twice: guests and others could hold %.1f MiB of %.1f, %.1f more than is excused",
            MIB(sum), MIB(room), MIB(over - allowed));
    /* while all that is promised does not fit, what could not be prevented is not forgotten */
    world->debt_kib = MIN(saturating_sub(promised, room), allowed);
    world->judged = world->ticked;
}

void
truth_check(World *world)
{
    if (world->broken != NULL)
        return;
    world->counts.checks++;
    for (unsigned i = 0; world->ticked && i < world->count; i++) {
        const Seat *seat = &world->seats[i];
        uint64_t in_slack;
        uint64_t too_much = beyond(seat, &in_slack);

        if (too_much == 0)
            continue;
        if (seat->excuse != EXCUSE_NONE) {
            world->counts.excused++;
            continue;
        }
        world_break(world, seat, "could hold %.2f MiB and is booked at %.2f%s: %.2f too little",
                    MIB(truth_touchable(seat)), MIB(truth_booked(seat)),
                    seat->machine->high_kib != LIMIT_NONE ? " and has a limit" : "", MIB(too_much));
    }
    check_host(world);
}
