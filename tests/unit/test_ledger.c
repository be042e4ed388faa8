/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "decide/faults.h"
#include "ledger_look.h"
#include "units.h"

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB
#define SEC USEC_PER_SEC

static const GuestSettings plain = {.managed = true, .minimum_kib = GIB, .maximum_kib = 8 * GIB, .vcpus = 2};
static const GuestSettings with_device = {
    .managed = true, .minimum_kib = GIB, .maximum_kib = 8 * GIB, .fixed_kib = 2 * GIB, .vcpus = 2};
static const GuestSettings half_in_pool = {
    .managed = true, .minimum_kib = GIB, .maximum_kib = 8 * GIB, .hugepages_kib = 4 * GIB, .vcpus = 2};

/* ---- what is booked, and on what ground ---- */

#define NOTHING_HOLDS UINT64_MAX

/* One guest that was granted so much and is looked at once. */
static LedgerEntry
booked(LedgerTrust trust, const GuestSettings *settings, uint64_t granted, uint64_t actual, uint64_t target,
       uint64_t resident, uint64_t enforced)
{
    GuestSnapshot guest = {
        .settings = settings, .has_actual = true, .actual_kib = actual, .target_kib = target, .resident_kib = resident};
    LedgerEntry entry = {.ground = GROUND_NONE};

    ledger_open(&entry, granted);
    book_look(&entry, &(LedgerLook){.guest = &guest,
                                    .trust = trust,
                                    .target_kib = target,
                                    .overhead_kib = 100 * MIB,
                                    .resident_kib = resident,
                                    .slack_kib = 32 * MIB,
                                    .enforced_kib = enforced});
    return entry;
}

static void
entry_is_booked_at_what_its_guest_may_hold(void **state)
{
    static const struct {
        const char *what;
        LedgerTrust trust;
        const GuestSettings *settings;
        uint64_t granted, actual, target, resident, enforced;
        LedgerGround ground;
        uint64_t booked;
    } cases[] = {
        {"its size, where that is more than its target", LEDGER_TRUSTS_BALLOON, &plain, 3 * GIB, 3 * GIB, 2 * GIB, 0,
         NOTHING_HOLDS, GROUND_BALLOON, 3 * GIB},
        {"a target that may be in force, known or not", LEDGER_TRUSTS_BALLOON, &plain, 3 * GIB, 3 * GIB, 4 * GIB, 0,
         NOTHING_HOLDS, GROUND_BALLOON, 4 * GIB},
        {"its memory devices besides", LEDGER_TRUSTS_BALLOON, &with_device, 3 * GIB, 3 * GIB, 4 * GIB, 0, NOTHING_HOLDS,
         GROUND_BALLOON, 6 * GIB},
        {"a balloon that grew by itself, seen where nothing holds it", LEDGER_TRUSTS_BALLOON, &plain, 3 * GIB, 7 * GIB,
         3 * GIB, 0, NOTHING_HOLDS, GROUND_BALLOON, 7 * GIB},
        {"... and held back by its limit", LEDGER_TRUSTS_BALLOON, &plain, 3 * GIB, 7 * GIB, 3 * GIB, 0, 3 * GIB,
         GROUND_LIMIT, 3 * GIB},
        {"... which may stand higher than what was granted", LEDGER_TRUSTS_BALLOON, &plain, 3 * GIB, 7 * GIB, 3 * GIB,
         0, 5 * GIB, GROUND_LIMIT, 5 * GIB},
        {"all of it while nothing is known of its balloon", LEDGER_TRUSTS_NOTHING, &plain, GIB, 3 * GIB, 2 * GIB, 0,
         NOTHING_HOLDS, GROUND_MAXIMUM, 8 * GIB},
        {"what it was granted while its limit holds it", LEDGER_TRUSTS_NOTHING, &plain, GIB, 3 * GIB, 2 * GIB, 0, 0,
         GROUND_LIMIT, GIB},
        {"what was booked for what it brings", LEDGER_TRUSTS_BROUGHT, &plain, 5 * GIB, 2 * GIB, 0, GIB, NOTHING_HOLDS,
         GROUND_BROUGHT, 5 * GIB},
        {"... or what it holds", LEDGER_TRUSTS_BROUGHT, &plain, GIB, 2 * GIB, 0, 6 * GIB + 100 * MIB, NOTHING_HOLDS,
         GROUND_BROUGHT, 6 * GIB},
        {"all of it where it can't be ballooned", LEDGER_TRUSTS_FULL, &plain, 3 * GIB, 3 * GIB, 2 * GIB, 0,
         NOTHING_HOLDS, GROUND_FULL, 8 * GIB},
        {"... or what it holds if that is more", LEDGER_TRUSTS_FULL, &plain, 3 * GIB, 3 * GIB, 2 * GIB,
         9 * GIB + 100 * MIB, NOTHING_HOLDS, GROUND_FULL, 9 * GIB},
        {"no more ordinary memory than is not in its pool", LEDGER_TRUSTS_FULL, &half_in_pool, 8 * GIB, 8 * GIB, 0, 0,
         NOTHING_HOLDS, GROUND_FULL, 4 * GIB},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        LedgerEntry entry = booked(cases[i].trust, cases[i].settings, cases[i].granted, cases[i].actual,
                                   cases[i].target, cases[i].resident, cases[i].enforced);

        if (entry.booked_kib != cases[i].booked || entry.ground != cases[i].ground)
            fail_msg("%s: %u MiB, %s", cases[i].what, (unsigned)(entry.booked_kib / MIB),
                     ledger_ground_name(entry.ground));
    }
}

