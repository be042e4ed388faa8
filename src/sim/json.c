/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include "units.h"

#define BUFFER_BYTES 65536

struct SimJson {
    FILE *file;
    uint64_t every;
    GString *buffer;
    GPtrArray *names; /* quoted, by guest */
    bool any;
};

SimJson *
sim_json_new(FILE *file, uint64_t every)
{
    SimJson *json = g_new0(SimJson, 1);

    json->file = file;
    json->every = MAX(every, 1);
    json->buffer = g_string_sized_new(BUFFER_BYTES + 4096);
    json->names = g_ptr_array_new_with_free_func(g_free);
    g_string_append(json->buffer, "{\"samples\":[");
    return json;
}

void
sim_json_free(SimJson *json)
{
    if (json == NULL)
        return;
    g_string_free(json->buffer, TRUE);
    g_ptr_array_unref(json->names);
    g_free(json);
}

/* text as a JSON string, with its quotes. Caller frees. */
static char *
quote(const char *text)
{
    GString *quoted = g_string_new("\"");

    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            g_string_append_printf(quoted, "\\%c", *p);
        else if ((unsigned char)*p < 0x20 || *p == 0x7f)
            g_string_append_printf(quoted, "\\u%04x", (unsigned)*p);
        else
            g_string_append_c(quoted, *p);
    }
    g_string_append_c(quoted, '"');
    return g_string_free(quoted, FALSE);
}

static void
flush(SimJson *json)
{
    fwrite(json->buffer->str, 1, json->buffer->len, json->file);
    g_string_truncate(json->buffer, 0);
}

/* Numbers by hand: printf took two thirds of a long run's time. */
static void
append_number(GString *text, uint64_t number)
{
    char digits[20];
    size_t place = sizeof digits;

    do {
        digits[--place] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    g_string_append_len(text, digits + place, (gssize)(sizeof digits - place));
}

static void
append_size(GString *text, const char *key, uint64_t kib)
{
    g_string_append(text, key);
    append_number(text, bytes_from_kib(kib));
}

void
sim_json_add(SimJson *json, const SimStep *step)
{
    GString *text = json->buffer;

    for (size_t i = json->names->len; i < step->count; i++)
        g_ptr_array_add(json->names, quote(step->samples[i].name));
    if (step->second % json->every != 0)
        return;
    for (size_t i = 0; i < step->count; i++) {
        const SimSample *sample = &step->samples[i];

        g_string_append(text, json->any ? ",\n{\"t\":" : "\n{\"t\":");
        json->any = true;
        append_number(text, step->second);
        g_string_append(text, ",\"guest\":");
        g_string_append(text, g_ptr_array_index(json->names, i));
        append_size(text, ",\"need\":", sample->need_kib);
        append_size(text, ",\"demand\":", sample->plan->demand_kib);
        append_size(text, ",\"want\":", sample->plan->want_kib);
        append_size(text, ",\"assigned\":", sample->assigned_kib);
        append_size(text, ",\"target\":", sample->target_kib);
        append_size(text, ",\"committed\":", sample->plan->committed_kib);
        g_string_append(text, ",\"state\":\"");
        g_string_append(text, guest_state_name(sample->plan->state));
        g_string_append(text, "\",\"reason\":\"");
        g_string_append(text, plan_rule_name(sample->plan->rule));
        g_string_append(text, "\"}");
        if (text->len > BUFFER_BYTES)
            flush(json);
    }
}

typedef void (*AppendFigure)(GString *text, const SimGuestSummary *guest);

static void
append_unmet(GString *text, const SimGuestSummary *guest)
{
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(text,
                    g_ascii_formatd(number, sizeof number, "%.3f", (double)guest->unmet_kib_sec / (double)KIB_PER_GIB));
}

static void
append_changes(GString *text, const SimGuestSummary *guest)
{
    append_number(text, guest->target_changes);
}

static void
append_paging(GString *text, const SimGuestSummary *guest)
{
    append_number(text, guest->paging_seconds);
}

static void
append_by_guest(GString *text, const char *key, const SimSummary *summary, AppendFigure append)
{
    g_string_append_printf(text, "\"%s\":{", key);
    for (size_t i = 0; i < summary->count; i++) {
        g_autofree char *name = quote(summary->guests[i].name);

        g_string_append_printf(text, "%s%s:", i > 0 ? "," : "", name);
        append(text, &summary->guests[i]);
    }
    g_string_append(text, "},\n");
}

void
sim_json_finish(SimJson *json, const SimSummary *summary)
{
    GString *text = json->buffer;

    g_string_append(text, "\n],\n\"summary\":{");
    append_by_guest(text, "unmetGiBs", summary, append_unmet);
    append_by_guest(text, "targetChanges", summary, append_changes);
    g_string_append_printf(text, "\"overBudgetTicks\":%" G_GUINT64_FORMAT ",\n", summary->over_budget_ticks);
    append_by_guest(text, "pagingSeconds", summary, append_paging);
    g_string_append(text, "\"refused\":[");
    for (guint i = 0; i < summary->refused->len; i++) {
        const SimRefusal *refusal = g_ptr_array_index(summary->refused, i);
        g_autofree char *name = quote(refusal->name);
        g_autofree char *reason = quote(refusal->reason);

        g_string_append_printf(text, "%s{\"t\":%" G_GUINT64_FORMAT ",\"guest\":%s,\"reason\":%s}", i > 0 ? "," : "",
                               refusal->second, name, reason);
    }
    g_string_append(text, "]}}\n");
    flush(json);
}
