/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmocka_all.h"
#include "config/guest_book.h"
#include "heap.h"
#include "units.h"

#include <string.h>

#define NS "xmlns:dynmem='urn:dynmem:domain:1'"
#define GIB KIB_PER_GIB
#define MIB KIB_PER_MIB

typedef struct Fixture {
    GuestBook *book;
    Settings *settings;
    uint64_t settings_serial;
    GuestRecord records[3];
    const GuestRecord *pointers[3];
    size_t count;
    const GuestSettings *const *result;
} Fixture;

static int
setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->book = guest_book_new();
    f->settings = settings_new();
    f->settings_serial = 1;
    for (size_t i = 0; i < G_N_ELEMENTS(f->records); i++) {
        g_snprintf(f->records[i].uuid, sizeof f->records[i].uuid, "00000000-0000-0000-0000-00000000000%zu", i);
        f->records[i].name = g_strdup_printf("guest%zu", i);
        f->records[i].definition_serial = 1;
        f->pointers[i] = &f->records[i];
    }
    f->count = 1;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *f = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(f->records); i++) {
        g_free(f->records[i].name);
        g_free(f->records[i].live_xml);
        g_free(f->records[i].inactive_xml);
    }
    guest_book_free(f->book);
    settings_free(f->settings);
    g_free(f);
    return 0;
}

static const GuestSettings *
update(Fixture *f)
{
    f->result = guest_book_update(f->book, f->settings, f->settings_serial, f->pointers, f->count);
    return f->result[0];
}

/* A domain of 4 GiB with 2 GiB of currentMemory; extra stands in <domain>, devices in <devices>. */
static char *
domain(const char *metadata, const char *extra, const char *devices)
{
    return g_strdup_printf("<domain type='kvm'><name>g</name><metadata>%s</metadata>"
                           "<memory unit='KiB'>4194304</memory><currentMemory unit='KiB'>2097152</currentMemory>"
                           "<vcpu placement='static'>3</vcpu>%s<devices>%s"
                           "<memballoon model='virtio'><stats period='5'/></memballoon></devices></domain>",
                           metadata, extra, devices);
}

static void
define_off(GuestRecord *record, char *xml)
{
    g_free(record->inactive_xml);
    g_clear_pointer(&record->live_xml, g_free);
    record->inactive_xml = xml;
    record->life = GUEST_LIFE_OFF;
    record->definition_serial++;
}

static void
define_running(GuestRecord *record, char *live, char *inactive)
{
    g_free(record->inactive_xml);
    g_free(record->live_xml);
    record->live_xml = live;
    record->inactive_xml = inactive;
    record->life = GUEST_LIFE_RUNNING;
    record->definition_serial++;
}

static const GuestSettings *
settings_of(Fixture *f, const char *attributes)
{
    g_autofree char *element = g_strdup_printf("<dynmem:memory " NS " %s/>", attributes);

    define_off(&f->records[0], domain(element, "", ""));
    return update(f);
}

static bool
issue_says(Fixture *f, const char *part)
{
    const GPtrArray *issues = guest_book_issues(f->book);

    for (guint i = 0; i < issues->len; i++) {
        if (strstr(((GuestIssue *)g_ptr_array_index(issues, i))->message, part) != NULL)
            return true;
    }
    return false;
}

static guint
issue_count(Fixture *f)
{
    return guest_book_issues(f->book)->len;
}

static void
every_attribute_is_read(void **state)
{
    Fixture *f = *state;
    const GuestSettings *g =
        settings_of(f, "minimum='512MiB' startup='1 GiB' buffer='35' priority='80' smart-paging='no' "
                       "paging-directory='/srv//paging/' mode='observe'");

    assert_true(g->managed);
    assert_int_equal(g->mode, GUEST_MODE_OBSERVE);
    assert_int_equal(g->minimum_kib, 512 * MIB);
    assert_int_equal(g->startup_kib, 1 * GIB);
    assert_int_equal(g->maximum_kib, 4 * GIB);
    assert_int_equal(g->fixed_kib, 0);
    assert_int_equal(g->buffer_percent, 35);
    assert_int_equal(g->priority, 80);
    assert_false(g->smart_paging);
    assert_string_equal(g->paging_directory, "/srv/paging");
    assert_int_equal(g->bar, BALLOON_USABLE);
    assert_int_equal(g->vcpus, 3);
    assert_int_equal(g->configured_period_sec, 5);
    assert_int_equal(issue_count(f), 0);
}

