/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One entry of the ledger by itself, where two beliefs about its guest meet: what it is booked at, granted, and counts for. */

#include "cmocka_all.h"
#include "ledger_look.h"
#include "units.h"

#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB
#define OVERHEAD (100 * MIB)
#define SLACK (32 * MIB)
#define NOTHING_HOLDS UINT64_MAX

static const GuestSettings plain = {.managed = true, .minimum_kib = GIB, .maximum_kib = 8 * GIB, .vcpus = 2};

/* What is seen of a guest that was granted so much; zero: a balloon that is believed, and nothing holds the guest. */
typedef struct Seen {
    const char *what;
    LedgerTrust trust;
    GuestLife life;
    bool migrating, no_size, presumed, adrift;
    uint64_t granted, actual, target, unseen, holds, enforced;
    /* what is right */
    LedgerGround ground;
    uint64_t booked, grants;
} Seen;

static LedgerEntry
look_at(const Seen *seen)
{
    GuestSnapshot guest = {.settings = &plain,
                           .life = seen->life,
                           .migrating = seen->migrating,
                           .has_actual = !seen->no_size,
                           .actual_kib = seen->actual,
                           .target_kib = seen->target,
                           .resident_kib = seen->holds + OVERHEAD};
    LedgerEntry entry = {.ground = GROUND_NONE};

    ledger_open(&entry, seen->granted);
    book_look(&entry, &(LedgerLook){.guest = &guest,
                                    .trust = seen->trust,
                                    .target_kib = seen->target,
                                    .unseen_kib = seen->unseen,
                                    .overhead_kib = OVERHEAD,
                                    .resident_kib = guest.resident_kib,
                                    .slack_kib = SLACK,
                                    .enforced_kib = seen->enforced,
                                    .adrift = seen->adrift});
    return entry;
}

static void
check(const Seen *seen, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        LedgerEntry entry = look_at(&seen[i]);

        if (entry.booked_kib != seen[i].booked || entry.granted_kib != seen[i].grants || entry.ground != seen[i].ground)
            fail_msg("%s: %u MiB, %u granted, %s", seen[i].what, (unsigned)(entry.booked_kib / MIB),
                     (unsigned)(entry.granted_kib / MIB), ledger_ground_name(entry.ground));
    }
}

static void
what_a_guest_brought_is_booked_before_it_reports(void **state)
{
    static const Seen rows[] = {
        {"it arrives: the size that its QEMU began with is not its own", .trust = LEDGER_TRUSTS_BROUGHT,
         .life = GUEST_LIFE_PAUSED, .migrating = true, .granted = 3 * GIB, .actual = 8 * GIB, .holds = GIB,
         .enforced = NOTHING_HOLDS, .ground = GROUND_BROUGHT, .booked = 3 * GIB, .grants = 3 * GIB},
        {"it was restored, and stands still: its size is its own", .trust = LEDGER_TRUSTS_BROUGHT,
         .life = GUEST_LIFE_PAUSED, .granted = GIB, .actual = 3 * GIB, .holds = GIB, .enforced = NOTHING_HOLDS,
         .ground = GROUND_BROUGHT, .booked = 3 * GIB, .grants = GIB},
        {"its size is not known", .trust = LEDGER_TRUSTS_BROUGHT, .life = GUEST_LIFE_RUNNING, .no_size = true,
         .granted = 3 * GIB, .holds = GIB, .enforced = NOTHING_HOLDS, .ground = GROUND_BROUGHT, .booked = 3 * GIB,
         .grants = 3 * GIB},
        {"its size is not known, and its limit is of what it was before", .trust = LEDGER_TRUSTS_BROUGHT,
         .life = GUEST_LIFE_RUNNING, .no_size = true, .granted = 3 * GIB, .holds = GIB, .enforced = 5 * GIB,
         .ground = GROUND_LIMIT, .booked = 5 * GIB, .grants = 3 * GIB},
        {"it was told more", .trust = LEDGER_TRUSTS_BROUGHT, .life = GUEST_LIFE_RUNNING, .granted = 3 * GIB,
         .actual = 3 * GIB, .target = 5 * GIB, .holds = GIB, .enforced = NOTHING_HOLDS, .ground = GROUND_BROUGHT,
         .booked = 5 * GIB, .grants = 3 * GIB},
        {"it holds more than it was booked at: its limit is to let it", .trust = LEDGER_TRUSTS_BROUGHT,
         .life = GUEST_LIFE_RUNNING, .granted = GIB, .actual = 2 * GIB, .holds = 6 * GIB, .enforced = NOTHING_HOLDS,
         .ground = GROUND_BROUGHT, .booked = 6 * GIB, .grants = 6 * GIB},
        {"... where there was none: one that is there takes it back", .trust = LEDGER_TRUSTS_BROUGHT,
         .life = GUEST_LIFE_RUNNING, .granted = 3 * GIB, .actual = 6 * GIB, .holds = 5 * GIB, .enforced = 3 * GIB,
         .ground = GROUND_LIMIT, .booked = 5 * GIB - SLACK * 3 / 2, .grants = 3 * GIB},
    };

    check(rows, G_N_ELEMENTS(rows));
    (void)state;
}

