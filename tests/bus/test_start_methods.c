/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The methods about starts on a private bus: who may call them, what they ask for in whose name, when they are answered, and
 * what becomes of what was asked for by who has gone. The book of starts is played by the test.
 */

#include "cmocka_all.h"
#include "error.h"
#include "fake_tick.h"
#include "names.h"
#include "report/report.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define WEB "6a2c0a3e-0000-4000-8000-000000000000"
#define STRANGER "7b3d1b4f-0000-4000-8000-00000000000a"
#define PATIENCE_USEC (20 * USEC_PER_SEC)

/* A call of a client. */
typedef struct Reply {
    GVariant *value;
    GError *error;
    bool done;
} Reply;

typedef struct Fixture {
    GTestDBus *bus;
    char *run_directory;
    Report *report;
    FakeTick *tick;
    GDBusConnection *client;
    bool dry_run;
    /* what the book was told */
    unsigned asked;
    char *uuid;
    char *xml;
    char *owner;
    StartKind kind;
    bool hook;
    StartAnswer answer;
    void *answer_data;
    unsigned released;
    bool nothing_to_release;
    char *gone;
    bool has_gone;
    GString *notes;
    unsigned started;
    const GError *fails_at_once;
    GuestStartDone done;
    void *done_data;
    uint64_t rated_kib;
    uint32_t rated_priority;
} Fixture;

/* ---- the book of starts ---- */

static void
ask_start(void *data, const StartAsk *ask, StartAnswer answer, void *answer_data)
{
    Fixture *fixture = data;

    fixture->asked++;
    g_free(fixture->uuid);
    g_free(fixture->xml);
    g_free(fixture->owner);
    fixture->uuid = g_strdup(ask->uuid);
    fixture->xml = g_strdup(ask->xml);
    fixture->owner = g_strdup(ask->owner);
    fixture->kind = ask->kind;
    fixture->hook = ask->hook;
    fixture->answer = answer;
    fixture->answer_data = answer_data;
}

static bool
release_start(void *data, const char *uuid)
{
    Fixture *fixture = data;

    assert_string_equal(uuid, WEB);
    fixture->released++;
    return !fixture->nothing_to_release;
}

static void
owner_gone(void *data, const char *owner)
{
    Fixture *fixture = data;

    assert_false(fixture->has_gone);
    fixture->gone = g_strdup(owner);
    fixture->has_gone = true;
}

static void
note_start(void *data, const char *uuid, StartNote note)
{
    Fixture *fixture = data;

    g_string_append_printf(fixture->notes, "%s %s;", uuid,
                           note == START_NOTE_HANDED    ? "handed"
                           : note == START_NOTE_STARTED ? "started"
                                                        : "stopped");
}

static void
start_guest(void *data, const char *uuid, GuestStartDone done, void *done_data)
{
    Fixture *fixture = data;

    assert_string_equal(uuid, WEB);
    fixture->started++;
    if (fixture->fails_at_once != NULL) {
        done(done_data, uuid, fixture->fails_at_once);
        return;
    }
    fixture->done = done;
    fixture->done_data = done_data;
}

static void
rate(void *data, uint64_t startup_kib, uint32_t priority, StartRating *rating)
{
    Fixture *fixture = data;
    const StartSqueeze squeeze = {.uuid = WEB, .name = (char *)"web", .assigned_kib = 2048, .target_kib = 1024};

    fixture->rated_kib = startup_kib;
    fixture->rated_priority = priority;
    rating->stars = 3;
    rating->needed_kib = startup_kib + 1;
    start_rating_add(rating, &squeeze);
}

/* ---- calls ---- */

static void
replied(GObject *source, GAsyncResult *result, void *data)
{
    Reply *reply = data;

    reply->value = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &reply->error);
    reply->done = true;
}

static gboolean
wake(void *data)
{
    return G_SOURCE_CONTINUE;
}

