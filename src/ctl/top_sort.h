/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The orders in which "top" shows guests. */

#include "client.h"

typedef enum TopSort {
    TOP_SORT_NAME,
    TOP_SORT_TROUBLE, /* who pages or does not work, then who lacks memory */
    TOP_SORT_PRIORITY,
    TOP_SORT_DEMAND,
    TOP_SORT_WANT,
    TOP_SORT_ASSIGNED,
    TOP_SORT_TARGET,
    TOP_SORT_PRESSURE,
    TOP_SORTS,
} TopSort;

/* The largest first, names from A on; or the reverse of that. */
typedef struct TopOrder {
    TopSort sort;
    bool reverse;
} TopOrder;

const char *top_sort_name(TopSort sort);

/* The one of this name, or, where word is NULL, that this key chooses. Returns false, *sort untouched, where there is none. */
bool top_sort_find(const char *word, int key, TopSort *sort);

/* Guests that are off are last, whatever the order. */
void top_sort_guests(GPtrArray *guests, TopOrder order);
