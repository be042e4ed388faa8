/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What "top" shows, as text: draws and knows nothing of terminals, time or the bus. */

#include "bar.h"
#include "client.h"
#include "top_sort.h"

typedef struct TopView {
    GPtrArray *guests; /* of GuestView; top_sort_guests puts them in order */
    const HostView *host;
    const char *clock;  /* time of day */
    const char *notice; /* one line shown in place of warnings, or NULL */
    TopOrder order;
    guint selected; /* index of the guest whose reason is shown */
    guint first;    /* index of the first guest on the screen */
    bool own_scale; /* each bar ends at its guest's maximum; else all have one scale */
    bool legend;
    unsigned style; /* BarStyle bits */
    unsigned columns;
    unsigned rows;
} TopView;

/* How many guests fit on a screen of so many rows. */
guint top_guest_rows(unsigned rows);

/* The screen: exactly view->rows lines of at most view->columns columns, \n between. Caller frees. */
char *top_draw_screen(const TopView *view);

/*
 * One text in place of the guests, from its line *first on, which is lowered to what there is; rows and columns likewise.
 * Caller frees.
 */
char *top_draw_text(const TopView *view, const char *text, guint *first);

/* All guests as plain lines, for files and pipes; rows, selected and first are not used. Caller frees. */
char *top_draw_plain(const TopView *view);
