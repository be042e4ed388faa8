/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "decide/faults.h"
#include "decide/ledger.h"
#include "units.h"

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB
#define SEC USEC_PER_SEC

static const GuestSettings plain = {.managed = true, .minimum_kib = GIB, .maximum_kib = 8 * GIB, .vcpus = 2};
static const GuestSettings with_device = {
    .managed = true, .minimum_kib = GIB, .maximum_kib = 8 * GIB, .fixed_kib = 2 * GIB, .vcpus = 2};

static void
committed_follows_the_table(void **state)
{
    static const struct {
        Booking booking;
        const GuestSettings *settings;
        uint64_t actual;
        uint64_t target;
        uint64_t resident;
        uint64_t previous;
        uint64_t committed;
    } cases[] = {
        {BOOKING_NONE, &plain, 3 * GIB, 3 * GIB, 3 * GIB, 0, 0},
        {BOOKING_BALLOON, &plain, 3 * GIB, 2 * GIB, 9 * GIB, 0, 3 * GIB},
        {BOOKING_BALLOON, &plain, 3 * GIB, 4 * GIB, 0, 0, 4 * GIB},
        {BOOKING_BALLOON, &with_device, 3 * GIB, 4 * GIB, 0, 0, 6 * GIB},
        {BOOKING_ADOPTED, &plain, 3 * GIB, 2 * GIB, 5 * GIB + 100 * MIB, 0, 5 * GIB},
        {BOOKING_ADOPTED, &plain, 3 * GIB, 2 * GIB, GIB, 0, 3 * GIB},
        {BOOKING_MAXIMUM, &plain, 3 * GIB, 2 * GIB, 0, 0, 8 * GIB},
        {BOOKING_MAXIMUM, &with_device, 3 * GIB, 2 * GIB, 0, 0, 10 * GIB},
        {BOOKING_FULL, &plain, 3 * GIB, 2 * GIB, 0, 0, 8 * GIB},
        {BOOKING_FULL, &plain, 3 * GIB, 2 * GIB, 9 * GIB + 100 * MIB, 0, 9 * GIB},
        {BOOKING_POOL, &plain, 8 * GIB, 8 * GIB, 100 * MIB, 0, 0},
        {BOOKING_FROZEN, &plain, 3 * GIB, 2 * GIB, 0, 5 * GIB, 5 * GIB},
        {BOOKING_FROZEN, &plain, 3 * GIB, 4 * GIB, 0, 0, 4 * GIB},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GuestSnapshot guest = {.settings = cases[i].settings,
                               .has_actual = true,
                               .actual_kib = cases[i].actual,
                               .target_known = true,
                               .target_kib = cases[i].target,
                               .resident_kib = cases[i].resident};

        assert_int_equal(ledger_committed(cases[i].booking, &guest, 100 * MIB, cases[i].previous), cases[i].committed);
    }
}

static void
reserve_slides_with_the_size_of_the_host(void **state)
{
    assert_int_equal(ledger_sliding_reserve(GIB), 128 * MIB);
    assert_int_equal(ledger_sliding_reserve(4 * GIB) / MIB, 245);
    assert_int_equal(ledger_sliding_reserve(28 * GIB) / MIB, 901);
    assert_int_equal(ledger_sliding_reserve(1024 * GIB) / MIB, 901 + 10199);
    for (uint64_t total = GIB; total < 4096 * GIB; total += 7 * GIB)
        assert_true(ledger_sliding_reserve(total + GIB) >= ledger_sliding_reserve(total));
}

static uint64_t
learn_for(OverheadMemory *memory, GuestSnapshot *guest, uint64_t *now_usec, unsigned seconds)
{
    uint64_t overhead = 0;

    for (unsigned i = 0; i < seconds; i++) {
        *now_usec += SEC;
        overhead = ledger_learn_overhead(memory, guest, *now_usec);
    }
    return overhead;
}

