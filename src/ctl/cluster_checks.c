/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster_checks.h"

#include "cluster/constraints.h"
#include "cluster/figures.h"
#include "cluster/score.h"
#include "cluster_guests.h"

#include <string.h>

/* The most of a host's room, beside which a wish must still outweigh what a guest stays for. */
#define ROOM_MOST (CLUSTER_STARS_MAX * CLUSTER_STAR_SCORE)
/* Pacemaker's INFINITY. */
#define INFINITE 1000000
/* A guest that dirties its memory quickly takes minutes; the agent's own defaults are 60 s and 120 s. */
#define MIGRATE_SEC 600
/* A start waits for memory, which is [Admission] TimeoutSec= of 30 s, and then boots. */
#define START_SEC 90

void
cluster_checks_names(GPtrArray *checks, const char *name, CheckLevel level, const char *text, const GPtrArray *names,
                     const char *advice)
{
    g_autofree char *shown = check_names(names);

    if (names->len > 0)
        check_add(checks, name, level, g_strdup_printf("%s: %s", text, shown), g_strdup(advice));
}

static void
add_name(GPtrArray *names, const char *name)
{
    g_ptr_array_add(names, (void *)name);
}

/* ---- guests ---- */

GPtrArray *
cluster_checks_guests(Cib *cib, const ClusterWanted *wanted, GPtrArray *checks)
{
    const GPtrArray *all = cib_guests(cib, wanted->agent);
    GPtrArray *guests = g_ptr_array_new();
    g_autoptr(GPtrArray) tied = g_ptr_array_new();
    g_autoptr(GPtrArray) unknown = g_ptr_array_new();
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (guint i = 0; i < all->len; i++) {
        const CibGuest *guest = g_ptr_array_index(all, i);
        g_autofree char *identity = cluster_guest_identity(cib, guest);

        if (guest->parent != NULL || guest->cloned) {
            add_name(tied, guest->name);
            continue;
        }
        if (!cluster_name_is_good(guest->name)) {
            add_name(names, guest->name);
            continue;
        }
        if (identity == NULL)
            add_name(unknown, guest->name);
        g_ptr_array_add(guests, (void *)guest);
    }
    if (all->len == 0)
        check_add(checks, "guests", CHECK_PROBLEM,
                  g_strdup_printf("the cluster has no guest: no resource of the agent %s", wanted->agent),
                  g_strdup("make them resources first, see dynmem-cluster(7)"));
    cluster_checks_names(checks, "guests", CHECK_WARNING, "not moved, for they stand in a group or a clone", tied,
                         "what stands in a group moves with all of it; a guest is to be a resource of its own");
    cluster_checks_names(checks, "guests", CHECK_WARNING,
                         "not moved, for their names are too long or have other characters", names,
                         "letters, digits, '.', '_' and '-', at most 63 of them");
    cluster_checks_names(checks, "files", CHECK_WARNING, "not moved from here, for their domain XML can't be read here",
                         unknown, "config= of the resource names a file that each host must have");
    return guests;
}

/* A score as Pacemaker reads it, between -INFINITE and INFINITE. */
static gint64
score_of(const char *text)
{
    gint64 score;

    if (text == NULL)
        return 0;
    if (g_ascii_strcasecmp(text, "INFINITY") == 0 || g_ascii_strcasecmp(text, "+INFINITY") == 0)
        return INFINITE;
    if (g_ascii_strcasecmp(text, "-INFINITY") == 0)
        return -INFINITE;
    score = g_ascii_strtoll(text, NULL, 10);
    return CLAMP(score, -INFINITE, INFINITE);
}

/* What of their past keeps guests from being moved. */
static void
check_past(const Cib *cib, const GPtrArray *guests, GPtrArray *checks)
{
    g_autoptr(GPtrArray) half = g_ptr_array_new();

    for (guint i = 0; i < guests->len; i++) {
        const CibGuest *guest = g_ptr_array_index(guests, i);

        if (cib_knows_half_a_move(cib, guest->name))
            add_name(half, guest->name);
    }
    cluster_checks_names(checks, "history", CHECK_WARNING,
                         "not moved, for the cluster remembers half of an earlier move, and would stop them", half,
                         "crm_resource --refresh --resource NAME");
}

