/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A stand-in for dynmemd on a private bus, for the tests of dm-ctl. It owns org.dynmem1 with the interfaces
 * of data/org.dynmem1.xml (its first argument; METHOD ARGUMENTS pairs may follow, as of answer) and does what it reads
 * from stdin, a command a line, fields separated by tabs; values are in GVariant's text form:
 *
 *   host PROPERTY VALUE             sets a property of the Manager
 *   guest UUID PROPERTY VALUE       likewise of a guest, which is made if there is none
 *   show UUID                       announces a guest that was made
 *   remove UUID
 *   event ARGUMENTS                 sends the signal Event
 *   explain JSON                    what Explain answers from now on
 *   answer METHOD ARGUMENTS         what this method of the Manager or the Cluster answers from now on
 *   keep METHOD                     does not answer this method from now on
 *   last METHOD                     prints what it was last called with, or "-"
 *   unit NAME USEC                  is systemd, too, with this unit alone, which has changed its state then
 *   hang                            never answers anything any more
 *
 * It prints "ok" after each command and ends at the end of stdin.
 */

#include "names.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char object_manager_xml[] =
    "<node><interface name='org.freedesktop.DBus.ObjectManager'>"
    "<method name='GetManagedObjects'><arg name='objects' type='a{oa{sa{sv}}}' direction='out'/></method>"
    "<signal name='InterfacesAdded'><arg type='o'/><arg type='a{sa{sv}}'/></signal>"
    "<signal name='InterfacesRemoved'><arg type='o'/><arg type='as'/></signal>"
    "</interface></node>";

typedef struct FakeObject {
    char *path;
    char *interface;
    GHashTable *properties; /* name -> GVariant */
    bool announced;
} FakeObject;

static GDBusConnection *bus;
static GDBusNodeInfo *node;
static GMainLoop *loop;
static FakeObject *host;
static GHashTable *guests; /* path -> FakeObject */
static char *explanation;
static GHashTable *answers; /* method -> its answer, NULL to keep it */
static GHashTable *calls;   /* method -> what it was last called with */
static bool hangs;

static FakeObject *
object_new(const char *path, const char *interface)
{
    FakeObject *object = g_new0(FakeObject, 1);

    object->path = g_strdup(path);
    object->interface = g_strdup(interface);
    object->properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
    return object;
}

static void
object_free(FakeObject *object)
{
    g_hash_table_unref(object->properties);
    g_free(object->interface);
    g_free(object->path);
    g_free(object);
}

static GVariant *
object_properties(const FakeObject *object)
{
    GVariantBuilder builder;
    GHashTableIter iter;
    gpointer name;
    gpointer value;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    g_hash_table_iter_init(&iter, object->properties);
    while (g_hash_table_iter_next(&iter, &name, &value))
        g_variant_builder_add(&builder, "{sv}", name, value);
    return g_variant_builder_end(&builder);
}

static GVariant *
object_interfaces(const FakeObject *object)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{sa{sv}}"));
    g_variant_builder_add(&builder, "{s@a{sv}}", object->interface, object_properties(object));
    return g_variant_builder_end(&builder);
}

static GVariant *
managed_objects(void)
{
    GVariantBuilder builder;
    GHashTableIter iter;
    gpointer value;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{oa{sa{sv}}}"));
    g_hash_table_iter_init(&iter, guests);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const FakeObject *object = value;

        if (object->announced)
            g_variant_builder_add(&builder, "{o@a{sa{sv}}}", object->path, object_interfaces(object));
    }
    return g_variant_new("(@a{oa{sa{sv}}})", g_variant_builder_end(&builder));
}