/* Turns the loop until *done, or fails. */
static void
turn_until(const bool *done)
{
    int64_t end = g_get_monotonic_time() + (int64_t)PATIENCE_USEC;
    unsigned source = g_timeout_add(20, wake, NULL);

    while (!*done && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(source);
    assert_true(*done);
}

static void
begin(GDBusConnection *client, Reply *reply, const char *name, const char *path, const char *interface,
      const char *method, GVariant *parameters)
{
    *reply = (Reply){0};
    g_dbus_connection_call(client, name, path, interface, method, parameters, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                           replied, reply);
}

static void
begin_method(GDBusConnection *client, Reply *reply, const char *method, GVariant *parameters)
{
    begin(client, reply, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, method, parameters);
}

static void
reply_clear(Reply *reply)
{
    g_clear_pointer(&reply->value, g_variant_unref);
    g_clear_error(&reply->error);
}

/* All that was sent has been dealt with: what was asked of polkit and of the bus is answered too. */
static void
let_settle(Fixture *fixture)
{
    for (unsigned i = 0; i < 6; i++) {
        Reply reply;

        begin(fixture->client, &reply, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL);
        turn_until(&reply.done);
        reply_clear(&reply);
    }
}

static void
assert_answer(Reply *reply, bool granted, const char *reason)
{
    gboolean said;
    const char *text;

    turn_until(&reply->done);
    if (reply->value == NULL)
        fail_msg("%s", reply->error->message);
    g_variant_get(reply->value, "(b&s)", &said, &text);
    assert_int_equal(said, granted);
    assert_string_equal(text, reason);
    reply_clear(reply);
}

static void
assert_error(Reply *reply, const char *name, const char *part)
{
    g_autofree char *remote = NULL;

    turn_until(&reply->done);
    assert_null(reply->value);
    remote = g_dbus_error_get_remote_error(reply->error);
    assert_string_equal(remote, name);
    if (strstr(reply->error->message, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, reply->error->message);
    reply_clear(reply);
}

static void
begin_hook(Fixture *fixture, Reply *reply, const char *guest, const char *operation, const char *suboperation,
           const char *xml)
{
    begin_method(fixture->client, reply, "Hook", g_variant_new("(sssss)", guest, operation, suboperation, "-", xml));
}

/* ---- set-up ---- */

static GDBusConnection *
connect_client(Fixture *fixture)
{
    GDBusConnection *client = g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(fixture->bus),
                                                                     G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                                         G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                                     NULL, NULL, NULL);

    assert_non_null(client);
    return client;
}

static void
start_report(Fixture *fixture)
{
    int64_t end = g_get_monotonic_time() + (int64_t)PATIENCE_USEC;
    ReportSink sink;
    bool owned = false;

    fixture->report = report_new(&(ReportOptions){
        .bus_type = G_BUS_TYPE_SESSION,
        .run_directory = fixture->run_directory,
        .dry_run = fixture->dry_run,
        .ask_start = ask_start,
        .release_start = release_start,
        .owner_gone = owner_gone,
        .note_start = note_start,
        .start_guest = start_guest,
        .rate = rate,
        .user_data = fixture,
    });
    while (!owned && g_get_monotonic_time() < end) {
        Reply reply;
        gboolean has = FALSE;

        begin(fixture->client, &reply, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
              "NameHasOwner", g_variant_new("(s)", DYNMEM_BUS_NAME));
        turn_until(&reply.done);
        g_variant_get(reply.value, "(b)", &has);
        reply_clear(&reply);
        owned = has;
    }
    assert_true(owned);
    sink = report_sink(fixture->report);
    sink.tick(sink.self, &fixture->tick->report);
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(fixture->bus);
    fixture->run_directory = g_dir_make_tmp("dynmem-starts-XXXXXX", NULL);
    fixture->client = connect_client(fixture);
    fixture->notes = g_string_new(NULL);
    fixture->tick = fake_tick_new();
    fake_tick_add(fixture->tick, "web");
    start_report(fixture);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    report_free(fixture->report);
    g_rmdir(fixture->run_directory);
    g_dbus_connection_close_sync(fixture->client, NULL, NULL);
    g_object_unref(fixture->client);
    fake_tick_free(fixture->tick);
    g_free(fixture->run_directory);
    g_free(fixture->uuid);
    g_free(fixture->xml);
    g_free(fixture->owner);
    g_free(fixture->gone);
    g_string_free(fixture->notes, TRUE);
    g_test_dbus_down(fixture->bus);
    g_object_unref(fixture->bus);
    g_free(fixture);
    return 0;
}

/* ---- Reserve, Release ---- */

static void
a_reservation_is_answered_when_the_book_answers(void **state)
{
    Fixture *fixture = *state;
    Reply reply;

    begin_method(fixture->client, &reply, "Reserve", g_variant_new("(s)", WEB));
    let_settle(fixture);
    assert_int_equal(fixture->asked, 1);
    assert_string_equal(fixture->uuid, WEB);
    assert_string_equal(fixture->owner, g_dbus_connection_get_unique_name(fixture->client));
    assert_null(fixture->xml);
    assert_int_equal(fixture->kind, START_BOOT);
    assert_false(fixture->hook);
    assert_false(reply.done);
    fixture->answer(fixture->answer_data, true, "there is room");
    assert_answer(&reply, true, "there is room");

    begin_method(fixture->client, &reply, "Reserve", g_variant_new("(s)", "web"));
    let_settle(fixture);
    assert_string_equal(fixture->uuid, WEB);
    fixture->answer(fixture->answer_data, false, "no room\xff");
    assert_answer(&reply, false, "no room\357\277\275");
    assert_int_equal(fixture->started, 0);
}

static void
who_leaves_the_bus_is_told_of_once(void **state)
{
    Fixture *fixture = *state;
    GDBusConnection *other = connect_client(fixture);
    g_autofree char *name = g_strdup(g_dbus_connection_get_unique_name(other));
    Reply replies[2];
    void *waiting[2];

    for (size_t i = 0; i < G_N_ELEMENTS(replies); i++) {
        begin_method(other, &replies[i], "Reserve", g_variant_new("(s)", WEB));
        g_dbus_connection_flush_sync(other, NULL, NULL);
        let_settle(fixture);
        assert_int_equal(fixture->asked, i + 1);
        waiting[i] = fixture->answer_data;
    }
    assert_string_equal(fixture->owner, name);
    fixture->answer(waiting[0], true, "");
    g_dbus_connection_close_sync(other, NULL, NULL);
    g_object_unref(other);
    for (size_t i = 0; i < G_N_ELEMENTS(replies); i++) {
        turn_until(&replies[i].done);
        reply_clear(&replies[i]);
    }
    turn_until(&fixture->has_gone);
    assert_string_equal(fixture->gone, name);
    /* the book lets go of it, and nobody hears of that any more */
    fixture->answer(waiting[1], false, "who asked for the start is gone");
    let_settle(fixture);
}

static void
what_is_not_there_can_not_be_released(void **state)
{
    Fixture *fixture = *state;
    Reply reply;

    begin_method(fixture->client, &reply, "Release", g_variant_new("(s)", "web"));
    turn_until(&reply.done);
    assert_non_null(reply.value);
    reply_clear(&reply);
    assert_int_equal(fixture->released, 1);
    fixture->nothing_to_release = true;
    begin_method(fixture->client, &reply, "Release", g_variant_new("(s)", "web"));
    assert_error(&reply, DYNMEM_BUS_ERROR_REFUSED, "'virsh destroy' ends it");
    begin_method(fixture->client, &reply, "Release", g_variant_new("(s)", "wob"));
    assert_error(&reply, DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "near are: web");
    begin_method(fixture->client, &reply, "Reserve", g_variant_new("(s)", STRANGER));
    assert_error(&reply, DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "");
    assert_int_equal(fixture->asked, 0);
}

/* ---- Start ---- */

static void
a_start_is_a_reservation_and_then_libvirts(void **state)
{
    Fixture *fixture = *state;
    Reply reply;
    g_autoptr(GError) error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_FAILED, "no such disk");

    begin_method(fixture->client, &reply, "Start", g_variant_new("(s)", "web"));
    let_settle(fixture);
    assert_string_equal(fixture->owner, g_dbus_connection_get_unique_name(fixture->client));
    assert_int_equal(fixture->started, 0);
    fixture->answer(fixture->answer_data, true, "there is room");
    assert_int_equal(fixture->started, 1);
    let_settle(fixture);
    assert_false(reply.done);
    fixture->done(fixture->done_data, WEB, NULL);
    assert_answer(&reply, true, "it runs");
    assert_string_equal(fixture->notes->str, WEB " handed;" WEB " started;");
    g_string_truncate(fixture->notes, 0);

    begin_method(fixture->client, &reply, "Start", g_variant_new("(s)", "web"));
    let_settle(fixture);
    fixture->answer(fixture->answer_data, false, "no room");
    assert_answer(&reply, false, "no room");
    assert_int_equal(fixture->started, 1);

    /* what was booked is given back */
    begin_method(fixture->client, &reply, "Start", g_variant_new("(s)", "web"));
    let_settle(fixture);
    fixture->answer(fixture->answer_data, true, "there is room");
    fixture->done(fixture->done_data, WEB, error);
    assert_answer(&reply, false, "its memory was booked, but libvirt could not start it: no such disk");
    assert_string_equal(fixture->notes->str, WEB " handed;" WEB " stopped;");
    assert_int_equal(fixture->released, 0);
}

