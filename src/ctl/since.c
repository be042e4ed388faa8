/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "since.h"

#include "text.h"

#include <string.h>

#define SECONDS_PER_DAY 86400
/* So that nothing runs over: a thousand years. */
#define AMOUNT_MOST 365000

static const struct {
    const char *unit;
    uint64_t seconds;
} units[] = {{"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", SECONDS_PER_DAY}};

/* The seconds of a span; 0: it is none. */
static uint64_t
parse_span(const char *text)
{
    char *end = NULL;
    uint64_t amount = g_ascii_isdigit(text[0]) ? g_ascii_strtoull(text, &end, 10) : 0;

    for (size_t i = 0; end != NULL && amount <= AMOUNT_MOST && i < G_N_ELEMENTS(units); i++)
        if (strcmp(end, units[i].unit) == 0)
            return amount * units[i].seconds;
    return 0;
}

/* The seconds since the clock showed that time of day; 0: it is none. */
static uint64_t
parse_time(const char *text, uint64_t now_sec)
{
    g_autoptr(GRegex) shape = g_regex_new("^([01]?[0-9]|2[0-3]):([0-5][0-9])$", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autoptr(GDateTime) now = g_date_time_new_from_unix_local((gint64)now_sec);
    g_autoptr(GDateTime) then = NULL;
    g_autofree char *hour = NULL;
    g_autofree char *minute = NULL;
    gint64 then_sec;

    if (!g_regex_match(shape, text, 0, &match))
        return 0;
    hour = g_match_info_fetch(match, 1);
    minute = g_match_info_fetch(match, 2);
    then =
        g_date_time_new_local(g_date_time_get_year(now), g_date_time_get_month(now), g_date_time_get_day_of_month(now),
                              (int)g_ascii_strtoll(hour, NULL, 10), (int)g_ascii_strtoll(minute, NULL, 10), 0);
    then_sec = g_date_time_to_unix(then);
    if (then_sec >= (gint64)now_sec) {
        g_autoptr(GDateTime) yesterday = g_date_time_add_days(then, -1);

        then_sec = g_date_time_to_unix(yesterday);
    }
    return now_sec - (uint64_t)then_sec;
}

bool
since_parse(const char *text, uint64_t now_sec, uint64_t *seconds, GError **error)
{
    uint64_t found = parse_span(text);
    g_autofree char *shown = text_clean(text);

    if (found == 0)
        found = parse_time(text, now_sec);
    if (found == 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--since=%s: that is no time; '90s', '15min', '2h', '1d' or a time of day as '22:00' is expected",
                    shown);
        return false;
    }
    *seconds = found;
    return true;
}
