/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "random_scenario.h"

#include "units.h"

/* A stream of chance for one scenario. */
typedef struct Dice {
    uint64_t number;
    uint64_t thrown;
} Dice;

static uint64_t
toss(Dice *dice)
{
    return sim_chance(dice->number, "dice", dice->thrown++, 0);
}

/* In [low, high]. */
static uint64_t
between(Dice *dice, uint64_t low, uint64_t high)
{
    return high <= low ? low : low + toss(dice) % (high - low + 1);
}

static bool
chance(Dice *dice, unsigned percent)
{
    return toss(dice) % 100 < percent;
}

/* In [low, high] percent of whole; mostly whole MiB. */
static uint64_t
part(Dice *dice, uint64_t whole, uint64_t low, uint64_t high)
{
    uint64_t kib = percent_of(whole, between(dice, low, high));

    return chance(dice, 80) ? kib / KIB_PER_MIB * KIB_PER_MIB : kib + between(dice, 0, KIB_PER_MIB);
}

static void
add_event(Dice *dice, SimGuestSpec *guest, SimEventKind kind, uint64_t from, uint64_t to)
{
    SimEvent event = {between(dice, from, to), kind};
    guint place = guest->events->len;

    while (place > 0 && g_array_index(guest->events, SimEvent, place - 1).second > event.second)
        place--;
    g_array_insert_val(guest->events, place, event);
}

static void
make_events(Dice *dice, SimGuestSpec *guest, uint64_t seconds)
{
    static const SimEventKind interruptions[] = {SIM_EVENT_PAUSE, SIM_EVENT_MIGRATE, SIM_EVENT_HANG, SIM_EVENT_MUTE};

    if (chance(dice, 15))
        for (uint64_t left = between(dice, 1, 4); left > 0; left--)
            add_event(dice, guest, SIM_EVENT_REBOOT, 1, seconds);
    if (chance(dice, 10))
        add_event(dice, guest, SIM_EVENT_WEDGE, 1, seconds);
    if (chance(dice, 20))
        add_event(dice, guest, SIM_EVENT_START, 1, seconds);
    if (chance(dice, 20))
        add_event(dice, guest, chance(dice, 80) ? SIM_EVENT_STOP : SIM_EVENT_SAVE, 1, seconds);
    if (chance(dice, 15)) { /* stopped and started again */
        uint64_t second = between(dice, 1, seconds);

        add_event(dice, guest, chance(dice, 90) ? SIM_EVENT_STOP : SIM_EVENT_SAVE, second, second);
        add_event(dice, guest, SIM_EVENT_START, second, second + between(dice, 0, 60));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(interruptions); i++) {
        if (!chance(dice, 6))
            continue;
        add_event(dice, guest, interruptions[i], 1, seconds);
        if (chance(dice, 70))
            add_event(dice, guest, SIM_EVENT_RESUME, g_array_index(guest->events, SimEvent, 0).second, seconds);
    }
}

static void
make_behaviour(Dice *dice, SimGuestSpec *guest)
{
    for (uint32_t bit = SIM_SLOW; bit <= SIM_AUTODEFLATE; bit <<= 1)
        if (chance(dice, bit == SIM_AUTODEFLATE ? 20 : 6))
            guest->behaviours |= bit;
    guest->floor_kib = part(dice, guest->maximum_kib, 10, 100);
    guest->stuck_seconds = between(dice, 1, 30);
    guest->moving_seconds = between(dice, 1, 10);
    if (chance(dice, 10)) {
        guest->inflate_kib = between(dice, 0, 1000) * KIB_PER_MIB;
        guest->swapping_kib = between(dice, 0, guest->inflate_kib);
        guest->deflate_kib = between(dice, 0, 2000) * KIB_PER_MIB;
    }
}

static void
make_need(Dice *dice, SimGuestSpec *guest, uint64_t seconds)
{
    uint64_t second = 0;

    guest->square = chance(dice, 20);
    if (guest->square) {
        guest->square_low_kib = part(dice, guest->maximum_kib, 5, 80);
        guest->square_high_kib = part(dice, guest->maximum_kib, 10, 130);
        guest->square_half_seconds = between(dice, 1, 60);
        guest->square_shift_seconds = between(dice, 0, guest->square_half_seconds);
    }
    for (uint64_t left = guest->square ? 0 : between(dice, 1, 6); left > 0 && second < seconds; left--) {
        SimLevel need = {second, part(dice, guest->maximum_kib, chance(dice, 5) ? 0 : 5, chance(dice, 20) ? 130 : 70)};

        g_array_append_val(guest->steps, need);
        second += between(dice, 1, seconds);
    }
    if (chance(dice, 30))
        guest->noise_kib = part(dice, guest->maximum_kib, 0, 8);
}

