/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "limit_fixture.h"

#include "fake_calls.h"

#include <string.h>

int
setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->host = fake_host_new();
    f->host->system.step = fake_gate_pass;
    fake_clock_ahead_usec = 0;
    fake_host_start(f->host);
    f->ends = g_string_new(NULL);
    f->why = g_string_new(NULL);
    *state = f;
    return 0;
}

int
teardown(void **state)
{
    Fixture *f = *state;

    fake_gate_set(NULL);
    fake_host_kill(f->host);
    while (g_main_context_iteration(NULL, FALSE)) /* what ends after it */
        continue;
    fake_calls_judge = NULL;
    fake_calls_fail("", "", 0, 0);
    fake_host_free(f->host);
    g_string_free(f->ends, TRUE);
    g_string_free(f->why, TRUE);
    g_free(f);
    return 0;
}

static void
ended(void *user_data, const char *uuid, uint64_t high_kib, const GError *error)
{
    Fixture *f = user_data;

    if (high_kib == LIMIT_NONE)
        g_string_append(f->ends, "none");
    else
        g_string_append_printf(f->ends, "%u", (unsigned)(high_kib / KIB_PER_MIB));
    g_string_append(f->ends, error != NULL ? "! " : " ");
    if (error != NULL)
        g_string_assign(f->why, error->message);
}

void
set_of(Fixture *f, const char *uuid, pid_t pid, uint64_t high_mib)
{
    GuestRecord guest = fake_guest(uuid, pid);

    f->host->limit_world.set(f->host->limit_world.self, &guest,
                             high_mib == LIMIT_NONE ? LIMIT_NONE : high_mib * KIB_PER_MIB, ended, f);
}

void
set(Fixture *f, uint64_t high_mib)
{
    set_of(f, FAKE_WEB, FAKE_WEB_PID, high_mib);
}

typedef struct Awaited {
    const Fixture *fixture;
    const char *text;
} Awaited;

static bool
has_ended(FakeHost *host, void *data)
{
    const Awaited *awaited = data;

    return strcmp(awaited->fixture->ends->str, awaited->text) == 0;
}

void
await_ends(Fixture *f, const char *text)
{
    Awaited awaited = {f, text};

    fake_host_until(f->host, has_ended, &awaited);
}

GuestLimits
look_at(Fixture *f, const char *uuid, pid_t pid)
{
    GuestRecord guest = fake_guest(uuid, pid);
    GuestLimits limits;

    f->host->limit_world.read(f->host->limit_world.self, &guest, &limits);
    return limits;
}

GuestLimits
look(Fixture *f)
{
    return look_at(f, FAKE_WEB, FAKE_WEB_PID);
}

bool
web_has(FakeHost *host, void *text)
{
    return fake_host_says(host, FAKE_WEB_GROUP, "memory.high", text);
}
