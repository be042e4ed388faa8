/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "member.h"

#include "error.h"
#include "host.h"
#include "moves.h"
#include "units.h"

#include <string.h>

/* Whose bookings they are. No connection to the bus is called like that. */
#define OWNER "cluster"
/* The priority of a guest as many are: it takes what is free, and what others do not need. */
#define PRIORITY_NONE 0
/* What an administrator has confirmed holds so long. */
#define CONFIRMED_USEC (600 * USEC_PER_SEC)

struct Member {
    MemberOptions options;
    Engine *engine;
    Moves *moves;
    Cluster *cluster; /* NULL: there is none */
    char node[CLUSTER_NAME_SIZE];
    uint64_t heard_usec;
    uint64_t stepped_usec; /* 0: not yet */
    ClusterStep step;      /* the last one; of an earlier daemon before the first */
    GArray *ignored;       /* of ClusterIgnored, in the last exchange */
    char confirmed[37];    /* "": nobody */
    uint64_t confirmed_usec;
    char *refusal; /* why the last booking was refused; NULL: it was not */
};

static void
clear_ignored(void *data)
{
    g_free(((ClusterIgnored *)data)->reason);
}

Member *
member_new(const MemberOptions *options)
{
    Member *member = g_new0(Member, 1);

    member->options = *options;
    member->moves = moves_new(options->tell, options->user_data);
    member->ignored = g_array_new(FALSE, TRUE, sizeof(ClusterIgnored));
    g_array_set_clear_func(member->ignored, clear_ignored);
    return member;
}

void
member_attach(Member *member, Engine *engine)
{
    member->engine = engine;
}

void
member_free(Member *member)
{
    if (member == NULL)
        return;
    cluster_free(member->cluster);
    moves_free(member->moves);
    g_array_unref(member->ignored);
    g_free(member->refusal);
    g_free(member);
}

static uint64_t
now_of(const Member *member)
{
    return member->options.clock.now_usec(member->options.clock.self);
}

/* Who may change nothing here, or is about to end, moves nobody. */
static ClusterLevel
level_of(const Member *member)
{
    const Settings *settings;
    const Snapshot *snapshot;
    bool looks_on;

    if (member->engine == NULL)
        return CLUSTER_LEVEL_OFF;
    settings = engine_settings(member->engine);
    looks_on = member->options.dry || settings->retiring ||
               (engine_plan(member->engine, &snapshot) != NULL && snapshot->host.link == WORLD_LINK_READ_ONLY);

    return looks_on ? MIN(settings->cluster_level, CLUSTER_LEVEL_MANUAL) : settings->cluster_level;
}

/* ---- the end of a cluster ---- */

static void
leave(Member *member, const char *reason)
{
    if (member->cluster == NULL)
        return;
    g_clear_pointer(&member->cluster, cluster_free);
    member->step = (ClusterStep){.room = 0};
    member->stepped_usec = 0;
    member->confirmed[0] = '\0';
    g_array_set_size(member->ignored, 0);
    engine_drop_owner(member->engine, OWNER);
    moves_break_off(member->moves, reason, now_of(member));
}

void
member_look(Member *member)
{
    if (member->cluster != NULL && now_of(member) - member->heard_usec > MEMBER_SILENCE_USEC)
        leave(member, "the cluster's agent on this host has not been heard of for 30 seconds");
}

static void
withdraw(void *self)
{
    leave(self, "the cluster's agent on this host was stopped");
}

/* ---- who stays ---- */

/* Who has come, or could not be moved, under an earlier daemon, or when the cluster was heard of before. */
static void
recall_stays(const Member *member)
{
    g_auto(GStrv) uuids = keep_keys(member->options.keep, KEEP_STAYS);

    for (size_t i = 0; uuids[i] != NULL; i++) {
        g_autofree char *text = keep_get(member->options.keep, KEEP_STAYS, uuids[i]);
        guint64 until_usec = 0;

        if (g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, &until_usec, NULL) && until_usec > now_of(member))
            cluster_stay(member->cluster, uuids[i], until_usec);
        else
            keep_set(member->options.keep, KEEP_STAYS, uuids[i], NULL);
    }
}

static void
keep_stay(const Member *member)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, member->step.stays_usec);

    if (member->step.stays[0] != '\0')
        keep_set(member->options.keep, KEEP_STAYS, member->step.stays, text);
}

/* ---- one step ---- */