/* Rule S: what is granted follows a balloon that was told to shrink, as it is seen, and never before it. */
static void
entry_falls_with_the_balloon_and_not_before(void **state)
{
    GuestSnapshot guest = {.settings = &plain, .has_actual = true, .actual_kib = 4 * GIB, .target_kib = 2 * GIB};
    LedgerLook look = {.guest = &guest, .trust = LEDGER_TRUSTS_BALLOON, .target_kib = 2 * GIB, .enforced_kib = 4 * GIB};
    LedgerEntry entry = {.ground = GROUND_NONE};

    ledger_open(&entry, 4 * GIB);
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, 4 * GIB);
    guest.actual_kib = 3 * GIB;
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, 3 * GIB);
    guest.actual_kib = 2 * GIB;
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, 2 * GIB);
    /* with the limit still higher a balloon that grows again may have what that lets it have, and it comes down with it */
    guest.actual_kib = 6 * GIB;
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, 4 * GIB);
    assert_int_equal(entry.granted_kib, 2 * GIB);
    look.enforced_kib = 2 * GIB;
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, 2 * GIB);
}

/* Of a guest that boots under a limit, or was taken over, nothing but its XML tells that a dimm is gone; an XML of before its run tells nothing. */
static void
entry_grants_no_memory_that_was_pulled(void **state)
{
    static const LedgerTrust trusts[] = {LEDGER_TRUSTS_NOTHING, LEDGER_TRUSTS_BROUGHT};

    for (size_t i = 0; i < G_N_ELEMENTS(trusts); i++)
        for (unsigned presumed = 0; presumed < 2; presumed++) {
            GuestSettings settings = plain;
            LedgerEntry entry;

            settings.presumed = presumed;
            entry = booked(trusts[i], &settings, 11 * GIB, 8 * GIB, 0, 0, 0);
            assert_int_equal(entry.granted_kib, presumed ? 11 * GIB : 8 * GIB);
            if (!presumed)
                assert_int_equal(entry.booked_kib, 8 * GIB);
        }
    (void)state;
}

/* A dimm of 2 GiB that is not online, in a guest that was granted 1: its balloon leaves it 3. */
static void
entry_counts_memory_that_is_not_seen_as_far_as_no_limit_holds_it(void **state)
{
    GuestSnapshot guest = {.settings = &plain, .has_actual = true, .actual_kib = 3 * GIB};
    LedgerLook look = {
        .guest = &guest, .trust = LEDGER_TRUSTS_BALLOON, .target_kib = GIB, .unseen_kib = 2 * GIB, .enforced_kib = GIB};
    LedgerEntry entry = {.ground = GROUND_NONE};

    ledger_open(&entry, GIB);
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, GIB);
    /* told what it has, it may hold no more than before */
    ledger_tell(&entry, 3 * GIB, 2 * GIB);
    assert_int_equal(entry.booked_kib, GIB);
    look.target_kib = 3 * GIB;
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, GIB);
    /* brought online, it is held at what it was granted */
    look.unseen_kib = 0;
    book_look(&entry, &look);
    assert_int_equal(entry.granted_kib, GIB);
    assert_int_equal(entry.booked_kib, GIB);
    /* a limit that stands higher lets it have more, also of what it is told now */
    look.unseen_kib = 2 * GIB;
    look.enforced_kib = 5 * GIB;
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, 3 * GIB);
    ledger_tell(&entry, 4 * GIB, 2 * GIB);
    assert_int_equal(entry.granted_kib, 2 * GIB);
    assert_int_equal(entry.booked_kib, 4 * GIB);
    /* nothing holds it: its kernel may bring it online at any time */
    look.unseen_kib = 0;
    look.enforced_kib = UINT64_MAX;
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, 3 * GIB);
    /* it is to be told what it does not see in a moment, and a limit lets that in */
    ledger_open(&entry, GIB);
    guest.actual_kib = look.target_kib = GIB;
    look.unseen_kib = GIB / 2;
    look.enforced_kib = 5 * GIB;
    book_look(&entry, &look);
    assert_int_equal(entry.granted_kib, GIB);
    assert_int_equal(entry.booked_kib, GIB + GIB / 2);
}