/* A dimm is in its size and target before its XML is read again. */
static void
what_is_more_than_its_xml_says_is_booked(void **state)
{
    static const Seen rows[] = {
        {"its size, where it can't be ballooned", .trust = LEDGER_TRUSTS_FULL, .granted = 8 * GIB, .actual = 9 * GIB,
         .enforced = NOTHING_HOLDS, .ground = GROUND_FULL, .booked = 9 * GIB, .grants = 9 * GIB},
        {"its target, while it boots", .trust = LEDGER_TRUSTS_NOTHING, .granted = 8 * GIB, .actual = 8 * GIB,
         .target = 9 * GIB, .enforced = NOTHING_HOLDS, .ground = GROUND_MAXIMUM, .booked = 9 * GIB, .grants = 9 * GIB},
        {"its size, where its limit is late", .trust = LEDGER_TRUSTS_BALLOON, .adrift = true, .granted = 8 * GIB,
         .actual = 9 * GIB, .enforced = 9 * GIB, .ground = GROUND_BALLOON, .booked = 9 * GIB, .grants = 8 * GIB},
    };

    check(rows, G_N_ELEMENTS(rows));
    (void)state;
}

static void
what_is_granted_follows_what_the_guest_sees_of_its_balloon(void **state)
{
    static const Seen rows[] = {
        {"without what it does not see", .trust = LEDGER_TRUSTS_BALLOON, .granted = 3 * GIB, .actual = 3 * GIB,
         .unseen = GIB, .enforced = 2 * GIB, .ground = GROUND_LIMIT, .booked = 2 * GIB, .grants = 2 * GIB},
        {"also below its minimum", .trust = LEDGER_TRUSTS_BALLOON, .granted = 2 * GIB, .actual = 512 * MIB,
         .enforced = 2 * GIB, .ground = GROUND_BALLOON, .booked = 512 * MIB, .grants = 512 * MIB},
    };

    check(rows, G_N_ELEMENTS(rows));
    (void)state;
}

/* Its XML is that of the run before. Nothing was booked for its start: what it was granted is all that is known. */
static void
what_was_granted_stays_when_its_xml_is_read(void **state)
{
    const GuestSettings presumed = {.presumed = true, .minimum_kib = GIB, .maximum_kib = 8 * GIB};
    GuestSnapshot guest = {.settings = &presumed, .has_actual = true, .actual_kib = 8 * GIB};
    LedgerLook look = {.guest = &guest, .trust = LEDGER_TRUSTS_NOTHING, .enforced_kib = 0};
    LedgerEntry entry = {.ground = GROUND_NONE};

    ledger_open(&entry, 2 * GIB);
    book_look(&entry, &look);
    guest.settings = &plain;
    book_look(&entry, &look);
    assert_int_equal(entry.granted_kib, 2 * GIB);
    assert_int_equal(entry.booked_kib, 2 * GIB);
    (void)state;
}

/* ... and where something was booked, what it was given since is its own for as long as its XML is not read. */
static void
what_was_given_to_a_guest_whose_xml_is_not_read_stays(void **state)
{
    const GuestSettings presumed = {.presumed = true, .minimum_kib = GIB, .maximum_kib = 8 * GIB};
    GuestSnapshot guest = {.settings = &presumed, .has_actual = true, .actual_kib = 8 * GIB};
    LedgerLook look = {.guest = &guest, .trust = LEDGER_TRUSTS_NOTHING, .enforced_kib = 0};
    LedgerEntry entry = {.start_kib = GIB};

    ledger_open(&entry, GIB);
    for (unsigned t = 0; t < 3; t++) {
        book_look(&entry, &look);
        ledger_grant(&entry, GIB);
    }
    assert_int_equal(entry.granted_kib, 4 * GIB);
    (void)state;
}

