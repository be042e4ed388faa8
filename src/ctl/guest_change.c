/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_change.h"

#include "error.h"
#include "output.h"
#include "settings_change.h"
#include "table.h"
#include "text.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#define INDENT 2

/* What can be long comes last: there it may overflow. */
static const TableColumn columns[] = {{"SETTING", false, 0}, {"TAKES EFFECT", false, 0}, {"CHANGE", false, 0}};

static bool
get_flag(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    return node != NULL && JSON_NODE_HOLDS_VALUE(node) && json_node_get_boolean(node);
}

static const char *
get_text(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);
    const char *text = node != NULL && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;

    return text != NULL ? text : "";
}

/* The elements of an array of the answer; NULL: none. */
static JsonArray *
get_array(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    return node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

bool
guest_change_flag(const GuestChange *change, const char *member)
{
    return get_flag(change->object, member);
}

/* Why no paging file can be made there, as far as it shows now; NULL where it does not. Caller frees. */
static char *
directory_bar(const char *path)
{
    struct stat facts;

    if (stat(path, &facts) != 0)
        return errno == ENOENT || errno == ENOTDIR ? g_strdup("does not exist; make it, owned by root with mode 0700")
                                                   : NULL;
    if (!S_ISDIR(facts.st_mode))
        return g_strdup("is no directory");
    if (facts.st_uid != 0 || (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return g_strdup(
            "can be changed by others than root, and paging files need one that can't (chown root, chmod go-w)");
    return NULL;
}

/*
 * dynmemd looks at the directory when it needs it, on a thread of its own: a file system that hangs must keep no guest waiting. Here
 * it may.
 */
static void
note_directory(JsonObject *object)
{
    JsonArray *rows = get_array(object, "changes");
    JsonArray *notes = get_array(object, "notes");

    for (guint i = 0; rows != NULL && notes != NULL && i < json_array_get_length(rows); i++) {
        JsonNode *node = json_array_get_element(rows, i);
        JsonObject *row = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        const char *path = row != NULL ? get_text(row, "after") : "";
        g_autofree char *bar = NULL;
        g_autofree char *text = NULL;

        if (path[0] != '/' || !g_str_equal(get_text(row, "setting"), "paging-directory") ||
            !get_flag(row, "afterGiven"))
            continue;
        bar = directory_bar(path);
        if (bar == NULL)
            return;
        text = g_strdup_printf("paging-directory: %s %s; until then it has no paging file at a restart", path, bar);
        json_array_add_string_element(notes, text);
        return;
    }
}

GuestChange *
guest_change_make(GDBusConnection *bus, const GuestView *guest, GVariant *settings, bool unset, bool dry,
                  GError **error)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(settings);
    g_autofree char *json = client_preview_settings(bus, guest->uuid, owned, unset, error);
    g_autoptr(JsonNode) node = json != NULL ? json_from_string(json, NULL) : NULL;
    GuestChange *change;
    JsonObject *object;
    bool writes;

    if (json == NULL)
        return NULL;
    if (node == NULL || !JSON_NODE_HOLDS_OBJECT(node)) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED,
                    "dynmemd: its answer is not to be understood; are dynmemd and dm-ctl of the same version?");
        return NULL;
    }
    object = json_node_get_object(node);
    writes = get_flag(object, "writes");
    if (!dry && writes && !client_change_settings(bus, guest->uuid, owned, unset, error))
        return NULL;
    json_object_set_boolean_member(object, "done", !dry && writes);
    if (client_is_here())
        note_directory(object);
    change = g_new0(GuestChange, 1);
    change->object = object;
    change->node = g_steal_pointer(&node);
    change->dry = dry;
    return change;
}

void
guest_change_free(GuestChange *change)
{
    if (change == NULL)
        return;
    g_clear_pointer(&change->node, json_node_unref);
    g_free(change);
}

void
guest_change_print_line(const char *text, unsigned indent)
{
    unsigned width = output_columns();
    g_autofree char *wrapped = text_wrap(text, width > 0 ? width : G_MAXUINT, indent);

    fputs(wrapped, stdout);
}

/* What happened to the guest: "web: managed from now on". Clean; caller frees. */
static char *
headline(const GuestChange *change)
{
    g_autofree char *name = text_clean(get_text(change->object, "name"));
    bool running = guest_change_flag(change, "running");
    bool before = guest_change_flag(change, "managedBefore"), after = guest_change_flag(change, "managedAfter");
    const char *when = running ? "from now on" : "from its next start on";

    if (!guest_change_flag(change, "writes"))
        return g_strdup_printf("%s: nothing to change", name);
    if (!before && after)
        return g_strdup_printf(change->dry ? "%s: would be managed %s" : "%s: managed %s", name, when);
    if (before && !after && running)
        return g_strdup_printf(change->dry
                                   ? "%s: would not be managed any more, and get its startup memory back as room allows"
                                   : "%s: not managed any more; it gets its startup memory back as room allows",
                               name);
    if (before && !after)
        return g_strdup_printf(change->dry ? "%s: would not be managed any more" : "%s: not managed any more", name);
    return g_strdup_printf(change->dry ? "%s: would be changed" : "%s: changed", name);
}