static void
on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
        GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
    gpointer answer = NULL;

    g_hash_table_replace(calls, g_strdup(method), g_variant_print(parameters, FALSE));
    if (hangs)
        return;
    if (g_hash_table_lookup_extended(answers, method, NULL, &answer)) {
        if (answer != NULL)
            g_dbus_method_invocation_return_value(invocation, answer);
    } else if (strcmp(method, "GetManagedObjects") == 0)
        g_dbus_method_invocation_return_value(invocation, managed_objects());
    else if (strcmp(method, "GetAll") == 0)
        g_dbus_method_invocation_return_value(invocation, g_variant_new("(@a{sv})", object_properties(host)));
    else if (strcmp(method, "Explain") == 0 && explanation != NULL)
        g_dbus_method_invocation_return_value(invocation, g_variant_new("(s)", explanation));
    else
        g_dbus_method_invocation_return_dbus_error(invocation, DYNMEM_BUS_ERROR_REFUSED, "the fake refuses");
}

/* Properties are answered as a method call would be: on_call knows GetAll. */
static const GDBusInterfaceVTable vtable = {.method_call = on_call};

static void
emit(const char *path, const char *interface, const char *signal_name, GVariant *parameters)
{
    g_autoptr(GError) error = NULL;

    if (!g_dbus_connection_emit_signal(bus, NULL, path, interface, signal_name, parameters, &error))
        g_error("%s: %s", signal_name, error->message);
}

static FakeObject *
guest_of(const char *uuid)
{
    g_autofree char *path = g_strconcat(DYNMEM_BUS_GUEST_PREFIX, uuid, NULL);
    FakeObject *object;

    g_strdelimit(path + strlen(DYNMEM_BUS_GUEST_PREFIX), "-", '_');
    object = g_hash_table_lookup(guests, path);
    if (object == NULL) {
        object = object_new(path, DYNMEM_BUS_INTERFACE_GUEST);
        g_hash_table_insert(guests, object->path, object);
    }
    return object;
}

/* Refuses what the interface does not have, so that the tests keep to it. */
static void
set_property(FakeObject *object, const char *name, const char *text)
{
    GDBusInterfaceInfo *interface = g_dbus_node_info_lookup_interface(node, object->interface);
    GDBusPropertyInfo *property = g_dbus_interface_info_lookup_property(interface, name);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = NULL;
    GVariantBuilder changed;

    if (property == NULL)
        g_error("%s has no property %s", object->interface, name);
    value = g_variant_parse(G_VARIANT_TYPE(property->signature), text, NULL, NULL, &error);
    if (value == NULL)
        g_error("%s: %s", name, error->message);
    g_hash_table_replace(object->properties, g_strdup(name), g_variant_ref(value));
    if (!object->announced)
        return;
    g_variant_builder_init(&changed, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&changed, "{sv}", name, value);
    emit(
        object->path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
        g_variant_new("(s@a{sv}@as)", object->interface, g_variant_builder_end(&changed), g_variant_new_strv(NULL, 0)));
}

static void
show_guest(FakeObject *object)
{
    object->announced = true;
    emit(DYNMEM_BUS_PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
         g_variant_new("(o@a{sa{sv}})", object->path, object_interfaces(object)));
}

static void
remove_guest(FakeObject *object)
{
    const char *interfaces[] = {object->interface, NULL};

    emit(DYNMEM_BUS_PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
         g_variant_new("(o^as)", object->path, interfaces));
    g_hash_table_remove(guests, object->path);
}

static void
send_event(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) parameters = g_variant_parse(G_VARIANT_TYPE("(sssttss)"), text, NULL, NULL, &error);

    if (parameters == NULL)
        g_error("event: %s", error->message);
    emit(DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER, "Event", parameters);
}

static void
set_explanation(const char *json)
{
    g_free(explanation);
    explanation = g_strdup(json);
}

