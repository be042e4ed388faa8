/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include "error.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool
output_flush(GError **error)
{
    static int first_errno;

    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    /* the stream keeps that it failed, not why */
    if (first_errno == 0)
        first_errno = errno;
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

char *
output_json_name(const char *name)
{
    char *camel = g_strdup(name);

    camel[0] = g_ascii_tolower(camel[0]);
    return camel;
}

/* json-glib knows signed integers only. */
static JsonNode *
json_from_unsigned(guint64 value)
{
    return json_node_init_int(json_node_alloc(), (gint64)MIN(value, (guint64)G_MAXINT64));
}

static JsonNode *
json_from_container(GVariant *value)
{
    JsonNode *node = json_node_alloc();

    if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT)) {
        json_node_take_object(json_node_init(node, JSON_NODE_OBJECT), output_json_from_properties(value));
    } else {
        JsonArray *array = json_array_new();

        for (gsize i = 0; i < g_variant_n_children(value); i++) {
            g_autoptr(GVariant) child = g_variant_get_child_value(value, i);

            json_array_add_element(array, output_json_from_variant(child));
        }
        json_node_take_array(json_node_init(node, JSON_NODE_ARRAY), array);
    }
    return node;
}

JsonNode *
output_json_from_variant(GVariant *value)
{
    switch (g_variant_classify(value)) {
    case G_VARIANT_CLASS_BOOLEAN:
        return json_node_init_boolean(json_node_alloc(), g_variant_get_boolean(value));
    case G_VARIANT_CLASS_BYTE:
        return json_from_unsigned(g_variant_get_byte(value));
    case G_VARIANT_CLASS_INT16:
        return json_node_init_int(json_node_alloc(), g_variant_get_int16(value));
    case G_VARIANT_CLASS_UINT16:
        return json_from_unsigned(g_variant_get_uint16(value));
    case G_VARIANT_CLASS_INT32:
        return json_node_init_int(json_node_alloc(), g_variant_get_int32(value));
    case G_VARIANT_CLASS_UINT32:
        return json_from_unsigned(g_variant_get_uint32(value));
    case G_VARIANT_CLASS_INT64:
        return json_node_init_int(json_node_alloc(), g_variant_get_int64(value));
    case G_VARIANT_CLASS_UINT64:
        return json_from_unsigned(g_variant_get_uint64(value));
    case G_VARIANT_CLASS_DOUBLE:
        return json_node_init_double(json_node_alloc(), g_variant_get_double(value));
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
    case G_VARIANT_CLASS_SIGNATURE:
        return json_node_init_string(json_node_alloc(), g_variant_get_string(value, NULL));
    case G_VARIANT_CLASS_VARIANT: {
        g_autoptr(GVariant) inner = g_variant_get_variant(value);

        return output_json_from_variant(inner);
    }
    case G_VARIANT_CLASS_ARRAY:
    case G_VARIANT_CLASS_TUPLE:
    case G_VARIANT_CLASS_DICT_ENTRY:
        return json_from_container(value);
    case G_VARIANT_CLASS_HANDLE:
    case G_VARIANT_CLASS_MAYBE:
    default:
        return json_node_init_null(json_node_alloc());
    }
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

        json_object_set_member(object, camel, output_json_from_variant(value));
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
