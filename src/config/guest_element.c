/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_element.h"

#include "units.h"
#include "value.h"

#include <inttypes.h>

typedef struct Reading {
    const DomainElement *element;
    GPtrArray *complaints;
    bool good;
} Reading;

static void G_GNUC_PRINTF(2, 3) complain(Reading *reading, const char *format, ...)
{
    va_list arguments;

    reading->good = false;
    if (reading->complaints == NULL)
        return;
    va_start(arguments, format);
    g_ptr_array_add(reading->complaints, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

/* The attribute without the blanks around it, NULL where it is not given. An empty one is not given either. */
static char *
attribute_text(const Reading *reading, ElementAttribute attribute)
{
    char *text;

    if (reading->element->attributes[attribute] == NULL)
        return NULL;
    text = g_strstrip(g_strdup(reading->element->attributes[attribute]));
    if (*text == '\0')
        g_clear_pointer(&text, g_free);
    return text;
}

static void
complain_value(Reading *reading, ElementAttribute attribute, const GError *error)
{
    complain(reading, "attribute %s: %s", element_attribute_names[attribute], error->message);
}

static void
read_size(Reading *reading, ElementAttribute attribute, uint64_t *kib, bool *given)
{
    g_autofree char *text = attribute_text(reading, attribute);
    g_autoptr(GError) error = NULL;

    if (text == NULL)
        return;
    if (!units_parse_size(text, kib, &error)) {
        complain_value(reading, attribute, error);
        return;
    }
    if (*kib == 0)
        complain(reading, "attribute %s: '%s' is nothing; no guest can live without memory, expected at least 1MiB",
                 element_attribute_names[attribute], text);
    *given = true;
}

static void
read_number(Reading *reading, ElementAttribute attribute, uint32_t high, bool percent, uint32_t *value)
{
    g_autofree char *text = attribute_text(reading, attribute);
    g_autoptr(GError) error = NULL;

    if (text != NULL && !value_parse_number(text, high, percent, value, &error))
        complain_value(reading, attribute, error);
}

static void
read_smart_paging(Reading *reading, bool *smart_paging)
{
    g_autofree char *text = attribute_text(reading, ELEMENT_SMART_PAGING);
    g_autoptr(GError) error = NULL;

    if (text != NULL && !value_parse_boolean(text, smart_paging, &error))
        complain_value(reading, ELEMENT_SMART_PAGING, error);
}

static void
read_mode(Reading *reading, GuestMode *mode)
{
    static const char *const names[] = {
        [GUEST_MODE_DYNAMIC] = "dynamic", [GUEST_MODE_OBSERVE] = "observe", [GUEST_MODE_STATIC] = "static"};
    g_autofree char *text = attribute_text(reading, ELEMENT_MODE);
    g_autofree char *shown = NULL;

    if (text == NULL)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!g_str_equal(text, names[i]))
            continue;
        *mode = (GuestMode)i;
        return;
    }
    shown = value_shown(text);
    complain(reading, "attribute mode: '%s' is no mode; expected dynamic, observe or static", shown);
}

/* The folder of the first disk file, NULL where the guest has none. */
static char *
disk_directory(const DomainXml *domain)
{
    char *directory = NULL;
    g_autofree char *path = NULL;

    if (domain->disk_file == NULL || !value_parse_path(domain->disk_file, &path, NULL))
        return NULL;
    directory = g_path_get_dirname(path);
    return directory;
}

static void
read_paging_directory(Reading *reading, const DomainXml *domain, const Settings *settings, char **directory)
{
    g_autofree char *text = attribute_text(reading, ELEMENT_PAGING_DIRECTORY);
    g_autoptr(GError) error = NULL;

    if (g_strcmp0(text != NULL ? text : settings->paging_directory, SETTINGS_PAGING_BESIDE_DISK) == 0)
        *directory = disk_directory(domain);
    else if (text != NULL && !value_parse_path(text, directory, &error))
        complain_value(reading, ELEMENT_PAGING_DIRECTORY, error);
}

