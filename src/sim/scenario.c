/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scenario.h"

#include "config/config.h"
#include "units.h"

#include <string.h>

#define DEFAULT_SECONDS 600

enum {
    CHANCE_NOISE = 1
};

static void
guest_spec_free(gpointer data)
{
    SimGuestSpec *spec = data;

    g_free(spec->name);
    g_array_unref(spec->steps);
    g_array_unref(spec->events);
    g_free(spec);
}

static void
setting_free(gpointer data)
{
    SimSetting *setting = data;

    g_free(setting->group);
    g_free(setting->key);
    g_free(setting->value);
    g_free(setting);
}

SimScenario *
sim_scenario_new(const char *name)
{
    SimScenario *scenario = g_new0(SimScenario, 1);

    scenario->name = g_strdup(name);
    scenario->settle_seconds = SIM_SETTLE_SECONDS;
    scenario->seconds = DEFAULT_SECONDS;
    scenario->seed = 1;
    scenario->disk_kib = SIM_UNSET;
    scenario->paging.make_seconds = SIM_PAGING_MAKE_SECONDS;
    scenario->daemon_restarts = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    scenario->host_reboots = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    scenario->other = g_array_new(FALSE, FALSE, sizeof(SimLevel));
    scenario->pressure = g_array_new(FALSE, FALSE, sizeof(SimLevel));
    scenario->settings = settings_new();
    scenario->given = g_ptr_array_new_with_free_func(setting_free);
    scenario->guests = g_ptr_array_new_with_free_func(guest_spec_free);
    return scenario;
}

void
sim_scenario_free(SimScenario *scenario)
{
    if (scenario == NULL)
        return;
    g_free(scenario->name);
    g_array_unref(scenario->other);
    g_array_unref(scenario->pressure);
    g_array_unref(scenario->daemon_restarts);
    g_array_unref(scenario->host_reboots);
    settings_free(scenario->settings);
    g_ptr_array_unref(scenario->given);
    g_ptr_array_unref(scenario->guests);
    g_free(scenario);
}

/* Guests are numbered, so that the engine, which sorts by uuid, keeps the order of the file. */
static void
number_guests(SimScenario *scenario)
{
    for (guint i = 0; i < scenario->guests->len; i++) {
        SimGuestSpec *spec = g_ptr_array_index(scenario->guests, i);

        g_snprintf(spec->uuid, sizeof spec->uuid, "00000000-0000-4000-8000-%012u", i + 1);
    }
}

SimGuestSpec *
sim_scenario_add_guest(SimScenario *scenario, const char *name)
{
    SimGuestSpec *spec = g_new0(SimGuestSpec, 1);

    spec->name = g_strdup(name);
    spec->minimum_kib = SIM_UNSET;
    spec->startup_kib = SIM_UNSET;
    spec->maximum_kib = SIM_UNSET;
    spec->buffer_percent = SIM_UNSET;
    spec->priority = SIM_UNSET;
    spec->mode = GUEST_MODE_DYNAMIC;
    spec->managed = true;
    spec->steps = g_array_new(FALSE, FALSE, sizeof(SimLevel));
    spec->events = g_array_new(FALSE, FALSE, sizeof(SimEvent));
    spec->inflate_kib = SIM_INFLATE_KIB;
    spec->swapping_kib = SIM_SWAPPING_KIB;
    spec->deflate_kib = SIM_DEFLATE_KIB;
    g_ptr_array_add(scenario->guests, spec);
    number_guests(scenario);
    return spec;
}

void
sim_scenario_remove_guest(SimScenario *scenario, size_t index)
{
    g_ptr_array_remove_index(scenario->guests, (guint)index);
    number_guests(scenario);
}

