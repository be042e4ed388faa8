/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What memory.high should be: slack, when it rises and falls, what is learnt, when it goes. */

#include "cmocka_all.h"
#include "decide/faults.h"
#include "decide/pass.h"
#include "units.h"

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB
#define SEC USEC_PER_SEC
#define OVERHEAD (60 * MIB)
#define SLACK (32 * MIB)

typedef struct Fixture {
    GuestSettings settings;
    GuestSnapshot guest;
    GuestMemory memory;
    LedgerEntry entry;
    Standing standing;
    bool wanted, waiting, limited, link_down;
    PagingPhase phase;
    uint64_t committed_kib;
    uint64_t overhead_kib;
    uint64_t now_usec;
} Fixture;

static void
fixture_init(Fixture *f, uint64_t committed_kib)
{
    *f = (Fixture){.settings = {.maximum_kib = 8 * GIB, .vcpus = 1}, .now_usec = 100 * SEC};
    f->guest = (GuestSnapshot){.settings = &f->settings,
                               .life = GUEST_LIFE_RUNNING,
                               .resident_kib = committed_kib,
                               .limits = {.usable = true, .high_kib = LIMIT_NONE, .charged_kib = committed_kib}};
    f->wanted = true;
    f->committed_kib = committed_kib;
    f->overhead_kib = OVERHEAD;
}

/* One second; what is told comes into force. */
static GuestPlan
tick(Fixture *f)
{
    GuestPlan answer = {
        .guest = &f->guest, .rule = f->waiting ? PLAN_RULE_ADOPTING : PLAN_RULE_SATISFIED, .paging_phase = f->phase};
    Work work = {.guest = &f->guest,
                 .memory = &f->memory,
                 .plan = &answer,
                 .entry = &f->entry,
                 .standing = f->standing,
                 .slack_kib = SLACK,
                 .limited = f->limited,
                 .wants_limit = f->wanted};
    Pass pass = {.first = &work,
                 .end = &work + 1,
                 .settings = &(Settings){.memory_high = true},
                 .link_down = f->link_down,
                 .now_usec = f->now_usec += SEC};

    f->entry.granted_kib = f->committed_kib;
    f->entry.overhead_kib = f->overhead_kib;
    pass_limit(&pass);
    if (answer.limit_tell) {
        f->guest.limits.high_kib = answer.limit_kib;
        f->guest.limits.set = answer.limit_kib != LIMIT_NONE;
    }
    return answer;
}

static void
slack_is_a_part_of_the_reserve(void **state)
{
    static const uint64_t reserves[] = {128 * MIB, GIB, 20 * GIB};

    for (size_t r = 0; r < G_N_ELEMENTS(reserves); r++) {
        for (uint64_t count = 1; count <= 1000; count *= 10) {
            uint64_t all = 0, sum = 0, least = count * LIMIT_LEAST_SLACK_KIB;

            for (uint64_t i = 0; i < count; i++)
                all += (1 + i % 7) * 700 * MIB;
            for (uint64_t i = 0; i < count; i++) {
                uint64_t booked = (1 + i % 7) * 700 * MIB;
                const HostFigures figures = {.total_kib = all + reserves[r]};
                uint64_t slack = limit_slack(&figures, reserves[r], booked);

                assert_true(slack >= LIMIT_LEAST_SLACK_KIB);
                assert_true(slack <= MAX(booked / 8, LIMIT_LEAST_SLACK_KIB));
                sum += slack;
            }
            assert_true(sum <= reserves[r] / 2 + least);
        }
    }
    assert_int_equal(limit_slack(&(HostFigures){.total_kib = GIB}, GIB, 0), LIMIT_LEAST_SLACK_KIB);
    (void)state;
}

/* Above that it would hold nobody back before the kernel kills. */
static void
it_stays_below_memory_max(void **state)
{
    Fixture f;

    fixture_init(&f, GIB);
    f.guest.limits.max_kib = GIB + OVERHEAD + SLACK + LIMIT_LEAST_SLACK_KIB;
    assert_int_equal(tick(&f).limit_kib, GIB + OVERHEAD + SLACK);
    fixture_init(&f, GIB);
    f.guest.limits.max_kib = GIB + OVERHEAD + SLACK;
    assert_int_equal(tick(&f).limit_kib, GIB + OVERHEAD + SLACK - LIMIT_LEAST_SLACK_KIB);
    (void)state;
}