static void
overhead_is_learnt_up_fast_and_down_slowly(void **state)
{
    OverheadMemory memory = {.valid = false};
    GuestSnapshot guest = {.settings = &plain,
                           .driver_up = true,
                           .has_actual = true,
                           .actual_kib = 2 * GIB,
                           .resident_kib = GIB,
                           .has_unused = true,
                           .unused_kib = GIB};
    uint64_t estimate = ledger_estimate_overhead(&plain);
    uint64_t now_usec = 100 * SEC;
    uint64_t overhead;

    assert_int_equal(estimate, 16 * MIB + 16 * MIB + 48 * MIB);
    assert_int_equal(learn_for(&memory, &guest, &now_usec, 4), estimate);
    guest.resident_kib = 2 * GIB + 200 * MIB;
    guest.unused_kib = 0;
    overhead = learn_for(&memory, &guest, &now_usec, 20);
    assert_true(overhead > 195 * MIB && overhead <= 200 * MIB);
    guest.resident_kib = 2 * GIB + 60 * MIB;
    overhead = learn_for(&memory, &guest, &now_usec, 30);
    assert_true(overhead > 150 * MIB);
    overhead = learn_for(&memory, &guest, &now_usec, 900);
    assert_true(overhead >= 60 * MIB && overhead < 65 * MIB);
}

static void
untouched_memory_teaches_nothing_of_overhead(void **state)
{
    OverheadMemory memory = {.valid = false};
    GuestSnapshot guest = {.settings = &plain,
                           .driver_up = true,
                           .has_actual = true,
                           .actual_kib = 4 * GIB,
                           .resident_kib = GIB,
                           .has_unused = true,
                           .unused_kib = 3 * GIB + 500 * MIB};
    uint64_t now_usec = 100 * SEC;

    assert_int_equal(learn_for(&memory, &guest, &now_usec, 600), ledger_estimate_overhead(&plain));
}

static void
moving_balloon_teaches_nothing_of_overhead(void **state)
{
    OverheadMemory memory = {.valid = false};
    GuestSnapshot guest = {
        .settings = &plain, .driver_up = true, .has_actual = true, .actual_kib = 8 * GIB, .resident_kib = 8 * GIB};
    uint64_t now_usec = 100 * SEC;

    for (unsigned i = 0; i < 60; i++) {
        guest.actual_kib -= 100 * MIB;
        learn_for(&memory, &guest, &now_usec, 1);
    }
    assert_int_equal(memory.overhead_kib, ledger_estimate_overhead(&plain));
}

typedef struct Host {
    LedgerMemory memory;
    HostSnapshot snapshot;
    Settings *settings;
    LedgerSums sums;
    LedgerBudget budget;
    uint64_t now_usec;
} Host;

static void
host_init(Host *host, uint64_t total, uint64_t available, uint64_t reserve)
{
    *host = (Host){.settings = settings_new(), .now_usec = 100 * SEC};
    host->snapshot.figures.total_kib = total;
    host->snapshot.figures.available_kib = available;
    host->settings->reserve_kib = reserve;
}

static uint64_t
host_budget(Host *host, uint64_t seconds)
{
    for (uint64_t i = 0; i < seconds; i++) {
        host->now_usec += SEC;
        ledger_work_out_budget(&host->memory, &host->snapshot, host->settings, &host->sums, host->now_usec,
                               &host->budget);
    }
    return host->budget.budget_kib;
}

static void
budget_is_what_the_host_has_less_what_others_use(void **state)
{
    Host host;

    host_init(&host, 32 * GIB, 20 * GIB, 2 * GIB);
    host.snapshot.figures.hugepages_kib = 4 * GIB;
    /* 28 GiB, of which 20 are available and 5 with guests: 3 are used by others */
    ledger_add(&host.sums, 6 * GIB, GIB, 5 * GIB, 0);
    assert_int_equal(host_budget(&host, 1), (28 - 2 - 3 - 1) * GIB);
    assert_int_equal(host.budget.other_kib, 3 * GIB);
    assert_int_equal(host.budget.limit, BUDGET_BY_TOTAL);
    /* 6 committed, 18 to give, of which 2 are promised to those 6 and not touched yet */
    assert_int_equal(host.budget.available_kib, (6 + 18 - 2) * GIB);
    settings_free(host.settings);
}

static void
memory_that_is_held_beyond_the_booking_is_not_given_again(void **state)
{
    Host host;

    host_init(&host, 32 * GIB, 22 * GIB, 2 * GIB);
    ledger_add(&host.sums, 4 * GIB, 0, 10 * GIB, 0);
    assert_int_equal(host_budget(&host, 1), 24 * GIB);
    assert_int_equal(host.budget.limit, BUDGET_BY_AVAILABLE);
    settings_free(host.settings);
}

