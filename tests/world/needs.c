/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What guests are owed: where all that is needed fits, nobody who behaves is kept below its need for long, whatever
 * others do that a limit holds; and when nothing has happened for a while, nothing is left behind.
 */

#include "world.h"

/* A need that is met late is met: so long nothing may come of it. */
#define LACKS_USEC (25 * USEC_PER_SEC)
/* ... and by so little nothing comes of it, or by less than this part of what it lacks. */
#define GROWTH_KIB FROM_MIB(4)
#define GROWTH_PART 8
/* After so many resets it may be that it dies of being squeezed, and it is let be with what it has. */
#define FRAIL_RESETS 2
/* The first report that a new daemon reads may be from before it; the next tells that its driver is there. */
#define FIRST_REPORT_USEC (3 * USEC_PER_SEC)
/* What others used a moment ago counts so long. */
#define OTHERS_USEC (40 * USEC_PER_SEC)

static bool
is_good(const Seat *seat)
{
    return truth_is_ours(seat) && !seat->live.huge && seat->kernel.driver == DRIVER_GOOD && seat->machine->driver;
}

/* Who did not follow its target is not counted on for a minute, and longer each time. */
#define STUCK_USEC (150 * USEC_PER_SEC)

static bool
follows(const Seat *seat)
{
    uint64_t since = seat->machine->emptied_usec;

    return seat->kernel.driver == DRIVER_GOOD &&
           (since == 0 || seat->world->now_usec >= saturating_add(since, STUCK_USEC));
}

/* As its element says, or else <currentMemory> of its definition, which may be newer than its run; libvirt changes that of a run when its
   balloon moves. */
static uint64_t
startup_of(const Seat *seat)
{
    uint64_t startup = seat->transient ? seat->live.current_kib : seat->definition.current_kib;

    if (seat->live.managed && seat->live.startup_kib != 0)
        startup = seat->live.startup_kib;
    return MIN(startup, machine_ram(seat->machine));
}

/* What a guest that behaves is to have at least, with the little air that keeps it from looking starved. */
static uint64_t
needs(const Seat *seat)
{
    uint64_t need = seat->machine->need_kib + seat->machine->need_kib / 8 + FROM_MIB(48);
    uint64_t least = seat->live.minimum_kib != 0 ? seat->live.minimum_kib : startup_of(seat);

    /* without the element its minimum is what it had when its XML was read, which may be all; and who is reset again and again is let
       be with what it has */
    if (!seat->live.managed)
        least = machine_ram(seat->machine);
    else if (seat->machine->resets >= FRAIL_RESETS)
        least = MAX(least, machine_actual(seat->machine));

    return MIN(MAX(need, least), machine_ram(seat->machine)) + machine_device(seat->machine);
}

/* What it has a right to: what it needs; where it can't be told or held, what it could take. */
static uint64_t
fair_share(const Seat *seat)
{
    const Machine *machine = seat->machine;
    bool held = machine->high_kib != LIMIT_NONE;

    /* one that will not be ballooned has all its memory also while it has not run yet */
    if (!truth_is_ours(seat))
        return MAX(truth_touchable(seat), machine_ram(machine) + machine_device(machine));
    /* how much of it had been touched where it comes from nobody knows before it is there */
    if (machine->arriving)
        return MAX(truth_touchable(seat), memory_actual(&seat->abroad));
    /* what it brings is to be there when it is resumed */
    if (machine->loading || (machine->paused && !machine->ran))
        return MAX(truth_touchable(seat),
                   MAX(startup_of(seat), machine->cold ? 0 : machine_actual(machine) + machine_device(machine)));
    if (!follows(seat))
        return MAX(truth_touchable(seat), machine_ram(machine) + machine_device(machine));
    if (seat->kernel.frail) /* one that dies of being squeezed is let be, with what it has */
        return MAX(truth_touchable(seat), startup_of(seat) + machine_device(machine));
    if (seat->fair_kib != 0 && held) /* it takes what nobody gave it, and its limit holds it */
        return MAX(seat->fair_kib, MAX(needs(seat), startup_of(seat))) + machine->dimm_kib;
    /* a call that nobody knows the end of may be done yet, for half a minute */
    if (is_good(seat) && !machine->paused && !machine->hung && !machine->leaving && seat->fair_kib == 0)
        return MAX(needs(seat), seat->known.doubt_kib);
    /* it stands still since this daemon is there, and no report of it was seen to follow another */
    if (machine->driver && machine->reported_usec < seat->world->daemon_usec + FIRST_REPORT_USEC)
        return MAX(truth_touchable(seat), machine_ram(machine) + machine_device(machine));
    return MAX(truth_touchable(seat), startup_of(seat) + machine_device(machine));
}