static void
make_guest(Dice *dice, SimScenario *scenario, size_t index, size_t count)
{
    g_autofree char *name = g_strdup_printf("g%zu", index);
    SimGuestSpec *guest = sim_scenario_add_guest(scenario, name);
    uint64_t share = scenario->memory_kib / count;

    guest->maximum_kib = pages_up(MAX(part(dice, share, 20, chance(dice, 30) ? 300 : 120), 16 * KIB_PER_MIB));
    if (chance(dice, 90))
        guest->startup_kib = MIN(MAX(part(dice, guest->maximum_kib, 10, 90), 8 * KIB_PER_MIB), guest->maximum_kib);
    if (chance(dice, 90))
        guest->minimum_kib = part(dice, sim_guest_spec_startup(guest), 5, 100);
    guest->minimum_kib =
        MIN(guest->minimum_kib, guest->minimum_kib == SIM_UNSET ? SIM_UNSET : sim_guest_spec_startup(guest));
    if (chance(dice, 40))
        guest->buffer_percent = chance(dice, 10) ? between(dice, 0, 2000) : between(dice, 0, 100);
    if (chance(dice, 60))
        guest->priority = between(dice, 0, 100);
    guest->managed = !chance(dice, 4);
    guest->no_paging = chance(dice, 5);
    if (chance(dice, 8))
        guest->mode = chance(dice, 50) ? GUEST_MODE_OBSERVE : GUEST_MODE_STATIC;
    make_need(dice, guest, scenario->seconds);
    if (!chance(dice, 40))
        make_behaviour(dice, guest);
    if (!chance(dice, 40))
        make_events(dice, guest, scenario->seconds);
}

static void
set(SimScenario *scenario, const char *group, const char *key, char *value)
{
    g_autoptr(GError) error = NULL;

    if (!sim_scenario_set(scenario, group, key, value, &error))
        g_error("%s", error->message);
    g_free(value);
}

static void
add_seconds(Dice *dice, GArray *list, uint64_t seconds)
{
    uint64_t second = 0;

    for (uint64_t left = between(dice, 1, 3); left > 0; left--) {
        second += between(dice, 1, seconds / 2);
        g_array_append_val(list, second);
    }
}

/* Everybody at once: restarts are worst then. */
static void
make_storm(Dice *dice, SimScenario *scenario)
{
    uint64_t second = between(dice, 1, scenario->seconds);

    for (guint i = 0; i < scenario->guests->len; i++)
        add_event(dice, g_ptr_array_index(scenario->guests, i), chance(dice, 90) ? SIM_EVENT_REBOOT : SIM_EVENT_WEDGE,
                  second, second + between(dice, 0, 3));
}

/* What restarts and starts lean on, and what goes wrong there. */
static void
make_restarts(Dice *dice, SimScenario *scenario)
{
    if (chance(dice, 20))
        scenario->cgroup = chance(dice, 60) ? SIM_CGROUP_V1 : chance(dice, 50) ? SIM_CGROUP_NONE : SIM_CGROUP_BROKEN;
    if (chance(dice, 10))
        scenario->disk_kib = part(dice, scenario->memory_kib, 0, 200);
    scenario->paging.refused = chance(dice, 4);
    if (chance(dice, 8))
        scenario->paging.make_fails = between(dice, 1, 5);
    if (chance(dice, 10))
        scenario->paging.off_fails = between(dice, 1, 5);
    if (chance(dice, 20))
        scenario->paging.make_seconds = between(dice, 1, 20);
    if (chance(dice, 15))
        add_seconds(dice, scenario->daemon_restarts, scenario->seconds);
    if (chance(dice, 5))
        add_seconds(dice, scenario->host_reboots, scenario->seconds);
    if (chance(dice, 10))
        set(scenario, "Enforcement", "MemoryHigh", g_strdup("no"));
    if (chance(dice, 8))
        set(scenario, "SmartPaging", "Enabled", g_strdup("no"));
    if (chance(dice, 40))
        set(scenario, "SmartPaging", "DeadlineSec", g_strdup_printf("%u", (unsigned)between(dice, 60, 200)));
    if (chance(dice, 30))
        set(scenario, "SmartPaging", "RestartWindowSec", g_strdup_printf("%u", (unsigned)between(dice, 0, 100)));
    if (chance(dice, 8))
        set(scenario, "Admission", "Enabled", g_strdup("no"));
    if (chance(dice, 30))
        set(scenario, "Admission", "TimeoutSec", g_strdup_printf("%u", (unsigned)between(dice, 1, 60)));
    if (chance(dice, 20))
        set(scenario, "Admission", "WhenAbsent", g_strdup(chance(dice, 50) ? "refuse" : "allow"));
}