static void
it_follows_the_booking_at_once_but_for_little_differences(void **state)
{
    Fixture f;

    fixture_init(&f, GIB);
    assert_int_equal(tick(&f).limit_kib, GIB + OVERHEAD + SLACK);
    assert_true(f.guest.limits.set);
    f.committed_kib = 2 * GIB;
    assert_true(tick(&f).limit_tell);
    assert_int_equal(f.guest.limits.high_kib, 2 * GIB + OVERHEAD + SLACK);
    f.committed_kib = GIB;
    assert_true(tick(&f).limit_tell);
    assert_int_equal(f.guest.limits.high_kib, GIB + OVERHEAD + SLACK);
    /* little differences are left alone */
    f.committed_kib = GIB - SLACK / 3;
    for (unsigned t = 0; t < 60; t++)
        assert_false(tick(&f).limit_tell);
    (void)state;
}

static bool
it_does_not_fall_below_what_the_guest_holds(Fault fault)
{
    Fixture f;

    fixture_init(&f, 2 * GIB);
    rules_break(fault);
    tick(&f);
    f.committed_kib = GIB; /* its balloon has taken it, and the kernel has not got it back */
    for (unsigned t = 0; t < 60; t++)
        tick(&f);
    return f.guest.limits.high_kib >= 2 * GIB;
}

static bool
a_guest_held_back_within_its_booking_gets_more(Fault fault)
{
    Fixture f;
    uint64_t extra = 0;

    fixture_init(&f, GIB);
    rules_break(fault);
    tick(&f);
    for (unsigned t = 0; t < 25; t++) {
        f.now_usec += SEC;
        f.guest.resident_kib = f.guest.limits.charged_kib = f.guest.limits.high_kib;
        f.guest.limits.held_back++;
        extra = limit_learn(&f.memory.limit, &f.guest, false, f.now_usec);
        f.overhead_kib = OVERHEAD + extra;
        tick(&f);
    }
    /* not so soon: it may be a balloon that frees nothing */
    assert_true(extra <= 2 * overhead_estimate(&f.settings) + 64 * MIB);
    return extra > 64 * MIB && f.guest.limits.high_kib == GIB + OVERHEAD + extra + SLACK;
}

/* A QEMU that costs so much more than is thought: whether it is held back no more in the end, and how long it was. */
static bool
a_costly_qemu_is_booked(Fault fault, uint64_t cost_kib, unsigned seconds)
{
    Fixture f;
    unsigned last_held = 0;

    fixture_init(&f, GIB);
    rules_break(fault);
    tick(&f);
    for (unsigned t = 0; t < 2 * seconds; t++) {
        uint64_t need = GIB + OVERHEAD + cost_kib;
        bool held = need > f.guest.limits.high_kib;

        f.guest.resident_kib = f.guest.limits.charged_kib = MIN(need, f.guest.limits.high_kib);
        f.guest.limits.held_back += held;
        f.overhead_kib = OVERHEAD + limit_learn(&f.memory.limit, &f.guest, false, f.now_usec);
        tick(&f);
        if (held)
            last_held = t;
    }
    return last_held < seconds;
}

static void
a_costly_qemu_is_not_held_back_for_good(void **state)
{
    assert_true(a_costly_qemu_is_booked(0, 600 * MIB, 600));
    assert_true(a_costly_qemu_is_booked(0, 4 * GIB, 1200));
    assert_false(a_costly_qemu_is_booked(FAULT_LEARN_CAPPED, 600 * MIB, 600));
    /* one that never has enough does not get the host */
    assert_false(a_costly_qemu_is_booked(0, 64 * GIB, 7200));
    rules_break(FAULT_NONE);
    (void)state;
}

static void
each_rule_holds_and_is_needed(void **state)
{
    assert_true(it_does_not_fall_below_what_the_guest_holds(0));
    assert_false(it_does_not_fall_below_what_the_guest_holds(FAULT_LIMIT_AT_ONCE));
    assert_true(a_guest_held_back_within_its_booking_gets_more(0));
    assert_false(a_guest_held_back_within_its_booking_gets_more(FAULT_LIMIT_NOT_LEARNT));
    rules_break(FAULT_NONE);
    (void)state;
}

