/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A guest that boots: whether a limit is counted on to hold it, and what its balloon is told. */

#include "paging_bench.h"

#include <string.h>

/* ---- what holds it ---- */

#define NOTHING_HOLDS UINT64_MAX
/* Its limit, less what its QEMU costs and one and a half times its slack. */
#define HIGH (1000 * MIB)
#define LETS_IN (HIGH - 100 * MIB - 48 * MIB)

typedef struct Held {
    const char *what;
    BeliefState belief;
    bool paused, never_ran, in_place, driver_up, adopted, observe, unwanted, file, presumed, unusable, barred;
    unsigned age, seen_at; /* seconds since its boot, and when it was first seen */
    uint64_t high, told, fixed;
    uint64_t right;
} Held;

static uint64_t
enforced(const Held *row)
{
    static const PagingRecord file = {.stage = PAGING_STAGE_ON};
    Bench bench;

    bench_init(&bench);
    bench.guest.life = row->paused ? GUEST_LIFE_PAUSED : GUEST_LIFE_RUNNING;
    bench.guest.boot_in_place = row->in_place;
    bench.guest.driver_up = row->driver_up;
    bench.guest.adopted = row->adopted;
    bench.guest.paging = row->file ? &file : NULL;
    bench.guest_settings.presumed = row->presumed;
    bench.guest_settings.fixed_kib = row->fixed;
    bench.guest.limits = (GuestLimits){.usable = !row->unusable,
                                       .bar = row->barred ? "no" : NULL,
                                       .set = row->high != 0,
                                       .high_kib = row->high != 0 ? row->high : LIMIT_NONE};
    bench.memory.belief.state = row->belief != BELIEF_OFF ? row->belief : BELIEF_BOOTING;
    bench.memory.belief.ran_usec = row->never_ran ? 0 : SEC;
    bench.memory.belief.seen_usec = BOOT + row->seen_at * SEC;
    bench.memory.limit.told_kib = row->told;
    bench.entry.granted_kib = 500 * MIB;
    bench.entry.booked_kib = 600 * MIB;
    bench.work.overhead_kib = 100 * MIB;
    bench.work.slack_kib = 32 * MIB;
    bench.work.wants_limit = !row->unwanted;
    bench.pass.observe = row->observe;
    bench.pass.now_usec = BOOT + row->age * SEC;
    return pass_restart_enforced(&bench.pass, &bench.work);
}