/* minimum <= startup <= maximum, whatever the guest names of them. */
static void
check_order(Reading *reading, const GuestSettings *guest, bool minimum_given, bool startup_given)
{
    g_autofree char *minimum = units_format_size_exact(guest->minimum_kib);
    g_autofree char *startup = units_format_size_exact(guest->startup_kib);
    g_autofree char *maximum = units_format_size_exact(guest->maximum_kib);

    if (startup_given && guest->startup_kib > guest->maximum_kib)
        complain(reading,
                 "attribute startup: '%s' is above the maximum, which is %s; expected at most that, or a larger "
                 "<memory>",
                 startup, maximum);
    if (!minimum_given)
        return;
    if (guest->minimum_kib > guest->maximum_kib)
        complain(reading,
                 "attribute minimum: '%s' is above the maximum, which is %s; expected at most that, or a larger "
                 "<memory>",
                 minimum, maximum);
    else if (guest->minimum_kib > guest->startup_kib && startup_given)
        complain(reading,
                 "attribute minimum: '%s' is above startup, which is %s; expected at most that, or a larger startup",
                 minimum, startup);
    else if (guest->minimum_kib > guest->startup_kib)
        complain(reading,
                 "attribute minimum: '%s' is above startup, which is %s by <currentMemory>; expected at most that, "
                 "or an attribute startup of at least %s",
                 minimum, startup, minimum);
}

/* The caps of dynmemd.conf, and what a daemon that ends for good owes. All keep the minimum within startup. */
static void
hold_to_caps(GuestSettings *guest, const Settings *settings)
{
    const SizeOrPercent *most = &settings->minimum_most;

    guest->asked_minimum_kib = guest->minimum_kib;
    guest->asked_priority = guest->priority;
    guest->minimum_kib =
        MIN(guest->minimum_kib, most->percent != 0 ? percent_of(guest->maximum_kib, most->percent) : most->kib);
    if (settings->retiring)
        guest->minimum_kib = guest->startup_kib;
    guest->priority = MIN(guest->priority, settings->priority_most);
}

bool
guest_element_resolve(const DomainXml *domain, const DomainElement *element, StartupDefault startup,
                      const Settings *settings, GuestSettings *guest, GPtrArray *complaints)
{
    const DomainMemory *memory = &domain->memory;
    Reading reading = {.element = element, .complaints = complaints, .good = true};
    bool minimum_given = false, startup_given = false;
    g_auto(GuestSettings) read = {
        .managed = element->present || settings->manage_all,
        .mode = GUEST_MODE_DYNAMIC,
        .fixed_kib = MIN(memory->plugged_kib, KIB_LIMIT),
        .hugepage_size_kib =
            memory->hugepage_size_kib == HUGEPAGE_OF_HOST ? settings->hugepage_kib : memory->hugepage_size_kib,
        .hard_limit_kib = memory->hard_limit_kib,
        .strict_nodes = memory->strict_nodes,
        .partition = g_strdup(memory->partition),
        .source = memory->source,
        .immediate = memory->immediate,
        .buffer_percent = settings->buffer_percent,
        .priority = MIN(settings->priority, settings->priority_most), /* so that a default asks for no more */
        .smart_paging = true,
        .bar = !domain->has_balloon        ? BALLOON_NO_DEVICE
               : memory->hugepages_kib > 0 ? BALLOON_HUGEPAGES
                                           : domain->bar,
        .autodeflate = domain->autodeflate,
        .emulated = domain->emulated,
        .vcpus = MAX(domain->vcpus, 1),
        .configured_period_sec = domain->period_sec,
        .current_period_sec = domain->period_sec,
    };

    if (memory->has_total)
        read.maximum_kib =
            saturating_sub(memory->total_kib, saturating_add(memory->virtio_mem_kib, memory->not_ram_kib));
    if (read.maximum_kib == 0)
        read.bar = BALLOON_BAD_MEMORY;
    read.startup_kib = startup.known ? MIN(startup.kib, read.maximum_kib) : read.maximum_kib;
    read_size(&reading, ELEMENT_STARTUP, &read.startup_kib, &startup_given);
    read.minimum_kib = read.startup_kib;
    read_size(&reading, ELEMENT_MINIMUM, &read.minimum_kib, &minimum_given);
    read_number(&reading, ELEMENT_BUFFER, 2000, true, &read.buffer_percent);
    read_number(&reading, ELEMENT_PRIORITY, 100, false, &read.priority);
    read_smart_paging(&reading, &read.smart_paging);
    read_mode(&reading, &read.mode);
    read_paging_directory(&reading, domain, settings, &read.paging_directory);
    if (read.bar == BALLOON_BAD_MEMORY)
        read.minimum_kib = read.startup_kib = 0;
    else if (reading.good)
        check_order(&reading, &read, minimum_given, startup_given);
    hold_to_caps(&read, settings);
    read.maximum_kib = pages_up(read.maximum_kib);
    read.startup_kib = pages_up(read.startup_kib);
    read.minimum_kib = pages_up(read.minimum_kib);
    read.dimms_kib = MIN(memory->dimms_kib, read.maximum_kib);
    read.hugepages_kib = MIN(memory->hugepages_kib, saturating_add(read.maximum_kib, read.fixed_kib));
    if (complaints != NULL) {
        for (guint i = 0; i < domain->unknown->len; i++)
            g_ptr_array_add(complaints, g_strdup(g_ptr_array_index(domain->unknown, i)));
    }
    if (!reading.good)
        return false;
    *guest = read;
    read = (GuestSettings){0};
    return true;
}

