/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Hosts of a cluster with real engines, from the pressure on one of them to the guest that runs on another. Each case holds, and
 * those with a fault no longer do when its rule is broken. Then come clusters by chance.
 *
 * test_world_cluster [NAME], or test_world_cluster FIRST COUNT: the clusters of so many seeds; or test_world_cluster day FIRST
 * [COUNT [HOURS [HOSTS GUESTS]]]: their days, with moves and without. CLUSTER_BREAK= is the bit of a rule of cluster/faults.h that is
 * broken in them.
 */

#include "cluster/faults.h"
#include "decide/faults.h"
#include "site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTES(n) SECONDS(60 * (n))
/* From the pressure to the wish: three minutes that it must last, and a few exchanges. */
#define PATIENCE MINUTES(6)

/* The first thing that is not as it must be ends a case. */
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return #condition;                                                                                         \
    } while (0)

/* Each says what is wrong; NULL: nothing. */
typedef const char *(*Case)(Site *site);

enum {
    WEB,
    DB,
    MAIL
};

enum {
    A,
    B,
    C,
    D
};

/* On a host of 8 GiB web and db want more than there is; b has one small guest. */
static void
two_hosts(Site *site)
{
    site_add(site, A, "web", 3000, 3600);
    site_add(site, A, "db", 4000, 4600);
    site_add(site, B, "mail", 1000, 800);
    site_begin(site);
}

static const char *
guest_that_helps_both_most_moves_and_the_wish_ends(Site *site)
{
    two_hosts(site);
    MUST(site_run_until(site, B, CLUSTER_PHASE_WISHES, PATIENCE));
    MUST(site_booking(site, B, WEB) + site_booking(site, B, DB) >= START_PROGRESS_HELD);
    MUST(site_run_until(site, B, CLUSTER_PHASE_COMES, MINUTES(2)));
    MUST(site_run(site, MINUTES(1)));
    MUST(site->moves == 1 && site_where(site, WEB) + site_where(site, DB) == B);
    MUST(site_pressure(site, A) < 100 && site_pressure(site, B) < 100);
    MUST(site->nodes[A].news[CLUSTER_NEWS_OFFERED] == 1 && site->nodes[A].news[CLUSTER_NEWS_LEFT] == 1);
    MUST(site->nodes[B].news[CLUSTER_NEWS_BOOKED] == 1 && site->nodes[B].news[CLUSTER_NEWS_WISHED] == 1);
    MUST(site->nodes[B].news[CLUSTER_NEWS_ARRIVED] == 1);
    MUST(site->nodes[A].news[CLUSTER_NEWS_WITHDRAWN] + site->nodes[B].news[CLUSTER_NEWS_WITHDRAWN] == 0);
    MUST(site_run(site, MINUTES(30)));
    MUST(site->moves == 1 && site->failed == 0 && site->nodes[B].wish[0] == '\0');
    MUST(site_phase(site, A) == CLUSTER_PHASE_IDLE && site_phase(site, B) == CLUSTER_PHASE_IDLE);
    return NULL;
}

/* Half an hour of the same load: with moves guests lack less than a third of what they lack without. */
static const char *
guests_lack_less_than_without_moves(Site *site)
{
    g_autoptr(Site) still = site_new(site->count, 8192);

    two_hosts(site);
    still->level = CLUSTER_LEVEL_OFF;
    two_hosts(still);
    MUST(site_run(site, MINUTES(30)) && site_run(still, MINUTES(30)));
    MUST(site->moves == 1 && still->moves == 0);
    printf("# unmet in half an hour: %.0f GiB s with moves, %.0f without\n", site->unmet_gib_sec, still->unmet_gib_sec);
    MUST(site->unmet_gib_sec * 3 < still->unmet_gib_sec);
    return NULL;
}

static const char *
pressure_of_a_minute_moves_nobody(Site *site)
{
    two_hosts(site);
    MUST(site_run(site, MINUTES(2)));
    site_need(site, WEB, 800);
    MUST(site_run(site, MINUTES(10)));
    MUST(site->moves == 0 && site->nodes[A].news[CLUSTER_NEWS_OFFERED] == 0);
    return NULL;
}