static void
check_stays(const Cib *cib, const GPtrArray *guests, GPtrArray *checks, GPtrArray *changes)
{
    g_autoptr(GPtrArray) low = g_ptr_array_new();
    g_autoptr(GPtrArray) high = g_ptr_array_new();
    g_autoptr(GPtrArray) stiff = g_ptr_array_new();
    g_autofree char *stickiness = g_strdup_printf("%d", CLUSTER_STICKINESS);

    for (guint i = 0; i < guests->len; i++) {
        const CibGuest *guest = g_ptr_array_index(guests, i);
        const char *migrate = cib_meta(cib, guest, "allow-migrate");
        gint64 score = score_of(cib_meta(cib, guest, "resource-stickiness"));

        if (score < CLUSTER_STICKINESS)
            add_name(low, guest->name);
        if (score + ROOM_MOST >= CLUSTER_WISH_SCORE)
            add_name(high, guest->name);
        if (score < CLUSTER_STICKINESS || score + ROOM_MOST >= CLUSTER_WISH_SCORE)
            cluster_change_meta(changes, cib, guest, "resource-stickiness", stickiness);
        if (!cib_is_true(migrate)) {
            add_name(stiff, guest->name);
            cluster_change_meta(changes, cib, guest, "allow-migrate", "true");
        }
    }
    cluster_checks_names(checks, "stickiness", CHECK_PROBLEM,
                         "moved by the room of other hosts, for too little keeps them where they are", low,
                         "resource-stickiness=100");
    cluster_checks_names(checks, "stickiness", CHECK_PROBLEM,
                         "not moved by any wish, for too much keeps them where they are", high,
                         "resource-stickiness=100; what it is with the room of a host must be below 250");
    cluster_checks_names(checks, "migrate", CHECK_PROBLEM, "stopped instead of migrated live", stiff,
                         "allow-migrate=true");
}

/* An interval as Pacemaker reads it, in seconds; 0: none, or one that is not understood. */
static guint64
seconds_of(const char *text)
{
    char *unit = NULL;
    guint64 number = text != NULL ? g_ascii_strtoull(text, &unit, 10) : 0;

    if (number == 0 || *unit == '\0' || g_str_equal(unit, "s") || g_str_equal(unit, "sec"))
        return number;
    if (g_str_equal(unit, "m") || g_str_equal(unit, "min"))
        return number * 60;
    if (g_str_equal(unit, "h") || g_str_equal(unit, "hr"))
        return number * 3600;
    return g_str_equal(unit, "ms") || g_str_equal(unit, "msec") ? number / 1000 : 0;
}

/* Whether the operation is short of so many seconds, which are then to be set; or does not block where it must. */
static bool
check_operation(const Cib *cib, const CibGuest *guest, const char *name, guint64 least, bool block, GPtrArray *changes)
{
    const XmlNode *operation = cib_operation(cib, guest, name);
    bool is_short = seconds_of(cib_operation_value(cib, operation, "timeout")) < least;
    bool goes_on = block && g_strcmp0(cib_operation_value(cib, operation, "on-fail"), "block") != 0;
    g_autofree char *timeout = g_strdup_printf("%" G_GUINT64_FORMAT "s", least);

    if (is_short || goes_on)
        cluster_change_operation(changes, cib, guest, name, is_short ? timeout : NULL, goes_on ? "block" : NULL);
    return is_short || goes_on;
}

