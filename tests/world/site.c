/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "site.h"

#include <stdio.h>
#include <string.h>

#define RESOURCE "vm-"
/* What a cluster reckons that a QEMU costs. */
#define QEMU_KIB FROM_MIB(200)
/* A host that fell is fenced before anything of it is started elsewhere. */
#define FENCE_USEC SECONDS(60)
/* So long a guest is not started where its start has failed (failure-timeout). */
#define BAN_USEC SECONDS(600)
/* Nobody waits for the end of a migration by the clock here. */
#define NEVER_USEC (1000 * 3600 * USEC_PER_SEC)

void
site_break(Site *site, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    if (site->broken != NULL)
        return;
    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    site->broken =
        g_strdup_printf("second %.0f: %s", (double)(site->now_usec - WORLD_FIRST_USEC) / (double)USEC_PER_SEC, text);
}

static unsigned
number_of(const Node *node)
{
    return (unsigned)(node - node->site->nodes);
}

static unsigned
guest_called(const Site *site, const char *resource)
{
    gpointer number;

    g_assert(g_hash_table_lookup_extended(site->numbers, resource, NULL, &number));
    return GPOINTER_TO_UINT(number);
}

/* NULL: it has none there. */
static Seat *
find_seat(const Node *node, unsigned guest)
{
    return node->world != NULL && node->seats[guest] != 0 ? &node->world->seats[node->seats[guest] - 1] : NULL;
}

static Seat *
seat_of(Node *node, unsigned guest)
{
    Seat *seat = find_seat(node, guest);

    if (seat != NULL)
        return seat;
    seat = case_add(node->world, node->site->guests[guest].definition);
    g_strlcpy(seat->uuid, node->site->guests[guest].uuid, sizeof seat->uuid);
    seat->defined = false;
    seat->transient = true; /* a cluster starts its guests from a file */
    seat->need_changes_usec = UINT64_MAX;
    node->seats[guest] = node->world->count;
    return seat;
}

Seat *
site_seat(Site *site, unsigned node, unsigned guest)
{
    return seat_of(&site->nodes[node], guest);
}

unsigned
site_where(const Site *site, unsigned guest)
{
    return site->guests[guest].where;
}

ClusterPhase
site_phase(const Site *site, unsigned node)
{
    return site->nodes[node].figures.phase;
}

unsigned
site_pressure(const Site *site, unsigned node)
{
    return cluster_pressure(site->nodes[node].figures.want_kib, site->nodes[node].figures.budget_kib);
}

StartProgress
site_booking(const Site *site, unsigned node, unsigned guest)
{
    const World *world = site->nodes[node].world;

    return world != NULL && world->engine != NULL ? engine_start_progress(world->engine, site->guests[guest].uuid)
                                                  : START_PROGRESS_NONE;
}

/* ---- daemons ---- */

static uint64_t
clock_of(void *self)
{
    return ((World *)self)->now_usec;
}

static void
told(void *user_data, ClusterNews news, const ClusterMotion *motion, const char *detail)
{
    Node *node = user_data;

    node->news[news]++;
    trace(node->world, NULL, "news %d of %s: %.100s", (int)news, motion->guest, detail);
    if (news != CLUSTER_NEWS_WITHDRAWN)
        return;
    g_free(node->reason);
    node->reason = g_strdup(detail);
}

static void
configure(const Node *node)
{
    Settings *settings = settings_copy(engine_settings(node->world->engine));

    settings->cluster_level = node->site->level;
    settings->cluster_cooldown_usec = node->site->cooldown_usec;
    engine_set_settings(node->world->engine, settings);
}

void
site_start_daemon(Site *site, unsigned node)
{
    Node *there = &site->nodes[node];

    if (there->member != NULL || there->world == NULL)
        return;
    daemon_start(there->world);
    configure(there);
    there->member = member_new(&(MemberOptions){.clock = {.self = there->world, .now_usec = clock_of},
                                                .keep = there->world->keep,
                                                .tell = told,
                                                .user_data = there});
    member_attach(there->member, there->world->engine);
}

