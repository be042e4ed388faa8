/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Random clusters in virtual time: cluster_model [SEED [COUNT [HOURS [HOSTS GUESTS]]]]. CLUSTER_BREAK= breaks the rule of that bit of
 * cluster/faults.h; CLUSTER_BREAK=dead has the resource agent leave what a dead daemon has published. With --shots the clusters
 * are printed in the moments that the engine's own scheduler is asked about, one JSON object a line. --constraints GUESTS prints
 * what administrators put into the cluster.
 */

#include "cluster/constraints.h"
#include "cluster/faults.h"
#include "model.h"
#include "units.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint64_t
number_from(const char *text, uint64_t otherwise)
{
    return text != NULL ? g_ascii_strtoull(text, NULL, 10) : otherwise;
}

/* What is going on, as far as the scheduler is concerned; a shot is taken whenever it is something else. */
static unsigned
moment_of(const Model *model)
{
    unsigned moment = 0;

    for (int i = 0; i < model->host_count; i++)
        if (model->hosts[i].wish != MODEL_NOWHERE)
            moment += 1 + 2 * (unsigned)(model->guests[model->hosts[i].wish].host == i);
    for (int i = 0; i < model->guest_count; i++)
        moment += 10 * (unsigned)model->guests[i].flight;
    return moment;
}

int
main(int argc, char **argv)
{
    bool shots = argc > 1 && strcmp(argv[1], "--shots") == 0;
    char **words = argv + (shots ? 2 : 1);
    uint64_t seed = number_from(words[0], 1);
    uint64_t count = words[0] != NULL ? number_from(words[1], 1) : 50;
    uint64_t hours = words[0] != NULL && words[1] != NULL ? number_from(words[2], 24) : 24;
    bool sized = words[0] != NULL && words[1] != NULL && words[2] != NULL && words[3] != NULL;
    int hosts = sized ? (int)MIN(number_from(words[3], 0), MODEL_HOSTS_MAX) : 0;
    int guests = sized ? (int)MIN(number_from(words[4], 0), MODEL_GUESTS_MAX) : 0;
    const char *fault = g_getenv("CLUSTER_BREAK");
    unsigned failures = 0, moves = 0, offers = 0, failed = 0;
    uint64_t pressed = 0, pressed_still = 0;
    double unmet = 0, still = 0;

    if (argc > 2 && strcmp(argv[1], "--constraints") == 0) {
        g_autofree char *xml = cluster_constraints_xml(argv[2]);

        fputs(xml, stdout);
        return EXIT_SUCCESS;
    }
    if (fault != NULL && strcmp(fault, "dead") != 0)
        cluster_rules_break(UINT64_C(1) << number_from(fault, 0));
    for (uint64_t i = 0; i < count; i++) {
        static Model model, without; /* large */
        unsigned moment = 0;

        /* every third is calm, to see what moving gains */
        model_init(&model, seed + i, (seed + i) % 3 == 0, hosts, guests);
        model_init(&without, seed + i, (seed + i) % 3 == 0, hosts, guests);
        without.still = true;
        model.leaves_dead = g_strcmp0(fault, "dead") == 0;
        for (uint64_t second = 0; second < hours * 3600; second++) {
            bool good = model_second(&model);

            if (shots && moment_of(&model) != moment)
                model_print(&model, stdout);
            moment = moment_of(&model);
            if (!good)
                break;
            if (model.calm && !shots)
                model_second(&without);
        }
        if (shots)
            model_print(&model, stdout);
        if (model.broken[0] != '\0') {
            failures++;
            fprintf(shots ? stderr : stdout, "seed %" PRIu64 ": %s\n", seed + i, model.broken);
        }
        moves += model.moves;
        offers += model.offers;
        failed += model.failed;
        if (model.calm && model.broken[0] == '\0') {
            unmet += model.unmet_gib_sec;
            still += without.unmet_gib_sec;
            pressed += model.pressed_sec / 60;
            pressed_still += without.pressed_sec / 60;
        }
        model_clear(&model);
        model_clear(&without);
    }
    fprintf(shots ? stderr : stdout,
            "%" PRIu64 " clusters of %" PRIu64
            " h: %u offers, %u moves, %u failed; unmet %.0f GiB s, without moving %.0f; hosts pressed for "
            "%" PRIu64 " min, without moving %" PRIu64 "; %u broken\n",
            count, hours, offers, moves, failed, unmet, still, pressed, pressed_still, failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
