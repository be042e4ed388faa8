/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One situation each, with the right value worked out by hand: test_world_cases [NAME]. The checks of truth.c run in all of
 * them. WORLD_BREAK= as in test_world.c.
 */

#include "cases.h"

#include "decide/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    World *(*run)(void);
} cases[] = {
    {"target_under_way", case_target_under_way},
    {"saved_by_ctl", case_saved_by_ctl},
    {"started_paused", case_started_paused},
    {"migrates_in", case_migrates_in},
    {"migration_called_off", case_migration_called_off},
    {"empties_its_balloon", case_empties_its_balloon},
    {"ctl_is_left", case_ctl_is_left},
    {"transient_comes_back", case_transient_comes_back},
    {"moved_up", case_moved_up},
    {"moved_down", case_moved_down},
    {"element_removed", case_element_removed},
    {"mode_static", case_mode_static},
    {"dimm_not_online", case_dimm_not_online},
    {"virtio_mem", case_virtio_mem},
    {"redefined_and_started", case_redefined_and_started},
    {"immediate_without_room", case_immediate_without_room},
    {"immediate_with_room", case_immediate_with_room},
    {"hard_limit", case_hard_limit},
    {"element_lost", case_element_lost},
    {"reverted_from_off", case_reverted_from_off},
    {"libvirtd_dies", case_libvirtd_dies},
    {"numa_node_full", case_numa_node_full},
    {"image_on_tmpfs", case_image_on_tmpfs},
    {"machine_slice", case_machine_slice},
    {"daemon_is_new", case_daemon_is_new},
    {"start_beside_a_boot", case_start_beside_a_boot},
    {"slow_answer_while_growing", case_slow_answer_while_growing},
    {"lowered_late", case_lowered_late},
    {"frail", case_frail},
    {"four_restart", case_four_restart},
    {"starts_needing_more", case_starts_needing_more},
    {"reset_while_leaving", case_reset_while_leaving},
    {"need_is_seen_with_the_report", case_need_is_seen_with_the_report},
    {"dimm_unplugged", case_dimm_unplugged},
    {"paused_while_moved", case_paused_while_moved},
    {"period_changed", case_period_changed},
    {"moved_below_its_minimum", case_moved_below_its_minimum},
    {"restored_below_its_minimum", case_restored_below_its_minimum},
    {"moved_while_it_is_let_go", case_moved_while_it_is_let_go},
    {"element_removed_without_daemon", case_element_removed_without_daemon},
    {"observed_and_let_go", case_observed_and_let_go},
    {"reserved_as_a_restart", case_reserved_as_a_restart},
    {"reset_as_it_is_let_go", case_reset_as_it_is_let_go},
    {"arrives_and_is_reset_unheard", case_arrives_and_is_reset_unheard},
    {"let_go_without_a_driver", case_let_go_without_a_driver},
    {"let_go_while_its_limit_holds_it", case_let_go_while_its_limit_holds_it},
    {"hard_limit_lifted", case_hard_limit_lifted},
    {"arrives_between_daemons", case_arrives_between_daemons},
    {"moved_before_its_driver", case_moved_before_its_driver},
    {"moved_as_it_is_told", case_moved_as_it_is_told},
    {"let_go_as_it_was_restored", case_let_go_as_it_was_restored},
    {"immediate_restarts", case_immediate_restarts},
    {"reverted_soon", case_reverted_soon},
    {"grows_between_reports", case_grows_between_reports},
    {"asked_in_vain", case_asked_in_vain},
    {"noise_is_no_growth", case_noise_is_no_growth},
    {"held_back_is_a_tick", case_held_back_is_a_tick},
    {"dies_while_it_asks", case_dies_while_it_asks},
};

int
main(int argc, char **argv)
{
    const char *fault = g_getenv("WORLD_BREAK");
    unsigned failures = 0;

    if (fault != NULL)
        rules_break((Fault)g_ascii_strtoull(fault, NULL, 10));

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        World *world;

        if (argc > 1 && strcmp(argv[1], cases[i].name) != 0)
            continue;
        world = cases[i].run();
        printf("%-8s%s%s%s\n", world->broken == NULL ? "ok" : "FAILED", cases[i].name,
               world->broken != NULL ? ": " : "", world->broken != NULL ? world->broken : "");
        if (argc > 1)
            trace_print(world);
        failures += world->broken != NULL;
        world_free(world);
    }
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
