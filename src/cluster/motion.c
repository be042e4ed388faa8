/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The motion that this host takes part in, from step to step; the picture is in cluster.h. */

#include "cluster/private.h"

#include <string.h>

/* One step. */
typedef struct Pass {
    Cluster *cluster;
    const ClusterHost *host;
    uint64_t now_usec;
    ClusterStep *step;
} Pass;

static void
enter(const Pass *pass, ClusterPhase phase)
{
    pass->cluster->phase = phase;
    pass->cluster->since_usec = pass->now_usec;
    pass->cluster->withdrawn_usec = 0;
}

static uint64_t
time_in_phase(const Pass *pass)
{
    return pass->now_usec - pass->cluster->since_usec;
}

static const ClusterCandidate *
guest_here(const Pass *pass)
{
    for (size_t i = 0; i < pass->host->count; i++)
        if (strcmp(pass->host->guests[i].guest.uuid, pass->cluster->guest.uuid) == 0)
            return &pass->host->guests[i];
    return NULL;
}

/* The other host of this motion, where it is there and is at the same guest with us; NULL otherwise. */
static const ClusterPeer *
partner_at_it(const Pass *pass)
{
    const Cluster *cluster = pass->cluster;
    const ClusterPeer *peer = peer_fresh(cluster, cluster->partner, pass->now_usec);

    return peer != NULL && peer_has(peer, cluster->guest.uuid) && strcmp(peer->figures.partner, cluster->name) == 0
               ? peer
               : NULL;
}

/* An administrator has switched it off: what has not begun ends. */
static bool
is_off(const Pass *pass)
{
    return pass->host->level < CLUSTER_LEVEL_CONFIRM;
}

/* The guest of the motion is not moved for a while. */
static void
have_it_stay(const Pass *pass)
{
    Cluster *cluster = pass->cluster;

    pass->step->stays_usec = pass->now_usec + cluster->rules.cooldown_usec;
    g_strlcpy(pass->step->stays, cluster->guest.uuid, sizeof pass->step->stays);
    choose_stay(cluster, cluster->guest.uuid, pass->step->stays_usec);
}

/* ---- the host that gives ---- */

/* The motion is over. */
static void
finish(const Pass *pass, ClusterEnd end)
{
    pass->step->end = end;
    enter(pass, CLUSTER_PHASE_IDLE);
}

static void
fail_offer(const Pass *pass, ClusterEnd end)
{
    Cluster *cluster = pass->cluster;

    /* a guest that was sent and has not come can't be moved; else it is that host that can't take it */
    if (cluster->sent)
        have_it_stay(pass);
    else
        choose_unheard(cluster, cluster->guest.uuid, cluster->partner, pass->now_usec + cluster->rules.cooldown_usec);
    finish(pass, cluster->sent ? CLUSTER_END_NOT_SENT : end);
}

static void
go_on_giving(const Pass *pass)
{
    Cluster *cluster = pass->cluster;
    const ClusterCandidate *guest = guest_here(pass);
    const ClusterPeer *partner = partner_at_it(pass);
    bool leaving = guest != NULL && guest->leaving;

    if (guest == NULL) {
        /* between two steps it may have gone the whole way, and the partner's line may be older than that */
        bool came = partner != NULL && partner->figures.phase == CLUSTER_PHASE_COMES;

        if (cluster->gone_usec == 0)
            cluster->gone_usec = pass->now_usec;
        if (!cluster->sent && !came && partner != NULL && pass->now_usec - cluster->gone_usec < SETTLE_USEC)
            return;
        finish(pass, cluster->sent || came ? CLUSTER_END_LEFT : CLUSTER_END_GONE);
        return;
    }
    if (leaving != (cluster->phase == CLUSTER_PHASE_LEAVES))
        enter(pass, leaving ? CLUSTER_PHASE_LEAVES : CLUSTER_PHASE_OFFERS);
    cluster->sent = cluster->sent || leaving;
    if (leaving)
        return;
    if (is_off(pass))
        finish(pass, CLUSTER_END_OFF);
    else if (partner != NULL)
        cluster->answered = true;
    else if (cluster->answered)
        fail_offer(pass, CLUSTER_END_REFUSED); /* it was at it, and is not any more */
    else if (peers_move_another(cluster, cluster->guest.uuid, cluster->name, pass->step->pressure, pass->now_usec))
        finish(pass, CLUSTER_END_YIELDS);
    else if (time_in_phase(pass) >= OFFER_USEC)
        fail_offer(pass, CLUSTER_END_UNANSWERED);
}