static void
without_attributes_the_defaults_hold(void **state)
{
    Fixture *f = *state;
    const GuestSettings *g;

    f->settings->buffer_percent = 33;
    f->settings->priority = 44;
    g = settings_of(f, "");
    assert_true(g->managed);
    assert_int_equal(g->mode, GUEST_MODE_DYNAMIC);
    assert_int_equal(g->startup_kib, 2 * GIB);
    assert_int_equal(g->minimum_kib, 2 * GIB);
    assert_int_equal(g->buffer_percent, 33);
    assert_int_equal(g->priority, 44);
    assert_true(g->smart_paging);
    assert_null(g->paging_directory);
}

static void
without_the_element_a_guest_is_not_managed_unless_all_are(void **state)
{
    Fixture *f = *state;

    define_off(&f->records[0], domain("", "", ""));
    assert_false(update(f)->managed);
    assert_int_equal(update(f)->maximum_kib, 4 * GIB);
    f->settings->manage_all = true;
    f->settings_serial++;
    assert_true(update(f)->managed);
}

static void
the_namespace_counts_and_not_the_prefix(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *metadata;
        bool managed;
    } cases[] = {
        {"<memory xmlns='urn:dynmem:domain:1' minimum='1GiB'/>", true},
        {"<x:memory xmlns:x='urn:dynmem:domain:1' minimum='1GiB'></x:memory>", true},
        {"<x:memory xmlns:x='urn:other' minimum='1GiB'/>", false},
        {"<dynmem:memory minimum='1GiB'/>", false},
        {"<memory minimum='1GiB'/>", false},
        {"<x:memory xmlns:x='urn:dynmem:domain:2' minimum='1GiB'/>", false},
        {"<o:a xmlns:o='urn:o'><x:memory xmlns:x='urn:dynmem:domain:1' minimum='1GiB'/></o:a>", false},
        {"<o:a xmlns:o='urn:dynmem:domain:1' xmlns='urn:p'/><o:memory xmlns:o='urn:q' minimum='1GiB'/>", false},
        {"<o:a xmlns:o='urn:o'/><o:memory xmlns:o='urn:dynmem:domain:1' minimum='1GiB'/>", true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        define_off(&f->records[0], domain(cases[i].metadata, "", ""));
        assert_int_equal(update(f)->managed, cases[i].managed);
        assert_int_equal(update(f)->minimum_kib, cases[i].managed ? 1 * GIB : 2 * GIB);
        assert_int_equal(update(f)->maximum_kib, 4 * GIB);
    }
}

static void
a_bad_value_is_told_and_the_last_good_settings_stay(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *attributes;
        const char *said;
    } cases[] = {
        {"minimum='512'", "attribute minimum: '512' has no unit"},
        {"minimum='3GiB'", "attribute minimum: '3GiB' is above startup, which is 2GiB by <currentMemory>"},
        {"minimum='5GiB'", "attribute minimum: '5GiB' is above the maximum, which is 4GiB"},
        {"startup='5GiB'", "attribute startup: '5GiB' is above the maximum, which is 4GiB"},
        {"minimum='2GiB' startup='1GiB'", "attribute minimum: '2GiB' is above startup, which is 1GiB"},
        {"minimum='0MiB'", "attribute minimum: '0MiB' is nothing"},
        {"startup='1.5GiB'", "attribute startup: '1.5GiB' is not a whole number"},
        {"buffer='2001'", "attribute buffer: '2001' is too large; expected a whole number from 0 to 2000"},
        {"buffer='-1'", "attribute buffer: '-1' is not a whole number"},
        {"priority='101'", "attribute priority: '101' is too large"},
        {"priority='high'", "attribute priority: 'high' is not a whole number from 0 to 100"},
        {"priority='99999999999999999999999'", "is too large"},
        {"smart-paging='maybe'", "attribute smart-paging: 'maybe' is neither yes nor no"},
        {"paging-directory='paging'", "attribute paging-directory: 'paging' is not an absolute path"},
        {"paging-directory='/srv/../etc'", "without '.' and '..'"},
        {"mode='Dynamic'", "attribute mode: 'Dynamic' is no mode; expected dynamic, observe or static"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const GuestSettings *g;

        settings_of(f, "minimum='1GiB' buffer='7' mode='observe'");
        assert_int_equal(issue_count(f), 0);
        g = settings_of(f, cases[i].attributes);
        assert_true(issue_says(f, cases[i].said));
        assert_true(issue_says(f, "last good"));
        assert_int_equal(g->minimum_kib, 1 * GIB);
        assert_int_equal(g->buffer_percent, 7);
        assert_int_equal(g->mode, GUEST_MODE_OBSERVE);
        assert_true(g->managed);
    }
}

