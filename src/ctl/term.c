/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "term.h"

#include "error.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* alternate screen, cursor off, no wrapping of lines; and back */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[0m\033[?1049l"

static const int fatal_signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGQUIT};

static struct termios saved;
static volatile sig_atomic_t taken;

bool
term_usable(void)
{
    const char *term = g_getenv("TERM");

    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

static void
write_all(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, text, length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written;
        length -= (size_t)written;
    }
}

void
term_leave(void)
{
    if (!taken)
        return;
    taken = 0;
    write_all(LEAVE, sizeof LEAVE - 1);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
}

/* SA_RESETHAND: raised again, the signal does what it always does. */
static void
on_fatal_signal(int signal_number)
{
    term_leave();
    raise(signal_number);
}

static bool
take(void)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &saved) != 0)
        return false;
    raw = saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    raw.c_cc[VSUSP] = _POSIX_VDISABLE; /* read as a key, see term_suspend */
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) != 0)
        return false;
    taken = 1;
    write_all(ENTER, sizeof ENTER - 1);
    return true;
}

bool
term_enter(GError **error)
{
    static bool prepared;

    if (!prepared) {
        struct sigaction action = {.sa_handler = on_fatal_signal, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};

        for (size_t i = 0; i < G_N_ELEMENTS(fatal_signals); i++)
            sigaction(fatal_signals[i], &action, NULL);
        atexit(term_leave);
        prepared = true;
    }
    if (take())
        return true;
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED,
                "terminal: it can't be used: %s; 'dm-ctl top | cat' needs none", g_strerror(errno));
    return false;
}

void
term_suspend(void)
{
    term_leave();
    raise(SIGTSTP);
    take();
}

void
term_size(unsigned *columns, unsigned *rows)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
        size.ws_col = 80;
        size.ws_row = 24;
    }
    *columns = size.ws_col;
    *rows = size.ws_row;
}

void
term_draw(const char *frame)
{
    g_auto(GStrv) lines = g_strsplit(frame, "\n", -1);
    g_autoptr(GString) output = g_string_new("\033[H");

    for (char **line = lines; *line != NULL; line++)
        /* cleared first: after a full line the cursor stands on its last character */
        g_string_append_printf(output, "%s\033[K%s", line == lines ? "" : "\r\n", *line);
    /* at once, so that no half frame is seen */
    write_all(output->str, output->len);
}

/* The key that text begins with; *length is how much of text it is. */
static int
parse_key(const char *text, size_t available, size_t *length)
{
    static const struct {
        const char *sequence;
        TermKey key;
    } sequences[] = {
        {"\033[A", TERM_KEY_UP},   {"\033OA", TERM_KEY_UP},       {"\033[B", TERM_KEY_DOWN},
        {"\033OB", TERM_KEY_DOWN}, {"\033[5~", TERM_KEY_PAGE_UP}, {"\033[6~", TERM_KEY_PAGE_DOWN},
        {"\033[H", TERM_KEY_HOME}, {"\033[1~", TERM_KEY_HOME},    {"\033OH", TERM_KEY_HOME},
        {"\033[F", TERM_KEY_END},  {"\033[4~", TERM_KEY_END},     {"\033OF", TERM_KEY_END},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(sequences); i++) {
        size_t n = strlen(sequences[i].sequence);

        if (available >= n && memcmp(text, sequences[i].sequence, n) == 0) {
            *length = n;
            return sequences[i].key;
        }
    }
    /* an unknown sequence is passed over as a whole, so that its letters are not taken for keys */
    if (text[0] == '\033') {
        *length = available;
        return TERM_KEY_NONE;
    }
    *length = 1;
    return (unsigned char)text[0];
}

bool
term_read_keys(void (*got)(int key, void *user_data), void *user_data)
{
    char typed[64];
    ssize_t count = read(STDIN_FILENO, typed, sizeof typed);

    if (count < 0)
        return errno == EINTR || errno == EAGAIN;
    for (size_t at = 0; at < (size_t)count;) {
        size_t length;
        int key = parse_key(typed + at, (size_t)count - at, &length);

        if (key != TERM_KEY_NONE)
            got(key, user_data);
        at += length;
    }
    return true;
}
