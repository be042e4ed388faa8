/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "act/act.h"
#include "act/guest_limits.h"
#include "act/paging.h"
#include "cmocka_all.h"
#include "error.h"
#include "units.h"

#include <glib.h>
#include <string.h>

#define GUESTS 4

/* A world that notes what it is told and ends its calls when the test says so. */
typedef struct Fake {
    GuestSettings settings[GUESTS];
    GuestSnapshot guests[GUESTS];
    GuestPlan plans[GUESTS];
    Plan plan;
    GuestRecord records[GUESTS];
    const GuestRecord *record_pointers[GUESTS];
    size_t record_count;
    const GError *limit_error; /* what a limit ends with; NULL: it is set */
    PagingRecord files[GUESTS];
    const PagingRecord *file_pointers[GUESTS];
    size_t file_count;
    bool end_files[GUESTS];
    Settings *conf;
    Ports ports;
    /* "uuid=kib " for each target, "uuid@sec " each period, "uuid@- " released, "uuid^kib " each limit, "uuid+directory " a file made,
       "uuid- " one ended */
    GString *told;
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
    if (seconds == PERIOD_RELEASE)
        g_string_append_printf(((Fake *)self)->told, "%s@- ", uuid);
    else
        g_string_append_printf(((Fake *)self)->told, "%s@%u ", uuid, (unsigned)seconds);
}

static const GuestRecord *const *
fake_records(void *self, size_t *count)
{
    *count = ((Fake *)self)->record_count;
    return ((Fake *)self)->record_pointers;
}

static void
fake_set_limit(void *self, const GuestRecord *guest, uint64_t high_kib, GuestLimitDone done, void *user_data)
{
    Fake *fake = self;

    g_string_append_printf(fake->told, "%s^%u ", guest->uuid, (unsigned)high_kib);
    done(user_data, guest->uuid, high_kib, fake->limit_error);
}

static const PagingRecord *const *
fake_files(void *self, size_t *count)
{
    *count = ((Fake *)self)->file_count;
    return ((Fake *)self)->file_pointers;
}

static void
fake_make(void *self, const PagingRequest *request)
{
    g_string_append_printf(((Fake *)self)->told, "%s+%s:%u:%d ", request->uuid, request->directory,
                           (unsigned)request->size_kib, (int)request->pid);
}

static void
fake_end(void *self, const char *uuid)
{
    g_string_append_printf(((Fake *)self)->told, "%s- ", uuid);
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
    fake->record_count = GUESTS;
    fake->ports.guests = (GuestWorld){
        .self = fake, .records = fake_records, .set_target = fake_set_target, .set_period = fake_set_period};
    fake->ports.limits = (LimitWorld){.self = fake, .set = fake_set_limit};
    fake->ports.paging = (PagingWorld){.self = fake, .records = fake_files, .make = fake_make, .end = fake_end};
    fake->conf = settings_new();
    for (unsigned i = 0; i < GUESTS; i++) {
        fake->guests[i] = (GuestSnapshot){.uuid = uuids[i],
                                          .settings = &fake->settings[i],
                                          .target_known = true,
                                          .target_kib = 1000,
                                          .actual_kib = 1000,
                                          .has_actual = true};
        fake->guests[i].limits.high_kib = 2000;
        fake->plans[i] = (GuestPlan){.guest = &fake->guests[i], .target_kib = 1000};
        fake->records[i].pid = (pid_t)i + 1;
        g_strlcpy(fake->records[i].uuid, uuids[i], sizeof fake->records[i].uuid);
        fake->record_pointers[i] = &fake->records[i];
        fake->file_pointers[i] = &fake->files[i];
        g_strlcpy(fake->files[i].uuid, uuids[i], sizeof fake->files[i].uuid);
    }
    fake->plan = (Plan){.guests = fake->plans, .guest_count = GUESTS, .end_files = fake->end_files};
    *state = fake;
    return 0;
}

static int
teardown(void **state)
{
    Fake *fake = *state;

    fake_end_calls(fake, NULL);
    settings_free(fake->conf);
    g_string_free(fake->told, TRUE);
    g_free(fake);
    return 0;
}