void
site_kill_daemon(Site *site, unsigned node)
{
    if (site->nodes[node].world != NULL)
        daemon_kill(site->nodes[node].world);
    g_clear_pointer(&site->nodes[node].member, member_free);
}

void
site_set_level(Site *site, ClusterLevel level)
{
    site->level = level;
    for (unsigned i = 0; i < site->count; i++)
        if (site->nodes[i].member != NULL)
            configure(&site->nodes[i]);
}

/* ---- agents ---- */

static void
publish(Node *node, char *line)
{
    g_free(node->line);
    node->line = line;
    if (line == NULL || !cluster_figures_parse(line, &node->figures, NULL))
        node->figures = (ClusterFigures){.phase = CLUSTER_PHASE_IDLE};
    if (node->figures.phase >= CLUSTER_PHASE_BOOKS)
        node->booked = guest_called(node->site, node->figures.guest.resource);
}

/* As far as is known here the guest is on its way to the node. */
static bool
is_sent_to(const Node *node)
{
    for (unsigned i = 0; i < node->site->count; i++) {
        const ClusterFigures *figures = &node->site->nodes[i].figures;

        if (figures->phase == CLUSTER_PHASE_LEAVES && strcmp(figures->partner, node->name) == 0)
            return true;
    }
    return false;
}

static void
check_answer(Node *node, const ClusterAnswer *answer)
{
    Site *site = node->site;
    const Trip *trip = &site->trip;
    unsigned guest = answer->wish[0] != '\0' ? guest_called(site, answer->wish) : SITE_NOBODY;

    if (answer->room >= CLUSTER_STICKINESS)
        site_break(site, "%s has room %u, which moves guests", node->name, answer->room);
    if (trip->active && !trip->orphaned && trip->to == node && guest != trip->guest)
        site_break(site, "%s takes its wish back while the guest is on its way", node->name);
    if (guest == SITE_NOBODY)
        return;
    if (seat_of(node, guest)->machine == NULL && !is_sent_to(node) &&
        site_booking(site, number_of(node), guest) < START_PROGRESS_HELD)
        site_break(site, "%s wishes for %s, for which nothing is booked", node->name, answer->wish);
    for (unsigned i = 0; i < site->count; i++)
        if (&site->nodes[i] != node && site->nodes[i].wish[0] != '\0')
            site_break(site, "%s and %s wish for guests at once", node->name, site->nodes[i].name);
}

/* As the agent's failed monitor does: nothing of a daemon that is gone stays, but what a guest on its way needs. */
static void
clean_up(Node *node)
{
    if (node->site->trip.active && node->site->trip.to == node)
        return;
    publish(node, NULL);
    node->wish[0] = '\0';
}

static void
tell(const Site *site, SiteDeed deed, unsigned guest, unsigned from, unsigned to)
{
    if (site->tell != NULL)
        site->tell(site->tell_data, deed, guest, from, to);
}

static void
note_offer(Node *node, const ClusterFigures *before)
{
    const Site *site = node->site;
    const ClusterFigures *figures = &node->figures;
    unsigned to;

    if (figures->phase != CLUSTER_PHASE_OFFERS || before->phase == CLUSTER_PHASE_LEAVES ||
        (before->phase == CLUSTER_PHASE_OFFERS && strcmp(before->guest.uuid, figures->guest.uuid) == 0))
        return;
    for (to = 0; to < site->count && strcmp(site->nodes[to].name, figures->partner) != 0;)
        to++;
    tell(site, SITE_OFFERED, guest_called(site, figures->guest.resource), number_of(node), to);
}

