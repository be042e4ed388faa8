/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Guests that boot, each rule by itself: what a run begins with, how its guest stands, what it claims and is given, whose file is ended. */

#include "paging_bench.h"

#include <string.h>

/* The guest of the bench and one that shares, on a host whose guests may have 2 GiB together. */
typedef struct Pair {
    Bench bench;
    Work works[2];
    LedgerEntry entries[2];
    GuestSettings other_settings;
    GuestSnapshot other;
    GuestMemory other_memory;
    GuestPlan other_plan;
    DecideState state;
    Claim claims[2];
    bool ends[1];
    const PagingRecord *files[1];
    Plan plan;
} Pair;

static void
pair_init(Pair *pair)
{
    *pair = (Pair){.other_settings = {.maximum_kib = 4096 * MIB}};
    bench_init(&pair->bench);
    pair->other = (GuestSnapshot){.uuid = "b", .settings = &pair->other_settings, .life = GUEST_LIFE_RUNNING};
    pair->bench.guest.uuid = "a";
    pair->bench.guest.answering = true;
    pair->works[0] = pair->bench.work;
    pair->works[1] = (Work){.guest = &pair->other,
                            .memory = &pair->other_memory,
                            .plan = &pair->other_plan,
                            .standing = {.part = PART_SHARES}};
    pair->works[0].maximum_kib = pair->works[1].maximum_kib = 4096 * MIB;
    for (size_t i = 0; i < 2; i++)
        pair->works[i].entry = &pair->entries[i];
    pair->entries[0] = (LedgerEntry){.granted_kib = 600 * MIB, .booked_kib = 600 * MIB};
    pair->state.ledger = (Ledger){.entries = pair->entries, .count = 2};
    pair->state.claims = pair->claims;
    pair->plan.end_files = pair->ends;
    pair->bench.snapshot.files = pair->files;
    pair->bench.pass.state = &pair->state;
    pair->bench.pass.plan = &pair->plan;
    pair->plan.budget_kib = 2048 * MIB;
    pair->bench.pass.first = pair->works;
    pair->bench.pass.end = pair->works + 2;
}

/* ---- what a run begins with ---- */

static void
begin(Pair *pair)
{
    pair->bench.memory.begins = true;
    pair->bench.settings.restart_window_usec = 60 * SEC;
    pass_restart_open(&pair->bench.pass, &pair->works[0], false);
}

