/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a start needs: all that QEMU may touch before anybody can take anything back, by the XML of what really starts. */

#include "admit/start_need.h"
#include "cmocka_all.h"
#include "units.h"

#include <glib/gstdio.h>
#include <string.h>

#define A "aaaaaaaa-0000-0000-0000-000000000001"
#define GIB KIB_PER_GIB
#define MIB KIB_PER_MIB

typedef struct World {
    char *directory;
    Keep *keep;
    Settings *settings;
    GuestRecord record;
    StartRequest request; /* the last one */
} World;

static int
set_up(void **state)
{
    World *world = g_new0(World, 1);
    char *problem = NULL;

    world->directory = g_dir_make_tmp("need-XXXXXX", NULL);
    world->keep = keep_open(world->directory, "one", &problem);
    assert_null(problem);
    world->settings = settings_new();
    world->record = (GuestRecord){.uuid = A, .serial = 1, .name = (char *)"web", .life = GUEST_LIFE_OFF};
    *state = world;
    return 0;
}

static void
clear_request(World *world)
{
    g_free(world->request.name);
    guest_settings_clear(&world->request.settings);
    world->request = (StartRequest){.need_kib = 0};
}

static int
tear_down(void **state)
{
    World *world = *state;
    g_autofree char *file = g_build_filename(world->directory, "state", NULL);

    clear_request(world);
    keep_free(world->keep);
    g_unlink(file);
    g_rmdir(world->directory);
    g_free(world->directory);
    settings_free(world->settings);
    g_free(world);
    return 0;
}

static const StartRequest *
settle(World *world, const StartAsk *ask, const GuestRecord *record, const GuestSettings *known)
{
    g_autofree char *why = NULL;

    clear_request(world);
    why = start_need_settle(ask, record, known, world->settings, world->keep, 1000, &world->request);
    assert_null(why);
    return &world->request;
}

/* A domain of memory GiB with current MiB (0: not said), attributes in its element; extra stands beside, devices inside. */
static char *
domain(unsigned memory, unsigned current, const char *attributes, const char *extra, const char *devices)
{
    g_autofree char *has = g_strdup_printf("<currentMemory unit='MiB'>%u</currentMemory>", current);

    return g_strdup_printf("<domain type='kvm'><name>web</name><metadata><d:memory xmlns:d='urn:dynmem:domain:1' %s/>"
                           "</metadata><memory unit='GiB'>%u</memory>%s<vcpu>2</vcpu>%s<devices>%s"
                           "<memballoon model='virtio'/></devices></domain>",
                           attributes, memory, current > 0 ? has : "", extra, devices);
}

/* What libvirt's hook hands over of a guest that nobody knew. xml is taken over. */
static const StartRequest *
hooked(World *world, StartKind kind, char *xml)
{
    const StartRequest *request =
        settle(world, &(StartAsk){.uuid = A, .xml = xml, .kind = kind, .hook = true}, NULL, NULL);

    g_free(xml);
    return request;
}

static void
what_libvirt_hands_over_is_what_starts(void **state)
{
    World *world = *state;
    const GuestSettings known = {
        .managed = true, .minimum_kib = GIB, .startup_kib = GIB, .maximum_kib = 2 * GIB, .priority = 70, .vcpus = 1};
    g_autofree char *xml = domain(32, 32 * 1024, "", "", "");
    g_autofree char *pinned = domain(32, 1024, "startup='1GiB'", "", "<hostdev mode='subsystem' type='pci'/>");
    const StartAsk ask = {.uuid = A, .xml = xml, .hook = true};
    const StartAsk ask_pinned = {.uuid = A, .xml = pinned, .hook = true};

    /* defined anew with 32 GiB a moment ago, and known as one of 2 */
    assert_int_equal(settle(world, &ask, &world->record, &known)->need_kib, 32 * GIB);
    assert_int_equal(world->request.settings.maximum_kib, 32 * GIB);
    assert_int_equal(world->request.settings.priority, 50);
    assert_int_equal(settle(world, &ask_pinned, &world->record, &known)->need_kib, 32 * GIB);
    assert_int_equal(world->request.settings.bar, BALLOON_VFIO);
}