/* What stands against offering the best move; CLUSTER_WHY_MOVES: nothing. */
static ClusterWhy
why_not(const Pass *pass)
{
    const Cluster *cluster = pass->cluster;
    const ClusterHost *host = pass->host;
    bool held = cluster->pressed_usec != 0 && pass->now_usec - cluster->pressed_usec >= cluster->rules.hold_usec;

    if (cluster->pressed_usec == 0)
        return CLUSTER_WHY_CALM;
    if (!held && !cluster_broken(CLUSTER_FAULT_NO_HOLD))
        return CLUSTER_WHY_HOLD;
    if (!pass->step->move.found)
        return CLUSTER_WHY_NO_MOVE;
    if (peers_move_another(cluster, "", NULL, 0, pass->now_usec))
        return CLUSTER_WHY_MOTION;
    if (host->available_kib < SEND_RESERVE_KIB && !cluster_broken(CLUSTER_FAULT_NO_RESERVE))
        return CLUSTER_WHY_RESERVE;
    if (is_off(pass))
        return CLUSTER_WHY_LEVEL;
    if (host->level == CLUSTER_LEVEL_CONFIRM && g_strcmp0(host->confirmed, pass->step->move.guest.uuid) != 0 &&
        !cluster_broken(CLUSTER_FAULT_UNASKED))
        return CLUSTER_WHY_CONFIRM;
    return CLUSTER_WHY_MOVES;
}

static void
begin_giving(const Pass *pass)
{
    Cluster *cluster = pass->cluster;

    choose_move(cluster, pass->host, pass->now_usec, &pass->step->move);
    pass->step->why = why_not(pass);
    if (pass->step->why != CLUSTER_WHY_MOVES)
        return;
    enter(pass, CLUSTER_PHASE_OFFERS);
    cluster->answered = cluster->sent = false;
    cluster->gone_usec = 0;
    cluster->move = pass->step->move;
    cluster->guest = cluster->move.guest;
    g_strlcpy(cluster->partner, cluster->move.target, sizeof cluster->partner);
}

/* ---- the host that takes ---- */

static void
give_up(const Pass *pass, ClusterEnd end)
{
    pass->step->release = true;
    g_strlcpy(pass->step->released, pass->cluster->guest.uuid, sizeof pass->step->released);
    finish(pass, end);
}

/* It could not be had: the same is not tried again for a while, whoever offers it. */
static void
refuse(const Pass *pass, ClusterEnd end)
{
    choose_unheard(pass->cluster, pass->cluster->guest.uuid, pass->cluster->name,
                   pass->now_usec + pass->cluster->rules.cooldown_usec);
    give_up(pass, end);
}

/* Others that take a guest in, or offer one and go before who offers this one. */
static bool
others_move(const Pass *pass, const ClusterPeer *source, const char *uuid)
{
    unsigned pressure = cluster_pressure(source->figures.want_kib, source->figures.budget_kib);

    return peers_move_another(pass->cluster, uuid, source->name, pressure, pass->now_usec);
}

static bool
may_begin_taking(const Pass *pass, const ClusterPeer *source)
{
    const ClusterFigures *figures = &source->figures;

    return cluster_peer_is_fresh(source, pass->now_usec) && figures->phase == CLUSTER_PHASE_OFFERS &&
           strcmp(figures->partner, pass->cluster->name) == 0 && !is_off(pass) &&
           (pass->now_usec - source->phase_usec >= SETTLE_USEC || cluster_broken(CLUSTER_FAULT_NO_SETTLING)) &&
           !others_move(pass, source, figures->guest.uuid) &&
           choose_accepts(pass->cluster, pass->host, source, pass->now_usec);
}

static bool
begin_taking(const Pass *pass)
{
    Cluster *cluster = pass->cluster;

    for (size_t i = 0; cluster_peer(cluster, i) != NULL; i++) {
        const ClusterPeer *source = cluster_peer(cluster, i);

        if (!may_begin_taking(pass, source))
            continue;
        enter(pass, CLUSTER_PHASE_BOOKS);
        cluster->runs_usec = 0;
        cluster->guest = source->figures.guest;
        g_strlcpy(cluster->partner, source->name, sizeof cluster->partner);
        return true;
    }
    return false;
}

static void
go_on_booking(const Pass *pass)
{
    const ClusterPeer *source = partner_at_it(pass);
    bool held = pass->host->booking == CLUSTER_BOOKING_HELD;
    bool settled = time_in_phase(pass) >= SETTLE_USEC || cluster_broken(CLUSTER_FAULT_NO_SETTLING);

    if (is_off(pass))
        give_up(pass, CLUSTER_END_OFF);
    else if (source == NULL)
        give_up(pass, CLUSTER_END_CALLED_OFF);
    else if (others_move(pass, source, pass->cluster->guest.uuid))
        give_up(pass, CLUSTER_END_YIELDS);
    else if (pass->host->booking == CLUSTER_BOOKING_NONE && !cluster_broken(CLUSTER_FAULT_WISH_UNBOOKED))
        refuse(pass, CLUSTER_END_NO_ROOM);
    else if (settled && (held || cluster_broken(CLUSTER_FAULT_WISH_UNBOOKED)))
        enter(pass, CLUSTER_PHASE_WISHES);
    else if (time_in_phase(pass) >= BOOK_USEC)
        refuse(pass, CLUSTER_END_NO_ROOM);
}