static void
make_host(Dice *dice, SimScenario *scenario)
{
    scenario->memory_kib = part(dice, UINT64_C(1) << between(dice, 20, 26), 60, 140);
    scenario->seconds = between(dice, 30, 300);
    scenario->seed = toss(dice);
    scenario->settle_seconds = chance(dice, 90) ? between(dice, 0, 5) : between(dice, 0, SIM_SETTLE_SECONDS);
    if (chance(dice, 30))
        scenario->overhead_kib = between(dice, 0, 256) * KIB_PER_MIB;
    if (chance(dice, 85))
        set(scenario, "Host", "Reserve",
            units_format_size_exact(part(dice, scenario->memory_kib, 0, chance(dice, 10) ? 60 : 12)));
    if (chance(dice, 15))
        set(scenario, "Host", "Budget",
            units_format_size_exact(MAX(part(dice, scenario->memory_kib, 20, 110), KIB_PER_MIB)));
    if (chance(dice, 25))
        set(scenario, "Policy", "GiveAway", g_strdup("yes"));
    if (chance(dice, 15))
        set(scenario, "Policy", "CacheShare", g_strdup_printf("%u", (unsigned)between(dice, 0, 100)));
    if (chance(dice, 10))
        set(scenario, "Policy", "Manage", g_strdup("all"));
    for (uint64_t second = 0; chance(dice, 15) && second < scenario->seconds; second += between(dice, 1, 100)) {
        SimLevel level = {second, part(dice, scenario->memory_kib, 0, 40)};

        g_array_append_val(scenario->other, level);
    }
    for (uint64_t second = 0; chance(dice, 15) && second < scenario->seconds; second += between(dice, 1, 100)) {
        SimLevel level = {second, between(dice, 0, 100)};

        g_array_append_val(scenario->pressure, level);
    }
}

SimScenario *
random_scenario_new(uint64_t number)
{
    g_autofree char *name = g_strdup_printf("random-%" G_GUINT64_FORMAT, number);
    Dice dice = {number, 0};
    SimScenario *scenario = sim_scenario_new(name);
    size_t count = between(&dice, 1, chance(&dice, 20) ? 12 : 5);

    make_host(&dice, scenario);
    for (size_t i = 0; i < count; i++)
        make_guest(&dice, scenario, i, count);
    make_restarts(&dice, scenario);
    if (chance(&dice, 15))
        make_storm(&dice, scenario);
    return scenario;
}

SimScenario *
random_constant_scenario_new(uint64_t number, uint64_t seconds, uint64_t noise_kib)
{
    g_autofree char *name = g_strdup_printf("constant-%" G_GUINT64_FORMAT, number);
    Dice dice = {number, 0};
    SimScenario *scenario = sim_scenario_new(name);
    size_t count = between(&dice, 1, 12);

    scenario->memory_kib = between(&dice, 4, 64) * KIB_PER_GIB;
    scenario->seconds = seconds;
    scenario->seed = number;
    set(scenario, "Host", "Reserve", units_format_size_exact(scenario->memory_kib / 16));
    if (chance(&dice, 25))
        set(scenario, "Policy", "GiveAway", g_strdup("yes"));
    for (size_t i = 0; i < count; i++) {
        g_autofree char *guest_name = g_strdup_printf("g%zu", i);
        SimGuestSpec *guest = sim_scenario_add_guest(scenario, guest_name);
        SimLevel need = {0, 0};

        guest->maximum_kib = pages_up(MAX(part(&dice, scenario->memory_kib / count, 80, 250), 2 * KIB_PER_GIB));
        guest->startup_kib = part(&dice, guest->maximum_kib, 20, 80);
        guest->minimum_kib = part(&dice, guest->startup_kib, 20, 100);
        guest->minimum_kib = MIN(guest->minimum_kib, guest->startup_kib);
        guest->priority = between(&dice, 0, 100);
        if (chance(&dice, 33))
            guest->buffer_percent = between(&dice, 0, 50);
        guest->noise_kib = noise_kib;
        need.level = part(&dice, guest->maximum_kib, 15, chance(&dice, 25) ? 110 : 75);
        g_array_append_val(guest->steps, need);
    }
    return scenario;
}
