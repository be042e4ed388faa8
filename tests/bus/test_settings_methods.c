/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The methods about settings on a private bus: who may call them, what they ask for, and how they are answered. What a change
 * comes to is played by the test.
 */
#include "cmocka_all.h"
#include "error.h"
#include "fake_tick.h"
#include "names.h"
#include "report/report.h"

#include <glib/gstdio.h>
#include <string.h>

#define WEB "6a2c0a3e-0000-4000-8000-000000000000"
#define PATIENCE_USEC (20 * G_USEC_PER_SEC)

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
    /* what was asked for, in words: "minimum=#1024;mode=static;", "!" for all taken out */
    unsigned previews;
    unsigned changes;
    GString *asked;
    const GError *fails;
    ElementDone done;
    void *done_data;
} Fixture;

/* ---- the daemon ---- */

static void
write_down(Fixture *fixture, const SettingsAsk *ask)
{
    g_string_assign(fixture->asked, ask->remove ? "!" : "");
    for (guint i = 0; i < ask->values->len; i++) {
        const SettingAsk *one = g_ptr_array_index(ask->values, i);

        g_string_append_printf(fixture->asked, "%s=%s%s;", one->name, one->number ? "#" : "", one->value);
    }
}

static SettingsChange *
preview(void *data, const char *uuid, const SettingsAsk *ask, GError **error)
{
    Fixture *fixture = data;
    SettingsChange *change;
    SettingChange *row;

    assert_string_equal(uuid, WEB);
    fixture->previews++;
    write_down(fixture, ask);
    if (fixture->fails != NULL) {
        g_propagate_error(error, g_error_copy(fixture->fails));
        return NULL;
    }
    change = settings_change_new();
    change->running = change->writes = true;
    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++)
        change->after[i] = (SettingValue){.text = g_strdup("x")};
    row = g_new0(SettingChange, 1);
    row->attribute = ELEMENT_STARTUP;
    row->before = (SettingValue){.text = g_strdup("")};
    row->after = (SettingValue){.text = g_strdup("1KiB"), .given = true, .is_number = true, .number = 1024};
    g_ptr_array_add(change->rows, row);
    g_ptr_array_add(change->notes, g_strdup("mind it"));
    return change;
}

