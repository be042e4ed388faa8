/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which boots are restarts: every kind there is, by what is seen of it. */

#include "cmocka_all.h"
#include "decide/guest_memory.h"
#include "units.h"

#define WINDOW_USEC (120 * USEC_PER_SEC)
#define NOW_USEC (10000 * USEC_PER_SEC)

typedef struct BootCase {
    const char *what;
    bool off; /* not running; else it booted a second ago */
    bool in_place;
    bool resumed;
    bool adopted;
    bool ran_at_host_down;
    uint64_t stop_sec_ago; /* 0: not seen */
    RestartKind kind;
} BootCase;

static const BootCase cases[] = {
    {.what = "virsh reset", .in_place = true, .kind = RESTART_RESET},
    {.what = "guest reboots itself, by its own, the agent's or ACPI's hand", .in_place = true, .kind = RESTART_RESET},
    {.what = "reset of one that was restored before: the record of its resumption is gone with the reset",
     .in_place = true,
     .stop_sec_ago = 5000,
     .kind = RESTART_RESET},
    {.what = "reset of one that had been started soon after a stop",
     .in_place = true,
     .stop_sec_ago = 60,
     .kind = RESTART_RESET},
    {.what = "stop and start", .stop_sec_ago = 11, .kind = RESTART_SOON},
    {.what = "stop and start at the end of the window", .stop_sec_ago = 121, .kind = RESTART_SOON},
    {.what = "crash and start by on_crash", .stop_sec_ago = 2, .kind = RESTART_SOON},
    {.what = "first start after a host boot", .ran_at_host_down = true, .kind = RESTART_HOST},
    {.what = "about to start, stopped a moment ago", .off = true, .stop_sec_ago = 30, .kind = RESTART_SOON},
    {.what = "about to start, ran at host down", .off = true, .ran_at_host_down = true, .kind = RESTART_HOST},

    {.what = "cold start", .kind = RESTART_NONE},
    {.what = "cold start long after a stop", .stop_sec_ago = 122, .kind = RESTART_NONE},
    {.what = "restore", .resumed = true, .kind = RESTART_NONE},
    {.what = "restore soon after a stop", .resumed = true, .stop_sec_ago = 10, .kind = RESTART_NONE},
    {.what = "restore of one that ran at host down", .resumed = true, .ran_at_host_down = true, .kind = RESTART_NONE},
    {.what = "incoming migration", .resumed = true, .stop_sec_ago = 3, .kind = RESTART_NONE},
    {.what = "snapshot revert of a running guest", .resumed = true, .in_place = true, .kind = RESTART_NONE},
    {.what = "taken over: it ran before the daemon", .adopted = true, .kind = RESTART_NONE},
    {.what = "taken over, with a stop that was seen by an earlier daemon",
     .adopted = true,
     .stop_sec_ago = 20,
     .kind = RESTART_NONE},
    {.what = "taken over, ran at host down, its start was not seen",
     .adopted = true,
     .ran_at_host_down = true,
     .kind = RESTART_NONE},
    {.what = "off for long", .off = true, .stop_sec_ago = 4000, .kind = RESTART_NONE},
};

static void
every_boot_is_told_for_what_it_is(void **state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const BootCase *boot = &cases[i];
        GuestSnapshot guest = {
            .life = GUEST_LIFE_RUNNING,
            .boot_usec = NOW_USEC - USEC_PER_SEC,
            .boot_in_place = boot->in_place,
            .boot_resumed = boot->resumed,
            .adopted = boot->adopted,
            .ran_at_host_down = boot->ran_at_host_down,
            .stop_usec = boot->stop_sec_ago == 0 ? 0 : NOW_USEC - boot->stop_sec_ago * USEC_PER_SEC,
        };

        /* of one that is off, what a start now would be */
        RestartKind kind =
            boot->off ? restart_kind(false, false, guest.ran_at_host_down, guest.stop_usec, NOW_USEC, WINDOW_USEC)
                      : restart_of_guest(&guest, WINDOW_USEC);

        if (kind != boot->kind)
            fail_msg("%s: %s", boot->what, restart_kind_name(kind));
    }
    (void)state;
}

/* A guest that sleeps and wakes, or is paused and goes on, has not booted: what it is stays what it was. */
static void
sleep_and_wake_make_no_restart(void **state)
{
    GuestSnapshot guest = {.life = GUEST_LIFE_RUNNING, .boots = 3, .boot_usec = 5 * USEC_PER_SEC};

    assert_int_equal(restart_of_guest(&guest, WINDOW_USEC), RESTART_NONE);
    guest.life = GUEST_LIFE_SUSPENDED;
    assert_int_equal(restart_of_guest(&guest, WINDOW_USEC), RESTART_NONE);
    guest.life = GUEST_LIFE_RUNNING;
    assert_int_equal(restart_of_guest(&guest, WINDOW_USEC), RESTART_NONE);
    (void)state;
}

static void
stop_that_came_after_the_boot_makes_no_restart(void **state)
{
    assert_int_equal(restart_kind(false, false, false, 20, 10, WINDOW_USEC), RESTART_NONE);
    assert_int_equal(restart_kind(false, false, false, 10, 10, 0), RESTART_SOON);
    assert_int_equal(restart_kind(false, false, false, 10, 11, 0), RESTART_NONE);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_boot_is_told_for_what_it_is),
        cmocka_unit_test(sleep_and_wake_make_no_restart),
        cmocka_unit_test(stop_that_came_after_the_boot_makes_no_restart),
    };

    return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
