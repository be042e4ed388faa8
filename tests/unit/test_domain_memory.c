/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a guest's memory consists of and lies in, by its XML: the right values are those that QEMU and libvirt make of the same
 * XML, worked out by hand.
 */

#include "cmocka_all.h"
#include "config/guest_book.h"
#include "config/value.h"
#include "units.h"

#include <string.h>

#define GIB KIB_PER_GIB
#define MIB KIB_PER_MIB
#define ELEMENT "<metadata><d:memory xmlns:d='urn:dynmem:domain:1'/></metadata>"

typedef struct Fixture {
    GuestBook *book;
    Settings *settings;
    GuestRecord record;
} Fixture;

static int
set_up(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    f->book = guest_book_new();
    f->settings = settings_new();
    f->record = (GuestRecord){.uuid = "00000000-0000-0000-0000-000000000001", .serial = 1, .name = g_strdup("web")};
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *f = *state;

    g_free(f->record.name);
    g_free(f->record.live_xml);
    g_free(f->record.inactive_xml);
    guest_book_free(f->book);
    settings_free(f->settings);
    g_free(f);
    return 0;
}

static const GuestSettings *
look(Fixture *f)
{
    const GuestRecord *records[] = {&f->record};

    return guest_book_update(f->book, f->settings, 1, records, 1)[0];
}

/* A managed guest with memory GiB; extra stands in <domain>, devices in <devices>. */
static char *
domain(unsigned memory, const char *extra, const char *devices)
{
    return g_strdup_printf("<domain type='kvm'>" ELEMENT "<memory unit='GiB'>%u</memory>%s<vcpu>2</vcpu>"
                           "<devices>%s<memballoon model='virtio'/></devices></domain>",
                           memory, extra, devices);
}

/* xml is taken over. */
static const GuestSettings *
define(Fixture *f, char *xml)
{
    g_free(f->record.inactive_xml);
    f->record.inactive_xml = xml;
    f->record.definition_serial++;
    return look(f);
}

static const GuestSettings *
run_with(Fixture *f, char *xml)
{
    g_free(f->record.live_xml);
    f->record.live_xml = xml;
    f->record.life = GUEST_LIFE_RUNNING;
    f->record.definition_serial++;
    return look(f);
}

static const GuestIssue *
issue(Fixture *f)
{
    const GPtrArray *issues = guest_book_issues(f->book);

    return issues->len > 0 ? g_ptr_array_index(issues, 0) : NULL;
}

static void
assert_issue_says(Fixture *f, bool rejected, const char *const *parts)
{
    assert_non_null(issue(f));
    assert_int_equal(issue(f)->rejected, rejected);
    for (; *parts != NULL; parts++)
        if (strstr(issue(f)->message, *parts) == NULL)
            fail_msg("'%s' is not said in: %s", *parts, issue(f)->message);
}

#define SAYS(f, rejected, ...) assert_issue_says(f, rejected, (const char *const[]){__VA_ARGS__, NULL})