static void
check_operations(const Cib *cib, const GPtrArray *guests, GPtrArray *checks, GPtrArray *changes)
{
    g_autoptr(GPtrArray) sent = g_ptr_array_new();
    g_autoptr(GPtrArray) received = g_ptr_array_new();
    g_autoptr(GPtrArray) started = g_ptr_array_new();

    for (guint i = 0; i < guests->len; i++) {
        const CibGuest *guest = g_ptr_array_index(guests, i);

        if (check_operation(cib, guest, "migrate_to", MIGRATE_SEC, true, changes))
            add_name(sent, guest->name);
        if (check_operation(cib, guest, "migrate_from", MIGRATE_SEC, false, changes))
            add_name(received, guest->name);
        if (check_operation(cib, guest, "start", START_SEC, false, changes))
            add_name(started, guest->name);
    }
    cluster_checks_names(checks, "operations", CHECK_PROBLEM,
                         "stopped and started cold where a migration fails, or takes longer", sent,
                         "op migrate_to timeout=600s on-fail=block");
    cluster_checks_names(checks, "operations", CHECK_PROBLEM, "too little time to be taken in", received,
                         "op migrate_from timeout=600s");
    cluster_checks_names(checks, "operations", CHECK_PROBLEM,
                         "too little time to start where memory must be found first", started,
                         "op start timeout=90s, and more than [Admission] TimeoutSec= in any case");
}

/* A place that an administrator prefers or bars by more than a guest stays for: after a move it would go back. */
static void
check_places(const Cib *cib, const GPtrArray *guests, GPtrArray *checks)
{
    g_autoptr(GPtrArray) drawn = g_ptr_array_new();

    for (guint i = 0; i < guests->len; i++) {
        const CibGuest *guest = g_ptr_array_index(guests, i);
        const XmlNode *place;

        for (unsigned k = 0; (place = xml_child_at(cib_constraints(cib), k)) != NULL; k++)
            if (g_str_equal(xml_name(place), "rsc_location") && xml_attribute_is(place, "rsc", guest->name) &&
                score_of(xml_attribute(place, "score")) >= CLUSTER_STICKINESS - ROOM_MOST) {
                add_name(drawn, guest->name);
                break;
            }
    }
    cluster_checks_names(checks, "places", CHECK_WARNING, "drawn back to a host that they prefer after each move",
                         drawn,
                         "take that constraint away ('pcs resource clear', 'crm resource clear' where it comes from a "
                         "move by hand), or give "
                         "it a score below 50");
}

/* ---- what counts for all ---- */

/* The names as a pattern that matches them and nothing else. Caller frees. */
static char *
pattern_of(const GPtrArray *guests)
{
    g_autoptr(GString) pattern = g_string_new(NULL);

    for (guint i = 0; i < guests->len; i++) {
        const CibGuest *guest = g_ptr_array_index(guests, i);
        g_auto(GStrv) parts = g_strsplit(guest->name, ".", -1);
        g_autofree char *escaped = g_strjoinv("\\.", parts);

        g_string_append_printf(pattern, "%s%s", i > 0 ? "|" : "", escaped);
    }
    return g_string_free(g_steal_pointer(&pattern), FALSE);
}

/* What is wrong with a constraint as it is; NULL: nothing. */
static const char *
constraint_fault(const XmlNode *found, const char *attribute)
{
    const XmlNode *rule = xml_child(found, "rule", NULL, NULL);
    const XmlNode *expression = xml_child(rule, "expression", NULL, NULL);

    if (xml_attribute(found, "rsc-pattern") == NULL)
        return "has no rsc-pattern";
    if (!xml_attribute_is(rule, "score-attribute", attribute) ||
        !xml_attribute_is(expression, "attribute", attribute) || !xml_attribute_is(expression, "operation", "defined"))
        return "has another rule";
    return NULL;
}

/* Whether the pattern of a constraint matches all of guests, and none of others. */
static bool
pattern_fits(const XmlNode *found, const GPtrArray *guests, const GPtrArray *others)
{
    const char *pattern = xml_attribute(found, "rsc-pattern");
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);

    for (guint i = 0; regex != NULL && i < guests->len; i++)
        if (!g_regex_match(regex, ((const CibGuest *)g_ptr_array_index(guests, i))->name, 0, NULL))
            return false;
    for (guint i = 0; regex != NULL && i < others->len; i++)
        if (g_regex_match(regex, g_ptr_array_index(others, i), 0, NULL))
            return false;
    return regex != NULL;
}

