/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "fake_tick.h"
#include "report/notify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A socket in systemd's place. */
typedef struct Fixture {
    int socket;
    Notify *notify;
    FakeTick *tick;
    char *received; /* all datagrams since the last look, each in <> */
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *name = NULL;
    socklen_t length = sizeof address;

    /* an abstract name of the kernel's choice leaves nothing behind */
    fixture->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fixture->socket, (struct sockaddr *)&address, sizeof address.sun_family), 0);
    assert_int_equal(getsockname(fixture->socket, (struct sockaddr *)&address, &length), 0);
    name = g_strdup_printf("@%.*s", (int)(length - offsetof(struct sockaddr_un, sun_path) - 1), address.sun_path + 1);
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", "30000000", 1);
    unsetenv("WATCHDOG_PID");
    fixture->notify = notify_new();
    fixture->tick = fake_tick_new();
    fake_tick_add(fixture->tick, "web");
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    notify_free(fixture->notify);
    fake_tick_free(fixture->tick);
    close(fixture->socket);
    g_free(fixture->received);
    g_free(fixture);
    return 0;
}

static const char *
received(Fixture *fixture)
{
    GString *text = g_string_new(NULL);
    char buffer[512];
    ssize_t length;

    while ((length = recv(fixture->socket, buffer, sizeof buffer, 0)) > 0)
        g_string_append_printf(text, "<%.*s>", (int)length, buffer);
    g_free(fixture->received);
    fixture->received = g_string_free(text, FALSE);
    return fixture->received;
}

static void
tick(Fixture *fixture, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        notify_tick(fixture->notify, &fixture->tick->report, "connected");
        fake_tick_next(fixture->tick);
    }
}

static void
ready_is_said_once_and_what_is_waited_for_before(void **state)
{
    Fixture *fixture = *state;

    notify_waiting(fixture->notify, "waiting for the bus");
    assert_string_equal(received(fixture), "<STATUS=Starting: waiting for the bus>");
    notify_reloading(fixture->notify);
    notify_reloaded(fixture->notify);
    assert_string_equal(received(fixture), "");
    notify_waiting(fixture->notify, NULL);
    assert_string_equal(received(fixture), "<READY=1>");
    notify_waiting(fixture->notify, NULL);
    notify_waiting(fixture->notify, "nothing");
    assert_string_equal(received(fixture), "");
}

static void
the_watchdog_is_fed_by_ticks_only_and_not_more_often_than_needed(void **state)
{
    Fixture *fixture = *state;
    const char *text;
    unsigned fed = 0;

    assert_string_equal(received(fixture), "");
    tick(fixture, 60);
    text = received(fixture);
    for (const char *p = text; (p = strstr(p, "WATCHDOG=1")) != NULL; p++)
        fed++;
    assert_in_range(fed, 60 / 8, 60 / 7 + 1);
    assert_null(strstr(text, "WATCHDOG_USEC"));
}

static void
a_longer_interval_gets_a_longer_watchdog(void **state)
{
    Fixture *fixture = *state;

    fixture->tick->settings->interval_usec = 60 * USEC_PER_SEC;
    tick(fixture, 1);
    assert_string_equal(received(fixture), "<WATCHDOG_USEC=180000000><WATCHDOG=1>");
    fixture->tick->settings->interval_usec = USEC_PER_SEC;
    tick(fixture, 1);
    assert_string_equal(received(fixture), "<WATCHDOG_USEC=30000000><WATCHDOG=1>");
}

static void
the_status_is_one_line_told_when_it_is_another(void **state)
{
    Fixture *fixture = *state;

    unsetenv("WATCHDOG_USEC");
    notify_free(fixture->notify);
    fixture->notify = notify_new();
    notify_waiting(fixture->notify, NULL);
    tick(fixture, 5);
    assert_string_equal(received(fixture), "<READY=1><STATUS=1 guest managed, 2 GiB of 12 GiB committed>");
    fixture->tick->plans[0].state = GUEST_STATE_STUCK;
    tick(fixture, 5);
    assert_string_equal(received(fixture),
                        "<STATUS=1 guest managed, 2 GiB of 12 GiB committed; 1 guest stuck or unresponsive>");
    fixture->tick->snapshot.host.link = WORLD_LINK_DOWN;
    tick(fixture, 1);
    assert_string_equal(received(fixture), "<STATUS=1 guest managed, 2 GiB of 12 GiB committed; connected>");
}

static void
the_status_counts_settings_that_are_rejected_and_no_advice(void **state)
{
    Fixture *fixture = *state;
    FakeTick *tick = fixture->tick;
    g_autofree char *advised = NULL;
    g_autofree char *retires = NULL;
    g_autofree char *rejected = NULL;

    fake_tick_add(tick, "db");
    fake_tick_advise(tick, 0, "priority is 90 and counts as 60");
    advised = notify_status_text(&tick->report, NULL);
    tick->settings->retiring = true;
    retires = notify_status_text(&tick->report, NULL);
    tick->settings->retiring = false;
    assert_true(g_str_has_prefix(retires, "Retiring: "));
    assert_null(strstr(advised, ";"));
    fake_tick_reject(tick, 1, "priority '200' is above 100");
    rejected = notify_status_text(&tick->report, NULL);
    assert_non_null(strstr(rejected, "; settings of 1 guest rejected"));
}

static void
the_status_shows_how_far_starts_and_paging_files_are(void **state)
{
    Fixture *fixture = *state;
    FakeTick *tick = fixture->tick;
    g_autofree char *waits = NULL;
    g_autofree char *pages = NULL;
    g_autofree char *overdue = NULL;

    fake_tick_add(tick, "db");
    fake_tick_start(tick, 1, START_WAITS);
    waits = notify_status_text(&tick->report, NULL);
    assert_non_null(strstr(waits, "; starting: db needs 2.1 GiB, 512 MiB are free"));

    fake_tick_file(tick, 0, PAGING_STAGE_ON);
    tick->plans[0].paging_phase = PAGING_PHASE_LEAVE;
    pages = notify_status_text(&tick->report, NULL);
    assert_non_null(strstr(pages, "; paging: web 300 MiB of 400 MiB left, 1 min"));
    tick->plans[0].paging_urgency = PAGING_URGENCY_OVERDUE;
    overdue = notify_status_text(&tick->report, NULL);
    assert_non_null(strstr(overdue, "; paging overdue: web"));
}

static void
reload_and_stop_are_told(void **state)
{
    Fixture *fixture = *state;
    const char *text;

    notify_waiting(fixture->notify, NULL);
    received(fixture);
    notify_reloading(fixture->notify);
    text = received(fixture);
    assert_true(g_str_has_prefix(text, "<RELOADING=1\nMONOTONIC_USEC="));
    notify_reloaded(fixture->notify);
    assert_string_equal(received(fixture), "<READY=1>");
    notify_stopping(fixture->notify);
    assert_true(g_str_has_prefix(received(fixture), "<STOPPING=1\n"));
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(ready_is_said_once_and_what_is_waited_for_before),
        TEST(the_watchdog_is_fed_by_ticks_only_and_not_more_often_than_needed),
        TEST(a_longer_interval_gets_a_longer_watchdog),
        TEST(the_status_is_one_line_told_when_it_is_another),
        TEST(the_status_counts_settings_that_are_rejected_and_no_advice),
        TEST(the_status_shows_how_far_starts_and_paging_files_are),
        TEST(reload_and_stop_are_told),
    };

    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
