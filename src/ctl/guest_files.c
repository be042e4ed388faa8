/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_files.h"

#include "kernel/guest_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFINITIONS "/etc/libvirt/qemu"
#define RUNNING "/run/libvirt/qemu"

static void
guest_file_free(void *data)
{
    GuestFile *guest = data;

    domain_xml_clear(&guest->domain);
    g_free(guest->group);
    g_free(guest);
}

static int
compare(const void *a, const void *b)
{
    return strcmp((*(GuestFile *const *)a)->domain.name, (*(GuestFile *const *)b)->domain.name);
}

static bool
is_known(const GPtrArray *guests, const char *name)
{
    for (guint i = 0; i < guests->len; i++)
        if (strcmp(((const GuestFile *)g_ptr_array_index(guests, i))->domain.name, name) == 0)
            return true;
    return false;
}

/* The group of the QEMU whose id is in a file beside what it runs with. */
static char *
find_group(const char *root, const char *directory, const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/%s.pid", directory, name);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    return guest_group_find(root, (pid_t)atoi(text), NULL);
}

/* A guest that runs has its <domain> inside a <domstatus>. */
static void
add(GPtrArray *guests, const char *root, const char *directory, const char *entry, bool runs)
{
    g_autofree char *path = g_build_filename(directory, entry, NULL);
    g_autofree char *text = NULL;
    char *begin, *end;
    DomainXml domain = {0};
    GuestFile *guest;

    if (!g_str_has_suffix(entry, ".xml") || !g_file_get_contents(path, &text, NULL, NULL))
        return;
    begin = strstr(text, "<domain ");
    end = g_strrstr(text, "</domain>");
    if (begin == NULL || end == NULL || end < begin)
        return;
    end[strlen("</domain>")] = '\0';
    if (!domain_xml_parse(begin, &domain, NULL))
        return;
    if (domain.name == NULL || is_known(guests, domain.name)) {
        domain_xml_clear(&domain);
        return;
    }
    guest = g_new0(GuestFile, 1);
    guest->domain = domain;
    guest->runs = runs;
    guest->group = runs ? find_group(root, directory, domain.name) : NULL;
    g_ptr_array_add(guests, guest);
}

static void
read_directory(GPtrArray *guests, const char *root, const char *name, bool runs, bool *denied)
{
    g_autofree char *path = g_strconcat(root, name, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) directory = g_dir_open(path, 0, &error);
    const char *entry;

    *denied = *denied || g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_ACCES);
    while (directory != NULL && (entry = g_dir_read_name(directory)) != NULL)
        add(guests, root, path, entry, runs);
}

GPtrArray *
guest_files_read(const char *root, bool *denied)
{
    GPtrArray *guests = g_ptr_array_new_with_free_func(guest_file_free);

    *denied = false;
    read_directory(guests, root, RUNNING, true, denied);
    read_directory(guests, root, DEFINITIONS, false, denied);
    g_ptr_array_sort(guests, compare);
    return guests;
}
