/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy_load.h"

#include "policy_shapes.h"

#include <string.h>

/*
 * Speeds of a 4-KiB virtio balloon as measured on servers of 2021: it takes memory that the guest has used more slowly than
 * memory that it never touched, since the host has to give up its own page as well; giving back costs the least.
 */
#define GROW_MIB_PER_SEC 2150.0
#define SHRINK_TOUCHED_MIB_PER_SEC 901.0
#define SHRINK_UNTOUCHED_MIB_PER_SEC 1536.0

/* No guest lives on less, whatever its load. */
#define LEAST_NEED_MIB 160.0
/* Noise is this part of what a guest needs, at most. */
#define NOISE_PART 8

/* How much there is for all guests, by what they need at the same time. */
typedef enum Room {
    ROOM_ROOMY,  /* more than all needs with their buffers */
    ROOM_TIGHT,  /* the needs always fit, with their buffers they do not at times */
    ROOM_NARROW, /* the needs always fit, and a little more */
    ROOM_SHORT,  /* at times not even the needs */
} Room;

struct Family {
    const char *name;
    const char *what;
    Shape shape; /* SHAPE_COUNT: each guest another */
    Room room;
    double noise_mib;
    bool misfits;
    double weighted;                             /* so often its guests have different priorities */
    void (*special)(Random *random, Load *load); /* draws all of it */
};

/* ---- drawing guests ---- */

static double
mib(uint64_t kib)
{
    return (double)kib / (double)KIB_PER_MIB;
}

static uint64_t
kib(double mib)
{
    return pages_up((uint64_t)(mib * (double)KIB_PER_MIB));
}

static void
set_speeds(LoadGuest *guest, double grow, double shrink_touched, double shrink_untouched)
{
    guest->grow_kib = kib(grow);
    guest->shrink_touched_kib = kib(shrink_touched);
    guest->shrink_untouched_kib = kib(shrink_untouched);
}

static void
make_guests(Random *random, Load *load, size_t count)
{
    load->guests = g_new0(LoadGuest, count);
    load->guest_count = count;
    for (size_t i = 0; i < count; i++) {
        LoadGuest *guest = &load->guests[i];

        guest->buffer_percent = 20;
        guest->priority = 50;
        guest->report_phase = (uint32_t)random_below(random, STEPS_PER_SEC);
        guest->need_kib = g_new(uint32_t, LOAD_STEPS);
        set_speeds(guest, GROW_MIB_PER_SEC, SHRINK_TOUCHED_MIB_PER_SEC, SHRINK_UNTOUCHED_MIB_PER_SEC);
    }
}

static void
need_bounds(const LoadGuest *guest, uint64_t *least_kib, uint64_t *most_kib)
{
    *least_kib = UINT64_MAX;
    *most_kib = 0;
    for (size_t step = 0; step < LOAD_STEPS; step++) {
        *least_kib = MIN(*least_kib, guest->need_kib[step]);
        *most_kib = MAX(*most_kib, guest->need_kib[step]);
    }
}

/* What it needs with its buffer, as far as it may have that. */
static uint64_t
want_at(const LoadGuest *guest, size_t step)
{
    return MIN(guest->maximum_kib, percent_of(guest->need_kib[step], 100 + guest->buffer_percent));
}

/* What it has of the host at least: a stuck one what it holds. */
static uint64_t
cost_at(const LoadGuest *guest, size_t step, bool buffered)
{
    uint64_t kib = buffered ? want_at(guest, step) : guest->need_kib[step];

    return guest->misfit == MISFIT_STUCK ? guest->start_kib : MAX(kib, guest->minimum_kib);
}

static void
sum_needs(const Load *load, bool buffered, double *sums)
{
    for (size_t step = 0; step < LOAD_STEPS; step++) {
        sums[step] = 0;
        for (size_t i = 0; i < load->guest_count; i++)
            sums[step] += (double)cost_at(&load->guests[i], step, buffered);
    }
}

static int
compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return a < b ? -1 : a > b;
}

