/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster/figures.h"

#include "error.h"
#include "units.h"

#include <inttypes.h>
#include <string.h>

/* The first word of a line. Who reads another one knows nothing of the rest. */
#define VERSION "1"

static const char *const phase_names[] = {"idle", "offers", "leaves", "books", "wishes", "comes"};

const char *
cluster_phase_name(ClusterPhase phase)
{
    return phase_names[phase];
}

bool
cluster_name_is_good(const char *text)
{
    size_t length = strlen(text);

    if (length == 0 || length >= CLUSTER_NAME_SIZE)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!g_ascii_isalnum(text[i]) && strchr("._-", text[i]) == NULL)
            return false;
    return true;
}

char *
cluster_figures_format(const ClusterFigures *figures)
{
    const ClusterGuest *guest = &figures->guest;
    GString *line = g_string_new(VERSION);

    g_string_append_printf(line,
                           " beat=%" PRIu64 " level=%s budget=%" PRIu64 " besides=%u want=%" PRIu64 " free=%" PRIu64
                           " reclaimable=%" PRIu64 " stars=%u phase=%s",
                           figures->beat, cluster_level_names[figures->level], figures->budget_kib, figures->besides,
                           figures->want_kib, figures->free_kib, figures->reclaimable_kib, figures->stars,
                           cluster_phase_name(figures->phase));
    if (figures->phase != CLUSTER_PHASE_IDLE)
        g_string_append_printf(line,
                               " partner=%s guest=%s resource=%s maximum=%" PRIu64 " brings=%" PRIu64 " wants=%" PRIu64
                               " overhead=%" PRIu64,
                               figures->partner, guest->uuid, guest->resource, guest->maximum_kib, guest->brings_kib,
                               guest->want_kib, guest->overhead_kib);
    return g_string_free(line, FALSE);
}

/* ---- reading ---- */

/* The words of a line, taken one after the other. The first that is not as it must be sets error, and ends it. */
typedef struct Reader {
    char **words;
    size_t next;
    GError *error;
} Reader;

/* The value of the next word, which must be KEY=; "" where it is not. */
static const char *
take(Reader *reader, const char *key)
{
    const char *word = reader->words[reader->next];
    size_t length = strlen(key);

    if (reader->error != NULL)
        return "";
    if (word == NULL || strncmp(word, key, length) != 0 || word[length] != '=') {
        g_set_error(&reader->error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "there is no %s= where it is expected", key);
        return "";
    }
    reader->next++;
    return word + length + 1;
}

static void
refuse(Reader *reader, const char *key)
{
    if (reader->error == NULL)
        g_set_error(&reader->error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "%s= has a value that can't be", key);
}

static uint64_t
take_number(Reader *reader, const char *key, uint64_t most)
{
    const char *value = take(reader, key);
    guint64 number = 0;

    if (!g_ascii_string_to_unsigned(value, 10, 0, most, &number, NULL))
        refuse(reader, key);
    return number;
}

static unsigned
take_word(Reader *reader, const char *key, const char *const *names, unsigned count)
{
    const char *value = take(reader, key);

    for (unsigned i = 0; i < count; i++)
        if (strcmp(names[i], value) == 0)
            return i;
    refuse(reader, key);
    return 0;
}

static void
take_name(Reader *reader, const char *key, char *name)
{
    const char *value = take(reader, key);

    if (cluster_name_is_good(value))
        g_strlcpy(name, value, CLUSTER_NAME_SIZE);
    else
        refuse(reader, key);
}

static void
take_guest(Reader *reader, ClusterFigures *figures)
{
    ClusterGuest *guest = &figures->guest;
    const char *uuid;

    take_name(reader, "partner", figures->partner);
    uuid = take(reader, "guest");
    if (!g_uuid_string_is_valid(uuid))
        refuse(reader, "guest");
    g_strlcpy(guest->uuid, uuid, sizeof guest->uuid);
    take_name(reader, "resource", guest->resource);
    guest->maximum_kib = take_number(reader, "maximum", KIB_LIMIT);
    guest->brings_kib = take_number(reader, "brings", guest->maximum_kib);
    guest->want_kib = take_number(reader, "wants", KIB_LIMIT);
    guest->overhead_kib = take_number(reader, "overhead", KIB_LIMIT);
    if (guest->brings_kib == 0)
        refuse(reader, "brings");
}

bool
cluster_figures_parse(const char *line, ClusterFigures *figures, GError **error)
{
    g_auto(GStrv) words = NULL;
    Reader reader = {.next = 1};
    ClusterFigures read = {.beat = 0};

    if (strlen(line) > CLUSTER_LINE_MAX) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "it is too long");
        return false;
    }
    words = reader.words = g_strsplit(line, " ", -1);
    if (g_strcmp0(words[0], VERSION) != 0) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "it is of another version of dynmem");
        return false;
    }
    read.beat = take_number(&reader, "beat", UINT64_MAX);
    read.level = (ClusterLevel)take_word(&reader, "level", cluster_level_names, CLUSTER_LEVELS);
    read.budget_kib = take_number(&reader, "budget", KIB_LIMIT);
    read.besides = take_number(&reader, "besides", 1) != 0;
    read.want_kib = take_number(&reader, "want", KIB_LIMIT);
    read.free_kib = take_number(&reader, "free", read.budget_kib);
    read.reclaimable_kib = take_number(&reader, "reclaimable", KIB_LIMIT);
    read.stars = (unsigned)take_number(&reader, "stars", CLUSTER_STARS_MAX);
    read.phase = (ClusterPhase)take_word(&reader, "phase", phase_names, G_N_ELEMENTS(phase_names));
    if (reader.error == NULL && read.phase != CLUSTER_PHASE_IDLE)
        take_guest(&reader, &read);
    if (reader.error == NULL && words[reader.next] != NULL)
        g_set_error(&reader.error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "there is more than is expected");
    if (reader.error != NULL) {
        g_propagate_error(error, reader.error);
        return false;
    }
    *figures = read;
    return true;
}