static void
ignore(Member *member, const char *name, const GError *error)
{
    ClusterIgnored ignored = {.reason = g_strdup(error->message)};

    g_strlcpy(ignored.name, name, sizeof ignored.name);
    g_array_append_val(member->ignored, ignored);
}

static void
hear(Member *member, const ClusterExchange *exchange, uint64_t now_usec)
{
    g_array_set_size(member->ignored, 0);
    for (size_t i = 0; i < exchange->line_count; i++) {
        const ClusterPair *pair = &exchange->lines[i];
        g_autoptr(GError) error = NULL;

        if (!cluster_hear(member->cluster, pair->first, pair->second, now_usec, &error))
            ignore(member, pair->first, error);
        else if (member->stepped_usec == 0 && strcmp(pair->first, member->node) == 0)
            cluster_figures_parse(pair->second, &member->step.figures, NULL);
    }
}

/* Of ClusterCandidate. */
static GArray *
find_candidates(const ClusterExchange *exchange, const Plan *plan, const Snapshot *snapshot)
{
    GArray *candidates = g_array_new(FALSE, TRUE, sizeof(ClusterCandidate));
    g_autoptr(GHashTable) guests = host_guests(plan);

    for (size_t i = 0; i < exchange->resource_count; i++) {
        const GuestPlan *guest = host_guest_called(guests, exchange->resources[i].second);
        ClusterCandidate candidate;

        if (guest != NULL && host_candidate(guest, snapshot, exchange->resources[i].first, &candidate))
            g_array_append_val(candidates, candidate);
    }
    return candidates;
}

static ClusterBooking
booking_of(const Member *member, const Plan *plan)
{
    const ClusterFigures *figures = &member->step.figures;
    const GuestPlan *guest = host_guest(plan, figures->guest.uuid);

    if (figures->phase < CLUSTER_PHASE_BOOKS)
        return CLUSTER_BOOKING_NONE;
    if (guest != NULL && guest->guest->life != GUEST_LIFE_OFF)
        return guest->guest->migrating ? CLUSTER_BOOKING_BEGUN : CLUSTER_BOOKING_RUNS;
    switch (engine_start_progress(member->engine, figures->guest.uuid)) {
    case START_PROGRESS_WAITS:
        return CLUSTER_BOOKING_ASKED;
    case START_PROGRESS_HELD:
        return CLUSTER_BOOKING_HELD;
    case START_PROGRESS_BEGUN:
        return CLUSTER_BOOKING_BEGUN;
    case START_PROGRESS_NONE:
    default:
        return CLUSTER_BOOKING_NONE;
    }
}

static unsigned
stars_of(const Member *member, const Plan *plan)
{
    g_auto(StartRating) rating = {0};

    engine_rate(member->engine, host_typical_kib(plan), engine_settings(member->engine)->priority, &rating);
    return rating.stars;
}

static const char *
confirmed_of(Member *member, uint64_t now_usec)
{
    if (now_usec - member->confirmed_usec > CONFIRMED_USEC)
        member->confirmed[0] = '\0';
    return member->confirmed[0] != '\0' ? member->confirmed : NULL;
}

/* A StartAnswer. What is granted shows in the book. */
static void
booked(void *user_data, bool granted, const char *reason)
{
    Member *member = user_data;

    g_free(member->refusal);
    member->refusal = granted ? NULL : g_strdup(reason);
}

/* Asks for the memory of the guest that is to come, and again, so that it does not lapse. */
static void
book(Member *member)
{
    const ClusterGuest *guest = &member->step.figures.guest;
    const StartAhead ahead = {.name = guest->resource,
                              .maximum_kib = guest->maximum_kib,
                              .brings_kib = guest->brings_kib,
                              .overhead_kib = guest->overhead_kib};
    StartProgress progress = engine_start_progress(member->engine, guest->uuid);

    if (progress == START_PROGRESS_WAITS || progress == START_PROGRESS_BEGUN)
        return;
    if (engine_ask_start(member->engine,
                         &(StartAsk){.uuid = guest->uuid, .kind = START_MIGRATION, .owner = OWNER, .ahead = &ahead},
                         booked, member))
        engine_tick_now(member->engine);
}

