/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The run as a picture: the host's budget and what is committed, then a panel for each guest. */

#include "history.h"
#include "scenario.h"

/* How many columns of history the picture can show. */
#define SIM_SVG_COLUMNS 800

void sim_svg_draw(FILE *file, const SimScenario *scenario, const SimHistory *history, const SimSummary *summary);
