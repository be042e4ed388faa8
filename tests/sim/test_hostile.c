/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Guests that are made to harm the others by what a guest controls: its statistics, the size that its driver says its balloon has,
 * and when it reports; some change their mind in each second. The host is not exhausted, no other guest is below its minimum,
 * and all others together lack no more than beside guests that really need all their memory. What is told of it stays little.
 *
 * SIM_HOSTILE_HOSTS: how many hosts to try, each with guests of one way to lie.
 */

#include "report/changes.h"
#include "report/held_tick.h"
#include "sim/world.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_HOSTS 210
#define SECONDS 900
#define HOST_KIB (24 * KIB_PER_GIB)
/* They lie from then on, when their limits are in force; others are looked at when they had time to adapt. */
#define LIE_SECOND 30
#define LOOK_SECOND 120
/* More than beside guests that need all, of what those would lack, and in all, in MiB and seconds. */
#define MORE_PERCENT 5
#define MORE_MIB_SEC 2048
/* Records of a kind that a guest may cause in a run, targets left aside: the journal has its own bounds for those. */
#define RECORDS 30

typedef enum Way {
    WAY_SWING,     /* idle, and full and swapping, by turns */
    WAY_STARVING,  /* always */
    WAY_EDGE,      /* nothing is usable, and it does not swap */
    WAY_IDLE,      /* needs nothing */
    WAY_ABOVE,     /* more is usable than there is, by turns */
    WAY_GARBAGE,   /* any figures */
    WAY_OVERFLOWS, /* the largest figures there are */
    WAY_BACK,      /* counters and the time of the report go back, by turns */
    WAY_SMALL,     /* its balloon is said to leave it nothing */
    WAY_LARGE,     /* ... far more than its maximum */
    WAY_JUMPS,     /* ... any size */
    WAY_HIDES,     /* ... nothing, while it touches all that its limit lets it, and gives nothing back */
    WAY_HOARDS,    /* ... what it was told, while it does the same */
    WAY_SLEEPS,    /* ... what it was told, while it gives back what it has and could take it again at any moment */
    WAY_PULLS,     /* ... all its memory, which it takes as far as its limit lets it */
    WAY_SILENT,    /* it says nothing any more */
    WAY_BURSTS,    /* idle for ten seconds, starving for three */
    WAYS,
} Way;

static const char *const way_names[WAYS] = {"swing",     "starving", "edge",  "idle",   "above", "garbage",
                                            "overflows", "back",     "small", "large",  "jumps", "hides",
                                            "hoards",    "sleeps",   "pulls", "silent", "bursts"};

typedef struct Run {
    uint64_t number;
    Way way;
    bool lies;        /* false: the guests really need all their memory */
    uint64_t hostile; /* the first so many guests */
    Changes *changes;
    HeldTick *held;
    uint64_t unmet_kib_sec; /* of the others */
    uint64_t told[CHANGE_KIND_COUNT];
    char *wrong;
} Run;

static uint64_t
chance(const Run *run, uint64_t guest, uint64_t second, uint64_t purpose)
{
    return sim_chance(run->number, "hostile", second * 64 + guest, purpose);
}

/* Of any magnitude. */
static uint64_t
any_number(const Run *run, uint64_t guest, uint64_t second, uint64_t purpose)
{
    uint64_t number = chance(run, guest, second, purpose);

    return number >> number % 64;
}

static void
touch_all(SimGuest *guest)
{
    uint64_t limit = guest->high_kib == LIMIT_NONE ? UINT64_MAX : saturating_sub(guest->high_kib, guest->overhead_kib);

    guest->has_kib = guest->spec->maximum_kib;
    guest->touched_kib = MAX(guest->touched_kib, MIN(guest->has_kib, limit));
}

