/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy_shapes.h"

#define PI 3.14159265358979323846

typedef struct Pen {
    double *need;
    size_t at;
} Pen;

static bool
is_full(const Pen *pen)
{
    return pen->at >= LOAD_STEPS;
}

static void
draw_slope(Pen *pen, double from, double to, double seconds)
{
    size_t steps = (size_t)(seconds * (double)STEPS_PER_SEC) + 1;

    for (size_t i = 1; i <= steps && !is_full(pen); i++)
        pen->need[pen->at++] = from + (to - from) * (double)i / (double)steps;
}

static void
draw_level(Pen *pen, double level, double seconds)
{
    draw_slope(pen, level, level, seconds);
}

void
shape_terms_draw(Random *random, ShapeTerms *terms)
{
    terms->pause_sec = random_scale(random, 15, 90);
    terms->day_sec = random_between(random, 200, 400);
    terms->storm_sec[0] = WARM_SEC + random_between(random, 20, 200);
    terms->storm_sec[1] = WARM_SEC + random_between(random, 300, 500);
    terms->tail = random_between(random, 1.1, 1.8);
}

static void
draw_steps(Random *random, const ShapeTerms *terms, double low, double high, Pen *pen)
{
    while (!is_full(pen))
        draw_level(pen, random_scale(random, low, high), 2 + random_wait(random, terms->pause_sec));
}

static void
draw_ramps(Random *random, const ShapeTerms *terms, double low, double high, Pen *pen)
{
    double level = random_scale(random, low, high);

    while (!is_full(pen)) {
        double next = random_scale(random, low, high);

        draw_level(pen, level, random_wait(random, terms->pause_sec / 2));
        draw_slope(pen, level, next, random_scale(random, 8, 60));
        level = next;
    }
}

static void
draw_squares(Random *random, const ShapeTerms *terms, double low, double high, Pen *pen)
{
    double half_sec = random_between(random, 10, 60);

    draw_level(pen, low, half_sec * random_unit(random));
    while (!is_full(pen)) {
        draw_level(pen, high, half_sec);
        draw_level(pen, low, half_sec);
    }
}

static void
draw_tails(Random *random, const ShapeTerms *terms, double low, Pen *pen)
{
    while (!is_full(pen))
        draw_level(pen, low * random_tail(random, terms->tail), 2 + random_wait(random, terms->pause_sec));
}

static void
draw_bursts(Random *random, const ShapeTerms *terms, double low, double high, Pen *pen)
{
    while (!is_full(pen)) {
        draw_level(pen, low, 5 + random_wait(random, terms->pause_sec));
        draw_level(pen, random_between(random, low, high), random_between(random, 2, 15));
    }
}

static void
draw_days(Random *random, const ShapeTerms *terms, double low, double high, Pen *pen)
{
    double late = random_between(random, -0.04, 0.04);

    while (!is_full(pen)) {
        double day = (double)pen->at / (double)STEPS_PER_SEC / terms->day_sec + late;
        double height = pow(MAX(0.0, sin(2 * PI * day)), 0.6) * random_between(random, 0.9, 1.0);

        draw_level(pen, low + (high - low) * height, random_between(random, 3, 10));
    }
}

static void
draw_boots(Random *random, const ShapeTerms *terms, double low, double high, Pen *pen)
{
    for (size_t i = 0; i < G_N_ELEMENTS(terms->storm_sec); i++) {
        double begin = terms->storm_sec[i] + random_between(random, 0, 15);

        draw_level(pen, low, begin - (double)pen->at / (double)STEPS_PER_SEC);
        if (random_unit(random) < 0.2)
            continue;
        draw_slope(pen, low, high, random_between(random, 1, 6));
        draw_level(pen, high, random_between(random, 15, 40));
        draw_slope(pen, high, low, random_between(random, 1, 20));
    }
    draw_level(pen, low, WARM_SEC + RUN_SEC);
}

void
shape_draw(Random *random, const ShapeTerms *terms, Shape shape, double low, double high, double *need)
{
    Pen pen = {.need = need};

    switch (shape) {
    case SHAPE_STEPS:
        draw_steps(random, terms, low, high, &pen);
        break;
    case SHAPE_RAMPS:
        draw_ramps(random, terms, low, high, &pen);
        break;
    case SHAPE_SQUARES:
        draw_squares(random, terms, low, high, &pen);
        break;
    case SHAPE_TAILS:
        draw_tails(random, terms, low, &pen);
        break;
    case SHAPE_BURSTS:
        draw_bursts(random, terms, low, high, &pen);
        break;
    case SHAPE_DAYS:
        draw_days(random, terms, low, high, &pen);
        break;
    case SHAPE_BOOTS:
        draw_boots(random, terms, low, high, &pen);
        break;
    case SHAPE_FLAT:
    case SHAPE_COUNT:
        draw_level(&pen, random_scale(random, low, high), WARM_SEC + RUN_SEC);
        break;
    }
}

void
shape_set(double *need, double from, double mib)
{
    for (size_t step = (size_t)(from * (double)STEPS_PER_SEC); step < LOAD_STEPS; step++)
        need[step] = mib;
}

void
shape_finish(Random *random, double *need, double noise_mib, double floor_mib, double most_mib, uint32_t *need_kib)
{
    size_t phase = random_below(random, STEPS_PER_SEC);
    double noise = 0;
    double before = 0;

    for (size_t step = 0; step < LOAD_STEPS; step++) {
        double now;

        if (step == 0 || step % STEPS_PER_SEC == phase)
            noise = random_between(random, -noise_mib, noise_mib);
        now = CLAMP(need[step] + noise, floor_mib, most_mib);
        if (step > 0)
            now = MIN(now, before + TOUCH_MIB_PER_SEC / (double)STEPS_PER_SEC);
        before = now;
        need_kib[step] = (uint32_t)(now * (double)KIB_PER_MIB);
    }
}
