/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/act.h"
#include "cmocka_all.h"
#include "error.h"

#include <glib.h>

#define GUESTS 4

/* A world that notes what it is told and ends its calls when the test says so. */
typedef struct Fake {
    GuestSettings settings[GUESTS];
    GuestSnapshot guests[GUESTS];
    GuestPlan plans[GUESTS];
    Plan plan;
    GuestWorld world;
    GString *told; /* "uuid=kib " for each target, "uuid@sec " for each period */
    struct {
        GuestTargetDone done;
        void *user_data;
        char *uuid;
        uint64_t target_kib;
    } calls[16];
    unsigned call_count;
} Fake;

static void
fake_set_target(void *self, const char *uuid, uint64_t target_kib, GuestTargetDone done, void *user_data)
{
    Fake *fake = self;

    g_string_append_printf(fake->told, "%s=%u ", uuid, (unsigned)target_kib);
    fake->calls[fake->call_count].done = done;
    fake->calls[fake->call_count].user_data = user_data;
    fake->calls[fake->call_count].uuid = g_strdup(uuid);
    fake->calls[fake->call_count++].target_kib = target_kib;
}

static void
fake_set_period(void *self, const char *uuid, uint32_t seconds)
{
    g_string_append_printf(((Fake *)self)->told, "%s@%u ", uuid, (unsigned)seconds);
}

static void
fake_end_calls(Fake *fake, const GError *error)
{
    for (unsigned i = 0; i < fake->call_count; i++) {
        fake->calls[i].done(fake->calls[i].user_data, fake->calls[i].uuid, fake->calls[i].target_kib, error);
        g_free(fake->calls[i].uuid);
    }
    fake->call_count = 0;
}

static int
setup(void **state)
{
    static const char *const uuids[GUESTS] = {"a", "b", "c", "d"};
    Fake *fake = g_new0(Fake, 1);

    fake->told = g_string_new(NULL);
    fake->world = (GuestWorld){.self = fake, .set_target = fake_set_target, .set_period = fake_set_period};
    for (unsigned i = 0; i < GUESTS; i++) {
        fake->guests[i] = (GuestSnapshot){.uuid = uuids[i],
                                          .settings = &fake->settings[i],
                                          .target_known = true,
                                          .target_kib = 1000,
                                          .actual_kib = 1000,
                                          .has_actual = true};
        fake->plans[i] = (GuestPlan){.guest = &fake->guests[i], .target_kib = 1000};
    }
    fake->plan = (Plan){.guests = fake->plans, .guest_count = GUESTS};
    *state = fake;
    return 0;
}

static int
teardown(void **state)
{
    Fake *fake = *state;

    fake_end_calls(fake, NULL);
    g_string_free(fake->told, TRUE);
    g_free(fake);
    return 0;
}

static void
what_frees_memory_goes_before_what_takes_it(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->world, false);
    Outcome outcome = {0};

    fake->plans[0].tell = fake->plans[1].tell = fake->plans[2].tell = true;
    fake->plans[0].target_kib = 1500;
    fake->plans[1].target_kib = 700;
    fake->plans[2].target_kib = 1000; /* told although it is no change: the target was not known */
    fake->guests[2].target_known = false;
    actuator_execute(actuator, &fake->plan, 1, &outcome);
    assert_string_equal(fake->told->str, "b=700 a=1500 c=1000 ");
    assert_int_equal(outcome.targets->len, 3);
    assert_int_equal(g_array_index(outcome.targets, TargetAction, 0).old_kib, 1000);
    assert_int_equal(g_array_index(outcome.targets, TargetAction, 0).result, ACTION_STARTED);
    outcome_clear(&outcome);
}

static void
the_end_of_a_call_is_told_once_with_its_error(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->world, false);
    g_autoptr(GError) error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "guest said no");
    Outcome outcome = {0};

    fake->plans[3].tell = true;
    fake->plans[3].target_kib = 800;
    actuator_execute(actuator, &fake->plan, 1, &outcome);
    fake_end_calls(fake, error);
    fake->plans[3].tell = false;
    actuator_execute(actuator, &fake->plan, 1, &outcome);
    assert_int_equal(outcome.targets->len, 1);
    assert_int_equal(g_array_index(outcome.targets, TargetAction, 0).result, ACTION_FAILED);
    assert_string_equal(g_array_index(outcome.targets, TargetAction, 0).error, "guest said no");
    actuator_execute(actuator, &fake->plan, 1, &outcome);
    assert_int_equal(outcome.targets->len, 0);
    outcome_clear(&outcome);
}

static void
a_dry_actuator_tells_nobody_anything(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->world, true);
    Outcome outcome = {0};

    fake->settings[0].managed = true;
    fake->plans[0].tell = true;
    fake->plans[0].target_kib = 500;
    actuator_execute(actuator, &fake->plan, 1, &outcome);
    assert_string_equal(fake->told->str, "");
    assert_int_equal(outcome.targets->len, 0);
    outcome_clear(&outcome);
}

static void
statistics_are_switched_on_for_managed_guests_and_put_back_after(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->world, false);
    Outcome outcome = {0};

    fake->settings[1].managed = true;
    fake->settings[1].configured_period_sec = 7;
    fake->settings[2].managed = true;
    fake->settings[2].bar = BALLOON_VFIO;
    actuator_execute(actuator, &fake->plan, 1, &outcome);
    actuator_execute(actuator, &fake->plan, 1, &outcome);
    actuator_execute(actuator, &fake->plan, 2, &outcome);
    fake->settings[1].mode = GUEST_MODE_STATIC;
    actuator_execute(actuator, &fake->plan, 2, &outcome);
    actuator_execute(actuator, &fake->plan, 2, &outcome);
    assert_string_equal(fake->told->str, "b@1 b@2 b@7 ");
    outcome_clear(&outcome);
}

static void
a_call_that_ends_after_the_actuator_is_gone_harms_nobody(void **state)
{
    Fake *fake = *state;
    Actuator *actuator = actuator_new(&fake->world, false);
    Outcome outcome = {0};

    fake->plans[0].tell = true;
    fake->plans[0].target_kib = 500;
    actuator_execute(actuator, &fake->plan, 1, &outcome);
    actuator_free(actuator);
    fake_end_calls(fake, NULL);
    outcome_clear(&outcome);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_frees_memory_goes_before_what_takes_it, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_a_call_is_told_once_with_its_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dry_actuator_tells_nobody_anything, setup, teardown),
        cmocka_unit_test_setup_teardown(statistics_are_switched_on_for_managed_guests_and_put_back_after, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_call_that_ends_after_the_actuator_is_gone_harms_nobody, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
