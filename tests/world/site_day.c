/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A day of a cluster, as one has them: hosts of different sizes, guests that work in office hours, at night, all the time, or now and
 * then very much; hosts that fall and come back. It is played twice, with moves and without, and what guests lacked is compared.
 * What each move does is looked at in what guests truly need; what hosts say of that is not asked.
 */

#include "site.h"

#include <stdio.h>
#include <string.h>

#define MINUTES(n) SECONDS(60 * (n))
/* What is needed changes so often, one guest after the other. */
#define CHANGE_MIN 5
#define FIRST_HOUR 6
/* What a QEMU costs at most, for who places guests on the first day. */
#define QEMU_MIB 100
/* Of what it wants a guest needs so much; the rest is its buffer. */
#define BUFFER_PERCENT 10
/* What hosts tell is an estimate, and some seconds old: so many points of pressure. */
#define ESTIMATE_POINTS 6.0
/* No motion is shorter: two times for others to see it, and the time that the guest must have run there (src/cluster). */
#define MOTION_SEC 150
/* Nobody moves any more when needs have not changed for so many hours, but for who waits for its cooldown. */
#define CALM_HOURS 2

typedef enum LoadKind {
    LOAD_STEADY,
    LOAD_OFFICE,
    LOAD_BATCH, /* at night */
    LOAD_TAIL,  /* seldom, and much */
    LOADS,
} LoadKind;

typedef struct Load {
    LoadKind kind;
    Rng rng; /* of its own: the same load whatever becomes of the guest */
    uint64_t low_mib;
    uint64_t high_mib;
    uint64_t shift_min;
    uint64_t high_until_min; /* of a tail */
    unsigned from;           /* host that it left last; SITE_NOWHERE: none */
    uint64_t moved_usec;
} Load;

typedef struct Day {
    Site *site;
    Rng rng;    /* of the hosts */
    bool moves; /* guests are moved */
    bool still; /* needs don't change, and no host falls */
    bool told;  /* a line an hour */
    unsigned hours;
    unsigned down; /* host that has fallen; SITE_NOWHERE: none */
    uint64_t back_min;
    unsigned falls;
    unsigned offers;
    unsigned returns; /* guests that came back to where they were before */
    double unmet_gib_sec;
    uint64_t pressed_min; /* hosts under pressure, all together */
    Load loads[SITE_GUESTS_MAX];
} Day;

/* ---- what is needed ---- */

/* minute: since midnight. */
static uint64_t
need_at(Load *load, uint64_t minute)
{
    uint64_t hour = (minute + load->shift_min) / 60 % 24;
    bool high = load->kind == LOAD_OFFICE ? hour >= 9 && hour < 18 : load->kind == LOAD_BATCH && hour < 5;
    uint64_t need;

    if (load->kind == LOAD_TAIL && minute >= load->high_until_min && rng_hits(&load->rng, 12))
        load->high_until_min = minute + rng_between(&load->rng, 20, 240);
    if (load->kind == LOAD_TAIL)
        high = minute < load->high_until_min;
    need = high ? load->high_mib : load->low_mib;
    return need - need * rng_between(&load->rng, 0, 60) / 1000;
}

static void
change_needs(Day *day, uint64_t minute)
{
    for (unsigned i = (unsigned)(minute % CHANGE_MIN); i < day->site->guest_count; i += CHANGE_MIN)
        site_need(day->site, i, need_at(&day->loads[i], minute));
}

/* ---- what is true ---- */

static double
room_on(const Node *node)
{
    uint64_t memory = FROM_MIB(node->memory_mib);

    return (double)(memory - MAX(memory / 16, FROM_MIB(512)) - FROM_MIB(100));
}

/* What its guests want, overheads included, in percent of what it has for them. */
static double
true_pressure(const Site *site, unsigned node)
{
    double wants = 0;

    for (unsigned i = 0; i < site->guest_count; i++)
        if (site->guests[i].where == node)
            wants += (double)site->guests[i].needs_kib * (100 + BUFFER_PERCENT) / 100 + FROM_MIB(QEMU_MIB) / 2.0;
    return wants * 100 / room_on(&site->nodes[node]);
}