static void
reclaim_of_page_cache_and_a_boot_teach_nothing(void **state)
{
    Fixture f;

    fixture_init(&f, GIB);
    tick(&f);
    f.guest.limits.charged_kib = f.guest.limits.high_kib; /* half of it page cache of its disks */
    f.guest.resident_kib = f.guest.limits.high_kib / 2;
    for (unsigned t = 0; t < 10; t++) {
        f.now_usec += 5 * SEC;
        f.guest.limits.held_back += 100;
        assert_int_equal(limit_learn(&f.memory.limit, &f.guest, false, f.now_usec), 0);
    }
    f.guest.resident_kib = f.guest.limits.high_kib;
    f.guest.limits.held_back++;
    assert_int_equal(limit_learn(&f.memory.limit, &f.guest, true, f.now_usec + 5 * SEC), 0);
    assert_true(f.memory.limit.held_now);
    (void)state;
}

static void
a_raise_comes_after_a_lower_one_that_is_under_way(void **state)
{
    Fixture f;
    GuestPlan answer;

    fixture_init(&f, 2 * GIB);
    tick(&f);
    f.guest.resident_kib = GIB;
    f.committed_kib = GIB;
    do
        answer = tick(&f);
    while (!answer.limit_tell);
    /* the write lasts, and the larger of both is what is seen */
    f.guest.limits.pending = true;
    f.guest.limits.high_kib = 2 * GIB + OVERHEAD + SLACK;
    assert_false(tick(&f).limit_tell);
    f.guest.limits.high_kib = 2 * GIB + OVERHEAD + SLACK;
    f.committed_kib = GIB + GIB / 2;
    answer = tick(&f);
    assert_true(answer.limit_tell);
    assert_int_equal(answer.limit_kib, GIB + GIB / 2 + OVERHEAD + SLACK);
    (void)state;
}

/* A write may fail, and a guest that boots is booked as if it were on its way for five seconds. */
static void
one_that_could_not_be_written_is_told_again_while_it_is_relied_on(void **state)
{
    unsigned told = 0;
    Fixture f;

    fixture_init(&f, GIB);
    for (unsigned second = 0; second < 5; second++) {
        told += tick(&f).limit_tell;
        f.guest.limits.high_kib = LIMIT_NONE;
        f.guest.limits.set = false;
    }
    assert_in_range(told, 3, 5);
    (void)state;
}

static void
it_goes_when_it_is_not_wanted_and_is_never_touched_where_it_is_not_ours(void **state)
{
    Fixture f;
    GuestPlan answer;

    fixture_init(&f, GIB);
    tick(&f);
    f.wanted = false;
    answer = tick(&f);
    assert_true(answer.limit_tell);
    assert_int_equal(answer.limit_kib, LIMIT_NONE);
    assert_false(tick(&f).limit_tell);
    f.guest.limits.high_kib = 3 * GIB; /* the administrator's */
    assert_false(tick(&f).limit_tell);
    f.guest.limits.usable = false;
    f.wanted = true;
    assert_false(tick(&f).limit_tell);
    (void)state;
}

static void
nothing_is_lowered_before_it_is_known_what_a_guest_has(void **state)
{
    Fixture f;

    fixture_init(&f, GIB);
    f.waiting = true;
    for (unsigned t = 0; t < 30; t++)
        assert_false(tick(&f).limit_tell);
    f.waiting = false;
    assert_true(tick(&f).limit_tell);
    (void)state;
}

/*
 * What it has when it goes on is not known before it does. But what was lent to it is others' as soon as they need it, and one that boots
 * may touch whatever its limit lets in.
 */
