/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "checks.h"

#include "client.h"
#include "guest_checks.h"
#include "guest_files.h"
#include "host_checks.h"
#include "killer_checks.h"
#include "memory_checks.h"
#include "units.h"

#include <string.h>

/* More would bury what is said of them. */
#define NAMES_SHOWN 8

const char *
check_level_name(CheckLevel level)
{
    static const char *const names[] = {"ok", "note", "warning", "problem"};

    return names[level];
}

static void
check_free(void *data)
{
    Check *check = data;

    g_free(check->text);
    g_free(check->advice);
    g_free(check);
}

GPtrArray *
checks_new(void)
{
    return g_ptr_array_new_with_free_func(check_free);
}

void
check_add(GPtrArray *checks, const char *name, CheckLevel level, char *text, char *advice)
{
    Check *check = g_new0(Check, 1);

    *check = (Check){.name = name, .level = level, .text = text, .advice = advice};
    g_ptr_array_add(checks, check);
}

char *
check_read(const char *root, const char *path)
{
    g_autofree char *whole = g_strconcat(root, path, NULL);
    char *text = NULL;

    return g_file_get_contents(whole, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

char *
check_names(const GPtrArray *names)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < MIN(names->len, NAMES_SHOWN); i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", (const char *)g_ptr_array_index(names, i));
    if (names->len > NAMES_SHOWN)
        g_string_append_printf(text, " and %u more", names->len - NAMES_SHOWN);
    return g_string_free(text, FALSE);
}

static void
check_libvirt(GPtrArray *checks, const HostView *host)
{
    if (strcmp(host->link, "read-write") == 0)
        check_add(checks, "libvirt", CHECK_OK, g_strdup(host->link_text), NULL);
    else if (strcmp(host->link, "read-only") == 0)
        check_add(checks, "libvirt", CHECK_WARNING,
                  g_strdup_printf("%s; the connection may only look: nothing is changed in any guest", host->link_text),
                  g_strdup("let dynmemd run as root, as its unit does"));
    else
        check_add(checks, "libvirt", CHECK_PROBLEM, g_strdup(host->link_text),
                  g_strdup("start libvirtd or virtqemud; dynmemd connects by itself"));
}

/* The daemon's figures, or NULL. bus is NULL where there is none, and no_bus says why. */
static HostView *
check_daemon(GPtrArray *checks, GDBusConnection *bus, const GError *no_bus)
{
    g_autoptr(GError) error = NULL;
    HostView *host = bus != NULL ? client_read_host(bus, &error) : NULL;

    if (host == NULL) {
        check_add(checks, "daemon", CHECK_PROBLEM, g_strdup(bus != NULL ? error->message : no_bus->message), NULL);
        return NULL;
    }
    if (strcmp(host->version, DYNMEM_VERSION) != 0)
        check_add(checks, "daemon", CHECK_WARNING,
                  g_strdup_printf("dynmemd %s runs, this is dm-ctl " DYNMEM_VERSION, host->version),
                  g_strdup("systemctl restart dynmemd"));
    else if (host->dry_run)
        check_add(checks, "daemon", CHECK_WARNING, g_strdup("dynmemd runs dry: nothing is changed in any guest"),
                  g_strdup("start it without --dry-run"));
    else
        check_add(checks, "daemon", CHECK_OK, g_strdup_printf("dynmemd %s runs", host->version), NULL);
    return host;
}

static GVariant *
ask_systemd(GDBusConnection *bus, const char *path, const char *interface, const char *method, GVariant *arguments,
            const char *type)
{
    return g_dbus_connection_call_sync(bus, "org.freedesktop.systemd1", path, interface, method, arguments,
                                       G_VARIANT_TYPE(type), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL);
}

/*
 * When the service last changed its state, in seconds since 1970: as it was reloaded, where that was after its start (systemd,
 * unit_notify in src/core/unit.c). 0: not known.
 */
static uint64_t
service_changed_sec(GDBusConnection *bus, const char *service)
{
    g_autofree char *unit = g_strconcat(service, ".service", NULL);
    g_autoptr(GVariant) found = ask_systemd(bus, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                                            "GetUnit", g_variant_new("(s)", unit), "(o)");
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) value = NULL;
    const char *path;

    if (found == NULL)
        return 0;
    g_variant_get(found, "(&o)", &path);
    reply = ask_systemd(bus, path, "org.freedesktop.DBus.Properties", "Get",
                        g_variant_new("(ss)", "org.freedesktop.systemd1.Unit", "StateChangeTimestamp"), "(v)");
    if (reply == NULL)
        return 0;
    g_variant_get(reply, "(v)", &value);
    return g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64) ? g_variant_get_uint64(value) / G_USEC_PER_SEC : 0;
}