/* Managed anew, it has no limit yet: it may take all its memory, and is granted what it had: a raise waits for room. */
static void
entry_grants_nothing_that_a_limit_on_its_way_lets_in(void **state)
{
    GuestSnapshot guest = {.settings = &plain, .has_actual = true, .actual_kib = 3 * GIB};
    LedgerLook look = {.guest = &guest,
                       .trust = LEDGER_TRUSTS_BALLOON,
                       .target_kib = 3 * GIB,
                       .enforced_kib = UINT64_MAX,
                       .adrift = true};
    LedgerEntry entry = {.ground = GROUND_NONE};

    ledger_open(&entry, 3 * GIB);
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, plain.maximum_kib);
    assert_int_equal(entry.granted_kib, 3 * GIB);
    (void)state;
}

static void
entry_keeps_the_minimum_of_what_is_seen(void **state)
{
    GuestSnapshot guest = {.settings = &plain, .has_actual = true, .actual_kib = GIB};
    LedgerLook look = {
        .guest = &guest, .trust = LEDGER_TRUSTS_BALLOON, .target_kib = GIB, .unseen_kib = GIB / 2, .enforced_kib = GIB};
    LedgerEntry entry = {.ground = GROUND_NONE};

    ledger_open(&entry, GIB);
    book_look(&entry, &look);
    assert_int_equal(entry.granted_kib, GIB);
}

/* <hard_limit> is memory.max: the kernel lets nobody have more, whatever else is believed. */
static void
memory_max_bounds_every_ground(void **state)
{
    GuestSnapshot guest = {
        .settings = &plain, .has_actual = true, .actual_kib = 7 * GIB, .limits = {.max_kib = 3 * GIB}};
    LedgerEntry entry = {.ground = GROUND_NONE};

    for (LedgerTrust trust = LEDGER_TRUSTS_NOTHING; trust <= LEDGER_TRUSTS_FULL; trust++) {
        ledger_open(&entry, 7 * GIB);
        book_look(&entry, &(LedgerLook){.guest = &guest, .trust = trust, .enforced_kib = UINT64_MAX});
        assert_int_equal(entry.booked_kib, 3 * GIB);
    }
}

/* The kernel lets it in above memory.high. */
static void
what_comes_back_from_a_file_is_booked_whatever_its_limit_is(void **state)
{
    PagingRecord file = {.stage = PAGING_STAGE_ON, .used_kib = GIB};
    GuestSnapshot guest = {.settings = &plain, .resident_kib = 2 * GIB, .paging = &file};
    LedgerLook look = {.guest = &guest, .trust = LEDGER_TRUSTS_NOTHING, .enforced_kib = GIB};
    LedgerEntry entry = {.ground = GROUND_NONE};

    ledger_open(&entry, GIB);
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, 2 * GIB);
    file.stage = PAGING_STAGE_EMPTYING;
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, 3 * GIB);
}