static void
exchange(Node *node)
{
    Site *site = node->site;
    ClusterPair lines[SITE_NODES_MAX];
    ClusterExchange asked = {
        .node = node->name, .lines = lines, .resources = site->resources, .resource_count = site->guest_count};
    ClusterAnswer answer = {.line = NULL};
    ClusterFigures before = node->figures;
    ClusterPort port;

    if (node->member == NULL) {
        clean_up(node);
        return;
    }
    for (unsigned i = 0; i < site->count; i++) {
        const Node *other = &site->nodes[i];

        if (other->line == NULL)
            continue;
        lines[asked.line_count++] = (ClusterPair){other->name, other->line};
        /* who is booked for has a seat */
        if (other->figures.phase == CLUSTER_PHASE_OFFERS && strcmp(other->figures.partner, node->name) == 0)
            seat_of(node, guest_called(site, other->figures.guest.resource));
    }
    port = member_port(node->member);
    if (!port.exchange(port.self, &asked, &answer, NULL))
        return; /* it has just been started */
    check_answer(node, &answer);
    publish(node, answer.line);
    node->room = answer.room;
    g_strlcpy(node->wish, answer.wish, sizeof node->wish);
    note_offer(node, &before);
}

/* ---- the cluster: moves ---- */

static void
begin_trip(Site *site, Node *to, unsigned guest, Node *from)
{
    Seat *source = seat_of(from, guest), *target = seat_of(to, guest);

    if (site->trip.active) {
        site_break(site, "two guests move at once");
        return;
    }
    if (target->machine != NULL || target->start.stage != STARTING_NOT || source->machine->paused)
        return;
    site->trip = (Trip){.active = true, .guest = guest, .from = from, .to = to};
    machine_keep(source, &target->abroad);
    virsh_migrate(from->world, source, NEVER_USEC, false);
    virsh_start(to->world, target, START_HOW_ARRIVES, false, false);
}

static void
follow_wishes(Site *site)
{
    for (unsigned i = 0; i < site->count && site->obeys; i++) {
        Node *node = &site->nodes[i];
        unsigned guest = node->wish[0] != '\0' ? guest_called(site, node->wish) : 0;
        unsigned where = site_where(site, guest);
        bool on_its_way = site->trip.active && site->trip.guest == guest;

        if (node->wish[0] != '\0' && where != SITE_NOWHERE && where != i && !on_its_way &&
            site->now_usec >= site->guests[guest].blocked_usec)
            begin_trip(site, node, guest, &site->nodes[where]);
    }
}

static void
end_trip(Site *site, bool came)
{
    Trip *trip = &site->trip;
    SiteGuest *guest = &site->guests[trip->guest];

    trip->active = false;
    site->moves += came;
    site->failed += !came;
    if (!came) {
        guest->blocked_usec = saturating_add(site->now_usec, site->blocked_usec);
        return;
    }
    guest->where = number_of(trip->to);
    guest->moves++;
    tell(site, SITE_MOVED, trip->guest, number_of(trip->from), guest->where);
}

static void
go_on_with_trip(Site *site)
{
    Trip *trip = &site->trip;
    Seat *target = seat_of(trip->to, trip->guest);
    const Machine *there = target->machine;

    if (there != NULL && there->arriving && (site->breaks || trip->orphaned)) {
        virsh_migrate(trip->to->world, target, 0, true);
        return;
    }
    if (there != NULL && there->arriving) {
        machine_keep(seat_of(trip->from, trip->guest), &target->abroad);
        return;
    }
    if (there == NULL && target->start.stage != STARTING_NOT)
        return;
    if (!trip->orphaned)
        virsh_migrated(trip->from->world, seat_of(trip->from, trip->guest), there == NULL);
    end_trip(site, there != NULL);
}

/* ---- the cluster: starts of guests whose host fell ---- */