static void
step(Member *member, const ClusterExchange *exchange, const Plan *plan, const Snapshot *snapshot, uint64_t now_usec)
{
    g_autoptr(GArray) candidates = find_candidates(exchange, plan, snapshot);
    g_auto(StartRating) all = {0};
    const ClusterFigures before = member->step.figures;
    const GuestPlan *guest;
    ClusterHost host = {.level = level_of(member),
                        .stars = stars_of(member, plan),
                        .guests = (const ClusterCandidate *)(const void *)candidates->data,
                        .count = candidates->len,
                        .confirmed = confirmed_of(member, now_usec),
                        .booking = booking_of(member, plan)};

    engine_rate(member->engine, KIB_LIMIT / 2, PRIORITY_NONE, &all);
    host_sums(plan, snapshot, &all, &host);
    cluster_step(member->cluster, &host, now_usec, &member->step);
    member->stepped_usec = now_usec;
    keep_stay(member);
    if (member->step.why == CLUSTER_WHY_MOVES)
        member->confirmed[0] = '\0';
    guest = host_guest(plan, member->step.figures.phase != CLUSTER_PHASE_IDLE ? member->step.figures.guest.uuid
                                                                              : before.guest.uuid);
    moves_note(member->moves, &(MovesStep){.node = member->node,
                                           .before = &before,
                                           .step = &member->step,
                                           .guest = guest != NULL ? guest->guest->name : NULL,
                                           .booking = host.booking,
                                           .refusal = member->refusal,
                                           .now_usec = now_usec});
    /* from here on the plan may be another one */
    if (member->step.release)
        engine_release_start(member->engine, member->step.released);
    if (member->step.book)
        book(member);
}

static void
fill_answer(const Member *member, ClusterAnswer *answer)
{
    const ClusterStep *last = &member->step;

    answer->line = cluster_figures_format(&last->figures);
    answer->room = (unsigned)MAX(last->room, 0);
    if (!last->wish)
        return;
    g_strlcpy(answer->wish, last->figures.guest.resource, sizeof answer->wish);
    answer->score = CLUSTER_WISH_SCORE;
}

static void
begin(Member *member, const ClusterRules *rules)
{
    member->cluster = cluster_new(member->node, rules);
    recall_stays(member);
}

static bool
exchange_lines(void *self, const ClusterExchange *exchange, ClusterAnswer *answer, GError **error)
{
    Member *member = self;
    uint64_t now_usec = now_of(member);
    const ClusterRules rules = cluster_rules_of(engine_settings(member->engine));
    const Snapshot *snapshot;
    const Plan *plan = engine_plan(member->engine, &snapshot);

    if (plan == NULL) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "nothing is known of this host yet: the first look at its guests is awaited");
        return false;
    }
    if (!cluster_name_is_good(exchange->node)) {
        g_set_error(
            error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID,
            "node: expected the name of this host in the cluster: letters, digits, '.', '_' and '-', at most %d",
            CLUSTER_NAME_SIZE - 1);
        return false;
    }
    if (strcmp(member->node, exchange->node) != 0)
        leave(member, "the cluster calls this host by another name");
    g_strlcpy(member->node, exchange->node, sizeof member->node);
    member->heard_usec = now_usec;
    if (member->cluster == NULL)
        begin(member, &rules);
    cluster_set_rules(member->cluster, &rules);
    if (member->stepped_usec == 0 || now_usec - member->stepped_usec >= CLUSTER_PERIOD_SEC * USEC_PER_SEC / 2) {
        hear(member, exchange, now_usec);
        step(member, exchange, plan, snapshot, now_usec);
    }
    fill_answer(member, answer);
    return true;
}

/* ---- what people ask for ---- */

static bool
confirm(void *self, const char *uuid, GError **error)
{
    Member *member = self;
    const ClusterStep *last = &member->step;

    if (member->cluster == NULL || member->stepped_usec == 0) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                    "this host is in no cluster now: no ocf:dynmem:host has asked dynmemd for 30 seconds; 'crm_mon -1' "
                    "tells whether it runs, 'dm-ctl cluster setup' how to set it up");
        return false;
    }
    if (last->why != CLUSTER_WHY_CONFIRM || !last->move.found) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "no move of this host waits to be confirmed: %s",
                    cluster_why_text(last->why));
        return false;
    }
    if (strcmp(last->move.guest.uuid, uuid) != 0) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "what waits to be confirmed is the move of %s to %s",
                    last->move.guest.resource, last->move.target);
        return false;
    }
    g_strlcpy(member->confirmed, uuid, sizeof member->confirmed);
    member->confirmed_usec = now_of(member);
    return true;
}