static const char *
nobody_moves_to_a_host_that_needs_what_it_has(Site *site)
{
    site_add(site, A, "web", 3000, 4600);
    site_add(site, A, "db", 4000, 4600);
    site_add(site, B, "mail", 5000, 5200);
    site_begin(site);
    MUST(site_run(site, MINUTES(10)));
    MUST(site->moves == 0 && site->nodes[A].news[CLUSTER_NEWS_OFFERED] == 0);
    return NULL;
}

/* What mail has and does not need is squeezed out of it before anything is wished. */
static const char *
others_give_up_for_it_what_they_do_not_need(Site *site)
{
    site_add(site, A, "web", 3000, 3600);
    site_add(site, A, "db", 4000, 4600);
    site_add(site, B, "mail", 6800, 1000);
    site_begin(site);
    MUST(site_run_until(site, B, CLUSTER_PHASE_COMES, PATIENCE));
    MUST(site_run(site, MINUTES(2)));
    MUST(site->moves == 1);
    MUST(machine_actual(site_seat(site, B, MAIL)->machine) >= FROM_MIB(1000));
    return NULL;
}

/* Mail's balloon is so slow that its memory does not come free in time. */
static const char *
no_wish_where_memory_does_not_come_free(Site *site)
{
    site_add(site, A, "web", 3000, 3600);
    site_add(site, A, "db", 4000, 4600);
    site_add(site, B, "mail", 6800, 1000);
    site_seat(site, B, MAIL)->kernel.driver = DRIVER_SLOW;
    site_begin(site);
    site->obeys = false;
    MUST(site_run_until(site, B, CLUSTER_PHASE_BOOKS, PATIENCE));
    for (unsigned i = 0; i < 60; i++) {
        MUST(site_run(site, SECONDS(1)));
        MUST(site->nodes[B].wish[0] == '\0');
    }
    MUST(site->nodes[B].news[CLUSTER_NEWS_WITHDRAWN] == 1);
    MUST(strstr(site->nodes[B].reason, "could not be booked") != NULL);
    return NULL;
}

static const char *
manual_shows_and_moves_nobody(Site *site)
{
    g_auto(ClusterStatus) status = {0};
    ClusterPort port;

    two_hosts(site);
    site_set_level(site, CLUSTER_LEVEL_MANUAL);
    MUST(site_run(site, MINUTES(8)));
    MUST(site->moves == 0 && site->nodes[A].news[CLUSTER_NEWS_OFFERED] == 0);
    site_set_level(site, CLUSTER_LEVEL_CONFIRM);
    MUST(site_run(site, SECONDS(30)));
    port = member_port(site->nodes[A].member);
    cluster_status_init(&status);
    port.status(port.self, &status);
    MUST(status.joined && status.best.found && strcmp(status.best.target, "b") == 0);
    MUST(status.best.gain >= 10 && strcmp(status.why, "confirm") == 0);
    MUST(status.hosts->len == 2 && g_array_index(status.hosts, ClusterHostView, 0).here);
    MUST(g_array_index(status.hosts, ClusterHostView, 0).pressure_percent > 100);
    return NULL;
}

static const char *
confirmed_guest_moves_and_no_other(Site *site)
{
    g_auto(ClusterStatus) status = {0};
    g_autoptr(GError) error = NULL;
    const char *other;
    ClusterPort port;

    two_hosts(site);
    site_set_level(site, CLUSTER_LEVEL_CONFIRM);
    MUST(site_run(site, MINUTES(8)));
    MUST(site->nodes[A].news[CLUSTER_NEWS_OFFERED] == 0);
    port = member_port(site->nodes[A].member);
    cluster_status_init(&status);
    port.status(port.self, &status);
    MUST(status.best.found);
    other = site->guests[strcmp(status.best.guest, "web") == 0 ? DB : WEB].uuid;
    MUST(!port.confirm(port.self, other, &error) && error != NULL);
    MUST(port.confirm(port.self, status.best.uuid, NULL));
    MUST(site_run_until(site, A, CLUSTER_PHASE_OFFERS, SECONDS(15)));
    MUST(site_run(site, MINUTES(3)));
    MUST(site->moves == 1 && site_where(site, strcmp(status.best.guest, "web") == 0 ? WEB : DB) == B);
    /* it has been used up */
    MUST(!port.confirm(port.self, status.best.uuid, NULL));
    return NULL;
}

