/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The decision over random worlds: guests of every kind come, go, lie, hang, freeze and reset, the host's
 * figures jump, and after every tick the plan must keep its promises. Nothing follows from one tick to the next
 * but the targets told, so that also what no guest would do is tried. A run that breaks a promise is cut down to
 * the fewest guests and the shortest time that still break it, and printed.
 */

#include "test_decide_world.h"

#define RUNS 2000
#define TICKS 250
#define GUESTS 9
#define STARTS 4

typedef struct Run {
    uint64_t seed;
    size_t guests;
    unsigned ticks;
    uint32_t left_out; /* bit i: guest i is off all the time */
    Fault fault;
} Run;

static uint64_t
next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static bool
one_in(uint64_t *seed, uint64_t n)
{
    return next_random(seed) % n == 0;
}

/* Any amount: often sensible, sometimes not. */
static uint64_t
any_kib(uint64_t *seed)
{
    switch (next_random(seed) % 8) {
    case 0:
        return 0;
    case 1:
        return next_random(seed) % (KIB_LIMIT + 1);
    default:
        return next_random(seed) % (12 * GIB);
    }
}

static void
change_guest(FakeGuest *fake, GuestSnapshot *guest, uint64_t now_usec, uint64_t *seed)
{
    fake->actual = one_in(seed, 4) ? any_kib(seed) : guest->target_kib;
    if (one_in(seed, 40))
        guest->life = (GuestLife)(next_random(seed) % 4);
    if (one_in(seed, 3))
        guest->life = GUEST_LIFE_RUNNING;
    guest->migrating = one_in(seed, 30);
    guest->answering = !one_in(seed, 20);
    if (one_in(seed, 60)) {
        guest->boots++;
        guest->boot_usec = now_usec;
        guest->boot_in_place = one_in(seed, 2);
        guest->driver_up = false;
        guest->adopted = false;
    } else if (one_in(seed, 5)) {
        guest->driver_up = true;
        guest->driver_usec = now_usec - next_random(seed) % (20 * SEC);
    }
    guest->fresh = !one_in(seed, 6);
    guest->has_actual = !one_in(seed, 30);
    guest->actual_kib = MIN(fake->actual, KIB_LIMIT);
    guest->has_usable = !one_in(seed, 10);
    guest->usable_kib = any_kib(seed);
    guest->report_actual_kib = one_in(seed, 10) ? any_kib(seed) : guest->actual_kib;
    guest->report_serial += next_random(seed) % 2;
    guest->report_span_usec = next_random(seed) % (5 * SEC);
    guest->has_unused = one_in(seed, 2);
    guest->unused_kib = any_kib(seed);
    guest->has_cache = one_in(seed, 2);
    guest->cache_kib = any_kib(seed);
    guest->swapped_in_kib = one_in(seed, 3) ? any_kib(seed) : 0;
    guest->major_faults = one_in(seed, 3) ? next_random(seed) % 100000 : 0;
    guest->doubts = one_in(seed, 5) ? (uint32_t)next_random(seed) % 32 : 0;
    guest->resident_kib = one_in(seed, 5) ? 0 : one_in(seed, 5) ? any_kib(seed) : guest->actual_kib + 60 * MIB;
    guest->target_pending = one_in(seed, 15);
    if (one_in(seed, 50))
        guest->target_known = false;
    if (one_in(seed, 100)) {
        fake->settings.priority = (uint32_t)(next_random(seed) % 101);
        fake->settings.buffer_percent = (uint32_t)(next_random(seed) % 2001);
        fake->settings.maximum_kib = pages_up(512 * MIB + next_random(seed) % (16 * GIB));
        fake->settings.minimum_kib = pages_up(256 * MIB + next_random(seed) % (fake->settings.maximum_kib - 256 * MIB));
        fake->settings.startup_kib =
            clamp_u64(fake->settings.startup_kib, fake->settings.minimum_kib, fake->settings.maximum_kib);
        fake->settings.fixed_kib = one_in(seed, 5) ? GIB : 0;
        fake->settings.mode = (GuestMode)(one_in(seed, 4) ? next_random(seed) % 3 : GUEST_MODE_DYNAMIC);
        fake->settings.bar = one_in(seed, 8) ? BALLOON_VFIO : one_in(seed, 8) ? BALLOON_HUGEPAGES : BALLOON_USABLE;
        fake->settings.managed = !one_in(seed, 8);
    }
}

