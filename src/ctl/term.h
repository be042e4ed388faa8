/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The terminal while "top" draws on all of it. Whatever ends the program, the terminal is put back: also
 * exit(), a crash, and being stopped with ^Z.
 */

#include <glib.h>
#include <stdbool.h>

typedef enum TermKey {
    TERM_KEY_NONE,
    TERM_KEY_UP = 256, /* below are plain characters */
    TERM_KEY_DOWN,
    TERM_KEY_PAGE_UP,
    TERM_KEY_PAGE_DOWN,
    TERM_KEY_HOME,
    TERM_KEY_END,
} TermKey;

#define TERM_KEY_SUSPEND 26 /* ^Z */

/* Are stdin and stdout a terminal that can do this? */
bool term_usable(void);

/* Takes the screen. Returns false and sets error when the terminal refuses. */
bool term_enter(GError **error);

/* Puts everything back; does nothing where nothing was taken. Safe in a signal handler. */
void term_leave(void);

/* Puts the terminal back, stops the program, and takes the screen again when it is continued. */
void term_suspend(void);

/* Columns and rows, at least 1 each. */
void term_size(unsigned *columns, unsigned *rows);

/* Shows frame, lines with \n between, from the top left corner. */
void term_draw(const char *frame);

/*
 * Reads what was typed and calls got for each key. Returns false when the terminal is gone. To be called when
 * stdin is readable.
 */
bool term_read_keys(void (*got)(int key, void *user_data), void *user_data);
