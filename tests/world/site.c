/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "site.h"

#include <stdio.h>
#include <string.h>

#define RESOURCE "vm-"
/* Nobody waits for the end of a migration by the clock here. */
#define NEVER_USEC (1000 * 3600 * USEC_PER_SEC)

static void site_break(Site *site, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
site_break(Site *site, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    if (site->broken != NULL)
        return;
    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    site->broken = g_strdup_printf("second %.0f: %s", world_second(site->nodes[0].world), text);
}

static Seat *
seat_of(const Node *node, unsigned guest)
{
    return &node->world->seats[guest];
}

static unsigned
guest_called(const Site *site, const char *resource)
{
    for (unsigned i = 0; i < site->guests; i++)
        if (strcmp(resource + strlen(RESOURCE), site->nodes[0].world->seats[i].definition.name) == 0)
            return i;
    return 0;
}

unsigned
site_where(const Site *site, unsigned guest)
{
    for (unsigned i = 0; i < site->count; i++)
        if (seat_of(&site->nodes[i], guest)->machine != NULL && !seat_of(&site->nodes[i], guest)->machine->arriving)
            return i;
    return SITE_NODES_MAX;
}

ClusterPhase
site_phase(const Site *site, unsigned node)
{
    ClusterFigures figures;
    const char *line = site->nodes[node].line;

    return line != NULL && cluster_figures_parse(line, &figures, NULL) ? figures.phase : CLUSTER_PHASE_IDLE;
}

unsigned
site_pressure(const Site *site, unsigned node)
{
    ClusterFigures figures;
    const char *line = site->nodes[node].line;

    return line != NULL && cluster_figures_parse(line, &figures, NULL)
               ? cluster_pressure(figures.want_kib, figures.budget_kib)
               : 0;
}

StartProgress
site_booking(const Site *site, unsigned node, unsigned guest)
{
    const Node *where = &site->nodes[node];

    return where->world->engine != NULL ? engine_start_progress(where->world->engine, seat_of(where, guest)->uuid)
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

    if (there->member != NULL)
        return;
    daemon_start(there->world);
    configure(there);
    there->member = member_new(
        &(MemberOptions){.clock = {.self = there->world, .now_usec = clock_of}, .tell = told, .user_data = there});
    member_attach(there->member, there->world->engine);
}

void
site_kill_daemon(Site *site, unsigned node)
{
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

/* As far as is known here the guest is on its way to the node. */
static bool
is_sent_to(const Node *node)
{
    for (unsigned i = 0; i < node->site->count; i++) {
        ClusterFigures figures;
        const char *line = node->site->nodes[i].line;

        if (line != NULL && cluster_figures_parse(line, &figures, NULL) && figures.phase == CLUSTER_PHASE_LEAVES &&
            strcmp(figures.partner, node->name) == 0)
            return true;
    }
    return false;
}

static void
check_answer(Node *node, const ClusterAnswer *answer)
{
    Site *site = node->site;
    const Trip *trip = &site->trip;
    unsigned guest = answer->wish[0] != '\0' ? guest_called(site, answer->wish) : SITE_NODES_MAX;

    if (answer->room >= CLUSTER_STICKINESS)
        site_break(site, "%s has room %u, which moves guests", node->name, answer->room);
    if (trip->active && trip->to == node && guest != trip->guest)
        site_break(site, "%s takes its wish back while the guest is on its way", node->name);
    if (answer->wish[0] == '\0')
        return;
    if (seat_of(node, guest)->machine == NULL && !is_sent_to(node) &&
        site_booking(site, (unsigned)(node - site->nodes), guest) < START_PROGRESS_HELD)
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
    g_clear_pointer(&node->line, g_free);
    node->wish[0] = '\0';
}

static void
exchange(Node *node)
{
    Site *site = node->site;
    ClusterPair lines[SITE_NODES_MAX], resources[WORLD_SEATS_MAX];
    char names[WORLD_SEATS_MAX][CLUSTER_NAME_SIZE];
    ClusterExchange asked = {.node = node->name, .lines = lines, .resources = resources};
    ClusterAnswer answer = {.line = NULL};
    ClusterPort port;

    if (node->member == NULL) {
        clean_up(node);
        return;
    }
    for (unsigned i = 0; i < site->count; i++)
        if (site->nodes[i].line != NULL)
            lines[asked.line_count++] = (ClusterPair){site->nodes[i].name, site->nodes[i].line};
    for (unsigned i = 0; i < site->guests; i++) {
        snprintf(names[i], sizeof names[i], RESOURCE "%s", seat_of(node, i)->definition.name);
        resources[asked.resource_count++] = (ClusterPair){names[i], seat_of(node, i)->uuid};
    }
    port = member_port(node->member);
    if (!port.exchange(port.self, &asked, &answer, NULL))
        return; /* it has just been started */
    check_answer(node, &answer);
    g_free(node->line);
    node->line = answer.line;
    node->room = answer.room;
    g_strlcpy(node->wish, answer.wish, sizeof node->wish);
}

/* ---- the cluster ---- */

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

        if (node->wish[0] != '\0' && where < site->count && where != i && !on_its_way &&
            (site->blocked & 1U << guest) == 0)
            begin_trip(site, node, guest, &site->nodes[where]);
    }
}