static void
change_host(FakeWorld *world, uint64_t *seed)
{
    HostSnapshot *host = &world->snapshot.host;

    host->figures_valid = !one_in(seed, 25);
    host->link = one_in(seed, 40) ? WORLD_LINK_DOWN : one_in(seed, 40) ? WORLD_LINK_READ_ONLY : WORLD_LINK_READ_WRITE;
    host->pressure_event = one_in(seed, 10);
    host->figures.has_pressure = true;
    if (one_in(seed, 20))
        host->figures.pressure_some_centi = (uint32_t)(next_random(seed) % 10000);
    if (one_in(seed, 10))
        host->figures.available_kib = any_kib(seed);
    if (one_in(seed, 50))
        host->figures.hugepages_kib = any_kib(seed);
    if (one_in(seed, 50))
        world->settings->give_away = !world->settings->give_away;
    if (one_in(seed, 50))
        world->settings->budget_kib = one_in(seed, 2) ? SETTINGS_BUDGET_NONE : any_kib(seed);
    if (one_in(seed, 50))
        world->settings->cache_share_percent = (uint32_t)(next_random(seed) % 101);
    world->dry = one_in(seed, 30);
}

/* ---- starts: of the last guests, which are known at some times and not at others ---- */

typedef struct Starts {
    StartRequest requests[STARTS];
    bool asked[STARTS];
    const StartRequest *list[STARTS];
} Starts;

static void
change_starts(FakeWorld *world, Starts *starts, uint64_t *seed)
{
    world->snapshot.start_count = 0;
    world->snapshot.starts = starts->list;
    for (size_t i = 0; i < STARTS; i++) {
        StartRequest *request = &starts->requests[i];
        const FakeGuest *fake = &world->fake[GUESTS - STARTS + i];

        if (starts->asked[i] && one_in(seed, 20))
            starts->asked[i] = false; /* seen running, or given up */
        if (!starts->asked[i] && one_in(seed, 15)) {
            starts->asked[i] = true;
            *request = (StartRequest){
                .name = world->fake[i].name,
                .settings = fake->settings,
                .restart = one_in(seed, 3) ? RESTART_SOON : RESTART_NONE,
                .need_kib = one_in(seed, 20) ? any_kib(seed) : fake->settings.startup_kib,
                .forced = one_in(seed, 6),
                .asked_usec = world->snapshot.now_usec,
                .deadline_usec = world->snapshot.now_usec + next_random(seed) % (30 * SEC),
                .waiting = true,
            };
            g_strlcpy(request->uuid, fake->uuid, sizeof request->uuid);
        }
        if (starts->asked[i])
            starts->list[world->snapshot.start_count++] = request;
    }
}

/* As admit/ does it. */
static void
take_verdicts(const FakeWorld *world, Starts *starts)
{
    for (size_t i = 0; i < world->plan.start_count; i++) {
        const StartPlan *plan = &world->plan.starts[i];
        size_t place = (size_t)(plan->request - starts->requests);

        if (plan->verdict == START_REFUSED)
            starts->asked[place] = false;
        if (plan->verdict == START_ADMITTED)
            starts->requests[place].waiting = false;
        starts->requests[place].booked_kib = plan->booked_kib;
    }
}

/* What is booked for starts whose guests are not in the table; a guest that is there has one booking for all. */
static uint64_t
booked_apart(const FakeWorld *world, const StartPlan *start)
{
    for (size_t i = 0; i < world->count; i++)
        if (strcmp(world->guests[i].uuid, start->request->uuid) == 0)
            return world->plan.guests[i].committed_kib >= start->booked_kib ? 0 : UINT64_MAX / 2;
    return start->booked_kib;
}

static bool
is_running(const FakeWorld *world, const char *uuid)
{
    for (size_t i = 0; i < world->count; i++)
        if (strcmp(world->guests[i].uuid, uuid) == 0)
            return world->guests[i].life != GUEST_LIFE_OFF;
    return false;
}