/* libvirt's daemon, where it has neither called a hook since it was started nor looked for one since there is any. */
static const char *
unaware_libvirt(const HookPlace *place, GDBusConnection *bus, const HostView *host)
{
    uint64_t since_sec = 0, called_usec = 0;
    const char *libvirt = hook_file_unaware(place);

    if (libvirt == NULL || hook_file_libvirt(place, &since_sec) == NULL)
        return NULL;
    if (host != NULL)
        g_variant_lookup(host->properties, "HookCalled", "t", &called_usec);
    if (called_usec / G_USEC_PER_SEC > since_sec ||
        (bus != NULL && hook_file_was_there(place, service_changed_sec(bus, libvirt))))
        return NULL;
    return libvirt;
}

static void
check_hook(GPtrArray *checks, const HookPlace *place, GDBusConnection *bus, const HostView *host)
{
    uint32_t calls = 0;
    g_autoptr(GError) error = NULL;
    HookFileState state;
    const char *unaware;

    if (!hook_file_look(place, &state, &error)) {
        check_add(checks, "hook", CHECK_PROBLEM, g_strdup(error->message), NULL);
        return;
    }
    switch (state) {
    case HOOK_FILE_ABSENT:
        /* as it is after every installation: it is put in place by hand */
        check_add(checks, "hook", CHECK_WARNING,
                  g_strdup("libvirt's hook is not installed: guests start without being asked for"),
                  g_strdup("dm-ctl check --install-hook"));
        return;
    case HOOK_FILE_OUTDATED:
        check_add(checks, "hook", CHECK_WARNING, g_strdup(HOOK_FILE_PATH " is of another version of dynmem"),
                  g_strdup("dm-ctl check --install-hook"));
        return;
    case HOOK_FILE_DISABLED:
        check_add(checks, "hook", CHECK_PROBLEM,
                  g_strdup(HOOK_FILE_PATH " is not executable, so libvirt passes it over"),
                  g_strdup("dm-ctl check --install-hook"));
        return;
    case HOOK_FILE_FOREIGN:
        check_add(checks, "hook", CHECK_PROBLEM, g_strdup(HOOK_FILE_PATH " is not dynmem's file"),
                  g_strdup("move it to another name in its directory, then dm-ctl check --install-hook"));
        return;
    case HOOK_FILE_CURRENT:
    default:
        break;
    }
    unaware = unaware_libvirt(place, bus, host);
    if (host != NULL)
        g_variant_lookup(host->properties, "HookCalls", "u", &calls);
    if (calls > 0)
        check_add(checks, "hook", CHECK_OK, g_strdup("libvirt's hook is installed, and libvirt calls it"), NULL);
    else if (unaware != NULL)
        check_add(checks, "hook", CHECK_WARNING,
                  g_strdup_printf("installed, but %s was started before there was any hook", unaware),
                  g_strdup_printf("systemctl reload %s", unaware));
    else
        check_add(checks, "hook", CHECK_OK, g_strdup("libvirt's hook is installed"), NULL);
}

/* What they take of the host's memory is not known when dynmem is asked. */
static void
check_earlier_hooks(GPtrArray *checks, const HookPlace *place)
{
    g_autoptr(GPtrArray) earlier = hook_file_earlier(place);
    g_autoptr(GPtrArray) pools = g_ptr_array_new();
    g_autofree char *all = check_names(earlier);
    g_autofree char *some = NULL;

    for (guint i = 0; i < earlier->len; i++) {
        g_autofree char *text = check_read(place->root, g_ptr_array_index(earlier, i));

        if (text != NULL && (strstr(text, "nr_hugepages") != NULL || strstr(text, "hugeadm") != NULL))
            g_ptr_array_add(pools, g_ptr_array_index(earlier, i));
    }
    some = check_names(pools);
    if (pools->len > 0)
        check_add(
            checks, "hooks", CHECK_WARNING,
            g_strdup_printf(
                "%s seems to fill a pool of huge pages, and is called before dynmem's hook: no room is made for it",
                some),
            g_strdup("call it from a file in /etc/libvirt/hooks/qemu.d that is named behind 50-dynmem"));
    else if (earlier->len > 0)
        check_add(
            checks, "hooks", CHECK_NOTE,
            g_strdup_printf(
                "called before dynmem's hook: %s; memory that a hook takes is looked for only behind dynmem's", all),
            NULL);
    else
        check_add(checks, "hooks", CHECK_OK, g_strdup("no other hook is called before dynmem's"), NULL);
}