static void
check_constraints(const Cib *cib, const ClusterWanted *wanted, const GPtrArray *guests, GPtrArray *checks,
                  GPtrArray *changes)
{
    static const struct {
        const char *id;
        const char *attribute;
    } constraints[] = {{CLUSTER_WISH_CONSTRAINT, CLUSTER_WISH_PREFIX "%1"},
                       {CLUSTER_ROOM_CONSTRAINT, CLUSTER_ROOM_ATTRIBUTE}};
    g_autofree char *pattern = wanted->guests != NULL ? g_strdup(wanted->guests) : pattern_of(guests);
    bool changed = false;

    for (size_t i = 0; i < G_N_ELEMENTS(constraints); i++) {
        const XmlNode *found = cib_constraint(cib, constraints[i].id);
        const char *fault = found != NULL ? constraint_fault(found, constraints[i].attribute) : NULL;

        if (found == NULL)
            check_add(
                checks, "constraints", CHECK_PROBLEM,
                g_strdup_printf("there is no %s: the cluster does not look at what hosts publish", constraints[i].id),
                g_strdup("the commands of the step constraints"));
        else if (fault != NULL)
            check_add(checks, "constraints", CHECK_PROBLEM, g_strdup_printf("%s %s", constraints[i].id, fault),
                      g_strdup_printf("delete it: 'pcs constraint delete %s' or 'crm configure delete %s'",
                                      constraints[i].id, constraints[i].id));
        else if (!pattern_fits(found, guests, cib_others(cib)))
            check_add(
                checks, "constraints", CHECK_PROBLEM,
                g_strdup_printf("the pattern of %s leaves guests out, or takes in what is no guest", constraints[i].id),
                g_strdup("run this again after guests were added; --guests=PATTERN for one that takes in later ones"));
        else
            continue;
        changed = true;
    }
    if (changed && guests->len > 0)
        cluster_change_constraints(changes, cib, pattern);
}

static void
check_cluster(const Cib *cib, const ClusterWanted *wanted, GPtrArray *checks, GPtrArray *changes)
{
    const char *limit = cib_property(cib, "migration-limit");
    const char *fencing = cib_property(cib, "stonith-enabled");
    const char *fatal = cib_property(cib, "start-failure-is-fatal");

    if (limit == NULL || g_ascii_strtoll(limit, NULL, 10) != 1) {
        check_add(checks, "migration-limit", CHECK_PROBLEM,
                  g_strdup("hosts may migrate several guests at once, which both hosts hold memory for"),
                  g_strdup("migration-limit=1"));
        cluster_change_property(changes, cib, SETUP_STEP_GUESTS, "migration-limit", "1");
    }
    if (fencing != NULL && !cib_is_true(fencing))
        check_add(
            checks, "fencing", CHECK_WARNING,
            g_strdup(
                "stonith-enabled=false: a host that is cut off may go on running guests that are started elsewhere"),
            g_strdup("set up fencing, with dynmem or without"));
    if (fatal == NULL || cib_is_true(fatal))
        check_add(
            checks, "start-failure", CHECK_NOTE,
            g_strdup("a guest whose start fails once, as on a full host, is not tried there again until 'crm_resource "
                     "--refresh'"),
            g_strdup("start-failure-is-fatal=false with migration-threshold= on each resource, if that is not wanted"));
    if (!cib_has_agent(cib, CLUSTER_HOST_AGENT)) {
        check_add(checks, "agent", CHECK_PROBLEM,
                  g_strdup("nothing runs " CLUSTER_HOST_AGENT ": no host publishes anything"),
                  g_strdup("install dynmem on each host before that step"));
        cluster_change_agent(changes, wanted->agent);
    }
}

void
cluster_checks_run(Cib *cib, const ClusterWanted *wanted, GPtrArray *checks, GPtrArray *changes)
{
    g_autoptr(GPtrArray) guests = cluster_checks_guests(cib, wanted, checks);

    check_past(cib, guests, checks);
    check_stays(cib, guests, checks, changes);
    check_operations(cib, guests, checks, changes);
    check_places(cib, guests, checks);
    check_cluster(cib, wanted, checks, changes);
    check_constraints(cib, wanted, guests, checks, changes);
    cluster_checks_capacities(cib, wanted, guests, checks, changes);
}