/* NULL, or the promise that the answers to starts break. */
/* It is let in whatever room there is, and holds all that it starts with: no limit will be there. */
static bool
brings_all(const FakeWorld *world, const StartRequest *request, bool forced)
{
    const GuestSettings *settings = &request->settings;
    bool limited = world->settings->memory_high && world->snapshot.limit_bar == NULL && settings->managed &&
                   settings->mode == GUEST_MODE_DYNAMIC && settings->bar == BALLOON_USABLE;

    return request->restart == RESTART_NONE ? forced : !limited;
}

static const char *
broken_promise_to_starts(const FakeWorld *world, uint64_t raises)
{
    const Plan *plan = &world->plan;
    uint64_t reserved = 0;
    uint64_t set_aside = 0;
    uint64_t beyond = 0; /* by starts that are never refused */
    bool booked = false;

    if (plan->start_count != world->snapshot.start_count)
        return "every start has its answer";
    for (size_t i = 0; i < plan->start_count; i++) {
        const StartPlan *start = &plan->starts[i];
        const StartRequest *request = start->request;
        bool forced = request->forced || world->dry || world->snapshot.host.link == WORLD_LINK_READ_ONLY;

        if (request != world->snapshot.starts[i])
            return "answers are in the order of the starts";
        if (!request->waiting && (start->verdict != START_ADMITTED || start->booked_kib < request->booked_kib))
            return "what was admitted stays booked";
        if (start->booked_kib > request->need_kib || (start->verdict != START_ADMITTED && start->booked_kib > 0))
            return "only what was admitted is booked, and no more than it needs";
        if (request->waiting && start->verdict == START_ADMITTED && start->booked_kib < request->need_kib && !forced &&
            request->restart == RESTART_NONE)
            return "what is admitted is booked in full";
        if (start->verdict == START_REFUSED && (forced || request->restart != RESTART_NONE))
            return "a restart and what is forced is never refused";
        if (start->verdict == START_WAITS && world->snapshot.now_usec >= request->deadline_usec)
            return "every start is answered by its deadline";
        if (start->verdict == START_WAITS && start->missing_kib == 0 && raises > 0)
            return "nobody is raised into what a start waits for";
        /* a restart that is limited brings its QEMU's overhead, whoever else is never refused all of it */
        if (start->verdict == START_ADMITTED && (forced || request->restart != RESTART_NONE))
            beyond += brings_all(world, request, forced) ? start->needed_kib : start->overhead_kib;
        booked |= start->booked_kib > (request->waiting ? 0 : request->booked_kib) &&
                  !is_running(world, request->uuid) && !brings_all(world, request, forced);
        reserved += start->booked_kib;
        set_aside += start->verdict == START_ADMITTED ? 0 : start->needed_kib;
    }
    if (plan->reserved_kib < reserved || plan->reserved_kib > reserved + set_aside)
        return "what is reserved adds up";
    if (booked && plan->committed_kib > plan->budget_kib + beyond)
        return "what is booked for a start fits the budget";
    return NULL;
}

/* The least that a guest has to be booked at, from its snapshot alone. */
static uint64_t
least_booking(const GuestSnapshot *guest, const GuestPlan *plan)
{
    const GuestSettings *settings = guest->settings;
    bool let_go = settings->bar == BALLOON_USABLE && (!settings->managed || settings->mode == GUEST_MODE_STATIC) &&
                  plan->ground == GROUND_BALLOON && guest->driver_up;

    if (guest->life == GUEST_LIFE_OFF)
        return 0;
    /* started paused it has not run yet, and can touch nothing */
    if (guest->life != GUEST_LIFE_RUNNING && !guest->driver_up && !guest->boot_in_place && plan->ground == GROUND_LIMIT)
        return 0;
    /* taken out of management a moment ago: its balloon is still where it was told to be */
    if (let_go)
        return MAX(guest->has_actual ? guest->actual_kib : 0, guest->target_kib);
    if (settings->bar == BALLOON_HUGEPAGES &&
        (!settings->managed || settings->mode == GUEST_MODE_STATIC || settings->bar != BALLOON_USABLE))
        return 0;
    if (!settings->managed || settings->mode == GUEST_MODE_STATIC || settings->bar != BALLOON_USABLE ||
        (!guest->driver_up && !guest->adopted))
        return settings->maximum_kib + settings->fixed_kib;
    return MAX(guest->has_actual ? guest->actual_kib : 0, guest->target_kib);
}

