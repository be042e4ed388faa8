/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bar.h"

#define COLOUR_END "\033[0m"

typedef enum Fill {
    FILL_NONE,    /* above the maximum */
    FILL_ROOM,    /* neither assigned nor wanted */
    FILL_MISSING, /* wanted, not assigned */
    FILL_SPARE,   /* assigned beyond the demand */
    FILL_NEEDED,  /* assigned, and needed or not known */
} Fill;

static const struct {
    const char *ascii;
    const char *block;
    const char *colour;
} fills[] = {
    [FILL_NONE] = {" ", " ", ""},
    [FILL_ROOM] = {".", "\u00b7", "\033[2m"},
    [FILL_MISSING] = {"-", "\u2591", "\033[31m"},
    [FILL_SPARE] = {"=", "\u2592", "\033[36m"},
    [FILL_NEEDED] = {"#", "\u2588", "\033[32m"},
};

static const char mark_colour[] = "\033[1m";

static Fill
fill_at(const BarFigures *figures, uint64_t place)
{
    if (place < figures->assigned)
        return place < figures->demand || figures->demand == 0 ? FILL_NEEDED : FILL_SPARE;
    if (place < figures->want)
        return FILL_MISSING;
    return place < figures->maximum ? FILL_ROOM : FILL_NONE;
}

/* The cell that holds value; a mark at the very end is in the last cell. */
static unsigned
cell_of(const BarFigures *figures, uint64_t value, unsigned width)
{
    double cell = (double)value / (double)figures->scale * width;

    return cell >= width ? width - 1 : (unsigned)cell;
}

/* The mark in a cell, 0 for none. Where two meet the earlier one is seen: the want says more than the limits do. */
static char
mark_at(const BarFigures *figures, unsigned cell, unsigned width)
{
    const struct {
        char mark;
        uint64_t value;
    } marks[] = {
        {'w', figures->want},
        {'d', figures->demand},
        {'[', figures->minimum},
        {']', figures->maximum},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(marks) && !figures->unmarked; i++)
        if (marks[i].value > 0 && marks[i].value <= figures->scale && cell_of(figures, marks[i].value, width) == cell)
            return marks[i].mark;
    return 0;
}

static const char *
fill_text(Fill fill, unsigned style)
{
    return (style & BAR_BLOCKS) != 0 ? fills[fill].block : fills[fill].ascii;
}

void
bar_append(GString *line, const BarFigures *figures, unsigned width, unsigned style)
{
    const char *open = ""; /* the colour that is on */

    for (unsigned i = 0; i < width; i++) {
        uint64_t middle = (uint64_t)((i + 0.5) / width * (double)figures->scale);
        Fill fill = fill_at(figures, middle);
        char mark = mark_at(figures, i, width);
        const char *colour = mark != 0 ? mark_colour : fills[fill].colour;

        if ((style & BAR_COLOUR) != 0 && colour != open) {
            g_string_append_printf(line, "%s%s", open[0] != '\0' ? COLOUR_END : "", colour);
            open = colour;
        }
        if (mark != 0)
            g_string_append_c(line, mark);
        else
            g_string_append(line, fill_text(fill, style));
    }
    if (open[0] != '\0')
        g_string_append(line, COLOUR_END);
}

void
bar_append_legend(GString *line, unsigned style)
{
    static const struct {
        Fill fill;
        const char *text;
    } entries[] = {{FILL_NEEDED, "assigned"}, {FILL_SPARE, "beyond demand"}, {FILL_MISSING, "missing"}};

    for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
        bool colour = (style & BAR_COLOUR) != 0;

        g_string_append_printf(line, "%s%s%s %s  ", colour ? fills[entries[i].fill].colour : "",
                               fill_text(entries[i].fill, style), colour ? COLOUR_END : "", entries[i].text);
    }
    g_string_append(line, "[ minimum  d demand  w want  ] maximum");
}