static void
a_start_is_held_to_the_caps(void **state)
{
    World *world = *state;
    g_autofree char *xml = domain(8, 2048, "minimum='2GiB' priority='90'", "", "");
    const StartAsk ask = {.uuid = A, .xml = xml, .hook = true};

    world->settings->priority_most = 60;
    world->settings->minimum_most.kib = GIB;
    assert_int_equal(settle(world, &ask, NULL, NULL)->need_kib, 2 * GIB); /* startup has no cap */
    assert_int_equal(world->request.settings.priority, 60);
    assert_int_equal(world->request.settings.minimum_kib, GIB);
}

static void
only_the_element_may_be_one_that_was_good_before(void **state)
{
    World *world = *state;
    GuestSettings known = {.managed = true,
                           .minimum_kib = GIB,
                           .startup_kib = 2 * GIB,
                           .maximum_kib = 4 * GIB,
                           .buffer_percent = 7,
                           .priority = 70,
                           .vcpus = 1};
    g_autofree char *xml = domain(8, 1024, "startup='lots' priority='3'", "", "");
    const StartAsk ask = {.uuid = A, .xml = xml, .hook = true};

    assert_int_equal(settle(world, &ask, &world->record, &known)->need_kib, 2 * GIB);
    assert_int_equal(world->request.settings.maximum_kib, 8 * GIB);
    assert_int_equal(world->request.settings.minimum_kib, GIB);
    assert_int_equal(world->request.settings.priority, 70);
    assert_int_equal(world->request.settings.buffer_percent, 7);
    assert_int_equal(world->request.settings.vcpus, 2);
    assert_false(world->request.forced);
    /* it no longer goes with its memory, or there is none */
    known.startup_kib = known.maximum_kib = 16 * GIB;
    assert_int_equal(settle(world, &ask, &world->record, &known)->need_kib, 8 * GIB);
    assert_int_equal(world->request.settings.mode, GUEST_MODE_STATIC);
    assert_int_equal(settle(world, &ask, NULL, NULL)->need_kib, 8 * GIB);
}

static void
element_that_is_gone_costs_all_memory_and_is_no_refusal(void **state)
{
    World *world = *state;
    const GuestSettings known = {
        .managed = true, .startup_kib = GIB, .maximum_kib = 8 * GIB, .priority = 70, .vcpus = 1};
    const StartAsk ask = {
        .uuid = A,
        .xml = "<domain><memory unit='GiB'>8</memory><devices><memballoon model='virtio'/></devices></domain>",
        .hook = true,
    };

    assert_int_equal(settle(world, &ask, &world->record, &known)->need_kib, 8 * GIB);
    assert_true(world->request.forced);
    assert_true(world->request.settings.element_gone);
}

static void
pool_memory_is_needed_of_the_pool_and_the_rest_in_full(void **state)
{
    World *world = *state;
    const StartRequest *request;

    /* three of 16 GiB: of the system's own pages, in part by cell, in part by dimm */
    request = hooked(
        world, START_BOOT,
        domain(16, 0, "", "<memoryBacking><hugepages><page size='4' unit='KiB'/></hugepages></memoryBacking>", ""));
    assert_int_equal(request->need_kib, 16 * GIB);
    assert_int_equal(request->pool_kib, 0);
    assert_int_equal(request->settings.bar, BALLOON_USABLE);
    request = hooked(
        world, START_BOOT,
        domain(16, 1024, "startup='1GiB'",
               "<memoryBacking><hugepages><page size='1' unit='G' nodeset='0'/></hugepages></memoryBacking>"
               "<cpu><numa><cell id='0' memory='8' unit='GiB'/><cell id='1' memory='8' unit='GiB'/></numa></cpu>",
               ""));
    assert_int_equal(request->need_kib, 8 * GIB);
    assert_int_equal(request->pool_kib, 8 * GIB);
    assert_int_equal(request->pool_page_kib, GIB);
    request = hooked(world, START_BOOT,
                     domain(16, 1024, "startup='1GiB'", "",
                            "<memory model='dimm'><source><pagesize unit='KiB'>2048</pagesize></source>"
                            "<target><size unit='GiB'>8</size></target></memory>"));
    assert_int_equal(request->need_kib, 8 * GIB);
    assert_int_equal(request->pool_kib, 8 * GIB);
    assert_int_equal(request->pool_page_kib, 2048);
    /* all of it, also where somebody else is to make the pages */
    request = hooked(world, START_BOOT, domain(16, 0, "", "<memoryBacking><hugepages/></memoryBacking>", ""));
    assert_int_equal(request->need_kib, 0);
    assert_int_equal(request->pool_kib, 16 * GIB);
    assert_int_equal(request->pool_page_kib, 2048);
}