static void
check_offer(Day *day, unsigned guest, unsigned from, unsigned to)
{
    const Site *site = day->site;
    double wants = (double)site->guests[guest].needs_kib * (100 + BUFFER_PERCENT) + FROM_MIB(QEMU_MIB) * 50.0;
    double source = true_pressure(site, from), target = true_pressure(site, to);
    double source_after = source - wants / room_on(&site->nodes[from]);
    double target_after = target + wants / room_on(&site->nodes[to]);

    day->offers++;
    if (MAX(source_after, target_after) > MAX(source, target) + ESTIMATE_POINTS)
        site_break(day->site, "%s offers %s to %s: %.0f%% and %.0f%% before it, %.0f%% and %.0f%% after it",
                   site->nodes[from].name, site->guests[guest].resource, site->nodes[to].name, source, target,
                   source_after, target_after);
    if (target_after > 100 + ESTIMATE_POINTS)
        site_break(day->site, "%s offers %s to %s, which would lack by it: %.0f%%", site->nodes[from].name,
                   site->guests[guest].resource, site->nodes[to].name, target_after);
}

static void
check_move(Day *day, unsigned guest, unsigned from, unsigned to)
{
    Site *site = day->site;
    Load *load = &day->loads[guest];
    uint64_t ran_usec = site->now_usec - WORLD_FIRST_USEC;

    if (load->moved_usec != 0 && site->now_usec - load->moved_usec < site->cooldown_usec)
        site_break(site, "%s has moved again after %.0f s", site->guests[guest].resource,
                   (double)(site->now_usec - load->moved_usec) / (double)USEC_PER_SEC);
    if (load->from == to && day->still)
        site_break(site, "%s is back on %s though nothing has changed", site->guests[guest].resource,
                   site->nodes[to].name);
    if (day->still && ran_usec >= MINUTES(60 * CALM_HOURS))
        site_break(site, "%s moves from %s to %s though nothing has changed for hours", site->guests[guest].resource,
                   site->nodes[from].name, site->nodes[to].name);
    if (site->moves > ran_usec / SECONDS(MOTION_SEC) + 1)
        site_break(site, "%u moves in %.0f s are too many", site->moves, (double)ran_usec / (double)USEC_PER_SEC);
    day->returns += load->from == to;
    load->from = from;
    load->moved_usec = site->now_usec;
}

static void
told(void *user_data, SiteDeed deed, unsigned guest, unsigned from, unsigned to)
{
    Day *day = user_data;

    if (deed == SITE_OFFERED)
        check_offer(day, guest, from, to);
    else if (deed == SITE_MOVED)
        check_move(day, guest, from, to);
    else
        day->loads[guest].from = SITE_NOWHERE;
}

/* Nothing is published of a host that is not so; no more is free than nobody holds. */
static void
check_lines(Day *day)
{
    Site *site = day->site;

    for (unsigned i = 0; i < site->count; i++) {
        const Node *node = &site->nodes[i];
        double said = site_pressure(site, i), is = true_pressure(site, i);
        double holds = (double)node->figures.free_kib;

        if (node->world == NULL || node->line == NULL) {
            site_break(site, "%s publishes nothing", node->name);
            continue;
        }
        for (unsigned k = 0; k < node->world->count; k++)
            if (node->world->seats[k].machine != NULL)
                holds +=
                    (double)(truth_touchable(&node->world->seats[k]) + node->world->seats[k].machine->overhead_kib);
        if (holds > room_on(node) + FROM_MIB(64))
            site_break(site, "%s says that %.0f MiB are free, which are not", node->name, MIB(node->figures.free_kib));
        /* who lacks memory shows less of what it needs, and is thought to need more than it does */
        if (is < 95 ? said > is * 1.15 + 10 || said < is * 0.9 - 5 : said < 85)
            site_break(site, "%s says that it is at %.0f%%, and is at %.0f%%", node->name, said, is);
    }
}

/* ---- the cluster ---- */

/* How much it can have, many small ones and a few large. */
static uint64_t
draw_size(Rng *rng)
{
    uint64_t hit = rng_between(rng, 0, 99);

    return 1024 * (hit < 40 ? 2 : hit < 70 ? 4 : hit < 87 ? 8 : hit < 96 ? 16 : 32);
}

