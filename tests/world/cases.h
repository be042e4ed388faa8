/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One situation each, and what they are made of. A case returns its world; what is wrong stands in world->broken. */

#include "world.h"

#define SECONDS(n) ((uint64_t)(n)*USEC_PER_SEC)

/* ---- what cases are made of ---- */

/* A managed guest; the rest as most have it. */
Definition case_define(const char *name, uint64_t minimum_mib, uint64_t startup_mib, uint64_t maximum_mib);
/* One that is off, with a driver that works. */
Seat *case_add(World *world, Definition definition);
/* One that has run for long. */
Seat *case_add_running(World *world, Definition definition, uint64_t actual_mib, uint64_t need_mib);
/* Calls take 5 ms and none fails. */
WorldOptions case_options(uint64_t memory_mib, uint64_t reserve_mib);
/* ... and other processes have 100 MiB. */
World *case_world(uint64_t memory_mib, uint64_t reserve_mib);
/* Runs so long; victim (may be NULL) must have what it needs all the time. False when something is broken. */
bool case_run(World *world, uint64_t usec, const Seat *victim);
/* Runs until seat is started; broken where that takes longer. */
bool case_run_until_runs(World *world, const Seat *seat, uint64_t usec);
/* Broken where seat is not booked at low to high. */
void case_booked_within(World *world, const Seat *seat, uint64_t low_mib, uint64_t high_mib, const char *when);

/* ---- the cases ---- */

World *case_target_under_way(void);
World *case_need_is_seen_with_the_report(void);
World *case_saved_by_ctl(void);
World *case_started_paused(void);
World *case_migrates_in(void);
World *case_migration_called_off(void);
World *case_empties_its_balloon(void);
World *case_ctl_is_left(void);
World *case_transient_comes_back(void);
World *case_moved_up(void);
World *case_moved_down(void);
World *case_element_removed(void);
World *case_mode_static(void);
World *case_dimm_not_online(void);
World *case_virtio_mem(void);
World *case_redefined_and_started(void);
World *case_immediate_without_room(void);
World *case_immediate_with_room(void);
World *case_hard_limit(void);
World *case_element_lost(void);
World *case_reverted_from_off(void);
World *case_libvirtd_dies(void);
World *case_numa_node_full(void);
World *case_image_on_tmpfs(void);
World *case_machine_slice(void);
World *case_daemon_is_new(void);
World *case_start_beside_a_boot(void);
World *case_slow_answer_while_growing(void);
World *case_lowered_late(void);
World *case_frail(void);
World *case_four_restart(void);
World *case_starts_needing_more(void);
World *case_reset_while_leaving(void);
World *case_dimm_unplugged(void);
World *case_paused_while_moved(void);
World *case_period_changed(void);
World *case_moved_below_its_minimum(void);
World *case_restored_below_its_minimum(void);
World *case_moved_while_it_is_let_go(void);
World *case_element_removed_without_daemon(void);
World *case_observed_and_let_go(void);
World *case_reserved_as_a_restart(void);
World *case_reset_as_it_is_let_go(void);
World *case_arrives_and_is_reset_unheard(void);
World *case_let_go_without_a_driver(void);
World *case_let_go_while_its_limit_holds_it(void);
World *case_hard_limit_lifted(void);
World *case_arrives_between_daemons(void);
World *case_moved_before_its_driver(void);
World *case_moved_as_it_is_told(void);
World *case_let_go_as_it_was_restored(void);
World *case_immediate_restarts(void);
World *case_reverted_soon(void);
World *case_grows_between_reports(void);
World *case_asked_in_vain(void);
World *case_noise_is_no_growth(void);
World *case_held_back_is_a_tick(void);
World *case_dies_while_it_asks(void);
