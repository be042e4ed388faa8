/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * GMarkup knows nothing of namespaces, so they are resolved here: each xmlns attribute is kept with the depth
 * of its element, and the name of an element is looked up by its prefix, innermost first. The place in
 * the document is kept as a path, "/domain/devices/disk"; a part in dynmem's namespace is marked with {d}, one in that of
 * QEMU's own options with {q}, one in any other with {x}, so that libvirt's own <memory> is never mistaken for somebody else's.
 */

#include "domain_xml.h"

#include "error.h"
#include "names.h"
#include "nearest.h"
#include "value.h"

#include <string.h>

/* libvirt's documents have about ten levels. */
#define DEPTH_LIMIT 128
/* The texts that are of interest are numbers and names. */
#define TEXT_LIMIT 1024
/* Of <qemu:commandline>. */
#define QEMU_URI "http://libvirt.org/schemas/domain/qemu/1.0"
/* More unknown names help nobody. */
#define UNKNOWN_LIMIT 8

typedef struct Namespace {
    char *prefix; /* "" is the default one */
    char mark;    /* 'd': dynmem's, 'q': that of QEMU's own options, 'x': another, 0: none */
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
    bool cached_disk;      /* inside a <disk> that the host caches, as far as is read */
    char option[16];       /* the one of QEMU that the next argument belongs to */
    MemoryReading *memory; /* what is said of memory, anywhere */
} Parser;

static void
namespace_clear(void *data)
{
    g_free(((Namespace *)data)->prefix);
}

static bool
attribute_is(const char *name, const char *value, const char *const *names, const char *const *values)
{
    return g_strcmp0(value_attribute(name, names, values), value) == 0;
}

static void
declare_namespaces(Parser *parser, const char *const *names, const char *const *values)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        Namespace space = {.depth = parser->lengths->len};

        if (g_str_equal(names[i], "xmlns"))
            space.prefix = g_strdup("");
        else if (g_str_has_prefix(names[i], "xmlns:"))
            space.prefix = g_strdup(names[i] + strlen("xmlns:"));
        else
            continue;
        if (g_str_equal(values[i], DYNMEM_METADATA_URI))
            space.mark = 'd';
        else if (g_str_equal(values[i], QEMU_URI))
            space.mark = 'q';
        else
            space.mark = *values[i] == '\0' ? 0 : 'x';
        g_array_append_val(parser->namespaces, space);
    }
}

