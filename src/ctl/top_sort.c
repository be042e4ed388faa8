/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "top_sort.h"

#include "guest_text.h"

#include <string.h>

/* What guests are sorted by: a figure of theirs of so many bytes; 0: none, or one that is worked out. */
#define BY(field) G_STRUCT_OFFSET(GuestView, field), sizeof(((GuestView *)NULL)->field)

static const struct {
    const char *name;
    char key;
    size_t offset;
    size_t size;
} sorts[TOP_SORTS] = {
    [TOP_SORT_NAME] = {"name", 'n', 0, 0},
    [TOP_SORT_TROUBLE] = {"trouble", 't', 0, 0},
    [TOP_SORT_PRIORITY] = {"priority", 'p', BY(priority)},
    [TOP_SORT_DEMAND] = {"demand", 'd', BY(demand)},
    [TOP_SORT_WANT] = {"want", 'w', BY(want)},
    [TOP_SORT_ASSIGNED] = {"assigned", 'a', BY(assigned)},
    [TOP_SORT_TARGET] = {"target", 'g', BY(target)},
    [TOP_SORT_PRESSURE] = {"pressure", 'r', BY(pressure)},
};

const char *
top_sort_name(TopSort sort)
{
    return sorts[sort].name;
}

bool
top_sort_find(const char *word, int key, TopSort *sort)
{
    for (size_t i = 0; i < TOP_SORTS; i++) {
        if (word != NULL ? strcmp(sorts[i].name, word) == 0 : sorts[i].key == key) {
            *sort = (TopSort)i;
            return true;
        }
    }
    return false;
}

static uint64_t
trouble_of(const GuestView *guest)
{
    static const char *const states[] = {"stuck", "unresponsive", "paging", NULL};

    if (g_strv_contains(states, guest->state) || guest->paging_size > 0)
        return 3;
    if (!guest->managed)
        return 0;
    return g_str_equal(guest->status, "warning") ? 2 : g_str_equal(guest->status, "low");
}

static uint64_t
figure_of(const GuestView *guest, TopSort sort)
{
    if (sort == TOP_SORT_TROUBLE)
        return trouble_of(guest);
    if (sorts[sort].size == sizeof(uint64_t))
        return G_STRUCT_MEMBER(const uint64_t, guest, sorts[sort].offset);
    return sorts[sort].size == sizeof(uint32_t) ? G_STRUCT_MEMBER(const uint32_t, guest, sorts[sort].offset) : 0;
}

static int
compare_guests(gconstpointer a, gconstpointer b, gpointer user_data)
{
    const GuestView *left = *(const GuestView *const *)a;
    const GuestView *right = *(const GuestView *const *)b;
    const TopOrder *by = user_data;
    uint64_t left_figure = figure_of(left, by->sort);
    uint64_t right_figure = figure_of(right, by->sort);
    int off = (int)guest_is_off(left) - (int)guest_is_off(right);
    int order = (right_figure > left_figure) - (right_figure < left_figure);

    if (off != 0)
        return off;
    if (order == 0)
        order = strcmp(left->name, right->name);
    if (order == 0)
        order = strcmp(left->uuid, right->uuid);
    return by->reverse ? -order : order;
}

void
top_sort_guests(GPtrArray *guests, TopOrder order)
{
    g_ptr_array_sort_with_data(guests, compare_guests, &order);
}