static void
nothing_is_lowered_while_a_guest_stands_still(void **state)
{
    static const struct {
        GuestLife life;
        bool migrating, boots;
        uint64_t lent_kib;
        bool falls;
    } rows[] = {
        {GUEST_LIFE_PAUSED, false, false, 0, false},   {GUEST_LIFE_RUNNING, true, false, 0, false},
        {GUEST_LIFE_PAUSED, false, true, 0, true},     {GUEST_LIFE_RUNNING, true, true, 0, true},
        {GUEST_LIFE_PAUSED, false, false, 4096, true}, {GUEST_LIFE_RUNNING, false, false, 0, true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        bool falls = false;
        Fixture f;

        fixture_init(&f, 2 * GIB);
        tick(&f);
        f.guest.life = rows[i].life;
        f.guest.migrating = rows[i].migrating;
        f.standing.is_void = rows[i].boots;
        f.entry.lent_kib = rows[i].lent_kib;
        f.committed_kib = f.guest.resident_kib = f.guest.limits.charged_kib = GIB;
        for (unsigned t = 0; t < 30; t++)
            falls |= tick(&f).limit_tell;
        assert_int_equal(falls, rows[i].falls);
        /* a raise takes nothing from it */
        f.committed_kib = 3 * GIB;
        assert_true(tick(&f).limit_tell);
    }
    (void)state;
}

/* A call to its balloon is under way that may yet let it have more. A limit that is the first takes nothing from it that it was granted. */
static void
nothing_is_lowered_while_a_target_is_under_way(void **state)
{
    Fixture f;

    fixture_init(&f, 2 * GIB);
    f.guest.target_pending = true;
    assert_true(tick(&f).limit_tell);
    f.committed_kib = f.guest.resident_kib = f.guest.limits.charged_kib = GIB;
    for (unsigned t = 0; t < 30; t++)
        assert_false(tick(&f).limit_tell);
    assert_int_equal(f.guest.limits.high_kib, 2 * GIB + OVERHEAD + SLACK);
    f.guest.target_pending = false;
    assert_true(tick(&f).limit_tell);
    assert_int_equal(f.guest.limits.high_kib, GIB + OVERHEAD + SLACK);
    (void)state;
}

/* What came before this daemon, what is no more than being full, and what a limit of others does, are no errors of the estimate. */
static void
only_being_held_back_by_a_limit_of_ours_teaches_something(void **state)
{
    Fixture f;

    fixture_init(&f, GIB);
    tick(&f);
    f.guest.resident_kib = f.guest.limits.charged_kib = f.guest.limits.high_kib;
    f.guest.limits.held_back = 100;
    for (unsigned t = 0; t < 10; t++) {
        f.now_usec += 5 * SEC;
        assert_int_equal(limit_learn(&f.memory.limit, &f.guest, false, f.now_usec), 0);
        assert_false(f.memory.limit.held_now);
    }
    f.guest.limits.set = false;
    f.guest.limits.held_back++;
    assert_int_equal(limit_learn(&f.memory.limit, &f.guest, false, f.now_usec + 5 * SEC), 0);
    f.guest.limits.set = true;
    f.guest.limits.held_back++;
    assert_true(limit_learn(&f.memory.limit, &f.guest, false, f.now_usec + 10 * SEC) > 0);
    (void)state;
}

/* Ticks come as often as reports do: what is told anew does not wait for a second to be over. */
static void
a_raise_does_not_wait_for_the_one_before(void **state)
{
    Fixture f;

    fixture_init(&f, GIB);
    tick(&f);
    f.now_usec -= SEC - SEC / 5;
    f.committed_kib = 2 * GIB;
    assert_true(tick(&f).limit_tell);
    assert_int_equal(f.guest.limits.high_kib, 2 * GIB + OVERHEAD + SLACK);
    (void)state;
}

/* Its pages are in part charged to others' groups: they are none that its limit would have to take back. */
static void
it_falls_to_what_is_charged_where_that_is_less_than_the_guest_holds(void **state)
{
    Fixture f;

    fixture_init(&f, 3 * GIB);
    tick(&f);
    f.guest.limits.charged_kib = GIB;
    f.committed_kib = GIB;
    assert_true(tick(&f).limit_tell);
    assert_int_equal(f.guest.limits.high_kib, GIB + OVERHEAD + SLACK);
    (void)state;
}

/* It is not to have one, but has a paging file, or what it was started with is not read yet: without one it could take everything. */
static void
it_stays_on_a_guest_that_has_nothing_else(void **state)
{
    Fixture f;

    fixture_init(&f, GIB);
    tick(&f);
    f.wanted = false;
    f.limited = true;
    assert_false(tick(&f).limit_tell);
    f.committed_kib = 2 * GIB;
    assert_true(tick(&f).limit_tell);
    assert_int_equal(f.guest.limits.high_kib, 2 * GIB + OVERHEAD + SLACK);
    f.limited = false;
    assert_true(tick(&f).limit_tell);
    assert_int_equal(f.guest.limits.high_kib, LIMIT_NONE);
    (void)state;
}

/* What is in its file may come back at any time where nothing but its limit keeps it within what it was granted. */
static void
a_guest_that_hangs_on_its_limit_has_the_least_slack_with_a_file(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON};
    static const struct {
        bool file, hangs;
        uint64_t slack_kib;
    } rows[] = {{true, true, LIMIT_LEAST_SLACK_KIB}, {true, false, SLACK}, {false, true, SLACK}, {false, false, SLACK}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Fixture f;

        fixture_init(&f, GIB);
        f.guest.paging = rows[i].file ? &file : NULL;
        f.limited = true;
        f.standing.is_void = rows[i].hangs;
        assert_int_equal(tick(&f).limit_kib, GIB + OVERHEAD + rows[i].slack_kib);
    }
    (void)state;
}

