/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Guests whose disks are read and written through the host's page cache. The kernel's part is here: cache grows to what the
 * disk has, as far as the group's limit and the host let it, and is dropped where a limit falls.
 */

#include "test_limited_world.h"

#define GUESTS 10

typedef struct Disks {
    FakeWorld *world;
    uint64_t size[GUESTS];  /* of what each reads and writes */
    uint64_t falls[GUESTS]; /* to that its limit is being lowered; 0: it is not */
    StartRequest request;
    const StartRequest *requests[1];
} Disks;

/* A host of 32 GiB, of which 2 are kept, and guests of 1 to 8 GiB that need less than one. */
static Disks *
disks_new(size_t count, Fault fault)
{
    Disks *disks = g_new0(Disks, 1);

    rules_break(fault);
    disks->world = world_new(32 * GIB, 2 * GIB);
    for (size_t i = 0; i < count; i++) {
        world_add(disks->world, GIB, 8 * GIB, GIB, 700 * MIB);
        make_limited(disks->world, i);
    }
    return disks;
}

static void
disks_free(Disks *disks)
{
    rules_break(FAULT_NONE);
    world_free(disks->world);
    g_free(disks);
}

static uint64_t
cache_of(const Disks *disks, size_t i)
{
    uint64_t high = disks->world->guests[i].limits.high_kib;

    return MIN(disks->size[i],
               high == LIMIT_NONE ? disks->size[i] : saturating_sub(high, disks->world->fake[i].actual));
}

/* What all guests could hold at worst: each all of its memory, were it reset now, as far as its limit lets it. */
static uint64_t
could_hold(const Disks *disks)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < disks->world->count; i++)
        sum += MIN(disks->world->guests[i].limits.high_kib, 8 * GIB);
    return sum;
}

/* A limit that is lowered has to drop cache first, and is there in the next second. */
static void
tick(Disks *disks)
{
    FakeWorld *world = disks->world;
    uint64_t before[GUESTS] = {0};

    for (size_t i = 0; i < world->count; i++) {
        world->guests[i].limits.charged_kib = world->fake[i].actual + cache_of(disks, i);
        before[i] = world->guests[i].limits.high_kib;
    }
    tick_with_limits(world);
    for (size_t i = 0; i < world->count; i++) {
        uint64_t told = world->guests[i].limits.high_kib;
        uint64_t has = disks->falls[i] != 0 ? disks->falls[i] : before[i];

        world->guests[i].limits.high_kib = told > before[i] ? told : has;
        disks->falls[i] = told < before[i] ? told : 0;
    }
}

static void
run(Disks *disks, unsigned seconds)
{
    for (unsigned t = 0; t < seconds; t++)
        tick(disks);
}

static void
free_memory_is_lent_to_who_uses_the_page_cache_and_to_nobody_else(void **state)
{
    Disks *disks = disks_new(2, 0);
    uint64_t before;

    run(disks, 30);
    assert_int_equal(disks->world->plan.lent_kib, 0);
    before = disks->world->guests[1].limits.high_kib;
    disks->size[0] = 12 * GIB; /* more than its guest's memory will ever be */
    run(disks, 3);
    assert_int_equal(cache_of(disks, 0), 12 * GIB);
    assert_int_equal(disks->world->guests[1].limits.high_kib, before);
    /* no more than its guest could touch in the end is booked for that, and it is free all the same */
    assert_int_equal(disks->world->plan.lent_kib, 7 * GIB);
    assert_true(disks->world->plan.free_kib > 27 * GIB);
    /* it is not to be held back at all, and no limit is written for what changes in its booking */
    disks->world->fake[0].need = GIB;
    run(disks, 600);
    assert_int_equal(disks->world->guests[0].limits.high_kib, 32 * GIB);
    disks->size[0] = 0;
    run(disks, 3);
    assert_int_equal(disks->world->plan.lent_kib, 0);
    assert_true(disks->world->guests[0].limits.high_kib < 2 * GIB);
    disks_free(disks);
    (void)state;
}