static uint64_t
owed(const World *world)
{
    uint64_t sum = world->options.reserve_kib + world->other_kib + FROM_MIB(192) + world->options.memory_kib / 40;

    for (unsigned i = 0; i < world->count; i++) {
        const Seat *seat = &world->seats[i];

        if (seat->machine != NULL)
            sum += fair_share(seat) + FROM_MIB(80) + seat->machine->overhead_kib;
        else if (seat->start.stage != STARTING_NOT || world->now_usec < seat->reserved_until_usec)
            sum += MAX(seat->definition.base_kib, seat->start.brought.base_kib) + FROM_MIB(120);
    }
    return sum;
}

static bool
lacks(const Seat *seat)
{
    const Machine *machine = seat->machine;
    uint64_t most = UINT64_MAX;
    uint64_t has;

    if (machine == NULL || !is_good(seat) || machine->paused || machine->hung || machine->leaving ||
        machine->unseen_kib > 0 || !seat->known.record.answering || seat->fair_kib != 0)
        return false;
    if (machine->hard_limit_kib != 0)
        most = saturating_sub(machine->hard_limit_kib, FROM_MIB(200));
    most = MIN(most, machine_ram(machine) + machine->device_plugged_kib);
    has = machine_actual(machine) + machine->device_plugged_kib;
    return has < percent_of(MIN(machine->need_kib, most), 96);
}

/* So long it takes one that has more than its fair share to give it back: no balloon is quicker than its kernel. */
static uint64_t
giving_usec(const Seat *seat)
{
    return saturating_sub(machine_actual(seat->machine), fair_share(seat)) * USEC_PER_SEC / seat->kernel.inflate_kib;
}

static uint64_t
longest_giving_usec(const World *world)
{
    uint64_t longest = 0;

    for (unsigned i = 0; i < world->count; i++)
        if (world->seats[i].machine != NULL && is_good(&world->seats[i]))
            longest = MAX(longest, giving_usec(&world->seats[i]));
    return longest;
}

/* One that had no driver gives nothing: its time begins when that comes, also where somebody lacks something already. */
static void
note_givers(World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];
        bool gives = seat->machine != NULL && is_good(seat);

        if (gives && !seat->gives)
            world->gives_usec = MAX(world->gives_usec, world->now_usec + giving_usec(seat));
        seat->gives = gives;
    }
}

static uint64_t
least_growth(const Seat *seat)
{
    return MAX(GROWTH_KIB,
               saturating_sub(MIN(seat->machine->need_kib, machine_ram(seat->machine)), seat->lacks_kib) / GROWTH_PART);
}

/* A limit is raised in milliseconds; one that could not be written is told again after a second. */
#define RAISED_USEC (1500 * USEC_PER_MSEC)

/* No limit that should be higher holds its guest back. */
static void
check_limit(World *world, Seat *seat)
{
    const Machine *machine = seat->machine;

    if (machine == NULL || !machine->held_now || world->options.limits_flaky || !daemon_knows(world, seat) ||
        seat->told.limit_kib == LIMIT_NONE || machine->high_kib >= seat->told.limit_kib) {
        seat->low_limit_usec = 0;
        return;
    }
    if (seat->low_limit_usec == 0)
        seat->low_limit_usec = world->now_usec;
    else if (world->now_usec - seat->low_limit_usec >= RAISED_USEC)
        world_break(world, seat, "is held back at %.0f MiB, and its limit should be %.0f for %.1f seconds",
                    MIB(machine->high_kib), MIB(seat->told.limit_kib), (double)RAISED_USEC / (double)USEC_PER_SEC);
}

