/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the decision remembers of guests and of the host's pressure. */

#include "cmocka_all.h"
#include "decide/guest_memory.h"
#include "decide/pressure.h"
#include "units.h"

#include <stdio.h>

#define SEC USEC_PER_SEC
#define MIB KIB_PER_MIB
#define GIB KIB_PER_GIB
#define GUESTS_MAX 40

typedef struct Register {
    char uuids[GUESTS_MAX][37];
    GuestSnapshot guests[GUESTS_MAX];
    Snapshot snapshot;
} Register;

/* A snapshot of the guests whose bits are set. */
static void
take(Register *reg, uint64_t who)
{
    reg->snapshot = (Snapshot){.guests = reg->guests};
    for (unsigned i = 0; i < GUESTS_MAX; i++) {
        size_t slot = reg->snapshot.guest_count;

        if ((who & UINT64_C(1) << i) == 0)
            continue;
        snprintf(reg->uuids[slot], sizeof reg->uuids[slot], "00000000-0000-0000-0000-%012u", i);
        reg->guests[slot] =
            (GuestSnapshot){.uuid = reg->uuids[slot], .name = "g", .life = GUEST_LIFE_RUNNING, .boots = 1};
        reg->snapshot.guest_count++;
    }
}

static void
match(Ledger *ledger, const Snapshot *snapshot)
{
    ledger_match(ledger, snapshot);
    for (size_t i = 0; i < snapshot->guest_count; i++)
        guest_memory_sync(ledger_guest(ledger, i), &snapshot->guests[i], snapshot->now_usec);
}

static void
memory_belongs_to_the_guest_whoever_comes_and_goes(void **state)
{
    Ledger ledger = {.count = 0};
    Register reg;
    uint64_t known = 0;
    uint64_t seed = 12345;

    for (unsigned round = 0; round < 500; round++) {
        uint64_t who;

        seed = seed * 6364136223846793005 + 1442695040888963407;
        who = seed >> 20 & ((UINT64_C(1) << GUESTS_MAX) - 1);
        take(&reg, who);
        match(&ledger, &reg.snapshot);
        for (size_t i = 0; i < reg.snapshot.guest_count; i++) {
            unsigned number = (unsigned)g_ascii_strtoull(reg.uuids[i] + 24, NULL, 10);

            assert_string_equal(ledger_guest(&ledger, i)->uuid, reg.uuids[i]);
            /* who was there the last time is known, who was not is new */
            assert_int_equal(ledger_guest(&ledger, i)->memory->told_kib,
                             known & UINT64_C(1) << number ? number + 1 : 0);
            ledger_guest(&ledger, i)->memory->told_kib = number + 1;
        }
        known = who;
    }
    ledger_clear(&ledger);
}

static void
another_boot_is_another_guest_but_for_what_its_qemu_costs(void **state)
{
    Ledger ledger = {.count = 0};
    Register reg;
    GuestMemory *memory;

    take(&reg, 1);
    match(&ledger, &reg.snapshot);
    memory = ledger_guest(&ledger, 0)->memory;
    memory->demand.serial = 1;
    memory->overhead.valid = memory->stuck.inhibited = true;
    match(&ledger, &reg.snapshot);
    assert_true(memory->demand.serial == 1 && memory->stuck.inhibited);

    reg.guests[0].boots = 2;
    reg.guests[0].boot_in_place = true;
    match(&ledger, &reg.snapshot);
    assert_false(memory->demand.serial != 0 || memory->stuck.inhibited);
    assert_true(memory->overhead.valid && memory->belief.state == BELIEF_BOOTING);

    reg.guests[0].life = GUEST_LIFE_OFF;
    match(&ledger, &reg.snapshot);
    assert_false(memory->overhead.valid || memory->belief.state != BELIEF_OFF);
    ledger_clear(&ledger);
}

static bool
pressed_with(PressureMemory *memory, uint64_t available_kib, uint32_t some_centi, bool event, uint64_t *now_usec,
             unsigned seconds)
{
    HostSnapshot host = {.figures = {.has_pressure = true,
                                     .pressure_some_centi = some_centi,
                                     .total_kib = 64 * GIB,
                                     .available_kib = available_kib},
                         .pressure_event = event};
    bool pressed = false;

    for (unsigned i = 0; i < seconds; i++) {
        *now_usec += SEC;
        pressed = pressure_judge(memory, &host, 2 * GIB, *now_usec);
    }
    return pressed;
}

static bool
pressed_after(PressureMemory *memory, uint32_t some_centi, bool event, uint64_t *now_usec, unsigned seconds)
{
    return pressed_with(memory, 100 * MIB, some_centi, event, now_usec, seconds);
}

static void
only_pressure_that_lasts_counts(void **state)
{
    PressureMemory memory = {.pressed = false};
    uint64_t now_usec = 100 * SEC;

    assert_false(pressed_after(&memory, 50, false, &now_usec, 600));
    assert_false(pressed_after(&memory, 5000, false, &now_usec, 4));
    assert_false(pressed_after(&memory, 500, false, &now_usec, 600));
    assert_true(pressed_after(&memory, 5000, false, &now_usec, 10));
    assert_true(pressed_after(&memory, 500, false, &now_usec, 600));
    assert_true(pressed_after(&memory, 50, false, &now_usec, 20));
    assert_false(pressed_after(&memory, 50, false, &now_usec, 20));
}

static void
kernels_word_makes_half_as_much_enough(void **state)
{
    PressureMemory memory = {.pressed = false};
    uint64_t now_usec = 100 * SEC;

    assert_false(pressed_after(&memory, 50, true, &now_usec, 600));
    assert_true(pressed_after(&memory, 500, true, &now_usec, 10));
}

/* As of guests that are held back at their memory.high. */
static void
pressure_counts_only_where_memory_is_short(void **state)
{
    PressureMemory memory = {.pressed = false};
    uint64_t now_usec = 100 * SEC;

    assert_false(pressed_with(&memory, 40 * GIB, 9000, true, &now_usec, 600));
    assert_false(pressed_with(&memory, GIB, 9000, true, &now_usec, 600)); /* the slack of limits has the rest */
    assert_true(pressed_with(&memory, GIB - 1, 9000, true, &now_usec, 10));
    assert_true(pressed_with(&memory, 40 * GIB, 9000, true, &now_usec, 20));
    assert_false(pressed_with(&memory, 40 * GIB, 9000, true, &now_usec, 20));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_belongs_to_the_guest_whoever_comes_and_goes),
        cmocka_unit_test(another_boot_is_another_guest_but_for_what_its_qemu_costs),
        cmocka_unit_test(only_pressure_that_lasts_counts),
        cmocka_unit_test(kernels_word_makes_half_as_much_enough),
        cmocka_unit_test(pressure_counts_only_where_memory_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
