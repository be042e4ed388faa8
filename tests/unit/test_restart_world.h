/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A small host of guests with limits and paging files around decide(), for the tests of restarts: what a guest touches is
 * held by its limit and goes to its file, a boot needs startup memory to come to its end, files are made and emptied as they
 * are in the world. Whatever is done to it, what must always hold is checked in every second.
 */

#include "test_decide_world.h"

#include "decide/ledger.h"
#include "decide/paging.h"

#define WORLD_MARGIN_KIB (16 * MIB)
#define BOOT_SECONDS 8
#define CRAWL_SECONDS 200
#define SWAP_RATE_KIB (100 * MIB)

typedef struct FakeQemu {
    bool booting;
    bool wedged; /* hangs in its boot loader */
    bool slow;   /* its boot never ends */
    bool lost;   /* its cgroup is not found */
    unsigned boot_seconds;
    uint64_t overhead;
    uint64_t touched; /* of its own memory, resident or not */
    uint64_t most;    /* that it touches in its boot */
    uint64_t swapped;
    uint64_t high;
    bool set;
    uint64_t pending_high; /* 0: none */
    uint64_t held_back;
    PagingRecord file;
    bool has_file;
    bool make_fails;
    unsigned files; /* that were made */
    uint64_t granted_before;
    unsigned over_seconds;
} FakeQemu;

typedef struct RestartWorld {
    FakeWorld *world;
    FakeQemu qemu[WORLD_GUESTS_MAX];
    const PagingRecord *files[WORLD_GUESTS_MAX];
    char broken[200];
    StartRequest start; /* restart_world_admit */
    const StartRequest *starts[1];
} RestartWorld;

#define BREAKS(rw, ...)                                                                                                \
    do {                                                                                                               \
        if ((rw)->broken[0] == '\0')                                                                                   \
            snprintf((rw)->broken, sizeof(rw)->broken, __VA_ARGS__);                                                   \
    } while (0)

/* count guests of 256 to 2048 MiB with a startup of 512, squeezed to 300 each, on a host that has no more. */
static inline RestartWorld *
restart_world_new(size_t count, uint64_t spare)
{
    RestartWorld *rw = g_new0(RestartWorld, 1);

    rw->world = world_new(0, 128 * MIB);
    for (size_t i = 0; i < count; i++) {
        FakeGuest *fake = world_add(rw->world, 256 * MIB, 2 * GIB, 300 * MIB, 240 * MIB);

        fake->settings.startup_kib = 512 * MIB;
        fake->settings.smart_paging = true;
        rw->qemu[i].overhead = overhead_estimate(&fake->settings);
        rw->qemu[i].touched = 300 * MIB;
        rw->qemu[i].most = 600 * MIB;
        rw->qemu[i].high = LIMIT_NONE;
    }
    rw->world->snapshot.host.figures.total_kib =
        count * (300 * MIB + rw->qemu[0].overhead) + 128 * MIB + WORLD_MARGIN_KIB + spare;
    return rw;
}

static inline void
restart_world_free(RestartWorld *rw)
{
    for (size_t i = 0; i < rw->world->count; i++)
        g_free(rw->qemu[i].file.error);
    world_free(rw->world);
    g_free(rw);
}

static inline uint64_t
qemu_resident(const FakeQemu *qemu)
{
    return qemu->touched - qemu->swapped + qemu->overhead;
}

static inline void
restart_world_observe(RestartWorld *rw)
{
    FakeWorld *world = rw->world;
    uint64_t resident = 0;

    world_observe(world);
    world->snapshot.file_count = 0;
    for (size_t i = 0; i < world->count; i++) {
        GuestSnapshot *guest = &world->guests[i];
        FakeQemu *qemu = &rw->qemu[i];

        guest->paging = qemu->has_file ? &qemu->file : NULL;
        if (qemu->has_file) {
            qemu->file.used_kib = qemu->swapped;
            rw->files[world->snapshot.file_count++] = &qemu->file;
        }
        guest->limits = (GuestLimits){.high_kib = LIMIT_NONE};
        if (guest->life == GUEST_LIFE_OFF)
            continue;
        guest->resident_kib = qemu_resident(qemu);
        resident += guest->resident_kib;
        if (qemu->lost)
            continue;
        guest->limits = (GuestLimits){.usable = true,
                                      .set = qemu->set,
                                      .pending = qemu->pending_high != 0,
                                      .high_kib = MAX(qemu->high, qemu->pending_high),
                                      .charged_kib = guest->resident_kib,
                                      .swapped_kib = qemu->swapped,
                                      .held_back = qemu->held_back};
    }
    world->snapshot.files = rw->files;
    world->snapshot.host.figures.available_kib =
        saturating_sub(world->snapshot.host.figures.total_kib, resident + world->other);
}