/* What it says in the next second, in place of its driver. */
static void
lie(const Run *run, uint64_t index, uint64_t second, SimGuest *guest)
{
    Way way = run->way;
    uint64_t has = guest->has_kib, swapped = second * 100 * KIB_PER_MIB;
    bool odd = second % 2 != 0;
    GuestReport *report = &guest->report;

    guest->muted = true;
    if (way == WAY_SILENT)
        return;
    if (way == WAY_BURSTS)
        way = second % 13 < 10 ? WAY_IDLE : WAY_STARVING;
    if (way == WAY_SWING)
        way = odd ? WAY_IDLE : WAY_STARVING;
    guest->updated_sec = SIM_WALL_START_SEC + second + 1;
    *report = (GuestReport){.fields = REPORT_USABLE | REPORT_TOTAL | REPORT_UNUSED | REPORT_CACHE | REPORT_SWAP_IN |
                                      REPORT_SWAP_OUT | REPORT_MAJOR_FAULTS,
                            .usable_kib = has / 2,
                            .unused_kib = has / 2,
                            .total_kib = has};
    switch (way) {
    case WAY_STARVING:
        report->usable_kib = report->unused_kib = 0;
        report->swap_in_kib = report->swap_out_kib = swapped;
        report->major_faults = swapped / PAGE_KIB;
        break;
    case WAY_EDGE:
        report->usable_kib = report->unused_kib = 0;
        break;
    case WAY_IDLE:
        report->usable_kib = report->unused_kib = has;
        break;
    case WAY_ABOVE:
        report->usable_kib = odd ? 2 * has : 0;
        break;
    case WAY_GARBAGE:
        report->usable_kib = any_number(run, index, second, 2);
        report->total_kib = any_number(run, index, second, 3);
        report->unused_kib = any_number(run, index, second, 4);
        report->cache_kib = any_number(run, index, second, 5);
        report->swap_in_kib = any_number(run, index, second, 6);
        report->swap_out_kib = any_number(run, index, second, 7);
        report->major_faults = any_number(run, index, second, 8);
        break;
    case WAY_OVERFLOWS:
        report->usable_kib = odd ? UINT64_MAX : 0;
        report->total_kib = report->unused_kib = report->cache_kib = UINT64_MAX;
        report->swap_in_kib = report->swap_out_kib = report->major_faults = UINT64_MAX - second % 3;
        break;
    case WAY_BACK:
        guest->updated_sec -= odd ? 1000 : 0;
        report->swap_in_kib = report->swap_out_kib = report->major_faults = odd ? 0 : swapped;
        break;
    case WAY_SMALL:
        guest->shown_kib = 0;
        break;
    case WAY_LARGE:
        guest->shown_kib = UINT64_MAX / 2;
        break;
    case WAY_JUMPS:
        guest->shown_kib = any_number(run, index, second, 9);
        break;
    case WAY_HIDES:
        guest->shown_kib = 0;
        report->usable_kib = second % 60 < 30 ? 0 : has;
        touch_all(guest);
        break;
    case WAY_HOARDS:
        guest->shown_kib = guest->target_kib;
        report->usable_kib = second % 60 < 30 ? 0 : has;
        touch_all(guest);
        break;
    case WAY_SLEEPS:
        guest->shown_kib = guest->target_kib;
        report->usable_kib = second % 60 < 30 ? 0 : has;
        guest->has_kib = guest->spec->maximum_kib;
        guest->touched_kib = MIN(guest->touched_kib, guest->target_kib);
        break;
    case WAY_PULLS:
        guest->shown_kib = guest->spec->maximum_kib;
        report->usable_kib = 0;
        touch_all(guest);
        break;
    case WAY_SWING:
    case WAY_BURSTS:
    case WAY_SILENT:
    case WAYS:
        break;
    }
}

static void
look_at_others(Run *run, const SimStep *step)
{
    for (size_t i = run->hostile; i < step->count; i++) {
        const SimSample *sample = &step->samples[i];

        if (sample->plan->committed_kib < sample->plan->guest->settings->minimum_kib && run->wrong == NULL)
            run->wrong = g_strdup_printf("second %" PRIu64 ": %s is below its minimum", step->second, sample->name);
        if (step->second >= LOOK_SECOND)
            run->unmet_kib_sec += saturating_sub(sample->need_kib, sample->assigned_kib);
    }
}

/* What the limits in force let all guests hold together must fit into the host, whatever they say. */
static void
look_at_limits(Run *run, const SimStep *step)
{
    uint64_t sum_kib = 0;

    for (size_t i = 0; i < step->count; i++) {
        const SimGuest *guest = sim_world_guest(step->world, i);

        const GuestPlan *plan = step->samples[i].plan;

        if (guest->running)
            sum_kib += MIN(guest->spec->maximum_kib + guest->overhead_kib, MIN(guest->high_kib, plan->limit_kib));
    }
    if (sum_kib > HOST_KIB && run->wrong == NULL)
        run->wrong = g_strdup_printf("second %" PRIu64 ": the limits let the guests hold %" PRIu64 " MiB", step->second,
                                     sum_kib / KIB_PER_MIB);
}