static void
a_guest_that_was_never_good_counts_as_static_until_it_is(void **state)
{
    Fixture *f = *state;
    const GuestSettings *g = settings_of(f, "minimum='lots' priority='90'");

    assert_true(g->managed);
    assert_int_equal(g->mode, GUEST_MODE_STATIC);
    assert_int_equal(g->minimum_kib, 2 * GIB);
    assert_int_equal(g->priority, 50);
    assert_true(issue_says(f, "counts as static"));
    g = settings_of(f, "minimum='1GiB'");
    assert_int_equal(g->mode, GUEST_MODE_DYNAMIC);
    assert_int_equal(issue_count(f), 0);
}

static void
a_bad_first_element_leaves_a_guest_unmanaged_that_was_so(void **state)
{
    Fixture *f = *state;

    define_off(&f->records[0], domain("", "", ""));
    assert_false(update(f)->managed);
    assert_false(settings_of(f, "minimum='lots'")->managed);
    assert_true(issue_count(f) > 0);
}

static void
sizes_are_whole_pages_of_a_balloon(void **state)
{
    const GuestSettings *g = settings_of(*state, "minimum='1048577KiB' startup='1048583KiB'");

    assert_int_equal(g->minimum_kib, GIB + 4);
    assert_int_equal(g->startup_kib, GIB + 8);
}

static void
last_good_settings_that_no_longer_fit_the_guest_are_not_used(void **state)
{
    Fixture *f = *state;
    const GuestSettings *g = settings_of(f, "minimum='3GiB' startup='4GiB'");

    assert_int_equal(g->minimum_kib, 3 * GIB);
    define_off(&f->records[0],
               g_strdup("<domain><metadata><d:memory xmlns:d='urn:dynmem:domain:1' minimum='x'/></metadata>"
                        "<memory unit='GiB'>2</memory><devices><memballoon model='virtio'/></devices>"
                        "</domain>"));
    g = update(f);
    assert_int_equal(g->maximum_kib, 2 * GIB);
    assert_int_equal(g->minimum_kib, 2 * GIB);
    assert_int_equal(g->mode, GUEST_MODE_STATIC);
}

static void
a_startup_that_became_too_small_is_no_reason_to_drop_what_was_good(void **state)
{
    Fixture *f = *state;

    assert_int_equal(settings_of(f, "minimum='2GiB'")->minimum_kib, 2 * GIB);
    /* somebody lowers <currentMemory> below the minimum */
    define_off(&f->records[0],
               g_strdup("<domain><metadata><d:memory xmlns:d='urn:dynmem:domain:1' minimum='2GiB'/></metadata>"
                        "<memory unit='GiB'>4</memory><currentMemory unit='GiB'>1</currentMemory>"
                        "<devices><memballoon model='virtio'/></devices></domain>"));
    assert_int_equal(update(f)->startup_kib, 2 * GIB);
    assert_int_equal(update(f)->minimum_kib, 2 * GIB);
    assert_int_equal(update(f)->mode, GUEST_MODE_DYNAMIC);
    assert_true(issue_says(f, "above startup, which is 1GiB by <currentMemory>"));
}

static void
what_is_above_a_cap_counts_as_the_cap_and_is_told(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *attributes;
        SizeOrPercent minimum_most;
        uint32_t priority_most;
        uint64_t minimum_kib;
        uint32_t priority;
        const char *said; /* NULL: nothing */
    } cases[] = {
        {"minimum='1GiB' priority='90'", {.kib = SETTINGS_MINIMUM_ANY}, 100, GIB, 90, NULL},
        {"minimum='1GiB' priority='90'", {.kib = GIB}, 90, GIB, 90, NULL},
        {"minimum='1GiB' priority='90'", {.kib = SETTINGS_MINIMUM_ANY}, 60, GIB, 60, "counts as 60"},
        {"minimum='1GiB' priority='90'", {.kib = 512 * MIB}, 100, 512 * MIB, 90, "counts as 512 MiB"},
        {"minimum='1GiB' priority='90'", {.kib = 512 * MIB}, 60, 512 * MIB, 60, "minimum is 1 GiB"},
        {"minimum='1GiB' priority='90'", {.kib = 512 * MIB}, 60, 512 * MIB, 60, "priority is 90"},
        {"minimum='1GiB'", {.percent = 25}, 100, GIB, 50, NULL}, /* of 4 GiB */
        {"minimum='1GiB'", {.percent = 10}, 100, 419432, 50, "minimum is 1 GiB"},
        {"", {.kib = SETTINGS_MINIMUM_ANY}, 40, 2 * GIB, 40, NULL}, /* it is the default that is capped */
        {"startup='3GiB'", {.kib = GIB}, 100, GIB, 50, "minimum is 3 GiB"},
        {"minimum='4GiB' startup='4GiB'", {.percent = 50}, 0, 2 * GIB, 0, "minimum is 4 GiB"},
        {"mode='static' priority='90'", {.kib = GIB}, 60, GIB, 60, "priority is 90"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const GuestSettings *g;

        f->settings->minimum_most = cases[i].minimum_most;
        f->settings->priority_most = cases[i].priority_most;
        g = settings_of(f, cases[i].attributes);
        assert_int_equal(g->minimum_kib, cases[i].minimum_kib);
        assert_int_equal(g->priority, cases[i].priority);
        assert_true(g->minimum_kib <= g->startup_kib);
        assert_int_equal(issue_count(f), cases[i].said != NULL);
        if (cases[i].said == NULL)
            continue;
        assert_true(issue_says(f, cases[i].said));
        assert_false(((GuestIssue *)g_ptr_array_index(guest_book_issues(f->book), 0))->rejected);
    }
    assert_false(issue_says(f, "minimum")); /* which a static guest has no use for */
}