static const char *
who_withdraws_has_nothing_booked(Site *site)
{
    ClusterPort port;

    two_hosts(site);
    site->obeys = false;
    MUST(site_run_until(site, B, CLUSTER_PHASE_WISHES, PATIENCE));
    port = member_port(site->nodes[B].member);
    site->nodes[B].silent = true;
    port.withdraw(port.self);
    g_clear_pointer(&site->nodes[B].line, g_free);
    site->nodes[B].wish[0] = '\0';
    MUST(!port.joined(port.self) && site->nodes[B].news[CLUSTER_NEWS_WITHDRAWN] == 1);
    MUST(site_booking(site, B, WEB) == START_PROGRESS_NONE && site_booking(site, B, DB) == START_PROGRESS_NONE);
    site->obeys = true;
    MUST(site_run(site, MINUTES(10)));
    MUST(site->moves == 0 && site_phase(site, A) == CLUSTER_PHASE_IDLE);
    return NULL;
}

/* Its agent hangs: what it has published stays in the cluster, and nothing comes of it. */
static const char *
cluster_that_is_not_heard_of_is_none(Site *site)
{
    two_hosts(site);
    site->obeys = false;
    MUST(site_run_until(site, B, CLUSTER_PHASE_BOOKS, PATIENCE));
    site->nodes[B].silent = true;
    MUST(site_run(site, SECONDS(29)));
    MUST(site_booking(site, B, WEB) + site_booking(site, B, DB) > START_PROGRESS_NONE);
    MUST(site_run(site, SECONDS(12)));
    MUST(site_booking(site, B, WEB) == START_PROGRESS_NONE && site_booking(site, B, DB) == START_PROGRESS_NONE);
    MUST(site->nodes[B].news[CLUSTER_NEWS_WITHDRAWN] == 1);
    MUST(strstr(site->nodes[B].reason, "30 seconds") != NULL);
    return NULL;
}

static const char *
wish_that_nobody_follows_is_taken_back_with_its_booking(Site *site)
{
    two_hosts(site);
    site->obeys = false;
    MUST(site_run_until(site, B, CLUSTER_PHASE_WISHES, PATIENCE));
    MUST(site_run(site, SECONDS(50)));
    MUST(site->nodes[B].wish[0] != '\0');
    MUST(site_run(site, SECONDS(40)));
    MUST(site->nodes[B].wish[0] == '\0');
    MUST(site_booking(site, B, WEB) == START_PROGRESS_NONE && site_booking(site, B, DB) == START_PROGRESS_NONE);
    return NULL;
}

static const char *
guest_whose_migration_fails_stays_and_is_let_be(Site *site)
{
    two_hosts(site);
    site->breaks = true;
    MUST(site_run_until(site, B, CLUSTER_PHASE_WISHES, PATIENCE));
    MUST(site_run(site, MINUTES(30)));
    MUST(site->moves == 0 && site->failed >= 1 && site->failed <= 2); /* each of the two, once */
    MUST(site_where(site, WEB) == A && site_where(site, DB) == A);
    MUST(site->nodes[B].wish[0] == '\0' && site_booking(site, B, WEB) == START_PROGRESS_NONE);
    MUST(site->nodes[A].news[CLUSTER_NEWS_WITHDRAWN] >= 1);
    return NULL;
}

/* The daemon of a node dies at that phase, and the next one is there so much later. */
static const char *
dies(Site *site, unsigned node, unsigned watched, ClusterPhase phase, uint64_t away_usec)
{
    site->cooldown_usec = MINUTES(5); /* who dies as it books has given it up, and is asked again after that */
    two_hosts(site);
    MUST(site_run_until(site, watched, phase, PATIENCE));
    site_kill_daemon(site, node);
    MUST(site_run(site, away_usec));
    site_start_daemon(site, node);
    MUST(site_run(site, MINUTES(20)));
    /* it has moved, then or later; nobody was lost, and nothing is left */
    MUST(site->moves >= 1 && site->failed == 0 && !site->trip.active);
    MUST(site->nodes[A].wish[0] == '\0' && site->nodes[B].wish[0] == '\0');
    MUST(site_phase(site, A) == CLUSTER_PHASE_IDLE && site_phase(site, B) == CLUSTER_PHASE_IDLE);
    for (unsigned i = 0; i < site->guest_count; i++)
        MUST(site_booking(site, A, i) == START_PROGRESS_NONE && site_booking(site, B, i) == START_PROGRESS_NONE);
    return NULL;
}

