/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must be booked for a balloon while it is not certain what it was told. */
#include "cmocka_all.h"

#include "error.h"
#include "units.h"
#include "watch/guest_xml.h"
#include "watch/target.h"

#define UUID "11111111-1111-1111-1111-111111111111"

static unsigned done, failed;

static void
on_done(void *user_data, const char *uuid, uint64_t target_kib, const GError *error)
{
    done++;
    failed += error != NULL;
}

static GuestRecord
show(const TargetBook *book, uint64_t actual_kib)
{
    GuestRecord record = {.report = {.fields = actual_kib != 0 ? REPORT_ACTUAL : 0, .actual_kib = actual_kib}};

    target_book_show(book, &record);
    return record;
}

static GError *
some_error(void)
{
    return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_FAILED, "no");
}

static int
setup(void **state)
{
    done = failed = 0;
    return 0;
}

static void
larger_of_old_and_new_is_booked_under_way(void **state)
{
    TargetBook book = {.known = true, .kib = 500};
    uint64_t kib;

    target_book_wish(&book, UUID, 300, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    assert_int_equal(kib, 300);
    assert_int_equal(show(&book, 0).target_kib, 500);
    assert_true(show(&book, 0).target_pending);
    target_book_end(&book, UUID, TARGET_TAKEN, 0, NULL);
    assert_int_equal(show(&book, 0).target_kib, 300);
    assert_true(show(&book, 0).target_known);
    assert_false(show(&book, 0).target_pending);
    target_book_wish(&book, UUID, 800, on_done, NULL);
    assert_int_equal(show(&book, 0).target_kib, 800);
    assert_int_equal(done, 1);
}

static void
actual_is_booked_where_the_old_target_is_unknown(void **state)
{
    TargetBook book = {0};

    target_book_wish(&book, UUID, 300, on_done, NULL);
    assert_int_equal(show(&book, 700).target_kib, 700);
    assert_int_equal(show(&book, 0).target_kib, 300);
    assert_false(show(&book, 0).target_known);
}

static void
failure_leaves_the_old_target(void **state)
{
    TargetBook book = {.known = true, .kib = 500};
    g_autoptr(GError) error = some_error();
    uint64_t kib;

    target_book_wish(&book, UUID, 800, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    target_book_end(&book, UUID, TARGET_NOT_TAKEN, 0, error);
    assert_int_equal(show(&book, 0).target_kib, 500);
    assert_true(show(&book, 0).target_known);
    assert_int_equal(failed, 1);
}

static void
uncertain_end_books_the_larger_until_the_next(void **state)
{
    TargetBook book = {.known = true, .kib = 500};
    g_autoptr(GError) error = some_error();
    uint64_t kib;

    target_book_wish(&book, UUID, 300, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    target_book_end(&book, UUID, TARGET_UNCERTAIN, 900, error);
    assert_int_equal(show(&book, 0).target_kib, 500); /* not the actual: the old target was known */
    assert_false(show(&book, 0).target_known);
    target_book_wish(&book, UUID, 200, on_done, NULL);
    assert_int_equal(show(&book, 0).target_kib, 500);
    assert_true(target_book_send(&book, &kib));
    target_book_end(&book, UUID, TARGET_TAKEN, 0, NULL);
    assert_int_equal(show(&book, 0).target_kib, 200);
    assert_true(show(&book, 0).target_known);
}

static void
newest_wish_replaces_the_one_that_waits(void **state)
{
    TargetBook book = {.known = true, .kib = 500};
    uint64_t kib;

    target_book_wish(&book, UUID, 300, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    target_book_wish(&book, UUID, 900, on_done, NULL);
    assert_false(target_book_send(&book, &kib));
    assert_int_equal(show(&book, 0).target_kib, 900);
    target_book_wish(&book, UUID, 400, on_done, NULL);
    assert_int_equal(done, 1);
    assert_int_equal(failed, 1);
    assert_int_equal(show(&book, 0).target_kib, 500);
    target_book_end(&book, UUID, TARGET_TAKEN, 0, NULL);
    assert_true(target_book_send(&book, &kib));
    assert_int_equal(kib, 400);
    assert_int_equal(done, 2);
}

static void
late_call_is_told_once_and_stays_booked(void **state)
{
    TargetBook book = {.known = true, .kib = 500};
    g_autoptr(GError) error = some_error();
    uint64_t kib;

    target_book_wish(&book, UUID, 800, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    target_book_wish(&book, UUID, 600, on_done, NULL);
    target_book_give_up(&book, UUID, error);
    assert_int_equal(done, 2);
    assert_int_equal(failed, 2);
    assert_true(show(&book, 0).target_pending);
    assert_int_equal(show(&book, 0).target_kib, 800);
    target_book_end(&book, UUID, TARGET_TAKEN, 0, NULL);
    assert_int_equal(done, 2);
    assert_int_equal(show(&book, 0).target_kib, 800);
    assert_false(show(&book, 0).target_pending);
}

static void
new_process_knows_nothing_of_the_old_target(void **state)
{
    TargetBook book = {.known = true, .kib = 500};
    g_autoptr(GError) error = some_error();
    uint64_t kib;

    target_book_wish(&book, UUID, 800, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    target_book_restart(&book, UUID, error);
    assert_int_equal(failed, 1);
    assert_false(show(&book, 0).target_known);
    assert_int_equal(show(&book, 0).target_kib, 800); /* it may still reach the new one */
    target_book_end(&book, UUID, TARGET_UNCERTAIN, 0, error);
    assert_int_equal(show(&book, 0).target_kib, 800);
    assert_int_equal(done, 1);
}

/* What the balloon was told before is not known: nothing bounds it but a target that was taken. */
static void
only_a_target_that_was_taken_bounds_what_may_be_in_force(void **state)
{
    TargetBook book = {0};
    g_autoptr(GError) error = some_error();
    uint64_t kib;

    assert_false(show(&book, 700).target_bounded);
    target_book_wish(&book, UUID, 300, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    assert_false(show(&book, 700).target_bounded);
    target_book_end(&book, UUID, TARGET_UNCERTAIN, 700, error);
    assert_false(show(&book, 700).target_bounded);
    assert_int_equal(show(&book, 700).target_kib, 700);
    target_book_wish(&book, UUID, 400, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    target_book_end(&book, UUID, TARGET_NOT_TAKEN, 700, error);
    assert_false(show(&book, 700).target_bounded);
    target_book_wish(&book, UUID, 400, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    target_book_end(&book, UUID, TARGET_TAKEN, 700, NULL);
    assert_true(show(&book, 700).target_bounded);
    target_book_restart(&book, UUID, error);
    assert_false(show(&book, 700).target_bounded);
}

/* libvirtd was killed with a call under way: QEMU may have heard it. */
static void
unknown_fate_is_booked_until_a_later_call_is_taken(void **state)
{
    TargetBook book = {.known = true, .kib = 500};
    g_autoptr(GError) error = some_error();
    uint64_t kib;

    target_book_wish(&book, UUID, 800, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    target_book_wish(&book, UUID, 600, on_done, NULL);
    target_book_give_up(&book, UUID, error); /* the connection is gone */
    target_book_end(&book, UUID, TARGET_UNCERTAIN, 0, error);
    assert_int_equal(show(&book, 0).target_kib, 800);
    assert_true(show(&book, 0).target_bounded);
    assert_false(show(&book, 0).target_known);
    target_book_wish(&book, UUID, 300, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    target_book_end(&book, UUID, TARGET_NOT_TAKEN, 0, error);
    assert_int_equal(show(&book, 0).target_kib, 800);
    target_book_wish(&book, UUID, 300, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    assert_int_equal(show(&book, 0).target_kib, 800);
    target_book_end(&book, UUID, TARGET_TAKEN, 0, NULL);
    assert_int_equal(show(&book, 0).target_kib, 300);
    assert_true(show(&book, 0).target_known);
}

/* A balloon told to leave 138 of 512 takes 374, and goes on to do so when there are 768. */
static void
plugged_memory_raises_what_was_told(void **state)
{
    TargetBook book = {.known = true, .kib = 138};
    uint64_t kib;

    target_book_grow(&book, 512, 768);
    assert_int_equal(show(&book, 0).target_kib, 394);
    assert_false(show(&book, 0).target_known);
    assert_true(show(&book, 0).target_bounded);

    book = (TargetBook){.known = true, .kib = 200};
    target_book_wish(&book, UUID, 138, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    target_book_grow(&book, 512, 768);
    assert_int_equal(show(&book, 0).target_kib, 456);
    target_book_end(&book, UUID, TARGET_TAKEN, 0, NULL); /* before, or after? */
    assert_int_equal(show(&book, 0).target_kib, 394);
    assert_false(show(&book, 0).target_known);
    target_book_wish(&book, UUID, 138, on_done, NULL);
    assert_true(target_book_send(&book, &kib));
    target_book_end(&book, UUID, TARGET_TAKEN, 0, NULL);
    assert_int_equal(show(&book, 0).target_kib, 138);
    assert_true(show(&book, 0).target_known);

    target_book_grow(&book, 768, 512); /* pulled out: less is left, and must be told anew */
    assert_int_equal(show(&book, 0).target_kib, 138);
    assert_false(show(&book, 0).target_known);
    target_book_grow(&book, 0, UINT64_MAX);
    assert_true(show(&book, 0).target_kib == UINT64_MAX);
}

static char *
memory_xml(unsigned hard_limit_kib, unsigned requested_kib, unsigned current_kib)
{
    return g_strdup_printf("<domain type='kvm' id='1'>\n  <memory unit='KiB'>8388608</memory>\n"
                           "  <currentMemory unit='KiB'>%u</currentMemory>\n  <memtune>\n"
                           "    <hard_limit unit='KiB'>%u</hard_limit>\n  </memtune>\n  <devices>\n"
                           "    <memory model='virtio-mem'>\n      <target>\n        <size unit='KiB'>4194304</size>\n"
                           "        <requested unit='KiB'>%u</requested>\n        <current unit='KiB'>%u</current>\n"
                           "      </target>\n    </memory>\n  </devices>\n</domain>\n",
                           current_kib + 1, hard_limit_kib, requested_kib, current_kib);
}

static void
live_xml_is_another_with_its_memory_devices_and_limits(void **state)
{
    g_autofree char *xml = memory_xml(10, 2048, 0), *same = memory_xml(10, 2048, 0), *limit = memory_xml(11, 2048, 0),
                    *asked = memory_xml(10, 4096, 0), *plugged = memory_xml(10, 2048, 2048);

    assert_true(guest_xml_is_same(xml, same));
    assert_false(guest_xml_is_same(xml, limit));
    assert_false(guest_xml_is_same(xml, asked));
    assert_false(guest_xml_is_same(xml, plugged));
    assert_true(guest_xml_has_virtio_mem(xml));
    assert_false(guest_xml_has_virtio_mem("<domain><memory model='dimm'/></domain>"));
    assert_false(guest_xml_has_virtio_mem(NULL));
}

static void
balloon_knows_of_dimms_and_of_no_other_devices(void **state)
{
    g_autofree char *xml = memory_xml(10, 2048, 0);

    assert_int_equal(guest_xml_balloon_base_kib(xml), 4194304); /* of 8388608, the device's 4194304 included */
    assert_int_equal(guest_xml_balloon_base_kib("<domain><memory unit='KiB'>768</memory><devices><memory model='dimm'>"
                                                "<target><size unit='KiB'>256</size></target></memory>"
                                                "<memory model='nvdimm'><target><size unit='KiB'>100</size></target>"
                                                "</memory></devices></domain>"),
                     668);
    assert_int_equal(guest_xml_balloon_base_kib(NULL), 0);
    assert_int_equal(guest_xml_balloon_base_kib("<domain><devices><memory>7</memory></devices></domain>"), 0);
}

static void
live_xml_is_the_same_but_for_what_changes_by_itself(void **state)
{
    const char *xml = "<domain type='kvm' id='1'>\n  <currentMemory unit='KiB'>1</currentMemory>\n"
                      "  <vcpu>1</vcpu>\n  <memballoon>\n    <stats period='5'/>\n  </memballoon>\n</domain>\n";

    assert_true(guest_xml_is_same(xml, xml));
    assert_true(guest_xml_is_same(xml, "<domain type='kvm' id='1'>\n  <currentMemory unit='KiB'>22</currentMemory>\n"
                                       "  <vcpu>1</vcpu>\n  <memballoon>\n  </memballoon>\n</domain>\n"));
    assert_false(guest_xml_is_same(xml, "<domain type='kvm' id='1'>\n  <currentMemory unit='KiB'>1</currentMemory>\n"
                                        "  <vcpu>2</vcpu>\n  <memballoon>\n  </memballoon>\n</domain>\n"));
    assert_false(guest_xml_is_same(xml, "<domain type='kvm' id='1'>\n"));
    assert_false(guest_xml_is_same("", xml));
    assert_true(guest_xml_is_same("", ""));
    assert_true(guest_xml_is_same("  <target type='virtio' name='agent' state='connected'/>\n",
                                  "  <target type='virtio' name='agent' state='disconnected'/>\n"));
}

static void
period_is_that_of_the_balloon(void **state)
{
    assert_int_equal(guest_xml_period(NULL), 0);
    assert_int_equal(guest_xml_period("nonsense"), 0);
    assert_int_equal(guest_xml_period("<domain><devices><memballoon model='virtio'/></devices></domain>"), 0);
    assert_int_equal(guest_xml_period("<domain><metadata><stats period='9'/></metadata><devices>"
                                      "<memballoon model='virtio'><stats period='7'/></memballoon></devices></domain>"),
                     7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(larger_of_old_and_new_is_booked_under_way, setup),
        cmocka_unit_test_setup(actual_is_booked_where_the_old_target_is_unknown, setup),
        cmocka_unit_test_setup(failure_leaves_the_old_target, setup),
        cmocka_unit_test_setup(uncertain_end_books_the_larger_until_the_next, setup),
        cmocka_unit_test_setup(newest_wish_replaces_the_one_that_waits, setup),
        cmocka_unit_test_setup(late_call_is_told_once_and_stays_booked, setup),
        cmocka_unit_test_setup(new_process_knows_nothing_of_the_old_target, setup),
        cmocka_unit_test_setup(only_a_target_that_was_taken_bounds_what_may_be_in_force, setup),
        cmocka_unit_test_setup(unknown_fate_is_booked_until_a_later_call_is_taken, setup),
        cmocka_unit_test_setup(plugged_memory_raises_what_was_told, setup),
        cmocka_unit_test(live_xml_is_another_with_its_memory_devices_and_limits),
        cmocka_unit_test(balloon_knows_of_dimms_and_of_no_other_devices),
        cmocka_unit_test(live_xml_is_the_same_but_for_what_changes_by_itself),
        cmocka_unit_test(period_is_that_of_the_balloon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