static void
another_cap_holds_at_once_for_what_was_asked(void **state)
{
    Fixture *f = *state;

    assert_int_equal(settings_of(f, "minimum='1GiB' priority='90'")->priority, 90);
    f->settings->priority_most = 60;
    f->settings->minimum_most.percent = 20;
    f->settings_serial++;
    assert_int_equal(update(f)->priority, 60);
    assert_int_equal(update(f)->minimum_kib, 838860); /* 20 % of 4 GiB */
    f->settings->priority_most = 80;
    f->settings->minimum_most = (SizeOrPercent){.kib = SETTINGS_MINIMUM_ANY};
    f->settings_serial++;
    assert_int_equal(update(f)->priority, 80);
    assert_int_equal(update(f)->minimum_kib, GIB);
    assert_true(issue_says(f, "counts as 80"));
}

/* Whether an element is good does not depend on the caps of the host that it is on; the last good one is held to them too. */
static void
a_cap_makes_no_bad_element_good(void **state)
{
    Fixture *f = *state;
    const GuestSettings *g;

    settings_of(f, "minimum='1GiB' priority='90' buffer='7'");
    f->settings->minimum_most.kib = 512 * MIB;
    f->settings->priority_most = 60;
    g = settings_of(f, "minimum='3GiB' priority='20'");
    assert_true(issue_says(f, "'3GiB' is above startup"));
    assert_true(issue_says(f, "counts as 60"));
    assert_int_equal(g->buffer_percent, 7);
    assert_int_equal(g->minimum_kib, 512 * MIB);
    assert_int_equal(g->priority, 60);
}

/* What a daemon that ends for good owes, whatever else holds the minimum down; until the configuration is read again. */
static void
who_retires_lets_no_guest_have_less_than_its_startup(void **state)
{
    Fixture *f = *state;

    f->settings->minimum_most.kib = 256 * MIB;
    assert_int_equal(settings_of(f, "minimum='512MiB' startup='1GiB'")->minimum_kib, 256 * MIB);
    f->settings->retiring = true;
    f->settings_serial++;
    assert_int_equal(update(f)->minimum_kib, GIB);
    assert_int_equal(update(f)->startup_kib, GIB);
    f->settings->retiring = false;
    f->settings_serial++;
    assert_int_equal(update(f)->minimum_kib, 256 * MIB);
}

static void
nothing_grows_with_the_number_of_updates(void **state)
{
    Fixture *f = *state;
    size_t before = 0;

    f->count = 3;
    for (int round = 0; round < 1200; round++) {
        for (size_t i = 0; i < 3; i++)
            define_off(&f->records[i],
                       domain(round % 3 == 0 ? "<dynmem:memory " NS " minimum='1GiB' paging-directory='/p'/>"
                                             : "<dynmem:memory " NS " minimum='bad' colour='red'/>",
                              "", ""));
        f->settings_serial++;
        for (int tick = 0; tick < 5; tick++)
            update(f);
        if (round % 3 != 0)
            continue;
        if (round == 60)
            before = heap_bytes();
        if (round > 60)
            assert_int_equal(heap_bytes(), before);
    }
}