/* The kernel needs no libvirt to let in what is booked, or comes back from a file, nor to hold who boots. Nothing else is taken. */
static void
while_libvirt_is_away_no_limit_falls_but_for_a_file_and_a_boot(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 256 * MIB};
    static const struct {
        bool boots, set, file, empties;
        uint64_t committed_kib;
        uint64_t limit_kib; /* 0: nothing is told */
    } rows[] = {
        {false, true, false, false, 3 * GIB, 3 * GIB + OVERHEAD + SLACK},
        {false, true, false, false, GIB, 0},
        {false, false, false, false, GIB, 0},
        {true, true, false, false, GIB, 0},
        {true, false, false, false, GIB, GIB + OVERHEAD + SLACK},
        {true, true, true, false, 3 * GIB, 3 * GIB + OVERHEAD + LIMIT_LEAST_SLACK_KIB},
        {true, true, true, false, GIB, 0},
        {true, true, true, true, 2 * GIB, 2 * GIB - 256 * MIB + OVERHEAD + LIMIT_LEAST_SLACK_KIB},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        GuestPlan answer;
        Fixture f;

        fixture_init(&f, 2 * GIB);
        f.guest.paging = rows[i].file ? &file : NULL;
        f.guest.limits.swapped_kib = file.used_kib;
        f.guest.resident_kib = f.guest.limits.charged_kib = GIB / 2;
        f.limited = f.standing.is_void = rows[i].boots;
        if (rows[i].set)
            tick(&f);
        f.link_down = true;
        f.committed_kib = rows[i].committed_kib;
        f.phase = rows[i].empties ? PAGING_PHASE_EMPTY : rows[i].file ? PAGING_PHASE_BOOT : PAGING_PHASE_NONE;
        answer = tick(&f);
        if (answer.limit_tell != (rows[i].limit_kib != 0))
            fail_msg("case %zu: %s", i, answer.limit_tell ? "a limit is told" : "no limit is told");
        if (answer.limit_tell)
            assert_int_equal(answer.limit_kib, rows[i].limit_kib);
    }
    (void)state;
}

/* The first limit of a guest is on its way: there is none to be lowered. Later a lower one that does not come is late. */
static void
only_a_limit_that_is_there_can_be_late(void **state)
{
    const GuestSettings settings = {.maximum_kib = 8 * GIB};
    GuestSnapshot guest = {.settings = &settings, .limits = {.usable = true, .set = true, .high_kib = LIMIT_NONE}};
    const LimitMemory memory = {.told_kib = 2 * GIB};

    assert_false(limit_is_late(&memory, &guest, SLACK));
    guest.limits.high_kib = 3 * GIB;
    assert_true(limit_is_late(&memory, &guest, SLACK));
    guest.limits.high_kib = 2 * GIB + SLACK / 4;
    assert_false(limit_is_late(&memory, &guest, SLACK));
    (void)state;
}

/* A limit may stand half its slack too high, and not more. */
static void
a_limit_is_late_from_half_its_slack_on(void **state)
{
    const GuestSettings settings = {.maximum_kib = 8 * GIB};
    const LimitMemory memory = {.told_kib = 2 * GIB};
    GuestSnapshot guest = {.settings = &settings, .limits = {.usable = true, .set = true}};

    guest.limits.high_kib = 2 * GIB + SLACK / 5 * 2;
    assert_false(limit_is_late(&memory, &guest, SLACK));
    guest.limits.high_kib = 2 * GIB + SLACK / 5 * 3;
    assert_true(limit_is_late(&memory, &guest, SLACK));
    (void)state;
}

/* The kernel takes back a little more than it must, so the guest is often seen a little below its limit. */
static void
a_guest_that_is_held_back_a_little_below_its_limit_gets_more(void **state)
{
    Fixture f;

    fixture_init(&f, GIB);
    tick(&f);
    f.guest.resident_kib = f.guest.limits.charged_kib = f.guest.limits.high_kib - LIMIT_LEAST_SLACK_KIB / 2;
    limit_learn(&f.memory.limit, &f.guest, false, f.now_usec);
    f.guest.limits.held_back++;
    assert_true(limit_learn(&f.memory.limit, &f.guest, false, f.now_usec + 5 * SEC) > 0);
    (void)state;
}

