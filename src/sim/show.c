/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "draw/text_plot.h"
#include "history.h"
#include "json.h"
#include "scenario.h"
#include "svg.h"
#include "text.h"

typedef struct Show {
    const SimOutput *output;
    SimJson *json;
    SimHistory *text;
    SimHistory *svg;
} Show;

static bool
show_step(void *user_data, const SimStep *step)
{
    Show *show = user_data;

    if (show->json != NULL)
        sim_json_add(show->json, step);
    if (show->text != NULL)
        sim_history_add(show->text, step);
    if (show->svg != NULL)
        sim_history_add(show->svg, step);
    return show->json == NULL || show->svg != NULL || !ferror(show->output->json);
}

static void
draw_text(Show *show, const SimScenario *scenario, const SimSummary *summary)
{
    if (show->text == NULL)
        return;
    sim_history_finish(show->text);
    sim_text_draw(scenario, show->text, summary, show->output);
}

static void
draw_svg(Show *show, const SimScenario *scenario, const SimSummary *summary)
{
    if (show->svg == NULL)
        return;
    sim_history_finish(show->svg);
    sim_svg_draw(show->output->svg, scenario, show->svg, summary);
}

void
sim_show(const SimScenario *scenario, const SimOutput *output)
{
    size_t count = scenario->guests->len;
    Show show = {.output = output};
    SimSummary summary;

    if (output->json != NULL)
        show.json = sim_json_new(output->json, output->every);
    if (output->text != NULL)
        show.text = sim_history_new(count, scenario->seconds, draw_text_columns(output->width));
    if (output->svg != NULL)
        show.svg = sim_history_new(count, scenario->seconds, SIM_SVG_COLUMNS);
    sim_run(scenario, show_step, &show, &summary);
    if (show.json != NULL)
        sim_json_finish(show.json, &summary);
    draw_text(&show, scenario, &summary);
    draw_svg(&show, scenario, &summary);
    sim_summary_clear(&summary);
    sim_json_free(show.json);
    sim_history_free(show.text);
    sim_history_free(show.svg);
}
