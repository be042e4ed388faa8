/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the tests of changes.h share: a calm host with the guests web and db, whose ticks are handed in one after
 * the other, as report.c does, and what was told.
 */

#include "cmocka_all.h"
#include "fake_tick.h"
#include "report/changes.h"
#include "report/held_tick.h"

typedef struct Fixture {
    Changes *changes;
    HeldTick *held;
    FakeTick *tick;
    GPtrArray *told; /* of Change: copies of those of all ticks */
} Fixture;

typedef Change Told;

static inline void
told_free(void *data)
{
    change_clear(data);
    g_free(data);
}

static inline void
keep(Fixture *fixture, const GPtrArray *list)
{
    for (unsigned i = 0; i < list->len; i++) {
        Told *told = g_new0(Told, 1);

        change_copy(g_ptr_array_index(list, i), told);
        g_ptr_array_add(fixture->told, told);
    }
}

static inline void
hand_in(Fixture *fixture)
{
    keep(fixture, changes_compare(fixture->changes, held_tick_report(fixture->held), &fixture->tick->report));
    held_tick_update(fixture->held, &fixture->tick->report);
    fake_tick_next(fixture->tick);
}

static inline void
hand_in_times(Fixture *fixture, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        hand_in(fixture);
}

/* The only change told since the last call, which must be of that kind. Valid until the next call. */
static inline const Told *
only(Fixture *fixture, ChangeKind kind)
{
    static Told *last;

    g_clear_pointer(&last, told_free);
    if (fixture == NULL)
        return NULL;
    if (fixture->told->len != 1)
        fail_msg("%u changes were told, the first: %s", fixture->told->len,
                 fixture->told->len > 0 ? ((Told *)g_ptr_array_index(fixture->told, 0))->message : "none");
    last = g_ptr_array_steal_index(fixture->told, 0);
    assert_string_equal(change_kind_name(last->kind), change_kind_name(kind));
    return last;
}

static inline void
none(Fixture *fixture)
{
    if (fixture->told->len != 0)
        fail_msg("told: %s", ((Told *)g_ptr_array_index(fixture->told, 0))->message);
}

static inline int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->changes = changes_new();
    fixture->held = held_tick_new();
    fixture->tick = fake_tick_new();
    fixture->told = g_ptr_array_new_with_free_func(told_free);
    fake_tick_add(fixture->tick, "web");
    fake_tick_add(fixture->tick, "db");
    hand_in(fixture);
    *state = fixture;
    return 0;
}

static inline int
tear_down(void **state)
{
    Fixture *fixture = *state;

    only(NULL, CHANGE_KIND_COUNT);
    changes_free(fixture->changes);
    held_tick_free(fixture->held);
    fake_tick_free(fixture->tick);
    g_ptr_array_unref(fixture->told);
    g_free(fixture);
    return 0;
}
