/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster_view.h"

#include "answer.h"
#include "client_cluster.h"
#include "cluster_guests.h"
#include "error.h"
#include "facts.h"
#include "output.h"
#include "table.h"
#include "text.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STARS 5

/* What dynmemd says of the cluster. Caller unrefs. */
static JsonNode *
read_status(GError **error)
{
    g_autoptr(GDBusConnection) bus = client_connect(error);
    g_autofree char *json = bus != NULL ? client_cluster_status(bus, error) : NULL;

    return json != NULL ? answer_parse(json, error) : NULL;
}

/* Likewise, where there is a cluster. */
static JsonNode *
read_cluster(GError **error)
{
    g_autoptr(JsonNode) root = read_status(error);

    if (root == NULL)
        return NULL;
    if (answer_flag(json_node_get_object(root), "joined"))
        return g_steal_pointer(&root);
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED,
                "cluster: this host is in none that dynmemd knows of: no " CLUSTER_HOST_AGENT
                " has asked it for 30 seconds; "
                "'crm_mon -1' tells whether it runs, 'dm-ctl cluster setup' how to set it up");
    return NULL;
}

/* ---- status ---- */

static char *
stars_text(uint64_t stars)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < STARS; i++)
        g_string_append(text, text_is_utf8() ? (i < stars ? "\u2605" : "\u2606") : (i < stars ? "*" : "-"));
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* What a host does at this moment, as "offers web to b". */
static char *
motion_text(JsonObject *host)
{
    const char *phase = answer_word(host, "phase");
    bool gives = g_str_equal(phase, "offers") || g_str_equal(phase, "leaves");

    if (!answer_flag(host, "fresh"))
        return g_strdup("silent");
    if (g_str_equal(phase, "idle"))
        return g_strdup("");
    return g_strdup_printf("%s %s %s %s", phase, answer_word(host, "resource"), gives ? "to" : "from",
                           answer_word(host, "partner"));
}

static void
print_hosts(JsonObject *status, bool legend)
{
    static const TableColumn columns[] = {{"HOST", false, 0},    {"LEVEL", false, 2}, {"STARS", false, 1},
                                          {"PRESSURE", true, 0}, {"BUDGET", true, 4}, {"WANT", true, 3},
                                          {"FREE", true, 0},     {"MOTION", false, 0}};
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
    g_autofree char *text = NULL;
    JsonObject *host;

    for (unsigned i = 0; (host = answer_row(status, "hosts", i)) != NULL; i++) {
        bool fresh = answer_flag(host, "fresh");
        CellColour colour = fresh ? CELL_PLAIN : CELL_FAINT;
        uint64_t pressure = answer_number(host, "pressure");

        table_add(table, g_strconcat(answer_word(host, "name"), answer_flag(host, "here") ? " (here)" : "", NULL),
                  colour);
        table_add(table, g_strdup(answer_word(host, "level")), colour);
        table_add(table, stars_text(answer_number(host, "stars")), colour);
        table_add(table, g_strdup_printf("%" PRIu64 " %%", pressure), fresh && pressure > 100 ? CELL_LOW : colour);
        table_add(table, text_short_size(answer_number(host, "budget")), colour);
        table_add(table, text_short_size(answer_number(host, "want")), colour);
        table_add(table, text_short_size(answer_number(host, "free")), colour);
        table_add(table, motion_text(host), fresh ? CELL_GOOD : CELL_BAD);
    }
    text = table_draw(table, output_columns(), legend, output_has_colour());
    fputs(text, stdout);
}

static void
print_ignored(JsonObject *status)
{
    JsonObject *row;

    for (unsigned i = 0; (row = answer_row(status, "ignored", i)) != NULL; i++) {
        g_autofree char *text = g_strdup_printf("what %s publishes can't be read: %s", answer_word(row, "name"),
                                                answer_word(row, "reason"));

        fact_print("Warning", text, CELL_BAD);
    }
}

static void
print_moves(JsonObject *status)
{
    JsonObject *row = answer_row(status, "moves", 0);

    if (row != NULL)
        puts("\nLast moves, the newest first:");
    for (unsigned i = 0; (row = answer_row(status, "moves", i)) != NULL; i++) {
        uint64_t began = answer_number(row, "began"), ended = answer_number(row, "ended");
        g_autoptr(GDateTime) when = g_date_time_new_from_unix_local((gint64)(began / USEC_PER_SEC));
        g_autofree char *time = when != NULL ? g_date_time_format(when, "%F %T") : g_strdup("-");
        g_autofree char *guest = answer_text(row, "guest");
        g_autofree char *source = answer_text(row, "source");
        g_autofree char *target = answer_text(row, "target");
        g_autofree char *reason = answer_text(row, "reason");

        printf("  %s  %s from %s to %s: ", time, guest, source, target);
        if (ended == 0)
            printf("under way (%s)\n", answer_word(row, "phase"));
        else
            printf("%s after %" PRIu64 " s%s%s\n", answer_flag(row, "done") ? "done" : "not done",
                   (ended - MIN(began, ended)) / USEC_PER_SEC, reason[0] != '\0' ? ": " : "", reason);
    }
}