static void
unknown_names_are_told_and_the_rest_is_used(void **state)
{
    Fixture *f = *state;
    const GuestSettings *g = settings_of(f, "minimun='1GiB' colour='red' buffer='5' dynmem:mode='static'");

    assert_true(issue_says(f, "attribute minimun: there is no such attribute; minimum was probably meant"));
    assert_true(issue_says(f, "attribute colour: there is no such attribute"));
    assert_true(issue_says(f, "attribute dynmem:mode: expected it without the prefix"));
    assert_int_equal(issue_count(f), 1);
    assert_int_equal(g->buffer_percent, 5);
    assert_int_equal(g->mode, GUEST_MODE_DYNAMIC);
    define_off(&f->records[0], domain("<d:memmory xmlns:d='urn:dynmem:domain:1'/>", "", ""));
    assert_false(update(f)->managed);
    assert_true(issue_says(f, "element memmory: there is no such element"));
}

static void
one_bad_guest_does_not_touch_the_others(void **state)
{
    Fixture *f = *state;

    f->count = 3;
    define_off(&f->records[0], domain("<dynmem:memory " NS " minimum='1GiB'/>", "", ""));
    define_off(&f->records[1], g_strdup("this is no XML"));
    define_off(&f->records[2], domain("<dynmem:memory " NS " minimum='1GiB'/>", "", ""));
    update(f);
    assert_int_equal(f->result[0]->minimum_kib, 1 * GIB);
    assert_int_equal(f->result[1]->bar, BALLOON_BAD_MEMORY);
    assert_int_equal(f->result[2]->minimum_kib, 1 * GIB);
    assert_int_equal(issue_count(f), 1);
    assert_string_equal(((GuestIssue *)g_ptr_array_index(guest_book_issues(f->book), 0))->name, "guest1");
}

static void
guests_that_come_and_go_keep_the_others_settings(void **state)
{
    Fixture *f = *state;

    f->count = 3;
    for (size_t i = 0; i < 3; i++)
        define_off(&f->records[i], domain("<dynmem:memory " NS " minimum='1GiB'/>", "", ""));
    update(f);
    /* the middle one goes; the last one becomes bad meanwhile and must still know what was good */
    f->pointers[1] = &f->records[2];
    f->count = 2;
    define_off(&f->records[2], domain("<dynmem:memory " NS " minimum='bad'/>", "", ""));
    update(f);
    assert_int_equal(f->result[1]->minimum_kib, 1 * GIB);
    /* the middle one comes back, bad: what was good of it is forgotten */
    f->pointers[1] = &f->records[1];
    f->count = 3;
    define_off(&f->records[1], domain("<dynmem:memory " NS " minimum='bad'/>", "", ""));
    update(f);
    assert_int_equal(f->result[1]->mode, GUEST_MODE_STATIC);
    assert_int_equal(f->result[2]->mode, GUEST_MODE_DYNAMIC);
    f->count = 0;
    guest_book_update(f->book, f->settings, 1, f->pointers, 0);
    assert_int_equal(issue_count(f), 0);
}

#define QEMU(option, value)                                                                                            \
    "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='" option                        \
    "'/><q:arg value='" value "'/></q:commandline>"

