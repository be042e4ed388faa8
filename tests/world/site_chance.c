/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A cluster in which anything happens, hour after hour. */

#include "site.h"

#include <stdio.h>

#define MINUTES(n) SECONDS(60 * (n))
#define CHANCE_HOURS 4
#define CHANCE_NODES 4
#define CHANCE_GUESTS 8

/* Something that happens in a cluster. */
static void
happen(Site *site, Rng *rng)
{
    unsigned node = (unsigned)rng_between(rng, 0, site->count - 1);

    switch (rng_between(rng, 0, 9)) {
    case 0:
        site_kill_daemon(site, node);
        break;
    case 1:
        site->nodes[node].silent = !site->nodes[node].silent;
        break;
    case 2:
        site->breaks = !site->breaks;
        break;
    case 3:
        site->obeys = !site->obeys;
        break;
    case 4:
        site_set_level(site, rng_hits(rng, 500) ? CLUSTER_LEVEL_AUTOMATIC : CLUSTER_LEVEL_MANUAL);
        break;
    default:
        site_need(site, (unsigned)rng_between(rng, 0, site->guest_count - 1), rng_between(rng, 300, 5000));
        break;
    }
}

static void
mend(Site *site)
{
    for (unsigned i = 0; i < site->count; i++) {
        site_start_daemon(site, i);
        site->nodes[i].silent = false;
    }
    site->breaks = false;
    site->obeys = true;
    for (unsigned i = 0; i < site->guest_count; i++)
        site->guests[i].blocked_usec = 0;
    site_set_level(site, CLUSTER_LEVEL_AUTOMATIC);
}

bool
site_chance(uint64_t seed)
{
    static const char *const names[CHANCE_GUESTS] = {"web", "db", "mail", "wiki", "chat", "logs", "pipe", "shop"};
    Rng rng = {.state = seed};
    g_autoptr(Site) site = site_new((unsigned)rng_between(&rng, 2, CHANCE_NODES), 8192);
    const char *left;

    for (unsigned i = 0; i < CHANCE_GUESTS; i++)
        site_add(site, (unsigned)rng_between(&rng, 0, site->count - 1), names[i], 700, rng_between(&rng, 300, 600));
    site_begin(site);
    for (uint64_t minutes = 0; minutes < 60 * CHANCE_HOURS && site->broken == NULL; minutes += 2) {
        site_run(site, MINUTES(2));
        if (rng_hits(&rng, 400))
            happen(site, &rng);
        else if (rng_hits(&rng, 300))
            mend(site);
    }
    mend(site);
    site_set_level(site, CLUSTER_LEVEL_OFF);
    site_run(site, MINUTES(15));
    left = site_find_left(site);
    if (left != NULL || site->broken != NULL) {
        site_print(site);
        printf("seed %d: %s\n", (int)seed, site->broken != NULL ? site->broken : left);
        return false;
    }
    printf("ok seed %d: %u hosts, %u moves, %u failed\n", (int)seed, site->count, site->moves, site->failed);
    return true;
}
