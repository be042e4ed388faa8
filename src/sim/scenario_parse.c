/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The reader of simulation files. GKeyFile is not used because it does not tell in which line a value
 * stands, and a message without the line is of little help in a file of fifty guests.
 */

#include "error.h"
#include "scenario_keys.h"

#include <string.h>

#define FILE_LIMIT_MIB ((size_t)16)
#define GUESTS_LIMIT 10000
#define NAME_LIMIT 128

typedef enum Section {
    SECTION_NONE,
    SECTION_HOST,
    SECTION_GUEST,
    SECTION_SETTINGS,
} Section;

typedef struct Parser {
    SimScenario *scenario;
    unsigned line;
    Section section;
    char *group;      /* of SECTION_SETTINGS */
    GHashTable *seen; /* "group\nkey" that had a value already -> line */
    GHashTable *names;
    SimGuestSpec *guest;
    unsigned guest_line;
    unsigned key_lines[SIM_KEYS_LIMIT]; /* of guest; 0: not given */
    bool has_memory;
} Parser;

G_GNUC_PRINTF(4, 5)
static bool
refuse(const Parser *parser, unsigned line, GError **error, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "%s:%u: %s", parser->scenario->name, line, text);
    return false;
}

static bool
guest_key(Parser *parser, const char *key, const char *value, GError **error)
{
    size_t place = sim_key_find(key);
    g_autofree char *wrong = NULL;

    if (place == SIM_KEYS_LIMIT)
        return refuse(parser, parser->line, error, "\"%s\" is no key of a guest; expected " SIM_GUEST_KEYS, key);
    parser->key_lines[place] = parser->line;
    wrong = sim_key_set(place, parser->guest, value);
    return wrong == NULL || refuse(parser, parser->line, error, "guest %s, %s: %s", parser->guest->name, key, wrong);
}

/* minimum <= startup <= maximum, told where the one that is wrong stands. */
static bool
finish_guest(Parser *parser, GError **error)
{
    const SimGuestSpec *guest = parser->guest;

    if (guest == NULL)
        return true;
    if (guest->maximum_kib == SIM_UNSET)
        return refuse(parser, parser->guest_line, error,
                      "guest %s has no maximum; expected a line such as maximum=8GiB", guest->name);
    if (sim_guest_spec_startup(guest) > guest->maximum_kib)
        return refuse(parser, parser->key_lines[SIM_KEY_STARTUP], error,
                      "guest %s: startup is above its maximum; expected minimum <= startup <= maximum", guest->name);
    if (sim_guest_spec_minimum(guest) > sim_guest_spec_startup(guest))
        return refuse(parser, parser->key_lines[SIM_KEY_MINIMUM], error,
                      "guest %s: minimum is above its %s; expected minimum <= startup <= maximum", guest->name,
                      guest->startup_kib == SIM_UNSET ? "maximum" : "startup");
    if (!guest->square && guest->steps->len == 0) {
        SimLevel need = {0, sim_guest_spec_minimum(guest)};

        g_array_append_val(guest->steps, need);
    }
    return true;
}