/* A value of the setting of that name, as it is written in the element. Caller frees. */
static char *
value_text(const char *setting, JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);
    ElementAttribute attribute;
    const char *text = NULL;

    if (node == NULL || !JSON_NODE_HOLDS_VALUE(node))
        return g_strdup("?");
    if (json_node_get_value_type(node) == G_TYPE_INT64) {
        uint64_t number = (uint64_t)MAX(json_node_get_int(node), 0);

        if (element_attribute_find(setting, &attribute, NULL) && element_attribute_is_size(attribute))
            return units_format_size_exact(kib_from_bytes(number));
        return g_strdup_printf("%" PRIu64, number);
    }
    text = json_node_get_string(node);
    return g_strdup(text != NULL ? text : "?");
}

static void
add_row(Table *table, JsonObject *row)
{
    const char *setting = get_text(row, "setting");
    g_autofree char *before = value_text(setting, row, "before");
    g_autofree char *after = value_text(setting, row, "after");

    table_add(table, g_strdup(setting), CELL_PLAIN);
    table_add(table, g_strdup(get_text(row, "takesEffect")), CELL_PLAIN);
    table_add(table,
              g_strdup_printf("%s%s -> %s%s", before, get_flag(row, "beforeGiven") ? "" : " (default)", after,
                              get_flag(row, "afterGiven") ? "" : " (default)"),
              CELL_PLAIN);
}

static void
print_taken_out(const GuestChange *change, JsonArray *rows)
{
    g_autoptr(GString) words = g_string_new(change->dry ? "Would be taken out:" : "Taken out:");
    size_t empty = words->len;
    g_autofree char *clean = NULL;

    for (guint i = 0; i < json_array_get_length(rows); i++) {
        JsonNode *node = json_array_get_element(rows, i);
        JsonObject *row = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        g_autofree char *before = NULL;

        /* in the definition alone: the same again, or it was not in force */
        if (row == NULL || !get_flag(row, "beforeGiven") || g_str_equal(get_text(row, "place"), "next"))
            continue;
        before = value_text(get_text(row, "setting"), row, "before");
        g_string_append_printf(words, " %s=%s", get_text(row, "setting"), before);
    }
    clean = text_clean(words->str);
    if (words->len > empty)
        guest_change_print_line(clean, 0);
}

/* Nothing where no setting is changed. */
static void
print_rows(const GuestChange *change, bool legend)
{
    JsonArray *rows = get_array(change->object, "changes");
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
    g_autofree char *text = NULL;

    if (rows == NULL || json_array_get_length(rows) == 0)
        return;
    if (!guest_change_flag(change, "managedAfter")) {
        print_taken_out(change, rows);
        return;
    }
    for (guint i = 0; i < json_array_get_length(rows); i++) {
        JsonNode *row = json_array_get_element(rows, i);

        if (JSON_NODE_HOLDS_OBJECT(row))
            add_row(table, json_node_get_object(row));
    }
    text = table_draw(table, 0, legend, output_has_colour());
    fputs(text, stdout);
}

static void
print_notes(const GuestChange *change)
{
    JsonArray *notes = get_array(change->object, "notes");

    for (guint i = 0; notes != NULL && i < json_array_get_length(notes); i++) {
        JsonNode *node = json_array_get_element(notes, i);
        const char *note = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;
        g_autofree char *sentence = g_strdup_printf("Note: %s.", note != NULL ? note : "?");
        g_autofree char *clean = text_clean(sentence);

        guest_change_print_line(clean, INDENT);
    }
}

void
guest_change_print(const GuestChange *change, bool legend)
{
    g_autofree char *line = headline(change);

    guest_change_print_line(line, 0);
    print_rows(change, legend);
    print_notes(change);
}

void
guest_change_print_managed(const GuestChange *change)
{
    JsonNode *node = json_object_get_member(change->object, "settings");
    JsonObject *settings = node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    g_autofree char *managed = headline(change);
    g_autofree char *minimum = settings != NULL ? value_text("minimum", settings, "minimum") : g_strdup("?");
    g_autofree char *startup = settings != NULL ? value_text("startup", settings, "startup") : g_strdup("?");
    g_autofree char *buffer = settings != NULL ? value_text("buffer", settings, "buffer") : g_strdup("?");
    g_autofree char *priority = settings != NULL ? value_text("priority", settings, "priority") : g_strdup("?");
    g_autofree char *line = g_strdup_printf("%s: minimum %s, startup %s, buffer %s %%, priority %s", managed, minimum,
                                            startup, buffer, priority);
    g_autofree char *clean = text_clean(line);

    guest_change_print_line(clean, 0);
    print_notes(change);
}