static void G_GNUC_PRINTF(2, 3) advise(GPtrArray *complaints, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(complaints, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

void
guest_element_advise(const GuestSettings *guest, GPtrArray *complaints)
{
    uint64_t floor = guest_floor_kib(guest->maximum_kib);
    uint64_t full = guest_settings_full_kib(guest);
    g_autofree char *floor_text = units_format_size(floor);
    g_autofree char *maximum = units_format_size(guest->maximum_kib);
    g_autofree char *startup = units_format_size(guest->startup_kib);
    g_autofree char *minimum = units_format_size(guest->minimum_kib);
    g_autofree char *asked = units_format_size(guest->asked_minimum_kib);
    g_autofree char *limit = units_format_size(guest->hard_limit_kib);
    g_autofree char *full_text = units_format_size(full);
    bool minimum_capped = pages_up(guest->asked_minimum_kib) > guest->minimum_kib;

    if (guest->managed && guest->asked_priority > guest->priority)
        advise(complaints,
               "priority is %" PRIu32 " and counts as %" PRIu32 ", the most that PriorityMost= of dynmemd.conf allows",
               guest->asked_priority, guest->priority);
    if (!guest_settings_need_reports(guest))
        return;
    if (minimum_capped)
        advise(complaints, "minimum is %s and counts as %s, the most that MinimumMost= of dynmemd.conf allows", asked,
               minimum);
    if (guest->startup_kib < floor)
        advise(complaints,
               "startup is %s, and a guest of %s needs about %s for itself, most of it to keep track of its memory: it "
               "is started with that, and would be slow with less; expected a startup of at least %s, or a smaller "
               "<memory>",
               startup, maximum, floor_text, floor_text);
    else if (guest->minimum_kib < floor)
        advise(complaints,
               "minimum is %s, and a guest of %s needs about %s for itself, most of it to keep track of its memory: "
               "squeezed below that it may fail; expected a %s of at least %s, or a smaller <memory>",
               minimum, maximum, floor_text, minimum_capped ? "MinimumMost=" : "minimum", floor_text);
    if (guest->hard_limit_kib != 0 && guest->hard_limit_kib <= full)
        advise(complaints,
               "<hard_limit> is %s, and the guest may have %s: at that limit the kernel kills it, so it is given no "
               "more than the limit less what its QEMU needs; expected a limit well above its memory, or none",
               limit, full_text);
}