static void
set_capacity(Random *random, Load *load, Room room)
{
    g_autofree double *needs = g_new(double, LOAD_STEPS);
    g_autofree double *wants = g_new(double, LOAD_STEPS);
    double most_needed;
    double most_wanted;
    double part = random_unit(random);

    sum_needs(load, false, needs);
    sum_needs(load, true, wants);
    qsort(needs, LOAD_STEPS, sizeof *needs, compare);
    qsort(wants, LOAD_STEPS, sizeof *wants, compare);
    most_needed = needs[LOAD_STEPS - 1];
    most_wanted = wants[LOAD_STEPS - 1];
    if (room == ROOM_ROOMY)
        load->capacity_kib = (uint64_t)(most_wanted * (1.1 + 0.4 * part));
    else if (room == ROOM_NARROW)
        load->capacity_kib = (uint64_t)(most_needed + (most_wanted - most_needed) * (0.1 + 0.1 * part));
    else if (room == ROOM_TIGHT)
        load->capacity_kib = (uint64_t)(most_needed + (most_wanted - most_needed) * (0.15 + 0.45 * part));
    else
        load->capacity_kib = (uint64_t)needs[(size_t)((double)LOAD_STEPS * (0.75 + 0.17 * part))];
    load->capacity_kib = pages_up(load->capacity_kib);
}

/* At first each has what it needs with a buffer, as far as that goes. */
static void
set_starts(Load *load)
{
    uint64_t sum = 0;
    uint64_t least = 0;

    for (size_t i = 0; i < load->guest_count; i++) {
        LoadGuest *guest = &load->guests[i];

        if (guest->misfit != MISFIT_STUCK)
            guest->start_kib = pages_up(MAX(guest->minimum_kib, want_at(guest, 0)));
        sum += guest->start_kib;
        least += guest->misfit == MISFIT_STUCK ? guest->start_kib : guest->minimum_kib;
    }
    for (size_t i = 0; i < load->guest_count && sum > load->capacity_kib; i++) {
        LoadGuest *guest = &load->guests[i];
        double part = (double)saturating_sub(load->capacity_kib, least) / (double)(sum - least);

        if (guest->misfit != MISFIT_STUCK)
            guest->start_kib =
                guest->minimum_kib + pages_down((uint64_t)((double)(guest->start_kib - guest->minimum_kib) * part));
    }
}

static void
make_misfit(Random *random, LoadGuest *guest, Misfit misfit)
{
    double slow = random_scale(random, 25, 120);
    uint64_t least;
    uint64_t most;

    guest->misfit = misfit;
    if (misfit == MISFIT_SLOW)
        set_speeds(guest, slow, slow, slow);
    if (misfit != MISFIT_STUCK)
        return;
    need_bounds(guest, &least, &most);
    most = pages_up(most + most / 100 * random_below(random, 100));
    guest->start_kib = MIN(guest->maximum_kib, most);
}

/* ---- ordinary families ---- */

static void
draw_ordinary(const Family *family, Random *random, Load *load)
{
    g_autofree double *need = g_new(double, LOAD_STEPS);
    size_t count = (size_t)random_scale(random, 5, 101);
    bool weighted = random_unit(random) < family->weighted;
    double spread = random_scale(random, 2, 7);
    ShapeTerms terms;

    shape_terms_draw(random, &terms);
    make_guests(random, load, count);
    for (size_t i = 0; i < count; i++) {
        LoadGuest *guest = &load->guests[i];
        Shape shape = family->shape == SHAPE_COUNT ? (Shape)random_below(random, SHAPE_COUNT) : family->shape;
        double low = random_scale(random, 400, 2500);
        double high = low * random_between(random, 1.3, spread);
        double roof = ceil(high * random_between(random, 1, 2.5) / 1024) * 1024;
        double most = shape == SHAPE_TAILS ? roof * 2 : roof;
        uint64_t least;
        uint64_t highest;

        guest->maximum_kib = kib(most);
        shape_draw(random, &terms, shape, low, high, need);
        shape_finish(random, need, MIN(family->noise_mib, low / NOISE_PART), LEAST_NEED_MIB, most, guest->need_kib);
        need_bounds(guest, &least, &highest);
        guest->minimum_kib = kib(MAX(128, mib(least) * random_between(random, 0.4, 0.9)));
        if (weighted)
            guest->priority = (uint32_t)random_below(random, 101);
        if (family->misfits && (i < 3 || random_unit(random) < 0.3))
            make_misfit(random, guest, (Misfit)(i % 3 + MISFIT_STUCK));
    }
    set_capacity(random, load, family->room);
    set_starts(load);
}