static void
what_is_touched_before_it_runs_is_needed_at_once(void **state)
{
    World *world = *state;
    static const char immediate[] = "<memoryBacking><allocation mode='immediate'/></memoryBacking>";

    assert_int_equal(hooked(world, START_BOOT, domain(16, 1024, "startup='1GiB'", "", ""))->need_kib, GIB);
    assert_int_equal(hooked(world, START_BOOT, domain(16, 1024, "startup='1GiB'", immediate, ""))->need_kib, 16 * GIB);
    assert_int_equal(world->request.settings.bar, BALLOON_USABLE);
    assert_int_equal(hooked(world, START_RESTORE, domain(16, 1024, "startup='1GiB'", immediate, ""))->need_kib,
                     16 * GIB);
}

static void
network_that_gave_it_a_host_device_gives_it_one_again(void **state)
{
    World *world = *state;
    const GuestSettings known = {
        .managed = true, .startup_kib = GIB, .maximum_kib = 8 * GIB, .bar = BALLOON_VFIO, .vcpus = 1};
    g_autofree char *xml = domain(8, 1024, "", "", "<interface type='network'/>");
    g_autofree char *bridged = domain(8, 1024, "", "", "<interface type='bridge'/>");

    assert_int_equal(settle(world, &(StartAsk){.uuid = A, .xml = xml, .hook = true}, &world->record, &known)->need_kib,
                     8 * GIB);
    assert_int_equal(
        settle(world, &(StartAsk){.uuid = A, .xml = bridged, .hook = true}, &world->record, &known)->need_kib, GIB);
}

static void
virtio_mem_is_needed_as_far_as_it_is_asked_for(void **state)
{
    World *world = *state;

    assert_int_equal(hooked(world, START_BOOT,
                            domain(64, 1024, "", "",
                                   "<memory model='virtio-mem'><target><size unit='GiB'>63</size>"
                                   "<requested unit='KiB'>0</requested></target></memory>"))
                         ->need_kib,
                     GIB);
    assert_int_equal(hooked(world, START_BOOT,
                            domain(64, 1024, "", "",
                                   "<memory model='virtio-mem'><target><size unit='GiB'>63</size>"
                                   "<requested unit='GiB'>4</requested></target></memory>"))
                         ->need_kib,
                     5 * GIB);
}

static void
guest_is_started_with_what_it_needs_for_itself(void **state)
{
    World *world = *state;

    /* 2 GiB of page structures, and its kernel */
    assert_in_range(hooked(world, START_BOOT, domain(128, 768, "", "", ""))->need_kib, 2 * GIB, 2 * GIB + 512 * MIB);
    assert_int_equal(hooked(world, START_BOOT, domain(128, 3 * 1024, "", "", ""))->need_kib, 3 * GIB);
    assert_int_equal(hooked(world, START_BOOT, domain(2, 512, "", "", ""))->need_kib, 512 * MIB);
}