#define DIES(name, node, watched, phase, seconds)                                                                      \
    static const char *name(Site *site)                                                                                \
    {                                                                                                                  \
        return dies(site, node, watched, phase, SECONDS(seconds));                                                     \
    }

DIES(source_dies_as_it_offers, A, A, CLUSTER_PHASE_OFFERS, 2)
DIES(source_dies_for_long_as_it_offers, A, A, CLUSTER_PHASE_OFFERS, 90)
DIES(source_dies_as_its_guest_leaves, A, A, CLUSTER_PHASE_LEAVES, 2)
DIES(source_dies_as_it_is_wished_for, A, B, CLUSTER_PHASE_WISHES, 2)
DIES(target_dies_as_it_books, B, B, CLUSTER_PHASE_BOOKS, 2)
DIES(target_dies_as_it_wishes, B, B, CLUSTER_PHASE_WISHES, 2)
DIES(target_dies_for_long_as_it_wishes, B, B, CLUSTER_PHASE_WISHES, 90)
DIES(target_dies_as_the_guest_comes, B, B, CLUSTER_PHASE_COMES, 2)

/* Two hosts under pressure, and two with room: one guest after the other. */
static const char *
one_guest_moves_at_a_time(Site *site)
{
    site_add(site, A, "web", 3000, 3600);
    site_add(site, A, "db", 4000, 4600);
    site_add(site, B, "mail", 3000, 3600);
    site_add(site, B, "wiki", 4000, 4600);
    site_begin(site);
    MUST(site_run(site, MINUTES(20)));
    MUST(site->moves == 2 && site->failed == 0);
    return NULL;
}

static const char *
guest_that_has_come_stays_for_the_cooldown(Site *site)
{
    two_hosts(site);
    MUST(site_run_until(site, B, CLUSTER_PHASE_COMES, PATIENCE));
    MUST(site_run(site, MINUTES(3)));
    MUST(site->moves == 1);
    /* the load moves with it: now b is short, and a has room */
    for (unsigned i = WEB; i <= DB; i++)
        site_need(site, i, site_where(site, i) == B ? 5600 : 600);
    site_need(site, MAIL, 2400);
    MUST(site_run(site, MINUTES(20)));
    MUST(site_where(site, WEB) + site_where(site, DB) == B || site_where(site, MAIL) == A);
    for (unsigned i = WEB; i <= DB; i++)
        MUST(site_where(site, i) == A || site_where(site, i) == B);
    return NULL;
}

/* The load has moved with web, and only web could move. */
static const char *
guest_that_has_come_stays_though_the_daemon_is_new(Site *site)
{
    Definition bound = case_define("mail", 256, 512, 2500);

    bound.vfio = true;
    site_add(site, A, "web", 3000, 3300);
    site_add(site, A, "db", 4000, 4200);
    site_add_defined(site, B, bound, 2500, 1500);
    site_begin(site);
    MUST(site_run_until(site, B, CLUSTER_PHASE_COMES, PATIENCE));
    MUST(site_run(site, MINUTES(4)));
    MUST(site->moves == 1 && site_where(site, WEB) == B);
    site_kill_daemon(site, B);
    MUST(site_run(site, SECONDS(2)));
    site_start_daemon(site, B);
    site_need(site, WEB, 4700);
    site_need(site, DB, 1000);
    MUST(site_run(site, MINUTES(30)));
    MUST(site_where(site, WEB) == B && site_pressure(site, B) > 100);
    MUST(site_run(site, MINUTES(35)));
    MUST(site_where(site, WEB) == A);
    return NULL;
}

