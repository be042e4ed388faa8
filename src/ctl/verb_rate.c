/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dm-ctl rate SIZE: would a guest of that startup memory fit now, and how well? */

#include "answer.h"
#include "client.h"
#include "ctl.h"
#include "error.h"
#include "facts.h"
#include "output.h"
#include "text.h"
#include "units.h"

#include <stdio.h>

#define STARS 5
#define PRIORITY_DEFAULT 50
#define PRIORITY_MAX 100

static int priority = PRIORITY_DEFAULT;

const GOptionEntry verb_rate_options[] = {
    {"priority", 0, 0, G_OPTION_ARG_INT, &priority, "its priority, 0 to 100 (50)", "N"},
    {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
};

static void
print_verdict(uint64_t stars)
{
    static const char *const texts[STARS + 1] = {
        "it would be refused: more is needed than is free and may be taken from others",
        "it fits, with all that may be taken from others",
        "it fits, with memory that others need",
        "it fits, with buffers of others",
        "it fits in free memory, without its buffer",
        "it fits in free memory, with its buffer",
    };
    static const CellColour colours[STARS + 1] = {CELL_BAD, CELL_LOW, CELL_LOW, CELL_PLAIN, CELL_GOOD, CELL_GOOD};
    uint64_t count = MIN(stars, STARS);
    g_autoptr(GString) value = g_string_new(NULL);

    for (unsigned i = 0; i < STARS; i++)
        g_string_append(value, text_is_utf8() ? (i < count ? "\u2605" : "\u2606") : (i < count ? "*" : "-"));
    g_string_append_printf(value, " %u of %u: %s", (unsigned)count, STARS, texts[count]);
    fact_print("Rating", value->str, colours[count]);
}

static void
print_squeeze(JsonObject *row)
{
    g_autofree char *name = answer_text(row, "name");
    g_autofree char *assigned = text_size(answer_number(row, "assigned"));
    g_autofree char *target = text_size(answer_number(row, "target"));
    bool hurts = answer_flag(row, "belowDemand");

    printf("  %s: from %s to %s%s\n", name, assigned, target, hurts ? ", less than it needs" : "");
}

static void
print_blocker(JsonObject *row)
{
    g_autofree char *text = answer_text(row, "text");

    printf("  %s\n", text);
}

static void
print_rows(JsonObject *rating, const char *member, const char *title, void (*print)(JsonObject *row))
{
    JsonObject *row = answer_row(rating, member, 0);

    if (row != NULL)
        printf("\n%s\n", title);
    for (unsigned i = 0; (row = answer_row(rating, member, i)) != NULL; i++)
        print(row);
}

static void
print_rating(JsonObject *rating, const char *free_remark)
{
    uint64_t missing = answer_number(rating, "missing");

    print_verdict(answer_number(rating, "stars"));
    fact_print_size("Needed", answer_number(rating, "needed"), "what its QEMU costs included");
    fact_print_amount("Free", answer_number(rating, "free"), free_remark);
    fact_print_amount("Buffers", answer_number(rating, "buffers"), "could be taken of others' buffers");
    fact_print_amount("Demand", answer_number(rating, "demand"), "could be taken of what others need");
    if (missing > 0)
        fact_print_size("Missing", missing,
                        "stop or migrate a guest, lower a minimum, or rate it with a higher priority");
    print_rows(rating, "squeezes", "Who would give up memory:", print_squeeze);
    print_rows(rating, "blockers", "Who is in the way:", print_blocker);
}

static bool
print_answer(GDBusConnection *bus, const char *json, bool machine, GError **error)
{
    JsonNode *root = answer_parse(json, error);
    g_autoptr(HostView) host = NULL;

    if (root == NULL)
        return false;
    if (machine) {
        output_print_json(root, true);
        return true;
    }
    host = client_read_host(bus, NULL);
    /* so it may be more than "dm-ctl host" shows */
    print_rating(json_node_get_object(root), host != NULL && g_str_equal(host->budget_limit, "setting")
                                                 ? "with room for its QEMU, which Budget= does not count"
                                                 : "");
    json_node_unref(root);
    return true;
}

bool
verb_rate(const CtlOptions *options, char **arguments, GError **error)
{
    g_autoptr(GError) raw = NULL;
    g_autoptr(GDBusConnection) bus = NULL;
    g_autofree char *json = NULL;
    uint64_t startup_kib = 0;

    if (!units_parse_size(arguments[0], &startup_kib, &raw) || startup_kib == 0) {
        g_autofree char *shown = text_clean(raw != NULL ? raw->message : "a size above 0 is expected");

        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "rate: %s", shown);
        return false;
    }
    if (priority < 0 || priority > PRIORITY_MAX) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "rate: --priority=%d: expected 0 to %d", priority,
                    PRIORITY_MAX);
        return false;
    }
    bus = client_connect(error);
    json = bus != NULL ? client_rate(bus, bytes_from_kib(startup_kib), (uint32_t)priority, error) : NULL;
    return json != NULL && print_answer(bus, json, options->json, error);
}