static inline void
check_orders(RestartWorld *rw, size_t i)
{
    const FakeWorld *world = rw->world;
    const GuestPlan *plan = &world->plan.guests[i];
    const GuestSnapshot *guest = plan->guest;
    const FakeQemu *qemu = &rw->qemu[i];
    bool down = world->snapshot.host.link == WORLD_LINK_DOWN;
    bool comes_back = plan->paging_order == PAGING_ORDER_END ||
                      (guest->paging != NULL && guest->paging->stage == PAGING_STAGE_EMPTYING);
    bool silent = world->dry || world->snapshot.host.link == WORLD_LINK_READ_ONLY;
    uint64_t room = saturating_sub(plan->committed_kib + plan->overhead_kib, guest->resident_kib);

    if (silent && (plan->tell || plan->limit_tell || plan->paging_order != PAGING_ORDER_NONE))
        BREAKS(rw, "%s: something is done though nothing may be", guest->name);
    /* while libvirt is away files are ended, limits are raised, and lowered for what comes back; who boots gets its first one */
    if (down &&
        (plan->tell || plan->paging_order == PAGING_ORDER_MAKE ||
         (plan->limit_tell && plan->limit_kib < qemu->high && !comes_back && (guest->limits.set || !qemu->booting))))
        BREAKS(rw, "%s: something is done though libvirt is away", guest->name);
    /* what comes back from a file has its place within the limit */
    if (plan->limit_tell && plan->ground != GROUND_LIMIT && plan->ground != GROUND_MAXIMUM &&
        saturating_add(plan->limit_kib, qemu->swapped) < plan->committed_kib + plan->overhead_kib)
        BREAKS(rw, "%s: limited to less than it is booked at", guest->name);
    if (plan->paging_order == PAGING_ORDER_MAKE) {
        if (!qemu->booting || plan->restart == RESTART_NONE || qemu->has_file || guest->life != GUEST_LIFE_RUNNING)
            BREAKS(rw, "%s: a file is made for who is not restarting", guest->name);
        if (plan->shortfall_kib == 0 || plan->paging_size_kib < plan->shortfall_kib)
            BREAKS(rw, "%s: a file of the wrong size", guest->name);
        if (!world->settings->paging_enabled || world->snapshot.paging_bar != NULL)
            BREAKS(rw, "%s: a file is made though there can be none", guest->name);
    }
    if (plan->paging_order == PAGING_ORDER_END) {
        if (qemu->swapped > room)
            BREAKS(rw, "%s: a file is ended and what is in it is not booked", guest->name);
        if (down && qemu->booting && !guest->limits.pending &&
            (plan->limit_tell ? plan->limit_kib : qemu->high) + qemu->swapped >
                plan->committed_kib + plan->overhead_kib + 32 * MIB)
            BREAKS(rw, "%s: a file is ended and its limit leaves no room for what is in it", guest->name);
        if (qemu->swapped > world->snapshot.host.figures.available_kib)
            BREAKS(rw, "%s: a file is ended and the host has not that much", guest->name);
    }
    if (paging_file(guest) != NULL && guest->life != GUEST_LIFE_OFF && plan->paging_phase == PAGING_PHASE_NONE)
        BREAKS(rw, "%s: it has a file and is in no phase", guest->name);
    /* of an adopted guest it is what an earlier daemon's limit lets it have; and what it has taken before it could be limited
       it has */
    if (plan->granted_kib > MAX(qemu->granted_before, saturating_sub(qemu_resident(qemu), plan->overhead_kib)) &&
        qemu->granted_before > 0 && world->plan.over_budget && !guest->adopted)
        BREAKS(rw, "%s: it is granted more than there is", guest->name);
}

static inline void
check_files(RestartWorld *rw)
{
    const FakeWorld *world = rw->world;

    for (size_t f = 0, i = 0; f < world->snapshot.file_count; f++) {
        while (strcmp(world->guests[i].uuid, rw->files[f]->uuid) != 0)
            i++;
        if (world->plan.end_files[f] && world->guests[i].life != GUEST_LIFE_OFF)
            BREAKS(rw, "%s: its file is taken away while it runs", world->guests[i].name);
        if (!world->plan.end_files[f] && world->guests[i].life == GUEST_LIFE_OFF && !world->dry &&
            world->snapshot.host.link == WORLD_LINK_READ_WRITE && rw->files[f]->stage == PAGING_STAGE_ON)
            BREAKS(rw, "%s: it is off and its file stays", world->guests[i].name);
    }
}