static void
set_answer(const char *method, const char *text)
{
    GDBusMethodInfo *info = g_dbus_interface_info_lookup_method(
        g_dbus_node_info_lookup_interface(node, DYNMEM_BUS_INTERFACE_MANAGER), method);
    g_autoptr(GString) type = g_string_new("(");
    g_autoptr(GError) error = NULL;
    GVariant *answer;

    if (info == NULL)
        info = g_dbus_interface_info_lookup_method(
            g_dbus_node_info_lookup_interface(node, DYNMEM_BUS_INTERFACE_CLUSTER), method);
    if (info == NULL)
        g_error("there is no method %s", method);
    for (GDBusArgInfo **argument = info->out_args; argument != NULL && *argument != NULL; argument++)
        g_string_append(type, (*argument)->signature);
    g_string_append_c(type, ')');
    answer = text != NULL ? g_variant_parse(G_VARIANT_TYPE(type->str), text, NULL, NULL, &error) : NULL;
    if (error != NULL)
        g_error("%s: %s", method, error->message);
    g_hash_table_replace(answers, g_strdup(method), answer != NULL ? g_variant_ref_sink(answer) : NULL);
}

static void
print_last(const char *method)
{
    const char *text = g_hash_table_lookup(calls, method);

    puts(text != NULL ? text : "-");
}

/* ---- systemd ---- */

static const char systemd_xml[] =
    "<node><interface name='org.freedesktop.systemd1.Manager'>"
    "<method name='GetUnit'><arg type='s' direction='in'/><arg type='o' direction='out'/></method></interface>"
    "<interface name='org.freedesktop.systemd1.Unit'><property name='StateChangeTimestamp' type='t' access='read'/>"
    "</interface></node>";
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define UNIT_PATH SYSTEMD_PATH "/unit/one"

static char *unit_name;
static guint64 unit_changed_usec;

static void
get_unit(GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *arguments, GDBusMethodInvocation *invocation, gpointer user_data)
{
    const char *name;

    g_variant_get(arguments, "(&s)", &name);
    if (strcmp(name, unit_name) == 0)
        g_dbus_method_invocation_return_value(invocation, g_variant_new("(o)", UNIT_PATH));
    else
        g_dbus_method_invocation_return_dbus_error(invocation, "org.freedesktop.systemd1.NoSuchUnit", "not loaded");
}

static GVariant *
get_changed(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
            const char *property, GError **error, gpointer user_data)
{
    return g_variant_new_uint64(unit_changed_usec);
}

static void
set_unit(const char *name, const char *usec)
{
    static const GDBusInterfaceVTable manager = {.method_call = get_unit};
    static const GDBusInterfaceVTable unit = {.get_property = get_changed};
    g_autoptr(GDBusNodeInfo) info = g_dbus_node_info_new_for_xml(systemd_xml, NULL);

    if (unit_name == NULL) {
        g_dbus_connection_register_object(bus, SYSTEMD_PATH, info->interfaces[0], &manager, NULL, NULL, NULL);
        g_dbus_connection_register_object(bus, UNIT_PATH, info->interfaces[1], &unit, NULL, NULL, NULL);
        g_dbus_connection_call_sync(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                    "RequestName", g_variant_new("(su)", "org.freedesktop.systemd1", 0), NULL,
                                    G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
    }
    g_free(unit_name);
    unit_name = g_strdup(name);
    unit_changed_usec = g_ascii_strtoull(usec, NULL, 10);
}

static void
free_answer(gpointer answer)
{
    if (answer != NULL)
        g_variant_unref(answer);
}

static void
obey(const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, "\t", 4);
    guint count = g_strv_length(words);

    if (count == 3 && strcmp(words[0], "host") == 0)
        set_property(host, words[1], words[2]);
    else if (count == 4 && strcmp(words[0], "guest") == 0)
        set_property(guest_of(words[1]), words[2], words[3]);
    else if (count == 2 && strcmp(words[0], "show") == 0)
        show_guest(guest_of(words[1]));
    else if (count == 2 && strcmp(words[0], "remove") == 0)
        remove_guest(guest_of(words[1]));
    else if (count == 2 && strcmp(words[0], "event") == 0)
        send_event(words[1]);
    else if (count == 2 && strcmp(words[0], "explain") == 0)
        set_explanation(words[1]);
    else if (count == 3 && strcmp(words[0], "answer") == 0)
        set_answer(words[1], words[2]);
    else if (count == 2 && strcmp(words[0], "keep") == 0)
        set_answer(words[1], NULL);
    else if (count == 2 && strcmp(words[0], "last") == 0)
        print_last(words[1]);
    else if (count == 3 && strcmp(words[0], "unit") == 0)
        set_unit(words[1], words[2]);
    else if (count == 1 && strcmp(words[0], "hang") == 0)
        hangs = true;
    else
        g_error("what is '%s'?", line);
    g_dbus_connection_flush_sync(bus, NULL, NULL);
    puts("ok");
    fflush(stdout);
}

