/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What deciding costs: processor time and allocations of one tick for 10 to 100,000 guests that are in a shortage and whose
 * loads move every tick, under limits, every eighth of them restarting; without starts and while some wait for memory.
 * Prints a table. With --check it fails where a bar is missed: 1 ms for 1,000 guests,
 * 10 ms for 10,000, and not one allocation after the first ticks. With a number it runs that many guests for
 * ten ticks, and nothing else, for a count of instructions (tests/bench/decide-instructions).
 */

#include "decide/decide.h"
#include "heap.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One guest in so many is reset every so many ticks, and its driver does not come back. */
#define RESTARTING 8
#define RESTART_TICKS 40
#define STARTS 16

typedef struct Fleet {
    Snapshot snapshot;
    GuestSettings *settings;
    char (*uuids)[37];
    StartRequest starts[STARTS];
    const StartRequest *start_list[STARTS];
    uint64_t seed;
    unsigned ticks;
} Fleet;

static uint64_t
next_random(Fleet *fleet)
{
    fleet->seed ^= fleet->seed << 13;
    fleet->seed ^= fleet->seed >> 7;
    fleet->seed ^= fleet->seed << 17;
    return fleet->seed;
}

static void
fleet_init(Fleet *fleet, size_t count)
{
    *fleet = (Fleet){.seed = 88172645463325252};
    fleet->snapshot.guests = g_new0(GuestSnapshot, count);
    fleet->snapshot.guest_count = count;
    fleet->snapshot.now_usec = 1000 * USEC_PER_SEC;
    fleet->settings = g_new0(GuestSettings, count);
    fleet->uuids = g_malloc0_n(count, sizeof *fleet->uuids);
    for (size_t i = 0; i < count; i++) {
        snprintf(fleet->uuids[i], sizeof *fleet->uuids, "00000000-0000-0000-0000-%012u", (unsigned)i);
        fleet->settings[i] = (GuestSettings){.managed = true,
                                             .minimum_kib = 512 * KIB_PER_MIB,
                                             .startup_kib = KIB_PER_GIB,
                                             .maximum_kib = 8 * KIB_PER_GIB,
                                             .buffer_percent = 20,
                                             .priority = (uint32_t)(next_random(fleet) % 101),
                                             .vcpus = 2};
        fleet->snapshot.guests[i] = (GuestSnapshot){.uuid = fleet->uuids[i],
                                                    .name = fleet->uuids[i],
                                                    .settings = &fleet->settings[i],
                                                    .life = GUEST_LIFE_RUNNING,
                                                    .answering = true,
                                                    .boots = 1,
                                                    .driver_up = true,
                                                    .fresh = true,
                                                    .period_usec = USEC_PER_SEC,
                                                    .has_actual = true,
                                                    .limits = {.usable = true, .high_kib = LIMIT_NONE},
                                                    .actual_kib = 2 * KIB_PER_GIB,
                                                    .target_known = true,
                                                    .target_kib = 2 * KIB_PER_GIB};
    }
    fleet->snapshot.host = (HostSnapshot){
        .figures = {.total_kib = count * 5 * KIB_PER_GIB / 2}, .figures_valid = true, .link = WORLD_LINK_READ_WRITE};
}

/* They wait for as long as it is measured: there is a deadline far away, and more is asked for than can be had soon. */
static void
fleet_ask_starts(Fleet *fleet, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        StartRequest *start = &fleet->starts[i];

        *start = (StartRequest){.name = (char *)"start",
                                .settings = fleet->settings[0],
                                .need_kib = (2 + fleet->snapshot.guest_count / 8) * KIB_PER_GIB,
                                .forced = i % 2 == 0,
                                .restart = i % 4 == 1 ? RESTART_SOON : RESTART_NONE,
                                .asked_usec = fleet->snapshot.now_usec,
                                .deadline_usec = UINT64_MAX / 2,
                                .waiting = true};
        start->settings.priority = (uint32_t)(next_random(fleet) % 101);
        snprintf(start->uuid, sizeof start->uuid, "ffffffff-0000-0000-0000-%012u", (unsigned)i);
        fleet->start_list[i] = start;
    }
    fleet->snapshot.starts = fleet->start_list;
    fleet->snapshot.start_count = count;
}

static void
fleet_clear(Fleet *fleet)
{
    g_free(fleet->snapshot.guests);
    g_free(fleet->settings);
    g_free(fleet->uuids);
}