/* ---- told, reserved, closed ---- */

static void
a_raise_counts_before_the_balloon_has_moved_and_a_shrink_after(void **state)
{
    LedgerEntry entry = {.open = true, .granted_kib = 2 * GIB, .balloon_kib = 2 * GIB, .booked_kib = 2 * GIB};

    ledger_tell(&entry, 3 * GIB, 0);
    assert_int_equal(entry.balloon_kib, 3 * GIB);
    assert_int_equal(entry.booked_kib, 3 * GIB);
    ledger_tell(&entry, GIB, 0);
    assert_int_equal(entry.balloon_kib, 3 * GIB);
    assert_int_equal(entry.booked_kib, 3 * GIB);
    (void)state;
}

/* Its QEMU of the run before is still there. */
static void
a_start_is_booked_in_full_beside_the_run_that_ends(void **state)
{
    LedgerEntry entry = {.open = true, .booked_kib = 2 * GIB};

    ledger_reserve(&entry, GIB, OVERHEAD);
    assert_int_equal(entry.booked_kib, 2 * GIB);
    ledger_reserve(&entry, 3 * GIB, OVERHEAD);
    assert_int_equal(entry.booked_kib, 3 * GIB);
    (void)state;
}

static void
a_guest_that_is_off_costs_nothing_but_its_start(void **state)
{
    LedgerEntry entry = {.open = true,
                         .restart = RESTART_SOON,
                         .ground = GROUND_BALLOON,
                         .granted_kib = GIB,
                         .booked_kib = GIB,
                         .overhead_kib = OVERHEAD,
                         .resident_kib = GIB};

    ledger_close(&entry);
    assert_int_equal(entry.booked_kib + entry.overhead_kib + entry.resident_kib, 0);
    assert_int_equal(entry.ground, GROUND_NONE);
    assert_int_equal(entry.restart, RESTART_NONE); /* its next start is what it is asked for as */
    entry = (LedgerEntry){.asked = true, .restart = RESTART_SOON, .start_kib = GIB, .overhead_kib = OVERHEAD};
    ledger_close(&entry);
    assert_int_equal(entry.booked_kib, GIB);
    assert_int_equal(entry.overhead_kib, OVERHEAD);
    assert_int_equal(entry.ground, GROUND_START);
    assert_int_equal(entry.restart, RESTART_SOON);
    (void)state;
}

/* A start from the off state that nobody asked for may come next, and may have no paging file. */
static void
a_run_that_has_begun_makes_no_restart_of_the_next(void **state)
{
    LedgerEntry entry = {.asked = true, .restart = RESTART_SOON, .start_kib = GIB};

    ledger_open(&entry, GIB);
    assert_int_equal(entry.restart, RESTART_NONE);
    (void)state;
}

static void
what_is_granted_or_told_comes_beside_memory_devices(void **state)
{
    const GuestSettings with_device = {.minimum_kib = GIB, .maximum_kib = 8 * GIB, .fixed_kib = 2 * GIB};
    GuestSnapshot guest = {.settings = &with_device, .has_actual = true, .actual_kib = 8 * GIB};
    LedgerLook look = {.guest = &guest, .trust = LEDGER_TRUSTS_NOTHING, .enforced_kib = 0};
    LedgerEntry entry = {.ground = GROUND_NONE};

    ledger_open(&entry, GIB);
    book_look(&entry, &look);
    ledger_grant(&entry, GIB);
    assert_int_equal(entry.booked_kib, 4 * GIB);
    ledger_tell(&entry, 3 * GIB, 0);
    assert_int_equal(entry.booked_kib, 5 * GIB);
    (void)state;
}

/* ---- what it counts for ---- */

static LedgerSums
sums_of(LedgerEntry entry)
{
    Ledger ledger = {.entries = &entry, .count = 1};

    return ledger_sums(&ledger);
}