static void
what_frees_memory_goes_before_what_takes_it(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    Outcome outcome = {0};

    fake->plans[0].tell = fake->plans[1].tell = fake->plans[2].tell = true;
    fake->plans[0].target_kib = 1500;
    fake->plans[1].target_kib = 700;
    fake->plans[2].target_kib = 1000; /* told although it is no change: the target was not known */
    fake->guests[2].target_known = false;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
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
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    g_autoptr(GError) error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "guest said no");
    Outcome outcome = {0};

    fake->plans[3].tell = true;
    fake->plans[3].target_kib = 800;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    fake_end_calls(fake, error);
    fake->plans[3].tell = false;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    assert_int_equal(outcome.targets->len, 1);
    assert_int_equal(g_array_index(outcome.targets, TargetAction, 0).result, ACTION_FAILED);
    assert_string_equal(g_array_index(outcome.targets, TargetAction, 0).error, "guest said no");
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    assert_int_equal(outcome.targets->len, 0);
    outcome_clear(&outcome);
}

static void
a_dry_actuator_tells_nobody_anything(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, true);
    Outcome outcome = {0};

    fake->settings[0].managed = true;
    fake->plans[0].tell = true;
    fake->plans[0].target_kib = 500;
    fake->plans[0].limit_tell = true;
    fake->plans[0].paging_order = PAGING_ORDER_MAKE;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    assert_string_equal(fake->told->str, "");
    assert_int_equal(outcome.targets->len, 0);
    outcome_clear(&outcome);
}

static void
statistics_are_switched_on_for_managed_guests_and_put_back_after(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    Outcome outcome = {0};

    fake->settings[1].managed = true;
    fake->settings[2].managed = true;
    fake->settings[2].bar = BALLOON_VFIO;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    actuator_execute(actuator, &fake->plan, fake->conf, 2, 0, &outcome);
    fake->settings[1].mode = GUEST_MODE_STATIC;
    actuator_execute(actuator, &fake->plan, fake->conf, 2, 0, &outcome);
    actuator_execute(actuator, &fake->plan, fake->conf, 2, 0, &outcome);
    assert_string_equal(fake->told->str, "b@1 b@2 b@- ");
    outcome_clear(&outcome);
}

/* The other three are not managed, and there all the time. */
static void
statistics_are_switched_on_again_for_a_guest_that_was_gone(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    Outcome outcome = {0};

    fake->settings[3].managed = true;
    fake->settings[3].mode = GUEST_MODE_DYNAMIC;
    fake->guests[3].serial = 4;
    actuator_execute(actuator, &fake->plan, fake->conf, 2, 0, &outcome);
    assert_string_equal(fake->told->str, "d@2 ");
    fake->plan.guest_count = 3;
    actuator_execute(actuator, &fake->plan, fake->conf, 2, 0, &outcome);
    fake->plan.guest_count = 4;
    actuator_execute(actuator, &fake->plan, fake->conf, 2, 0, &outcome);
    assert_string_equal(fake->told->str, "d@2 d@2 ");
    fake->guests[3].serial = 5; /* gone and back between two ticks */
    actuator_execute(actuator, &fake->plan, fake->conf, 2, 0, &outcome);
    actuator_execute(actuator, &fake->plan, fake->conf, 2, 0, &outcome);
    assert_string_equal(fake->told->str, "d@2 d@2 d@2 ");
    outcome_clear(&outcome);
}

/* In each of so many seconds. Returns how often the period was asked for. */
static size_t
execute_for(Fake *fake, Actuator *actuator, uint64_t seconds, uint64_t *now_usec, Outcome *outcome)
{
    g_string_truncate(fake->told, 0);
    for (uint64_t i = 0; i < seconds; i++, *now_usec += USEC_PER_SEC)
        actuator_execute(actuator, &fake->plan, fake->conf, 1, *now_usec, outcome);
    return fake->told->len / strlen("d@1 ");
}

static void
statistics_in_another_rhythm_are_asked_for_again_and_less_and_less_often(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    uint64_t now_usec = 1000 * USEC_PER_SEC;
    Outcome outcome = {0};

    fake->settings[3].managed = true;
    assert_int_equal(execute_for(fake, actuator, 100, &now_usec, &outcome), 1);
    assert_int_equal(execute_for(fake, actuator, 100, &now_usec, &outcome), 0);
    fake->guests[0].rhythm_sec = 5; /* not ours to set */
    fake->guests[3].rhythm_sec = 5;
    assert_int_equal(execute_for(fake, actuator, 60, &now_usec, &outcome), 1);
    assert_string_equal(fake->told->str, "d@1 ");
    assert_int_equal(execute_for(fake, actuator, 120, &now_usec, &outcome), 1);
    assert_int_equal(execute_for(fake, actuator, 240, &now_usec, &outcome), 1);
    assert_int_equal(execute_for(fake, actuator, 24 * 3600, &now_usec, &outcome), 3 + 24);
    /* it was as it should be for long, and everything begins anew */
    fake->guests[3].rhythm_sec = 0;
    assert_int_equal(execute_for(fake, actuator, 2 * 3600, &now_usec, &outcome), 0);
    fake->guests[3].rhythm_sec = 5;
    assert_int_equal(execute_for(fake, actuator, 180, &now_usec, &outcome), 2);
    outcome_clear(&outcome);
}

