/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scenario_keys.h"

#include "units.h"

#include <math.h>
#include <string.h>

char *
sim_read_size(const char *text, uint64_t *kib)
{
    g_autoptr(GError) error = NULL;

    return units_parse_size(text, kib, &error) ? NULL : g_strdup(error->message);
}

static char *
read_rate(const char *text, uint64_t *kib)
{
    g_autofree char *size = NULL;

    if (!g_str_has_suffix(text, "/s"))
        return g_strdup_printf("\"%s\" is not a rate; expected a size a second such as 400MiB/s", text);
    size = g_strndup(text, strlen(text) - 2);
    return sim_read_size(size, kib);
}

char *
sim_read_number(const char *text, uint64_t low, uint64_t high, uint64_t *number)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 10, low, high, &value, NULL))
        return g_strdup_printf("\"%s\" is not a whole number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, text,
                               low, high);
    *number = value;
    return NULL;
}

static char *
read_second(const char *text, uint64_t *second)
{
    return sim_read_number(text, 0, SIM_SECONDS_LIMIT, second);
}

static char *
read_boolean(const char *text, bool *value)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};

    for (size_t i = 0; i < G_N_ELEMENTS(yes); i++) {
        if (g_ascii_strcasecmp(text, yes[i]) == 0 || g_ascii_strcasecmp(text, no[i]) == 0) {
            *value = g_ascii_strcasecmp(text, yes[i]) == 0;
            return NULL;
        }
    }
    return g_strdup_printf("\"%s\" is neither yes nor no", text);
}

static char *
set_minimum(SimGuestSpec *guest, const char *value)
{
    return sim_read_size(value, &guest->minimum_kib);
}

static char *
set_startup(SimGuestSpec *guest, const char *value)
{
    return sim_read_size(value, &guest->startup_kib);
}

static char *
set_maximum(SimGuestSpec *guest, const char *value)
{
    char *wrong = sim_read_size(value, &guest->maximum_kib);

    if (wrong == NULL && guest->maximum_kib < KIB_PER_MIB)
        wrong = g_strdup("a guest needs a maximum of 1MiB or more");
    if (wrong == NULL)
        guest->maximum_kib = pages_up(guest->maximum_kib); /* as libvirt does */
    return wrong;
}

static char *
set_buffer(SimGuestSpec *guest, const char *value)
{
    return sim_read_number(value, 0, 2000, &guest->buffer_percent);
}

static char *
set_priority(SimGuestSpec *guest, const char *value)
{
    return sim_read_number(value, 0, 100, &guest->priority);
}

static char *
set_mode(SimGuestSpec *guest, const char *value)
{
    static const char *const modes[] = {
        [GUEST_MODE_DYNAMIC] = "dynamic", [GUEST_MODE_OBSERVE] = "observe", [GUEST_MODE_STATIC] = "static"};

    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (strcmp(value, modes[i]) == 0) {
            guest->mode = (GuestMode)i;
            return NULL;
        }
    }
    return g_strdup_printf("\"%s\" is no mode; expected dynamic, observe or static", value);
}

static char *
set_smart_paging(SimGuestSpec *guest, const char *value)
{
    bool wanted = true;
    char *wrong = read_boolean(value, &wanted);

    guest->no_paging = !wanted;
    return wrong;
}

static char *
set_managed(SimGuestSpec *guest, const char *value)
{
    return read_boolean(value, &guest->managed);
}

#define SQUARE_FORM "a square wave is \"square LOW HIGH SECONDS [PHASE]\", such as square 2500MiB 4500MiB 30 1"

static char *
set_square(SimGuestSpec *guest, char **words, size_t count)
{
    char *wrong = NULL;
    double phase = 0;

    if (count < 4 || count > 5)
        return g_strdup(SQUARE_FORM);
    if ((wrong = sim_read_size(words[1], &guest->square_low_kib)) != NULL ||
        (wrong = sim_read_size(words[2], &guest->square_high_kib)) != NULL ||
        (wrong = sim_read_number(words[3], 1, SIM_SECONDS_LIMIT, &guest->square_half_seconds)) != NULL)
        return wrong;
    if (count == 5) {
        char *end = NULL;

        phase = g_ascii_strtod(words[4], &end);
        if (end == words[4] || *end != '\0' || !isfinite(phase) || phase < 0 || phase > 1000000)
            return g_strdup_printf("\"%s\" is no phase; expected a number of halves from 0 to 1000000", words[4]);
    }
    guest->square = true;
    guest->square_shift_seconds = (uint64_t)(phase * (double)guest->square_half_seconds + 0.5);
    return NULL;
}

