/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model.h"

#include "units.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define SECOND USEC_PER_SEC
/* No two lines are read and written at once: from the reading to the moment when all can see the answer. */
#define SHOWS_MOST (4 * SECOND)

static void fail(Model *model, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
fail(Model *model, const char *format, ...)
{
    va_list arguments;
    int length;

    if (model->broken[0] != '\0')
        return;
    length = g_snprintf(model->broken, sizeof model->broken, "second %" PRIu64 ": ", model->now_usec / SECOND);
    va_start(arguments, format);
    g_vsnprintf(model->broken + length, sizeof model->broken - (size_t)length, format, arguments);
    va_end(arguments);
}

/* ---- what is true ---- */

static uint64_t
wants_on(const Model *model, int host)
{
    uint64_t sum = 0;

    for (int i = 0; i < model->guest_count; i++)
        if (model->guests[i].host == host)
            sum += model->guests[i].figures.want_kib + model->guests[i].figures.overhead_kib;
    return sum;
}

double
model_pressure(const Model *model, int host)
{
    return (double)wants_on(model, host) * 100 / (double)model->hosts[host].budget_kib;
}

/* What is booked on it: its guests, what arrives there, and what is booked to arrive. */
static uint64_t
booked_on(const Model *model, int host)
{
    const ModelHost *at = &model->hosts[host];
    uint64_t sum = 0;

    for (int i = 0; i < model->guest_count; i++) {
        const ModelGuest *guest = &model->guests[i];
        bool booked = at->booking >= CLUSTER_BOOKING_HELD && at->booked == i && guest->host != host;

        if (guest->host == host || booked || (guest->flight == MODEL_FLIGHT_TO && guest->target == host))
            sum += guest->figures.brings_kib + guest->figures.overhead_kib;
    }
    return sum;
}

/* What the guests of a host get: what they want, and in a shortage all the same part of it. */
static void
share(Model *model, int host)
{
    uint64_t wants = model->hosts[host].wants_kib = wants_on(model, host), fixed = 0;
    uint64_t budget = model->hosts[host].budget_kib;
    double part;

    for (int i = 0; i < model->guest_count; i++)
        if (model->guests[i].host == host)
            fixed += model->guests[i].figures.overhead_kib;
    part = wants > fixed ? (double)saturating_sub(budget, fixed) / (double)(wants - fixed) : 1;
    for (int i = 0; i < model->guest_count; i++) {
        ModelGuest *guest = &model->guests[i];
        uint64_t has = (uint64_t)((double)guest->figures.want_kib * MIN(part, 1.0));

        if (guest->host != host || guest->flight == MODEL_FLIGHT_TO)
            continue;
        guest->figures.brings_kib = MIN(MAX(has, guest->minimum_kib), guest->figures.maximum_kib);
        /* a sixth of what it wants is buffer */
        model->unmet_gib_sec +=
            (double)saturating_sub(guest->figures.want_kib / 6 * 5, guest->figures.brings_kib) / (double)KIB_PER_GIB;
    }
}

static uint64_t
reclaimable_on(const Model *model, int host)
{
    uint64_t sum = 0;

    for (int i = 0; i < model->guest_count; i++)
        if (model->guests[i].host == host)
            sum += saturating_sub(model->guests[i].figures.brings_kib,
                                  MAX(model->guests[i].figures.want_kib / 6 * 5, model->guests[i].minimum_kib));
    return sum;
}

/* What its kernel has left for anybody: with what no guest is given, which one host in eight has used up. */
static uint64_t
left_on(const Model *model, int host)
{
    uint64_t reserve_kib = host % 8 == 7 ? 0 : KIB_PER_GIB / 2;

    return saturating_sub(model->hosts[host].budget_kib, booked_on(model, host)) + reclaimable_on(model, host) +
           reserve_kib;
}

/* ---- the world ---- */

/* Together they have a little more than all guests want, or a little less; one by one anything. */
static void
size_hosts(Model *model)
{
    uint64_t wants = 0, parts = 0, part[MODEL_HOSTS_MAX];

    for (int i = 0; i < model->guest_count; i++)
        wants += model->guests[i].figures.want_kib + model->guests[i].figures.overhead_kib;
    wants = wants / 100 * rng_between(&model->rng, 90, 160);
    for (int i = 0; i < model->host_count; i++)
        parts += part[i] = rng_between(&model->rng, 1, 4);
    for (int i = 0; i < model->host_count; i++)
        model->hosts[i].budget_kib = wants / parts * part[i] + KIB_PER_GIB;
}

void
model_init(Model *model, uint64_t seed, bool calm, int hosts, int guests)
{
    *model = (Model){.rng = {seed}, .now_usec = 1000 * SECOND, .calm = calm};
    model->rules = cluster_rules_default();
    model->host_count = hosts > 0 ? hosts : (int)rng_between(&model->rng, 2, MODEL_HOSTS_DRAWN);
    model->guest_count =
        hosts > 0 ? guests : (int)rng_between(&model->rng, (uint64_t)model->host_count, MODEL_GUESTS_DRAWN);
    for (int i = 0; i < model->host_count; i++) {
        ModelHost *host = &model->hosts[i];

        *host = (ModelHost){.level = rng_hits(&model->rng, 800) ? CLUSTER_LEVEL_AUTOMATIC
                                                                : (ClusterLevel)rng_between(&model->rng, 0, 3),
                            .wish = MODEL_NOWHERE,
                            .coming_wish = MODEL_NOWHERE,
                            .booked = MODEL_NOWHERE,
                            .offered = MODEL_NOWHERE};
        g_snprintf(host->name, sizeof host->name, "host-%d.example.org", i);
        host->cluster = cluster_new(host->name, &model->rules);
        host->next_usec = model->now_usec + rng_next(&model->rng) % (CLUSTER_PERIOD_SEC * SECOND);
    }
    for (int i = 0; i < model->guest_count; i++) {
        ModelGuest *guest = &model->guests[i];

        *guest = (ModelGuest){.host = (int)(rng_next(&model->rng) % (uint64_t)model->host_count),
                              .target = MODEL_NOWHERE,
                              .banned = !calm && rng_hits(&model->rng, 100)
                                            ? (int)(rng_next(&model->rng) % (uint64_t)model->host_count)
                                            : MODEL_NOWHERE,
                              .minimum_kib = rng_between(&model->rng, 256, 2048) * KIB_PER_MIB};
        if (guest->banned == guest->host)
            guest->banned = MODEL_NOWHERE;
        g_snprintf(guest->figures.uuid, sizeof guest->figures.uuid, "00000000-0000-0000-0000-%012d", i);
        g_snprintf(guest->figures.resource, sizeof guest->figures.resource, "vm-%d", i);
        guest->figures.maximum_kib = guest->minimum_kib * rng_between(&model->rng, 1, 8);
        guest->figures.overhead_kib = rng_between(&model->rng, 60, 300) * KIB_PER_MIB;
        guest->base_kib = rng_between(&model->rng, guest->minimum_kib, guest->figures.maximum_kib);
        guest->figures.want_kib = guest->base_kib;
    }
    size_hosts(model);
    for (int i = 0; i < model->host_count; i++)
        share(model, i);
}

void
model_clear(Model *model)
{
    for (int i = 0; i < model->host_count; i++) {
        cluster_free(model->hosts[i].cluster);
        g_free(model->hosts[i].line);
        g_free(model->hosts[i].coming_line);
    }
}

static void
move_needs(Model *model)
{
    for (int i = 0; i < model->guest_count; i++) {
        ModelGuest *guest = &model->guests[i];
        uint64_t noise = rng_next(&model->rng) % (guest->base_kib / 20 + 1);

        if (rng_next(&model->rng) % 7200 == 0)
            guest->base_kib = rng_between(&model->rng, guest->minimum_kib, guest->figures.maximum_kib);
        guest->figures.want_kib = MAX(guest->base_kib - noise, guest->minimum_kib);
        if (guest->blocked && model->now_usec - guest->blocked_usec > 1800 * SECOND)
            guest->blocked = false;
    }
    for (int i = 0; i < model->host_count; i++)
        share(model, i);
}

/* ---- the book of starts ---- */

static void
run_book(Model *model, int index)
{
    ModelHost *host = &model->hosts[index];
    const ModelGuest *guest = host->booked != MODEL_NOWHERE ? &model->guests[host->booked] : NULL;
    uint64_t waited = model->now_usec - host->booking_usec;
    uint64_t needs;

    if (guest == NULL)
        return;
    needs = guest->figures.brings_kib + guest->figures.overhead_kib;
    if (guest->host == index && guest->flight == MODEL_FLIGHT_NONE) {
        host->booking = CLUSTER_BOOKING_RUNS;
    } else if (guest->flight == MODEL_FLIGHT_TO && guest->target == index) {
        host->booking = CLUSTER_BOOKING_BEGUN;
    } else if (host->booking == CLUSTER_BOOKING_BEGUN && guest->flight == MODEL_FLIGHT_NONE) {
        host->booking = CLUSTER_BOOKING_NONE; /* it did not come */
        host->booked = MODEL_NOWHERE;
    } else if (host->booking == CLUSTER_BOOKING_ASKED && waited > 3 * SECOND) {
        bool fits = booked_on(model, index) + needs <= host->budget_kib + reclaimable_on(model, index);

        host->booking = fits ? CLUSTER_BOOKING_HELD : waited > 30 * SECOND ? CLUSTER_BOOKING_NONE : host->booking;
    } else if (host->booking == CLUSTER_BOOKING_HELD && !model->calm && rng_hits(&model->rng, 2)) {
        host->booking = CLUSTER_BOOKING_NONE; /* lapsed, or released by an administrator */
        host->lapsed_usec = model->now_usec;
    }
}

static void
take_to_book(Model *model, int index)
{
    ModelHost *host = &model->hosts[index];
    const ClusterStep *step = &host->step;

    if (step->release && host->booking < CLUSTER_BOOKING_BEGUN) {
        host->booking = CLUSTER_BOOKING_NONE;
        host->booked = MODEL_NOWHERE;
    }
    for (int i = 0; step->book && host->booked == MODEL_NOWHERE && i < model->guest_count; i++) {
        if (strcmp(model->guests[i].figures.uuid, step->figures.guest.uuid) != 0)
            continue;
        host->booked = i;
        host->booking = CLUSTER_BOOKING_ASKED;
        host->booking_usec = model->now_usec;
        model->bookings++;
    }
    if (step->figures.phase < CLUSTER_PHASE_BOOKS && host->booking == CLUSTER_BOOKING_RUNS)
        host->booked = MODEL_NOWHERE;
}

/* ---- a host decides ---- */

/* Is what was just offered as it must be, in truth? */
static void
check_offer(Model *model, int index)
{
    ModelHost *host = &model->hosts[index];
    const ClusterFigures *figures = &host->step.figures;
    const ModelGuest *guest = NULL;
    double source, target, target_after, after, wants;
    int number = 0, to = 0;

    for (int i = 0; i < model->guest_count; i++)
        if (strcmp(model->guests[i].figures.uuid, figures->guest.uuid) == 0)
            guest = &model->guests[number = i];
    for (int i = 0; i < model->host_count; i++)
        if (strcmp(model->hosts[i].name, figures->partner) == 0)
            to = i;
    model->offers++;
    if (guest == NULL || guest->host != index || to == index) {
        fail(model, "%s offers what it does not have", host->name);
        return;
    }
    wants = (double)(guest->figures.want_kib + guest->figures.overhead_kib) * 100;
    source = (double)host->told_kib * 100 / (double)host->budget_kib;
    /* its newest line may not show yet */
    target = (double)MIN(model->hosts[to].told_kib, model->hosts[to].told_before_kib) * 100 /
             (double)model->hosts[to].budget_kib;
    target_after = target + wants / (double)model->hosts[to].budget_kib;
    after = MAX(source - wants / (double)host->budget_kib, target_after);
    if (after >= MAX(source, target) || target_after > MAX(source, target) - (double)model->rules.gain_percent + 2)
        fail(model, "%s offers %s to %s: %.0f%% at worst before it, %.0f%% after it", host->name,
             guest->figures.resource, model->hosts[to].name, MAX(source, target), after);
    if (host->pressed_usec == 0 || model->now_usec - host->pressed_usec + 2 * SECOND < model->rules.hold_usec)
        fail(model, "%s offers %s though its pressure has not lasted", host->name, guest->figures.resource);
    if (guest->came_usec > host->back_usec && model->now_usec - guest->came_usec < model->rules.cooldown_usec)
        fail(model, "%s offers %s, which came %d s ago", host->name, guest->figures.resource,
             (int)((model->now_usec - guest->came_usec) / SECOND));
    if (host->level < CLUSTER_LEVEL_CONFIRM ||
        (host->level == CLUSTER_LEVEL_CONFIRM && strcmp(host->confirmed, figures->guest.uuid) != 0))
        fail(model, "%s offers %s though nobody lets it", host->name, guest->figures.resource);
    if (left_on(model, index) < 64 * KIB_PER_MIB)
        fail(model, "%s offers %s and has nothing to send it with", host->name, guest->figures.resource);
    if (host->level == CLUSTER_LEVEL_CONFIRM)
        host->confirmed[0] = '\0';
    if (model->hosts[to].cluster == NULL && model->now_usec - model->hosts[to].gone_usec > 60 * SECOND)
        fail(model, "%s offers %s to a host whose daemon is gone", host->name, guest->figures.resource);
    if (host->offered == number && host->offered_to == to && host->unheard_usec != 0 &&
        model->now_usec - host->unheard_usec < model->rules.cooldown_usec / 2)
        fail(model, "%s offers %s again to %s, which did not answer", host->name, guest->figures.resource,
             model->hosts[to].name);
    host->offered = number;
    host->offered_to = to;
    host->offered_usec = model->now_usec;
    host->unheard_usec = 0;
}

static void
check_room(Model *model, int index)
{
    ModelHost *host = &model->hosts[index];
    uint64_t running = 0;

    if (host->step.room < 0 || host->step.room >= CLUSTER_STICKINESS)
        fail(model, "%s has a score of %d", host->name, host->step.room);
    if (host->step.room != host->room && host->room_usec != 0 && model->now_usec - host->room_usec < 55 * SECOND)
        fail(model, "%s changes its score again after %d s", host->name,
             (int)((model->now_usec - host->room_usec) / SECOND));
    if (host->step.room != host->room || host->room_usec == 0)
        host->room_usec = model->now_usec;
    host->room = host->step.room;
    for (int i = 0; i < model->guest_count; i++)
        if (model->guests[i].host == index)
            running += cluster_guest_utilization(model->guests[i].minimum_kib, model->guests[i].figures.overhead_kib);
    if (cluster_host_capacity(host->budget_kib, running) < running)
        fail(model, "%s has less capacity than runs there", host->name);
}

static unsigned
stars_of(Model *model, int index)
{
    uint64_t free_kib = saturating_sub(model->hosts[index].budget_kib, booked_on(model, index));
    uint64_t stars = MIN(free_kib / (KIB_PER_GIB / 2), CLUSTER_STARS_MAX);

    /* a rating at the edge of a class */
    return (unsigned)(stars > 0 && rng_hits(&model->rng, 300) ? stars - 1 : stars);
}

static void
exchange(Model *model, int index)
{
    ModelHost *host = &model->hosts[index];
    ClusterCandidate candidates[MODEL_GUESTS_MAX];
    ClusterPhase phase = host->step.figures.phase;
    ClusterHost here = {.level = model->still ? CLUSTER_LEVEL_OFF : host->level,
                        .budget_kib = host->budget_kib,
                        .want_kib = wants_on(model, index),
                        .free_kib = saturating_sub(host->budget_kib, booked_on(model, index)),
                        .reclaimable_kib = reclaimable_on(model, index),
                        .available_kib = left_on(model, index),
                        .stars = stars_of(model, index),
                        .guests = candidates,
                        .confirmed = host->confirmed,
                        .booking = host->booking};

    for (int i = 0; i < model->guest_count; i++) {
        const ModelGuest *guest = &model->guests[i];

        if (guest->host == index)
            candidates[here.count++] =
                (ClusterCandidate){.guest = guest->figures,
                                   .movable = guest->flight == MODEL_FLIGHT_NONE && !guest->blocked,
                                   .leaving = guest->flight == MODEL_FLIGHT_TO};
    }
    for (int i = 0; i < model->host_count; i++)
        if (model->hosts[i].line != NULL)
            cluster_hear(host->cluster, model->hosts[i].name, model->hosts[i].line, model->now_usec, NULL);
    host->told_before_kib = host->told_kib;
    host->told_kib = here.want_kib;
    if (here.want_kib < here.budget_kib / 100 * model->rules.pressure_percent)
        host->pressed_usec = 0;
    else if (host->pressed_usec == 0)
        host->pressed_usec = model->now_usec;
    cluster_step(host->cluster, &here, model->now_usec, &host->step);
    if (phase == CLUSTER_PHASE_OFFERS && host->step.figures.phase == CLUSTER_PHASE_IDLE &&
        model->now_usec - host->offered_usec >= 60 * SECOND)
        host->unheard_usec = model->now_usec;
    if (phase != host->step.figures.phase && host->step.figures.phase == CLUSTER_PHASE_OFFERS &&
        phase != CLUSTER_PHASE_LEAVES && model->now_usec - host->back_usec > 15 * SECOND) /* else it is an old one */
        check_offer(model, index);
    if (host->step.why == CLUSTER_WHY_CONFIRM && rng_hits(&model->rng, 100))
        g_strlcpy(host->confirmed, host->step.move.guest.uuid, sizeof host->confirmed);
    check_room(model, index);
    take_to_book(model, index);
    g_free(host->coming_line);
    host->coming_line = cluster_figures_format(&host->step.figures);
    host->coming_wish = host->step.wish ? host->booked : MODEL_NOWHERE;
    host->stepped_usec = model->now_usec;
    host->shows_usec = model->now_usec + rng_next(&model->rng) % SHOWS_MOST + 1;
    host->next_usec = model->now_usec + CLUSTER_PERIOD_SEC * SECOND + rng_next(&model->rng) % SECOND;
}

/* A wish that is followed as it is taken back comes back (dm-ctl looks again). */
static bool
is_followed_meanwhile(const Model *model, const ModelHost *host)
{
    const ModelGuest *guest = host->wish != MODEL_NOWHERE ? &model->guests[host->wish] : NULL;

    return guest != NULL && host->coming_wish == MODEL_NOWHERE && guest->flight != MODEL_FLIGHT_NONE &&
           &model->hosts[guest->target] == host && guest->sent_usec >= host->stepped_usec;
}

static void
show(Model *model, ModelHost *host)
{
    if (host->shows_usec == 0 || model->now_usec < host->shows_usec)
        return;
    g_free(host->line);
    host->line = g_steal_pointer(&host->coming_line);
    if (is_followed_meanwhile(model, host))
        host->coming_wish = host->wish;
    if (host->wish != host->coming_wish) {
        unsigned slow = model->calm ? 0 : (unsigned)(rng_next(&model->rng) % 10);

        host->wish_usec = model->now_usec;
        /* it may be busy, or wait for an administrator */
        host->follow_usec = model->now_usec + (slow == 9 ? rng_between(&model->rng, 1, 300) : 1) * SECOND;
    }
    host->wish = host->coming_wish;
    host->shows_usec = 0;
}

/* The resource agent: what a daemon that is gone has published goes too, but a wish that the cluster is at. */
static void
watch_daemon(Model *model, ModelHost *host)
{
    bool at_it = host->wish != MODEL_NOWHERE && model->guests[host->wish].flight != MODEL_FLIGHT_NONE;

    if (host->cluster != NULL || model->leaves_dead || host->agent_gone ||
        model->now_usec - host->gone_usec < 10 * SECOND)
        return;
    if (!at_it && host->wish != MODEL_NOWHERE) {
        host->wish = MODEL_NOWHERE;
        host->wish_usec = model->now_usec;
    }
    if (host->wish == MODEL_NOWHERE)
        g_clear_pointer(&host->line, g_free);
}

static void
lose_daemons(Model *model)
{
    for (int i = 0; i < model->host_count; i++) {
        ModelHost *host = &model->hosts[i];

        if (host->cluster != NULL && !model->calm && rng_next(&model->rng) % 4000 == 0) {
            g_clear_pointer(&host->cluster, cluster_free);
            g_clear_pointer(&host->coming_line, g_free);
            host->shows_usec = 0;
            host->gone_usec = model->now_usec;
            host->agent_gone = host->wish == MODEL_NOWHERE && rng_hits(&model->rng, 300);
            host->step = (ClusterStep){.why = CLUSTER_WHY_CALM};
        } else if (host->cluster == NULL && rng_next(&model->rng) % 500 == 0) {
            host->cluster = cluster_new(host->name, &model->rules);
            host->next_usec = model->now_usec + SECOND;
            host->back_usec = model->now_usec;
            host->wish_usec = model->now_usec;
            host->room_usec = 0;
            host->unheard_usec = 0;
        }
    }
}

/* ---- the cluster engine, as it was measured ---- */

static int
wished_by(const Model *model, int guest)
{
    for (int i = 0; i < model->host_count; i++)
        if (model->hosts[i].wish == guest && model->guests[guest].host != i &&
            model->now_usec >= model->hosts[i].follow_usec)
            return i;
    return MODEL_NOWHERE;
}

static void
begin_flight(Model *model, int number, int to)
{
    ModelGuest *guest = &model->guests[number];
    const ModelHost *host = &model->hosts[to];

    /* one that has lapsed a moment ago has not been looked at yet */
    if (host->cluster != NULL && (host->booking != CLUSTER_BOOKING_HELD || host->booked != number) &&
        model->now_usec - host->lapsed_usec > 20 * SECOND && model->now_usec - host->back_usec > 20 * SECOND)
        fail(model, "%s is sent to %s, which has booked nothing for it", guest->figures.resource, host->name);
    if (host->cluster == NULL && model->now_usec - host->gone_usec > 30 * SECOND)
        fail(model, "%s is sent to %s for a daemon that is gone", guest->figures.resource, host->name);
    guest->flight = MODEL_FLIGHT_TO;
    guest->target = to;
    guest->sent_usec = model->now_usec;
    guest->fails = !model->calm && rng_hits(&model->rng, 100);
    guest->until_usec = model->now_usec + rng_between(&model->rng, 2, 240) * SECOND;
}

static void
run_flight(Model *model, int number)
{
    ModelGuest *guest = &model->guests[number];
    int wished = wished_by(model, number);

    if (guest->flight == MODEL_FLIGHT_NONE) {
        if (wished != MODEL_NOWHERE && !guest->blocked && guest->banned != wished)
            begin_flight(model, number, wished);
        return;
    }
    if (guest->until_usec > model->now_usec)
        return;
    if (guest->flight == MODEL_FLIGHT_TO && guest->fails) {
        guest->flight = MODEL_FLIGHT_NONE;
        guest->blocked = true;
        guest->blocked_usec = model->now_usec;
        model->failed++;
        return;
    }
    if (model->hosts[guest->target].wish != number)
        fail(model, "%s is stopped: %s has withdrawn its wish before the migration was written down",
             guest->figures.resource, model->hosts[guest->target].name);
    if (guest->flight == MODEL_FLIGHT_TO) {
        guest->flight = MODEL_FLIGHT_FROM;
        guest->host = guest->target;
        guest->until_usec = model->now_usec + rng_between(&model->rng, 1, 20) * SECOND;
        return;
    }
    guest->flight = MODEL_FLIGHT_NONE;
    guest->came_usec = model->now_usec;
    model->moves++;
}

static void
check_motions(Model *model)
{
    unsigned flights = 0, wishes = 0;

    for (int i = 0; i < model->guest_count; i++)
        flights += model->guests[i].flight != MODEL_FLIGHT_NONE;
    if (flights > 1)
        fail(model, "%u guests move at once", flights);
    for (int i = 0; i < model->host_count; i++) {
        const ModelHost *host = &model->hosts[i];

        wishes += host->wish != MODEL_NOWHERE;
        if (host->wish == MODEL_NOWHERE || host->cluster == NULL)
            continue;
        if (model->guests[host->wish].flight == MODEL_FLIGHT_NONE && model->guests[host->wish].host != i &&
            model->now_usec - MAX(host->wish_usec, model->guests[host->wish].blocked_usec) > 110 * SECOND)
            fail(model, "%s wishes for %s, and nobody follows it", host->name,
                 model->guests[host->wish].figures.resource);
    }
    if (wishes > 1)
        fail(model, "%u guests are wished for at once", wishes);
}

bool
model_second(Model *model)
{
    model->now_usec += SECOND;
    move_needs(model);
    lose_daemons(model);
    for (int i = 0; i < model->host_count; i++) {
        ModelHost *host = &model->hosts[i];

        run_book(model, i);
        if (host->cluster != NULL && model->now_usec >= host->next_usec)
            exchange(model, i);
        show(model, host);
        watch_daemon(model, host);
    }
    for (int i = 0; i < model->guest_count; i++)
        run_flight(model, i);
    for (int i = 0; i < model->host_count; i++)
        model->pressed_sec += model->hosts[i].wants_kib >= model->hosts[i].budget_kib;
    check_motions(model);
    return model->broken[0] == '\0';
}

/* ---- for the real scheduler ---- */

void
model_print(const Model *model, FILE *out)
{
    fprintf(out, "{\"hosts\":[");
    for (int i = 0; i < model->host_count; i++) {
        const ModelHost *host = &model->hosts[i];
        uint64_t running = 0;

        for (int k = 0; k < model->guest_count; k++)
            if (model->guests[k].host == i)
                running +=
                    cluster_guest_utilization(model->guests[k].minimum_kib, model->guests[k].figures.overhead_kib);
        fprintf(out, "%s{\"name\":\"%s\",\"room\":%d,\"capacity\":%" PRIu64 ",\"wish\":", i > 0 ? "," : "", host->name,
                host->room, cluster_host_capacity(host->budget_kib, running));
        if (host->wish != MODEL_NOWHERE)
            fprintf(out, "\"%s\"", model->guests[host->wish].figures.resource);
        else
            fprintf(out, "null");
        fprintf(out, "}");
    }
    fprintf(out, "],\"guests\":[");
    for (int i = 0; i < model->guest_count; i++) {
        const ModelGuest *guest = &model->guests[i];

        fprintf(out, "%s{\"name\":\"%s\",\"host\":%d,\"utilization\":%" PRIu64 ",\"flight\":%d,\"target\":%d}",
                i > 0 ? "," : "", guest->figures.resource, guest->host,
                cluster_guest_utilization(guest->minimum_kib, guest->figures.overhead_kib), guest->flight,
                guest->target);
    }
    fprintf(out, "]}\n");
}
