/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a client may ask the service for: explanations and histories, and what polkit must allow. */

#include "report_fixture.h"

#include <unistd.h>

/* Calls Explain; the answer or the name of the error. */
static char *
explain(Fixture *fixture, const char *guest, GError **error)
{
    g_autoptr(GVariant) reply = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Explain",
                                     g_variant_new("(s)", guest), error);
    char *json = NULL;

    if (reply != NULL)
        g_variant_get(reply, "(s)", &json);
    return json;
}

static void
assert_refused(Fixture *fixture, const char *guest, const char *name, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *json = explain(fixture, guest, &error);
    g_autofree char *remote = NULL;

    assert_null(json);
    remote = g_dbus_error_get_remote_error(error);
    assert_string_equal(remote, name);
    if (strstr(error->message, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, error->message);
}

static void
explain_takes_a_name_or_a_uuid(void **state)
{
    Fixture *fixture = *state;
    static const char *const names[] = {"web", "6a2c0a3e-0000-4000-8000-000000000000",
                                        "6A2C0A3E_0000_4000_8000_000000000000"};

    fake_tick_add(fixture->tick, "web");
    hand_in(fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *json = explain(fixture, names[i], &error);

        assert_null(error);
        assert_non_null(strstr(json, "\"name\":\"web\""));
    }
}

/* Calls History; how many points it answers with, or -1 and the error. */
static int
count_points(Fixture *fixture, const char *guest, GError **error)
{
    g_autoptr(GVariant) reply = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "History",
                                     g_variant_new("(st)", guest, (guint64)0), error);
    g_autoptr(GVariant) history = reply != NULL ? g_variant_get_child_value(reply, 0) : NULL;
    g_autoptr(GVariant) column =
        history != NULL ? g_variant_lookup_value(history, "Assigned", G_VARIANT_TYPE("at")) : NULL;

    return column != NULL ? (int)g_variant_n_children(column) : -1;
}

static void
history_is_told_of_who_is_known_or_gone(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *remote = NULL;

    fake_tick_add(fixture->tick, "web");
    fake_tick_add(fixture->tick, "off")->state = GUEST_STATE_OFF;
    hand_in(fixture);
    assert_true(count_points(fixture, "web", NULL) >= 1);
    assert_true(count_points(fixture, "6A2C0A3E_0000_4000_8000_000000000000", NULL) >= 1);
    assert_int_equal(count_points(fixture, "off", NULL), 0);
    assert_int_equal(count_points(fixture, "nobody", &error), -1);
    remote = g_dbus_error_get_remote_error(error);
    assert_string_equal(remote, DYNMEM_BUS_ERROR_NO_SUCH_GUEST);
    fake_tick_remove(fixture->tick, 0);
    hand_in(fixture);
    assert_true(count_points(fixture, "web", NULL) >= 1);
}

static void
an_unknown_guest_is_refused_with_near_names(void **state)
{
    Fixture *fixture = *state;

    assert_refused(fixture, "web", DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "no guest has been looked at yet");
    fake_tick_add(fixture->tick, "webserver");
    fake_tick_add(fixture->tick, "database");
    fake_tick_add(fixture->tick, "6a2c0a3e-0000-4000-8000-000000000000");
    hand_in(fixture);
    assert_refused(fixture, "websrver", DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "near are: webserver");
    assert_refused(fixture, "data", DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "near are: database");
    assert_refused(fixture, "mailhost", DYNMEM_BUS_ERROR_NO_SUCH_GUEST, "'dm-ctl list' shows all guests");
    assert_refused(fixture, "6a2c0a3e-0000-4000-8000-000000000000", DYNMEM_BUS_ERROR_AMBIGUOUS,
                   "the uuid of the guest 'webserver'");
}

static void
root_may_reload_where_polkit_does_not_run(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Reload", NULL, &error);

    if (geteuid() == 0) {
        assert_non_null(reply);
        assert_int_equal(fixture->reloads, 1);
    } else {
        assert_true(g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED));
        assert_int_equal(fixture->reloads, 0);
    }
}

/* ---- a polkit that answers what the test wants ---- */

static const char polkit_xml[] = "<node><interface name='org.freedesktop.PolicyKit1.Authority'>"
                                 "<method name='CheckAuthorization'>"
                                 "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/>"
                                 "<arg type='a{ss}' direction='in'/><arg type='u' direction='in'/>"
                                 "<arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/>"
                                 "</method></interface></node>";

typedef struct Polkit {
    bool authorize;
    bool hold; /* do not answer */
    unsigned asked;
    GDBusMethodInvocation *held;
    char *action;
} Polkit;

static void
polkit_called(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
              const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, void *data)
{
    Polkit *polkit = data;

    polkit->asked++;
    g_free(polkit->action);
    g_variant_get(parameters, "((sa{sv})sa{ss}us)", NULL, NULL, &polkit->action, NULL, NULL, NULL);
    if (polkit->hold)
        polkit->held = invocation;
    else
        g_dbus_method_invocation_return_value(invocation, g_variant_new("((bba{ss}))", polkit->authorize, FALSE, NULL));
}

