/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_xml.h"

#include "units.h"

#include <glib.h>
#include <string.h>

/* The next line of *text that does not change by itself, without its indentation; its length 0 at the end. */
static const char *
next_line(const char **text, size_t *length)
{
    static const char *const passing[] = {"<currentMemory", "<stats period="};

    while (**text != '\0') {
        const char *line = *text + strspn(*text, " \t");
        size_t size = strcspn(line, "\n");
        bool skip = false;

        *text = line + size + (line[size] == '\n');
        for (size_t i = 0; i < G_N_ELEMENTS(passing); i++)
            skip = skip || g_str_has_prefix(line, passing[i]);
        /* A channel's or device's end: <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/> */
        if (g_str_has_prefix(line, "<target ") && g_strstr_len(line, (gssize)size, "connected'") != NULL)
            skip = true;
        if (!skip && size > 0) {
            *length = size;
            return line;
        }
    }
    *length = 0;
    return *text;
}

bool
guest_xml_is_same(const char *a, const char *b)
{
    for (;;) {
        size_t length_a, length_b;
        const char *line_a = next_line(&a, &length_a);
        const char *line_b = next_line(&b, &length_b);

        if (length_a != length_b || memcmp(line_a, line_b, length_a) != 0)
            return false;
        if (length_a == 0)
            return true;
    }
}

typedef struct Found {
    uint32_t period_sec;
    uint64_t memory_kib;
    uint64_t apart_kib; /* devices the balloon does not know of */
    bool apart;         /* the device that is being read is one */
} Found;

static bool
is_at(GMarkupParseContext *context, const char *const *path, size_t count)
{
    const GSList *place = g_markup_parse_context_get_element_stack(context);

    for (size_t i = 0; i < count; i++, place = place->next) {
        if (place == NULL || strcmp(place->data, path[i]) != 0)
            return false;
    }
    return place == NULL;
}

static void
on_element(GMarkupParseContext *context, const char *element, const char **names, const char **values, void *data,
           GError **error)
{
    static const char *const stats[] = {"stats", "memballoon", "devices", "domain"};
    static const char *const device[] = {"memory", "devices", "domain"};
    bool is_stats = is_at(context, stats, G_N_ELEMENTS(stats)),
         is_device = is_at(context, device, G_N_ELEMENTS(device));
    Found *found = data;

    for (; *names != NULL; names++, values++) {
        if (is_stats && strcmp(*names, "period") == 0)
            found->period_sec = (uint32_t)g_ascii_strtoull(*values, NULL, 10);
        if (is_device && strcmp(*names, "model") == 0)
            found->apart = strcmp(*values, "dimm") != 0;
    }
}

static void
on_text(GMarkupParseContext *context, const char *text, gsize length, void *data, GError **error)
{
    static const char *const memory[] = {"memory", "domain"};
    static const char *const size[] = {"size", "target", "memory", "devices", "domain"};
    bool is_size = is_at(context, size, G_N_ELEMENTS(size));
    Found *found = data;
    g_autofree char *number = NULL;

    if (!is_size && !is_at(context, memory, G_N_ELEMENTS(memory)))
        return;
    number = g_strndup(text, length);
    if (!is_size)
        found->memory_kib = g_ascii_strtoull(number, NULL, 10);
    else if (found->apart)
        found->apart_kib = saturating_add(found->apart_kib, g_ascii_strtoull(number, NULL, 10));
}

/* Damaged XML is reported where settings are read from it; here it says nothing from there on. */
static Found
find(const char *xml)
{
    static const GMarkupParser parser = {.start_element = on_element, .text = on_text};
    g_autoptr(GMarkupParseContext) context = NULL;
    Found found = {0};

    if (xml == NULL)
        return found;
    context = g_markup_parse_context_new(&parser, G_MARKUP_TREAT_CDATA_AS_TEXT, &found, NULL);
    (void)g_markup_parse_context_parse(context, xml, -1, NULL);
    return found;
}

uint32_t
guest_xml_period(const char *xml)
{
    return find(xml).period_sec;
}

uint64_t
guest_xml_balloon_base_kib(const char *xml)
{
    Found found = find(xml);

    return saturating_sub(found.memory_kib, found.apart_kib);
}

bool
guest_xml_has_virtio_mem(const char *xml)
{
    return xml != NULL && strstr(xml, "<memory model='virtio-mem'") != NULL;
}