/* The mark of the namespace that a prefix of this length stands for; see Namespace. */
static char
resolve_prefix(const Parser *parser, const char *prefix, size_t length)
{
    for (size_t i = parser->namespaces->len; i-- > 0;) {
        const Namespace *space = &g_array_index(parser->namespaces, Namespace, i);

        if (strlen(space->prefix) == length && strncmp(space->prefix, prefix, length) == 0)
            return space->mark;
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
    const char *device = value_attribute("device", names, values);
    bool disk = device == NULL || g_str_equal(device, "disk");

    parser->file_disk = disk && attribute_is("type", "file", names, values);
    parser->cached_disk = disk && (parser->file_disk || attribute_is("type", "block", names, values) ||
                                   attribute_is("type", "volume", names, values));
    if (attribute_is("type", "nvme", names, values))
        bar_balloon(parser, BALLOON_NVME);
    if (attribute_is("type", "vhostvdpa", names, values))
        bar_balloon(parser, BALLOON_VDPA);
}

static void
take_balloon(Parser *parser, const char *const *names, const char *const *values)
{
    const char *model = value_attribute("model", names, values);

    parser->domain->has_balloon = model != NULL && !g_str_equal(model, "none");
    parser->domain->autodeflate = attribute_is("autodeflate", "on", names, values);
    parser->domain->free_page_reporting = attribute_is("freePageReporting", "on", names, values);
}

static void
take_device(Parser *parser, const char *name, const char *const *names, const char *const *values)
{
    DomainXml *domain = parser->domain;

    if (at(parser, "/domain/devices/memballoon")) {
        take_balloon(parser, names, values);
    } else if (at(parser, "/domain/devices/memballoon/stats")) {
        const char *period = value_attribute("period", names, values);

        if (period != NULL)
            value_parse_number(period, INT32_MAX, false, &domain->period_sec, NULL);
    } else if (at(parser, "/domain/devices/hostdev")) {
        take_hostdev(parser, names, values);
    } else if (at(parser, "/domain/devices/interface")) {
        domain->on_network = domain->on_network || attribute_is("type", "network", names, values);
        if (attribute_is("type", "hostdev", names, values)) {
            domain->hostdev_interface = true;
            bar_balloon(parser, BALLOON_VFIO);
        }
        if (attribute_is("type", "vdpa", names, values))
            bar_balloon(parser, BALLOON_VDPA);
    } else if (at(parser, "/domain/devices/disk")) {
        take_disk(parser, names, values);
    } else if (at(parser, "/domain/devices/disk/driver")) {
        if (attribute_is("cache", "none", names, values) || attribute_is("cache", "directsync", names, values))
            parser->cached_disk = false;
    } else if (at(parser, "/domain/devices/disk/source")) {
        const char *file = value_attribute("file", names, values);

        if (parser->file_disk && domain->disk_file == NULL && file != NULL)
            domain->disk_file = g_strdup(file);
    } else if (g_str_has_prefix(parser->path->str, "/domain/devices/disk/") &&
               (g_str_equal(name, "backingStore") || g_str_equal(name, "mirror"))) {
        /* the image below, or the one it is being copied to, is on such a disk */
        if (attribute_is("type", "nvme", names, values))
            bar_balloon(parser, BALLOON_NVME);
    }
}

/*
 * QEMU's own arguments, which libvirt hands over as they are. Only what pins or touches the guest's memory is of interest.
 * A device is written "vfio-pci,host=...", "driver=vfio-pci,..." or as JSON.
 */
static void
take_argument(Parser *parser, const char *value)
{
    static const struct {
        const char *option;
        const char *part; /* of its value */
        BalloonBar bar;
    } bars[] = {
        {"-device", "vfio-", BALLOON_VFIO},      {"-device", "vhost-vdpa", BALLOON_VDPA},
        {"-netdev", "vhost-vdpa", BALLOON_VDPA}, {"-blockdev", "vhost-vdpa", BALLOON_VDPA},
        {"-drive", "nvme://", BALLOON_NVME},     {"-blockdev", "driver=nvme", BALLOON_NVME},
        {"-blockdev", "\"nvme\"", BALLOON_NVME}, {"-overcommit", "mem-lock=", BALLOON_LOCKED},
        {"-object", "sev-", BALLOON_SEV},
    };
    const char *option = parser->option;

    if (g_str_has_prefix(option, "--"))
        option++;
    for (size_t i = 0; i < G_N_ELEMENTS(bars); i++) {
        const char *found = strcmp(option, bars[i].option) == 0 ? strstr(value, bars[i].part) : NULL;

        if (found == NULL || (found > value && strchr("=\" ,:", found[-1]) == NULL))
            continue;
        if (g_str_has_prefix(found, "vfio-ccw") || g_str_has_prefix(found, "vfio-ap") ||
            g_str_has_prefix(found, "mem-lock=off"))
            continue;
        bar_balloon(parser, bars[i].bar);
    }
    if (g_str_has_suffix(value, "-mem-prealloc"))
        memory_reading_set_immediate(parser->memory);
    g_strlcpy(parser->option, value, sizeof parser->option);
}

static void
take_id(Parser *parser, const char *value)
{
    guint64 id;

    if (value != NULL && g_ascii_string_to_unsigned(value, 10, 1, INT_MAX, &id, NULL))
        parser->domain->run = id;
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
    const char *unit = value_attribute("unit", const_names, const_values);
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

    memory_reading_begin(parser->memory, parser->path->str, const_names, const_values);
    if (parser->lengths->len == 1) {
        parser->is_domain = at(parser, "/domain");
        parser->domain->emulated = attribute_is("type", "qemu", const_names, const_values);
        take_id(parser, value_attribute("id", const_names, const_values));
    } else if (g_str_has_prefix(parser->path->str, "/domain/devices/")) {
        take_device(parser, local, const_names, const_values);
    } else if (at(parser, "/domain/memoryBacking/locked")) {
        bar_balloon(parser, BALLOON_LOCKED);
    } else if (at(parser, "/domain/{q}commandline/{q}arg")) {
        const char *value = value_attribute("value", const_names, const_values);

        take_argument(parser, value != NULL ? value : "");
    } else if (at(parser, "/domain/launchSecurity")) {
        bar_balloon(parser, BALLOON_SEV);
    } else if (at(parser, "/domain/metadata/{d}memory")) {
        parser->domain->element_count++;
        take_element(parser, const_names, const_values);
    } else if (parser->lengths->len == 3 && g_str_has_prefix(parser->path->str, "/domain/metadata/{d}")) {
        g_autofree char *shown = value_shown(local);

        parser->domain->element_count++;
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

static void
end_element(GMarkupParseContext *context, const char *name, void *user_data, GError **error)
{
    Parser *parser = user_data;
    DomainXml *domain = parser->domain;
    size_t depth = parser->lengths->len;

    if (at(parser, "/domain/name")) {
        g_free(domain->name);
        domain->name = g_strdup(parser->text->str);
    } else if (at(parser, "/domain/uuid")) {
        g_free(domain->uuid);
        domain->uuid = g_strdup(g_strstrip(parser->text->str));
    } else if (at(parser, "/domain/vcpu")) {
        value_parse_number(g_strstrip(parser->text->str), UINT16_MAX, false, &domain->vcpus, NULL);
    } else if (at(parser, "/domain/devices/disk")) {
        domain->host_cached = domain->host_cached || parser->cached_disk;
    } else {
        memory_reading_end(parser->memory, parser->path->str, parser->text->str, parser->unit);
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

    parser.memory = memory_reading_new();
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
        memory_reading_sum(parser.memory, &read.memory);
        *domain = read;
    } else {
        g_autofree char *shown = value_shown(why->message);

        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "the domain XML can't be read: %s", shown);
        g_error_free(why);
        domain_xml_clear(&read);
    }
    memory_reading_free(parser.memory);
    g_string_free(parser.path, TRUE);
    g_string_free(parser.text, TRUE);
    g_array_unref(parser.lengths);
    g_array_unref(parser.namespaces);
    return ok;
}

void
domain_element_copy(const DomainElement *element, DomainElement *copy)
{
    copy->present = element->present;
    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++)
        copy->attributes[i] = g_strdup(element->attributes[i]);
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
    g_clear_pointer(&domain->memory.partition, g_free);
    g_clear_pointer(&domain->unknown, g_ptr_array_unref);
}
