/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "starts.h"
#include "units.h"

RestartKind
restart_kind(bool in_place, bool resumed, bool ran_at_host_down, uint64_t stop_usec, uint64_t boot_usec,
             uint64_t window_usec)
{
    if (in_place)
        return RESTART_RESET;
    if (resumed)
        return RESTART_NONE;
    if (ran_at_host_down)
        return RESTART_HOST;
    return stop_usec != 0 && saturating_sub(boot_usec, stop_usec) <= window_usec ? RESTART_SOON : RESTART_NONE;
}

char *
start_plan_text(const StartPlan *plan)
{
    g_autofree char *needed = units_format_size(plan->needed_kib);
    g_autofree char *free_text = units_format_size(plan->free_kib);
    g_autofree char *reclaimable = units_format_size(plan->reclaimable_kib);

    return g_strdup_printf("%s: %s needs %s to start, %s are free and %s can be taken from others",
                           start_verdict_name(plan->verdict), plan->request->name, needed, free_text, reclaimable);
}

static void
squeeze_clear(gpointer data)
{
    StartSqueeze *squeeze = data;

    g_free(squeeze->name);
}

void
start_rating_clear(StartRating *rating)
{
    g_clear_pointer(&rating->squeezes, g_array_unref);
    *rating = (StartRating){0};
}

void
start_rating_add(StartRating *rating, const StartSqueeze *squeeze)
{
    StartSqueeze copy = *squeeze;

    if (rating->squeezes == NULL) {
        rating->squeezes = g_array_new(FALSE, TRUE, sizeof(StartSqueeze));
        g_array_set_clear_func(rating->squeezes, squeeze_clear);
    }
    copy.name = g_strdup(squeeze->name);
    g_array_append_val(rating->squeezes, copy);
}