static bool
host_key(Parser *parser, const char *key, const char *value, GError **error)
{
    SimScenario *scenario = parser->scenario;
    g_autofree char *wrong = NULL;
    g_autoptr(GError) refused = NULL;

    if (strcmp(key, "memory") == 0) {
        wrong = sim_read_size(value, &scenario->memory_kib);
        if (wrong == NULL && scenario->memory_kib == 0)
            wrong = g_strdup("a host without memory can't be simulated");
        parser->has_memory = true;
    } else if (strcmp(key, "overhead") == 0) {
        wrong = sim_read_size(value, &scenario->overhead_kib);
    } else if (strcmp(key, "other") == 0) {
        wrong = sim_read_levels(value, true, scenario->other);
    } else if (strcmp(key, "pressure") == 0) {
        wrong = sim_read_levels(value, false, scenario->pressure);
    } else if (strcmp(key, "settle") == 0) {
        wrong = sim_read_number(value, 0, SIM_SETTLE_LIMIT, &scenario->settle_seconds);
    } else if (strcmp(key, "seconds") == 0) {
        wrong = sim_read_number(value, 1, SIM_SECONDS_LIMIT, &scenario->seconds);
    } else if (strcmp(key, "seed") == 0) {
        wrong = sim_read_number(value, 0, UINT64_MAX, &scenario->seed);
    } else if (strcmp(key, "cgroup") == 0) {
        wrong = sim_read_cgroup(value, &scenario->cgroup);
    } else if (strcmp(key, "disk") == 0) {
        wrong = sim_read_size(value, &scenario->disk_kib);
    } else if (strcmp(key, "paging") == 0) {
        wrong = sim_read_paging(value, &scenario->paging);
    } else if (strcmp(key, "daemon-restart") == 0) {
        wrong = sim_read_seconds(value, scenario->daemon_restarts);
    } else if (strcmp(key, "reboot") == 0) {
        wrong = sim_read_seconds(value, scenario->host_reboots);
    } else if (g_ascii_strcasecmp(key, "reserve") == 0 || g_ascii_strcasecmp(key, "budget") == 0) {
        if (!sim_scenario_set(scenario, "Host", key, value, &refused))
            return refuse(parser, parser->line, error, "%s", refused->message);
    } else {
        return refuse(parser, parser->line, error,
                      "\"%s\" is no key of [host]; expected memory, reserve, budget, other, overhead, pressure, "
                      "cgroup, disk, paging, daemon-restart, reboot, seconds, seed or settle",
                      key);
    }
    return wrong == NULL || refuse(parser, parser->line, error, "%s: %s", key, wrong);
}

static bool
setting_key(Parser *parser, const char *key, const char *value, GError **error)
{
    g_autoptr(GError) refused = NULL;

    if (sim_scenario_set(parser->scenario, parser->group, key, value, &refused))
        return true;
    return refuse(parser, parser->line, error, "%s", refused->message);
}

static bool
key_line(Parser *parser, char *line, GError **error)
{
    char *equals = strchr(line, '=');
    const char *key = NULL;
    const char *value = NULL;
    g_autofree char *place = NULL;
    gpointer before;

    if (equals == NULL)
        return refuse(parser, parser->line, error, "\"%s\" is neither a [group], a key=value nor a # comment", line);
    *equals = '\0';
    key = g_strstrip(line);
    value = g_strstrip(equals + 1);
    if (*key == '\0')
        return refuse(parser, parser->line, error, "there is no key before the =");
    if (parser->section == SECTION_NONE)
        return refuse(parser, parser->line, error,
                      "%s= stands before the first group; expected [host] or [guest NAME] above it", key);
    place = parser->guest != NULL ? g_strdup_printf("guest %s\n%s", parser->guest->name, key)
                                  : g_strdup_printf("%s\n%s", parser->group, key);
    if (g_hash_table_lookup_extended(parser->seen, place, NULL, &before))
        return refuse(parser, parser->line, error, "%s= was given in line %u already", key, GPOINTER_TO_UINT(before));
    g_hash_table_insert(parser->seen, g_steal_pointer(&place), GUINT_TO_POINTER(parser->line));
    if (strstr(value, " #") != NULL || strstr(value, "\t#") != NULL)
        return refuse(parser, parser->line, error,
                      "there is a # in the value of %s=; comments stand on lines of their own", key);
    if (parser->section == SECTION_HOST)
        return host_key(parser, key, value, error);
    if (parser->section == SECTION_GUEST)
        return guest_key(parser, key, value, error);
    return setting_key(parser, key, value, error);
}

static bool
begin_guest(Parser *parser, const char *name, GError **error)
{
    if (*name == '\0')
        return refuse(parser, parser->line, error, "the guest has no name; expected [guest NAME]");
    if (strlen(name) > NAME_LIMIT)
        return refuse(parser, parser->line, error, "the name of the guest is longer than %d bytes", NAME_LIMIT);
    if (!g_hash_table_add(parser->names, g_strdup(name)))
        return refuse(parser, parser->line, error, "there is a guest %s already; each needs a name of its own", name);
    if (parser->scenario->guests->len >= GUESTS_LIMIT)
        return refuse(parser, parser->line, error, "more than %d guests can't be simulated", GUESTS_LIMIT);
    parser->guest = sim_scenario_add_guest(parser->scenario, name);
    parser->guest_line = parser->line;
    memset(parser->key_lines, 0, sizeof parser->key_lines);
    parser->section = SECTION_GUEST;
    return true;
}

