/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Making a failing scenario small. Each way to simplify is tried on a copy, again and again until none of them
 * leaves a scenario that still fails.
 */

#include "random_scenario.h"

#include "config/config.h"
#include "units.h"

/* Changes the copy in the way of that number. Returns false when there is no such way, or it changes nothing. */
typedef bool (*Simplify)(SimScenario *copy, size_t way);

static bool
drop_guest(SimScenario *copy, size_t way)
{
    if (way >= copy->guests->len || copy->guests->len == 1)
        return false;
    sim_scenario_remove_guest(copy, way);
    return true;
}

static bool
shorten(SimScenario *copy, size_t way)
{
    static const unsigned percents[] = {25, 50, 75, 90, 97};
    uint64_t seconds = copy->seconds - 1;

    if (way > G_N_ELEMENTS(percents))
        return false;
    if (way < G_N_ELEMENTS(percents))
        seconds = copy->seconds * percents[way] / 100;
    if (seconds == 0 || seconds == copy->seconds)
        return false;
    copy->seconds = seconds;
    return true;
}

static bool
drop_setting(SimScenario *copy, size_t way)
{
    const SimSetting *setting;

    if (way >= copy->given->len)
        return false;
    setting = g_ptr_array_index(copy->given, way);
    config_set(copy->settings, setting->group, setting->key, "", NULL);
    g_ptr_array_remove_index(copy->given, (guint)way);
    return true;
}

static bool
drop_level(SimScenario *copy, size_t way)
{
    GArray *levels = way < copy->other->len ? copy->other : copy->pressure;

    if (levels == copy->pressure)
        way -= copy->other->len;
    if (way >= levels->len)
        return false;
    g_array_remove_index(levels, (guint)way);
    return true;
}

static bool
drop_seconds(SimScenario *copy, size_t way)
{
    GArray *seconds = way < copy->daemon_restarts->len ? copy->daemon_restarts : copy->host_reboots;

    if (seconds == copy->host_reboots)
        way -= copy->daemon_restarts->len;
    if (way >= seconds->len)
        return false;
    g_array_remove_index(seconds, (guint)way);
    return true;
}

/* Everything about limits and paging files works as it should. */
static bool
plain_host(SimScenario *copy, size_t way)
{
    const SimPagingFaults was = copy->paging;
    bool other = copy->cgroup != SIM_CGROUP_V2;

    switch (way) {
    case 0:
        copy->cgroup = SIM_CGROUP_V2;
        return other;
    case 1:
        other = copy->disk_kib != SIM_UNSET;
        copy->disk_kib = SIM_UNSET;
        return other;
    case 2:
        copy->paging.refused = false;
        return was.refused;
    case 3:
        copy->paging.make_fails = 0;
        return was.make_fails > 0;
    case 4:
        copy->paging.off_fails = 0;
        return was.off_fails > 0;
    default:
        copy->paging.make_seconds = SIM_PAGING_MAKE_SECONDS;
        return was.make_seconds != SIM_PAGING_MAKE_SECONDS;
    }
}

/* The guest that a way is for; the way becomes that within the guest. Each guest has so many ways. */
static SimGuestSpec *
guest_of(SimScenario *copy, size_t *way, size_t ways)
{
    size_t index = *way / ways;

    *way %= ways;
    return index < copy->guests->len ? g_ptr_array_index(copy->guests, index) : NULL;
}

static bool
drop_behaviour(SimScenario *copy, size_t way)
{
    SimGuestSpec *guest = guest_of(copy, &way, 9);

    if (guest == NULL || (guest->behaviours & (1u << way)) == 0)
        return false;
    guest->behaviours &= ~(1u << way);
    return true;
}

static bool
drop_event(SimScenario *copy, size_t way)
{
    SimGuestSpec *guest = guest_of(copy, &way, 16);

    if (guest == NULL || way >= guest->events->len)
        return false;
    g_array_remove_index(guest->events, (guint)way);
    return true;
}

static bool
drop_step(SimScenario *copy, size_t way)
{
    SimGuestSpec *guest = guest_of(copy, &way, 8);

    if (guest == NULL || way >= guest->steps->len || guest->steps->len == 1)
        return false;
    g_array_remove_index(guest->steps, (guint)way);
    g_array_index(guest->steps, SimLevel, 0).second = 0;
    return true;
}

static bool
unset(uint64_t *value)
{
    bool was = *value != SIM_UNSET;

    *value = SIM_UNSET;
    return was;
}