/* What its balloon is told is for later: now it is void. */
static bool
booting(const GuestPlan *plan)
{
    return plan->rule == PLAN_RULE_RESET || plan->rule == PLAN_RULE_RESTART || plan->rule == PLAN_RULE_PAGING ||
           plan->rule == PLAN_RULE_PAGING_LEAVE || plan->rule == PLAN_RULE_STARTING;
}

static bool
is_asked_for(const FakeWorld *world, const char *uuid)
{
    for (size_t i = 0; i < world->snapshot.start_count; i++)
        if (strcmp(world->snapshot.starts[i]->uuid, uuid) == 0)
            return true;
    return false;
}

/* NULL, or the promise that plan breaks. */
static const char *
broken_promise(const FakeWorld *world)
{
    const Plan *plan = &world->plan;
    uint64_t committed = 0;
    uint64_t set_aside = 0;
    uint64_t raises = 0;

    if (plan->guest_count != world->count)
        return "there is a plan for every guest";
    for (size_t i = 0; i < world->count; i++) {
        const GuestPlan *guest = &plan->guests[i];
        const GuestSnapshot *seen = &world->guests[i];
        uint64_t least = MIN(least_booking(seen, guest), KIB_LIMIT);
        uint64_t held = seen->target_known ? seen->target_kib : seen->actual_kib;

        committed += guest->committed_kib;
        if (guest->guest != seen)
            return "plans are in the order of the snapshot";
        if ((unsigned)guest->rule >= PLAN_RULE_COUNT || plan_rule_name(guest->rule) == NULL)
            return "every target has its reason";
        if (guest->committed_kib < least)
            return "nobody is booked at less than it may touch";
        if (!guest->tell)
            continue;
        /* on the way to a limit that was moved the steps may lie outside of it */
        if ((guest->target_kib < seen->settings->minimum_kib && guest->target_kib < held) ||
            (guest->target_kib > seen->settings->maximum_kib && guest->target_kib > held))
            return "every target is within minimum and maximum";
        if (world->dry || world->snapshot.host.link != WORLD_LINK_READ_WRITE)
            return "nothing is told in a dry run or without a connection that may write";
        if (seen->life != GUEST_LIFE_RUNNING || seen->migrating || !seen->answering || seen->target_pending)
            return "nothing is told to a guest that can't listen";
        if (seen->settings->bar != BALLOON_USABLE || (!seen->driver_up && !booting(guest)))
            return "nothing is told to a guest that can't follow";
        /* beside what it does not see, or told again what it was told, where somebody else moved it */
        if ((!seen->settings->managed || seen->settings->mode != GUEST_MODE_DYNAMIC) &&
            ((seen->target_known && guest->target_kib < MIN(seen->target_kib, seen->settings->maximum_kib)) ||
             guest->target_kib > MAX(seen->settings->startup_kib + seen->unseen_kib, held)))
            return "a guest that is not ours to move is only given its startup memory back";
        if (booting(guest))
            continue;
        if (!seen->fresh && seen->target_known && seen->target_kib <= seen->settings->maximum_kib &&
            guest->target_kib < seen->target_kib && guest->target_kib < seen->actual_kib)
            return "a stale guest is not shrunk";
        if (guest->target_kib + seen->settings->fixed_kib > guest->committed_kib)
            return "a raise is booked before it is told";
        /* what is booked for its next start is its own as well, while it still runs; one that is let go has a claim */
        if (!is_asked_for(world, seen->uuid) && seen->has_actual && guest->rule != PLAN_RULE_LET_GO)
            raises += saturating_sub(guest->target_kib, MAX(seen->actual_kib, seen->target_kib));
    }
    for (size_t i = 0; i < plan->start_count; i++) {
        committed += booked_apart(world, &plan->starts[i]);
        /* what is set aside for one that waits is not shown in its answer */
        set_aside += plan->starts[i].verdict == START_ADMITTED ? 0 : plan->starts[i].needed_kib;
    }
    if (plan->committed_kib < committed || plan->committed_kib > committed + set_aside)
        return "the ledger adds up";
    if (raises > 0 && plan->committed_kib > plan->budget_kib)
        return "a raise fits the budget: rule G";
    if (raises > 0 && !world->snapshot.host.figures_valid)
        return "nothing is raised on figures that are not valid";
    return broken_promise_to_starts(world, raises);
}