/* What it has for guests, and what those are counted with, by utilization in MiB: no moving figure. */
static uint64_t
capacity_left(const Site *site, const Node *node)
{
    uint64_t budget = node->line != NULL ? node->figures.budget_kib : FROM_MIB(node->memory_mib);
    uint64_t used = 0;

    for (unsigned i = 0; i < site->guest_count; i++)
        if (site->guests[i].where == number_of(node) || site->guests[i].starting == number_of(node))
            used += cluster_guest_utilization(site->guests[i].definition.minimum_kib, QEMU_KIB);
    return saturating_sub(cluster_host_capacity(budget, used), used);
}

/* The node with the best score that has the capacity; where scores are the same the one with most of that. */
static unsigned
place(const Site *site, const SiteGuest *guest)
{
    uint64_t needs = cluster_guest_utilization(guest->definition.minimum_kib, QEMU_KIB), most = 0;
    unsigned best = SITE_NOWHERE;

    for (unsigned i = 0; i < site->count; i++) {
        const Node *node = &site->nodes[i];
        uint64_t left;

        if (node->world == NULL || site->now_usec < guest->banned_usec[i])
            continue;
        left = capacity_left(site, node);
        if (left < needs || (best != SITE_NOWHERE && node->room < site->nodes[best].room) ||
            (best != SITE_NOWHERE && node->room == site->nodes[best].room && left <= most))
            continue;
        best = i;
        most = left;
    }
    return best;
}

static void
begin_start(Site *site, unsigned number)
{
    SiteGuest *guest = &site->guests[number];
    Seat *seat;

    guest->starting = place(site, guest);
    if (guest->starting == SITE_NOWHERE)
        return;
    seat = site_seat(site, guest->starting, number);
    seat->defined = true;
    virsh_start(seat->world, seat, START_HOW_COLD, false, false);
}

static void
look_at_start(Site *site, unsigned number)
{
    SiteGuest *guest = &site->guests[number];
    const Seat *seat = site_seat(site, guest->starting, number);

    if (seat->start.stage != STARTING_NOT)
        return;
    if (seat->machine != NULL) {
        guest->where = guest->starting;
        seat->machine->need_kib = guest->needs_kib;
        site->restarts++;
        tell(site, SITE_STARTED, number, SITE_NOWHERE, guest->where);
    } else {
        guest->banned_usec[guest->starting] = site->now_usec + BAN_USEC;
        site->refused++;
    }
    guest->starting = SITE_NOWHERE;
}

static void
start_lost(Site *site)
{
    for (unsigned i = 0; i < site->guest_count; i++) {
        const SiteGuest *guest = &site->guests[i];
        bool on_its_way = site->trip.active && site->trip.guest == i;

        if (guest->where != SITE_NOWHERE)
            continue;
        if (guest->starting != SITE_NOWHERE)
            look_at_start(site, i);
        else if (!on_its_way && site->now_usec - guest->lost_usec >= FENCE_USEC)
            begin_start(site, i);
    }
}

void
site_fell(Site *site, unsigned node)
{
    Node *there = &site->nodes[node];
    Trip *trip = &site->trip;

    if (there->world == NULL)
        return;
    if (trip->active && trip->to == there) {
        if (!trip->orphaned)
            virsh_migrated(trip->from->world, seat_of(trip->from, trip->guest), true);
        end_trip(site, false);
    } else if (trip->active && trip->from == there) {
        trip->orphaned = true;
    }
    for (unsigned i = 0; i < site->guest_count; i++) {
        SiteGuest *guest = &site->guests[i];

        if (guest->where == node || guest->starting == node)
            guest->lost_usec = site->now_usec;
        guest->where = guest->where == node ? SITE_NOWHERE : guest->where;
        guest->starting = guest->starting == node ? SITE_NOWHERE : guest->starting;
    }
    site_kill_daemon(site, node);
    g_clear_pointer(&there->world, world_free);
    memset(there->seats, 0, sizeof there->seats);
    publish(there, NULL);
    there->wish[0] = '\0';
    there->room = 0;
    there->booked = SITE_NOBODY;
    there->silent = false;
}

/* ---- time ---- */

