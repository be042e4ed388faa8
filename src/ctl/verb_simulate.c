/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl simulate: the real engine in a simulated host. The one verb that needs no daemon. */

#include "ctl.h"
#include "output.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

static int option_every = 1;
static char *option_svg;

const GOptionEntry verb_simulate_options[] = {
    {"every", 0, 0, G_OPTION_ARG_INT, &option_every, "with --json: only the samples of every Nth second", "N"},
    {"svg", 0, 0, G_OPTION_ARG_FILENAME, &option_svg, "also write the run as a picture", "FILE"},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

bool
verb_simulate(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(SimScenario) scenario = NULL;
    SimOutput output = {.json = options->json ? stdout : NULL,
                        .text = options->json ? NULL : stdout,
                        .width = output_drawing_columns(),
                        .colour = output_has_colour(),
                        .unicode = g_get_charset(NULL),
                        .legend = options->legend};
    char *picture = NULL;
    size_t length = 0;
    bool written = true;

    if (option_every < 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--every=%d: expected a number of seconds, 1 or more", option_every);
        return false;
    }
    output.every = (uint64_t)option_every;
    scenario = sim_scenario_load(arguments[0], error);
    if (scenario == NULL)
        return false;
    if (option_svg != NULL)
        output.svg = open_memstream(&picture, &length);
    sim_show(scenario, &output);
    /* also where nobody reads the text any more: dm_ctl.c tells of that */
    if (output.svg != NULL) {
        fclose(output.svg);
        written = output_write_picture(option_svg, picture, length, error);
    }
    free(picture);
    return written;
}