static void
one_entry_a_guest_from_its_start_to_its_end(void **state)
{
    static const char uuid[] = "00000000-0000-0000-0000-000000000001";
    /* what is known of it until its own XML is read */
    static const GuestSettings before = {.managed = true, .minimum_kib = GIB, .maximum_kib = GIB, .presumed = true};
    StartRequest request = {.need_kib = 2 * GIB};
    const StartRequest *starts[] = {&request};
    GuestSnapshot guest = {.uuid = uuid, .settings = &before, .has_actual = true, .actual_kib = GIB};
    Snapshot asked = {.starts = starts, .start_count = 1};
    Snapshot both = {.guests = &guest, .guest_count = 1, .starts = starts, .start_count = 1};
    Snapshot runs = {.guests = &guest, .guest_count = 1};
    Snapshot nobody = {.guest_count = 0};
    Ledger ledger = {.count = 0};

    g_strlcpy(request.uuid, uuid, sizeof request.uuid);
    ledger_match(&ledger, &asked);
    ledger_reserve(ledger_start(&ledger, 0), 2 * GIB, 100 * MIB);
    assert_int_equal(ledger_sums(&ledger).committed_kib, 2 * GIB);
    assert_int_equal(ledger_sums(&ledger).overhead_kib, 100 * MIB);
    /* it is known by now, and still asked for: one and the same */
    ledger_match(&ledger, &both);
    assert_int_equal(ledger.count, 1);
    assert_ptr_equal(ledger_guest(&ledger, 0), ledger_start(&ledger, 0));
    assert_int_equal(ledger_sums(&ledger).reserved_kib, 2 * GIB);
    ledger_match(&ledger, &runs);
    ledger_open(ledger_guest(&ledger, 0), ledger_guest(&ledger, 0)->start_kib);
    book_look(ledger_guest(&ledger, 0),
              &(LedgerLook){.guest = &guest, .trust = LEDGER_TRUSTS_NOTHING, .enforced_kib = 0});
    assert_int_equal(ledger_sums(&ledger).committed_kib, 2 * GIB);
    guest.settings = &plain;
    guest.actual_kib = 8 * GIB;
    book_look(ledger_guest(&ledger, 0),
              &(LedgerLook){.guest = &guest, .trust = LEDGER_TRUSTS_NOTHING, .enforced_kib = 0});
    assert_int_equal(ledger_sums(&ledger).committed_kib, 2 * GIB);
    assert_int_equal(ledger_sums(&ledger).reserved_kib, 0);
    ledger_close(ledger_guest(&ledger, 0));
    assert_int_equal(ledger_sums(&ledger).committed_kib, 0);
    ledger_match(&ledger, &nobody);
    assert_int_equal(ledger.count, 0);
    ledger_clear(&ledger);
}

/* What others use is not hidden behind a start that nobody has begun: there is no QEMU that could hold it. */
static void
a_qemu_that_is_not_seen_may_be_there_once_its_start_is_begun(void **state)
{
    StartRequest request = {.uuid = "00000000-0000-0000-0000-000000000001", .begun = true};
    const StartRequest *starts[] = {&request};
    Snapshot snapshot = {.starts = starts, .start_count = 1};
    Ledger ledger = {.count = 0};

    for (unsigned i = 0; i < 3; i++) {
        uint64_t unseen = i == 0 ? GIB : 0;

        request.begun = i != 1;
        request.waiting = i == 2;
        ledger_match(&ledger, &snapshot);
        ledger_reserve(ledger_start(&ledger, 0), GIB, 0);
        assert_int_equal(ledger_sums(&ledger).unseen_kib, unseen);
        assert_int_equal(ledger_sums(&ledger).untouched_kib, GIB - unseen);
    }
    ledger_clear(&ledger);
}

static void
reserve_slides_with_the_size_of_the_host(void **state)
{
    assert_int_equal(budget_sliding_reserve(GIB), 128 * MIB);
    assert_int_equal(budget_sliding_reserve(4 * GIB) / MIB, 245);
    assert_int_equal(budget_sliding_reserve(28 * GIB) / MIB, 901);
    assert_int_equal(budget_sliding_reserve(1024 * GIB) / MIB, 901 + 10199);
    for (uint64_t total = GIB; total < 4096 * GIB; total += 7 * GIB)
        assert_true(budget_sliding_reserve(total + GIB) >= budget_sliding_reserve(total));
}

static uint64_t
learn_for(OverheadMemory *memory, GuestSnapshot *guest, uint64_t *now_usec, unsigned seconds)
{
    uint64_t overhead = 0;

    for (unsigned i = 0; i < seconds; i++) {
        guest->asked_usec = *now_usec += SEC;
        overhead = overhead_learn(memory, guest, *now_usec);
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
    uint64_t estimate = overhead_estimate(&plain);
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

    assert_int_equal(learn_for(&memory, &guest, &now_usec, 600), overhead_estimate(&plain));
}

/* A dimm of 1 GiB that it does not bring online is part of its size, and nobody has touched it. */
static void
unseen_memory_teaches_nothing_of_overhead(void **state)
{
    OverheadMemory memory = {.valid = false};
    GuestSnapshot guest = {.settings = &plain,
                           .driver_up = true,
                           .has_actual = true,
                           .actual_kib = 3 * GIB,
                           .unseen_kib = GIB,
                           .resident_kib = 2 * GIB + 70 * MIB,
                           .has_unused = true};
    uint64_t now_usec = 100 * SEC;

    assert_int_equal(learn_for(&memory, &guest, &now_usec, 900), 70 * MIB);
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
    assert_int_equal(memory.overhead_kib, overhead_estimate(&plain));
}

typedef struct Host {
    BudgetMemory memory;
    HostSnapshot snapshot;
    Settings *settings;
    LedgerSums sums;
    Plan plan;
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
        host->plan.reserve_kib = budget_reserve(host->settings, &host->snapshot.figures);
        budget_work_out(&host->memory, &host->snapshot, host->settings, &host->sums, UINT64_MAX, host->now_usec,
                        &host->plan);
    }
    return host->plan.budget_kib;
}