static const struct {
    const char *name;
    Case run;
    unsigned hosts;
    uint64_t fault;     /* with it the case no longer holds; 0: there is none for it alone */
    Fault decide_fault; /* likewise, of src/decide */
} cases[] = {
    {"guest_that_helps_both_most_moves_and_the_wish_ends", guest_that_helps_both_most_moves_and_the_wish_ends, 2, 0, 0},
    {"guest_that_helps_both_most_moves_and_the_wish_ends", guest_that_helps_both_most_moves_and_the_wish_ends, 2,
     CLUSTER_FAULT_DROP_BEGUN, 0},
    {"guest_that_helps_both_most_moves_and_the_wish_ends", guest_that_helps_both_most_moves_and_the_wish_ends, 2,
     CLUSTER_FAULT_HIGH_SCORE, 0},
    {"guests_lack_less_than_without_moves", guests_lack_less_than_without_moves, 2, 0, 0},
    {"pressure_of_a_minute_moves_nobody", pressure_of_a_minute_moves_nobody, 2, CLUSTER_FAULT_NO_HOLD, 0},
    {"nobody_moves_to_a_host_that_needs_what_it_has", nobody_moves_to_a_host_that_needs_what_it_has, 2,
     CLUSTER_FAULT_ONE_SIDED, 0},
    {"others_give_up_for_it_what_they_do_not_need", others_give_up_for_it_what_they_do_not_need, 2, 0, 0},
    {"no_wish_where_memory_does_not_come_free", no_wish_where_memory_does_not_come_free, 2, CLUSTER_FAULT_WISH_UNBOOKED,
     0},
    {"no_wish_where_memory_does_not_come_free", no_wish_where_memory_does_not_come_free, 2, 0, FAULT_START_BEFORE_FREE},
    {"manual_shows_and_moves_nobody", manual_shows_and_moves_nobody, 2, 0, 0},
    {"confirmed_guest_moves_and_no_other", confirmed_guest_moves_and_no_other, 2, CLUSTER_FAULT_UNASKED, 0},
    {"who_withdraws_has_nothing_booked", who_withdraws_has_nothing_booked, 2, 0, 0},
    {"cluster_that_is_not_heard_of_is_none", cluster_that_is_not_heard_of_is_none, 2, 0, 0},
    {"wish_that_nobody_follows_is_taken_back_with_its_booking", wish_that_nobody_follows_is_taken_back_with_its_booking,
     2, CLUSTER_FAULT_NO_DEADLINE, 0},
    {"guest_whose_migration_fails_stays_and_is_let_be", guest_whose_migration_fails_stays_and_is_let_be, 2,
     CLUSTER_FAULT_NO_COOLDOWN | CLUSTER_FAULT_ASK_FOR_EVER, 0},
    {"source_dies_as_it_offers", source_dies_as_it_offers, 2, 0, 0},
    {"source_dies_for_long_as_it_offers", source_dies_for_long_as_it_offers, 2, 0, 0},
    {"source_dies_as_its_guest_leaves", source_dies_as_its_guest_leaves, 2, 0, 0},
    {"source_dies_as_it_is_wished_for", source_dies_as_it_is_wished_for, 2, 0, 0},
    {"target_dies_as_it_books", target_dies_as_it_books, 2, 0, 0},
    {"target_dies_as_it_wishes", target_dies_as_it_wishes, 2, 0, 0},
    {"target_dies_for_long_as_it_wishes", target_dies_for_long_as_it_wishes, 2, 0, 0},
    {"target_dies_as_the_guest_comes", target_dies_as_the_guest_comes, 2, 0, 0},
    {"one_guest_moves_at_a_time", one_guest_moves_at_a_time, 4, CLUSTER_FAULT_MANY_MOTIONS | CLUSTER_FAULT_NO_SETTLING,
     0},
    {"guest_that_has_come_stays_for_the_cooldown", guest_that_has_come_stays_for_the_cooldown, 2, 0, 0},
    {"guest_that_has_come_stays_though_the_daemon_is_new", guest_that_has_come_stays_though_the_daemon_is_new, 2,
     CLUSTER_FAULT_FORGET_STAYS, 0},
};

/* What is wrong, NULL: nothing. Free with g_free. */
static char *
run_case(size_t index, bool broken)
{
    g_autoptr(Site) site = site_new(cases[index].hosts, 8192);
    const char *wrong;

    cluster_rules_break(broken ? cases[index].fault : 0);
    rules_break(broken ? cases[index].decide_fault : 0);
    wrong = cases[index].run(site);
    cluster_rules_break(0);
    rules_break(FAULT_NONE);
    if (wrong == NULL && site->broken == NULL)
        return NULL;
    if (!broken)
        site_print(site);
    return g_strdup_printf("second %.0f: %s", world_second(site->nodes[0].world),
                           site->broken != NULL ? site->broken : wrong);
}

