/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The run as a drawing in characters, with a legend and a table. */

#include "history.h"
#include "scenario.h"

/* Draws to output->text as wide, coloured and in the characters that output says. */
void sim_text_draw(const SimScenario *scenario, const SimHistory *history, const SimSummary *summary,
                   const SimOutput *output);
