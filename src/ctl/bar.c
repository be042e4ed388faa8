/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bar.h"

#include "table.h"

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
    CellColour colour;
} fills[] = {
    [FILL_NONE] = {" ", " ", CELL_PLAIN},           [FILL_ROOM] = {".", "\u00b7", CELL_FAINT},
    [FILL_MISSING] = {"-", "\u2591", CELL_MISSING}, [FILL_SPARE] = {"=", "\u2592", CELL_SPARE},
    [FILL_NEEDED] = {"#", "\u2588", CELL_GOOD},
};

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
    CellColour open = CELL_PLAIN; /* the colour that is on */

    for (unsigned i = 0; i < width; i++) {
        uint64_t middle = (uint64_t)((i + 0.5) / width * (double)figures->scale);
        Fill fill = fill_at(figures, middle);
        char mark = mark_at(figures, i, width);
        CellColour colour = mark != 0 ? CELL_STRONG : fills[fill].colour;

        if ((style & BAR_COLOUR) != 0 && colour != open) {
            g_string_append_printf(line, "%s%s", open != CELL_PLAIN ? CELL_COLOUR_END : "", cell_colour_begin(colour));
            open = colour;
        }
        if (mark != 0)
            g_string_append_c(line, mark);
        else
            g_string_append(line, fill_text(fill, style));
    }
    if (open != CELL_PLAIN)
        g_string_append(line, CELL_COLOUR_END);
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

        g_string_append_printf(line, "%s%s%s %s  ", colour ? cell_colour_begin(fills[entries[i].fill].colour) : "",
                               fill_text(entries[i].fill, style), colour ? CELL_COLOUR_END : "", entries[i].text);
    }
    g_string_append(line, "[ minimum  d demand  w want  ] maximum");
}
