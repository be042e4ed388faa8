/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "term.h"

#include "error.h"

#include <curses.h>
#include <ncursesw/term.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* term.h has names of terminals' capabilities for macros. */
#undef columns

/* A key that sends a sequence sends it within this time; a lone Escape is known as one after it. */
#define ESCAPE_MSEC 50
#define COLOURS 8

static volatile sig_atomic_t taken;

bool
term_usable(void)
{
    const char *term = g_getenv("TERM");

    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

void
term_leave(void)
{
    if (!taken)
        return;
    taken = 0;
    endwin();
}

/* As ncurses does it itself for the signals that it handles. SA_RESETHAND: raised again, it does what it always does. */
static void
on_fatal_signal(int signal_number)
{
    term_leave();
    raise(signal_number);
}

/* Asked before: newterm() of one that terminfo does not know leaves memory behind. */
static bool
is_known(void)
{
    int found = 0;

    if (setupterm(NULL, STDOUT_FILENO, &found) != OK)
        return false;
    del_curterm(cur_term);
    return true;
}

bool
term_enter(GError **error)
{
    static const int fatal_signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGQUIT};
    struct sigaction action = {.sa_handler = on_fatal_signal, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};

    /* one that this host has never heard of is most likely much like an xterm */
    if (newterm(is_known() ? NULL : "xterm", stdout, stdin) == NULL) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED,
                    "terminal: it can't be used: nothing is known of its kind, TERM=%s; 'dm-ctl top | cat' needs none",
                    g_getenv("TERM"));
        return false;
    }
    taken = 1;
    atexit(term_leave);
    for (size_t i = 0; i < G_N_ELEMENTS(fatal_signals); i++)
        sigaction(fatal_signals[i], &action, NULL);
    cbreak();
    noecho();
    nodelay(stdscr, TRUE);
    keypad(stdscr, TRUE);
    set_escdelay(ESCAPE_MSEC);
    curs_set(0);
    if (has_colors()) {
        start_color();
        use_default_colors();
        for (short colour = 0; colour < COLOURS; colour++)
            init_pair((short)(colour + 1), colour, -1);
    }
    return true;
}

void
term_size(unsigned *columns, unsigned *rows)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0 &&
        is_term_resized(size.ws_row, size.ws_col)) {
        resizeterm(size.ws_row, size.ws_col);
        clearok(stdscr, TRUE); /* terminals differ in what they keep of the old picture */
    }
    *columns = (unsigned)COLS;
    *rows = (unsigned)LINES;
}

/* Does what the sequence of a colour says. Returns what follows it. */
static const char *
set_colour(const char *sequence)
{
    char *end = (char *)sequence + 1; /* at the bracket */
    attr_t attributes = A_NORMAL;
    short pair = 0;

    do {
        long code = strtol(end + 1, &end, 10);

        if (code == 1)
            attributes |= A_BOLD;
        else if (code == 2)
            attributes |= A_DIM;
        else if (code >= 30 && code < 30 + COLOURS && has_colors())
            pair = (short)(code - 30 + 1);
    } while (*end == ';');
    attr_set(attributes, pair, NULL);
    return *end != '\0' ? end + 1 : end;
}

void
term_draw(const char *frame)
{
    const char *line = frame;

    erase();
    for (int row = 0; line != NULL && row < LINES; row++) {
        const char *end = strchrnul(line, '\n');

        move(row, 0);
        while (line < end) {
            size_t length = strcspn(line, "\033\n");

            addnstr(line, (int)length);
            line += length;
            if (line[0] == '\033')
                line = set_colour(line);
        }
        line = *end != '\0' ? end + 1 : NULL;
    }
    refresh();
}

int
term_next_key(void)
{
    return getch();
}