static void
budget_is_what_the_host_has_less_what_others_use(void **state)
{
    Host host;

    host_init(&host, 32 * GIB, 20 * GIB, 2 * GIB);
    host.snapshot.figures.hugepages_kib = 4 * GIB;
    /* 28 GiB, of which 20 are available and 5 with guests: 3 are used by others */
    host.sums =
        (LedgerSums){.committed_kib = 6 * GIB, .overhead_kib = GIB, .resident_kib = 5 * GIB, .untouched_kib = 2 * GIB};
    assert_int_equal(host_budget(&host, 1), (28 - 2 - 3 - 1) * GIB);
    assert_int_equal(host.plan.other_kib, 3 * GIB);
    assert_int_equal(host.plan.budget_limit, BUDGET_BY_TOTAL);
    /* 6 committed, 18 to give, of which 2 are promised to those 6 and not touched yet */
    assert_int_equal(host.plan.budget_available_kib, (6 + 18 - 2) * GIB);
    settings_free(host.settings);
}

static void
memory_that_is_held_beyond_the_booking_is_not_given_again(void **state)
{
    Host host;

    host_init(&host, 32 * GIB, 22 * GIB, 2 * GIB);
    host.sums = (LedgerSums){.committed_kib = 4 * GIB, .resident_kib = 10 * GIB};
    assert_int_equal(host_budget(&host, 1), 24 * GIB);
    assert_int_equal(host.plan.budget_limit, BUDGET_BY_AVAILABLE);
    settings_free(host.settings);
}

static void
budget_setting_wins_where_it_is_less(void **state)
{
    Host host;

    host_init(&host, 32 * GIB, 32 * GIB, 2 * GIB);
    host.settings->budget_kib = 8 * GIB;
    assert_int_equal(host_budget(&host, 1), 8 * GIB);
    assert_int_equal(host.plan.budget_limit, BUDGET_BY_SETTING);
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
    assert_true(host.plan.budget_kib <= 30 * GIB);
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
        if (t > 300 && host.plan.budget_kib != before)
            changes++;
        before = host.plan.budget_kib;
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
    host.sums = (LedgerSums){.committed_kib = 6 * GIB, .resident_kib = 6 * GIB};
    assert_int_equal(host_budget(&host, 1), 28 * GIB);
    assert_int_equal(host.plan.other_kib, 2 * GIB);
    /* another starts and has touched 4 GiB before its QEMU is known */
    host.snapshot.figures.available_kib = 20 * GIB;
    host.sums.committed_kib += 8 * GIB;
    host.sums.unseen_kib = 8 * GIB;
    assert_int_equal(host_budget(&host, 1), 28 * GIB);
    assert_int_equal(host.plan.other_kib, 2 * GIB);
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
        cmocka_unit_test(entry_is_booked_at_what_its_guest_may_hold),
        cmocka_unit_test(entry_falls_with_the_balloon_and_not_before),
        cmocka_unit_test(entry_grants_no_memory_that_was_pulled),
        cmocka_unit_test(entry_counts_memory_that_is_not_seen_as_far_as_no_limit_holds_it),
        cmocka_unit_test(entry_grants_nothing_that_a_limit_on_its_way_lets_in),
        cmocka_unit_test(entry_keeps_the_minimum_of_what_is_seen),
        cmocka_unit_test(memory_max_bounds_every_ground),
        cmocka_unit_test(what_comes_back_from_a_file_is_booked_whatever_its_limit_is),
        cmocka_unit_test(one_entry_a_guest_from_its_start_to_its_end),
        cmocka_unit_test(a_qemu_that_is_not_seen_may_be_there_once_its_start_is_begun),
        cmocka_unit_test(reserve_slides_with_the_size_of_the_host),
        cmocka_unit_test(overhead_is_learnt_up_fast_and_down_slowly),
        cmocka_unit_test(untouched_memory_teaches_nothing_of_overhead),
        cmocka_unit_test(unseen_memory_teaches_nothing_of_overhead),
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