static bool
look(void *data, const SimStep *step)
{
    Run *run = data;
    const GPtrArray *list = changes_compare(run->changes, held_tick_report(run->held), step->tick);

    for (guint i = 0; i < list->len; i++)
        run->told[((const Change *)g_ptr_array_index(list, i))->kind]++;
    held_tick_update(run->held, step->tick);
    look_at_others(run, step);
    if (run->lies && step->second >= LIE_SECOND)
        look_at_limits(run, step);
    for (size_t i = 0; i < run->hostile && run->lies && step->second >= LIE_SECOND; i++)
        lie(run, i, step->second, (SimGuest *)sim_world_guest(step->world, i)); /* handed out to be looked at only */
    return true;
}

static char *
make_text(const Run *run, uint64_t honest)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "[host]\nmemory=24GiB\nreserve=1GiB\nseconds=%d\nseed=%" PRIu64 "\n", SECONDS,
                           run->number);
    for (uint64_t i = 0; i < run->hostile + honest; i++) {
        uint64_t need_mib = i >= run->hostile ? 700 + chance(run, i, 0, 12) % 5000 : run->lies ? 2048 : 20480;

        g_string_append_printf(text,
                               "[guest %c%" PRIu64 "]\nminimum=512MiB\nstartup=1GiB\nmaximum=%" PRIu64
                               "GiB\npriority=%" PRIu64 "\ndemand=0:%" PRIu64 "MiB\n",
                               i < run->hostile ? 'h' : 'v', i, 6 + chance(run, i, 0, 10) % 12,
                               chance(run, i, 0, 11) % 101, need_mib);
    }
    return g_string_free(text, FALSE);
}

static void
run_host(Run *run)
{
    g_autoptr(Changes) changes = changes_new();
    g_autoptr(HeldTick) held = held_tick_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(SimScenario) scenario = NULL;
    g_autofree char *text = NULL;
    SimSummary summary = {0};

    run->hostile = 1 + chance(run, 0, 0, 13) % 2;
    run->changes = changes;
    run->held = held;
    text = make_text(run, 2 + chance(run, 0, 0, 14) % 4);
    scenario = sim_scenario_parse("hostile", text, -1, &error);
    g_assert_no_error(error);
    sim_run(scenario, look, run, &summary);
    if (summary.exhausted_seconds > 0 && run->wrong == NULL)
        run->wrong = g_strdup_printf("the host was exhausted for %" PRIu64 " seconds", summary.exhausted_seconds);
    for (ChangeKind kind = 0; kind < CHANGE_KIND_COUNT && run->wrong == NULL; kind++)
        if (kind != CHANGE_TARGET_CHANGED && kind != CHANGE_BALLOON_MOVED && run->told[kind] > RECORDS * run->hostile)
            run->wrong = g_strdup_printf("%s was told %" PRIu64 " times", change_kind_name(kind), run->told[kind]);
    sim_summary_clear(&summary);
}

int
main(void)
{
    const char *wanted = g_getenv("SIM_HOSTILE_HOSTS");
    uint64_t hosts = wanted != NULL ? strtoull(wanted, NULL, 10) : DEFAULT_HOSTS;
    uint64_t unmet[WAYS][2] = {0};
    bool good = true;

    for (uint64_t number = 1; number <= hosts; number++) {
        for (int lies = 0; lies <= 1; lies++) {
            Run run = {.number = number, .way = (Way)(number % WAYS), .lies = lies != 0};

            run_host(&run);
            unmet[run.way][lies] += run.unmet_kib_sec / KIB_PER_MIB;
            if (run.wrong != NULL)
                printf("FAIL host %" PRIu64 ", %s: %s\n", number, lies ? way_names[run.way] : "honest", run.wrong);
            good = good && run.wrong == NULL;
            g_free(run.wrong);
        }
    }
    for (int way = 0; way < WAYS; way++) {
        bool harms = unmet[way][1] > unmet[way][0] + unmet[way][0] * MORE_PERCENT / 100 + MORE_MIB_SEC;

        printf("%s %-10s the others lacked %" PRIu64 " MiB s, %" PRIu64 " beside guests that need all\n",
               harms ? "FAIL" : "ok  ", way_names[way], unmet[way][1], unmet[way][0]);
        good = good && !harms;
    }
    return good ? 0 : 1;
}
