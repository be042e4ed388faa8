/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "checks.h"

#include "client.h"

#include <string.h>

const char *
check_level_name(CheckLevel level)
{
    static const char *const names[] = {"ok", "warning", "problem"};

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

/* text and advice are taken over. */
static void
add(GPtrArray *checks, const char *name, CheckLevel level, char *text, char *advice)
{
    Check *check = g_new0(Check, 1);

    *check = (Check){.name = name, .level = level, .text = text, .advice = advice};
    g_ptr_array_add(checks, check);
}

static void
check_libvirt(GPtrArray *checks, const HostView *host)
{
    if (strcmp(host->link, "read-write") == 0)
        add(checks, "libvirt", CHECK_OK, g_strdup(host->link_text), NULL);
    else if (strcmp(host->link, "read-only") == 0)
        add(checks, "libvirt", CHECK_WARNING,
            g_strdup_printf("%s; the connection may only look: nothing is changed in any guest", host->link_text),
            g_strdup("let dynmemd run as root, as its unit does"));
    else
        add(checks, "libvirt", CHECK_PROBLEM, g_strdup(host->link_text),
            g_strdup("start libvirtd or virtqemud; dynmemd connects by itself"));
}

/* The daemon's figures, or NULL. */
static HostView *
check_daemon(GPtrArray *checks)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus = client_connect(&error);
    HostView *host = bus != NULL ? client_read_host(bus, &error) : NULL;

    if (host == NULL) {
        add(checks, "daemon", CHECK_PROBLEM, g_strdup(error->message), NULL);
        return NULL;
    }
    if (strcmp(host->version, DYNMEM_VERSION) != 0)
        add(checks, "daemon", CHECK_WARNING,
            g_strdup_printf("dynmemd %s runs, this is dm-ctl " DYNMEM_VERSION, host->version),
            g_strdup("systemctl restart dynmemd"));
    else if (host->dry_run)
        add(checks, "daemon", CHECK_WARNING, g_strdup("dynmemd runs dry: nothing is changed in any guest"),
            g_strdup("start it without --dry-run"));
    else
        add(checks, "daemon", CHECK_OK, g_strdup_printf("dynmemd %s runs", host->version), NULL);
    return host;
}

static void
check_hook(GPtrArray *checks, const HookPlace *place)
{
    g_autoptr(GError) error = NULL;
    HookFileState state;
    const char *unaware;

    if (!hook_file_look(place, &state, &error)) {
        add(checks, "hook", CHECK_PROBLEM, g_strdup(error->message), NULL);
        return;
    }
    switch (state) {
    case HOOK_FILE_ABSENT:
        add(checks, "hook", CHECK_PROBLEM,
            g_strdup("libvirt's hook is not installed: guests start without being asked for"),
            g_strdup("dm-ctl check --install-hook"));
        return;
    case HOOK_FILE_OUTDATED:
        add(checks, "hook", CHECK_WARNING, g_strdup(HOOK_FILE_PATH " is of another version of dynmem"),
            g_strdup("dm-ctl check --install-hook"));
        return;
    case HOOK_FILE_DISABLED:
        add(checks, "hook", CHECK_PROBLEM, g_strdup(HOOK_FILE_PATH " is not executable, so libvirt passes it over"),
            g_strdup("dm-ctl check --install-hook"));
        return;
    case HOOK_FILE_FOREIGN:
        add(checks, "hook", CHECK_PROBLEM, g_strdup(HOOK_FILE_PATH " is not dynmem's file"),
            g_strdup("move it to another name in its directory, then dm-ctl check --install-hook"));
        return;
    case HOOK_FILE_CURRENT:
    default:
        break;
    }
    unaware = hook_file_unaware(place);
    if (unaware != NULL)
        add(checks, "hook", CHECK_WARNING,
            g_strdup_printf("installed, but %s was started before there was any hook", unaware),
            g_strdup_printf("systemctl reload %s, unless that was done since", unaware));
    else
        add(checks, "hook", CHECK_OK, g_strdup("libvirt's hook is installed"), NULL);
}

GPtrArray *
checks_run(const HookPlace *place)
{
    GPtrArray *checks = g_ptr_array_new_with_free_func(check_free);
    g_autoptr(HostView) host = check_daemon(checks);

    if (host != NULL)
        check_libvirt(checks, host);
    check_hook(checks, place);
    return checks;
}