/* As where somebody has set the period to 0. */
static void
statistics_that_do_not_come_any_more_are_asked_for_again(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    GuestSnapshot *guest = &fake->guests[3];
    uint64_t now_usec = 1000 * USEC_PER_SEC;
    Outcome outcome = {0};

    fake->settings[3].managed = true;
    guest->life = GUEST_LIFE_RUNNING;
    guest->answering = true;
    assert_int_equal(execute_for(fake, actuator, 100, &now_usec, &outcome), 1); /* its driver is not there yet */
    guest->driver_up = guest->fresh = true;
    assert_int_equal(execute_for(fake, actuator, 100, &now_usec, &outcome), 0);
    guest->fresh = false;
    assert_int_equal(execute_for(fake, actuator, 60, &now_usec, &outcome), 1);
    assert_int_equal(execute_for(fake, actuator, 120, &now_usec, &outcome), 1);
    guest->answering = false;
    assert_int_equal(execute_for(fake, actuator, 1000, &now_usec, &outcome), 0);
    guest->answering = true;
    guest->life = GUEST_LIFE_PAUSED;
    assert_int_equal(execute_for(fake, actuator, 1000, &now_usec, &outcome), 0);
    outcome_clear(&outcome);
}

static void
a_call_that_ends_after_the_actuator_is_gone_harms_nobody(void **state)
{
    Fake *fake = *state;
    Actuator *actuator = actuator_new(&fake->ports, false);
    Outcome outcome = {0};

    fake->plans[0].tell = true;
    fake->plans[0].target_kib = 500;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    actuator_free(actuator);
    fake_end_calls(fake, NULL);
    outcome_clear(&outcome);
}

static void
limits_are_raised_before_targets_and_lowered_after(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    Outcome outcome = {0};

    fake->plans[0].limit_tell = fake->plans[1].limit_tell = fake->plans[2].tell = true;
    fake->plans[0].limit_kib = 1500;
    fake->plans[1].limit_kib = 3000;
    fake->plans[2].target_kib = 1800;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    assert_string_equal(fake->told->str, "b^3000 c=1800 a^1500 ");
    assert_int_equal(outcome.limits->len, 2);
    assert_string_equal(g_array_index(outcome.limits, LimitAction, 0).uuid, "b");
    assert_int_equal(g_array_index(outcome.limits, LimitAction, 0).old_kib, 2000);
    assert_int_equal(g_array_index(outcome.limits, LimitAction, 0).result, ACTION_STARTED);
    outcome_clear(&outcome);
}

static void
the_end_of_a_limit_is_told_once_with_its_error(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    g_autoptr(GError) error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "no such cgroup");
    Outcome outcome = {0};

    fake->plans[3].limit_tell = true;
    fake->plans[3].limit_kib = 1500;
    fake->limit_error = error;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    fake->plans[3].limit_tell = false;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    assert_int_equal(outcome.limits->len, 1);
    assert_int_equal(g_array_index(outcome.limits, LimitAction, 0).result, ACTION_FAILED);
    assert_string_equal(g_array_index(outcome.limits, LimitAction, 0).error, "no such cgroup");
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    assert_int_equal(outcome.limits->len, 0);
    outcome_clear(&outcome);
}

static void
files_are_made_in_the_guests_directory_or_the_hosts_and_ended_before(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    Outcome outcome = {0};

    fake->plans[0].paging_order = fake->plans[1].paging_order = PAGING_ORDER_MAKE;
    fake->plans[0].paging_size_kib = 400;
    fake->settings[1].paging_directory = (char *)"/srv/paging";
    fake->plans[3].paging_order = PAGING_ORDER_END;
    fake->file_count = 2;
    fake->plan.file_count = 2;
    fake->end_files[1] = true;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    assert_string_equal(fake->told->str, "b- d- a+/var/lib/dynmem/paging:400:1 b+/srv/paging:0:2 ");
    outcome_clear(&outcome);
}