static bool
group_line(Parser *parser, char *line, GError **error)
{
    static const char *const groups[] = {"host", "policy", "smartpaging", "admission", "enforcement"};
    size_t length = strlen(line);
    char *group = NULL;

    if (!finish_guest(parser, error))
        return false;
    parser->guest = NULL;
    if (line[length - 1] != ']')
        return refuse(parser, parser->line, error, "the group has no ] at its end%s",
                      strchr(line, ']') != NULL ? "; comments stand on lines of their own" : "");
    line[length - 1] = '\0';
    group = g_strstrip(line + 1);
    if (g_str_has_prefix(group, "guest ") || g_str_has_prefix(group, "guest\t") || strcmp(group, "guest") == 0)
        return begin_guest(parser, g_strstrip(group + strlen("guest")), error);
    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (g_ascii_strcasecmp(group, groups[i]) != 0)
            continue;
        parser->section = i == 0 ? SECTION_HOST : SECTION_SETTINGS;
        g_free(parser->group);
        parser->group = g_strdup(groups[i]);
        return true;
    }
    return refuse(parser, parser->line, error,
                  "there is no group [%s]; expected [host], [guest NAME], [policy], [smartpaging], [admission] or "
                  "[enforcement]",
                  group);
}

/* What is in a line is shown on terminals: format characters turn text around. */
static bool
is_control(gunichar c)
{
    return c != '\t' && (g_unichar_iscntrl(c) || g_unichar_type(c) == G_UNICODE_FORMAT);
}

static bool
parse_line(Parser *parser, char *line, GError **error)
{
    g_strstrip(line);
    if (*line == '\0' || *line == '#' || *line == ';')
        return true;
    for (const char *p = line; *p != '\0'; p = g_utf8_next_char(p))
        if (is_control(g_utf8_get_char(p)))
            return refuse(parser, parser->line, error, "there is a control character in the line");
    return *line == '[' ? group_line(parser, line, error) : key_line(parser, line, error);
}

static bool
parse_text(Parser *parser, const char *text, size_t length, GError **error)
{
    const char *end = text + length;
    const char *bad;

    if (length > FILE_LIMIT_MIB * 1024 * 1024)
        return refuse(parser, 1, error, "the file is larger than %zu MiB", FILE_LIMIT_MIB);
    if (!g_utf8_validate(text, (gssize)length, &bad)) {
        unsigned line = 1;

        for (const char *p = text; p < bad; p++)
            line += *p == '\n';
        return refuse(parser, line, error, "the line is not text in UTF-8");
    }
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        g_autofree char *line = g_strndup(text, (size_t)((stop != NULL ? stop : end) - text));

        parser->line++;
        if (!parse_line(parser, line, error))
            return false;
        text = stop != NULL ? stop + 1 : end;
    }
    if (!finish_guest(parser, error))
        return false;
    if (!parser->has_memory)
        return refuse(
            parser, MAX(parser->line, 1), error,
            "the file ends without the host's memory; expected a group [host] with a line such as memory=32GiB");
    return true;
}

SimScenario *
sim_scenario_parse(const char *name, const char *text, gssize length, GError **error)
{
    Parser parser = {
        .scenario = sim_scenario_new(name),
        .seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };

    if (!parse_text(&parser, text, length < 0 ? strlen(text) : (size_t)length, error))
        g_clear_pointer(&parser.scenario, sim_scenario_free);
    g_hash_table_unref(parser.seen);
    g_hash_table_unref(parser.names);
    g_free(parser.group);
    return parser.scenario;
}

SimScenario *
sim_scenario_load(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    gsize length = 0;

    if (!g_file_get_contents(path, &text, &length, &failure)) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "%s", failure->message);
        return NULL;
    }
    return sim_scenario_parse(path, text, (gssize)length, error);
}