/* A half of them uses more cache than there is, the other half needs most of the host now and then. */
static bool
limits_fit_the_host(Fault fault)
{
    Disks *disks = disks_new(GUESTS, fault);
    bool fits = true;

    for (unsigned t = 0; t < 400; t++) {
        for (size_t i = 0; i < GUESTS; i++) {
            disks->size[i] = i < GUESTS / 2 ? 20 * GIB : 0;
            disks->world->fake[i].need = i < GUESTS / 2 || t / 100 % 2 == 0 ? 700 * MIB : 4 * GIB;
        }
        tick(disks);
        fits = fits && (t < 3 || could_hold(disks) <= 32 * GIB);
    }
    for (size_t i = GUESTS / 2; i < GUESTS; i++)
        disks->world->fake[i].need = 700 * MIB;
    run(disks, 900);
    for (size_t i = 0; i < GUESTS / 2; i++)
        assert_true(cache_of(disks, i) > GIB);
    disks_free(disks);
    return fits;
}

static void
what_limits_let_in_for_cache_fits_the_host(void **state)
{
    assert_true(limits_fit_the_host(0));
    assert_false(limits_fit_the_host(FAULT_LEND_UNBOOKED));
    (void)state;
}

/* Seven guests have a GiB each of 15 GiB for all, and one that is off is to have more; half of what is free is lent. */
static Disks *
lent_disks_new(Fault fault)
{
    Disks *disks = disks_new(8, fault);

    disks->world->settings->budget_kib = 15 * GIB;
    disks->world->guests[0].life = GUEST_LIFE_OFF;
    disks->world->guests[0].target_known = false;
    for (size_t i = 1; i < 8; i++)
        disks->size[i] = 20 * GIB;
    run(disks, 60);
    assert_in_range(disks->world->plan.lent_kib, 3 * GIB, 5 * GIB);
    return disks;
}

/* Seconds until a start is admitted that needs nearly all that is free. */
static unsigned
seconds_until_admitted(Fault fault, GuestLife life, WorldLink link)
{
    Disks *disks = lent_disks_new(fault);
    FakeWorld *world = disks->world;
    unsigned seconds = 0;

    for (size_t i = 1; i < 8; i++)
        world->guests[i].life = life;
    world->snapshot.host.link = link;
    disks->request = (StartRequest){.name = world->fake[0].name,
                                    .settings = world->fake[0].settings,
                                    .need_kib = 15 * GIB / 2,
                                    .asked_usec = world->snapshot.now_usec,
                                    .deadline_usec = world->snapshot.now_usec + 60 * SEC,
                                    .waiting = true};
    g_strlcpy(disks->request.uuid, world->fake[0].uuid, sizeof disks->request.uuid);
    disks->requests[0] = &disks->request;
    world->snapshot.starts = disks->requests;
    world->snapshot.start_count = 1;
    do {
        tick(disks);
        seconds++;
        assert_int_not_equal(world->plan.starts[0].verdict, START_REFUSED);
        for (size_t i = 1; i < 8; i++)
            assert_true(world->guests[i].target_kib >= GIB);
    } while (world->plan.starts[0].verdict != START_ADMITTED && seconds < 60);
    disks_free(disks);
    return seconds;
}

static void
a_start_gets_what_is_lent_and_squeezes_nobody(void **state)
{
    unsigned seconds = seconds_until_admitted(0, GUEST_LIFE_RUNNING, WORLD_LINK_READ_WRITE);

    /* a limit is down, and seen to be, after two */
    assert_in_range(seconds, 3, 4);
    assert_true(seconds_until_admitted(FAULT_LEND_ON, GUEST_LIFE_RUNNING, WORLD_LINK_READ_WRITE) > seconds);
    (void)state;
}

/* Their memory is let be, but not what is lent. */
static void
a_start_gets_what_is_lent_to_guests_that_are_paused(void **state)
{
    assert_in_range(seconds_until_admitted(0, GUEST_LIFE_PAUSED, WORLD_LINK_READ_WRITE), 3, 4);
    (void)state;
}

/* Limits need no libvirt to fall. */
static void
a_start_gets_what_is_lent_while_libvirt_is_away(void **state)
{
    assert_in_range(seconds_until_admitted(0, GUEST_LIFE_RUNNING, WORLD_LINK_DOWN), 3, 4);
    (void)state;
}