SimScenario *
sim_scenario_copy(const SimScenario *scenario)
{
    SimScenario *copy = g_memdup2(scenario, sizeof *scenario);

    copy->name = g_strdup(scenario->name);
    copy->other = g_array_copy(scenario->other);
    copy->pressure = g_array_copy(scenario->pressure);
    copy->daemon_restarts = g_array_copy(scenario->daemon_restarts);
    copy->host_reboots = g_array_copy(scenario->host_reboots);
    copy->settings = settings_copy(scenario->settings);
    copy->given = g_ptr_array_new_with_free_func(setting_free);
    for (guint i = 0; i < scenario->given->len; i++) {
        const SimSetting *setting = g_ptr_array_index(scenario->given, i);
        SimSetting *own = g_new0(SimSetting, 1);

        *own = (SimSetting){g_strdup(setting->group), g_strdup(setting->key), g_strdup(setting->value)};
        g_ptr_array_add(copy->given, own);
    }
    copy->guests = g_ptr_array_new_with_free_func(guest_spec_free);
    for (guint i = 0; i < scenario->guests->len; i++) {
        SimGuestSpec *spec = g_memdup2(g_ptr_array_index(scenario->guests, i), sizeof(SimGuestSpec));

        spec->name = g_strdup(spec->name);
        spec->steps = g_array_copy(spec->steps);
        spec->events = g_array_copy(spec->events);
        g_ptr_array_add(copy->guests, spec);
    }
    return copy;
}

bool
sim_scenario_set(SimScenario *scenario, const char *group, const char *key, const char *value, GError **error)
{
    SimSetting *setting;

    if (!config_set(scenario->settings, group, key, value, error))
        return false;
    setting = g_new0(SimSetting, 1);
    *setting = (SimSetting){g_strdup(group), g_strdup(key), g_strdup(value)};
    g_ptr_array_add(scenario->given, setting);
    return true;
}

uint64_t
sim_guest_spec_startup(const SimGuestSpec *spec)
{
    return spec->startup_kib == SIM_UNSET ? spec->maximum_kib : pages_up(spec->startup_kib);
}

uint64_t
sim_guest_spec_minimum(const SimGuestSpec *spec)
{
    return spec->minimum_kib == SIM_UNSET ? sim_guest_spec_startup(spec) : spec->minimum_kib;
}

bool
sim_guest_spec_runs_first(const SimGuestSpec *spec)
{
    for (guint i = 0; i < spec->events->len; i++) {
        SimEventKind kind = g_array_index(spec->events, SimEvent, i).kind;

        if (kind == SIM_EVENT_START || kind == SIM_EVENT_STOP || kind == SIM_EVENT_SAVE)
            return kind != SIM_EVENT_START;
    }
    return true;
}

/* The finaliser of splitmix64: every bit of the result depends on every bit of x. */
static uint64_t
mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t
sim_chance(uint64_t seed, const char *name, uint64_t second, uint64_t purpose)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (const char *p = name; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    return mix(mix(mix(hash ^ seed) + second * UINT64_C(0x9e3779b97f4a7c15)) + purpose);
}

static uint64_t
square_need(const SimGuestSpec *spec, uint64_t second)
{
    uint64_t half = (second + spec->square_shift_seconds) / spec->square_half_seconds;

    return half % 2 == 0 ? spec->square_low_kib : spec->square_high_kib;
}

uint64_t
sim_level(const GArray *levels, uint64_t second)
{
    guint low = 0;
    guint high = levels->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (g_array_index(levels, SimLevel, middle).second <= second)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : g_array_index(levels, SimLevel, low - 1).level;
}

uint64_t
sim_guest_spec_need(const SimGuestSpec *spec, uint64_t seed, uint64_t second)
{
    uint64_t need = spec->square ? square_need(spec, second) : sim_level(spec->steps, second);

    if (spec->noise_kib > 0) {
        need += sim_chance(seed, spec->name, second, CHANCE_NOISE) % (2 * spec->noise_kib + 1);
        need = saturating_sub(need, spec->noise_kib);
    }
    return need;
}

const char *
sim_event_name(SimEventKind kind)
{
    static const char *const names[] = {
        [SIM_EVENT_REBOOT] = "reboot",   [SIM_EVENT_WEDGE] = "wedge", [SIM_EVENT_START] = "start",
        [SIM_EVENT_STOP] = "stop",       [SIM_EVENT_SAVE] = "save",   [SIM_EVENT_PAUSE] = "pause",
        [SIM_EVENT_MIGRATE] = "migrate", [SIM_EVENT_HANG] = "hang",   [SIM_EVENT_MUTE] = "mute",
        [SIM_EVENT_RESUME] = "resume",
    };

    return names[kind];
}