static void
balloons_that_free_nothing_are_told_by_their_devices(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *extra;
        const char *devices;
        BalloonBar bar;
    } cases[] = {
        {"", "<hostdev mode='subsystem' type='pci'/>", BALLOON_VFIO},
        {"", "<hostdev mode='subsystem' type='mdev' model='vfio-pci'/>", BALLOON_VFIO},
        {"", "<hostdev mode='subsystem' type='mdev' model='vfio-ccw'/>", BALLOON_USABLE},
        {"", "<hostdev mode='subsystem' type='usb'/>", BALLOON_USABLE},
        {"", "<hostdev mode='capabilities' type='misc'/>", BALLOON_USABLE},
        {"", "<interface type='hostdev'/>", BALLOON_VFIO},
        {"", "<interface type='vdpa'/>", BALLOON_VDPA},
        {"", "<interface type='network'/>", BALLOON_USABLE},
        {"", "<disk type='vhostvdpa' device='disk'/>", BALLOON_VDPA},
        {"", "<disk type='nvme' device='disk'/>", BALLOON_NVME},
        {"", "<disk type='file'><backingStore type='file'><backingStore type='nvme'/></backingStore></disk>",
         BALLOON_NVME},
        {"<launchSecurity type='sev'/>", "", BALLOON_SEV},
        {"<nobody:launchSecurity type='sev'/>", "", BALLOON_USABLE}, /* a prefix that was never declared */
        {"<memoryBacking><hugepages/></memoryBacking>", "", BALLOON_HUGEPAGES},
        {"<memoryBacking><locked/></memoryBacking>", "", BALLOON_LOCKED},
        {"<memoryBacking><nosharepages/><source type='memfd'/></memoryBacking>", "", BALLOON_USABLE},
        /* by QEMU's own options, in each of the forms that it reads */
        {QEMU("-device", "vfio-pci,host=01:00.0"), "", BALLOON_VFIO},
        {QEMU("--device", "vfio-pci-nohotplug,host=01:00.0"), "", BALLOON_VFIO},
        {QEMU("-device", "driver=vfio-pci,host=01:00.0"), "", BALLOON_VFIO},
        {QEMU("-device", "{&quot;driver&quot;:&quot;vfio-pci&quot;,&quot;id&quot;:&quot;x&quot;}"), "", BALLOON_VFIO},
        {QEMU("-device", "vfio-ccw,devno=1"), "", BALLOON_USABLE},
        {QEMU("-device", "virtio-rng-pci"), "", BALLOON_USABLE},
        {QEMU("-name", "vfio-pci"), "", BALLOON_USABLE},
        {QEMU("-netdev", "vhost-vdpa,id=v0,vhostdev=/dev/vhost-vdpa-0"), "", BALLOON_VDPA},
        {QEMU("-drive", "file=nvme://0000:01:00.0/1,if=none"), "", BALLOON_NVME},
        {QEMU("-overcommit", "mem-lock=on"), "", BALLOON_LOCKED},
        {QEMU("-overcommit", "mem-lock=off"), "", BALLOON_USABLE},
        {"<q:commandline xmlns:q='urn:q'><q:arg value='-device'/><q:arg value='vfio-pci'/></q:commandline>", "",
         BALLOON_USABLE},
        {"<q:hugepages xmlns:q='urn:q'/><metadata><memoryBacking><hugepages/></memoryBacking></metadata>", "",
         BALLOON_USABLE},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        define_off(&f->records[0], domain("", cases[i].extra, cases[i].devices));
        assert_int_equal(update(f)->bar, cases[i].bar);
    }
    define_off(&f->records[0], g_strdup("<domain><memory>1024</memory><devices/></domain>"));
    assert_int_equal(update(f)->bar, BALLOON_NO_DEVICE);
    define_off(&f->records[0],
               g_strdup("<domain><memory>1024</memory><devices><memballoon model='none'/></devices></domain>"));
    assert_int_equal(update(f)->bar, BALLOON_NO_DEVICE);
    define_off(&f->records[0], g_strdup("<domain><memory>1024</memory><devices><memballoon model='virtio' "
                                        "autodeflate='on'/></devices></domain>"));
    assert_int_equal(update(f)->bar, BALLOON_USABLE);
    assert_true(update(f)->autodeflate);
}

static void
network_that_gives_host_devices_is_known_once_the_guest_ran(void **state)
{
    Fixture *f = *state;
    static const char network[] = "<interface type='network'><source network='sriov'/></interface>";
    static const char device[] = "<interface type='hostdev'/>";

    define_off(&f->records[0], domain("", "", network));
    assert_int_equal(update(f)->bar, BALLOON_USABLE); /* nobody can know */
    define_running(&f->records[0], domain("", "", device), domain("", "", network));
    assert_int_equal(update(f)->bar, BALLOON_VFIO);
    f->records[0].life = GUEST_LIFE_OFF;
    assert_int_equal(update(f)->bar, BALLOON_VFIO);
    define_off(&f->records[0], domain("", "", "<interface type='bridge'/>"));
    assert_int_equal(update(f)->bar, BALLOON_USABLE);
    /* on a network of another kind the next time */
    define_running(&f->records[0], domain("", "", network), domain("", "", network));
    assert_int_equal(update(f)->bar, BALLOON_USABLE);
    f->records[0].life = GUEST_LIFE_OFF;
    assert_int_equal(update(f)->bar, BALLOON_USABLE);
}

