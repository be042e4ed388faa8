/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include "error.h"

#include <errno.h>
#include <gio/gio.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PLAIN_COLUMNS 80
#define DRAWING_COLUMNS_MOST 160

static bool
reader_has_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};

    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

bool
output_flush(GError **error)
{
    static int first_errno;

    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    /* the stream keeps that it failed, not why */
    if (first_errno == 0)
        first_errno = errno != 0 || !reader_has_gone() ? errno : EPIPE;
    if (first_errno == EPIPE)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "output: nobody reads it any more");
    else
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "output: not all of it could be written: %s",
                    first_errno != 0 ? g_strerror(first_errno) : "unknown error");
    return false;
}

bool
output_has_colour(void)
{
    const char *no_color = g_getenv("NO_COLOR");
    const char *term = g_getenv("TERM");

    return isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

unsigned
output_columns(void)
{
    struct winsize size;

    if (!isatty(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

unsigned
output_drawing_columns(void)
{
    unsigned columns = output_columns();

    return columns == 0 ? PLAIN_COLUMNS : MIN(columns, DRAWING_COLUMNS_MOST);
}

bool
output_write_picture(const char *path, const char *picture, size_t length, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (g_file_set_contents(path, picture, (gssize)length, &failure))
        return true;
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "the picture can't be written: %s", failure->message);
    return false;
}

char *
output_json_name(const char *name)
{
    char *camel = g_strdup(name);

    camel[0] = g_ascii_tolower(camel[0]);
    return camel;
}

JsonObject *
output_json_from_properties(GVariant *properties)
{
    JsonObject *object = json_object_new();
    GVariantIter iter;
    const char *name;
    GVariant *value;

    g_variant_iter_init(&iter, properties);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
        g_autofree char *camel = output_json_name(name);

        /* json-glib knows signed integers only */
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64))
            json_object_set_int_member(object, camel, (gint64)MIN(g_variant_get_uint64(value), (guint64)G_MAXINT64));
        else
            json_object_set_member(object, camel, json_gvariant_serialize(value));
    }
    return object;
}

/* json-glib escapes the controls of ASCII; those of Latin 1 and the format characters can steer a terminal too. */
static void
print_escaped(const char *json)
{
    for (const char *p = json; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (c >= 0x7f && c <= 0xffff &&
            (g_unichar_type(c) == G_UNICODE_CONTROL || g_unichar_type(c) == G_UNICODE_FORMAT))
            printf("\\u%04x", c);
        else
            fwrite(p, 1, (size_t)(g_utf8_next_char(p) - p), stdout);
    }
    putchar('\n');
}

void
output_print_json(JsonNode *root, bool pretty)
{
    g_autofree char *text = json_to_string(root, pretty);

    print_escaped(text);
    json_node_unref(root);
}

void
output_print_json_object(JsonObject *object, bool pretty)
{
    JsonNode *root = json_node_alloc();

    json_node_take_object(json_node_init(root, JSON_NODE_OBJECT), object);
    output_print_json(root, pretty);
}
