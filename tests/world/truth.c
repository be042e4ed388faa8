/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is true, held against what the ledger said in the last finished tick:
 *
 *   of each guest   what it is booked at covers what its QEMU could hold at worst;
 *   of the host     all that could be held, and what others use, leave the reserve.
 *
 * What memory.high keeps a guest to may lie above its booking by the slack of its limit, which is a part of the reserve.
 *
 * What is tolerated is as small as random worlds allow, and says what it comes from. Where one is made smaller, a world that
 * fails shows the daemon wrong or the argument right.
 */

#include "world.h"

#include <string.h>

/*
 * The excuses: what happens in the world so that no ledger can know it in time. One ends a while after it began, or after what it
 * excuses has come to its end (settles). While it lasts, what the guest was seen to be able to hold for all of that while is booked
 * all the same. Only time counts in which the daemon could look (daemon_knows).
 */

/* An event is up to 0.9 s late where libvirtd is busy (watcher.c); a tick follows at once, and waits half a second for answers. */
#define HEARD_USEC (1500 * USEC_PER_MSEC)
/* ... and orders a limit, which is told again after a second where it could not be written, and may be a second late. */
#define HELD_USEC (3500 * USEC_PER_MSEC)
/* An event, as before, and then the XML is read, which may take another 0.7 s, or is done once more because something has changed. */
#define READ_USEC (2500 * USEC_PER_MSEC)
/* A report comes each second, or each interval where that is longer, and is fetched a quarter of an interval later at most; a tick
   follows within the next interval. Both wait for answers, half a second each. */
#define SEEN_USEC(interval)                                                                                            \
    (USEC_PER_SEC + (((interval) + USEC_PER_SEC - 1) / USEC_PER_SEC * USEC_PER_SEC) + (interval) + (interval) / 4)

static const struct {
    uint64_t usec; /* 0: nothing tells but what it has or holds, which takes SEEN_USEC */
    bool settles;  /* it does not end before the balloon is where it was told to be */
    const char *reason;
} excuses[EXCUSE_COUNT] = {
    [EXCUSE_UNASKED] = {0, false, "it started without being asked about, or is never refused"},
    [EXCUSE_SOON] = {HELD_USEC, false,
                     "it was started soon after its stop, which is not refused though nothing is free"},
    [EXCUSE_MOVED] = {0, true, "somebody else told its balloon to give it more: that shows in its reports only"},
    [EXCUSE_EMPTIES] = {0, true, "it takes back what it gave up, as a guest can at any time"},
    [EXCUSE_UNLOADED] = {0, true, "its driver is unloaded: its size tells, and no report comes with that"},
    [EXCUSE_RESET] = {READ_USEC, false,
                      "it was reset, or goes on after it, and no limit holds it to what it is booked at"},
    [EXCUSE_UNHELD] = {HEARD_USEC, false,
                       "it was started paused, or libvirt was away before its limit came, and it runs without one"},
    [EXCUSE_MISSED] = {HEARD_USEC, false, "it was reset while nobody could hear of it"},
    [EXCUSE_PLUGGED] = {READ_USEC, true, "its memory devices are larger: that shows when its XML is read"},
    [EXCUSE_REVERTED] = {0, true, "a snapshot brings memory, and its hook looks like that of a guest that boots"},
    [EXCUSE_ABSENT] = {0, true, "the daemon is new, and has not seen it yet"},
    [EXCUSE_STRAY_CALL] = {0, true, "a call of a daemon that is gone has told it more"},
};

/*
 * A kernel that has just begun to boot touches little (machine.c, BOOT_CALM_USEC), and the ledger relies on that for five seconds:
 * a limit that is ordered with a start is in force by then, or its guest is booked at all its memory. With the event of its start
 * and the tick that follows that is so long.
 */
#define BOOT_USEC(interval) (4500 * USEC_PER_MSEC + MAX(interval, USEC_PER_SEC))
/* Who is let in whatever room there is, or given memory by his administrator, has taken it by then, and it is booked. */
#define FORCED_USEC (6 * USEC_PER_SEC)

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

bool
truth_is_new(const Seat *seat)
{
    return seat->machine->cold && seat->world->now_usec - seat->machine->booted_usec < READ_USEC;
}

/* A limit that is ordered with its start is in force by then, or is relied on no more, whether its driver is there sooner or not. */
static bool
has_just_booted(const Seat *seat)
{
    const Machine *machine = seat->machine;

    return machine->ran && !machine->brought && machine->resets == 0 &&
           seat->world->now_usec - machine->booted_usec < BOOT_USEC(seat->world->options.interval_usec);
}