const char *
sim_cgroup_name(SimCgroup cgroup)
{
    static const char *const names[] = {
        [SIM_CGROUP_V2] = "v2", [SIM_CGROUP_V1] = "v1", [SIM_CGROUP_NONE] = "none", [SIM_CGROUP_BROKEN] = "broken"};

    return names[cgroup];
}

const char *
sim_behaviour_name(SimBehaviour behaviour)
{
    switch (behaviour) {
    case SIM_SLOW:
        return "slow";
    case SIM_STUCK:
        return "stuck";
    case SIM_FLOOR:
        return "floor";
    case SIM_NO_DRIVER:
        return "no-driver";
    case SIM_NO_STATS:
        return "no-stats";
    case SIM_LYING:
        return "lying";
    case SIM_INTERMITTENT:
        return "intermittent";
    case SIM_INHIBITED:
        return "inhibited";
    case SIM_AUTODEFLATE:
        return "autodeflate";
    }
    g_assert_not_reached();
}

static void
format_size(GString *text, const char *key, uint64_t kib, const char *suffix)
{
    g_autofree char *size = NULL;

    if (kib == SIM_UNSET)
        return;
    size = units_format_size_exact(kib);
    g_string_append_printf(text, "%s=%s%s\n", key, size, suffix);
}

static void
format_levels(GString *text, const char *key, const GArray *levels, bool sizes)
{
    if (levels->len == 0)
        return;
    g_string_append_printf(text, "%s=", key);
    for (guint i = 0; i < levels->len; i++) {
        const SimLevel *level = &g_array_index(levels, SimLevel, i);
        g_autofree char *size = units_format_size_exact(level->level);

        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT ":", i > 0 ? " " : "", level->second);
        if (sizes)
            g_string_append(text, size);
        else
            g_string_append_printf(text, "%" G_GUINT64_FORMAT, level->level);
    }
    g_string_append_c(text, '\n');
}

static void
format_need(GString *text, const SimGuestSpec *spec)
{
    if (spec->square) {
        g_autofree char *low = units_format_size_exact(spec->square_low_kib);
        g_autofree char *high = units_format_size_exact(spec->square_high_kib);
        char phase[G_ASCII_DTOSTR_BUF_SIZE];

        g_ascii_formatd(phase, sizeof phase, "%.9g",
                        (double)spec->square_shift_seconds / (double)spec->square_half_seconds);
        g_string_append_printf(text, "demand=square %s %s %" G_GUINT64_FORMAT " %s\n", low, high,
                               spec->square_half_seconds, phase);
        return;
    }
    format_levels(text, "demand", spec->steps, true);
}

static void
format_behaviour(GString *text, const SimGuestSpec *spec)
{
    const char *separator = "behaviour=";

    for (uint32_t bit = SIM_SLOW; bit <= SIM_AUTODEFLATE; bit <<= 1) {
        if ((spec->behaviours & bit) == 0)
            continue;
        g_string_append_printf(text, "%s%s", separator, sim_behaviour_name((SimBehaviour)bit));
        if (bit == SIM_FLOOR) {
            g_autofree char *size = units_format_size_exact(spec->floor_kib);

            g_string_append_printf(text, ":%s", size);
        } else if (bit == SIM_INTERMITTENT) {
            g_string_append_printf(text, ":%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, spec->stuck_seconds,
                                   spec->moving_seconds);
        }
        separator = ",";
    }
    for (guint i = 0; i < spec->events->len; i++) {
        const SimEvent *event = &g_array_index(spec->events, SimEvent, i);

        g_string_append_printf(text, "%s%s@%" G_GUINT64_FORMAT, separator, sim_event_name(event->kind), event->second);
        separator = ",";
    }
    if (*separator == ',')
        g_string_append_c(text, '\n');
}