static void
run_begins_with_what_was_booked_for_it(void **state)
{
    static const struct {
        const char *what;
        uint64_t booked_kib, granted_kib;
        bool soon; /* after a stop */
    } rows[] = {
        {"nobody was asked about it", 0, STARTUP, false},
        {"it was let in with less", 300 * MIB, 300 * MIB, false},
        {"it was let in with more", 600 * MIB, 600 * MIB, false},
        {"a restart that nobody was asked about has what it gets", 0, 0, true},
        {"a restart that was let in", 300 * MIB, 300 * MIB, true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Pair pair;

        pair_init(&pair);
        pair.entries[0] = (LedgerEntry){.start_kib = rows[i].booked_kib};
        pair.bench.guest.stop_usec = rows[i].soon ? BOOT - 10 * SEC : 0;
        begin(&pair);
        assert_true(pair.entries[0].open);
        if (pair.entries[0].granted_kib != rows[i].granted_kib)
            fail_msg("%s: %u MiB", rows[i].what, (unsigned)(pair.entries[0].granted_kib / MIB));
    }
    (void)state;
}

/* What its snapshot's balloon leaves it is not known: what its QEMU holds comes in anyway, and one that goes on has what it had. */
static void
reverted_guest_begins_with_what_it_holds_or_had(void **state)
{
    for (unsigned open = 0; open < 2; open++) {
        Pair pair;

        pair_init(&pair);
        pair.entries[0] = (LedgerEntry){.open = open != 0, .granted_kib = 900 * MIB, .start_kib = 400 * MIB};
        pair.entries[0].restart = RESTART_SOON;
        pair.bench.guest.boot_resumed = true;
        pair.bench.guest.resident_kib = 800 * MIB;
        pair.works[0].overhead_kib = 100 * MIB;
        begin(&pair);
        assert_int_equal(pair.entries[0].granted_kib, open ? 900 * MIB : 700 * MIB);
        assert_int_equal(pair.bench.memory.restart, RESTART_NONE); /* it does not boot */
    }
    (void)state;
}

/* The daemon that let it in may be gone, and with it that it had stopped a moment before. */
static void
run_is_the_restart_that_it_was_let_in_as(void **state)
{
    Pair pair;

    pair_init(&pair);
    pair.entries[0] = (LedgerEntry){.start_kib = 300 * MIB, .restart = RESTART_SOON};
    begin(&pair);
    assert_int_equal(pair.bench.memory.restart, RESTART_SOON);
    (void)state;
}

static void
reset_goes_on_with_what_the_guest_had(void **state)
{
    Pair pair;

    pair_init(&pair);
    pair.entries[0].open = true;
    pair.bench.guest.boot_in_place = true;
    begin(&pair);
    assert_int_equal(pair.entries[0].granted_kib, 600 * MIB);
    assert_int_equal(pair.bench.memory.before_kib, 600 * MIB);
    assert_int_equal(pair.bench.memory.restart, RESTART_RESET);
    /* first seen when it was reset: its balloon and its limit say what it has */
    pair.entries[0] = (LedgerEntry){.open = false};
    pair.bench.guest.has_actual = true;
    pair.bench.guest.actual_kib = 700 * MIB;
    begin(&pair);
    assert_int_equal(pair.entries[0].granted_kib, 700 * MIB);
    (void)state;
}

/* ---- how it stands ---- */

static void
boot_is_a_restart_until_it_has_settled(void **state)
{
    static const struct {
        Standing standing;
        bool over;
    } rows[] = {
        {{.state = GUEST_STATE_STATIC, .part = PART_OUT, .rule = PLAN_RULE_NO_DRIVER}, true},
        {{.state = GUEST_STATE_ACTIVE, .part = PART_SHARES, .rule = PLAN_RULE_COUNT}, true},
        {{.state = GUEST_STATE_ACTIVE, .part = PART_SHARES, .rule = PLAN_RULE_SETTLING}, false},
        {{.state = GUEST_STATE_ACTIVE, .part = PART_SHARES, .rule = PLAN_RULE_COUNT, .is_void = true}, false},
        {{.state = GUEST_STATE_SUSPENDED, .part = PART_OUT, .rule = PLAN_RULE_FROZEN}, false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Pair pair;

        pair_init(&pair);
        pair.works[0].limited = false;
        pair.works[0].standing = rows[i].standing;
        pair.bench.memory.restart = RESTART_SOON;
        pass_restart_stand(&pair.works[0]);
        if ((pair.bench.memory.restart == RESTART_NONE) != rows[i].over)
            fail_msg("row %zu", i);
    }
    (void)state;
}

static void
guest_that_boots_under_a_limit_stands_as_what_it_waits_for(void **state)
{
    static const PagingRecord file = {.stage = PAGING_STAGE_ON};
    static const struct {
        Standing standing;
        const PagingRecord *file;
        RestartKind restart;
        GuestState state;
        PlanRule rule;
    } rows[] = {
        {{.state = GUEST_STATE_RESTARTING, .rule = PLAN_RULE_RESET, .is_void = true},
         NULL,
         RESTART_RESET,
         GUEST_STATE_RESTARTING,
         PLAN_RULE_RESTART},
        {{.state = GUEST_STATE_STARTING, .rule = PLAN_RULE_STARTING, .is_void = true},
         NULL,
         RESTART_SOON,
         GUEST_STATE_RESTARTING,
         PLAN_RULE_RESTART},
        {{.state = GUEST_STATE_STARTING, .rule = PLAN_RULE_STARTING, .is_void = true},
         NULL,
         RESTART_NONE,
         GUEST_STATE_STARTING,
         PLAN_RULE_STARTING},
        {{.state = GUEST_STATE_SUSPENDED, .rule = PLAN_RULE_FROZEN, .is_void = true},
         NULL,
         RESTART_SOON,
         GUEST_STATE_SUSPENDED,
         PLAN_RULE_FROZEN},
        {{.state = GUEST_STATE_RESTARTING, .rule = PLAN_RULE_RESET, .is_void = true, .booting = true},
         &file,
         RESTART_RESET,
         GUEST_STATE_PAGING,
         PLAN_RULE_PAGING},
        {{.state = GUEST_STATE_ACTIVE, .part = PART_SHARES},
         &file,
         RESTART_RESET,
         GUEST_STATE_PAGING,
         PLAN_RULE_PAGING_LEAVE},
        {{.state = GUEST_STATE_SUSPENDED, .rule = PLAN_RULE_FROZEN},
         &file,
         RESTART_RESET,
         GUEST_STATE_SUSPENDED,
         PLAN_RULE_FROZEN},
        {{.state = GUEST_STATE_MIGRATING, .rule = PLAN_RULE_FROZEN},
         &file,
         RESTART_RESET,
         GUEST_STATE_MIGRATING,
         PLAN_RULE_FROZEN},
        {{.state = GUEST_STATE_UNRESPONSIVE, .rule = PLAN_RULE_UNRESPONSIVE},
         &file,
         RESTART_RESET,
         GUEST_STATE_UNRESPONSIVE,
         PLAN_RULE_UNRESPONSIVE},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Pair pair;

        pair_init(&pair);
        pair.works[0].standing = rows[i].standing;
        pair.bench.guest.paging = rows[i].file;
        pair.bench.memory.restart = rows[i].restart;
        pass_restart_stand(&pair.works[0]);
        if (pair.works[0].standing.state != rows[i].state || pair.works[0].standing.rule != rows[i].rule)
            fail_msg("row %zu: %s, %s", i, guest_state_name(pair.works[0].standing.state),
                     plan_rule_name(pair.works[0].standing.rule));
        assert_int_equal(pair.works[0].standing.part, PART_OUT);
    }
    (void)state;
}

/* ---- claimed ---- */

static void
pair_lacks(Pair *pair)
{
    pair_init(pair);
    pair->bench.memory.restart = RESTART_SOON;
    pair->works[0].standing.booting = pair->works[0].standing.is_void = true;
    pair->works[0].minimum_kib = 256 * MIB;
    pair->bench.guest_settings.priority = 70;
    pair->entries[0].granted_kib = 300 * MIB;
    pair->entries[0].booked_kib = 400 * MIB;
}

static void
guest_claims_its_startup_memory_as_it_is_entitled_to(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 400 * MIB, .since_usec = BOOT};
    Pair pair;

    pair_lacks(&pair);
    pass_restart_claim(&pair.bench.pass);
    assert_int_equal(pair.state.claim_count, 1);
    assert_int_equal(pair.claims[0].guest, 0);
    assert_string_equal(pair.claims[0].uuid, "a");
    assert_true(pair.works[0].claims);
    assert_int_equal(pair.claims[0].need_kib, STARTUP);
    assert_int_equal(pair.claims[0].base_kib, 256 * MIB); /* it can't do without */
    assert_int_equal(pair.claims[0].booked_kib, 400 * MIB);
    assert_int_equal(pair.claims[0].priority, 70);
    assert_int_equal(pair.claims[0].asked_usec, BOOT);
    assert_false(pair.claims[0].overdue || pair.claims[0].presses);
    /* more is booked than there is: what its limit lets in for a moment is not its own */
    pair_lacks(&pair);
    pair.entries[1].booked_kib = 2048 * MIB;
    pass_restart_claim(&pair.bench.pass);
    assert_int_equal(pair.claims[0].booked_kib, 300 * MIB);
    /* it was granted more than it is booked at, by its memory.max */
    pair_lacks(&pair);
    pair.entries[0].booked_kib = 200 * MIB;
    pass_restart_claim(&pair.bench.pass);
    assert_int_equal(pair.claims[0].booked_kib, 300 * MIB);
    /* an old file stands before all others, and presses later */
    pair_lacks(&pair);
    pair.bench.guest.paging = &file;
    pair.bench.pass.now_usec += 300 * SEC;
    pass_restart_claim(&pair.bench.pass);
    assert_true(pair.claims[0].overdue && !pair.claims[0].presses);
    pair.state.claim_count = 0;
    pair.bench.pass.now_usec += 200 * SEC;
    pass_restart_claim(&pair.bench.pass);
    assert_true(pair.claims[0].overdue && pair.claims[0].presses);
    (void)state;
}

static void
nothing_is_claimed_twice(void **state)
{
    Pair pair;

    pair_lacks(&pair);
    pair.entries[0].asked = true; /* its next start is the claim */
    pass_restart_claim(&pair.bench.pass);
    assert_int_equal(pair.state.claim_count, 0);
    pair_lacks(&pair);
    pair.works[0].standing.part = PART_SHARES; /* it gets its share */
    pass_restart_claim(&pair.bench.pass);
    assert_int_equal(pair.state.claim_count, 0);
    pair_lacks(&pair);
    pair.entries[0].granted_kib = STARTUP;
    pass_restart_claim(&pair.bench.pass);
    assert_int_equal(pair.state.claim_count, 0);
    (void)state;
}

/* ---- given ---- */

/* Its driver is back, and its balloon leaves it 1 GiB, of which it was granted 600 MiB. */
static void
pair_leaves(Pair *pair, const PagingRecord *file)
{
    pair_init(pair);
    pair->bench.guest.paging = file;
    pair->bench.guest.actual_kib = 1024 * MIB;
}

static uint64_t
given(Pair *pair)
{
    pass_restart_decide(&pair->bench.pass);
    return pair->entries[0].granted_kib - 600 * MIB;
}

/* What nobody claims or needs ends the wait for its file. While libvirt is away nobody can tell what the others need. */
static void
guest_that_leaves_its_file_is_given_what_nobody_needs(void **state)
{
    const PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = 200 * MIB, .since_usec = BOOT};
    static const struct {
        const char *what;
        bool link_down, is_void, claims;
        uint64_t booked_kib, demand_kib, minimum_kib, given_kib; /* of the other guest, and what is right */
    } rows[] = {
        {"all that it lacks", .given_kib = 424 * MIB},
        {"libvirt is away", .link_down = true},
        {"its balloon means nothing", .is_void = true},
        {"it has a claim", .claims = true},
        {"the other needs some of it", .booked_kib = 500 * MIB, .demand_kib = 1200 * MIB, .given_kib = 248 * MIB},
        {"... or is to have at least that much", .booked_kib = 500 * MIB, .demand_kib = 100 * MIB,
         .minimum_kib = 1300 * MIB, .given_kib = 148 * MIB},
        {"the other has it, and does not need it", .booked_kib = 1400 * MIB, .demand_kib = 100 * MIB,
         .given_kib = 48 * MIB},
        {"the other needs all of it", .booked_kib = 500 * MIB, .demand_kib = 1500 * MIB},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t kib;
        Pair pair;

        pair_leaves(&pair, &file);
        pair.bench.pass.link_down = rows[i].link_down;
        pair.works[0].standing.is_void = rows[i].is_void;
        pair.works[0].claims = rows[i].claims;
        pair.entries[1].booked_kib = rows[i].booked_kib;
        pair.other_plan.demand_kib = rows[i].demand_kib;
        pair.works[1].minimum_kib = rows[i].minimum_kib;
        kib = given(&pair);
        if (kib != rows[i].given_kib)
            fail_msg("%s: %u MiB", rows[i].what, (unsigned)(kib / MIB));
    }
    (void)state;
}

