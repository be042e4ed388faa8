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

/* Where two marks meet, the later one is seen: the want says more than the limits do. */
static void
place_marks(const BarFigures *figures, unsigned width, char *marks)
{
    if (figures->maximum > 0 && figures->maximum <= figures->scale)
        marks[cell_of(figures, figures->maximum, width)] = ']';
    if (figures->minimum > 0 && figures->minimum <= figures->scale)
        marks[cell_of(figures, figures->minimum, width)] = '[';
    if (figures->demand > 0 && figures->demand <= figures->scale)
        marks[cell_of(figures, figures->demand, width)] = 'd';
    if (figures->want > 0 && figures->want <= figures->scale)
        marks[cell_of(figures, figures->want, width)] = 'w';
}

static const char *
fill_text(Fill fill, unsigned style)
{
    return (style & BAR_BLOCKS) != 0 ? fills[fill].block : fills[fill].ascii;
}

void
bar_append(GString *line, const BarFigures *figures, unsigned width, unsigned style)
{
    g_autofree char *marks = g_malloc0(width);
    const char *open = ""; /* the colour that is on */

    if (!figures->unmarked)
        place_marks(figures, width, marks);
    for (unsigned i = 0; i < width; i++) {
        uint64_t middle = (uint64_t)((i + 0.5) / width * (double)figures->scale);
        Fill fill = fill_at(figures, middle);
        const char *colour = marks[i] != '\0' ? mark_colour : fills[fill].colour;

        if ((style & BAR_COLOUR) != 0 && colour != open) {
            g_string_append_printf(line, "%s%s", open[0] != '\0' ? COLOUR_END : "", colour);
            open = colour;
        }
        if (marks[i] != '\0')
            g_string_append_c(line, marks[i]);
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
