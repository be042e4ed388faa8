/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * GMarkup knows nothing of namespaces, so they are resolved here: each xmlns attribute is kept with the depth
 * of its element, and the name of an element is looked up by its prefix, innermost first. The place in
 * the document is kept as a path, "/domain/devices/disk"; a part in dynmem's namespace is marked with {d}, one in any
 * other with {x}, so that libvirt's own <memory> is never mistaken for somebody else's.
 */

#include "domain_xml.h"

#include "error.h"
#include "names.h"
#include "nearest.h"
#include "units.h"
#include "value.h"

#include <string.h>

/* libvirt's documents have about ten levels. */
#define DEPTH_LIMIT 128
/* The texts that are of interest are numbers and names. */
#define TEXT_LIMIT 1024
/* More unknown names help nobody. */
#define UNKNOWN_LIMIT 8

const char *const element_attribute_names[ELEMENT_ATTRIBUTE_COUNT] = {
    [ELEMENT_MINIMUM] = "minimum",
    [ELEMENT_STARTUP] = "startup",
    [ELEMENT_BUFFER] = "buffer",
    [ELEMENT_PRIORITY] = "priority",
    [ELEMENT_SMART_PAGING] = "smart-paging",
    [ELEMENT_PAGING_DIRECTORY] = "paging-directory",
    [ELEMENT_MODE] = "mode",
};

typedef struct Namespace {
    char *prefix; /* "" is the default one */
    char mark;    /* 'd': dynmem's, 'x': another, 0: none */
    size_t depth;
} Namespace;

typedef struct Parser {
    DomainXml *domain;
    GString *path;
    GArray *lengths;    /* size_t: of path before each open element */
    GArray *namespaces; /* Namespace, outermost first */
    GString *text;      /* of the innermost element */
    char unit[16];      /* its unit attribute */
    bool is_domain;
    bool file_disk;        /* inside a <disk> that is a file and no CD or floppy */
    char memory_model[16]; /* of the memory device we are in */
} Parser;

static void
namespace_clear(void *data)
{
    g_free(((Namespace *)data)->prefix);
}

static const char *
attribute(const char *name, const char *const *names, const char *const *values)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (g_str_equal(names[i], name))
            return values[i];
    }
    return NULL;
}

static bool
attribute_is(const char *name, const char *value, const char *const *names, const char *const *values)
{
    return g_strcmp0(attribute(name, names, values), value) == 0;
}

static void
declare_namespaces(Parser *parser, const char *const *names, const char *const *values)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        Namespace namespace = {.depth = parser->lengths->len};

        if (g_str_equal(names[i], "xmlns"))
        namespace.prefix = g_strdup("");
        else if (g_str_has_prefix(names[i], "xmlns:")) namespace.prefix = g_strdup(names[i] + strlen("xmlns:"));
        else continue;
        if (g_str_equal(values[i], DYNMEM_METADATA_URI))
        namespace.mark = 'd';
        else namespace.mark = *values[i] == '\0' ? 0 : 'x';
        g_array_append_val(parser->namespaces, namespace);
    }
}

/* The mark of the namespace that a prefix of this length stands for; see Namespace. */
static char
resolve_prefix(const Parser *parser, const char *prefix, size_t length)
{
    for (size_t i = parser->namespaces->len; i-- > 0;) {
        const Namespace *namespace = &g_array_index(parser->namespaces, Namespace, i);

        if (strlen(namespace->prefix) == length && strncmp(namespace->prefix, prefix, length) == 0)
            return namespace->mark;
    }
    return length == 0 ? 0 : 'x'; /* a prefix nobody declared is not ours */
}

static bool
at(const Parser *parser, const char *path)
{
    return g_str_equal(parser->path->str, path);
}

/* message is taken over. */
static void
note_unknown(DomainXml *domain, char *message)
{
    if (domain->unknown->len < UNKNOWN_LIMIT)
        g_ptr_array_add(domain->unknown, message);
    else
        g_free(message);
}