static char *
read_level(const char *text, bool sizes, uint64_t *level)
{
    return sizes ? sim_read_size(text, level) : sim_read_number(text, 0, 100, level);
}

/* words is NULL-terminated; empty ones are skipped. */
static char *
read_levels(char **words, bool sizes, GArray *levels)
{
    for (; *words != NULL; words++) {
        SimLevel level = {0, 0};
        char *colon = strchr(*words, ':');
        char *wrong;

        if (**words == '\0')
            continue;
        if (colon == NULL)
            return g_strdup_printf("\"%s\" is no step; expected %s", *words,
                                   sizes ? "SECOND:SIZE such as 60:6100MiB" : "SECOND:PERCENT such as 60:25");
        *colon = '\0';
        if ((wrong = read_second(*words, &level.second)) != NULL ||
            (wrong = read_level(colon + 1, sizes, &level.level)) != NULL)
            return wrong;
        if (levels->len > 0 && level.second <= g_array_index(levels, SimLevel, levels->len - 1).second)
            return g_strdup_printf("second %" G_GUINT64_FORMAT " does not come after the step before it", level.second);
        g_array_append_val(levels, level);
    }
    return levels->len > 0 ? NULL : g_strdup("no step is given; expected such as 0:1200MiB 60:6100MiB");
}

char *
sim_read_levels(const char *text, bool sizes, GArray *levels)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);

    return read_levels(words, sizes, levels);
}

char *
sim_read_seconds(const char *text, GArray *seconds)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);

    for (char **word = words; *word != NULL; word++) {
        uint64_t second = 0;
        char *wrong;

        if (**word == '\0')
            continue;
        if ((wrong = read_second(*word, &second)) != NULL)
            return wrong;
        if (seconds->len > 0 && second <= g_array_index(seconds, uint64_t, seconds->len - 1))
            return g_strdup_printf("second %" G_GUINT64_FORMAT " does not come after the one before it", second);
        g_array_append_val(seconds, second);
    }
    return seconds->len > 0 ? NULL : g_strdup("no second is given; expected such as 300 or 300 450");
}

char *
sim_read_cgroup(const char *text, SimCgroup *cgroup)
{
    for (int i = SIM_CGROUP_V2; i <= SIM_CGROUP_BROKEN; i++) {
        if (strcmp(text, sim_cgroup_name((SimCgroup)i)) == 0) {
            *cgroup = (SimCgroup)i;
            return NULL;
        }
    }
    return g_strdup_printf("\"%s\" is no kind of cgroups; expected v2, v1, none or broken", text);
}

/* A word such as make-fails:3. */
static char *
read_paging_word(const char *word, SimPagingFaults *paging)
{
    const struct {
        const char *name;
        uint64_t low;
        uint64_t *number;
    } words[] = {
        {"make-fails:", 1, &paging->make_fails},
        {"swapoff-fails:", 1, &paging->off_fails},
        {"make:", 1, &paging->make_seconds},
    };

    if (strcmp(word, "refused") == 0) {
        paging->refused = true;
        return NULL;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_str_has_prefix(word, words[i].name))
            return sim_read_number(word + strlen(words[i].name), words[i].low, SIM_SECONDS_LIMIT, words[i].number);
    return g_strdup_printf("\"%s\" is nothing that goes wrong with paging files; expected refused, make-fails:TIMES, "
                           "swapoff-fails:TIMES or make:SECONDS",
                           word);
}