/* Held back in its boot it is given as much again as it has, as long as there is that much. */
static void
guest_that_is_held_back_in_its_boot_is_given_what_nobody_needs(void **state)
{
    static const struct {
        bool held, booting;
        uint64_t granted_kib, maximum_kib, given_kib;
    } rows[] = {
        {true, true, 600 * MIB, 4096 * MIB, 600 * MIB}, {true, true, 600 * MIB, 700 * MIB, 100 * MIB},
        {true, true, 16 * MIB, 4096 * MIB, 32 * MIB},   {true, true, 1500 * MIB, 4096 * MIB, 548 * MIB},
        {false, true, 600 * MIB, 4096 * MIB, 0},        {true, false, 600 * MIB, 4096 * MIB, 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Pair pair;

        pair_init(&pair);
        pair.bench.memory.limit.held_now = rows[i].held;
        pair.works[0].standing.booting = pair.works[0].standing.is_void = rows[i].booting;
        pair.works[0].maximum_kib = rows[i].maximum_kib;
        pair.entries[0].granted_kib = pair.entries[0].booked_kib = rows[i].granted_kib;
        pass_restart_decide(&pair.bench.pass);
        assert_int_equal(pair.entries[0].granted_kib - rows[i].granted_kib, rows[i].given_kib);
        assert_int_equal(pair.bench.plan.granted_kib, pair.entries[0].granted_kib);
    }
    (void)state;
}

/* ---- whose file is ended ---- */

static bool
file_ends(Pair *pair)
{
    pass_restart_decide(&pair->bench.pass);
    return pair->ends[0];
}

static void
file_of_a_guest_that_is_gone_is_ended(void **state)
{
    static const struct {
        const char *what;
        const char *uuid;
        PagingStage stage;
        GuestLife life;
        bool observe, right;
    } rows[] = {
        {"it is off", "a", PAGING_STAGE_ON, GUEST_LIFE_OFF, .right = true},
        {"... and its file is being made", "a", PAGING_STAGE_MAKING, GUEST_LIFE_OFF, .right = true},
        {"... or ended already", "a", PAGING_STAGE_EMPTYING, GUEST_LIFE_OFF, .right = false},
        {"... or could not be made", "a", PAGING_STAGE_FAILED, GUEST_LIFE_OFF, .right = false},
        {"nothing may be done", "a", PAGING_STAGE_ON, GUEST_LIFE_OFF, .observe = true, .right = false},
        {"it runs", "a", PAGING_STAGE_ON, GUEST_LIFE_RUNNING, .right = false},
        {"nobody knows it", "0", PAGING_STAGE_ON, GUEST_LIFE_RUNNING, .right = true},
        {"nobody knows it", "aa", PAGING_STAGE_ON, GUEST_LIFE_RUNNING, .right = true},
        {"nobody knows it", "c", PAGING_STAGE_ON, GUEST_LIFE_RUNNING, .right = true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        PagingRecord file = {.stage = rows[i].stage};
        GuestSnapshot guests[2];
        Pair pair;

        pair_init(&pair);
        g_strlcpy(file.uuid, rows[i].uuid, sizeof file.uuid);
        pair.files[0] = &file;
        pair.bench.snapshot.file_count = 1;
        pair.bench.guest.life = rows[i].life;
        guests[0] = pair.bench.guest;
        guests[1] = pair.other;
        pair.bench.snapshot.guests = guests;
        pair.bench.snapshot.guest_count = 2;
        pair.bench.pass.observe = rows[i].observe;
        pair.state.link_usec = BOOT - 20 * SEC;
        if (file_ends(&pair) != rows[i].right)
            fail_msg("%s (%zu)", rows[i].what, i);
    }
    (void)state;
}

/* A new daemon, or one that libvirt was away from, reads its guests one after another. */
static void
file_of_a_guest_that_is_not_known_waits_for_ten_seconds_of_libvirt(void **state)
{
    PagingRecord file = {.stage = PAGING_STAGE_ON, .uuid = "c"};
    Pair pair;

    pair_init(&pair);
    pair.files[0] = &file;
    pair.bench.snapshot.file_count = 1;
    for (unsigned again = 0; again < 2; again++) {
        pair.bench.pass.link_down = true;
        for (unsigned t = 0; t < 30; t++) {
            pair.bench.pass.now_usec += SEC;
            assert_false(file_ends(&pair));
        }
        pair.bench.pass.link_down = false;
        for (unsigned t = 0; t < 10; t++) {
            pair.bench.pass.now_usec += SEC;
            assert_false(file_ends(&pair));
        }
    }
    pair.bench.pass.now_usec += SEC;
    assert_true(file_ends(&pair));
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_begins_with_what_was_booked_for_it),
        cmocka_unit_test(reverted_guest_begins_with_what_it_holds_or_had),
        cmocka_unit_test(run_is_the_restart_that_it_was_let_in_as),
        cmocka_unit_test(reset_goes_on_with_what_the_guest_had),
        cmocka_unit_test(boot_is_a_restart_until_it_has_settled),
        cmocka_unit_test(guest_that_boots_under_a_limit_stands_as_what_it_waits_for),
        cmocka_unit_test(guest_claims_its_startup_memory_as_it_is_entitled_to),
        cmocka_unit_test(nothing_is_claimed_twice),
        cmocka_unit_test(guest_that_leaves_its_file_is_given_what_nobody_needs),
        cmocka_unit_test(guest_that_is_held_back_in_its_boot_is_given_what_nobody_needs),
        cmocka_unit_test(file_of_a_guest_that_is_gone_is_ended),
        cmocka_unit_test(file_of_a_guest_that_is_not_known_waits_for_ten_seconds_of_libvirt),
    };

    return cmocka_run_group_tests_name("restart_rules", tests, NULL, NULL);
}