static Definition
draw_guest(Load *load, Rng *rng, unsigned number)
{
    uint64_t maximum_mib = draw_size(rng), hit = rng_between(rng, 0, 99);
    g_autofree char *name = g_strdup_printf("g%u", number);

    *load = (Load){.kind = hit < 40   ? LOAD_STEADY
                           : hit < 75 ? LOAD_OFFICE
                           : hit < 90 ? LOAD_BATCH
                                      : LOAD_TAIL,
                   .rng = {rng_next(rng)},
                   .shift_min = rng_between(rng, 0, 120),
                   .from = SITE_NOWHERE};
    load->high_mib = maximum_mib * rng_between(rng, 40, 85) / 100;
    load->low_mib = load->kind == LOAD_STEADY ? load->high_mib : maximum_mib * rng_between(rng, 12, 30) / 100;
    return case_define(name, maximum_mib / 8, maximum_mib / 4, maximum_mib);
}

/* Together they have what all want when they want most, and a little more or less; one by one anything. */
static void
size_hosts(Day *day, uint64_t peak_mib)
{
    uint64_t part[SITE_NODES_MAX], parts = 0;
    uint64_t all = peak_mib * rng_between(&day->rng, 95, 135) / 100;

    for (unsigned i = 0; i < day->site->count; i++)
        parts += part[i] = rng_between(&day->rng, 2, 5);
    for (unsigned i = 0; i < day->site->count; i++)
        site_size(day->site, i, MAX(all * part[i] / parts * 16 / 15 + 1024, 8192));
}

/* What all want together when they want most. */
static uint64_t
find_peak(const Load *loads, unsigned count)
{
    uint64_t by_day = 0, by_night = 0;

    for (unsigned i = 0; i < count; i++) {
        by_day += loads[i].kind == LOAD_BATCH || loads[i].kind == LOAD_TAIL ? loads[i].low_mib : loads[i].high_mib;
        by_night += loads[i].kind == LOAD_OFFICE || loads[i].kind == LOAD_TAIL ? loads[i].low_mib : loads[i].high_mib;
    }
    return MAX(by_day, by_night) * (100 + BUFFER_PERCENT) / 100 + count * QEMU_MIB;
}

/* Where it fits now, with what it may want later left out of account, as administrators place them; alike ones often together. */
static void
add_guest(Day *day, Definition definition, Load *load, uint64_t *room_mib)
{
    Site *site = day->site;
    uint64_t need_mib = need_at(load, FIRST_HOUR * 60);
    /* where nothing is to change later somebody must lack from the beginning */
    uint64_t has_mib = MAX(need_mib * (day->still ? 80 : 115) / 100, definition.minimum_kib / KIB_PER_MIB);
    unsigned node = (unsigned)rng_between(&day->rng, 0, site->count - 1);

    if (rng_hits(&day->rng, 500))
        node = (unsigned)load->kind * site->count / LOADS;
    for (unsigned i = 0; i < site->count && room_mib[node] < has_mib + QEMU_MIB; i++)
        node = (node + 1) % site->count;
    for (unsigned i = 0; i < site->count && room_mib[node] < has_mib + QEMU_MIB; i++)
        node = room_mib[i] > room_mib[node] ? i : node;
    has_mib = MIN(has_mib, room_mib[node] - MIN(room_mib[node], QEMU_MIB));
    room_mib[node] -= MIN(room_mib[node], has_mib + QEMU_MIB);
    site_add_defined(site, node, definition, has_mib, need_mib);
}

static Day *
day_new(uint64_t seed, unsigned hosts, unsigned guests, unsigned hours, bool moves)
{
    Day *day = g_new0(Day, 1);
    g_autofree Definition *definitions = g_new(Definition, guests);
    uint64_t room_mib[SITE_NODES_MAX];

    day->rng.state = seed;
    day->hours = hours;
    day->moves = moves;
    day->told = hosts > 5;
    day->down = SITE_NOWHERE;
    day->still = seed % 4 == 0;
    day->site = site_new(hosts, 8192);
    day->site->level = moves ? CLUSTER_LEVEL_AUTOMATIC : CLUSTER_LEVEL_OFF;
    day->site->tell = told;
    day->site->tell_data = day;
    for (unsigned i = 0; i < guests; i++)
        definitions[i] = draw_guest(&day->loads[i], &day->rng, i);
    size_hosts(day, find_peak(day->loads, guests));
    for (unsigned i = 0; i < hosts; i++)
        room_mib[i] = (uint64_t)(room_on(&day->site->nodes[i]) / KIB_PER_MIB) * 95 / 100;
    for (unsigned i = 0; i < guests; i++)
        add_guest(day, definitions[i], &day->loads[i], room_mib);
    site_begin(day->site);
    return day;
}

