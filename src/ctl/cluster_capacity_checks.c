/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Placement by capacities. It is the most dangerous of all that is set up: with a placement strategy a host that lacks a capacity
 * which some guest needs has none of it, and its guests are stopped (lib/pacemaker, pcmk__node_available and utilization).
 */

#include "cluster/constraints.h"
#include "cluster/figures.h"
#include "cluster/score.h"
#include "cluster_checks.h"
#include "cluster_guests.h"
#include "cluster_tool.h"

#include <inttypes.h>
#include <string.h>

#define STRATEGY "placement-strategy"

/* What guests of a host may have together, in KiB, as it has published; 0: it has not. */
static uint64_t
budget_of(const GPtrArray *lines, const char *host)
{
    for (guint i = 0; i < lines->len; i++) {
        const ClusterLine *line = g_ptr_array_index(lines, i);
        ClusterFigures figures;

        if (strcmp(line->host, host) == 0 && cluster_figures_parse(line->line, &figures, NULL))
            return figures.budget_kib;
    }
    return 0;
}

static uint64_t
number_of(const char *text)
{
    return text != NULL ? g_ascii_strtoull(text, NULL, 10) : 0;
}

/* The needs of all guests, and their sums by host. Returns whether all are known. */
static bool
check_needs(Cib *cib, const GPtrArray *guests, GHashTable *sums, GPtrArray *checks, GPtrArray *changes)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new();
    g_autoptr(GPtrArray) unknown = g_ptr_array_new();

    for (guint i = 0; i < guests->len; i++) {
        const CibGuest *guest = g_ptr_array_index(guests, i);
        const char *host = cib_runs_on(cib, guest->name);
        uint64_t is = number_of(cib_utilization(cib, guest, CLUSTER_UTILIZATION));
        uint64_t need = cluster_guest_need(cib, guest);
        uint64_t *sum = host != NULL ? g_hash_table_lookup(sums, host) : NULL;

        if (need == 0 && is == 0) {
            g_ptr_array_add(unknown, (void *)guest->name);
        } else if (need != 0 && need != is) {
            g_ptr_array_add(missing, (void *)guest->name);
            cluster_change_need(changes, cib, guest, need);
        }
        if (sum != NULL)
            *sum += MAX(need, is);
    }
    cluster_checks_names(
        checks, "utilization", CHECK_PROBLEM, "the cluster does not know what they can't be without", missing,
        "the commands of the step guests: minimum and what QEMU costs, in MiB; again after a minimum changes");
    cluster_checks_names(checks, "utilization", CHECK_WARNING,
                         "without a domain XML it can't be told what they can't be without", unknown,
                         "run this where their files can be read");
    return unknown->len == 0;
}

/* Returns whether each host has a capacity that is large enough, or gets one. */
static bool
check_hosts(Cib *cib, const ClusterWanted *wanted, GHashTable *sums, GPtrArray *checks, GPtrArray *changes)
{
    const GPtrArray *hosts = cib_hosts(cib);
    bool good = true;

    for (guint i = 0; i < hosts->len; i++) {
        const char *host = g_ptr_array_index(hosts, i);
        uint64_t is = number_of(cib_capacity(cib, host, CLUSTER_UTILIZATION));
        uint64_t sum = *(const uint64_t *)g_hash_table_lookup(sums, host);
        uint64_t budget_kib = budget_of(wanted->lines, host);
        uint64_t capacity = cluster_host_capacity(budget_kib, sum);

        if (budget_kib > 0 && (is < sum || is < capacity - capacity / 16 || is > capacity + capacity / 16)) {
            check_add(checks, "capacity", CHECK_PROBLEM,
                      g_strdup_printf("%s has the capacity %" PRIu64 " MiB, and is to have %" PRIu64 " MiB", host, is,
                                      capacity),
                      g_strdup("the commands of the step hosts: its budget, and never less than what runs there"));
            cluster_change_capacity(changes, cib, host, capacity);
        } else if (is == 0 || is < sum) {
            check_add(
                checks, "capacity", CHECK_PROBLEM,
                g_strdup_printf("%s has the capacity %" PRIu64 " MiB, and %" PRIu64 " MiB run there", host, is, sum),
                g_strdup("have the agent run there first, then run this again: it publishes the host's budget"));
            good = false;
        }
    }
    return good;
}