/* ---- special ones ---- */

static void
set_guest(Random *random, LoadGuest *guest, double minimum, double maximum, double *need)
{
    guest->minimum_kib = kib(minimum);
    guest->maximum_kib = kib(maximum);
    shape_finish(random, need, 0, LEAST_NEED_MIB, maximum, guest->need_kib);
}

/* Forty guests whose needs have heavy tails on 92 GiB. */
static void
draw_tails92(Random *random, Load *load)
{
    g_autofree double *need = g_new(double, LOAD_STEPS);
    ShapeTerms terms;

    shape_terms_draw(random, &terms);
    terms.tail = 1.4;
    make_guests(random, load, 40);
    for (size_t i = 0; i < load->guest_count; i++) {
        shape_draw(random, &terms, SHAPE_TAILS, random_between(random, 600, 1000), 0, need);
        set_guest(random, &load->guests[i], 512, 16384, need);
    }
    load->capacity_kib = kib(92 * 1024);
    set_starts(load);
}

/* Two guests of 64 GiB with fast balloons: what one needs moves to the other, all 48 GiB at once, and back. */
static void
draw_handover(Random *random, Load *load)
{
    g_autofree double *first = g_new(double, LOAD_STEPS);
    g_autofree double *second = g_new(double, LOAD_STEPS);
    double every = random_between(random, 80, 150);
    double from = 0;
    bool swapped = false;

    make_guests(random, load, 2);
    while (from < WARM_SEC + RUN_SEC) {
        shape_set(first, from, swapped ? 4096 : 53248);
        shape_set(second, from, swapped ? 53248 : 4096);
        from += swapped || from > 0 ? every : WARM_SEC + every / 2;
        swapped = !swapped;
    }
    set_guest(random, &load->guests[0], 2048, 65536, first);
    set_guest(random, &load->guests[1], 2048, 65536, second);
    for (size_t i = 0; i < load->guest_count; i++)
        set_speeds(&load->guests[i], 4096, 4096, 4096);
    load->capacity_kib = kib(56 * 1024 + random_between(random, 1024, 6144));
    set_starts(load);
}

/* Three guests lack nothing but their buffers, while a fourth has come to hold 7 GiB more than it wants. */
static void
draw_buffers(Random *random, Load *load)
{
    g_autofree double *need = g_new(double, LOAD_STEPS);
    double event = WARM_SEC + random_between(random, 30, 60);
    double sum = 0;

    make_guests(random, load, 4);
    load->waiters = 3;
    load->event_step = (size_t)(event * (double)STEPS_PER_SEC);
    for (size_t i = 0; i < 4; i++) {
        double level = i < 3 ? random_between(random, 3500, 4500) : 9216;

        sum += level;
        shape_set(need, 0, level);
        if (i == 3)
            shape_set(need, event, random_between(random, 900, 1100));
        set_guest(random, &load->guests[i], 512, 16384, need);
    }
    load->capacity_kib = kib(sum * 1.05);
    set_starts(load);
}

/* Seven guests at their need share what a stuck one of 8 GiB leaves them; one of them steps up until it is not enough. */
static void
draw_stuck(Random *random, Load *load)
{
    g_autofree double *need = g_new(double, LOAD_STEPS);

    make_guests(random, load, 8);
    for (size_t i = 0; i < 8; i++) {
        shape_set(need, 0, i == 0 ? 1024 : random_between(random, 2500, 2900));
        if (i == 1)
            shape_set(need, WARM_SEC + random_between(random, 20, 60), 8192);
        set_guest(random, &load->guests[i], 1024, 8192, need);
    }
    load->guests[0].misfit = MISFIT_STUCK;
    load->guests[0].start_kib = kib(8192);
    load->capacity_kib = kib(30 * 1024);
    set_starts(load);
}

#define OFTEN 0.33
#define SHAPED(name, shape, what)                                                                                      \
    {name "-roomy", what ", more room than all want", shape, ROOM_ROOMY, 0, false, OFTEN, NULL},                       \
        {name "-tight", what ", room for needs but not for all buffers", shape, ROOM_TIGHT, 0, false, OFTEN, NULL},    \
    {                                                                                                                  \
        name "-short", what ", at times not room for all needs", shape, ROOM_SHORT, 0, false, OFTEN, NULL              \
    }