static void
run_polkit(Fixture *fixture, Polkit *polkit)
{
    static const GDBusInterfaceVTable table = {.method_call = polkit_called};
    g_autoptr(GDBusNodeInfo) info = g_dbus_node_info_new_for_xml(polkit_xml, NULL);
    g_autoptr(GVariant) reply = NULL;

    g_dbus_connection_register_object(fixture->client, "/org/freedesktop/PolicyKit1/Authority", info->interfaces[0],
                                      &table, polkit, NULL, NULL);
    reply = call(fixture, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                 g_variant_new("(su)", "org.freedesktop.PolicyKit1", 0), NULL);
    assert_non_null(reply);
}

static void
assert_polkit_decides(Fixture *fixture, Polkit *polkit, const char *method, const unsigned *done)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) refused = NULL;
    g_autoptr(GVariant) granted = NULL;

    polkit->asked = 0;
    polkit->authorize = false;
    refused = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, method, NULL, &error);
    assert_true(g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED));
    assert_non_null(strstr(error->message, "polkit refuses org.dynmem1.manage"));
    assert_int_equal(*done, 0);
    polkit->authorize = true;
    granted = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, method, NULL, NULL);
    assert_non_null(granted);
    assert_int_equal(*done, 1);
    assert_int_equal(polkit->asked, 2);
    assert_string_equal(polkit->action, DYNMEM_POLKIT_MANAGE);
}

static void
polkit_decides_who_may_reload_and_retire(void **state)
{
    Fixture *fixture = *state;
    Polkit polkit = {0};

    run_polkit(fixture, &polkit);
    assert_polkit_decides(fixture, &polkit, "Reload", &fixture->reloads);
    assert_polkit_decides(fixture, &polkit, "Retire", &fixture->retirements);
    g_free(polkit.action);
}

static void
polkit_decides_who_may_start_guests(void **state)
{
    static const char *const methods[] = {"Reserve", "Release", "Start"};
    Fixture *fixture = *state;
    Polkit polkit = {0};

    run_polkit(fixture, &polkit);
    fake_tick_add(fixture->tick, "web");
    hand_in(fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) refused = call(fixture, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER,
                                           methods[i], g_variant_new("(s)", "web"), &error);

        assert_null(refused);
        assert_true(g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED));
        assert_int_equal(polkit.asked, i + 1);
        assert_string_equal(polkit.action, DYNMEM_POLKIT_MANAGE);
    }
    g_free(polkit.action);
}

static void
a_password_prompt_stops_nothing(void **state)
{
    Fixture *fixture = *state;
    Polkit polkit = {.hold = true};
    Reply replies[20] = {{0}};
    unsigned answered = 0;
    unsigned refused = 0;

    run_polkit(fixture, &polkit);
    fake_tick_add(fixture->tick, "web");
    for (unsigned i = 0; i < G_N_ELEMENTS(replies); i++)
        g_dbus_connection_call(fixture->client, DYNMEM_BUS_NAME, DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER,
                               "Reload", NULL, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, replied, &replies[i]);
    for (unsigned i = 0; i < 5; i++)
        hand_in(fixture);
    assert_text(fixture, GUEST_PATH("0"), DYNMEM_BUS_INTERFACE_GUEST, "Name", "web");
    assert_int_equal(polkit.asked, 16);
    for (unsigned i = 0; i < G_N_ELEMENTS(replies); i++) {
        answered += replies[i].done;
        refused += replies[i].error != NULL;
        g_clear_pointer(&replies[i].value, g_variant_unref);
    }
    assert_int_equal(answered, G_N_ELEMENTS(replies) - 16);
    /* whatever others leave open, root need not wait */
    assert_int_equal(refused, geteuid() == 0 ? 0 : answered);
    assert_int_equal(fixture->reloads, answered - refused);
    /* the service ends while questions are open: they are answered with an error, not left */
    report_free(g_steal_pointer(&fixture->report));
    for (unsigned i = 0; i < G_N_ELEMENTS(replies); i++) {
        turn_until(&replies[i].done);
        assert_null(replies[i].value);
        g_clear_error(&replies[i].error);
    }
    g_free(polkit.action);
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(explain_takes_a_name_or_a_uuid),
        TEST(history_is_told_of_who_is_known_or_gone),
        TEST(an_unknown_guest_is_refused_with_near_names),
        TEST(root_may_reload_where_polkit_does_not_run),
        TEST(polkit_decides_who_may_reload_and_retire),
        TEST(polkit_decides_who_may_start_guests),
        TEST(a_password_prompt_stops_nothing),
    };

    return cmocka_run_group_tests_name("methods of report on a bus", tests, NULL, NULL);
}