static void
add_host(ClusterStatus *status, const char *name, const ClusterFigures *figures, bool here, bool fresh)
{
    bool idle = figures->phase == CLUSTER_PHASE_IDLE;
    ClusterHostView view = {.here = here,
                            .fresh = fresh,
                            .level = cluster_level_names[figures->level],
                            .stars = figures->stars,
                            .pressure_percent = cluster_pressure(figures->want_kib, figures->budget_kib),
                            .budget_kib = figures->budget_kib,
                            .want_kib = figures->want_kib,
                            .free_kib = figures->free_kib,
                            .reclaimable_kib = figures->reclaimable_kib,
                            .phase = cluster_phase_name(figures->phase)};

    g_strlcpy(view.name, name, sizeof view.name);
    g_strlcpy(view.partner, idle ? "" : figures->partner, sizeof view.partner);
    g_strlcpy(view.uuid, idle ? "" : figures->guest.uuid, sizeof view.uuid);
    g_strlcpy(view.resource, idle ? "" : figures->guest.resource, sizeof view.resource);
    g_array_append_val(status->hosts, view);
}

/* Peers come by name; this host stands among them. */
static void
add_hosts(const Member *member, uint64_t now_usec, ClusterStatus *status)
{
    const ClusterPeer *peer;
    size_t i = 0;

    for (; (peer = cluster_peer(member->cluster, i)) != NULL && strcmp(peer->name, member->node) < 0; i++)
        add_host(status, peer->name, &peer->figures, false, cluster_peer_is_fresh(peer, now_usec));
    add_host(status, member->node, &member->step.figures, true, true);
    for (; (peer = cluster_peer(member->cluster, i)) != NULL; i++)
        add_host(status, peer->name, &peer->figures, false, cluster_peer_is_fresh(peer, now_usec));
}

static void
show_best(const Member *member, ClusterBest *best)
{
    const ClusterMove *move = &member->step.move;
    const Snapshot *snapshot;
    const Plan *plan = engine_plan(member->engine, &snapshot);
    const GuestPlan *guest = plan != NULL ? host_guest(plan, move->guest.uuid) : NULL;

    *best = (ClusterBest){.found = move->found,
                          .source_before = move->source_before,
                          .source_after = move->source_after,
                          .target_before = move->target_before,
                          .target_after = move->target_after,
                          .gain = cluster_move_gain(move)};
    best->guest = g_strdup(guest != NULL ? guest->guest->name : move->guest.resource);
    g_strlcpy(best->uuid, move->guest.uuid, sizeof best->uuid);
    g_strlcpy(best->resource, move->guest.resource, sizeof best->resource);
    g_strlcpy(best->target, move->target, sizeof best->target);
}

static void
fill_status(void *self, ClusterStatus *status)
{
    Member *member = self;
    const Settings *settings = engine_settings(member->engine);
    uint64_t now_usec = now_of(member);

    status->joined = member->cluster != NULL && member->stepped_usec != 0;
    status->level = cluster_level_names[level_of(member)];
    status->pressure_percent = settings->cluster_pressure_percent;
    status->gain_percent = settings->cluster_gain_percent;
    status->hold_usec = settings->cluster_hold_usec;
    status->cooldown_usec = settings->cluster_cooldown_usec;
    moves_list(member->moves, status->moves);
    if (!status->joined)
        return;
    g_strlcpy(status->node, member->node, sizeof status->node);
    add_hosts(member, now_usec, status);
    for (guint i = 0; i < member->ignored->len; i++) {
        ClusterIgnored copy = g_array_index(member->ignored, ClusterIgnored, i);

        copy.reason = g_strdup(copy.reason);
        g_array_append_val(status->ignored, copy);
    }
    status->why = cluster_why_name(member->step.why);
    status->why_text = cluster_why_text(member->step.why);
    if (confirmed_of(member, now_usec) != NULL)
        g_strlcpy(status->confirmed, member->confirmed, sizeof status->confirmed);
    if (member->step.move.found)
        show_best(member, &status->best);
}

static const char *
level_name(void *self)
{
    return cluster_level_names[level_of(self)];
}

static bool
is_joined(void *self)
{
    const Member *member = self;

    return member->cluster != NULL;
}

ClusterPort
member_port(Member *member)
{
    return (ClusterPort){.self = member,
                         .level = level_name,
                         .joined = is_joined,
                         .exchange = exchange_lines,
                         .withdraw = withdraw,
                         .confirm = confirm,
                         .status = fill_status};
}