/* What is held of it is no use by others; what is not held yet is there for nobody. */
static void
slack_counts_as_far_as_it_is_held(void **state)
{
    LedgerEntry entry = {.open = true, .booked_kib = GIB, .overhead_kib = OVERHEAD, .slack_kib = SLACK};

    entry.resident_kib = GIB;
    assert_int_equal(sums_of(entry).slack_kib, 0);
    assert_int_equal(sums_of(entry).untouched_kib, OVERHEAD);
    entry.resident_kib = GIB + OVERHEAD + SLACK / 2;
    assert_int_equal(sums_of(entry).slack_kib, SLACK / 2);
    assert_int_equal(sums_of(entry).untouched_kib, 0);
    entry.resident_kib = 2 * GIB;
    assert_int_equal(sums_of(entry).slack_kib, SLACK);
    (void)state;
}

/* It may hold all of it, or nothing: what the host is seen to have lost may be its. */
static void
what_is_not_known_of_a_running_guest_is_not_called_untouched(void **state)
{
    LedgerEntry entry = {.open = true, .booked_kib = GIB, .overhead_kib = OVERHEAD};

    assert_int_equal(sums_of(entry).unseen_kib, GIB + OVERHEAD);
    assert_int_equal(sums_of(entry).untouched_kib, 0);
    entry.open = false;
    assert_int_equal(sums_of(entry).unseen_kib, 0);
    assert_int_equal(sums_of(entry).untouched_kib, GIB + OVERHEAD);
    (void)state;
}

/* Of 8 GiB and a memory device of 2 it has 3 and the device; its limit lets in 2 more, for the page cache of its disks. */
static void
what_a_limit_lets_in_for_page_cache_is_lent_beside_memory_devices(void **state)
{
    GuestSettings settings = plain;
    GuestSnapshot guest = {.settings = &settings, .has_actual = true, .actual_kib = 3 * GIB};
    LedgerLook look = {.guest = &guest, .trust = LEDGER_TRUSTS_BALLOON, .enforced_kib = 5 * GIB, .lends = true};
    LedgerEntry entry = {.ground = GROUND_NONE};

    settings.fixed_kib = 2 * GIB;
    ledger_open(&entry, 3 * GIB);
    book_look(&entry, &look);
    assert_int_equal(entry.booked_kib, 5 * GIB);
    assert_int_equal(entry.lent_kib, 2 * GIB);
    (void)state;
}

/* Its guest still runs, with what it was granted, however much or little its next start is let in with. */
static void
a_start_that_is_asked_for_changes_nothing_of_what_the_run_before_it_was_granted(void **state)
{
    GuestSnapshot guest = {.settings = &plain, .has_actual = true, .actual_kib = 2 * GIB};
    LedgerLook look = {.guest = &guest, .trust = LEDGER_TRUSTS_BALLOON, .enforced_kib = 0};

    for (uint64_t start = GIB; start <= 3 * GIB; start += 2 * GIB) {
        LedgerEntry entry = {.asked = true};

        ledger_open(&entry, 2 * GIB);
        for (unsigned t = 0; t < 3; t++) {
            book_look(&entry, &look);
            ledger_reserve(&entry, start, OVERHEAD);
        }
        assert_int_equal(entry.granted_kib, 2 * GIB);
        assert_int_equal(entry.booked_kib, MAX(start, 2 * GIB));
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_guest_brought_is_booked_before_it_reports),
        cmocka_unit_test(what_is_more_than_its_xml_says_is_booked),
        cmocka_unit_test(what_is_granted_follows_what_the_guest_sees_of_its_balloon),
        cmocka_unit_test(what_was_granted_stays_when_its_xml_is_read),
        cmocka_unit_test(what_was_given_to_a_guest_whose_xml_is_not_read_stays),
        cmocka_unit_test(a_raise_counts_before_the_balloon_has_moved_and_a_shrink_after),
        cmocka_unit_test(a_start_is_booked_in_full_beside_the_run_that_ends),
        cmocka_unit_test(a_guest_that_is_off_costs_nothing_but_its_start),
        cmocka_unit_test(a_run_that_has_begun_makes_no_restart_of_the_next),
        cmocka_unit_test(what_is_granted_or_told_comes_beside_memory_devices),
        cmocka_unit_test(slack_counts_as_far_as_it_is_held),
        cmocka_unit_test(what_is_not_known_of_a_running_guest_is_not_called_untouched),
        cmocka_unit_test(what_a_limit_lets_in_for_page_cache_is_lent_beside_memory_devices),
        cmocka_unit_test(a_start_that_is_asked_for_changes_nothing_of_what_the_run_before_it_was_granted),
    };

    return cmocka_run_group_tests_name("ledger_entry", tests, NULL, NULL);
}