static void
format_guest(GString *text, const SimGuestSpec *spec)
{
    static const char *const modes[] = {
        [GUEST_MODE_DYNAMIC] = "dynamic", [GUEST_MODE_OBSERVE] = "observe", [GUEST_MODE_STATIC] = "static"};

    g_string_append_printf(text, "\n[guest %s]\n", spec->name);
    format_size(text, "minimum", spec->minimum_kib, "");
    format_size(text, "startup", spec->startup_kib, "");
    format_size(text, "maximum", spec->maximum_kib, "");
    if (spec->buffer_percent != SIM_UNSET)
        g_string_append_printf(text, "buffer=%" G_GUINT64_FORMAT "\n", spec->buffer_percent);
    if (spec->priority != SIM_UNSET)
        g_string_append_printf(text, "priority=%" G_GUINT64_FORMAT "\n", spec->priority);
    if (!spec->managed)
        g_string_append(text, "managed=no\n");
    if (spec->no_paging)
        g_string_append(text, "smart-paging=no\n");
    if (spec->mode != GUEST_MODE_DYNAMIC)
        g_string_append_printf(text, "mode=%s\n", modes[spec->mode]);
    format_need(text, spec);
    if (spec->noise_kib > 0)
        format_size(text, "noise", spec->noise_kib, "");
    if (spec->inflate_kib != SIM_INFLATE_KIB)
        format_size(text, "inflate", spec->inflate_kib, "/s");
    if (spec->swapping_kib != SIM_SWAPPING_KIB)
        format_size(text, "swapping", spec->swapping_kib, "/s");
    if (spec->deflate_kib != SIM_DEFLATE_KIB)
        format_size(text, "deflate", spec->deflate_kib, "/s");
    format_behaviour(text, spec);
}

static void
format_seconds(GString *text, const char *key, const GArray *seconds)
{
    for (guint i = 0; i < seconds->len; i++)
        g_string_append_printf(text, "%s%s%" G_GUINT64_FORMAT, i == 0 ? key : "", i == 0 ? "=" : " ",
                               g_array_index(seconds, uint64_t, i));
    if (seconds->len > 0)
        g_string_append_c(text, '\n');
}

static void
format_paging(GString *text, const SimPagingFaults *paging)
{
    const char *separator = "paging=";

    if (paging->refused) {
        g_string_append_printf(text, "%srefused", separator);
        separator = ",";
    }
    if (paging->make_fails > 0) {
        g_string_append_printf(text, "%smake-fails:%" G_GUINT64_FORMAT, separator, paging->make_fails);
        separator = ",";
    }
    if (paging->off_fails > 0) {
        g_string_append_printf(text, "%sswapoff-fails:%" G_GUINT64_FORMAT, separator, paging->off_fails);
        separator = ",";
    }
    if (paging->make_seconds != SIM_PAGING_MAKE_SECONDS) {
        g_string_append_printf(text, "%smake:%" G_GUINT64_FORMAT, separator, paging->make_seconds);
        separator = ",";
    }
    if (*separator == ',')
        g_string_append_c(text, '\n');
}

static void
format_host(GString *text, const SimScenario *scenario)
{
    if (scenario->cgroup != SIM_CGROUP_V2)
        g_string_append_printf(text, "cgroup=%s\n", sim_cgroup_name(scenario->cgroup));
    format_size(text, "disk", scenario->disk_kib, "");
    format_paging(text, &scenario->paging);
    format_seconds(text, "daemon-restart", scenario->daemon_restarts);
    format_seconds(text, "reboot", scenario->host_reboots);
}

char *
sim_scenario_format(const SimScenario *scenario)
{
    GString *text = g_string_new("[host]\n");

    format_size(text, "memory", scenario->memory_kib, "");
    if (scenario->overhead_kib > 0)
        format_size(text, "overhead", scenario->overhead_kib, "");
    if (scenario->settle_seconds != SIM_SETTLE_SECONDS)
        g_string_append_printf(text, "settle=%" G_GUINT64_FORMAT "\n", scenario->settle_seconds);
    format_levels(text, "other", scenario->other, true);
    format_levels(text, "pressure", scenario->pressure, false);
    format_host(text, scenario);
    g_string_append_printf(text, "seconds=%" G_GUINT64_FORMAT "\nseed=%" G_GUINT64_FORMAT "\n", scenario->seconds,
                           scenario->seed);
    for (guint i = 0; i < scenario->given->len; i++) {
        const SimSetting *setting = g_ptr_array_index(scenario->given, i);

        g_string_append_printf(text, "\n[%s]\n%s=%s\n", setting->group, setting->key, setting->value);
    }
    for (guint i = 0; i < scenario->guests->len; i++)
        format_guest(text, g_ptr_array_index(scenario->guests, i));
    return g_string_free(text, FALSE);
}