/* What this host would move, and what would come of it. */
static void
print_move(JsonObject *status)
{
    JsonObject *move = answer_object(status, "move");
    g_autofree char *text = NULL;
    g_autofree char *source = NULL;
    g_autofree char *target = NULL;

    fact_print("Now", answer_word(status, "whyText"), CELL_PLAIN);
    if (move == NULL) {
        fact_print("Best move", "none: no guest could go to a host that has been heard of and has room for it",
                   CELL_PLAIN);
        return;
    }
    text = g_strdup_printf("%s to %s, which gains %" PRIu64 " points", answer_word(move, "guest"),
                           answer_word(move, "target"), answer_number(move, "gain"));
    source = g_strdup_printf("pressure from %" PRIu64 " %% to %" PRIu64 " %%", answer_number(move, "sourceBefore"),
                             answer_number(move, "sourceAfter"));
    target = g_strdup_printf("pressure from %" PRIu64 " %% to %" PRIu64 " %%", answer_number(move, "targetBefore"),
                             answer_number(move, "targetAfter"));
    fact_print("Best move", text, CELL_STRONG);
    fact_print("This host", source, CELL_PLAIN);
    fact_print("Target", target, CELL_PLAIN);
    if (g_str_equal(answer_word(status, "confirmed"), answer_word(move, "uuid")))
        fact_print("Confirmed", "yes", CELL_GOOD);
    else if (g_str_equal(answer_word(status, "why"), "confirm")) {
        g_autofree char *how = g_strdup_printf("no: 'dm-ctl cluster confirm %s' does it", answer_word(move, "guest"));

        fact_print("Confirmed", how, CELL_LOW);
    }
}

bool
cluster_view_status(const CtlOptions *options, GError **error)
{
    g_autoptr(JsonNode) root = read_status(error);
    JsonObject *status;

    if (root == NULL)
        return false;
    status = json_node_get_object(root);
    if (options->json) {
        output_print_json(g_steal_pointer(&root), true);
        return true;
    }
    if (!answer_flag(status, "joined")) {
        fact_print("Cluster", "none: no " CLUSTER_HOST_AGENT " has asked dynmemd for 30 seconds", CELL_LOW);
        print_moves(status);
        return true;
    }
    print_hosts(status, options->legend);
    putchar('\n');
    print_ignored(status);
    print_move(status);
    print_moves(status);
    return true;
}

/* ---- plan ---- */

bool
cluster_view_plan(const CtlOptions *options, GError **error)
{
    static const char *const members[] = {"node",     "level", "pressureLeast", "gainLeast", "hold",
                                          "cooldown", "why",   "whyText",       "confirmed", "move"};
    g_autoptr(JsonNode) root = read_cluster(error);
    JsonObject *status;
    JsonObject *plan;
    g_autofree char *level = NULL;
    g_autofree char *rule = NULL;

    if (root == NULL)
        return false;
    status = json_node_get_object(root);
    if (options->json) {
        plan = json_object_new();
        for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
            if (json_object_has_member(status, members[i]))
                json_object_set_member(plan, members[i], json_node_copy(json_object_get_member(status, members[i])));
        output_print_json_object(plan, true);
        return true;
    }
    level = answer_text(status, "level");
    rule = g_strdup_printf(
        "a pressure of %" PRIu64 " %% for %" PRIu64 " s, to a host that stays %" PRIu64 " points below",
        answer_number(status, "pressureLeast"), answer_number(status, "hold"), answer_number(status, "gainLeast"));
    fact_print("Level", level, CELL_PLAIN);
    fact_print("Moves at", rule, CELL_PLAIN);
    print_move(status);
    return true;
}

/* ---- rate ---- */

/* Whether a guest that needs so many bytes would fit on that host, in the words of --json; *left: what would be free. */
static const char *
fit_of(JsonObject *host, uint64_t need, uint64_t *left)
{
    uint64_t available = answer_number(host, "free"), reclaimable = answer_number(host, "reclaimable");

    *left = saturating_sub(available, need);
    if (!answer_flag(host, "fresh"))
        return "unknown";
    if (need <= available)
        return "free";
    return need <= available + reclaimable ? "reclaimable" : "no";
}