/* Utilizations of others: each that a guest has must be on every host. Returns whether it is. */
static bool
check_others(const Cib *cib, GPtrArray *checks)
{
    g_autoptr(GPtrArray) names = cib_utilization_names(cib);
    const GPtrArray *hosts = cib_hosts(cib);
    bool good = true;

    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autoptr(GPtrArray) without = g_ptr_array_new();
        g_autofree char *before =
            g_strdup_printf("guests have the utilization %s, and there is no capacity of it on", name);
        g_autofree char *advice =
            g_strdup_printf("with a strategy all guests there are stopped; take %s off the guests, see autoset", name);

        for (guint k = 0; k < hosts->len; k++)
            if (number_of(cib_capacity(cib, g_ptr_array_index(hosts, k), name)) == 0)
                g_ptr_array_add(without, g_ptr_array_index(hosts, k));
        if (without->len == 0 || g_str_equal(name, CLUSTER_UTILIZATION))
            continue;
        cluster_checks_names(checks, "strategy", CHECK_PROBLEM, before, without, advice);
        good = false;
    }
    return good;
}

/* VirtualDomain writes what it finds as utilizations every few seconds, unless it is told not to. Returns whether it is. */
static bool
check_autoset(const Cib *cib, const GPtrArray *guests, GPtrArray *checks)
{
    static const char *const names[] = {"autoset_utilization_cpu", "autoset_utilization_hv_memory",
                                        "autoset_utilization_host_memory"};
    g_autoptr(GPtrArray) set = g_ptr_array_new();

    for (guint i = 0; i < guests->len; i++) {
        const CibGuest *guest = g_ptr_array_index(guests, i);
        bool sets = false;

        for (size_t k = 0; k < G_N_ELEMENTS(names); k++) {
            const char *value = cib_parameter(cib, guest, names[k]);

            sets = sets || value == NULL || cib_is_true(value);
        }
        if (sets && cib_is_agent(cib, guest, CLUSTER_GUEST_AGENT))
            g_ptr_array_add(set, (void *)guest->name);
    }
    cluster_checks_names(
        checks, "autoset", CHECK_PROBLEM, "their agent writes utilizations of its own, of all that they may have", set,
        "autoset_utilization_cpu=false autoset_utilization_hv_memory=false "
        "autoset_utilization_host_memory=false; a parameter that changes restarts its guest, so do it as "
        "dynmem-cluster(7) says");
    return set->len == 0;
}

void
cluster_checks_capacities(Cib *cib, const ClusterWanted *wanted, const GPtrArray *guests, GPtrArray *checks,
                          GPtrArray *changes)
{
    const char *strategy = cib_property(cib, STRATEGY);
    bool in_force = strategy != NULL && !g_str_equal(strategy, "default");
    const GPtrArray *hosts = cib_hosts(cib);
    g_autoptr(GHashTable) sums = NULL;
    bool needs, capacities, others, alone;

    if (!in_force && !wanted->capacities) {
        check_add(checks, "strategy", CHECK_NOTE,
                  g_strdup("when a host falls, all its guests start where the most room was: capacities do not count"),
                  g_strdup("--capacities sets up that they do"));
        return;
    }
    sums = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    for (guint i = 0; i < hosts->len; i++)
        g_hash_table_insert(sums, g_ptr_array_index(hosts, i), g_new0(uint64_t, 1));
    needs = check_needs(cib, guests, sums, checks, changes);
    capacities = check_hosts(cib, wanted, sums, checks, changes);
    others = check_others(cib, checks);
    alone = check_autoset(cib, guests, checks);
    if (!in_force && needs && capacities && others && alone)
        cluster_change_property(changes, cib, SETUP_STEP_STRATEGY, STRATEGY, "utilization");
    if (!in_force)
        check_add(checks, "strategy", CHECK_PROBLEM, g_strdup("capacities do not count yet"),
                  g_strdup(needs && capacities && others && alone
                               ? "the command of the step strategy, last of all"
                               : "it is left out until all that is said above is mended"));
}