/* Files go on elsewhere. */
static inline void
move_file(RestartWorld *rw, size_t i, bool end)
{
    FakeQemu *qemu = &rw->qemu[i];
    const GuestPlan *plan = &rw->world->plan.guests[i];
    uint64_t back;

    if (qemu->has_file && (qemu->file.stage == PAGING_STAGE_GONE || qemu->file.stage == PAGING_STAGE_FAILED)) {
        g_clear_pointer(&qemu->file.error, g_free);
        qemu->has_file = false;
    } else if (qemu->has_file && qemu->file.stage == PAGING_STAGE_MAKING) {
        qemu->file.stage = qemu->make_fails ? PAGING_STAGE_FAILED : PAGING_STAGE_ON;
        qemu->file.error = qemu->make_fails ? g_strdup("no space") : NULL;
    } else if (qemu->has_file && qemu->file.stage == PAGING_STAGE_EMPTYING) {
        back = MIN(qemu->swapped, SWAP_RATE_KIB);
        if (qemu->high != LIMIT_NONE)
            back = MIN(back, saturating_sub(qemu->high, qemu_resident(qemu)));
        qemu->swapped -= back;
        if (qemu->swapped == 0)
            qemu->file.stage = PAGING_STAGE_GONE;
    }
    if (plan->paging_order == PAGING_ORDER_MAKE && !qemu->has_file) {
        qemu->has_file = true;
        qemu->files++;
        qemu->file = (PagingRecord){.stage = PAGING_STAGE_MAKING,
                                    .size_kib = plan->paging_size_kib,
                                    .since_usec = rw->world->snapshot.now_usec};
        g_strlcpy(qemu->file.uuid, rw->world->guests[i].uuid, sizeof qemu->file.uuid);
    } else if ((plan->paging_order == PAGING_ORDER_END || end) && qemu->has_file &&
               qemu->file.stage <= PAGING_STAGE_ON) {
        qemu->file.stage = PAGING_STAGE_EMPTYING;
    }
}

/* Its memory: what it touches, as far as its limit and its file let it. */
static inline void
move_memory(RestartWorld *rw, size_t i)
{
    FakeQemu *qemu = &rw->qemu[i];
    FakeGuest *fake = &rw->world->fake[i];
    uint64_t limit = qemu->high == LIMIT_NONE ? UINT64_MAX : saturating_sub(qemu->high, qemu->overhead);
    uint64_t file = qemu->has_file && qemu->file.stage == PAGING_STAGE_ON ? qemu->file.size_kib : qemu->swapped;
    uint64_t wish = qemu->touched;

    if (rw->world->guests[i].life != GUEST_LIFE_RUNNING)
        return;
    if (!qemu->booting) {
        uint64_t gone = saturating_sub(qemu->touched, fake->actual);

        qemu->swapped -= MIN(qemu->swapped, gone);
        qemu->touched -= gone;
        wish = MAX(qemu->touched, MIN(fake->need, fake->actual));
    } else if (!qemu->wedged) {
        wish = MAX(qemu->touched, MIN(qemu->touched + qemu->most / BOOT_SECONDS, qemu->most));
    }
    if (wish - qemu->swapped > limit) {
        uint64_t out = MIN(MIN(wish - qemu->swapped - limit, saturating_sub(file, qemu->swapped)), SWAP_RATE_KIB);

        qemu->held_back++;
        qemu->swapped += out;
        wish = MAX(qemu->touched, MIN(wish, qemu->swapped + limit));
    }
    qemu->touched = wish;
}

static inline void
restart_world_driver_up(RestartWorld *rw, size_t i)
{
    rw->qemu[i].booting = false;
    world_driver_up(rw->world, i);
    rw->world->fake[i].inflate = 400 * MIB;
    rw->world->fake[i].deflate = 800 * MIB;
}

static inline void
move_boot(RestartWorld *rw, size_t i)
{
    FakeQemu *qemu = &rw->qemu[i];

    if (!qemu->booting || rw->world->guests[i].life != GUEST_LIFE_RUNNING)
        return;
    qemu->boot_seconds++;
    if (qemu->wedged || qemu->slow)
        return;
    if ((qemu->boot_seconds >= BOOT_SECONDS && qemu->touched >= 512 * MIB) || qemu->boot_seconds >= CRAWL_SECONDS)
        restart_world_driver_up(rw, i);
}

