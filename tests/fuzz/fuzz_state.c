/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whatever stands in the state file, a daemon starts with it: what it is told of starts can be booked, and what is no state file is set
 * aside. The first byte says whether the file is of this boot of the host.
 */

#include "fuzz.h"

#include "admit/start_book.h"
#include "admit/start_entry.h"
#include "units.h"

#include <glib/gstdio.h>
#include <stdlib.h>

static char *directory;

static char *
below(const char *name)
{
    return g_build_filename(directory, name, NULL);
}

static void
clean(void)
{
    g_autofree char *state = below("state");
    g_autofree char *bad = below("state.bad");

    g_remove(state);
    g_remove(bad);
    g_rmdir(directory);
    g_free(directory);
}

static void
prepare(void)
{
    directory = g_strdup("/dev/shm/dynmem-fuzz-XXXXXX"); /* in memory where that is to be had */
    if (g_mkdtemp(directory) == NULL) {
        g_free(directory);
        directory = g_dir_make_tmp("dynmem-fuzz-XXXXXX", NULL);
    }
    atexit(clean);
}

/* Not replaced atomically, which takes long. */
static void
put(const uint8_t *data, size_t size)
{
    g_autofree char *path = below("state");
    FILE *file = fopen(path, "w");

    g_assert_nonnull(file);
    g_assert_cmpuint(fwrite(data, 1, size, file), ==, size);
    fclose(file);
}

static void
check_entry(const char *uuid, const char *text)
{
    StartEntry *entry = start_entry_read(uuid, text);
    g_autofree char *kept = NULL;
    StartEntry *again;

    if (entry == NULL)
        return;
    g_assert_cmpuint(entry->request.need_kib, <=, KIB_LIMIT);
    g_assert_cmpuint(entry->request.booked_kib, <=, KIB_LIMIT);
    g_assert_cmpuint(entry->request.settings.minimum_kib, <=, entry->request.settings.maximum_kib);
    kept = start_entry_text(entry);
    again = start_entry_read(uuid, kept);
    g_assert_nonnull(again);
    g_assert_cmpuint(again->request.booked_kib, ==, entry->request.booked_kib);
    start_entry_free(again);
    start_entry_free(entry);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const GuestWorld nobody;
    static const LimitWorld no_limits;
    g_autofree char *problem = NULL;
    g_autoptr(Keep) keep = NULL;
    g_autoptr(StartBook) book = NULL;
    g_auto(GStrv) uuids = NULL;
    const StartRequest *const *requests;
    size_t count = 0;

    if (size == 0)
        return 0;
    if (directory == NULL)
        prepare();
    put(data + 1, size - 1);
    keep = keep_open(directory, data[0] % 2 != 0 ? "boot-1" : "boot-2", &problem);
    g_assert_true(problem == NULL || g_utf8_validate(problem, -1, NULL));
    uuids = keep_keys(keep, KEEP_STARTS);
    for (size_t i = 0; uuids[i] != NULL; i++) {
        g_autofree char *text = keep_get(keep, KEEP_STARTS, uuids[i]);

        if (text != NULL)
            check_entry(uuids[i], text);
    }
    book = start_book_new(keep, &nobody, &no_limits);
    requests = start_book_requests(book, NULL, 0, WORLD_LINK_READ_WRITE, USEC_PER_SEC, &count);
    for (size_t i = 0; i < count; i++) {
        g_assert_cmpuint(requests[i]->booked_kib, <=, KIB_LIMIT);
        g_assert_nonnull(requests[i]->name);
        g_assert_true(i == 0 || strcmp(requests[i - 1]->uuid, requests[i]->uuid) < 0);
    }
    return 0;
}