/* Called off by who asked while libvirt starts it: the guest comes nevertheless. */
static void
a_start_that_libvirt_has_is_libvirts_when_who_asked_leaves(void **state)
{
    Fixture *fixture = *state;
    GDBusConnection *other = connect_client(fixture);
    Reply reply;

    begin_method(other, &reply, "Start", g_variant_new("(s)", "web"));
    g_dbus_connection_flush_sync(other, NULL, NULL);
    let_settle(fixture);
    fixture->answer(fixture->answer_data, true, "there is room");
    assert_string_equal(fixture->notes->str, WEB " handed;");
    g_dbus_connection_close_sync(other, NULL, NULL);
    g_object_unref(other);
    turn_until(&reply.done);
    reply_clear(&reply);
    turn_until(&fixture->has_gone);
    fixture->done(fixture->done_data, WEB, NULL);
    assert_string_equal(fixture->notes->str, WEB " handed;" WEB " started;");
    assert_int_equal(fixture->released, 0);
}

static void
what_is_booked_stays_while_the_fate_of_a_start_is_not_known(void **state)
{
    static const DynmemError codes[] = {DYNMEM_ERROR_DISCONNECTED, DYNMEM_ERROR_TIMEOUT, DYNMEM_ERROR_REFUSED};
    Fixture *fixture = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        g_autoptr(GError) error = g_error_new_literal(DYNMEM_ERROR, codes[i], "no answer");
        Reply reply;

        g_string_truncate(fixture->notes, 0);
        begin_method(fixture->client, &reply, "Start", g_variant_new("(s)", "web"));
        let_settle(fixture);
        fixture->answer(fixture->answer_data, true, "there is room");
        fixture->done(fixture->done_data, WEB, error);
        assert_answer(&reply, false, "its memory was booked, but libvirt could not start it: no answer");
        assert_string_equal(fixture->notes->str, WEB " handed;");
        assert_int_equal(fixture->released, 0);
    }
}