static void
memory_is_read_in_every_unit(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *memory;
        uint64_t kib;
    } cases[] = {
        {"<memory>2048</memory>", 2048},
        {"<memory unit='KiB'> 2048\n</memory>", 2048},
        {"<memory unit='k'>2048</memory>", 2048},
        {"<memory unit='KB'>1024</memory>", 1000},
        {"<memory unit='bytes'>4097</memory>", 8},
        {"<memory unit='b'>1024</memory>", 4},
        {"<memory unit='M'>2</memory>", 2 * MIB},
        {"<memory unit='gib'>3</memory>", 3 * GIB},
        {"<memory unit='TiB'>1</memory>", 1024 * GIB},
        {"<memory><![CDATA[2048]]></memory>", 2048},
    };
    static const char *const bad[] = {
        "",
        "<memory/>",
        "<memory>0</memory>",
        "<memory>-1</memory>",
        "<memory>lots</memory>",
        "<memory unit='parsec'>1</memory>",
        "<memory unit='KiX'>1</memory>",
        "<memory>99999999999999999999999</memory>",
        "<memory unit='EiB'>16</memory>",
        "<memory>18446744073709551615</memory>",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        define_off(&f->records[0], g_strdup_printf("<domain>%s<devices><memballoon model='virtio'/></devices></domain>",
                                                   cases[i].memory));
        assert_int_equal(update(f)->maximum_kib, cases[i].kib);
        assert_int_equal(update(f)->startup_kib, cases[i].kib);
        assert_int_equal(update(f)->bar, BALLOON_USABLE);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        define_off(&f->records[0],
                   g_strdup_printf("<domain>%s<devices><memballoon model='virtio'/></devices></domain>", bad[i]));
        assert_int_equal(update(f)->bar, BALLOON_BAD_MEMORY);
        assert_int_equal(update(f)->maximum_kib, 0);
        assert_true(issue_says(f, "<memory> is absent or makes no sense"));
    }
}

static void
memory_devices_are_in_reach_of_the_balloon_only_if_they_are_dimms(void **state)
{
    Fixture *f = *state;
    const GuestSettings *g;

    /* libvirt's <memory> of 10 GiB includes them all: 4 at the start, 1 dimm, 3 virtio-mem, 2 that are no RAM */
    define_off(&f->records[0],
               g_strdup("<domain><memory unit='GiB'>10</memory><currentMemory unit='GiB'>10</currentMemory><devices>"
                        "<memory model='dimm'><target><size unit='GiB'>1</size></target></memory>"
                        "<memory model='virtio-mem'><target><size unit='GiB'>3</size><block unit='KiB'>2048</block>"
                        "<requested unit='GiB'>1</requested></target></memory>"
                        "<memory model='nvdimm'><target><size unit='GiB'>1</size></target></memory>"
                        "<memory model='virtio-pmem'><target><size unit='GiB'>1</size></target></memory>"
                        "<memballoon model='virtio'/></devices></domain>"));
    g = update(f);
    assert_int_equal(g->maximum_kib, 5 * GIB);
    assert_int_equal(g->fixed_kib, 1 * GIB); /* what was asked for of its 3 */
    assert_int_equal(g->startup_kib, 5 * GIB);
}

static void
a_running_guest_is_judged_by_its_live_xml_and_started_by_its_inactive_one(void **state)
{
    Fixture *f = *state;
    const GuestSettings *g;

    define_running(
        &f->records[0], domain("<dynmem:memory " NS " buffer='1'/>", "", ""),
        g_strdup("<domain><memory unit='GiB'>8</memory><currentMemory unit='GiB'>3</currentMemory><vcpu>9</vcpu>"
                 "<metadata><dynmem:memory " NS " buffer='2'/></metadata>"
                 "<devices><memballoon model='none'/></devices></domain>"));
    g = update(f);
    assert_int_equal(g->maximum_kib, 4 * GIB);
    assert_int_equal(g->startup_kib, 3 * GIB);
    assert_int_equal(g->buffer_percent, 1);
    assert_int_equal(g->bar, BALLOON_USABLE);
    assert_int_equal(g->vcpus, 3);
    assert_int_equal(g->configured_period_sec, 0);
    assert_false(g->presumed);
    /* off again, with the same two documents: the inactive one counts */
    f->records[0].life = GUEST_LIFE_OFF;
    g = update(f);
    assert_int_equal(g->maximum_kib, 8 * GIB);
    assert_false(g->presumed);
    /* started, and not read yet: it is presumed to be what was defined */
    define_off(&f->records[0], g_steal_pointer(&f->records[0].inactive_xml));
    f->records[0].life = GUEST_LIFE_RUNNING;
    f->records[0].boots++;
    g = update(f);
    assert_int_equal(g->maximum_kib, 8 * GIB);
    assert_true(g->presumed);
    assert_int_equal(g->buffer_percent, 2);
    assert_int_equal(g->bar, BALLOON_NO_DEVICE);
}