/* The host that it would be best on: in free memory if it can be, with most left. "": none. Valid as long as status. */
static const char *
best_host(JsonObject *status, uint64_t need)
{
    const char *best = "";
    uint64_t most = 0;
    JsonObject *host;

    for (unsigned i = 0; (host = answer_row(status, "hosts", i)) != NULL; i++) {
        uint64_t left;
        const char *fit = fit_of(host, need, &left);
        uint64_t room = answer_number(host, "free") + answer_number(host, "reclaimable");
        /* free memory comes before all that would have to be taken from others */
        uint64_t worth = g_str_equal(fit, "free")          ? (UINT64_C(1) << 62) + left
                         : g_str_equal(fit, "reclaimable") ? 1 + room
                                                           : 0;

        if (worth > most) {
            most = worth;
            best = answer_word(host, "name");
        }
    }
    return best;
}

static void
print_rating_json(JsonObject *status, uint64_t size, uint64_t need)
{
    JsonObject *object = json_object_new();
    JsonArray *hosts = json_array_new();
    JsonObject *host;

    for (unsigned i = 0; (host = answer_row(status, "hosts", i)) != NULL; i++) {
        JsonObject *row = json_object_new();
        uint64_t left;

        json_object_set_string_member(row, "name", answer_word(host, "name"));
        json_object_set_string_member(row, "fit", fit_of(host, need, &left));
        json_object_set_int_member(row, "free", (gint64)answer_number(host, "free"));
        json_object_set_int_member(row, "reclaimable", (gint64)answer_number(host, "reclaimable"));
        json_object_set_int_member(row, "left", (gint64)left);
        json_array_add_object_element(hosts, row);
    }
    json_object_set_int_member(object, "startup", (gint64)size);
    json_object_set_int_member(object, "needed", (gint64)need);
    json_object_set_string_member(object, "best", best_host(status, need));
    json_object_set_array_member(object, "hosts", hosts);
    output_print_json_object(object, true);
}

static void
print_rating(JsonObject *status, uint64_t need, bool legend)
{
    static const TableColumn columns[] = {
        {"HOST", false, 0}, {"FREE", true, 0}, {"RECLAIMABLE", true, 1}, {"", false, 0}};
    static const struct {
        const char *fit;
        const char *text;
        CellColour colour;
    } fits[] = {{"free", "it fits in free memory", CELL_GOOD},
                {"reclaimable", "it fits with what guests there have and do not need", CELL_LOW},
                {"no", "it does not fit without taking what guests there need", CELL_BAD},
                {"unknown", "nothing is heard of this host", CELL_FAINT}};
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
    const char *best = best_host(status, need);
    g_autofree char *text = NULL;
    JsonObject *host;

    for (unsigned i = 0; (host = answer_row(status, "hosts", i)) != NULL; i++) {
        const char *name = answer_word(host, "name");
        uint64_t left;
        const char *fit = fit_of(host, need, &left);

        table_add(table, g_strdup(name), CELL_PLAIN);
        table_add(table, text_short_size(answer_number(host, "free")), CELL_PLAIN);
        table_add(table, text_short_size(answer_number(host, "reclaimable")), CELL_PLAIN);
        for (size_t k = 0; k < G_N_ELEMENTS(fits); k++)
            if (g_str_equal(fits[k].fit, fit))
                table_add(table,
                          g_strconcat(fits[k].text, g_str_equal(name, best) ? "; the best host for it" : "", NULL),
                          fits[k].colour);
    }
    text = table_draw(table, output_columns(), legend, output_has_colour());
    fputs(text, stdout);
    fact_print_size("\nNeeded", need, "what its QEMU costs, about, included; 'dm-ctl rate' looks closely at one host");
}

bool
cluster_view_rate(const CtlOptions *options, const char *size, GError **error)
{
    g_autoptr(GError) raw = NULL;
    g_autoptr(JsonNode) root = NULL;
    uint64_t size_kib = 0, need;

    if (!units_parse_size(size, &size_kib, &raw) || size_kib == 0) {
        g_autofree char *shown = text_clean(raw != NULL ? raw->message : "a size above 0 is expected");

        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "cluster rate: %s", shown);
        return false;
    }
    root = read_cluster(error);
    if (root == NULL)
        return false;
    need = bytes_from_kib(size_kib + cluster_guest_overhead_kib(size_kib));
    if (options->json)
        print_rating_json(json_node_get_object(root), bytes_from_kib(size_kib), need);
    else
        print_rating(json_node_get_object(root), need, options->legend);
    return true;
}

/* ---- confirm ---- */

bool
cluster_view_confirm(const CtlOptions *options, const char *guest, GError **error)
{
    g_autoptr(GDBusConnection) bus = client_connect(error);
    JsonObject *object;

    if (bus == NULL || !client_cluster_confirm(bus, guest, error))
        return false;
    if (options->json) {
        object = json_object_new();
        json_object_set_string_member(object, "guest", guest);
        json_object_set_boolean_member(object, "confirmed", true);
        output_print_json_object(object, true);
    } else {
        g_autofree char *shown = text_clean(guest);

        printf("%s may be moved; 'dm-ctl cluster status' tells what becomes of it\n", shown);
    }
    return true;
}