static void
a_start_that_libvirt_was_not_asked_for_is_given_back(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = g_error_new_literal(DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED, "libvirt is away");
    Reply reply;

    fixture->fails_at_once = error;
    begin_method(fixture->client, &reply, "Start", g_variant_new("(s)", "web"));
    let_settle(fixture);
    fixture->answer(fixture->answer_data, true, "there is room");
    assert_answer(&reply, false, "its memory was booked, but libvirt could not start it: libvirt is away");
    assert_int_equal(fixture->notes->len, 0);
    assert_int_equal(fixture->released, 1);
}

/* ---- Hook ---- */

static void
the_hook_asks_in_nobodys_name(void **state)
{
    static const struct {
        const char *operation;
        StartKind kind;
    } cases[] = {{"prepare", START_BOOT}, {"restore", START_RESTORE}, {"migrate", START_MIGRATION}};
    Fixture *fixture = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Reply reply;

        /* a guest that nobody knows yet */
        begin_hook(fixture, &reply, "7B3D1B4F-0000-4000-8000-00000000000A", cases[i].operation, "begin", "<domain/>");
        let_settle(fixture);
        assert_int_equal(fixture->asked, i + 1);
        assert_string_equal(fixture->uuid, STRANGER);
        assert_string_equal(fixture->xml, "<domain/>");
        assert_null(fixture->owner);
        assert_true(fixture->hook);
        assert_int_equal(fixture->kind, cases[i].kind);
        assert_false(reply.done);
        fixture->answer(fixture->answer_data, i != 1, "because");
        assert_answer(&reply, i != 1, "because");
    }
    assert_int_equal(fixture->notes->len, 0);
}

static void
what_the_hook_tells_is_noted_and_all_else_passes(void **state)
{
    static const char *const passes[][2] = {{"start", "begin"}, {"reconnect", "begin"}, {"attach", "begin"},
                                            {"prepare", "end"}, {"news", "begin"},      {"", ""}};
    Fixture *fixture = *state;
    Reply reply;

    begin_hook(fixture, &reply, "web", "started", "begin", "");
    assert_answer(&reply, true, "");
    begin_hook(fixture, &reply, STRANGER, "stopped", "end", "");
    assert_answer(&reply, true, "");
    begin_hook(fixture, &reply, STRANGER, "release", "end", "");
    assert_answer(&reply, true, "");
    assert_string_equal(fixture->notes->str, WEB " started;" STRANGER " stopped;" STRANGER " stopped;");
    for (size_t i = 0; i < G_N_ELEMENTS(passes); i++) {
        begin_hook(fixture, &reply, WEB, passes[i][0], passes[i][1], "<domain/>");
        assert_answer(&reply, true, "");
    }
    assert_int_equal(fixture->asked, 0);
    begin_hook(fixture, &reply, "nobody", "prepare", "begin", "");
    assert_error(&reply, DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "");
}