static void
huge_pages_are_as_many_as_qemu_takes_from_a_pool(void **state)
{
    Fixture *f = *state;
    static const char cells[] = "<cpu><numa><cell id='0' memory='8' unit='GiB'/><cell id='1' memory='8' unit='GiB'/>"
                                "</numa></cpu>";
    static const char huge_dimm[] = "<memory model='dimm'><source><pagesize unit='KiB'>2048</pagesize></source>"
                                    "<target><size unit='GiB'>8</size><node>0</node></target></memory>";
    static const char dimm[] = "<memory model='dimm'><target><size unit='GiB'>8</size><node>1</node></target></memory>";
    static const struct {
        const char *pages; /* in <memoryBacking> */
        const char *cells;
        const char *devices;
        uint64_t huge_gib;
        uint64_t page_kib;
    } cases[] = {
        {"", "", "", 0, 0},
        {"<hugepages/>", "", "", 16, 2048},
        {"<hugepages/>", cells, "", 16, 2048},
        /* the system's own page size is no huge page */
        {"<hugepages><page size='4' unit='KiB'/></hugepages>", "", "", 0, 0},
        {"<hugepages><page size='4096' unit='b'/></hugepages>", cells, "", 0, 0},
        {"<hugepages><page size='1' unit='G'/></hugepages>", "", "", 16, 1048576},
        {"<hugepages><page size='2' unit='M' nodeset='0'/></hugepages>", "", "", 16, 2048},
        /* of some cells only */
        {"<hugepages><page size='1' unit='G' nodeset='0'/></hugepages>", cells, "", 8, 1048576},
        {"<hugepages><page size='1' unit='G' nodeset='7'/></hugepages>", cells, "", 0, 0},
        {"<hugepages><page size='2048' nodeset='0-1,^1'/></hugepages>", cells, "", 8, 2048},
        {"<hugepages><page size='4'/><page size='1' unit='G' nodeset='1'/></hugepages>", cells, "", 8, 1048576},
        {"<hugepages><page size='1' unit='G' nodeset='1'/><page size='2048'/></hugepages>",
         "<cpu><numa><cell id='0' memory='4' unit='GiB'/><cell id='1' memory='12' unit='GiB'/></numa></cpu>", "", 16,
         1048576},
        /* of a dimm: by itself, or by its cell */
        {"", "", huge_dimm, 8, 2048},
        {"<hugepages><page size='1' unit='G' nodeset='1'/></hugepages>",
         "<cpu><numa><cell id='0' memory='4' unit='GiB'/>"
         "<cell id='1' memory='4' unit='GiB'/></numa></cpu>",
         dimm, 12, 1048576},
        {"<hugepages><page size='1' unit='G' nodeset='0'/></hugepages>",
         "<cpu><numa><cell id='0' memory='4' unit='GiB'/>"
         "<cell id='1' memory='4' unit='GiB'/></numa></cpu>",
         dimm, 4, 1048576},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *extra = g_strdup_printf("<memoryBacking>%s</memoryBacking>%s", cases[i].pages, cases[i].cells);
        const GuestSettings *g = define(f, domain(16, extra, cases[i].devices));

        assert_int_equal(g->maximum_kib, 16 * GIB);
        assert_int_equal(g->hugepages_kib, cases[i].huge_gib * GIB);
        assert_int_equal(g->hugepage_size_kib, cases[i].page_kib);
        assert_int_equal(guest_settings_full_kib(g), (16 - cases[i].huge_gib) * GIB);
        /* a part is enough to bar it */
        assert_int_equal(g->bar, cases[i].huge_gib > 0 ? BALLOON_HUGEPAGES : BALLOON_USABLE);
    }
    /* whatever else bars it, its pool is its pool */
    assert_int_equal(define(f, domain(16, "<memoryBacking><hugepages/><locked/></memoryBacking>",
                                      "<hostdev mode='subsystem' type='pci'/>"))
                         ->hugepages_kib,
                     16 * GIB);
}

/* On a host that was booted with default_hugepagesz=1G libvirt takes them from that pool (virfile.c, virFileFindHugeTLBFS). */
static void
huge_pages_without_a_size_are_those_of_the_host(void **state)
{
    Fixture *f = *state;
    const GuestSettings *g;

    f->settings->hugepage_kib = GIB;
    g = define(f, domain(16, "<memoryBacking><hugepages/></memoryBacking>", ""));
    assert_int_equal(g->hugepages_kib, 16 * GIB);
    assert_int_equal(g->hugepage_size_kib, GIB);
    g = define(f, domain(16, "<memoryBacking><hugepages><page size='2' unit='M'/></hugepages></memoryBacking>", ""));
    assert_int_equal(g->hugepage_size_kib, 2 * MIB);
}

static void
the_partition_of_a_guest_is_known(void **state)
{
    Fixture *f = *state;
    static const char a[] = "<resource><partition>/machine/a</partition></resource>";

    assert_string_equal(define(f, domain(16, a, ""))->partition, "/machine/a");
    /* libvirt's default one is in the XML of guests that run only */
    assert_null(define(f, domain(16, "", ""))->partition);
    assert_null(define(f, domain(16, "<resource><partition>/machine</partition></resource>", ""))->partition);
    assert_null(
        define(f, domain(16, "<resource><partition>/a</partition><partition>/machine</partition></resource>", ""))
            ->partition);
}