static void
look_at_guests(Site *site)
{
    for (unsigned i = 0; i < site->guest_count; i++) {
        const SiteGuest *guest = &site->guests[i];
        const Machine *machine;

        if (guest->where == SITE_NOWHERE) {
            site->down_sec++;
            continue;
        }
        machine = seat_of(&site->nodes[guest->where], i)->machine;
        if (machine == NULL)
            site_break(site, "%s runs nowhere", guest->resource);
        else
            site->unmet_gib_sec +=
                (double)saturating_sub(guest->needs_kib, machine_actual(machine)) / (double)KIB_PER_GIB;
    }
}

/* What is booked ahead is not for the guests that run there. */
static void
note_booking(Node *node)
{
    if (node->booked == SITE_NOBODY)
        return;
    if (site_booking(node->site, number_of(node), node->booked) != START_PROGRESS_NONE)
        seat_of(node, node->booked)->reserved_until_usec = node->world->now_usec + SECONDS(1);
    else if (node->figures.phase < CLUSTER_PHASE_BOOKS)
        node->booked = SITE_NOBODY;
}

static void
run_node(Node *node)
{
    if (node->world == NULL)
        return;
    if (!world_run(node->world, WORLD_STEP_USEC))
        site_break(node->site, "on %s: %s", node->name, node->world->broken);
    if (node->member != NULL)
        member_look(node->member);
    note_booking(node);
    if (node->silent || node->world->now_usec < node->next_usec)
        return;
    node->next_usec += CLUSTER_PERIOD_SEC * USEC_PER_SEC;
    exchange(node);
}

bool
site_run(Site *site, uint64_t usec)
{
    for (uint64_t end_usec = site->now_usec + usec; site->now_usec < end_usec;) {
        site->now_usec += WORLD_STEP_USEC;
        for (unsigned i = 0; i < site->count; i++)
            run_node(&site->nodes[i]);
        if (site->trip.active)
            go_on_with_trip(site);
        follow_wishes(site);
        if (site->now_usec % USEC_PER_SEC == 0) {
            start_lost(site);
            look_at_guests(site);
        }
        if (site->broken != NULL)
            return false;
    }
    return true;
}

bool
site_run_until(Site *site, unsigned node, ClusterPhase phase, uint64_t usec)
{
    for (uint64_t passed = 0; passed < usec && site_phase(site, node) != phase; passed += WORLD_STEP_USEC)
        if (!site_run(site, WORLD_STEP_USEC))
            return false;
    return site_phase(site, node) == phase;
}

/* ---- what is there ---- */

static void
boot(Node *node)
{
    WorldOptions options = case_options(node->memory_mib, MAX(node->memory_mib / 16, 512));

    options.seats = SITE_GUESTS_MAX;
    options.coarse = true;
    node->world = world_new(&options);
    node->world->now_usec = node->site->now_usec;
    node->world->other_kib = node->world->other_goal_kib = FROM_MIB(100);
}

Site *
site_new(unsigned count, uint64_t memory_mib)
{
    Site *site = g_new0(Site, 1);

    site->count = count;
    site->now_usec = WORLD_FIRST_USEC;
    site->level = CLUSTER_LEVEL_AUTOMATIC;
    site->cooldown_usec = SECONDS(3600);
    site->blocked_usec = UINT64_MAX;
    site->obeys = true;
    site->numbers = g_hash_table_new(g_str_hash, g_str_equal);
    for (unsigned i = 0; i < count; i++) {
        Node *node = &site->nodes[i];

        node->site = site;
        node->booked = SITE_NOBODY;
        /* a to z, then aa, ab, ... */
        if (i < 26)
            node->name[0] = (char)('a' + i);
        else
            snprintf(node->name, sizeof node->name, "a%c", (char)('a' + i - 26));
        site_size(site, i, memory_mib);
        /* agents do not run in step */
        node->next_usec =
            site->now_usec + SECONDS(CLUSTER_PERIOD_SEC) + 3100 * USEC_PER_MSEC * i % SECONDS(CLUSTER_PERIOD_SEC);
    }
    return site;
}