static bool
plain_rates(SimGuestSpec *guest)
{
    bool was = guest->inflate_kib != SIM_INFLATE_KIB || guest->swapping_kib != SIM_SWAPPING_KIB ||
               guest->deflate_kib != SIM_DEFLATE_KIB;

    guest->inflate_kib = SIM_INFLATE_KIB;
    guest->swapping_kib = SIM_SWAPPING_KIB;
    guest->deflate_kib = SIM_DEFLATE_KIB;
    return was;
}

static bool
steady(SimGuestSpec *guest)
{
    SimLevel need = {0, guest->square_high_kib};

    if (!guest->square)
        return false;
    guest->square = false;
    g_array_append_val(guest->steps, need);
    return true;
}

static bool
quiet(SimGuestSpec *guest)
{
    bool was = guest->noise_kib > 0;

    guest->noise_kib = 0;
    return was;
}

static bool
plain_guest(SimScenario *copy, size_t way)
{
    SimGuestSpec *guest = guest_of(copy, &way, 8);

    if (guest == NULL)
        return false;
    switch (way) {
    case 0:
        return quiet(guest);
    case 1:
        return steady(guest);
    case 2:
        return plain_rates(guest);
    case 3:
        return unset(&guest->priority);
    case 4:
        return unset(&guest->buffer_percent);
    case 5:
        return unset(&guest->minimum_kib);
    case 6:
        return guest->minimum_kib != SIM_UNSET && unset(&guest->startup_kib);
    default:
        if (guest->mode == GUEST_MODE_DYNAMIC && guest->managed && !guest->no_paging)
            return false;
        guest->no_paging = false;
        guest->mode = GUEST_MODE_DYNAMIC;
        guest->managed = true;
        return true;
    }
}

static bool
round_to(uint64_t *kib, uint64_t unit)
{
    uint64_t rounded = (*kib + unit / 2) / unit * unit;

    if (*kib == SIM_UNSET || rounded == 0 || rounded == *kib)
        return false;
    *kib = rounded;
    return true;
}

/* Whole GiB, then eighths of them, then MiB. */
static bool
round_sizes(SimScenario *copy, size_t way)
{
    static const uint64_t units[] = {KIB_PER_GIB, KIB_PER_GIB / 8, KIB_PER_MIB};
    SimGuestSpec *guest;
    uint64_t unit = units[way % G_N_ELEMENTS(units)];
    bool changed = false;

    way /= G_N_ELEMENTS(units);
    if (way == 0)
        return round_to(&copy->memory_kib, unit);
    way--;
    guest = guest_of(copy, &way, 2);
    if (guest == NULL)
        return false;
    if (way == 0) {
        for (guint i = 0; i < guest->steps->len; i++)
            changed |= round_to(&g_array_index(guest->steps, SimLevel, i).level, unit);
        return changed;
    }
    changed |= round_to(&guest->maximum_kib, unit);
    changed |= round_to(&guest->startup_kib, unit);
    changed |= round_to(&guest->minimum_kib, unit);
    return changed && sim_guest_spec_minimum(guest) <= sim_guest_spec_startup(guest) &&
           sim_guest_spec_startup(guest) <= guest->maximum_kib;
}

static const struct {
    Simplify simplify;
    size_t ways; /* for each guest, or in all */
    bool each_guest;
} simplifications[] = {
    {shorten, 6, false},      {drop_guest, 1, true},  {drop_setting, 16, false}, {drop_level, 20, false},
    {drop_seconds, 6, false}, {plain_host, 6, false}, {drop_behaviour, 9, true}, {drop_event, 16, true},
    {drop_step, 8, true},     {plain_guest, 8, true}, {round_sizes, 7, true},
};

/* Tries one way; *scenario becomes the simpler one when that still fails. */
static bool
try_way(SimScenario **scenario, Simplify simplify, size_t way, ScenarioTrial trial)
{
    g_autoptr(SimScenario) copy = sim_scenario_copy(*scenario);
    g_autofree char *wrong = NULL;

    if (!simplify(copy, way))
        return false;
    wrong = trial(copy);
    if (wrong == NULL)
        return false;
    sim_scenario_free(*scenario);
    *scenario = g_steal_pointer(&copy);
    return true;
}

SimScenario *
scenario_shrink(SimScenario *scenario, ScenarioTrial trial)
{
    bool simpler;

    do {
        simpler = false;
        for (size_t i = 0; i < G_N_ELEMENTS(simplifications); i++) {
            size_t ways = simplifications[i].ways * (simplifications[i].each_guest ? scenario->guests->len : 1);

            for (size_t way = 0; way < ways; way++)
                simpler |= try_way(&scenario, simplifications[i].simplify, way, trial);
        }
    } while (simpler);
    return scenario;
}