/* The plan is of the records before: guests come and go meanwhile. */
static void
guests_that_are_gone_by_now_get_no_limit_and_no_file(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    Outcome outcome = {0};

    for (size_t i = 0; i < GUESTS; i++) {
        fake->plans[i].limit_tell = true;
        fake->plans[i].limit_kib = 3000;
        fake->plans[i].paging_order = PAGING_ORDER_MAKE;
    }
    fake->record_pointers[1] = &fake->records[2];
    fake->record_count = 2;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    assert_string_equal(fake->told->str, "a^3000 c^3000 a+/var/lib/dynmem/paging:0:1 c+/var/lib/dynmem/paging:0:3 ");
    assert_int_equal(outcome.limits->len, 2);
    outcome_clear(&outcome);
}

static void
a_limit_that_was_not_tried_is_none_that_failed(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    g_autoptr(GError) error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "a newer one");
    Outcome outcome = {0};

    fake->plans[3].limit_tell = true;
    fake->plans[3].limit_kib = 1500;
    fake->limit_error = error;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    fake->plans[3].limit_tell = false;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    assert_int_equal(outcome.limits->len, 0);
    outcome_clear(&outcome);
}

/* A report is stamped with the clock of the answer, which may be a little later than that of the tick. */
static void
a_report_that_is_younger_than_the_tick_is_no_silence(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = actuator_new(&fake->ports, false);
    GuestSnapshot *guest = &fake->guests[3];
    uint64_t now_usec = 1000 * USEC_PER_SEC;
    Outcome outcome = {0};

    fake->settings[3].managed = true;
    guest->life = GUEST_LIFE_RUNNING;
    guest->answering = guest->driver_up = true;
    guest->report_usec = 1009 * USEC_PER_SEC;
    assert_int_equal(execute_for(fake, actuator, 10, &now_usec, &outcome), 1);
    assert_int_equal(execute_for(fake, actuator, 5, &now_usec, &outcome), 0);
    guest->migrating = true; /* nobody can ask it meanwhile */
    assert_int_equal(execute_for(fake, actuator, 60, &now_usec, &outcome), 0);
    guest->migrating = false;
    assert_int_equal(execute_for(fake, actuator, 1, &now_usec, &outcome), 1);
    outcome_clear(&outcome);
}

static void
what_there_is_not_can_be_freed(void **state)
{
    Outcome outcome = {0};

    outcome_clear(&outcome);
    actuator_free(NULL);
    limits_free(NULL);
    paging_free(NULL);
    held_unref(NULL);
    held_file_free(NULL);
}

static void
a_world_without_limits_and_files_is_asked_for_none(void **state)
{
    Fake *fake = *state;
    g_autoptr(Actuator) actuator = NULL;
    Outcome outcome = {0};

    fake->ports.limits = (LimitWorld){0};
    fake->ports.paging = (PagingWorld){0};
    actuator = actuator_new(&fake->ports, false);
    fake->plans[0].limit_tell = true;
    fake->plans[0].paging_order = PAGING_ORDER_MAKE;
    actuator_execute(actuator, &fake->plan, fake->conf, 1, 0, &outcome);
    assert_string_equal(fake->told->str, "");
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
        cmocka_unit_test_setup_teardown(limits_are_raised_before_targets_and_lowered_after, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_a_limit_is_told_once_with_its_error, setup, teardown),
        cmocka_unit_test_setup_teardown(files_are_made_in_the_guests_directory_or_the_hosts_and_ended_before, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_world_without_limits_and_files_is_asked_for_none, setup, teardown),
        cmocka_unit_test_setup_teardown(statistics_are_switched_on_again_for_a_guest_that_was_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(statistics_in_another_rhythm_are_asked_for_again_and_less_and_less_often, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(statistics_that_do_not_come_any_more_are_asked_for_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_that_ends_after_the_actuator_is_gone_harms_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(guests_that_are_gone_by_now_get_no_limit_and_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_limit_that_was_not_tried_is_none_that_failed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_report_that_is_younger_than_the_tick_is_no_silence, setup, teardown),
        cmocka_unit_test(what_there_is_not_can_be_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
