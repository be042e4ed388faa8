/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "password.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Registering takes milliseconds, but much longer on a host that is short of memory. An agent that ends is not waited for. */
#define READY_MSEC 30000
#define AGENT_FD 3

/* In the child. */
static void
prepare_agent(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static void
start_agent(void)
{
    static GSubprocess *agent;
    g_autoptr(GSubprocessLauncher) launcher = NULL;
    struct pollfd ready = {.events = POLLIN};
    int ends[2];

    if (agent != NULL || !g_unix_open_pipe(ends, FD_CLOEXEC, NULL))
        return;
    /* it asks on the terminal itself, and that it can't is for polkit's answer to tell */
    launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
    g_subprocess_launcher_set_child_setup(launcher, prepare_agent, NULL, NULL);
    g_subprocess_launcher_take_fd(launcher, ends[1], AGENT_FD);
    /* not as a fallback, which polkit takes only for who has a session of logind */
    agent = g_subprocess_launcher_spawn(launcher, NULL, "pkttyagent", "--notify-fd", G_STRINGIFY(AGENT_FD), NULL);
    /* ours must be closed for the end of its own to be seen */
    g_subprocess_launcher_close(launcher);
    ready.fd = ends[0];
    poll(&ready, 1, READY_MSEC);
    close(ends[0]);
}

GDBusCallFlags
password_call_flags(bool here)
{
    if (!isatty(STDIN_FILENO))
        return G_DBUS_CALL_FLAGS_NONE;
    if (here && geteuid() != 0)
        start_agent();
    return G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION;
}