static void
who_grows_gets_what_is_lent_and_no_more_is_taken_back(void **state)
{
    Disks *disks = lent_disks_new(0);
    FakeGuest *fake = &disks->world->fake[1];
    unsigned seconds = 0;

    fake->deflate = 100 * GIB;
    fake->need = 5 * GIB;
    for (; fake->actual < 5 * GIB && seconds < 60; seconds++)
        tick(disks);
    assert_in_range(seconds, 1, 5);
    run(disks, 5);
    assert_in_range(disks->world->plan.lent_kib, GIB / 2, 3 * GIB);
    disks_free(disks);
    (void)state;
}

static void
boots(FakeWorld *world)
{
    world_reset(world, 0);
}

static void
is_let_go(FakeWorld *world)
{
    world->fake[0].settings.managed = false;
}

static void
is_observed(FakeWorld *world)
{
    world->fake[0].settings.mode = GUEST_MODE_OBSERVE;
}

static void
has_a_file(FakeWorld *world)
{
    static const PagingRecord file = {.stage = PAGING_STAGE_ON, .size_kib = GIB};

    world->guests[0].paging = &file;
}

static void
has_no_limit(FakeWorld *world)
{
    world->settings->memory_high = false;
}

static void
host_suffers(FakeWorld *world)
{
    world->snapshot.host.figures_valid = false;
}

static void
does_not_follow(FakeWorld *world)
{
    world->fake[0].inflate = world->fake[0].deflate = 0;
    world->fake[0].need = 4 * GIB;
}

/* Nor is it left with what it was lent, once its limit is down, or gone. */
static void
nothing_is_lent_to_who_is_not_held_by_a_limit_that_its_balloon_keeps_it_below(void **state)
{
    static const struct {
        const char *what;
        void (*happens)(FakeWorld *world);
    } rows[] = {{"it boots", boots},
                {"it is let go", is_let_go},
                {"it is observed", is_observed},
                {"it has a file", has_a_file},
                {"it has no limit", has_no_limit},
                {"its balloon does not follow", does_not_follow},
                {"nothing is known of the host", host_suffers}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Disks *disks = disks_new(2, 0);

        disks->size[0] = 2 * GIB;
        run(disks, 10);
        assert_true(disks->world->plan.lent_kib > GIB);
        rows[i].happens(disks->world);
        run(disks, 30);
        if (disks->world->plan.lent_kib != 0)
            fail_msg("%s: %u MiB are lent", rows[i].what, (unsigned)(disks->world->plan.lent_kib / MIB));
        disks_free(disks);
    }
    (void)state;
}

/* None is in force while it can't be written, nor while nothing is told to anybody, but for one that an earlier daemon left. */
static void
nothing_is_lent_where_no_limit_is_told(void **state)
{
    for (unsigned dry = 0; dry < 2; dry++) {
        Disks *disks = disks_new(1, 0);
        GuestLimits *limits = &disks->world->guests[0].limits;

        disks->world->dry = dry != 0;
        limits->set = dry != 0;
        limits->high_kib = dry != 0 ? 2 * GIB : LIMIT_NONE;
        for (unsigned t = 0; t < 20; t++) {
            limits->charged_kib = t < 5 ? GIB : GIB + GIB / 2;
            world_tick(disks->world);
            assert_int_equal(disks->world->plan.lent_kib, 0);
        }
        disks_free(disks);
    }
    (void)state;
}

/* It begins when half of the room is filled, and ends when less than a quarter is: what changes a little moves no limit. */
static void
who_fills_half_of_the_room_that_its_limit_leaves_is_lent_more_until_it_fills_less_than_a_quarter(void **state)
{
    static const struct {
        unsigned percent;
        bool lent;
    } steps[] = {{40, false}, {60, true}, {30, true}, {20, false}, {40, false}};
    Disks *disks = disks_new(1, 0);
    uint64_t room;

    run(disks, 600);
    room = disks->world->guests[0].limits.high_kib - disks->world->fake[0].actual;
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        disks->size[0] = room / 100 * steps[i].percent;
        run(disks, 10);
        assert_int_equal(disks->world->plan.lent_kib > 0, steps[i].lent);
    }
    disks_free(disks);
    (void)state;
}