void
site_size(Site *site, unsigned node, uint64_t memory_mib)
{
    Node *there = &site->nodes[node];

    there->memory_mib = memory_mib;
    world_free(there->world);
    boot(there);
}

void
site_return(Site *site, unsigned node)
{
    Node *there = &site->nodes[node];

    if (there->world != NULL)
        return;
    boot(there);
    there->next_usec = site->now_usec + SECONDS(5);
    site_start_daemon(site, node);
}

void
site_free(Site *site)
{
    if (site == NULL)
        return;
    for (unsigned i = 0; i < site->count; i++) {
        if (site->nodes[i].world != NULL)
            site_kill_daemon(site, i);
        world_free(site->nodes[i].world);
        g_free(site->nodes[i].line);
        g_free(site->nodes[i].reason);
    }
    g_hash_table_unref(site->numbers);
    g_free(site->broken);
    g_free(site);
}

unsigned
site_add_defined(Site *site, unsigned node, Definition definition, uint64_t actual_mib, uint64_t need_mib)
{
    unsigned number = site->guest_count++;
    SiteGuest *guest = &site->guests[number];

    g_assert(number < SITE_GUESTS_MAX);
    *guest =
        (SiteGuest){.definition = definition, .where = node, .starting = SITE_NOWHERE, .needs_kib = FROM_MIB(need_mib)};
    snprintf(guest->uuid, sizeof guest->uuid, "00000000-0000-4000-8000-%012u", number + 1);
    snprintf(guest->resource, sizeof guest->resource, RESOURCE "%s", definition.name);
    g_hash_table_insert(site->numbers, guest->resource, GUINT_TO_POINTER(number));
    site->resources[number] = (ClusterPair){guest->resource, guest->uuid};
    site_seat(site, node, number)->defined = true;
    world_place(site->nodes[node].world, site_seat(site, node, number), FROM_MIB(actual_mib), FROM_MIB(need_mib));
    return number;
}

unsigned
site_add(Site *site, unsigned node, const char *name, uint64_t actual_mib, uint64_t need_mib)
{
    return site_add_defined(site, node, case_define(name, 256, 512, 8192), actual_mib, need_mib);
}

void
site_need(Site *site, unsigned guest, uint64_t need_mib)
{
    unsigned where = site_where(site, guest);

    site->guests[guest].needs_kib = FROM_MIB(need_mib);
    if (where != SITE_NOWHERE)
        site_seat(site, where, guest)->machine->need_kib = FROM_MIB(need_mib);
}

void
site_begin(Site *site)
{
    for (unsigned i = 0; i < site->count; i++)
        site_start_daemon(site, i);
}

const char *
site_find_left(const Site *site)
{
    for (unsigned i = 0; i < site->count; i++) {
        if (site->nodes[i].wish[0] != '\0' || site_phase(site, i) != CLUSTER_PHASE_IDLE)
            return "a motion goes on";
        for (unsigned guest = 0; guest < site->guest_count; guest++)
            if (site_booking(site, i, guest) != START_PROGRESS_NONE)
                return "something is booked";
    }
    return NULL;
}

void
site_print(const Site *site)
{
    for (unsigned i = 0; i < site->count; i++) {
        const Node *node = &site->nodes[i];

        printf("%s publishes %s, room %u, wish '%s'\n", node->name, node->line != NULL ? node->line : "nothing",
               node->room, node->wish);
        if (node->member != NULL) {
            g_auto(ClusterStatus) status = {0};
            ClusterPort port = member_port(node->member);

            cluster_status_init(&status);
            port.status(port.self, &status);
            printf("  it moves nobody: %s\n", status.joined ? status.why_text : "it is in no cluster");
        }
        if (node->world != NULL && (node->world->broken != NULL || site->count <= 4))
            trace_print(node->world);
    }
}