/* The cluster is at it, whatever else is known. */
static bool
source_sends(const Pass *pass)
{
    const ClusterPeer *source = partner_at_it(pass);

    return source != NULL && source->figures.phase == CLUSTER_PHASE_LEAVES && !cluster_broken(CLUSTER_FAULT_DROP_BEGUN);
}

/* Why the wish does not stand any more; CLUSTER_END_NONE: it does. */
static ClusterEnd
wish_ends(const Pass *pass)
{
    if (pass->host->booking != CLUSTER_BOOKING_HELD &&
        !cluster_broken(CLUSTER_FAULT_KEEP_WISH | CLUSTER_FAULT_WISH_UNBOOKED))
        return CLUSTER_END_NO_ROOM;
    if (is_off(pass))
        return CLUSTER_END_OFF;
    if (partner_at_it(pass) == NULL)
        return CLUSTER_END_CALLED_OFF;
    return time_in_phase(pass) >= WISH_USEC && !cluster_broken(CLUSTER_FAULT_NO_DEADLINE) ? CLUSTER_END_NOT_FOLLOWED
                                                                                          : CLUSTER_END_NONE;
}

static void
go_on_wishing(const Pass *pass)
{
    Cluster *cluster = pass->cluster;

    if (pass->host->booking >= CLUSTER_BOOKING_BEGUN) {
        enter(pass, CLUSTER_PHASE_COMES);
        return;
    }
    if (source_sends(pass)) {
        cluster->withdrawn_usec = 0;
        return;
    }
    if (cluster->withdrawn_usec == 0 && wish_ends(pass) != CLUSTER_END_NONE) {
        cluster->withdrawn_usec = pass->now_usec;
        cluster->withdrawn_for = wish_ends(pass);
    }
    if (cluster->withdrawn_usec != 0 &&
        (pass->now_usec - cluster->withdrawn_usec >= WITHDRAW_USEC || cluster_broken(CLUSTER_FAULT_DROP_BEGUN)))
        refuse(pass, cluster->withdrawn_for);
}

static void
go_on_coming(const Pass *pass)
{
    Cluster *cluster = pass->cluster;
    ClusterBooking booking = pass->host->booking;

    if (cluster_broken(CLUSTER_FAULT_DROP_BEGUN)) {
        give_up(pass, CLUSTER_END_NOT_COME);
        return;
    }
    if (booking == CLUSTER_BOOKING_RUNS && cluster->runs_usec == 0) {
        cluster->runs_usec = pass->now_usec;
        have_it_stay(pass);
    }
    if (booking < CLUSTER_BOOKING_BEGUN && !source_sends(pass) && !cluster_broken(CLUSTER_FAULT_KEEP_WISH))
        refuse(pass, CLUSTER_END_NOT_COME);
    else if (cluster->runs_usec != 0 && pass->now_usec - cluster->runs_usec >= LINGER_USEC)
        finish(pass, CLUSTER_END_CAME);
}

void
motion_step(Cluster *cluster, const ClusterHost *host, uint64_t now_usec, ClusterStep *step)
{
    const Pass pass = {cluster, host, now_usec, step};

    switch (cluster->phase) {
    case CLUSTER_PHASE_OFFERS:
    case CLUSTER_PHASE_LEAVES:
        go_on_giving(&pass);
        break;
    case CLUSTER_PHASE_BOOKS:
        go_on_booking(&pass);
        break;
    case CLUSTER_PHASE_WISHES:
        go_on_wishing(&pass);
        break;
    case CLUSTER_PHASE_COMES:
        go_on_coming(&pass);
        break;
    case CLUSTER_PHASE_IDLE:
    default:
        if (!begin_taking(&pass))
            begin_giving(&pass);
        break;
    }
    if (cluster->phase == CLUSTER_PHASE_OFFERS || cluster->phase == CLUSTER_PHASE_LEAVES)
        step->move = cluster->move;
    if (cluster->phase >= CLUSTER_PHASE_BOOKS)
        step->why = CLUSTER_WHY_RECEIVES;
    step->book = cluster->phase == CLUSTER_PHASE_BOOKS || cluster->phase == CLUSTER_PHASE_WISHES;
    step->wish = cluster->phase >= CLUSTER_PHASE_WISHES && cluster->withdrawn_usec == 0;
}