static const char *
run_breaks(const Run *run, bool print)
{
    FakeWorld *world = world_new(24 * GIB, SETTINGS_RESERVE_AUTO);
    uint64_t seed = run->seed;
    Starts starts = {0};
    const char *broken = NULL;

    rules_break(run->fault);
    for (size_t i = 0; i < GUESTS; i++) {
        FakeGuest *fake = world_add(world, 512 * MIB, 4 * GIB, 2 * GIB, GIB);

        fake->settings.priority = (uint32_t)(next_random(&seed) % 101);
        world->guests[i].adopted = one_in(&seed, 4);
        world->guests[i].boot_usec = world->snapshot.now_usec;
    }
    for (unsigned tick = 0; tick < run->ticks && broken == NULL; tick++) {
        world->snapshot.now_usec += SEC / 2 + next_random(&seed) % SEC;
        world->count = world->snapshot.guest_count = GUESTS;
        change_host(world, &seed);
        for (size_t i = 0; i < GUESTS; i++) {
            change_guest(&world->fake[i], &world->guests[i], world->snapshot.now_usec, &seed);
            if ((run->left_out & 1U << i) != 0)
                world->guests[i].life = GUEST_LIFE_OFF;
        }
        change_starts(world, &starts, &seed);
        /* the last guests come and go */
        world->count = world->snapshot.guest_count = GUESTS - next_random(&seed) % 3;
        decide(world->state, &world->snapshot, world->settings, world->dry, &world->plan);
        broken = broken_promise(world);
        take_verdicts(world, &starts);
        for (size_t i = 0; i < world->count; i++) {
            if (!world->plan.guests[i].tell)
                continue;
            world->guests[i].target_known = true;
            world->guests[i].target_kib = world->plan.guests[i].target_kib;
        }
    }
    if (print && broken != NULL)
        world_print(world);
    world_free(world);
    return broken;
}

static void
cut_down(Run *run)
{
    for (unsigned i = 0; i < GUESTS; i++) {
        Run smaller = *run;

        smaller.left_out |= 1U << i;
        if (run_breaks(&smaller, false) != NULL)
            *run = smaller;
    }
    for (unsigned ticks = 1; ticks < run->ticks; ticks++) {
        Run smaller = *run;

        smaller.ticks = ticks;
        if (run_breaks(&smaller, false) == NULL)
            continue;
        *run = smaller;
        break;
    }
}

static bool
find_broken_run(unsigned runs, Fault fault, Run *run)
{
    for (unsigned i = 0; i < runs; i++) {
        *run = (Run){.seed = 0x2545f4914f6cdd1d + i, .ticks = TICKS, .fault = fault};
        if (run_breaks(run, false) == NULL)
            continue;
        cut_down(run);
        return true;
    }
    return false;
}

static void
every_plan_keeps_its_promises(void **state)
{
    Run run;

    if (!find_broken_run(RUNS, 0, &run))
        return;
    printf("# seed 0x%" PRIx64 ", %u ticks, left out 0x%x: %s\n", run.seed, run.ticks, run.left_out,
           run_breaks(&run, true));
    fail();
}