static gboolean
on_input(GIOChannel *channel, GIOCondition condition, gpointer user_data)
{
    g_autofree char *line = NULL;
    gsize end;

    if (g_io_channel_read_line(channel, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL) {
        g_main_loop_quit(loop);
        return G_SOURCE_REMOVE;
    }
    line[end] = '\0';
    obey(line);
    return G_SOURCE_CONTINUE;
}

static void
on_name_acquired(GDBusConnection *connection, const char *name, gpointer user_data)
{
    puts("ok");
    fflush(stdout);
}

static void export(GDBusInterfaceInfo *interface)
{
    g_autoptr(GError) error = NULL;

    if (g_dbus_connection_register_object(bus, DYNMEM_BUS_PATH, interface, &vtable, NULL, NULL, &error) == 0)
        g_error("%s: %s", interface->name, error->message);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;
    g_autoptr(GDBusNodeInfo) manager_node = NULL;
    g_autoptr(GIOChannel) input = g_io_channel_unix_new(STDIN_FILENO);
    guint name;

    if (argc < 2 || argc % 2 != 0 || !g_file_get_contents(argv[1], &xml, NULL, &error))
        g_error("interface file: %s",
                error != NULL ? error->message : "needed: the file, and METHOD ARGUMENTS for each answer");
    node = g_dbus_node_info_new_for_xml(xml, &error);
    bus = node != NULL ? g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error) : NULL;
    if (bus == NULL)
        g_error("start: %s", error->message);
    manager_node = g_dbus_node_info_new_for_xml(object_manager_xml, NULL);
    answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_answer);
    calls = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    guests = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)object_free);
    host = object_new(DYNMEM_BUS_PATH, DYNMEM_BUS_INTERFACE_MANAGER);
    host->announced = true;
    loop = g_main_loop_new(NULL, FALSE);
    /* known before anybody can ask */
    for (int i = 2; i < argc; i += 2)
        set_answer(argv[i], argv[i + 1]);

    export(g_dbus_node_info_lookup_interface(node, DYNMEM_BUS_INTERFACE_MANAGER));
    export(g_dbus_node_info_lookup_interface(node, DYNMEM_BUS_INTERFACE_CLUSTER));
    export(g_dbus_node_info_lookup_interface(manager_node, "org.freedesktop.DBus.ObjectManager"));
    name = g_bus_own_name_on_connection(bus, DYNMEM_BUS_NAME, G_BUS_NAME_OWNER_FLAGS_NONE, on_name_acquired, NULL, NULL,
                                        NULL);
    g_io_add_watch(input, G_IO_IN | G_IO_HUP, on_input, NULL);
    g_main_loop_run(loop);

    g_bus_unown_name(name);
    g_main_loop_unref(loop);
    g_hash_table_unref(guests);
    g_hash_table_unref(answers);
    g_hash_table_unref(calls);
    object_free(host);
    g_free(explanation);
    g_dbus_node_info_unref(node);
    g_dbus_connection_flush_sync(bus, NULL, NULL);
    g_object_unref(bus);
    return EXIT_SUCCESS;
}