static inline void
restart_world_tick(RestartWorld *rw)
{
    FakeWorld *world = rw->world;

    world->snapshot.now_usec += SEC;
    restart_world_observe(rw);
    decide(world->state, &world->snapshot, world->settings, world->dry, &world->plan);
    for (size_t i = 0; i < world->count; i++)
        check_orders(rw, i);
    check_files(rw);
    for (size_t i = 0; i < world->count; i++) {
        const GuestPlan *plan = &world->plan.guests[i];
        FakeQemu *qemu = &rw->qemu[i];
        bool end = false;

        qemu->granted_before = plan->granted_kib;
        if (plan->tell) {
            world->guests[i].target_known = true;
            world->guests[i].target_kib = plan->target_kib;
        }
        for (size_t f = 0; f < world->snapshot.file_count; f++)
            end |= rw->files[f] == &qemu->file && world->plan.end_files[f];
        if (plan->limit_tell) {
            qemu->high = plan->limit_kib;
            qemu->set = plan->limit_kib != LIMIT_NONE;
        }
        move_file(rw, i, end);
        if (world->guests[i].life == GUEST_LIFE_OFF && qemu->has_file && qemu->file.stage == PAGING_STAGE_EMPTYING)
            qemu->swapped = 0;
    }
    world_move(world);
    for (size_t i = 0; i < world->count; i++) {
        move_memory(rw, i);
        move_boot(rw, i);
    }
}

static inline void
restart_world_run(RestartWorld *rw, unsigned seconds)
{
    for (unsigned i = 0; i < seconds && rw->broken[0] == '\0'; i++)
        restart_world_tick(rw);
}

static inline void
restart_world_reset(RestartWorld *rw, size_t i)
{
    world_reset(rw->world, i);
    rw->qemu[i].booting = true;
    rw->qemu[i].boot_seconds = 0;
    rw->world->fake[i].inflate = rw->world->fake[i].deflate = 0;
}

static inline void
restart_world_stop(RestartWorld *rw, size_t i)
{
    GuestSnapshot *guest = &rw->world->guests[i];
    FakeQemu *qemu = &rw->qemu[i];

    guest->life = GUEST_LIFE_OFF;
    guest->stop_usec = rw->world->snapshot.now_usec;
    guest->has_actual = guest->has_usable = guest->fresh = guest->driver_up = guest->target_known = false;
    guest->boot_in_place = false;
    qemu->booting = qemu->wedged = false;
    qemu->touched = qemu->swapped = 0;
    qemu->high = LIMIT_NONE;
    qemu->set = false;
}

static inline void
restart_world_start(RestartWorld *rw, size_t i)
{
    GuestSnapshot *guest = &rw->world->guests[i];

    restart_world_reset(rw, i);
    guest->boot_in_place = false;
    guest->adopted = false;
    guest->life = GUEST_LIFE_RUNNING;
    guest->has_actual = true;
    rw->world->fake[i].actual = rw->world->fake[i].settings.maximum_kib;
    guest->target_known = false;
}

/* Another daemon takes over. */
static inline void
restart_world_new_daemon(RestartWorld *rw)
{
    decide_state_free(rw->world->state);
    rw->world->state = decide_state_new();
    for (size_t i = 0; i < rw->world->count; i++) {
        GuestSnapshot *guest = &rw->world->guests[i];

        rw->qemu[i].file.found = true;
        rw->qemu[i].granted_before = 0;
        if (guest->life == GUEST_LIFE_OFF)
            continue;
        guest->boots = 0;
        guest->adopted = true;
        guest->boot_in_place = false;
        guest->boot_usec = rw->world->snapshot.now_usec;
        guest->driver_up = !rw->qemu[i].booting;
    }
}

/* Guest 0, which needs 512 MiB, is to start, soon after it stopped, and was let in with booked_kib by the daemon that is there or the one
   before. */
static inline void
restart_world_admit(RestartWorld *rw, uint64_t booked_kib)
{
    rw->start = (StartRequest){.name = (char *)"g0",
                               .settings = rw->world->fake[0].settings,
                               .restart = RESTART_SOON,
                               .need_kib = 512 * MIB,
                               .booked_kib = booked_kib};
    g_strlcpy(rw->start.uuid, rw->world->fake[0].uuid, sizeof rw->start.uuid);
    rw->starts[0] = &rw->start;
    rw->world->snapshot.starts = rw->starts;
    rw->world->snapshot.start_count = 1;
    restart_world_tick(rw);
}