void
needs_check(World *world)
{
    bool fits = world->options.above_seats == 0 && world->options.nodes == 0 && world->ticked &&
                world->link != WORLD_LINK_DOWN && world->complete &&
                world->now_usec - world->others_usec >= OTHERS_USEC && owed(world) <= world->options.memory_kib;

    note_givers(world);
    for (unsigned i = 0; i < world->count; i++) {
        Seat *seat = &world->seats[i];

        check_limit(world, seat);
        if (!fits || !lacks(seat)) {
            seat->lacks_usec = 0;
            continue;
        }
        if (seat->lacks_usec == 0 || machine_actual(seat->machine) >= seat->lacks_kib + least_growth(seat)) {
            seat->lacks_usec = world->now_usec + longest_giving_usec(world);
            seat->lacks_kib = machine_actual(seat->machine);
        } else if (saturating_sub(world->now_usec, MAX(seat->lacks_usec, world->gives_usec)) >= LACKS_USEC)
            world_break(world, seat, "has %.0f MiB and needs %.0f for %.0f seconds, though all that is needed fits",
                        MIB(machine_actual(seat->machine)), MIB(seat->machine->need_kib),
                        (double)LACKS_USEC / (double)USEC_PER_SEC);
    }
}

/* ---- at rest ---- */

/* A balloon that somebody moved by so little is where it was told to be. */
static uint64_t
balloon_tolerance(const Machine *machine)
{
    return MAX(FROM_MIB(16), machine_actual(machine) / 64);
}

/* There is no room yet for all that it could have without a limit. */
static bool
waits_to_be_let_go(PlanRule rule)
{
    return rule == PLAN_RULE_LET_GO || rule == PLAN_RULE_NO_STATISTICS || rule == PLAN_RULE_NO_DRIVER ||
           rule == PLAN_RULE_UNRESPONSIVE;
}

#define BOOTS_USEC (330 * USEC_PER_SEC)

static void
check_seat_at_rest(World *world, const Seat *seat, bool all_fits)
{
    const Machine *machine = seat->machine;
    uint64_t most;

    /* what its hard limit would kill it for can't come back */
    if (seat->file.there && all_fits &&
        (machine == NULL || machine->hard_limit_kib == 0 ||
         machine_resident(machine) + machine->paged_kib < machine->hard_limit_kib))
        world_break(world, seat, "has a paging file of %.0f MiB though all fits", MIB(seat->file.record.size_kib));
    if (machine == NULL) {
        if (seat->told.starting || seat->told.committed_kib != 0)
            world_break(world, seat, "is off, and %.0f MiB are booked for it", MIB(truth_booked(seat)));
        return;
    }
    if (truth_is_ours(seat))
        return;
    /* while it has a file its limit is what keeps others from that; one that does not answer is let go when it does, and one that boots
       when its driver is up, or has not come for five minutes */
    if (!machine->driver && world->now_usec - machine->booted_usec < BOOTS_USEC)
        return;
    if (machine->high_kib != LIMIT_NONE && machine->high_ours && !seat->file.there && seat->known.record.answering &&
        (all_fits || (!seat->let_go && !waits_to_be_let_go(seat->told.rule))))
        world_break(world, seat, "is not managed, and a limit is left on it");
    /* above its hard limit it would be killed */
    most = machine->hard_limit_kib != 0 ? saturating_sub(machine->hard_limit_kib, FROM_MIB(200)) : UINT64_MAX;
    if (seat->let_go && all_fits && machine->driver && !machine->foreign && seat->kernel.driver == DRIVER_GOOD &&
        machine_actual(machine) + balloon_tolerance(machine) < MIN(startup_of(seat), most))
        world_break(world, seat, "was let go with %.0f MiB, and its startup memory is %.0f",
                    MIB(machine_actual(machine)), MIB(startup_of(seat)));
}

/* No balloon is quicker than its kernel, and who is let go keeps its limit until that has come to where it was told to be. */
bool
needs_more_rest(const World *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        const Seat *seat = &world->seats[i];
        const Machine *machine = seat->machine;

        if (machine != NULL && seat->let_go && machine->driver && seat->kernel.driver != DRIVER_STUCK &&
            machine->balloon_kib < machine->asked_kib)
            return true;
    }
    return false;
}

void
needs_check_rest(World *world)
{
    bool all_fits =
        world->options.above_seats == 0 && world->options.nodes == 0 && owed(world) <= world->options.memory_kib;

    world->counts.ends++;
    world->counts.ends_fit += all_fits;
    for (unsigned i = 0; i < world->count; i++)
        check_seat_at_rest(world, &world->seats[i], all_fits);
    if (world->reserved_kib != 0)
        world_break(world, NULL, "%.0f MiB are still reserved for starts", MIB(world->reserved_kib));
}