#define SPECIAL(name, what, draw)                                                                                      \
    {                                                                                                                  \
        name, what, SHAPE_FLAT, ROOM_TIGHT, 0, false, 0, draw                                                          \
    }

static const Family families[] = {
    SHAPED("steps", SHAPE_STEPS, "steps between levels"),
    SHAPED("ramps", SHAPE_RAMPS, "ramps between levels"),
    SHAPED("squares", SHAPE_SQUARES, "low and high in turn"),
    SHAPED("tails", SHAPE_TAILS, "steps with heavy tails"),
    SHAPED("bursts", SHAPE_BURSTS, "high for seconds"),
    SHAPED("days", SHAPE_DAYS, "office days of a few minutes"),
    SHAPED("boots", SHAPE_BOOTS, "storms in which nearly all rise"),
    SHAPED("mixed", SHAPE_COUNT, "each guest another shape"),
    {"noise-roomy", "constant needs with noise of 150 MiB", SHAPE_FLAT, ROOM_ROOMY, 150, false, 0, NULL},
    {"noise-narrow", "the same, with room for all needs and little more", SHAPE_FLAT, ROOM_NARROW, 150, false, 0, NULL},
    {"noise-weights", "the same, with priorities from 0 to 100", SHAPE_FLAT, ROOM_NARROW, 150, false, 1, NULL},
    {"mixed-noise", "each guest another shape, with noise of 100 MiB, tight", SHAPE_COUNT, ROOM_TIGHT, 100, false,
     OFTEN, NULL},
    {"misfits-tight", "the same, a third of them stuck, slow or overstating", SHAPE_COUNT, ROOM_TIGHT, 100, true, OFTEN,
     NULL},
    {"misfits-short", "the same, short", SHAPE_COUNT, ROOM_SHORT, 100, true, OFTEN, NULL},
    SPECIAL("tails-92g", "40 guests with heavy tails on 92 GiB", draw_tails92),
    SPECIAL("handover", "48 GiB move between two guests of 64 GiB", draw_handover),
    SPECIAL("buffers", "three lack their buffers, one holds 7 GiB more than it wants", draw_buffers),
    SPECIAL("stuck", "one of 8 GiB is stuck, the others are at their need", draw_stuck),
};

const Family *
family_get(size_t index)
{
    return index < G_N_ELEMENTS(families) ? &families[index] : NULL;
}

const char *
family_name(const Family *family)
{
    return family->name;
}

const char *
family_what(const Family *family)
{
    return family->what;
}

void
load_draw(const Family *family, uint64_t seed, Load *load)
{
    Random random = {.state = seed};

    for (const char *letter = family->name; *letter != '\0'; letter++)
        random.state = random_next(&random) ^ (uint64_t)(unsigned char)*letter;
    if (family->special != NULL)
        family->special(&random, load);
    else
        draw_ordinary(family, &random, load);
    for (size_t i = 0; i < load->guest_count; i++) {
        const LoadGuest *guest = &load->guests[i];
        uint64_t least;
        uint64_t most;

        need_bounds(guest, &least, &most);
        g_assert_true(least > 0);
        g_assert_true(most <= guest->maximum_kib);
        g_assert_true(guest->minimum_kib <= guest->start_kib);
        g_assert_true(guest->start_kib <= guest->maximum_kib);
    }
}

double
load_rises(const Load *load)
{
    double sum = 0;

    for (size_t i = 0; i < load->guest_count; i++) {
        const uint32_t *need = load->guests[i].need_kib;

        for (size_t step = WARM_SEC * STEPS_PER_SEC + 1; step < LOAD_STEPS; step++)
            sum += need[step] > need[step - 1] ? (double)(need[step] - need[step - 1]) : 0;
    }
    return sum / (double)KIB_PER_GIB;
}

void
load_clear(Load *load)
{
    for (size_t i = 0; i < load->guest_count; i++)
        g_free(load->guests[i].need_kib);
    g_free(load->guests);
    *load = (Load){.guests = NULL};
}