static void
take_element_attribute(Parser *parser, const char *name, const char *value)
{
    DomainXml *domain = parser->domain;
    const char *colon = strchr(name, ':');
    const char *meant;
    g_autofree char *shown = value_shown(name);

    if (g_str_equal(name, "xmlns") || g_str_has_prefix(name, "xmlns:"))
        return;
    if (colon != NULL) {
        /* by the rules of XML a prefixed attribute is another attribute; say so, if the prefix is ours */
        if (resolve_prefix(parser, name, (size_t)(colon - name)) == 'd')
            note_unknown(domain, g_strdup_printf("attribute %s: expected it without the prefix", shown));
        return;
    }
    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++) {
        if (!g_str_equal(name, element_attribute_names[i]))
            continue;
        g_free(domain->element.attributes[i]);
        domain->element.attributes[i] = g_strdup(value);
        return;
    }
    meant = nearest_name(name, element_attribute_names, ELEMENT_ATTRIBUTE_COUNT);
    if (meant != NULL)
        note_unknown(domain,
                     g_strdup_printf("attribute %s: there is no such attribute; %s was probably meant", shown, meant));
    else
        note_unknown(domain, g_strdup_printf("attribute %s: there is no such attribute", shown));
}

static void
take_element(Parser *parser, const char *const *names, const char *const *values)
{
    if (parser->domain->element.present) {
        note_unknown(parser->domain, g_strdup("there is a second <memory> in the metadata; it is not read"));
        return;
    }
    parser->domain->element.present = true;
    for (size_t i = 0; names[i] != NULL; i++)
        take_element_attribute(parser, names[i], values[i]);
}

static void
bar_balloon(Parser *parser, BalloonBar bar)
{
    if (parser->domain->bar == BALLOON_USABLE)
        parser->domain->bar = bar;
}

static void
take_hostdev(Parser *parser, const char *const *names, const char *const *values)
{
    if (!attribute_is("mode", "subsystem", names, values))
        return;
    if (attribute_is("type", "pci", names, values))
        bar_balloon(parser, BALLOON_VFIO);
    /* channel and crypto devices of s390 pin single pages only, and QEMU lets the balloon work (hw/vfio/ccw.c, ap.c) */
    if (attribute_is("type", "mdev", names, values) && !attribute_is("model", "vfio-ccw", names, values) &&
        !attribute_is("model", "vfio-ap", names, values))
        bar_balloon(parser, BALLOON_VFIO);
}

static void
take_disk(Parser *parser, const char *const *names, const char *const *values)
{
    const char *device = attribute("device", names, values);

    parser->file_disk = attribute_is("type", "file", names, values) && (device == NULL || g_str_equal(device, "disk"));
    if (attribute_is("type", "nvme", names, values))
        bar_balloon(parser, BALLOON_NVME);
    if (attribute_is("type", "vhostvdpa", names, values))
        bar_balloon(parser, BALLOON_VDPA);
}

static void
take_balloon(Parser *parser, const char *const *names, const char *const *values)
{
    const char *model = attribute("model", names, values);

    parser->domain->has_balloon = model != NULL && !g_str_equal(model, "none");
    parser->domain->autodeflate = attribute_is("autodeflate", "on", names, values);
}

static void
take_device(Parser *parser, const char *name, const char *const *names, const char *const *values)
{
    DomainXml *domain = parser->domain;

    if (at(parser, "/domain/devices/memballoon")) {
        take_balloon(parser, names, values);
    } else if (at(parser, "/domain/devices/memballoon/stats")) {
        const char *period = attribute("period", names, values);

        if (period != NULL)
            value_parse_number(period, INT32_MAX, false, &domain->period_sec, NULL);
    } else if (at(parser, "/domain/devices/hostdev")) {
        take_hostdev(parser, names, values);
    } else if (at(parser, "/domain/devices/interface")) {
        if (attribute_is("type", "hostdev", names, values))
            bar_balloon(parser, BALLOON_VFIO);
        if (attribute_is("type", "vdpa", names, values))
            bar_balloon(parser, BALLOON_VDPA);
    } else if (at(parser, "/domain/devices/disk")) {
        take_disk(parser, names, values);
    } else if (at(parser, "/domain/devices/disk/source")) {
        const char *file = attribute("file", names, values);

        if (parser->file_disk && domain->disk_file == NULL && file != NULL)
            domain->disk_file = g_strdup(file);
    } else if (g_str_has_prefix(parser->path->str, "/domain/devices/disk/") &&
               (g_str_equal(name, "backingStore") || g_str_equal(name, "mirror"))) {
        /* the image below, or the one it is being copied to, is on such a disk */
        if (attribute_is("type", "nvme", names, values))
            bar_balloon(parser, BALLOON_NVME);
    } else if (at(parser, "/domain/devices/memory")) {
        const char *model = attribute("model", names, values);

        g_strlcpy(parser->memory_model, model != NULL ? model : "", sizeof parser->memory_model);
    }
}