static void
budget_setting_wins_where_it_is_less(void **state)
{
    Host host;

    host_init(&host, 32 * GIB, 32 * GIB, 2 * GIB);
    host.settings->budget_kib = 8 * GIB;
    assert_int_equal(host_budget(&host, 1), 8 * GIB);
    assert_int_equal(host.budget.limit, BUDGET_BY_SETTING);
    host.settings->budget_kib = 80 * GIB;
    assert_int_equal(host_budget(&host, 1), 30 * GIB);
    settings_free(host.settings);
}

static void
budget_falls_at_once_and_rises_slowly(void **state)
{
    Host host;
    uint64_t low;

    host_init(&host, 32 * GIB, 32 * GIB, 2 * GIB);
    assert_int_equal(host_budget(&host, 5), 30 * GIB);
    host.snapshot.figures.available_kib = 28 * GIB;
    low = host_budget(&host, 1);
    assert_true(low <= 26 * GIB && low >= 26 * GIB - 64 * MIB);
    host.snapshot.figures.available_kib = 32 * GIB;
    assert_int_equal(host_budget(&host, 20), low);
    assert_true(host_budget(&host, 600) >= 30 * GIB - 128 * MIB);
    assert_true(host.budget.budget_kib <= 30 * GIB);
    settings_free(host.settings);
}

static void
noise_of_the_host_does_not_move_the_budget(void **state)
{
    Host host;
    unsigned changes = 0;
    uint64_t before = 0;
    uint32_t seed = 1;

    host_init(&host, 32 * GIB, 30 * GIB, 2 * GIB);
    for (unsigned t = 0; t < 900; t++) {
        seed = seed * 1103515245 + 12345;
        host.snapshot.figures.available_kib = 30 * GIB - (seed >> 8) % 200 * MIB;
        host_budget(&host, 1);
        if (t > 300 && host.budget.budget_kib != before)
            changes++;
        before = host.budget.budget_kib;
    }
    assert_true(changes <= 1);
    assert_true(before <= 28 * GIB - 150 * MIB);
    settings_free(host.settings);
}

static void
memory_that_no_guest_is_seen_to_hold_is_a_guests_before_it_is_the_hosts(void **state)
{
    Host host;

    host_init(&host, 32 * GIB, 24 * GIB, 2 * GIB);
    ledger_add(&host.sums, 6 * GIB, 0, 6 * GIB, 0);
    assert_int_equal(host_budget(&host, 1), 28 * GIB);
    assert_int_equal(host.budget.other_kib, 2 * GIB);
    /* another starts and has touched 4 GiB before its QEMU is known */
    host.snapshot.figures.available_kib = 20 * GIB;
    ledger_add(&host.sums, 8 * GIB, 0, 0, 0);
    assert_int_equal(host_budget(&host, 1), 28 * GIB);
    assert_int_equal(host.budget.other_kib, 2 * GIB);
    settings_free(host.settings);
}

static void
nonsense_figures_make_no_budget(void **state)
{
    Host host;

    host_init(&host, GIB, 100 * GIB, 2 * GIB);
    host.snapshot.figures.hugepages_kib = 4 * GIB;
    assert_int_equal(host_budget(&host, 1), 0);
    settings_free(host.settings);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_follows_the_table),
        cmocka_unit_test(reserve_slides_with_the_size_of_the_host),
        cmocka_unit_test(overhead_is_learnt_up_fast_and_down_slowly),
        cmocka_unit_test(untouched_memory_teaches_nothing_of_overhead),
        cmocka_unit_test(moving_balloon_teaches_nothing_of_overhead),
        cmocka_unit_test(budget_is_what_the_host_has_less_what_others_use),
        cmocka_unit_test(memory_that_is_held_beyond_the_booking_is_not_given_again),
        cmocka_unit_test(budget_setting_wins_where_it_is_less),
        cmocka_unit_test(budget_falls_at_once_and_rises_slowly),
        cmocka_unit_test(noise_of_the_host_does_not_move_the_budget),
        cmocka_unit_test(memory_that_no_guest_is_seen_to_hold_is_a_guests_before_it_is_the_hosts),
        cmocka_unit_test(nonsense_figures_make_no_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
