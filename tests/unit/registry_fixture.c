/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "registry_fixture.h"

static void
process_ended(void *user_data, Guest *guest)
{
}

int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->runs = runs_new(NULL, (uint64_t)g_get_monotonic_time());
    fixture->registry = registry_new(fixture->runs, process_ended, fixture);
    fixture->guest = registry_add(fixture->registry, UUID);
    *state = fixture;
    return 0;
}

int
teardown(void **state)
{
    Fixture *fixture = *state;

    registry_free(fixture->registry);
    runs_free(fixture->runs);
    g_free(fixture);
    return 0;
}