static void
a_transient_guest_keeps_the_startup_it_was_seen_with(void **state)
{
    Fixture *f = *state;
    static const char format[] = "<domain><memory unit='GiB'>4</memory><currentMemory unit='MiB'>%d</currentMemory>"
                                 "<devices><memballoon model='virtio'/></devices></domain>";

    define_running(&f->records[0], g_strdup_printf(format, 2048), NULL);
    assert_int_equal(update(f)->startup_kib, 2 * GIB);
    define_running(&f->records[0], g_strdup_printf(format, 700), NULL); /* ballooned meanwhile */
    assert_int_equal(update(f)->startup_kib, 2 * GIB);
    f->records[0].boots = 1; /* a reset is no new start */
    f->records[0].boot_in_place = true;
    assert_int_equal(update(f)->startup_kib, 2 * GIB);
    f->records[0].boots = 2;
    f->records[0].boot_in_place = false;
    define_running(&f->records[0], g_strdup_printf(format, 3072), NULL);
    assert_int_equal(update(f)->startup_kib, 3 * GIB);
    assert_false(update(f)->presumed);
    /* ended and started anew, and not read since: that it is what it was is no more than presumed */
    define_off(&f->records[0], NULL);
    assert_false(update(f)->presumed);
    f->records[0].life = GUEST_LIFE_RUNNING;
    f->records[0].boots = 3;
    assert_true(update(f)->presumed);
    assert_int_equal(update(f)->startup_kib, 3 * GIB);
}

static void
an_unchanged_definition_is_not_read_again(void **state)
{
    Fixture *f = *state;

    define_off(&f->records[0], domain("<dynmem:memory " NS " minimum='1GiB'/>", "", ""));
    assert_int_equal(update(f)->minimum_kib, 1 * GIB);
    memset(f->records[0].inactive_xml, 'x', 20); /* would be an error, were it read */
    assert_int_equal(update(f)->minimum_kib, 1 * GIB);
    assert_int_equal(issue_count(f), 0);
    f->settings_serial++;
    assert_int_equal(update(f)->minimum_kib, 1 * GIB); /* unreadable: the last good settings stay */
    assert_int_equal(issue_count(f), 1);
}

static void
paging_beside_the_disk_is_in_the_folder_of_the_first_disk_file(void **state)
{
    Fixture *f = *state;

    g_free(f->settings->paging_directory);
    f->settings->paging_directory = g_strdup(SETTINGS_PAGING_BESIDE_DISK);
    define_off(&f->records[0], domain("", "",
                                      "<disk type='file' device='cdrom'><source file='/iso/a.iso'/></disk>"
                                      "<disk type='block' device='disk'><source dev='/dev/sda'/></disk>"
                                      "<disk type='file' device='disk'><source file='/vm/web/root.img'/></disk>"
                                      "<disk type='file' device='disk'><source file='/vm/data/data.img'/></disk>"));
    assert_string_equal(update(f)->paging_directory, "/vm/web");
    define_off(&f->records[0], domain("", "", ""));
    assert_null(update(f)->paging_directory);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(every_attribute_is_read),
        test(without_attributes_the_defaults_hold),
        test(without_the_element_a_guest_is_not_managed_unless_all_are),
        test(the_namespace_counts_and_not_the_prefix),
        test(a_bad_value_is_told_and_the_last_good_settings_stay),
        test(a_guest_that_was_never_good_counts_as_static_until_it_is),
        test(a_bad_first_element_leaves_a_guest_unmanaged_that_was_so),
        test(sizes_are_whole_pages_of_a_balloon),
        test(last_good_settings_that_no_longer_fit_the_guest_are_not_used),
        test(a_startup_that_became_too_small_is_no_reason_to_drop_what_was_good),
        test(what_is_above_a_cap_counts_as_the_cap_and_is_told),
        test(another_cap_holds_at_once_for_what_was_asked),
        test(a_cap_makes_no_bad_element_good),
        test(who_retires_lets_no_guest_have_less_than_its_startup),
        test(nothing_grows_with_the_number_of_updates),
        test(unknown_names_are_told_and_the_rest_is_used),
        test(one_bad_guest_does_not_touch_the_others),
        test(guests_that_come_and_go_keep_the_others_settings),
        test(balloons_that_free_nothing_are_told_by_their_devices),
        test(network_that_gives_host_devices_is_known_once_the_guest_ran),
        test(memory_is_read_in_every_unit),
        test(memory_devices_are_in_reach_of_the_balloon_only_if_they_are_dimms),
        test(a_running_guest_is_judged_by_its_live_xml_and_started_by_its_inactive_one),
        test(a_transient_guest_keeps_the_startup_it_was_seen_with),
        test(an_unchanged_definition_is_not_read_again),
        test(paging_beside_the_disk_is_in_the_folder_of_the_first_disk_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