static char *
kubevirt(const char *requested, const char *current)
{
    return g_strdup_printf(
        "<domain type='kvm'>" ELEMENT "<maxMemory slots='1' unit='GiB'>64</maxMemory><memory unit='GiB'>64</memory>"
        "<currentMemory unit='GiB'>1</currentMemory><cpu><numa><cell id='0' memory='1' "
        "unit='GiB'/></numa></cpu><devices>"
        "<memory model='virtio-mem'><target><size unit='GiB'>63</size><node>0</node><block unit='KiB'>2048</block>"
        "%s%s</target></memory><memballoon model='virtio'/></devices></domain>",
        requested, current);
}

static void
virtio_mem_counts_at_what_it_may_plug(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *requested;
        const char *current;
        uint64_t fixed_kib;
    } cases[] = {
        {"", "", 0},
        {"<requested unit='KiB'>0</requested>", "<current unit='KiB'>0</current>", 0},
        /* it plugs as it goes, and never more than it was asked for */
        {"<requested unit='GiB'>4</requested>", "<current unit='KiB'>0</current>", 4 * GIB},
        {"<requested unit='GiB'>4</requested>", "<current unit='MiB'>100</current>", 4 * GIB},
        /* asked for less, it has what it has until it gives it back */
        {"<requested unit='KiB'>0</requested>", "<current unit='GiB'>4</current>", 4 * GIB},
        {"<requested unit='GiB'>99</requested>", "", 63 * GIB},
    };

    define(f, kubevirt("<requested unit='KiB'>0</requested>", ""));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const GuestSettings *g = run_with(f, kubevirt(cases[i].requested, cases[i].current));

        assert_int_equal(g->maximum_kib, 1 * GIB);
        assert_int_equal(g->startup_kib, 1 * GIB);
        assert_int_equal(g->fixed_kib, cases[i].fixed_kib);
        assert_int_equal(guest_settings_full_kib(g), 1 * GIB + cases[i].fixed_kib);
        assert_int_equal(g->bar, BALLOON_USABLE);
    }
    /* in huge pages it is what it plugs that comes from the pool */
    define(f, domain(16, "",
                     "<memory model='virtio-mem'><source><pagesize unit='KiB'>2048</pagesize></source>"
                     "<target><size unit='GiB'>8</size><requested unit='GiB'>3</requested></target></memory>"));
    f->record.life = GUEST_LIFE_OFF;
    assert_int_equal(look(f)->fixed_kib, 3 * GIB);
    assert_int_equal(look(f)->hugepages_kib, 3 * GIB);
    assert_int_equal(guest_settings_full_kib(look(f)), 8 * GIB);
}

static void
hard_limit_is_read_in_its_unit(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *limit;
        uint64_t kib;
    } cases[] = {
        {"", 0},
        {"<hard_limit unit='GiB'>8</hard_limit>", 8 * GIB},
        {"<hard_limit>8388608</hard_limit>", 8 * GIB},
        {"<hard_limit unit='bytes'>8589934592</hard_limit>", 8 * GIB},
        {"<hard_limit unit='KB'>1024</hard_limit>", 1000},
        {"<soft_limit unit='GiB'>8</soft_limit>", 0},
        {"<hard_limit unit='KiB'>9007199254740988</hard_limit>", 0}, /* libvirt's word for none */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *extra = g_strdup_printf("<memtune>%s</memtune>", cases[i].limit);

        assert_int_equal(define(f, domain(10, extra, ""))->hard_limit_kib, cases[i].kib);
    }
}