static void
broken_rules_break_promises(void **state)
{
    static const struct {
        Fault fault;
        const char *promise;
    } cases[] = {
        {FAULT_NO_GATE, "a raise fits the budget: rule G"},
        {FAULT_COUNT_TARGET_ONLY, "nobody is booked at less than it may touch"},
        {FAULT_NO_STALE_FREEZE, "a stale guest is not shrunk"},
        {FAULT_CLAIM_OUTBID, "nobody is raised into what a start waits for"},
        {FAULT_START_BEFORE_FREE, "what is booked for a start fits the budget"},
        {FAULT_START_REFUSES_RESTART, "a restart and what is forced is never refused"},
        {FAULT_RESERVED_NOT_BOOKED, "the ledger adds up"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Run run;

        assert_true(find_broken_run(RUNS, cases[i].fault, &run));
        assert_string_equal(run_breaks(&run, false), cases[i].promise);
    }
    rules_break(FAULT_NONE);
}

static void
same_inputs_give_the_same_plans(void **state)
{
    FakeWorld *worlds[2];

    for (size_t w = 0; w < 2; w++) {
        uint64_t seed = 7;

        worlds[w] = world_new(24 * GIB, SETTINGS_RESERVE_AUTO);
        for (size_t i = 0; i < GUESTS; i++)
            world_add(worlds[w], 512 * MIB, 4 * GIB, 2 * GIB, GIB);
        for (unsigned tick = 0; tick < 300; tick++) {
            worlds[w]->snapshot.now_usec += SEC;
            for (size_t i = 0; i < GUESTS; i++)
                change_guest(&worlds[w]->fake[i], &worlds[w]->guests[i], worlds[w]->snapshot.now_usec, &seed);
            decide(worlds[w]->state, &worlds[w]->snapshot, worlds[w]->settings, false, &worlds[w]->plan);
            for (size_t i = 0; i < GUESTS; i++) {
                if (worlds[w]->plan.guests[i].tell)
                    worlds[w]->guests[i].target_kib = worlds[w]->plan.guests[i].target_kib;
            }
        }
    }
    for (size_t i = 0; i < GUESTS; i++) {
        GuestPlan a = worlds[0]->plan.guests[i];
        GuestPlan b = worlds[1]->plan.guests[i];

        assert_int_equal(a.target_kib, b.target_kib);
        assert_int_equal(a.ideal_kib, b.ideal_kib);
        assert_int_equal(a.committed_kib, b.committed_kib);
        assert_int_equal(a.rule, b.rule);
    }
    world_free(worlds[0]);
    world_free(worlds[1]);
}

/* No limit cycle at constant load: whatever the guests and however they start, targets come to rest. */
static void
constant_load_comes_to_rest(void **state)
{
    uint64_t seed = 0x853c49e6748fea9b;

    for (unsigned round = 0; round < 300; round++) {
        size_t count = 1 + next_random(&seed) % 12;
        FakeWorld *world = world_new((count + 2) * (1 + next_random(&seed) % 5) * GIB, SETTINGS_RESERVE_AUTO);
        unsigned changes = 0;

        world->settings->give_away = one_in(&seed, 4);
        world->other = next_random(&seed) % GIB;
        for (size_t i = 0; i < count; i++) {
            uint64_t maximum = 512 * MIB + next_random(&seed) % (8 * GIB);
            uint64_t minimum = 256 * MIB + next_random(&seed) % (MIN(maximum, 2 * GIB) - 256 * MIB);
            uint64_t actual = minimum + next_random(&seed) % (maximum - minimum + 1);
            FakeGuest *fake = world_add(world, minimum, maximum, actual, next_random(&seed) % (6 * GIB));

            fake->settings.priority = (uint32_t)(next_random(&seed) % 101);
            fake->settings.buffer_percent = (uint32_t)(one_in(&seed, 4) ? 0 : next_random(&seed) % 100);
            fake->inflate = (20 + next_random(&seed) % 400) * MIB;
            fake->deflate = (50 + next_random(&seed) % 800) * MIB;
        }
        world_run(world, 900);
        for (size_t i = 0; i < count; i++)
            world->fake[i].changes = 0;
        world_run(world, 900);
        for (size_t i = 0; i < count; i++)
            changes = MAX(changes, world->fake[i].changes);
        if (changes > 1) {
            printf("# round %u: %u changes in fifteen minutes\n", round, changes);
            world_print(world);
        }
        assert_true(changes <= 1);
        world_free(world);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_plan_keeps_its_promises),
        cmocka_unit_test(broken_rules_break_promises),
        cmocka_unit_test(same_inputs_give_the_same_plans),
        cmocka_unit_test(constant_load_comes_to_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