/* Returns whether the case does what it must. */
static bool
look_at(size_t index)
{
    bool has_fault = cases[index].fault != 0 || cases[index].decide_fault != 0;
    g_autofree char *wrong = run_case(index, false);
    g_autofree char *caught = has_fault ? run_case(index, true) : NULL;

    if (wrong != NULL)
        printf("%s: %s\n", cases[index].name, wrong);
    else if (has_fault && caught == NULL)
        printf("%s holds though its rule is broken\n", cases[index].name);
    else
        printf("ok %s%s%s\n", cases[index].name, has_fault ? "; without its rule: " : "", has_fault ? caught : "");
    return wrong == NULL && (!has_fault || caught != NULL);
}

#define CHANCE_SEEDS 8
#define DAY_HOURS 4

/* Small ones, of which one always needs the same; larger ones are by hand. */
static const struct {
    uint64_t seed;
    unsigned hosts;
    unsigned guests;
} days[] = {{1, 5, 30}, {2, 4, 40}, {3, 3, 12}, {12, 4, 32}, {6, 3, 27}};

static uint64_t
number_in(int argc, char **argv, int index, uint64_t otherwise)
{
    return argc > index ? g_ascii_strtoull(argv[index], NULL, 10) : otherwise;
}

/* In one of so many days it shows that a rule is broken. */
#define BROKEN_DAYS 12

static const struct {
    uint64_t fault;
    const char *words;
} broken_days[] = {
    {CLUSTER_FAULT_ONE_SIDED, "would lack by it"},
    {CLUSTER_FAULT_MANY_MOTIONS, "at once"},
};

static bool
look_at_broken_day(size_t index)
{
    cluster_rules_break(broken_days[index].fault);
    for (uint64_t seed = 6; seed < 6 + BROKEN_DAYS; seed++) {
        g_autofree char *caught = site_day_broken(seed, 3, 18, 5);

        if (caught == NULL || strstr(caught, broken_days[index].words) == NULL)
            continue;
        cluster_rules_break(0);
        printf("ok day of seed %d without a rule: %s\n", (int)seed, caught);
        return true;
    }
    cluster_rules_break(0);
    printf("not ok %d days without a rule: none shows \"%s\"\n", BROKEN_DAYS, broken_days[index].words);
    return false;
}

/* day FIRST [COUNT [HOURS [HOSTS GUESTS]]] */
static int
play_days(int argc, char **argv)
{
    uint64_t first = number_in(argc, argv, 2, 1), count = number_in(argc, argv, 3, 1);
    const char *fault = g_getenv("CLUSTER_BREAK");
    int failed = 0;

    if (fault != NULL)
        cluster_rules_break(UINT64_C(1) << g_ascii_strtoull(fault, NULL, 10));
    for (uint64_t seed = first; seed < first + count; seed++)
        failed += !site_day(seed, (unsigned)number_in(argc, argv, 5, 0), (unsigned)number_in(argc, argv, 6, 0),
                            (unsigned)number_in(argc, argv, 4, 24));
    return failed;
}

int
main(int argc, char **argv)
{
    bool by_day = argc > 1 && strcmp(argv[1], "day") == 0;
    bool seeds = argc == 3 && !by_day;
    uint64_t first = seeds ? number_in(argc, argv, 1, 0) : 1;
    uint64_t count = seeds ? number_in(argc, argv, 2, 0) : argc == 1 ? CHANCE_SEEDS : 0;
    int failed = 0;

    if (by_day)
        return play_days(argc, argv) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    for (size_t i = 0; i < G_N_ELEMENTS(cases) && argc < 3; i++)
        if (argc == 1 || strcmp(argv[1], cases[i].name) == 0)
            failed += !look_at(i);
    for (uint64_t seed = first; seed < first + count; seed++)
        failed += !site_chance(seed);
    for (size_t i = 0; argc == 1 && i < G_N_ELEMENTS(broken_days); i++)
        failed += !look_at_broken_day(i);
    for (size_t i = 0; argc == 1 && i < G_N_ELEMENTS(days); i++)
        failed += !site_day(days[i].seed, days[i].hosts, days[i].guests, DAY_HOURS);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
