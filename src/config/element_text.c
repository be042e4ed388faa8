/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Only the start tag is taken apart, and what is not touched of it is copied as it stands: a parser would hand out
 * values without their escapes, and nothing of what stands inside.
 */

#include "element_text.h"

#include "error.h"
#include "value.h"

#include <string.h>

#define BLANKS " \t\r\n"
#define TAG "<memory"

/* name (of that length) is one of the attributes. */
static bool
is_touched(const char *name, size_t length, const ElementEdit *edits, ElementAttribute *attribute)
{
    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++) {
        if (!edits[i].touched || strlen(element_attribute_names[i]) != length ||
            strncmp(element_attribute_names[i], name, length) != 0)
            continue;
        *attribute = (ElementAttribute)i;
        return true;
    }
    return false;
}

static void
append_attribute(GString *text, ElementAttribute attribute, const char *value)
{
    g_autofree char *escaped = g_markup_escape_text(value, -1);

    g_string_append_printf(text, " %s=\"%s\"", element_attribute_names[attribute], escaped);
}

/* The end of the attribute that begins at start, behind its quote; NULL where there is none. */
static const char *
attribute_end(const char *start, size_t *name_length)
{
    const char *p;

    *name_length = strcspn(start, BLANKS "=/>");
    p = start + *name_length;
    p += strspn(p, BLANKS);
    if (*name_length == 0 || *p != '=')
        return NULL;
    p += 1 + strspn(p + 1, BLANKS);
    if (*p != '"' && *p != '\'')
        return NULL;
    p = strchr(p + 1, *p);
    return p != NULL ? p + 1 : NULL;
}

/* Copies the attributes behind *place, edited, and leaves *place at the end of the tag. Returns false where it has none. */
static bool
copy_attributes(GString *text, const char **place, const ElementEdit *edits, bool *written)
{
    for (;;) {
        ElementAttribute attribute;
        size_t name_length;
        const char *end;

        *place += strspn(*place, BLANKS);
        if (**place == '>' || g_str_has_prefix(*place, "/>"))
            return true;
        end = attribute_end(*place, &name_length);
        if (end == NULL)
            return false;
        if (!is_touched(*place, name_length, edits, &attribute)) {
            g_string_append_c(text, ' ');
            g_string_append_len(text, *place, end - *place);
        } else if (edits[attribute].value != NULL && !written[attribute]) {
            append_attribute(text, attribute, edits[attribute].value);
            written[attribute] = true;
        }
        *place = end;
    }
}

char *
element_text_edit(const char *element, const ElementEdit edits[ELEMENT_ATTRIBUTE_COUNT], GError **error)
{
    g_autoptr(GString) text = g_string_new(TAG);
    bool written[ELEMENT_ATTRIBUTE_COUNT] = {false};
    const char *place = element != NULL ? element : TAG "/>";

    place += strspn(place, BLANKS);
    if (g_str_has_prefix(place, TAG) && strchr(BLANKS "/>", place[strlen(TAG)]) != NULL) {
        place += strlen(TAG);
        if (copy_attributes(text, &place, edits, written)) {
            for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++)
                if (edits[i].touched && edits[i].value != NULL && !written[i])
                    append_attribute(text, (ElementAttribute)i, edits[i].value);
            g_string_append(text, place);
            return g_string_free(g_steal_pointer(&text), FALSE);
        }
    }
    {
        g_autofree char *shown = value_shown(element);

        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID,
                    "its metadata has '%s' where <dynmem:memory> is expected; put that right with \"virsh edit\"",
                    shown);
    }
    return NULL;
}
