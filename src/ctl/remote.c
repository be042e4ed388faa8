/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remote.h"

#include "error.h"
#include "text.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

/* What ssh ends with when it fails itself, and what a shell ends with when there is no such program. */
#define SSH_FAILED 255
#define SHELL_NOT_FOUND 127
/* How long ssh has to end when it is of no use. */
#define ENDING_USEC (2 * G_USEC_PER_SEC)
#define ENDING_STEPS 40

/*
 * In the child. ^C is for dm-ctl, which has something to say to the daemon before it goes; ssh goes when dm-ctl has gone.
 */
static void
prepare_ssh(gpointer data)
{
    signal(SIGINT, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* ssh takes a port in a URL only. Caller frees. */
static char *
destination(const char *host)
{
    const char *colon = strrchr(host, ':');
    bool port = colon != NULL && colon[1] != '\0' && strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
                (strchr(host, ':') == colon || (colon > host && colon[-1] == ']'));

    return port ? g_strconcat("ssh://", host, NULL) : g_strdup(host);
}

static GSubprocess *
run_ssh(const char *host, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autofree char *where = destination(host);

    g_subprocess_launcher_set_child_setup(launcher, prepare_ssh, NULL, NULL);
    return g_subprocess_launcher_spawn(launcher, error, "ssh", "-xT", "--", where, "systemd-stdio-bridge", NULL);
}

/* Why there is no bus at the other end of ssh, which is made to end. */
static void
set_no_bus(GSubprocess *ssh, const char *host, const char *why, GError **error)
{
    g_autofree char *shown = text_clean(host);
    int status;

    /* what it ends with says more; who does not end where there is nothing to read is no bridge */
    g_output_stream_close(g_subprocess_get_stdin_pipe(ssh), NULL, NULL);
    for (unsigned i = 0; i < ENDING_STEPS && g_subprocess_get_identifier(ssh) != NULL; i++)
        g_usleep(ENDING_USEC / ENDING_STEPS);
    g_subprocess_force_exit(ssh);
    g_subprocess_wait(ssh, NULL, NULL);
    status = g_subprocess_get_if_exited(ssh) ? g_subprocess_get_exit_status(ssh) : 0;
    if (status == SSH_FAILED)
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED, "host '%s': ssh failed; what it says stands above",
                    shown);
    else if (status == SHELL_NOT_FOUND)
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                    "host '%s': it has no systemd-stdio-bridge, which is a part of systemd", shown);
    else
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                    "host '%s': its system bus can't be reached through ssh: %s", shown, why);
}

GDBusConnection *
remote_connect(const char *host, GError **error)
{
    g_autoptr(GError) raw = NULL;
    g_autoptr(GSubprocess) ssh = NULL;
    g_autoptr(GIOStream) stream = NULL;
    GDBusConnection *bus;

    if (host[0] == '\0' || host[0] == '-') {
        g_autofree char *shown = text_clean(host);

        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--host=%s: that is no host; [USER@]HOST is expected", shown);
        return NULL;
    }
    ssh = run_ssh(host, &raw);
    if (ssh == NULL) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED, "ssh: it can't be run: %s", raw->message);
        return NULL;
    }
    stream = g_simple_io_stream_new(g_subprocess_get_stdout_pipe(ssh), g_subprocess_get_stdin_pipe(ssh));
    bus = g_dbus_connection_new_sync(
        stream, NULL, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, &raw);
    if (bus == NULL)
        set_no_bus(ssh, host, raw->message, error);
    return bus;
}