/* With a balloon of so much, of memory that is still to come so much, and devices of that size. */
static uint64_t
could_hold(const Seat *seat, bool wild, uint64_t balloon_kib, uint64_t coming_kib, uint64_t device_kib)
{
    const Machine *machine = seat->machine;
    uint64_t touchable;
    uint64_t limit = UINT64_MAX;
    uint64_t holds;

    if (machine == NULL || machine->huge)
        return 0;
    if (machine->arriving || machine->loading)
        touchable = machine->held_kib + coming_kib;
    else if (!machine->ran)
        touchable = machine->held_kib;
    else if (has_just_booted(seat) && !wild)
        touchable = machine->held_kib;
    else if (machine->driver &&
             (!wild || machine->high_ours)) /* who is nobody's is looked after until its limit is gone */
        touchable = machine_ram(machine) - balloon_kib + device_kib;
    else
        touchable = machine_ram(machine) + device_kib;
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

uint64_t
truth_touchable(const Seat *seat)
{
    return seat->machine == NULL ? 0
                                 : could_hold(seat, seat->wild, balloon_at_worst(seat), seat->machine->coming_kib,
                                              machine_device(seat->machine));
}

/* ---- what the ledger says ---- */

uint64_t
truth_booked(const Seat *seat)
{
    const Told *told = &seat->told;
    uint64_t booked = told->planned ? told->committed_kib + told->lent_kib : 0;

    if (told->starting && !told->planned)
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

/* What is promised of slack: of half of the reserve the part that is booked of the host, an eighth of that at most, and 16 MiB at least. */
#define SLACK_LEAST_KIB FROM_MIB(16)
/* So long, and up to twice that, a limit that was right a moment ago may be in force: a lower one is written in the next tick, and
   once more a second later where that fails. */
#define SLACK_USEC (2 * USEC_PER_SEC)
/* Where slack becomes less, what a limit in force lets in beyond it is booked until a lower one is. So long it is slack still; and
   what a guest holds of it no limit takes back. */
#define LOW_USEC (3 * USEC_PER_SEC)

static uint64_t
promised_slack(const Seat *seat)
{
    const WorldOptions *options = &seat->world->options;
    uint64_t booked = truth_booked(seat) - seat->told.lent_kib + booked_overhead(seat);
    double part = (double)booked / (double)(options->memory_kib - options->reserve_kib);
    uint64_t share = (uint64_t)((double)options->reserve_kib / 2.0 * MIN(part, 1.0));

    return MAX(MIN(share, booked / 8), SLACK_LEAST_KIB);
}

/* As its booking counts it. */
static uint64_t
holds(const Seat *seat)
{
    return seat->machine == NULL
               ? 0
               : saturating_sub(seat->machine->held_kib + seat->machine->overhead_kib, booked_overhead(seat));
}

void
truth_take_plan(World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];
        uint64_t booked = truth_booked(seat);
        uint64_t whole = promised_slack(seat);

        if (world->now_usec - seat->slack_usec >= SLACK_USEC) {
            seat->slack_before_kib =
                holds(seat) > booked ? MAX(seat->slack_before_kib, seat->slack_kib) : seat->slack_kib;
            seat->slack_kib = 0;
            seat->slack_usec = world->now_usec;
        }
        seat->slack_kib = MAX(seat->slack_kib, whole);
        seat->since_low_kib = MIN(seat->since_low_kib, booked);
        if (booked <= seat->low_kib || (world->now_usec - seat->low_usec >= LOW_USEC && booked >= holds(seat))) {
            seat->low_kib = seat->since_low_kib;
            seat->since_low_kib = UINT64_MAX;
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

/* How much more than it is booked at so much is, without its limit's slack, held by memory.high. */
static uint64_t
beyond(const Seat *seat, uint64_t could_kib)
{
    uint64_t booked = truth_booked(seat);
    uint64_t above;

    /* balloons are made of whole pages */
    if (could_kib <= booked + PAGE_KIB || seat->machine == NULL)
        return 0;
    if (seat->machine->high_kib == LIMIT_NONE && could_kib > seat->machine->held_kib)
        return could_kib - booked;
    above = saturating_sub(could_kib + seat->machine->overhead_kib, booked + booked_overhead(seat));
    /* the slack of a limit that is on its way is promised, too */
    return seat->machine->high_kib == LIMIT_NONE && !has_just_booted(seat) ? above : saturating_sub(above, slack(seat));
}

/* ---- excuses ---- */

static uint64_t
excuse_usec(const Seat *seat, Excuse excuse)
{
    return excuses[excuse].usec != 0 ? excuses[excuse].usec : SEEN_USEC(seat->world->options.interval_usec);
}

void
truth_forget(Seat *seat)
{
    seat->excuse = EXCUSE_NONE;
    seat->excused_usec = 0;
    seat->fair_kib = 0;
    seat->shows = 0;
    seat->could_kib = 0;
}

void
truth_excuse(Seat *seat, Excuse excuse)
{
    uint64_t usec = excuse_usec(seat, excuse);

    /* the one that ends later */
    if (seat->excuse != EXCUSE_NONE && usec < seat->excused_usec &&
        (excuses[seat->excuse].settles || !excuses[excuse].settles))
        return;
    if (seat->fair_kib == 0) {
        seat->fair_kib = MAX(truth_booked(seat), PAGE_KIB);
        seat->calm_kib = MIN(seat->could_kib, truth_touchable(seat));
    }
    seat->excuse = excuse;
    seat->excused_usec = usec;
}

void
truth_surprise(Seat *seat, Excuse excuse)
{
    if (beyond(seat, truth_touchable(seat)) > 0 || excuses[excuse].settles)
        truth_excuse(seat, excuse);
}

static void
note_showing(const World *world, Seat *seat)
{
    const Machine *machine = seat->machine;
    Showing now;
    Showing *last = &seat->showed[(seat->shows - 1) % SHOWN_STEPS];

    if (machine == NULL)
        return;
    now.device_kib = machine->device_plugged_kib;
    now.kib = saturating_sub(could_hold(seat, false, machine->balloon_kib, 0, now.device_kib), now.device_kib);
    if (daemon_knows(world, seat))
        seat->showed[seat->shows++ % SHOWN_STEPS] = now;
    else if (seat->shows > 0)
        *last = (Showing){MIN(last->kib, now.kib), MIN(last->device_kib, now.device_kib)};
}

/* What could be seen of it for as long as its excuse allows. That is booked all the same. */
static uint64_t
showed(const Seat *seat)
{
    uint64_t steps = excuse_usec(seat, seat->excuse) / WORLD_STEP_USEC;
    Showing least = {UINT64_MAX / 2, UINT64_MAX / 2};

    if (seat->shows < steps)
        return 0;
    for (uint64_t i = 1; i <= steps; i++) {
        const Showing *then = &seat->showed[(seat->shows - i) % SHOWN_STEPS];

        least = (Showing){MIN(least.kib, then->kib), MIN(least.device_kib, then->device_kib)};
    }
    /* a reset takes all of its virtio-mem away (QEMU hw/virtio/virtio-mem.c, virtio_mem_system_reset) */
    return least.kib + MIN(least.device_kib, seat->machine->device_plugged_kib);
}

/* A call takes eleven seconds at most (calls.c); then the guest is looked at again. */
#define BLIND_USEC (15 * USEC_PER_SEC)

/* The daemon does look, so that excuses end: whoever can be asked is not left alone for long. */
static void
check_eyes(World *world, Seat *seat)
{
    bool can = world->engine != NULL && !world->libvirtd_away && seat->machine != NULL && !seat->machine->hung;

    /* libvirt has a guest locked while its hook runs, and all are not known before it was read */
    for (unsigned i = 0; can && i < world->count; i++)
        can = world->seats[i].start.stage != STARTING_HOOK && world->seats[i].start.stage != STARTING_LAUNCH;
    if (!can || daemon_knows(world, seat))
        seat->blind_usec = 0;
    else
        seat->blind_usec += WORLD_STEP_USEC;
    if (seat->blind_usec >= BLIND_USEC)
        world_break(world, seat, "is not looked at for %.0f seconds, though it answers",
                    (double)BLIND_USEC / (double)USEC_PER_SEC);
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

/* ---- the checks ---- */

/* The least that other processes had since the ledger could have looked last. */
static uint64_t
least_of_others(const World *world)
{
    uint64_t least = world->other_kib;
    uint64_t steps = world->options.interval_usec / WORLD_STEP_USEC;

    for (uint64_t i = 1; i <= steps && i <= world->other_next; i++)
        least = MIN(least, world->other_least_kib[(world->other_next - i) % G_N_ELEMENTS(world->other_least_kib)]);
    return least;
}

/*
 * What its limit lets in beyond what it was booked at a moment ago: out of the reserve, and what its QEMU does not cost of what is booked
 * for that. The limit is one of all that its QEMU has, so what that costs beyond its booking is a part of the slack as well.
 */
static uint64_t
from_reserve(const Seat *seat)
{
    uint64_t booked = booked_overhead(seat), costs = seat->machine->overhead_kib;
    uint64_t above =
        saturating_sub(truth_touchable(seat) + saturating_sub(costs, booked), MIN(truth_booked(seat), seat->low_kib));

    return seat->machine->high_kib == LIMIT_NONE ? 0 : MIN(above, slack(seat) + saturating_sub(booked, costs));
}

/* What it takes of the host now that nobody could prevent. */
static uint64_t
unprevented(const Seat *seat)
{
    uint64_t could = truth_touchable(seat);
    uint64_t plugged = seat->plugged_usec != 0 ? seat->plugged_kib : 0;

    if (seat->machine == NULL)
        return 0;
    if (seat->forced_usec != 0)
        return MAX(could, truth_booked(seat)) + seat->machine->overhead_kib;
    if (seat->excuse == EXCUSE_NONE)
        return plugged;
    /* what it had of slack before was no part of what it was booked at */
    could = MAX(beyond(seat, could), saturating_sub(could, MIN(seat->calm_kib, seat->fair_kib)));
    return could + plugged + (seat->calm_kib == 0 ? seat->machine->overhead_kib : 0);
}

/* Its moment is over: it is not forgotten while what is promised does not fit. */
static void
owe(World *world, const Seat *seat, uint64_t kib)
{
    for (Within within = WITHIN_HOST; within < WITHINS; within++)
        if (world_is_within(seat, within))
            world->debts_kib[within] += kib;
}

static bool
is_group(Within within)
{
    return within == WITHIN_GROUP || within == WITHIN_INNER;
}

static void
owe_groups(World *world, const Seat *seat, uint64_t kib)
{
    for (Within within = WITHIN_HOST; within < WITHINS; within++)
        if (is_group(within) && world_is_within(seat, within))
            world->debts_kib[within] += kib;
}

/* What the guests may hold together there, what others hold of that, and what of it is there for slack. */
typedef struct Room {
    uint64_t kib;
    uint64_t reserve_kib;
    unsigned part; /* so many parts of parts of the host's, and of what others hold; 0: none */
    unsigned parts;
} Room;

static Room
room_of(const World *world, Within within)
{
    const WorldOptions *options = &world->options;
    uint64_t guests_kib = options->memory_kib - options->reserve_kib;
    unsigned nodes = within == WITHIN_NODES ? 2 : 1;

    if (within == WITHIN_HOST)
        return (Room){guests_kib, options->reserve_kib, 1, 1};
    if (within == WITHIN_GROUP && options->above_seats != 0)
        return (Room){.kib = options->above_kib - options->among_kib};
    if (within == WITHIN_INNER && options->inner_seats != 0)
        return (Room){.kib = options->inner_kib};
    if (is_group(within) || options->nodes == 0)
        return (Room){.kib = UINT64_MAX / 2};
    return (Room){guests_kib * nodes / options->nodes + FROM_MIB(1), options->reserve_kib * nodes / options->nodes,
                  nodes, options->nodes};
}

/* Its part of what others hold. */
static uint64_t
part_of(const Room *room, uint64_t others_kib)
{
    return room->part != 0 ? others_kib * room->part / room->parts : 0;
}

/* What a QEMU costs is an estimate, which a guest that is held back raises in steps. */
#define ROUNDING_KIB FROM_MIB(4)

/* A group has no reserve for what limits let in: it is promised with what is booked, from when a start that brings a limit is let in. */
static uint64_t
group_slack(const Seat *seat, const Room *room)
{
    bool limited = seat->machine != NULL && (seat->machine->high_kib != LIMIT_NONE || truth_is_new(seat));

    return room->reserve_kib == 0 && (limited || seat->told.starting || seat->told.limit_kib != LIMIT_NONE)
               ? slack(seat)
               : 0;
}

/* What is beyond a node, and not forgotten there, is promised on that alone: nobody bound to it finds it on the other. */
static uint64_t
beyond_nodes(const World *world)
{
    return world->beyond_kib[WITHIN_NODE] + world->beyond_kib[WITHIN_NODE + 1];
}

static void
check_room(World *world, Within within)
{
    static const char *const names[WITHINS] = {"the host",       "its first node", "its second node",
                                               "both its nodes", "a group",        "a group in a group"};
    Room room = room_of(world, within);
    uint64_t others = part_of(&room, world->other_kib);
    uint64_t sum = others;
    uint64_t promised = others; /* the same, and what is booked beyond what could be held now */
    uint64_t allowed = part_of(&room, world->other_kib - least_of_others(world));
    uint64_t slacks = 0;
    uint64_t over;
    uint64_t *debt = &world->debts_kib[within];

    for (unsigned i = 0; i < world->count; i++) {
        const Seat *seat = &world->seats[i];
        const Machine *machine = seat->machine;
        uint64_t could;

        if (!world_is_within(seat, within))
            continue;
        if (machine == NULL) {
            promised += truth_booked(seat) + booked_overhead(seat) + group_slack(seat, &room);
            continue;
        }
        could = seat->could_kib + machine->overhead_kib;
        sum += could;
        promised += MAX(could, truth_booked(seat) + MAX(booked_overhead(seat), machine->overhead_kib) +
                                   group_slack(seat, &room));
        allowed += unprevented(seat) + ROUNDING_KIB;
        slacks += from_reserve(seat);
    }
    if (within == WITHIN_NODES) {
        sum -= beyond_nodes(world);
        promised -= beyond_nodes(world);
    }
    *debt = MIN(*debt, saturating_sub(promised, room.kib));
    allowed += *debt + MIN(slacks, room.reserve_kib);
    over = saturating_sub(sum, room.kib);
    if (within == WITHIN_HOST)
        world->counts.tight += sum + FROM_MIB(64) > room.kib;
    if (!world->judged)
        *debt = saturating_sub(promised, room.kib);
    else if (over > allowed)
        world_break(world, NULL,
                    "%s %s promised twice: guests and others could hold %.1f MiB of %.1f, %.1f more than is excused",
                    names[within], within == WITHIN_NODES ? "are" : "is", MIB(sum), MIB(room.kib), MIB(over - allowed));
    world->beyond_kib[within] = MIN(*debt, over);
}

/* What others have grown by is known, and what is beyond the host for that is not forgotten. */
static void
age_growth(World *world)
{
    uint64_t least = least_of_others(world);

    for (Within within = WITHIN_HOST; within < WITHINS; within++) {
        Room room = room_of(world, within);

        world->debts_kib[within] += part_of(&room, saturating_sub(least, world->least_other_kib));
    }
    world->least_other_kib = least;
}

/* What lets it take what nobody can prevent is still to come: it has not run, its first kernel stands still, or the limit of one that is
   not ours goes with its file. */
static bool
is_held_yet(const Seat *seat)
{
    const Machine *machine = seat->machine;

    return machine != NULL && (!machine->ran || (machine->cold && (machine->paused || machine->hung)) ||
                               (!truth_is_ours(seat) && machine->high_kib != LIMIT_NONE));
}

void
truth_step(World *world)
{
    age_growth(world);
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];
        uint64_t before = unprevented(seat);

        note_showing(world, seat);
        check_eyes(world, seat);
        age_excuse(world, seat);
        if (seat->forced_usec != 0 && is_held_yet(seat))
            seat->forced_usec += WORLD_STEP_USEC;
        if (seat->forced_usec != 0 && saturating_sub(world->now_usec, seat->forced_usec) >= FORCED_USEC) {
            seat->forced_usec = 0;
            /* a group has no reserve for what its limit lets in beyond what is booked */
            owe_groups(world, seat, slack(seat));
        }
        /* where there is no reserve for what its QEMU costs beyond what was thought */
        owe_groups(world, seat, saturating_sub(booked_overhead(seat), seat->costs_kib));
        seat->costs_kib = booked_overhead(seat);
        if (seat->plugged_usec != 0 && world->now_usec - seat->plugged_usec >= FORCED_USEC)
            seat->plugged_usec = 0;
        owe(world, seat, saturating_sub(before, unprevented(seat)));
    }
}

void
truth_check(World *world)
{
    if (world->broken != NULL)
        return;
    world->counts.checks++;
    for (unsigned i = 0; world->ticked && i < world->count; i++) {
        const Seat *seat = &world->seats[i];
        uint64_t could = truth_touchable(seat);
        uint64_t too_much = beyond(seat, could);

        if (too_much == 0)
            continue;
        if (seat->excuse != EXCUSE_NONE) {
            world->counts.excused++;
            could = MIN(could, showed(seat));
            too_much = beyond(seat, could);
        }
        if (too_much > 0)
            world_break(world, seat, "could hold %.2f MiB and is booked at %.2f%s%s: %.2f too little", MIB(could),
                        MIB(truth_booked(seat)), seat->machine->high_kib != LIMIT_NONE ? " and has a limit" : "",
                        seat->excuse != EXCUSE_NONE ? ", for longer than is excused" : "", MIB(too_much));
    }
    for (unsigned i = 0; i < world->count; i++)
        world->seats[i].could_kib = truth_touchable(&world->seats[i]);
    for (Within within = WITHIN_HOST; within < WITHINS; within++)
        check_room(world, within);
    world->judged = world->ticked;
}
