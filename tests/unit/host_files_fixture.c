/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host_files_fixture.h"

#include <ftw.h>
#include <stdio.h>

void
fixture_clear(Fixture *f)
{
    host_files_free(f->files);
}

static Fixture
host_at(const char *root)
{
    Fixture f = {.files = host_files_new(root)};

    f.world = host_files_world(f.files);
    return f;
}

Fixture
host(const char *name)
{
    g_autofree char *root = g_build_filename(TEST_DATA, "hosts", name, NULL);

    return host_at(root);
}

Fixture
made_host(void)
{
    return host_at(TEST_WORK);
}

void
put(const char *path, const char *text)
{
    g_autofree char *full = g_build_filename(TEST_WORK, path, NULL);
    g_autofree char *directory = g_path_get_dirname(full);

    g_mkdir_with_parents(directory, 0700);
    assert_true(g_file_set_contents(full, text, -1, NULL));
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

int
remove_work(void **state)
{
    nftw(TEST_WORK, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}