static void
managed_save_brings_what_is_in_its_file(void **state)
{
    World *world = *state;
    g_autofree char *defined = domain(16, 2048, "", "", "");
    g_autofree char *saved = domain(16, 9 * 1024, "", "", "");
    const StartAsk by_hand = {.uuid = A};
    const GuestSettings known = {
        .managed = true, .minimum_kib = 2 * GIB, .startup_kib = 2 * GIB, .maximum_kib = 16 * GIB, .vcpus = 1};

    world->record.inactive_xml = defined;
    assert_int_equal(settle(world, &by_hand, &world->record, &known)->need_kib, 2 * GIB);
    assert_int_equal(world->request.kind, START_BOOT);
    world->record.saved_xml = saved;
    world->record.stop_usec = 999; /* a moment ago */
    assert_int_equal(settle(world, &by_hand, &world->record, &known)->need_kib, 9 * GIB);
    assert_int_equal(world->request.kind, START_RESTORE);
    assert_int_equal(world->request.restart, RESTART_NONE);
    assert_int_equal(world->request.settings.startup_kib, 2 * GIB); /* of its next boot */
    assert_int_equal(settle(world, &(StartAsk){.uuid = A, .hook = true}, &world->record, &known)->kind, START_BOOT);
    /* libvirt says itself what it starts: the file was of no use, say */
    assert_int_equal(
        settle(world, &(StartAsk){.uuid = A, .xml = defined, .hook = true}, &world->record, &known)->need_kib, 2 * GIB);
    assert_int_equal(world->request.kind, START_BOOT);
}

/* Nothing can hold it to a part of its memory. */
static void
start_that_touches_all_its_memory_is_no_restart_however_soon(void **state)
{
    World *world = *state;
    char *const texts[] = {
        domain(16, 2048, "startup='1GiB'", "", ""),
        domain(16, 2048, "startup='1GiB'", "<memoryBacking><allocation mode='immediate'/></memoryBacking>", ""),
        domain(16, 2048, "startup='1GiB'", "", "<hostdev mode='subsystem' type='pci' managed='yes'/>"),
        domain(16, 5 * 1024, "startup='1GiB'", "", ""), /* a snapshot */
    };

    world->record.inactive_xml = texts[0];
    world->record.stop_usec = 999;
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        const StartAsk ask = {.uuid = A, .xml = texts[i], .hook = true};

        assert_int_equal(settle(world, &ask, &world->record, NULL)->restart, i == 0 ? RESTART_SOON : RESTART_NONE);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
}

static void
snapshot_of_a_running_guest_brings_what_it_had_then(void **state)
{
    World *world = *state;
    g_autofree char *defined = domain(16, 2048, "startup='1GiB'", "", "");
    g_autofree char *snapshot = domain(16, 5 * 1024, "startup='1GiB'", "", "");

    world->record.inactive_xml = defined;
    assert_int_equal(
        settle(world, &(StartAsk){.uuid = A, .xml = snapshot, .hook = true}, &world->record, NULL)->need_kib, 5 * GIB);
    /* a boot from the definition, which is held to its startup memory */
    assert_int_equal(
        settle(world, &(StartAsk){.uuid = A, .xml = defined, .hook = true}, &world->record, NULL)->need_kib, GIB);
}

/* Its QEMU is ended and another one started. Stopped otherwise it boots, and is held to its startup memory. */
static void
snapshot_of_a_transient_guest_brings_what_it_had_then(void **state)
{
    World *world = *state;
    g_autofree char *snapshot = domain(16, 5 * 1024, "startup='1GiB'", "", "");
    const StartAsk ask = {.uuid = A, .xml = snapshot, .hook = true};

    world->record.boot_usec = 900;
    assert_int_equal(settle(world, &ask, &world->record, NULL)->need_kib, 5 * GIB);
    assert_int_equal(world->request.restart, RESTART_NONE);
    world->record.stop_usec = 999;
    assert_int_equal(settle(world, &ask, &world->record, NULL)->need_kib, GIB);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_libvirt_hands_over_is_what_starts),
        TEST(a_start_is_held_to_the_caps),
        TEST(only_the_element_may_be_one_that_was_good_before),
        TEST(element_that_is_gone_costs_all_memory_and_is_no_refusal),
        TEST(pool_memory_is_needed_of_the_pool_and_the_rest_in_full),
        TEST(what_is_touched_before_it_runs_is_needed_at_once),
        TEST(network_that_gave_it_a_host_device_gives_it_one_again),
        TEST(virtio_mem_is_needed_as_far_as_it_is_asked_for),
        TEST(guest_is_started_with_what_it_needs_for_itself),
        TEST(managed_save_brings_what_is_in_its_file),
        TEST(start_that_touches_all_its_memory_is_no_restart_however_soon),
        TEST(snapshot_of_a_running_guest_brings_what_it_had_then),
        TEST(snapshot_of_a_transient_guest_brings_what_it_had_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