/* Is somebody there who can be asked? Names that can be started count. */
static bool
bus_has(GDBusConnection *bus, const char *method, const char *name)
{
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_sync(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                    method, NULL, G_VARIANT_TYPE("(as)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
    g_autofree const char **names = NULL;

    if (reply == NULL)
        return false;
    g_variant_get(reply, "(^a&s)", &names);
    return g_strv_contains(names, name);
}

static void
check_polkit(GPtrArray *checks, GDBusConnection *bus)
{
    static const char polkit[] = "org.freedesktop.PolicyKit1";

    if (bus_has(bus, "ListNames", polkit) || bus_has(bus, "ListActivatableNames", polkit))
        check_add(checks, "polkit", CHECK_OK, g_strdup("polkit says who may start guests and change things"), NULL);
    else
        check_add(checks, "polkit", CHECK_WARNING,
                  g_strdup("polkit is not there: only root may start guests and change things"),
                  g_strdup("install polkit, if others should"));
}

static void
check_paging(GPtrArray *checks, const HostView *host)
{
    const char *bar = NULL;

    if (!g_variant_lookup(host->properties, "PagingBar", "&s", &bar))
        return;
    if (bar[0] == '\0')
        check_add(checks, "paging", CHECK_OK, g_strdup("guests that restart on a full host can have paging files"),
                  NULL);
    else
        check_add(checks, "paging", CHECK_WARNING, g_strdup_printf("no guest can have a paging file: %s", bar), NULL);
}

/* What the daemon has to say of the settings of guests: a line each. */
static void
check_guests(GPtrArray *checks, GDBusConnection *bus)
{
    g_autoptr(GPtrArray) guests = client_read_guests(bus, NULL);
    unsigned managed = 0;
    unsigned issues = 0;

    for (guint i = 0; guests != NULL && i < guests->len; i++) {
        const GuestView *guest = g_ptr_array_index(guests, i);

        managed += guest->managed;
        if (guest->issue[0] == '\0')
            continue;
        issues++;
        check_add(checks, "guest", CHECK_WARNING, g_strdup_printf("%s: %s", guest->name, guest->issue), NULL);
    }
    if (guests != NULL && issues == 0)
        check_add(checks, "guest", CHECK_OK,
                  g_strdup_printf("guests: %u, managed: %u; all settings can be used", guests->len, managed), NULL);
}

/* In bytes; 0: not known. */
static uint64_t
reserve_of(const HostView *host, const Settings *settings)
{
    if (host != NULL)
        return host->reserve;
    return settings->reserve_kib == SETTINGS_RESERVE_AUTO ? 0 : bytes_from_kib(settings->reserve_kib);
}

GPtrArray *
checks_run(const HookPlace *place)
{
    GPtrArray *checks = checks_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus = client_connect(&error);
    g_autoptr(HostView) host = check_daemon(checks, bus, error);
    g_autoptr(Settings) settings = NULL;
    g_autoptr(GPtrArray) guests = NULL;
    bool denied;

    if (host != NULL)
        check_libvirt(checks, host);
    check_hook(checks, place, bus, host);
    check_earlier_hooks(checks, place);
    settings = host_checks_config(checks, place->root);
    if (bus != NULL)
        check_polkit(checks, bus);
    host_checks_kernel(checks, place->root);
    guests = guest_files_read(place->root, &denied);
    if (denied)
        check_add(checks, "definitions", CHECK_NOTE, g_strdup("the definitions of guests can't be read"),
                  g_strdup("run dm-ctl check as root"));
    memory_checks_add(checks, place->root);
    memory_checks_nodes(checks, guests, place->root);
    killer_checks_add(checks, guests, place->root, reserve_of(host, settings));
    guest_checks_add(checks, guests, place->root, settings);
    if (host != NULL) {
        check_paging(checks, host);
        check_guests(checks, bus);
    }
    return checks;
}
