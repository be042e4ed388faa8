/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The terminal while "top" draws on all of it, by ncurses. Whatever ends the program, the terminal is put back: also
 * exit() and a crash. ^Z is left to ncurses: the terminal is put back, and taken again afterwards.
 */

#include <glib.h>
#include <stdbool.h>

#define TERM_KEY_ESCAPE 27

/* Are stdin and stdout a terminal that can do this? */
bool term_usable(void);

/*
 * Takes the screen, once in the life of the program. Returns false and sets error when the terminal refuses. Signals that
 * the program wants to hear of itself must have their handlers before.
 */
bool term_enter(GError **error);

/* Puts everything back; does nothing where nothing was taken. */
void term_leave(void);

/* Columns and rows as they are now, at least 1 each. */
void term_size(unsigned *columns, unsigned *rows);

/* Shows frame, lines with \n between, from the top left corner. Its colours are those of cell_colour_begin. */
void term_draw(const char *frame);

/* The next key that was typed: a character, or one of curses.h; -1: there is none. Does not wait. */
int term_next_key(void);
