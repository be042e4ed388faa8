/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whatever other hosts of a cluster publish, each in a line "NAME LINE", ten seconds after the one before: it is ignored with a
 * reason, or read as something that can be, and this host goes on to publish what others can read, and wishes for nothing that
 * it has not booked.
 */

#include "fuzz.h"

#include "cluster/cluster.h"
#include "units.h"

#define LINES_MOST 64

static void
check_step(const ClusterStep *step)
{
    g_autofree char *line = cluster_figures_format(&step->figures);
    ClusterFigures again;

    g_assert_true(cluster_figures_parse(line, &again, NULL));
    g_assert_cmpint(step->room, >=, 0);
    g_assert_cmpint(step->room, <, CLUSTER_STICKINESS);
    g_assert_false(step->wish); /* nothing is ever booked here */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", LINES_MOST);
    const ClusterRules rules = cluster_rules_default();
    g_autoptr(Cluster) cluster = cluster_new("here", &rules);
    const ClusterCandidate guest = {.guest = {.uuid = "aaaaaaaa-0000-0000-0000-000000000001",
                                              .resource = "vm-web",
                                              .maximum_kib = 8 * KIB_PER_GIB,
                                              .brings_kib = 4 * KIB_PER_GIB,
                                              .want_kib = 4 * KIB_PER_GIB},
                                    .movable = true};
    const ClusterHost host = {.level = CLUSTER_LEVEL_AUTOMATIC,
                              .budget_kib = 16 * KIB_PER_GIB,
                              .want_kib = 20 * KIB_PER_GIB,
                              .reclaimable_kib = KIB_PER_GIB,
                              .guests = &guest,
                              .count = 1};
    uint64_t now_usec = 1000 * USEC_PER_SEC;
    ClusterStep step;

    for (size_t i = 0; lines[i] != NULL; i++) {
        char *blank = strchr(lines[i], ' ');
        g_autoptr(GError) error = NULL;

        if (blank == NULL)
            continue;
        *blank = '\0';
        now_usec += CLUSTER_PERIOD_SEC * USEC_PER_SEC;
        /* an earlier daemon of this host may have wished for something: that is not what is looked at */
        if (strcmp(lines[i], "here") == 0)
            continue;
        g_assert_true(cluster_hear(cluster, lines[i], blank + 1, now_usec, &error) == (error == NULL));
        cluster_step(cluster, &host, now_usec, &step);
        check_step(&step);
    }
    return 0;
}