static void
go_on_with_trip(Site *site)
{
    Trip *trip = &site->trip;
    Seat *source = seat_of(trip->from, trip->guest), *target = seat_of(trip->to, trip->guest);
    const Machine *there = target->machine;

    if (there != NULL && there->arriving && site->breaks) {
        virsh_migrate(trip->to->world, target, 0, true);
        return;
    }
    if (there != NULL && there->arriving) {
        machine_keep(source, &target->abroad);
        return;
    }
    if (there == NULL && target->start.stage != STARTING_NOT)
        return;
    virsh_migrated(trip->from->world, source, there == NULL);
    trip->active = false;
    site->moves += there != NULL;
    site->failed += there == NULL;
    site->blocked |= there == NULL ? 1U << trip->guest : 0;
}

static void
look_at_guests(Site *site)
{
    for (unsigned i = 0; i < site->guests; i++) {
        unsigned where = site_where(site, i);
        const Machine *machine;

        if (where == SITE_NODES_MAX) {
            site_break(site, "guest %u runs nowhere", i);
            continue;
        }
        machine = seat_of(&site->nodes[where], i)->machine;
        site->unmet_gib_sec += (double)saturating_sub(machine->need_kib, machine_actual(machine)) /
                               (double)KIB_PER_GIB * WORLD_STEP_USEC / USEC_PER_SEC;
    }
}

/* What is booked ahead is not for the guests that run there. */
static void
note_bookings(Node *node)
{
    for (unsigned i = 0; i < node->site->guests; i++)
        if (site_booking(node->site, (unsigned)(node - node->site->nodes), i) != START_PROGRESS_NONE)
            seat_of(node, i)->reserved_until_usec = node->world->now_usec + SECONDS(1);
}

bool
site_run(Site *site, uint64_t usec)
{
    for (uint64_t end_usec = site->nodes[0].world->now_usec + usec; site->nodes[0].world->now_usec < end_usec;) {
        for (unsigned i = 0; i < site->count; i++) {
            Node *node = &site->nodes[i];

            if (!world_run(node->world, WORLD_STEP_USEC))
                site_break(site, "on %s: %s", node->name, node->world->broken);
            if (node->member != NULL)
                member_look(node->member);
            note_bookings(node);
            if (node->silent || node->world->now_usec < node->next_usec)
                continue;
            node->next_usec += CLUSTER_PERIOD_SEC * USEC_PER_SEC;
            exchange(node);
        }
        if (site->trip.active)
            go_on_with_trip(site);
        follow_wishes(site);
        look_at_guests(site);
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

Site *
site_new(unsigned count, uint64_t memory_mib)
{
    Site *site = g_new0(Site, 1);

    site->count = count;
    site->level = CLUSTER_LEVEL_AUTOMATIC;
    site->cooldown_usec = SECONDS(3600);
    site->obeys = true;
    for (unsigned i = 0; i < count; i++) {
        Node *node = &site->nodes[i];

        node->site = site;
        node->name[0] = (char)('a' + i);
        node->world = case_world(memory_mib, 512);
        /* agents do not run in step */
        node->next_usec = node->world->now_usec + (10 + 3 * i) * USEC_PER_SEC;
    }
    return site;
}

void
site_free(Site *site)
{
    if (site == NULL)
        return;
    for (unsigned i = 0; i < site->count; i++) {
        site_kill_daemon(site, i);
        world_free(site->nodes[i].world);
        g_free(site->nodes[i].line);
        g_free(site->nodes[i].reason);
    }
    g_free(site->broken);
    g_free(site);
}

unsigned
site_add(Site *site, unsigned node, const char *name, uint64_t actual_mib, uint64_t need_mib)
{
    Definition definition = case_define(name, 256, 512, 8192);

    for (unsigned i = 0; i < site->count; i++) {
        if (i == node) {
            case_add_running(site->nodes[i].world, definition, actual_mib, need_mib);
        } else {
            Seat *seat = case_add(site->nodes[i].world, definition);

            seat->defined = false;
            seat->need_changes_usec = UINT64_MAX;
        }
        /* a cluster starts its guests from a file */
        seat_of(&site->nodes[i], site->guests)->transient = true;
    }
    return site->guests++;
}

void
site_need(Site *site, unsigned guest, uint64_t need_mib)
{
    seat_of(&site->nodes[site_where(site, guest)], guest)->machine->need_kib = FROM_MIB(need_mib);
}

void
site_begin(Site *site)
{
    for (unsigned i = 0; i < site->count; i++)
        site_start_daemon(site, i);
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
        trace_print(node->world);
    }
}