static void
guest_that_can_outgrow_its_hard_limit_is_told_of_and_stays_in_force(void **state)
{
    Fixture *f = *state;
    static const char limit[] =
        "<currentMemory unit='GiB'>4</currentMemory><memtune><hard_limit unit='GiB'>8</hard_limit>"
        "</memtune>";

    assert_int_equal(define(f, domain(10, limit, ""))->mode, GUEST_MODE_DYNAMIC);
    SAYS(f, false, "hard_limit", "8 GiB", "10 GiB");
    define(f, domain(7, limit, ""));
    assert_null(issue(f));
    /* virtio-mem is charged to it, too */
    define(f, domain(10, limit,
                     "<memory model='virtio-mem'><target><size unit='GiB'>6</size><requested unit='GiB'>5</requested>"
                     "</target></memory>"));
    SAYS(f, false, "hard_limit", "8 GiB", "9 GiB");
    define(f, domain(10, limit,
                     "<memory model='virtio-mem'><target><size unit='GiB'>6</size><requested unit='GiB'>1</requested>"
                     "</target></memory>"));
    assert_null(issue(f));
}

static void
memory_is_where_source_and_access_put_it(void **state)
{
    Fixture *f = *state;
    static const struct {
        const char *backing;
        MemorySource source;
        bool immediate;
    } cases[] = {
        {"", MEMORY_ANONYMOUS, false},
        {"<source type='anonymous'/><allocation mode='immediate'/>", MEMORY_ANONYMOUS, true},
        {"<source type='memfd'/>", MEMORY_SHARED, false},
        {"<source type='memfd'/><access mode='shared'/>", MEMORY_SHARED, false},
        {"<source type='memfd'/><access mode='private'/>", MEMORY_ANONYMOUS, false},
        {"<source type='file'/><access mode='shared'/><allocation mode='immediate'/><discard/>", MEMORY_FILE, true},
        {"<access mode='shared'/><allocation mode='ondemand'/>", MEMORY_FILE, false},
        /* mapped privately it becomes the guest's own as it is written */
        {"<source type='file'/>", MEMORY_ANONYMOUS, false},
        {"<allocation mode='immediate' threads='8'/>", MEMORY_ANONYMOUS, true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *extra = g_strdup_printf("<memoryBacking>%s</memoryBacking>", cases[i].backing);
        const GuestSettings *g = define(f, domain(3, extra, ""));

        assert_int_equal(g->source, cases[i].source);
        assert_int_equal(g->immediate, cases[i].immediate);
        assert_int_equal(g->bar, BALLOON_USABLE);
    }
    assert_int_equal(
        define(f, domain(3, "<cpu><numa><cell id='0' memory='3' unit='GiB' memAccess='shared'/></numa></cpu>", ""))
            ->source,
        MEMORY_FILE);
    assert_true(define(f, domain(3,
                                 "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>"
                                 "<q:arg value='-mem-prealloc'/></q:commandline>",
                                 ""))
                    ->immediate);
}

static void
guest_is_bound_to_the_nodes_that_all_its_memory_must_come_from(void **state)
{
    Fixture *f = *state;
    static const char cells[] = "<cpu><numa><cell id='0' memory='2' unit='GiB'/><cell id='1' memory='2' unit='GiB'/>"
                                "</numa></cpu>";
    static const struct {
        const char *cells;
        const char *tune;
        uint64_t nodes;
    } cases[] = {
        {"", "", 0},
        {"", "<memory mode='strict' nodeset='0'/>", 1 << 0},
        {"", "<memory nodeset='1'/>", 1 << 1}, /* strict is the default */
        {"", "<memory mode='restrictive' nodeset='1'/>", 1 << 1},
        {"", "<memory mode='preferred' nodeset='1'/>", 0},
        {"", "<memory mode='interleave' nodeset='0-1'/>", 0},
        {"", "<memory mode='strict' placement='auto'/>", 0}, /* not known which */
        {cells, "<memory mode='strict' nodeset='0-1'/>", 3},
        {cells, "<memnode cellid='0' mode='strict' nodeset='2'/><memnode cellid='1' mode='strict' nodeset='3'/>", 12},
        {cells, "<memory mode='strict' nodeset='0'/><memnode cellid='1' mode='strict' nodeset='3'/>", 9},
        /* the other half may come from anywhere */
        {cells, "<memnode cellid='0' mode='strict' nodeset='2'/>", 0},
        {cells, "<memory mode='strict' nodeset='0'/><memnode cellid='1' mode='preferred' nodeset='3'/>", 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *extra = g_strdup_printf("%s<numatune>%s</numatune>", cases[i].cells, cases[i].tune);

        assert_int_equal(define(f, domain(4, extra, ""))->strict_nodes, cases[i].nodes);
    }
}

static void
nodes_are_read_as_libvirt_writes_them(void **state)
{
    static const struct {
        const char *text;
        uint64_t nodes;
    } cases[] = {
        {"0", 1},       {"0-1,3,^2", 0xb},         {"0-3,^2", 0xb},      {"^2,0-3", 0xf}, /* in their order */
        {" 1 , 2 ", 6}, {"63", UINT64_C(1) << 63}, {"0-63", UINT64_MAX},
    };
    static const char *const bad[] = {"", ",", "1,", "a", "64", "0-64", "3-1", "-1", "^", "^1-2", "1 2", "99999999999"};
    uint64_t nodes = 77;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        assert_true(value_parse_nodes(cases[i].text, &nodes));
        assert_int_equal(nodes, cases[i].nodes);
    }
    nodes = 77;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_false(value_parse_nodes(bad[i], &nodes));
    assert_int_equal(nodes, 77);
}

static char *
big(const char *attributes)
{
    return g_strdup_printf("<domain><metadata><d:memory xmlns:d='urn:dynmem:domain:1' %s/></metadata>"
                           "<memory unit='GiB'>128</memory><currentMemory unit='MiB'>768</currentMemory>"
                           "<devices><memballoon model='virtio'/></devices></domain>",
                           attributes);
}

static void
too_little_for_the_guest_itself_is_told_and_stays_in_force(void **state)
{
    Fixture *f = *state;

    /* 64 bytes of each page of 4 KiB are 2 GiB of 128; and its kernel */
    assert_int_equal(define(f, big(""))->startup_kib, 768 * MIB);
    assert_int_equal(look(f)->mode, GUEST_MODE_DYNAMIC);
    SAYS(f, false, "startup is 768 MiB", "128 GiB", "2.2 GiB");
    assert_int_equal(define(f, big("minimum='256MiB' startup='3GiB'"))->minimum_kib, 256 * MIB);
    SAYS(f, false, "minimum is 256 MiB", "2.2 GiB");
    define(f, big("minimum='3GiB' startup='3GiB'"));
    assert_null(issue(f));
    f->settings->minimum_most.kib = GIB; /* then it is the cap that is too low */
    define(f, big("minimum='3GiB' startup='3GiB'"));
    SAYS(f, false, "minimum is 3 GiB", "expected a MinimumMost= of at least 2.2 GiB");
    f->settings->minimum_most.kib = SETTINGS_MINIMUM_ANY;
    define(f, big("mode='static'")); /* it has all its memory, always */
    assert_null(issue(f));
    /* what is bad is said first, and is what counts */
    define(f, big("minimum='256MiB' startup='3GiB' colour='red'"));
    SAYS(f, true, "colour", "minimum is 256 MiB");
}

static void
settings_that_vanish_from_the_definition_are_told(void **state)
{
    Fixture *f = *state;
    static const char bare[] = "<domain><memory unit='GiB'>4</memory><currentMemory unit='GiB'>1</currentMemory>"
                               "<devices><memballoon model='virtio'/></devices></domain>";

    /* one that never had the element has lost nothing */
    assert_false(define(f, g_strdup(bare))->element_gone);
    /* off: redefined without it */
    assert_false(define(f, domain(4, "", ""))->element_gone);
    assert_true(look(f)->managed);
    assert_false(define(f, g_strdup(bare))->managed);
    assert_true(look(f)->element_gone);
    assert_int_equal(guest_settings_full_kib(look(f)), 4 * GIB);
    assert_true(define(f, g_strdup(bare))->element_gone); /* and so it stays */
    assert_false(define(f, domain(4, "", ""))->element_gone);

    /* running: what it was started with stays in force, and it is said what comes */
    assert_true(run_with(f, domain(4, "", ""))->managed);
    assert_null(issue(f));
    assert_true(define(f, g_strdup(bare))->managed);
    assert_false(look(f)->element_gone);
    SAYS(f, false, "definition for the next start");
    f->record.life = GUEST_LIFE_OFF;
    assert_false(look(f)->managed);
    assert_true(look(f)->element_gone);
    assert_null(issue(f));
}

/* 'virsh edit' of a guest that runs changes that definition alone. */
static void
what_is_wrong_in_the_definition_for_the_next_start_is_told(void **state)
{
    Fixture *f = *state;

    define(f, big("minimum='3GiB' startup='3GiB'"));
    run_with(f, big("minimum='3GiB' startup='3GiB'"));
    assert_null(issue(f));
    assert_int_equal(define(f, big("minimum='3GiB' startup='2GB'"))->startup_kib, 3 * GIB);
    SAYS(f, false, "definition for the next start can't be used", "'2GB'");
    define(f, big("minimum='3GiB' startup='3GiB' colour='red'"));
    SAYS(f, false, "definition for the next start can't be used", "colour");
    /* where both are wrong, what is in force comes first */
    run_with(f, big("minimum='3GiB' startup='2TB'"));
    SAYS(f, true, "'2TB'");
    assert_null(strstr(issue(f)->message, "next start"));
    run_with(f, big("minimum='3GiB' startup='3GiB'"));
    define(f, big("minimum='3GiB' startup='3GiB'"));
    assert_null(issue(f));
}

static void
another_record_of_the_same_uuid_is_another_guest(void **state)
{
    Fixture *f = *state;
    static const char format[] = "<domain><metadata><d:memory xmlns:d='urn:dynmem:domain:1' minimum='%s'/></metadata>"
                                 "<memory unit='GiB'>4</memory><currentMemory unit='GiB'>%d</currentMemory>"
                                 "<devices><memballoon model='virtio'/></devices></domain>";

    /* a transient guest: what its first XML said is its startup, as it is ballooned later */
    assert_int_equal(run_with(f, g_strdup_printf(format, "1GiB", 2))->startup_kib, 2 * GIB);
    assert_int_equal(run_with(f, g_strdup_printf(format, "1GiB", 3))->startup_kib, 2 * GIB);
    /* destroyed and created between two ticks: nothing of the other one holds, all counters are as they were */
    f->record.serial = 2;
    assert_int_equal(look(f)->startup_kib, 3 * GIB);
    f->record.serial = 3;
    assert_int_equal(run_with(f, g_strdup_printf(format, "bad", 3))->mode, GUEST_MODE_STATIC);
    assert_false(run_with(f, g_strdup("<domain><memory unit='GiB'>4</memory></domain>"))->managed);
    f->record.serial = 4;
    assert_false(look(f)->element_gone);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(huge_pages_are_as_many_as_qemu_takes_from_a_pool),
        TEST(huge_pages_without_a_size_are_those_of_the_host),
        TEST(the_partition_of_a_guest_is_known),
        TEST(virtio_mem_counts_at_what_it_may_plug),
        TEST(hard_limit_is_read_in_its_unit),
        TEST(guest_that_can_outgrow_its_hard_limit_is_told_of_and_stays_in_force),
        TEST(memory_is_where_source_and_access_put_it),
        TEST(guest_is_bound_to_the_nodes_that_all_its_memory_must_come_from),
        TEST(nodes_are_read_as_libvirt_writes_them),
        TEST(too_little_for_the_guest_itself_is_told_and_stays_in_force),
        TEST(settings_that_vanish_from_the_definition_are_told),
        TEST(what_is_wrong_in_the_definition_for_the_next_start_is_told),
        TEST(another_record_of_the_same_uuid_is_another_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