static void
a_dry_run_refuses_nothing(void **state)
{
    Fixture *fixture = *state;
    Reply reply;

    report_free(fixture->report);
    fixture->dry_run = true;
    start_report(fixture);
    begin_hook(fixture, &reply, WEB, "prepare", "begin", "<domain/>");
    turn_until(&reply.done);
    assert_non_null(reply.value);
    reply_clear(&reply);
    assert_int_equal(fixture->asked, 0);
}

static void
calls_of_the_hook_are_counted(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GVariant) value = NULL;
    Reply reply;

    begin_hook(fixture, &reply, WEB, "start", "begin", "");
    assert_answer(&reply, true, "");
    begin(fixture->client, &reply, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, "org.freedesktop.DBus.Properties", "Get",
          g_variant_new("(ss)", DYNMEM_BUS_INTERFACE_MANAGER, "HookCalls"));
    turn_until(&reply.done);
    g_variant_get(reply.value, "(v)", &value);
    assert_int_equal(g_variant_get_uint32(value), 1);
    reply_clear(&reply);
}

/* ---- the end ---- */

static void
when_the_daemon_ends_nobody_is_refused(void **state)
{
    Fixture *fixture = *state;
    Reply replies[3];
    void *waiting[3];

    begin_method(fixture->client, &replies[0], "Reserve", g_variant_new("(s)", WEB));
    let_settle(fixture);
    waiting[0] = fixture->answer_data;
    begin_method(fixture->client, &replies[1], "Start", g_variant_new("(s)", WEB));
    let_settle(fixture);
    waiting[1] = fixture->answer_data;
    begin_hook(fixture, &replies[2], WEB, "prepare", "begin", "<domain/>");
    let_settle(fixture);
    waiting[2] = fixture->answer_data;
    assert_int_equal(fixture->asked, 3);
    /* the book answers as it ends, before or after; that must not reach anybody */
    fixture->answer(waiting[0], false, START_REASON_STOPPING);
    report_free(g_steal_pointer(&fixture->report));
    fixture->answer(waiting[1], false, START_REASON_STOPPING);
    fixture->answer(waiting[2], false, "no room");
    for (size_t i = 0; i < G_N_ELEMENTS(replies); i++)
        assert_error(&replies[i], "org.freedesktop.DBus.Error.NoReply", "");
}

/* ---- Rate ---- */

static void
a_rating_is_json_in_bytes(void **state)
{
    Fixture *fixture = *state;
    Reply reply;
    const char *json;

    begin_method(fixture->client, &reply, "Rate", g_variant_new("(tu)", (guint64)1 << 30, 80u));
    turn_until(&reply.done);
    g_variant_get(reply.value, "(&s)", &json);
    assert_non_null(strstr(json, "\"stars\":3"));
    assert_non_null(strstr(json, "\"needed\":1073742848"));
    assert_non_null(strstr(json, "{\"name\":\"web\",\"uuid\":\"" WEB "\",\"assigned\":2097152,\"target\":1048576,"
                                 "\"belowDemand\":false}"));
    assert_non_null(strstr(json, "\"blockers\":[]"));
    assert_int_equal(fixture->rated_kib, 1 << 20);
    assert_int_equal(fixture->rated_priority, 80);
    reply_clear(&reply);
    begin_method(fixture->client, &reply, "Rate", g_variant_new("(tu)", (guint64)1 << 30, 101u));
    assert_error(&reply, DYNMEM_BUS_ERROR_INVALID, "0 to 100");
    begin_method(fixture->client, &reply, "Rate", g_variant_new("(tu)", (guint64)0, 50u));
    assert_error(&reply, DYNMEM_BUS_ERROR_INVALID, "startup");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reservation_is_answered_when_the_book_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_leaves_the_bus_is_told_of_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_there_can_not_be_released, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_is_a_reservation_and_then_libvirts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_that_libvirt_has_is_libvirts_when_who_asked_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_booked_stays_while_the_fate_of_a_start_is_not_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_that_libvirt_was_not_asked_for_is_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_hook_asks_in_nobodys_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_hook_tells_is_noted_and_all_else_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dry_run_refuses_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(calls_of_the_hook_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(when_the_daemon_ends_nobody_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rating_is_json_in_bytes, set_up, tear_down),
    };

    /* there is no polkit on this bus: then it is root who may */
    if (geteuid() != 0) {
        puts("this test needs the privilege of root");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
