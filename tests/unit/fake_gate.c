/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_gate.h"

#include "cmocka_all.h"

#include <glib.h>
#include <string.h>

static struct {
    GMutex lock;
    GCond changed;
    const char *steps; /* NULL: it is open */
    unsigned setting;  /* how often it was set */
    unsigned standing; /* since then: who is only about to leave is not counted */
} gate;

void
fake_gate_set(const char *steps)
{
    g_mutex_lock(&gate.lock);
    gate.steps = steps;
    gate.setting++;
    gate.standing = 0;
    g_cond_broadcast(&gate.changed);
    g_mutex_unlock(&gate.lock);
}

void
fake_gate_pass(const char *step)
{
    g_mutex_lock(&gate.lock);
    while (gate.steps != NULL && strstr(gate.steps, step) != NULL) {
        unsigned setting = gate.setting;

        gate.standing++;
        g_cond_broadcast(&gate.changed);
        while (gate.setting == setting)
            g_cond_wait(&gate.changed, &gate.lock);
    }
    g_mutex_unlock(&gate.lock);
}

void
fake_gate_await(unsigned count)
{
    gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    g_mutex_lock(&gate.lock);
    while (gate.standing < count && g_cond_wait_until(&gate.changed, &gate.lock, end))
        continue;
    assert_int_equal(gate.standing, count);
    g_mutex_unlock(&gate.lock);
}