static void
guest_is_held_by_a_limit_that_is_there_or_was_ordered_a_moment_ago(void **state)
{
    static const Held rows[] = {
        {"its limit is on its way", .age = 4, .right = 0},
        {"... and has not come", .age = 5, .right = NOTHING_HOLDS},
        {"it is there", .age = 5, .high = HIGH, .right = LETS_IN},
        {"it was reset, and keeps what it had", .in_place = true, .age = 1, .right = 600 * MIB},
        {"... which its memory devices are a part of", .in_place = true, .age = 1, .fixed = 100 * MIB,
         .right = 500 * MIB},
        {"... or what a limit lets in that was told before", .in_place = true, .age = 1, .told = HIGH,
         .right = LETS_IN},
        {"... if that is more", .in_place = true, .age = 1, .told = 500 * MIB, .right = 600 * MIB},
        {"none is to come", .in_place = true, .age = 1, .told = LIMIT_NONE, .right = 600 * MIB},
        {"it booted before libvirt was there", .age = 60, .seen_at = 58, .right = 0},
        {"... and went on without a limit", .age = 60, .seen_at = 58, .driver_up = true, .right = NOTHING_HOLDS},
        {"it does not boot", .belief = BELIEF_GOOD, .age = 1, .right = NOTHING_HOLDS},
        {"it was brought, and came before any", .belief = BELIEF_BROUGHT, .age = 1, .right = NOTHING_HOLDS},
        {"it ran before, and nobody ordered any", .adopted = true, .age = 1, .right = NOTHING_HOLDS},
        {"its group is not found yet", .unusable = true, .age = 1, .right = 0},
        {"it has none that could be limited", .unusable = true, .barred = true, .age = 1, .right = NOTHING_HOLDS},
        {"nobody is told anything", .observe = true, .age = 1, .right = NOTHING_HOLDS},
        {"... and an earlier daemon left one", .observe = true, .unwanted = true, .high = HIGH, .right = LETS_IN},
        {"it is to lose the one it has", .unwanted = true, .high = HIGH, .right = NOTHING_HOLDS},
        {"... when its file has ended", .unwanted = true, .file = true, .high = HIGH, .right = LETS_IN},
        {"... when its XML is read", .unwanted = true, .presumed = true, .high = HIGH, .right = LETS_IN},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (enforced(&rows[i]) != rows[i].right)
            fail_msg("%s: %u MiB", rows[i].what, (unsigned)(enforced(&rows[i]) / MIB));
    (void)state;
}

/* It has touched nothing. */
static void
guest_that_was_started_paused_is_held_whatever_becomes_of_its_limit(void **state)
{
    static const Held rows[] = {
        {"it has not run yet", .paused = true, .never_ran = true, .age = 100, .right = 0},
        {"it has run", .paused = true, .age = 100, .right = NOTHING_HOLDS},
        {"it runs now", .never_ran = true, .age = 100, .right = NOTHING_HOLDS},
        {"it was reset", .paused = true, .never_ran = true, .in_place = true, .age = 100, .right = NOTHING_HOLDS},
        {"it has a driver", .paused = true, .never_ran = true, .driver_up = true, .age = 100, .right = NOTHING_HOLDS},
        {"it brought its memory", .belief = BELIEF_BROUGHT, .paused = true, .never_ran = true, .age = 100,
         .right = NOTHING_HOLDS},
        {"its limit says more", .paused = true, .never_ran = true, .high = HIGH, .age = 100, .right = LETS_IN},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (enforced(&rows[i]) != rows[i].right)
            fail_msg("%s: %u MiB", rows[i].what, (unsigned)(enforced(&rows[i]) / MIB));
    (void)state;
}

/* ---- what its balloon is told ---- */

typedef struct Told {
    const char *what;
    bool up; /* its driver is back; otherwise it boots */
    PlanRule rule;
    bool silent, paused, migrating, observed, resumed, file, unlimited;
    uint64_t granted, demand, target, unseen, maximum; /* zero: 600 MiB, 0, 300 MiB, 0, 4 GiB */
    uint64_t right;                                    /* 0: nothing */
} Told;

static uint64_t
boot_to(const Told *row, unsigned age)
{
    static const PagingRecord file = {.stage = PAGING_STAGE_ON, .since_usec = BOOT};
    DecideState state = {.claim_count = 0};
    Plan plan = {.guests = NULL};
    Bench bench;

    bench_init(&bench);
    bench.guest.answering = !row->silent;
    bench.guest.life = row->paused ? GUEST_LIFE_PAUSED : GUEST_LIFE_RUNNING;
    bench.guest.migrating = row->migrating;
    bench.guest.boot_resumed = row->resumed;
    bench.guest.target_known = true;
    bench.guest.unseen_kib = row->unseen;
    bench.guest.paging = row->file ? &file : NULL;
    bench.guest.fresh = true;
    bench.guest.driver_usec = BOOT;
    bench.guest_settings.mode = row->observed ? GUEST_MODE_OBSERVE : GUEST_MODE_DYNAMIC;
    bench.work.standing = (Standing){.rule = row->rule, .booting = !row->up, .is_void = !row->up};
    bench.work.limited = !row->unlimited;
    bench.work.demand.known = true;
    bench.work.minimum_kib = 256 * MIB + row->unseen;
    bench.work.maximum_kib = row->maximum != 0 ? row->maximum : 4096 * MIB;
    bench.work.target_kib = row->target != 0 ? row->target : 300 * MIB;
    bench.entry.granted_kib = row->granted != 0 ? row->granted : 600 * MIB;
    bench.plan.demand_kib = row->demand;
    state.ledger = (Ledger){.entries = &bench.entry, .count = 1};
    bench.pass.state = &state;
    bench.pass.plan = &plan;
    bench.pass.first = &bench.work;
    bench.pass.end = &bench.work + 1;
    bench.pass.now_usec = BOOT + age * SEC;
    pass_restart_decide(&bench.pass);
    return bench.work.boot_to_kib;
}

static void
check(const Told *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t told = boot_to(&rows[i], 10);

        if (told != rows[i].right)
            fail_msg("%s: %u MiB", rows[i].what, (unsigned)(told / MIB));
    }
}

/* libvirt tells a new QEMU's balloon the same; one that was reset may have been told anything before. */
static void
balloon_of_a_guest_that_boots_is_told_startup(void **state)
{
    static const Told rows[] = {
        {"it was reset", .rule = PLAN_RULE_RESET, .right = STARTUP},
        {"... and no limit holds it", .rule = PLAN_RULE_RESET, .unlimited = true, .right = STARTUP},
        {"it restarts", .rule = PLAN_RULE_RESTART, .right = STARTUP},
        {"it was started", .rule = PLAN_RULE_STARTING, .right = STARTUP},
        {"it has a file", .rule = PLAN_RULE_PAGING, .file = true, .right = STARTUP},
        {"its memory.max is below that", .rule = PLAN_RULE_RESTART, .maximum = 400 * MIB, .right = 400 * MIB},
        {"it has not come to its driver for long", .rule = PLAN_RULE_NO_DRIVER, .right = 0},
        {"it does not answer", .rule = PLAN_RULE_RESTART, .silent = true, .right = 0},
        {"it is paused", .rule = PLAN_RULE_RESTART, .paused = true, .right = 0},
        {"it migrates", .rule = PLAN_RULE_RESTART, .migrating = true, .right = 0},
        {"it is only looked at", .rule = PLAN_RULE_RESTART, .observed = true, .right = 0},
        {"it was reverted, and does not boot", .rule = PLAN_RULE_RESTART, .resumed = true, .right = 0},
        {"... with a file", .rule = PLAN_RULE_PAGING, .resumed = true, .file = true, .right = STARTUP},
    };

    check(rows, G_N_ELEMENTS(rows));
    (void)state;
}

/* No more than it was granted, which is all that is there for it; no less than its minimum, with less of which it dies. */
static void
balloon_of_a_guest_whose_driver_is_back_is_told_what_there_is(void **state)
{
    static const Told rows[] = {
        {"it needs less than startup", true, PLAN_RULE_RESTART, .demand = 100 * MIB, .right = STARTUP},
        {"it needs more", true, PLAN_RULE_RESTART, .demand = 560 * MIB, .right = 560 * MIB},
        {"it needs more than there is", true, PLAN_RULE_RESTART, .demand = 900 * MIB, .right = 600 * MIB},
        {"there is less than startup", true, PLAN_RULE_RESTART, .granted = 400 * MIB, .right = 400 * MIB},
        {"there is less than its minimum", true, PLAN_RULE_RESTART, .granted = 100 * MIB, .right = 256 * MIB},
        {"a balloon has whole pages", true, PLAN_RULE_RESTART, .granted = 600 * MIB + 2, .demand = 900 * MIB,
         .right = 600 * MIB},
        {"... whatever is needed", true, PLAN_RULE_RESTART, .demand = 560 * MIB + 2, .right = 560 * MIB},
        {"what it does not see is on top of it", true, PLAN_RULE_RESTART, .unseen = 100 * MIB, .demand = 100 * MIB,
         .right = STARTUP + 100 * MIB},
        {"... and of what there is", true, PLAN_RULE_RESTART, .unseen = 100 * MIB, .demand = 900 * MIB,
         .right = 700 * MIB},
        {"it was told a little less", true, PLAN_RULE_RESTART, .target = 550 * MIB, .demand = 560 * MIB,
         .right = 550 * MIB},
        {"it was told a little more", true, PLAN_RULE_RESTART, .target = 570 * MIB, .demand = 560 * MIB,
         .right = 570 * MIB},
        {"... than there is", true, PLAN_RULE_RESTART, .target = 601 * MIB, .demand = 600 * MIB, .right = 600 * MIB},
        {"... or less than startup", true, PLAN_RULE_RESTART, .target = 511 * MIB, .demand = 100 * MIB,
         .right = STARTUP},
        {"it shares with the others", true, PLAN_RULE_SETTLING, .demand = 900 * MIB, .right = 0},
    };

    check(rows, G_N_ELEMENTS(rows));
    (void)state;
}

/* What lacks for its file to come back may be what the guest itself does not need: from five minutes on, once it has settled. */
static void
balloon_gives_up_what_its_guest_does_not_need_for_an_old_file(void **state)
{
    const Told row = {"", true, PLAN_RULE_PAGING_LEAVE, .file = true, .demand = 300 * MIB};
    const Told little = {"", true, PLAN_RULE_PAGING_LEAVE, .file = true, .demand = 100 * MIB};

    assert_int_equal(boot_to(&row, 299), STARTUP);
    assert_int_equal(boot_to(&row, 300), 300 * MIB);
    assert_int_equal(boot_to(&little, 300), 256 * MIB);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guest_is_held_by_a_limit_that_is_there_or_was_ordered_a_moment_ago),
        cmocka_unit_test(guest_that_was_started_paused_is_held_whatever_becomes_of_its_limit),
        cmocka_unit_test(balloon_of_a_guest_that_boots_is_told_startup),
        cmocka_unit_test(balloon_of_a_guest_whose_driver_is_back_is_told_what_there_is),
        cmocka_unit_test(balloon_gives_up_what_its_guest_does_not_need_for_an_old_file),
    };

    return cmocka_run_group_tests_name("boot_rules", tests, NULL, NULL);
}