static void
start_element(GMarkupParseContext *context, const char *name, const char **names, const char **values, void *user_data,
              GError **error)
{
    Parser *parser = user_data;
    const char *colon = strchr(name, ':');
    const char *local = colon != NULL ? colon + 1 : name;
    const char *const *const_names = (const char *const *)names;
    const char *const *const_values = (const char *const *)values;
    size_t length = parser->path->len;
    const char *unit = attribute("unit", const_names, const_values);
    char mark;

    if (parser->lengths->len >= DEPTH_LIMIT) {
        g_set_error(error, G_MARKUP_ERROR, G_MARKUP_ERROR_PARSE, "elements are nested too deeply");
        return;
    }
    g_array_append_val(parser->lengths, length);
    declare_namespaces(parser, const_names, const_values);
    mark = resolve_prefix(parser, name, colon != NULL ? (size_t)(colon - name) : 0);
    g_string_append_c(parser->path, '/');
    if (mark != 0)
        g_string_append_printf(parser->path, "{%c}", mark);
    g_string_append(parser->path, local);
    g_string_truncate(parser->text, 0);
    g_strlcpy(parser->unit, unit != NULL ? unit : "", sizeof parser->unit);

    if (parser->lengths->len == 1) {
        parser->is_domain = at(parser, "/domain");
        parser->domain->emulated = attribute_is("type", "qemu", const_names, const_values);
    } else if (g_str_has_prefix(parser->path->str, "/domain/devices/")) {
        take_device(parser, local, const_names, const_values);
    } else if (at(parser, "/domain/memoryBacking/hugepages")) {
        bar_balloon(parser, BALLOON_HUGEPAGES);
    } else if (at(parser, "/domain/memoryBacking/locked")) {
        bar_balloon(parser, BALLOON_LOCKED);
    } else if (at(parser, "/domain/launchSecurity")) {
        bar_balloon(parser, BALLOON_SEV);
    } else if (at(parser, "/domain/metadata/{d}memory")) {
        take_element(parser, const_names, const_values);
    } else if (parser->lengths->len == 3 && g_str_has_prefix(parser->path->str, "/domain/metadata/{d}")) {
        g_autofree char *shown = value_shown(local);

        note_unknown(parser->domain,
                     g_strdup_printf("element %s: there is no such element; <memory> was probably meant", shown));
    }
}

static void
take_text(GMarkupParseContext *context, const char *text, size_t length, void *user_data, GError **error)
{
    Parser *parser = user_data;

    if (parser->text->len + length <= TEXT_LIMIT)
        g_string_append_len(parser->text, text, (gssize)length);
    else
        g_string_assign(parser->text, "x"); /* no number */
}

/*
 * Memory as libvirt writes it: a number, its unit in an attribute, KiB where there is none; KB and the like are
 * powers of 1000; rounded up (libvirt src/conf/domain_conf.c, virDomainParseMemory).
 */
static bool
read_memory(const Parser *parser, uint64_t *kib)
{
    static const char powers[] = "kmgtpe";
    const char *unit = *parser->unit != '\0' ? parser->unit : "KiB";
    g_autofree char *text = g_strstrip(g_strdup(parser->text->str));
    uint64_t number, scale = 1, bytes;
    const char *power;

    if (!g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, &number, NULL))
        return false;
    if (g_ascii_strcasecmp(unit, "b") != 0 && g_ascii_strcasecmp(unit, "byte") != 0 &&
        g_ascii_strcasecmp(unit, "bytes") != 0) {
        uint64_t base;

        power = strchr(powers, g_ascii_tolower(unit[0]));
        if (power == NULL)
            return false;
        if (unit[1] == '\0' || g_ascii_strcasecmp(unit + 1, "ib") == 0)
            base = 1024;
        else if (g_ascii_strcasecmp(unit + 1, "b") == 0)
            base = 1000;
        else
            return false;
        for (ptrdiff_t i = 0; i <= power - powers; i++)
            scale *= base;
    }
    if (number > bytes_from_kib(KIB_LIMIT) / scale)
        return false;
    bytes = number * scale;
    *kib = bytes / 1024 + (bytes % 1024 != 0 ? 1 : 0);
    return true;
}