static void
day_free(Day *day)
{
    site_free(day->site);
    g_free(day);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Day, day_free)

/* ---- the day ---- */

/* Two or three of a day, one at a time. */
static void
lose_hosts(Day *day, uint64_t minute)
{
    if (day->down != SITE_NOWHERE && minute >= day->back_min) {
        site_return(day->site, day->down);
        day->down = SITE_NOWHERE;
    }
    if (day->site->count < 3 || day->down != SITE_NOWHERE || rng_next(&day->rng) % 600 != 0)
        return;
    day->down = (unsigned)rng_between(&day->rng, 0, day->site->count - 1);
    day->back_min = minute + rng_between(&day->rng, 10, 90);
    day->falls++;
    site_fell(day->site, day->down);
}

/* So that who waits for hours sees how it goes. */
static void
tell_hour(const Day *day, uint64_t minute)
{
    const Site *site = day->site;

    printf("# %02d:%02d, moves %s: %u so far, unmet %.0f GiB s; pressure", (int)(minute / 60 % 24), (int)(minute % 60),
           day->moves ? "on" : "off", site->moves, site->unmet_gib_sec);
    for (unsigned i = 0; i < site->count; i++)
        printf(" %.0f", true_pressure(site, i));
    printf("\n");
    fflush(stdout);
}

static void
run_day(Day *day)
{
    Site *site = day->site;

    for (uint64_t minute = FIRST_HOUR * 60; minute < (FIRST_HOUR + day->hours) * 60 && site->broken == NULL; minute++) {
        if (!day->still) {
            change_needs(day, minute);
            lose_hosts(day, minute);
        }
        for (unsigned i = 0; i < site->count; i++)
            day->pressed_min += site->nodes[i].world != NULL && true_pressure(site, i) > 100;
        site_run(site, MINUTES(1));
        if (day->told && minute % 60 == 59)
            tell_hour(day, minute);
    }
    day->unmet_gib_sec = site->unmet_gib_sec;
    if (day->down != SITE_NOWHERE)
        site_return(site, day->down);
    site_set_level(site, CLUSTER_LEVEL_OFF);
    if (!site_run(site, MINUTES(15)))
        return;
    if (site_find_left(site) != NULL)
        site_break(site, "%s", site_find_left(site));
    check_lines(day);
}

static bool
has_held(const Day *day, uint64_t seed)
{
    if (day->site->broken == NULL)
        return true;
    site_print(day->site);
    printf("day of seed %d, %s: %s\n", (int)seed, day->moves ? "with moves" : "without moves", day->site->broken);
    return false;
}

bool
site_day(uint64_t seed, unsigned hosts, unsigned guests, unsigned hours)
{
    Rng rng = {.state = seed};
    g_autoptr(Day) with = NULL, without = NULL;

    if (hosts == 0) {
        hosts = (unsigned)(rng_hits(&rng, 900) ? rng_between(&rng, 2, 5) : rng_between(&rng, 6, SITE_NODES_MAX));
        guests = hosts * (unsigned)rng_between(&rng, 3, MIN(10, SITE_GUESTS_MAX / hosts));
    }
    with = day_new(seed, hosts, guests, hours, true);
    without = day_new(seed, hosts, guests, hours, false);
    run_day(with);
    if (!has_held(with, seed))
        return false;
    run_day(without);
    if (!has_held(without, seed))
        return false;
    printf(
        "ok day of seed %d: %u hours, %u hosts, %u guests%s; %u falls, %u starts elsewhere, %u refused, %.0f and %.0f "
        "guest minutes down; %u offers, %u moves, %u failed, %u back where they were; unmet %.0f GiB s, without moves "
        "%.0f; hosts pressed for %d min, without moves %d\n",
        (int)seed, hours, hosts, guests, with->still ? " that always need the same" : "", with->falls,
        with->site->restarts, with->site->refused, with->site->down_sec / 60, without->site->down_sec / 60,
        with->offers, with->site->moves, with->site->failed, with->returns, with->unmet_gib_sec, without->unmet_gib_sec,
        (int)with->pressed_min, (int)without->pressed_min);
    fflush(stdout);
    return true;
}

char *
site_day_broken(uint64_t seed, unsigned hosts, unsigned guests, unsigned hours)
{
    g_autoptr(Day) day = day_new(seed, hosts, guests, hours, true);

    run_day(day);
    return g_steal_pointer(&day->site->broken);
}