/* What its QEMU takes of what was lent to it is its own, and nothing is lent for the few files that any QEMU reads. */
static void
a_guest_whose_own_memory_fills_the_room_is_lent_nothing(void **state)
{
    Disks *disks = disks_new(1, 0);
    FakeGuest *fake = &disks->world->fake[0];

    disks->size[0] = 2 * GIB;
    run(disks, 10);
    assert_true(disks->world->plan.lent_kib > GIB);
    fake->inhibited = true;
    fake->resident = fake->actual + 2 * GIB;
    disks->size[0] = 2 * GIB + 4 * MIB;
    run(disks, 10);
    assert_in_range(disks->world->plan.lent_kib, 0, 32 * MIB); /* its limit is left so much above what it holds */
    disks_free(disks);
    (void)state;
}

/*
 * It has all its memory, so its limit is out of its way and nothing has to be lent for that. Another one needs half of it: until the
 * limit is down the guest could take back all that its balloon gives up.
 */
static void
what_a_limit_lets_in_that_was_out_of_the_way_is_booked_until_it_is_down(void **state)
{
    Disks *disks = disks_new(2, 0);
    FakeWorld *world = disks->world;
    unsigned falls = 0;

    world->settings->budget_kib = 12 * GIB;
    world->fake[0].need = 7 * GIB;
    disks->size[0] = 12 * GIB;
    run(disks, 60);
    assert_int_equal(world->guests[0].limits.high_kib, 32 * GIB);
    assert_int_equal(world->plan.lent_kib, 0);
    world->fake[0].need = 700 * MIB;
    world->fake[1].need = 7 * GIB;
    for (unsigned t = 0; t < 30; t++) {
        const GuestPlan *plan = &world->plan.guests[0];
        uint64_t high = world->guests[0].limits.high_kib;

        tick(disks);
        if (high == 32 * GIB) {
            assert_int_equal(plan->committed_kib + plan->lent_kib, 8 * GIB);
            falls += world->fake[0].actual < 8 * GIB;
        }
    }
    assert_true(falls > 1);
    assert_true(world->guests[0].limits.high_kib < 6 * GIB);
    disks_free(disks);
    (void)state;
}

/* All its memory is booked, and its limit stands at what its QEMU may cost beyond: a QEMU that leaks is held back. */
static void
a_guest_that_has_all_its_memory_and_no_use_for_cache_keeps_its_limit(void **state)
{
    Disks *disks = disks_new(1, 0);

    disks->world->fake[0].need = 8 * GIB;
    run(disks, 60);
    assert_int_equal(disks->world->fake[0].actual, 8 * GIB);
    assert_in_range(disks->world->guests[0].limits.high_kib, 8 * GIB, 10 * GIB);
    disks_free(disks);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_memory_is_lent_to_who_uses_the_page_cache_and_to_nobody_else),
        cmocka_unit_test(what_limits_let_in_for_cache_fits_the_host),
        cmocka_unit_test(a_start_gets_what_is_lent_and_squeezes_nobody),
        cmocka_unit_test(a_start_gets_what_is_lent_to_guests_that_are_paused),
        cmocka_unit_test(a_start_gets_what_is_lent_while_libvirt_is_away),
        cmocka_unit_test(who_grows_gets_what_is_lent_and_no_more_is_taken_back),
        cmocka_unit_test(nothing_is_lent_to_who_is_not_held_by_a_limit_that_its_balloon_keeps_it_below),
        cmocka_unit_test(nothing_is_lent_where_no_limit_is_told),
        cmocka_unit_test(
            who_fills_half_of_the_room_that_its_limit_leaves_is_lent_more_until_it_fills_less_than_a_quarter),
        cmocka_unit_test(a_guest_whose_own_memory_fills_the_room_is_lent_nothing),
        cmocka_unit_test(what_a_limit_lets_in_that_was_out_of_the_way_is_booked_until_it_is_down),
        cmocka_unit_test(a_guest_that_has_all_its_memory_and_no_use_for_cache_keeps_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