char *
sim_read_paging(const char *text, SimPagingFaults *paging)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    for (char **word = words; *word != NULL; word++) {
        char *wrong = read_paging_word(g_strstrip(*word), paging);

        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static char *
set_demand(SimGuestSpec *guest, const char *value)
{
    g_auto(GStrv) split = g_strsplit_set(value, " \t", -1);
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    for (char **word = split; *word != NULL; word++)
        if (**word != '\0')
            g_ptr_array_add(words, *word);
    if (words->len > 0 && strcmp(g_ptr_array_index(words, 0), "square") == 0)
        return set_square(guest, (char **)words->pdata, words->len);
    return read_levels(split, true, guest->steps);
}

static char *
set_noise(SimGuestSpec *guest, const char *value)
{
    return sim_read_size(value, &guest->noise_kib);
}

static char *
set_inflate(SimGuestSpec *guest, const char *value)
{
    return read_rate(value, &guest->inflate_kib);
}

static char *
set_swapping(SimGuestSpec *guest, const char *value)
{
    return read_rate(value, &guest->swapping_kib);
}

static char *
set_deflate(SimGuestSpec *guest, const char *value)
{
    return read_rate(value, &guest->deflate_kib);
}

#define BEHAVIOURS                                                                                                     \
    "ideal, slow, stuck, floor:SIZE, no-driver, no-stats, lying, intermittent:19/1, inhibited, autodeflate, "          \
    "reboot@SECOND, wedge@SECOND, start@SECOND, stop@SECOND, save@SECOND, pause@SECOND, migrate@SECOND, "              \
    "hang@SECOND, mute@SECOND, resume@SECOND"

static char *
add_event(SimGuestSpec *guest, const char *word, const char *at)
{
    for (int kind = SIM_EVENT_REBOOT; kind <= SIM_EVENT_RESUME; kind++) {
        const char *name = sim_event_name((SimEventKind)kind);
        SimEvent event = {0, (SimEventKind)kind};
        guint place = guest->events->len;
        char *wrong;

        if (strlen(name) != (size_t)(at - word) || strncmp(word, name, strlen(name)) != 0)
            continue;
        if ((wrong = read_second(at + 1, &event.second)) != NULL)
            return wrong;
        while (place > 0 && g_array_index(guest->events, SimEvent, place - 1).second > event.second)
            place--;
        g_array_insert_val(guest->events, place, event);
        return NULL;
    }
    return g_strdup_printf("\"%s\" is no behaviour; expected %s", word, BEHAVIOURS);
}

static char *
set_intermittent(SimGuestSpec *guest, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, "/", -1);
    char *wrong = NULL;

    if (g_strv_length(parts) != 2)
        return g_strdup_printf("\"%s\" is not SECONDS STUCK/SECONDS MOVING, such as intermittent:19/1", value);
    if ((wrong = sim_read_number(parts[0], 1, SIM_SECONDS_LIMIT, &guest->stuck_seconds)) == NULL)
        wrong = sim_read_number(parts[1], 1, SIM_SECONDS_LIMIT, &guest->moving_seconds);
    return wrong;
}

static char *
add_behaviour(SimGuestSpec *guest, const char *word)
{
    const char *at = strchr(word, '@');
    const char *colon = strchr(word, ':');
    size_t length = colon != NULL ? (size_t)(colon - word) : strlen(word);

    if (at != NULL)
        return add_event(guest, word, at);
    if (strcmp(word, "ideal") == 0)
        return NULL;
    for (uint32_t bit = SIM_SLOW; bit <= SIM_AUTODEFLATE; bit <<= 1) {
        const char *name = sim_behaviour_name((SimBehaviour)bit);

        if (strlen(name) != length || strncmp(word, name, length) != 0)
            continue;
        guest->behaviours |= bit;
        if (bit == SIM_FLOOR)
            return colon != NULL ? sim_read_size(colon + 1, &guest->floor_kib)
                                 : g_strdup("floor needs a size, such as floor:2GiB");
        if (bit == SIM_INTERMITTENT)
            return set_intermittent(guest, colon != NULL ? colon + 1 : "");
        if (colon == NULL)
            return NULL;
    }
    return g_strdup_printf("\"%s\" is no behaviour; expected %s", word, BEHAVIOURS);
}

static char *
set_behaviour(SimGuestSpec *guest, const char *value)
{
    g_auto(GStrv) words = g_strsplit(value, ",", -1);

    for (char **word = words; *word != NULL; word++) {
        char *wrong = add_behaviour(guest, g_strstrip(*word));

        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static const struct {
    const char *name;
    char *(*set)(SimGuestSpec *guest, const char *value);
} guest_keys[] = {
    [SIM_KEY_MINIMUM] = {"minimum", set_minimum},
    [SIM_KEY_STARTUP] = {"startup", set_startup},
    [SIM_KEY_MAXIMUM] = {"maximum", set_maximum},
    {"buffer", set_buffer},
    {"priority", set_priority},
    {"demand", set_demand},
    {"noise", set_noise},
    {"inflate", set_inflate},
    {"swapping", set_swapping},
    {"deflate", set_deflate},
    {"behaviour", set_behaviour},
    {"mode", set_mode},
    {"managed", set_managed},
    {"smart-paging", set_smart_paging},
};

G_STATIC_ASSERT(G_N_ELEMENTS(guest_keys) <= SIM_KEYS_LIMIT);

size_t
sim_key_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(guest_keys); i++)
        if (strcmp(name, guest_keys[i].name) == 0)
            return i;
    return SIM_KEYS_LIMIT;
}

char *
sim_key_set(size_t key, SimGuestSpec *guest, const char *value)
{
    return guest_keys[key].set(guest, value);
}