static void
take_memory_device(Parser *parser)
{
    DomainXml *domain = parser->domain;
    uint64_t kib;

    if (!read_memory(parser, &kib))
        return;
    if (g_str_equal(parser->memory_model, "virtio-mem"))
        domain->virtio_mem_kib = saturating_add(domain->virtio_mem_kib, kib);
    else if (!g_str_equal(parser->memory_model, "dimm"))
        domain->not_ram_kib = saturating_add(domain->not_ram_kib, kib);
}

static void
end_element(GMarkupParseContext *context, const char *name, void *user_data, GError **error)
{
    Parser *parser = user_data;
    DomainXml *domain = parser->domain;
    size_t depth = parser->lengths->len;
    uint64_t kib;

    if (at(parser, "/domain/name")) {
        g_free(domain->name);
        domain->name = g_strdup(parser->text->str);
    } else if (at(parser, "/domain/uuid")) {
        g_free(domain->uuid);
        domain->uuid = g_strdup(g_strstrip(parser->text->str));
    } else if (at(parser, "/domain/memory")) {
        domain->has_memory = read_memory(parser, &domain->memory_kib) && domain->memory_kib > 0;
    } else if (at(parser, "/domain/currentMemory")) {
        domain->has_current = read_memory(parser, &domain->current_kib);
    } else if (at(parser, "/domain/vcpu")) {
        value_parse_number(g_strstrip(parser->text->str), UINT16_MAX, false, &domain->vcpus, NULL);
    } else if (at(parser, "/domain/devices/memory/target/size")) {
        take_memory_device(parser);
    } else if (at(parser, "/domain/devices/memory/source/pagesize")) {
        if (g_str_equal(parser->memory_model, "dimm") && read_memory(parser, &kib) && kib > 4)
            bar_balloon(parser, BALLOON_HUGEPAGES);
    }
    g_string_truncate(parser->path, g_array_index(parser->lengths, size_t, depth - 1));
    g_array_set_size(parser->lengths, depth - 1);
    while (parser->namespaces->len > 0 &&
           g_array_index(parser->namespaces, Namespace, parser->namespaces->len - 1).depth == depth)
        g_array_set_size(parser->namespaces, parser->namespaces->len - 1);
    g_string_truncate(parser->text, 0);
}

bool
domain_xml_parse(const char *xml, DomainXml *domain, GError **error)
{
    static const GMarkupParser callbacks = {
        .start_element = start_element, .end_element = end_element, .text = take_text};
    DomainXml read = {.unknown = g_ptr_array_new_with_free_func(g_free)};
    Parser parser = {.domain = &read};
    g_autoptr(GMarkupParseContext) context = NULL;
    GError *why = NULL;
    bool ok;

    parser.path = g_string_new(NULL);
    parser.text = g_string_new(NULL);
    parser.lengths = g_array_new(FALSE, FALSE, sizeof(size_t));
    parser.namespaces = g_array_new(FALSE, FALSE, sizeof(Namespace));
    g_array_set_clear_func(parser.namespaces, namespace_clear);
    context = g_markup_parse_context_new(&callbacks, G_MARKUP_TREAT_CDATA_AS_TEXT | G_MARKUP_PREFIX_ERROR_POSITION,
                                         &parser, NULL);
    ok = g_markup_parse_context_parse(context, xml, -1, &why) && g_markup_parse_context_end_parse(context, &why);
    if (ok && !parser.is_domain) {
        ok = false;
        g_set_error(&why, G_MARKUP_ERROR, G_MARKUP_ERROR_PARSE, "the document is no <domain>");
    }
    if (ok) {
        *domain = read;
    } else {
        g_autofree char *shown = value_shown(why->message);

        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "the domain XML can't be read: %s", shown);
        g_error_free(why);
        domain_xml_clear(&read);
    }
    g_string_free(parser.path, TRUE);
    g_string_free(parser.text, TRUE);
    g_array_unref(parser.lengths);
    g_array_unref(parser.namespaces);
    return ok;
}

void
domain_element_clear(DomainElement *element)
{
    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++)
        g_clear_pointer(&element->attributes[i], g_free);
    element->present = false;
}

void
domain_xml_clear(DomainXml *domain)
{
    domain_element_clear(&domain->element);
    g_clear_pointer(&domain->name, g_free);
    g_clear_pointer(&domain->uuid, g_free);
    g_clear_pointer(&domain->disk_file, g_free);
    g_clear_pointer(&domain->unknown, g_ptr_array_unref);
}