/* Balloons have followed, loads have moved. */
static void
fleet_move(Fleet *fleet, const Plan *plan)
{
    uint64_t resident = 0;

    fleet->snapshot.now_usec += USEC_PER_SEC;
    fleet->ticks++;
    for (size_t i = 0; i < fleet->snapshot.guest_count; i++) {
        GuestSnapshot *guest = &fleet->snapshot.guests[i];
        uint64_t need = KIB_PER_GIB + next_random(fleet) % (3 * KIB_PER_GIB);

        if (plan->guests != NULL && plan->guests[i].tell)
            guest->target_kib = plan->guests[i].target_kib;
        if (plan->guests != NULL && plan->guests[i].limit_tell)
            guest->limits.high_kib = plan->guests[i].limit_kib;
        guest->limits.set = guest->limits.high_kib != LIMIT_NONE;
        if (i % RESTARTING == RESTARTING - 1 && fleet->ticks % RESTART_TICKS == 1) {
            guest->boots++;
            guest->boot_usec = fleet->snapshot.now_usec;
            guest->boot_in_place = true;
            guest->driver_up = guest->fresh = false;
        }
        guest->actual_kib = guest->report_actual_kib = guest->target_kib;
        guest->has_usable = true;
        guest->usable_kib = guest->actual_kib - MIN(need, guest->actual_kib);
        guest->report_serial++;
        guest->report_span_usec = USEC_PER_SEC;
        guest->resident_kib = guest->limits.charged_kib = guest->actual_kib;
        resident += guest->resident_kib;
    }
    fleet->snapshot.host.figures.available_kib = saturating_sub(fleet->snapshot.host.figures.total_kib, resident);
}

static double
spent_msec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

typedef struct Cost {
    double mean_msec;
    double worst_msec;
    size_t grown_bytes; /* after the first ticks */
} Cost;

static Cost
measure(size_t count, size_t starts, unsigned ticks)
{
    g_autoptr(DecideState) state = decide_state_new();
    g_autoptr(Settings) settings = settings_new();
    Plan plan = {.guests = NULL};
    Cost cost = {.mean_msec = 0};
    Fleet fleet;
    size_t before = 0;

    fleet_init(&fleet, count);
    fleet_ask_starts(&fleet, starts);
    settings->reserve_kib = 0;
    for (unsigned tick = 0; tick < ticks + 3; tick++) {
        double start;
        double spent;

        fleet_move(&fleet, &plan);
        if (tick == 3)
            before = heap_bytes();
        start = spent_msec();
        decide(state, &fleet.snapshot, settings, false, &plan);
        spent = spent_msec() - start;
        if (tick < 3)
            continue;
        cost.mean_msec += spent / ticks;
        cost.worst_msec = MAX(cost.worst_msec, spent);
    }
    cost.grown_bytes = heap_bytes() - before;
    plan_clear(&plan);
    fleet_clear(&fleet);
    return cost;
}

int
main(int argc, char **argv)
{
    static const size_t counts[] = {10, 100, 1000, 10000, 100000};
    bool check = argc > 1 && strcmp(argv[1], "--check") == 0;
    bool missed = false;

    if (argc > 1 && !check) {
        measure((size_t)strtoull(argv[1], NULL, 10), 0, 10);
        return 0;
    }
    printf("%8s %8s %12s %12s %14s %14s\n", "guests", "starts", "mean ms", "worst ms", "ns per guest", "bytes grown");
    for (size_t line = 0; line < 2 * G_N_ELEMENTS(counts); line++) {
        size_t i = line / 2;
        size_t starts = line % 2 * STARTS;
        unsigned ticks = counts[i] <= 1000 ? 200 : counts[i] <= 10000 ? 50 : 10;
        Cost cost;

        if (check && counts[i] > 10000)
            break;
        cost = measure(counts[i], starts, ticks);
        printf("%8zu %8zu %12.4f %12.4f %14.0f %14zu\n", counts[i], starts, cost.mean_msec, cost.worst_msec,
               cost.mean_msec * 1e6 / (double)counts[i], cost.grown_bytes);
        missed = missed || cost.grown_bytes != 0 || (counts[i] == 1000 && cost.mean_msec > 1.0) ||
                 (counts[i] == 10000 && cost.mean_msec > 10.0);
    }
    return check && missed ? 1 : 0;
}
