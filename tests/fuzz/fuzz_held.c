/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever stands in the file of what is to be put back, or in /proc/swaps: what is read of it can be worked with. */

#include "fuzz.h"

#include "act/held.h"
#include "act/swaps.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *root;

static char *
below(const char *name)
{
    return g_strconcat(root, name, NULL);
}

static void
clean(void)
{
    static const char *const names[] = {"/proc/swaps", "/boot_id", "/held", "/held.bad", "/proc", ""};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = below(names[i]);

        remove(path);
    }
    g_free(root);
}

static void
prepare(void)
{
    g_autofree char *directory = NULL;
    g_autofree char *boot = NULL;

    root = g_strdup("/dev/shm/dynmem-fuzz-XXXXXX"); /* in memory where that is to be had */
    if (g_mkdtemp(root) == NULL) {
        g_free(root);
        root = g_dir_make_tmp("dynmem-fuzz-XXXXXX", NULL);
    }
    atexit(clean);
    directory = below("/proc");
    boot = below("/boot_id");
    g_mkdir(directory, 0700);
    g_file_set_contents(boot, "boot-1", -1, NULL);
}

/* Not replaced atomically, which takes long. */
static void
put(const char *name, const uint8_t *data, size_t size)
{
    g_autofree char *path = below(name);
    FILE *file = fopen(path, "w");

    g_assert_nonnull(file);
    g_assert_cmpuint(fwrite(data, 1, size, file), ==, size);
    fclose(file);
}

static void
read_swaps(void)
{
    g_autoptr(GPtrArray) areas = swaps_read(root, NULL);

    for (guint i = 0; areas != NULL && i < areas->len; i++) {
        const SwapArea *area = g_ptr_array_index(areas, i);

        g_assert_true(*area->path == '/');
        g_assert_nonnull(swaps_find(areas, area->path));
    }
}

static void
read_held(void)
{
    static ActSystem system = {.boot_file = "/boot_id", .page_bytes = 4096};
    g_autofree char *problem = NULL;
    g_autoptr(Held) held = NULL;
    g_autoptr(GPtrArray) files = NULL;
    g_auto(GStrv) values = NULL;

    system.root = root;
    held = held_open(&system, root, &problem);
    g_assert_true(problem == NULL || g_utf8_validate(problem, -1, NULL));
    files = held_files(held);
    for (guint i = 0; i < files->len; i++) {
        const HeldFile *file = g_ptr_array_index(files, i);
        g_autoptr(HeldFile) again = held_get_file(held, file->uuid);

        g_assert_true(g_uuid_string_is_valid(file->uuid));
        g_assert_nonnull(file->directory);
        g_assert_true(file->group == NULL || *file->group == '/');
        g_assert_cmpstr(again->directory, ==, file->directory);
    }
    values = held_list(held, "");
    for (size_t i = 0; values[i] != NULL; i++)
        g_assert_false(held_has(held, values[i])); /* no such control group is there */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (root == NULL)
        prepare();
    put("/proc/swaps", data, size);
    put("/held", data, size);
    read_swaps();
    read_held();
    return 0;
}
