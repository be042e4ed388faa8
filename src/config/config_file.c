/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config_file.h"

#include "config_keys.h"
#include "value.h"

#include <string.h>

/* More of them help nobody, and a file of garbage must not fill the journal. */
#define PROBLEM_LIMIT 100

typedef struct Reader {
    const char *name;
    Settings *settings;
    GPtrArray *problems;
    size_t problem_count; /* of this file */
    char *group;          /* NULL: none yet */
    bool skip;            /* the group is not known, or not ours: its keys are passed over */
} Reader;

ConfigProblem *
config_problem_add(GPtrArray *problems, const char *file, unsigned line, char *message)
{
    ConfigProblem *problem = g_new0(ConfigProblem, 1);

    problem->file = g_strdup(file);
    problem->line = line;
    problem->message = message;
    g_ptr_array_add(problems, problem);
    return problem;
}

static void
complain(Reader *reader, unsigned line, const char *message)
{
    reader->problem_count++;
    if (reader->problem_count < PROBLEM_LIMIT)
        config_problem_add(reader->problems, reader->name, line, g_strdup(message));
    else if (reader->problem_count == PROBLEM_LIMIT)
        config_problem_add(reader->problems, reader->name, line,
                           g_strdup("too many problems in this file; the further ones are not listed"));
}

static void
take_header(Reader *reader, unsigned line, char *text)
{
    size_t length = strlen(text);
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&reader->group, g_free);
    reader->skip = true; /* until it is known; a key must not land in the group before */
    if (length < 3 || text[length - 1] != ']') {
        reader->group = g_strdup("");
        complain(reader, line, "this is no group; expected [Name]");
        return;
    }
    text[length - 1] = '\0';
    reader->group = g_strdup(text + 1);
    if (g_str_has_prefix(reader->group, "X-"))
        return; /* reserved for others, as systemd does */
    if (config_group_find(reader->group, &error))
        reader->skip = false;
    else
        complain(reader, line, error->message);
}

/* Whether it can be meant is known only where the host is: config_check_host. */
static void
note_reserve(const Reader *reader, unsigned line)
{
    g_free(reader->settings->reserve_file);
    reader->settings->reserve_file = g_strdup(reader->name);
    reader->settings->reserve_line = line;
}

static void
take_assignment(Reader *reader, unsigned line, char *text)
{
    char *equals = strchr(text, '=');
    const ConfigKey *key;
    g_autoptr(GError) error = NULL;

    if (equals == NULL) {
        g_autofree char *shown = value_shown(text);
        g_autofree char *message = g_strdup_printf("'%s' is neither a group nor Key=value", shown);

        complain(reader, line, message);
        return;
    }
    if (reader->group == NULL) {
        complain(reader, line, "this key stands before the first group; expected [Host], [Policy] or another first");
        return;
    }
    if (reader->skip || g_str_has_prefix(text, "X-"))
        return;
    *equals = '\0';
    key = config_key_find(reader->group, g_strchomp(text), true, &error);
    if (key == NULL || !config_key_set(key, reader->settings, g_strchug(equals + 1), &error))
        complain(reader, line, error->message);
    else if (key->offset == offsetof(Settings, reserve_kib))
        note_reserve(reader, line);
}

/* One logical line: continuation lines joined, not empty. */
static void
take_line(Reader *reader, unsigned line, char *text)
{
    g_strstrip(text);
    if (*text == '\0')
        return;
    if (!g_utf8_validate(text, -1, NULL)) {
        complain(reader, line, "this line is not UTF-8");
        return;
    }
    if (*text == '[')
        take_header(reader, line, text);
    else
        take_assignment(reader, line, text);
}

void
config_file_apply(const char *name, const char *text, size_t length, Settings *settings, GPtrArray *problems)
{
    Reader reader = {.name = name, .settings = settings, .problems = problems};
    g_autoptr(GString) logical = g_string_new(NULL);
    const char *end = text + length;
    unsigned first_line = 0; /* of the logical line */

    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3; /* the mark some editors leave */
    for (unsigned line = 1; text < end; line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = stop != NULL ? stop : end;
        const char *start = text;
        bool continued;

        text = stop != NULL ? stop + 1 : end;
        if (line_end > start && line_end[-1] == '\r')
            line_end--;
        while (start < line_end && g_ascii_isspace(*start))
            start++;
        if (start < line_end && (*start == '#' || *start == ';'))
            continue; /* also between continued lines */
        if (start < line_end && memchr(start, '\0', (size_t)(line_end - start)) != NULL) {
            complain(&reader, line, "this line holds a zero byte");
            continue;
        }
        continued = line_end > start && line_end[-1] == '\\';
        if (first_line == 0)
            first_line = line;
        g_string_append_len(logical, start, line_end - start - (continued ? 1 : 0));
        if (continued) {
            g_string_append_c(logical, ' ');
            continue;
        }
        take_line(&reader, first_line, logical->str);
        g_string_truncate(logical, 0);
        first_line = 0;
    }
    take_line(&reader, first_line, logical->str);
    g_free(reader.group);
}