/* Twice what it is thought to cost, 72 MiB, and 64 more come quickly: no guest that needs no more is held back for longer than 30 s. */
static void
a_qemu_that_costs_three_times_what_is_thought_is_soon_not_held_back(void **state)
{
    assert_true(a_costly_qemu_is_booked(0, 200 * MIB, 30));
    (void)state;
}

/* What its QEMU holds could not be read; what is charged to its group may all be its memory. */
static void
it_does_not_fall_below_what_is_charged_where_it_is_not_known_what_the_guest_holds(void **state)
{
    Fixture f;

    fixture_init(&f, 2 * GIB);
    tick(&f);
    f.guest.resident_kib = 0;
    f.committed_kib = GIB;
    for (unsigned t = 0; t < 10; t++) {
        tick(&f);
        assert_true(f.guest.limits.high_kib >= 2 * GIB);
    }
    (void)state;
}

/* Four ticks a second, of which each would write it. */
static void
one_that_does_not_come_into_force_is_told_once_a_second(void **state)
{
    unsigned told = 0;
    Fixture f;

    fixture_init(&f, GIB);
    for (unsigned quarter = 0; quarter < 40; quarter++) {
        told += tick(&f).limit_tell;
        f.now_usec -= SEC / 4 * 3;
        f.guest.limits.high_kib = LIMIT_NONE;
        f.guest.limits.set = false;
    }
    assert_in_range(told, 8, 11);
    (void)state;
}

/* At what it holds it would be held back at its next page. */
static void
it_falls_to_no_less_than_a_little_more_than_the_guest_holds(void **state)
{
    Fixture f;

    fixture_init(&f, 2 * GIB);
    tick(&f);
    f.committed_kib = GIB;
    for (unsigned t = 0; t < 10; t++)
        tick(&f);
    assert_int_equal(f.guest.limits.high_kib, 2 * GIB + LIMIT_LEAST_SLACK_KIB);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slack_is_a_part_of_the_reserve),
        cmocka_unit_test(only_a_limit_that_is_there_can_be_late),
        cmocka_unit_test(it_stays_below_memory_max),
        cmocka_unit_test(it_follows_the_booking_at_once_but_for_little_differences),
        cmocka_unit_test(each_rule_holds_and_is_needed),
        cmocka_unit_test(a_costly_qemu_is_not_held_back_for_good),
        cmocka_unit_test(reclaim_of_page_cache_and_a_boot_teach_nothing),
        cmocka_unit_test(a_raise_comes_after_a_lower_one_that_is_under_way),
        cmocka_unit_test(one_that_could_not_be_written_is_told_again_while_it_is_relied_on),
        cmocka_unit_test(it_goes_when_it_is_not_wanted_and_is_never_touched_where_it_is_not_ours),
        cmocka_unit_test(nothing_is_lowered_before_it_is_known_what_a_guest_has),
        cmocka_unit_test(nothing_is_lowered_while_a_guest_stands_still),
        cmocka_unit_test(only_being_held_back_by_a_limit_of_ours_teaches_something),
        cmocka_unit_test(a_raise_does_not_wait_for_the_one_before),
        cmocka_unit_test(it_falls_to_what_is_charged_where_that_is_less_than_the_guest_holds),
        cmocka_unit_test(it_stays_on_a_guest_that_has_nothing_else),
        cmocka_unit_test(a_guest_that_hangs_on_its_limit_has_the_least_slack_with_a_file),
        cmocka_unit_test(while_libvirt_is_away_no_limit_falls_but_for_a_file_and_a_boot),
        cmocka_unit_test(nothing_is_lowered_while_a_target_is_under_way),
        cmocka_unit_test(a_limit_is_late_from_half_its_slack_on),
        cmocka_unit_test(a_guest_that_is_held_back_a_little_below_its_limit_gets_more),
        cmocka_unit_test(a_qemu_that_costs_three_times_what_is_thought_is_soon_not_held_back),
        cmocka_unit_test(it_does_not_fall_below_what_is_charged_where_it_is_not_known_what_the_guest_holds),
        cmocka_unit_test(one_that_does_not_come_into_force_is_told_once_a_second),
        cmocka_unit_test(it_falls_to_no_less_than_a_little_more_than_the_guest_holds),
    };

    return cmocka_run_group_tests_name("decide_limit", tests, NULL, NULL);
}