static void
change(void *data, const char *uuid, const SettingsAsk *ask, ElementDone done, void *done_data)
{
    Fixture *fixture = data;

    assert_string_equal(uuid, WEB);
    fixture->changes++;
    write_down(fixture, ask);
    fixture->done = done;
    fixture->done_data = done_data;
    if (fixture->fails != NULL)
        done(done_data, uuid, fixture->fails);
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

static void
turn_until(bool (*met)(const void *data), const void *data)
{
    int64_t end = g_get_monotonic_time() + PATIENCE_USEC;
    unsigned source = g_timeout_add(20, wake, NULL);

    while (!met(data) && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(source);
    assert_true(met(data));
}

static bool
is_done(const void *reply)
{
    return ((const Reply *)reply)->done;
}

static bool
is_asked(const void *fixture)
{
    return ((const Fixture *)fixture)->changes > 0;
}

static void
reply_clear(Reply *reply)
{
    g_clear_pointer(&reply->value, g_variant_unref);
    g_clear_error(&reply->error);
}

static void
begin(Fixture *fixture, Reply *reply, const char *method, const char *arguments)
{
    *reply = (Reply){0};
    g_dbus_connection_call(fixture->client, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, method,
                           g_variant_new_parsed(arguments), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, replied, reply);
}

static void
check_error(Fixture *fixture, const char *method, const char *arguments, const char *name, const char *part)
{
    Reply reply;
    g_autofree char *remote = NULL;

    begin(fixture, &reply, method, arguments);
    turn_until(is_done, &reply);
    assert_null(reply.value);
    remote = g_dbus_error_get_remote_error(reply.error);
    assert_string_equal(remote, name);
    if (strstr(reply.error->message, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, reply.error->message);
    reply_clear(&reply);
}

/* The method is answered when the change is done, and not before. */
static void
check_change(Fixture *fixture, const char *method, const char *arguments, const char *asked)
{
    Reply reply;

    fixture->changes = 0;
    begin(fixture, &reply, method, arguments);
    turn_until(is_asked, fixture);
    assert_string_equal(fixture->asked->str, asked);
    assert_false(reply.done);
    fixture->done(fixture->done_data, WEB, NULL);
    turn_until(is_done, &reply);
    assert_null(reply.error);
    assert_string_equal(g_variant_get_type_string(reply.value), "()");
    reply_clear(&reply);
}

/* ---- set-up ---- */

static bool
has_name(const void *data)
{
    const Fixture *fixture = data;
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
        fixture->client, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
        g_variant_new("(s)", DYNMEM_BUS_NAME), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
    gboolean has = FALSE;

    g_variant_get(reply, "(b)", &has);
    return has;
}

static void
start_report(Fixture *fixture, bool able)
{
    ReportSink sink;

    fixture->report = report_new(&(ReportOptions){
        .bus_type = G_BUS_TYPE_SESSION,
        .run_directory = fixture->run_directory,
        .preview_settings = able ? preview : NULL,
        .change_settings = able ? change : NULL,
        .user_data = fixture,
    });
    turn_until(has_name, fixture);
    sink = report_sink(fixture->report);
    sink.tick(sink.self, &fixture->tick->report);
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(fixture->bus);
    fixture->run_directory = g_dir_make_tmp("dynmem-settings-XXXXXX", NULL);
    fixture->client = g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(fixture->bus),
                                                             G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                                 G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                             NULL, NULL, NULL);
    assert_non_null(fixture->client);
    fixture->asked = g_string_new(NULL);
    fixture->tick = fake_tick_new();
    fake_tick_add(fixture->tick, "web");
    start_report(fixture, true);
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
    g_string_free(fixture->asked, TRUE);
    g_test_dbus_down(fixture->bus);
    g_object_unref(fixture->bus);
    g_free(fixture);
    return 0;
}

/* ---- tests ---- */

static void
values_of_every_kind_are_read(void **state)
{
    check_change(*state, "SetGuest", "('web', {'minimum': <uint64 1048576>, 'mode': <'static'>})",
                 "minimum=#1048576;mode=static;");
    check_change(*state, "SetGuest", "('" WEB "', {'smart-paging': <false>})", "smart-paging=no;");
    check_change(*state, "SetGuest", "('web', {'buffer': <uint32 5>, 'priority': <-3>, 'startup': <''>})",
                 "buffer=#5;priority=#-3;startup=;");
    check_change(*state, "SetGuest", "('web', @a{sv} {})", "");
    check_change(*state, "SetMode", "('web', 'observe')", "mode=observe;");
    check_change(*state, "UnsetGuest", "('web',)", "!");
}

static void
values_of_no_use_are_refused(void **state)
{
    Fixture *fixture = *state;

    check_error(fixture, "SetGuest", "('web', {'minimum': <(1, 2)>})", DYNMEM_BUS_ERROR_INVALID, "minimum");
    check_error(fixture, "SetGuest", "('web', {'minimum': <1.5>, 'mode': <'static'>})", DYNMEM_BUS_ERROR_INVALID,
                "'d'");
    check_error(fixture, "SetGuest", "('wob', {'mode': <'static'>})", DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "web");
    check_error(fixture, "SetMode", "('we', 'static')", DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "web");
    check_error(fixture, "PreviewGuest", "('web', {'mode': <'static'>}, true)", DYNMEM_BUS_ERROR_INVALID, "unset");
    assert_int_equal(fixture->changes + fixture->previews, 0);
}

static void
failures_are_errors_of_their_kind(void **state)
{
    static const struct {
        DynmemError code;
        const char *name;
    } kinds[] = {
        {DYNMEM_ERROR_INVALID, DYNMEM_BUS_ERROR_INVALID},         {DYNMEM_ERROR_REFUSED, DYNMEM_BUS_ERROR_REFUSED},
        {DYNMEM_ERROR_NOT_FOUND, DYNMEM_BUS_ERROR_NO_SUCH_GUEST}, {DYNMEM_ERROR_TIMEOUT, DYNMEM_BUS_ERROR_FAILED},
        {DYNMEM_ERROR_DISCONNECTED, DYNMEM_BUS_ERROR_FAILED},
    };
    Fixture *fixture = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(GError) error = g_error_new(DYNMEM_ERROR, (int)kinds[i].code, "so it is");

        fixture->fails = error;
        check_error(fixture, "SetMode", "('web', 'static')", kinds[i].name, "settings of web: so it is");
        check_error(fixture, "PreviewGuest", "('web', {'mode': <'static'>}, false)", kinds[i].name, "so it is");
        fixture->fails = NULL;
    }
}

static void
preview_tells_and_changes_nothing(void **state)
{
    Fixture *fixture = *state;
    const char *json;
    Reply reply;

    begin(fixture, &reply, "PreviewGuest", "('web', {'startup': <'1KiB'>}, false)");
    turn_until(is_done, &reply);
    assert_string_equal(fixture->asked->str, "startup=1KiB;");
    g_variant_get(reply.value, "(&s)", &json);
    assert_non_null(strstr(json,
                           "{\"setting\":\"startup\",\"place\":\"both\",\"before\":null,\"beforeGiven\":false,"
                           "\"after\":1024,\"afterGiven\":true,\"takesEffect\":\"at its next start or restart\"}"));
    assert_non_null(strstr(json, "\"notes\":[\"mind it\"]"));
    assert_non_null(strstr(json, "\"pagingDirectory\":\"x\""));
    assert_non_null(strstr(json, "\"name\":\"web\",\"uuid\":\"" WEB "\",\"running\":true,\"persistent\":false"));
    reply_clear(&reply);
    begin(fixture, &reply, "PreviewGuest", "('web', @a{sv} {}, true)");
    turn_until(is_done, &reply);
    assert_string_equal(fixture->asked->str, "!");
    reply_clear(&reply);
    assert_int_equal(fixture->changes, 0);
}

static void
who_waits_when_the_daemon_ends_is_not_answered_twice(void **state)
{
    Fixture *fixture = *state;
    Reply reply;

    begin(fixture, &reply, "UnsetGuest", "('web',)");
    turn_until(is_asked, fixture);
    g_clear_pointer(&fixture->report, report_free);
    fixture->done(fixture->done_data, WEB, NULL);
    turn_until(is_done, &reply);
    assert_non_null(reply.error);
    reply_clear(&reply);
}

static void
daemon_that_changes_nothing_says_so(void **state)
{
    Fixture *fixture = *state;

    g_clear_pointer(&fixture->report, report_free);
    start_report(fixture, false);
    check_error(fixture, "UnsetGuest", "('web',)", DYNMEM_BUS_ERROR_REFUSED, "no settings");
    check_error(fixture, "PreviewGuest", "('web', @a{sv} {}, true)", DYNMEM_BUS_ERROR_REFUSED, "no settings");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_of_every_kind_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_of_no_use_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_are_errors_of_their_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(preview_tells_and_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_waits_when_the_daemon_ends_is_not_answered_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(daemon_that_changes_nothing_says_so, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
