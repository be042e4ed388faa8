/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The book of starts: what a start asks for, who waits, and that everybody is answered once. */

#include "start_book_fixture.h"

static void
a_start_needs_what_its_xml_says(void **state)
{
    World *world = *state;

    assert_true(ask(world, A, true, 0));
    look(world);
    assert_int_equal(world->count, 1);
    assert_string_equal(world->requests[0]->name, "web");
    assert_int_equal(world->requests[0]->need_kib, 512 * KIB_PER_MIB);
    assert_int_equal(world->requests[0]->settings.priority, 70);
    assert_false(world->requests[0]->forced);
    assert_true(world->requests[0]->waiting);
    assert_int_equal(world->requests[0]->restart, RESTART_NONE);
    assert_int_equal(world->requests[0]->deadline_usec, world->now_usec + world->settings->admission_timeout_usec);
}

static void
a_guest_with_memory_needs_what_it_comes_with(void **state)
{
    World *world = *state;

    assert_true(ask_with(world, &(StartAsk){.uuid = A, .kind = START_RESTORE, .hook = true}, ELEMENT, NULL, 0));
    assert_true(ask_with(world, &(StartAsk){.uuid = B, .kind = START_MIGRATION, .hook = true}, "", NULL, 1));
    look(world);
    assert_int_equal(world->requests[0]->need_kib, 1024 * KIB_PER_MIB);
    assert_int_equal(world->requests[1]->need_kib, 2048 * KIB_PER_MIB); /* nobody may take any of it */
}

static void
who_is_not_managed_is_never_refused(void **state)
{
    World *world = *state;

    assert_true(ask_with(world, &(StartAsk){.uuid = A, .hook = true}, "", NULL, 0));
    look(world);
    assert_true(world->requests[0]->forced);
    assert_int_equal(world->requests[0]->need_kib, 2048 * KIB_PER_MIB);
}

static void
who_migrates_here_is_refused_only_where_that_is_set(void **state)
{
    World *world = *state;

    assert_true(ask_with(world, &(StartAsk){.uuid = A, .kind = START_MIGRATION, .hook = true}, ELEMENT, NULL, 0));
    world->settings->admission_refuse_migration = true;
    assert_true(ask_with(world, &(StartAsk){.uuid = B, .kind = START_MIGRATION, .hook = true}, ELEMENT, NULL, 1));
    look(world);
    assert_true(world->requests[0]->forced);
    assert_false(world->requests[1]->forced);
    /* "prepare" comes after "migrate", and asks for the same start */
    assert_true(ask_with(world, &(StartAsk){.uuid = A, .kind = START_BOOT, .hook = true}, ELEMENT, NULL, 2));
    look(world);
    assert_false(world->requests[0]->forced);
    world->settings->admission_refuse_migration = false;
    assert_true(ask_with(world, &(StartAsk){.uuid = A, .kind = START_BOOT, .hook = true}, ELEMENT, NULL, 3));
    look(world);
    assert_true(world->requests[0]->forced);
}

static void
what_is_restored_may_be_refused(void **state)
{
    World *world = *state;

    assert_true(ask_with(world, &(StartAsk){.uuid = A, .kind = START_RESTORE, .hook = true}, ELEMENT, NULL, 0));
    look(world);
    assert_false(world->requests[0]->forced);
}

static void
without_admission_nobody_is_refused(void **state)
{
    World *world = *state;

    world->settings->admission_enabled = false;
    ask(world, A, true, 0);
    look(world);
    assert_true(world->requests[0]->forced);
}

static void
what_makes_no_sense_is_answered_at_once(void **state)
{
    World *world = *state;
    const GuestRecord running = {.uuid = A, .name = (char *)"web", .life = GUEST_LIFE_RUNNING};

    assert_false(start_book_ask(world->book, &(StartAsk){.uuid = A, .xml = "<no domain"}, NULL, NULL, world->settings,
                                world->now_usec, answered, &world->answers[0]));
    assert_false(start_book_ask(world->book, &(StartAsk){.uuid = A}, NULL, NULL, world->settings, world->now_usec,
                                answered, &world->answers[1]));
    assert_false(ask_with(world, &(StartAsk){.uuid = A}, ELEMENT, &running, 2));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(world->answers[i].calls, 1);
        assert_false(world->answers[i].granted);
    }
    look(world);
    assert_int_equal(world->count, 0);
    assert_string_equal(world->moments->str, "");
}

static void
everybody_who_asks_for_a_guest_gets_its_answer_once(void **state)
{
    World *world = *state;

    ask(world, A, false, 0);
    ask(world, A, true, 1);
    ask(world, A, true, 3); /* once more, as the bus was away */
    settle(world, START_WAITS, 0);
    assert_int_equal(world->answers[0].calls + world->answers[1].calls + world->answers[3].calls, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(world->answers[i].calls, 1);
        assert_true(world->answers[i].granted);
    }
    assert_int_equal(world->answers[3].calls, 1);
    assert_string_equal(world->moments->str, "waits A, answered A");
    /* the hook of a start that dm-ctl has reserved for */
    assert_false(ask(world, A, true, 2));
    assert_int_equal(world->answers[2].calls, 1);
    assert_true(world->answers[2].granted);
    look(world);
    assert_int_equal(world->requests[0]->booked_kib, 512 * KIB_PER_MIB);
    assert_false(world->requests[0]->waiting);
}

static void
who_is_refused_is_out(void **state)
{
    World *world = *state;

    ask(world, A, true, 0);
    look(world);
    settle(world, START_REFUSED, 0);
    assert_int_equal(world->answers[0].calls, 1);
    assert_false(world->answers[0].granted);
    assert_string_equal(world->moments->str, "waits A, answered A");
    look(world);
    assert_int_equal(world->count, 0);
}

static void
what_brings_more_than_was_asked_for_waits_for_the_rest(void **state)
{
    World *world = *state;

    /* dm-ctl start knows of no file that libvirt has, and asks for startup */
    ask_with(world, &(StartAsk){.uuid = A, .owner = ":1.5"}, ELEMENT, NULL, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    world->now_usec += SECOND;
    assert_true(hook_asks(world, START_RESTORE, "1536", NULL, 1));
    settle(world, START_WAITS, 0);
    look(world);
    assert_int_equal(world->count, 1);
    assert_true(world->requests[0]->waiting);
    assert_int_equal(world->requests[0]->kind, START_RESTORE);
    assert_int_equal(world->requests[0]->need_kib, 1536 * KIB_PER_MIB);
    assert_int_equal(world->requests[0]->booked_kib, 512 * KIB_PER_MIB); /* meanwhile */
    assert_int_equal(world->requests[0]->deadline_usec, world->now_usec + world->settings->admission_timeout_usec);
    assert_int_equal(world->answers[1].calls, 0);
    settle(world, START_ADMITTED, 1536 * KIB_PER_MIB);
    assert_int_equal(world->answers[0].calls, 1);
    assert_true(world->answers[0].granted);
    assert_int_equal(world->answers[1].calls, 1);
    assert_true(world->answers[1].granted);
    /* "prepare" of the same start: no boot, and nothing more to find */
    assert_false(hook_asks(world, START_BOOT, "1536", NULL, 2));
    assert_true(world->answers[2].granted);
    look(world);
    assert_int_equal(world->requests[0]->kind, START_RESTORE);
    assert_int_equal(world->requests[0]->need_kib, 1536 * KIB_PER_MIB);
    assert_int_equal(world->requests[0]->booked_kib, 1536 * KIB_PER_MIB);
    assert_string_equal(world->moments->str, "waits A, answered A");
}

static void
what_needs_no_more_than_is_booked_is_answered_at_once(void **state)
{
    World *world = *state;

    ask_with(world, &(StartAsk){.uuid = A, .kind = START_RESTORE}, ELEMENT, NULL, 0);
    settle(world, START_ADMITTED, 1024 * KIB_PER_MIB);
    assert_false(hook_asks(world, START_BOOT, "1024", NULL, 1)); /* the file was of no use: it boots */
    assert_true(world->answers[1].granted);
    look(world);
    assert_int_equal(world->requests[0]->kind, START_BOOT);
    assert_int_equal(world->requests[0]->need_kib, 512 * KIB_PER_MIB);
    assert_false(world->requests[0]->waiting);
}

static void
request_that_waits_asks_for_what_really_starts(void **state)
{
    World *world = *state;

    ask(world, A, false, 0);
    settle(world, START_WAITS, 0);
    world->now_usec += SECOND;
    assert_true(hook_asks(world, START_RESTORE, "1536", NULL, 1));
    look(world);
    assert_int_equal(world->requests[0]->need_kib, 1536 * KIB_PER_MIB);
    assert_int_equal(world->requests[0]->asked_usec, world->now_usec - SECOND); /* it has waited already */
    assert_int_equal(world->requests[0]->deadline_usec,
                     world->now_usec - SECOND + world->settings->admission_timeout_usec);
    settle(world, START_ADMITTED, 1536 * KIB_PER_MIB);
    assert_int_equal(world->answers[0].calls + world->answers[1].calls, 2);
}

static void
restart_that_was_admitted_with_less_does_not_wait_again(void **state)
{
    World *world = *state;
    GuestRecord off = {.uuid = A, .serial = 1, .name = (char *)"web", .stop_usec = world->now_usec};

    ask_with(world, &(StartAsk){.uuid = A, .owner = ":1.5"}, ELEMENT, &off, 0);
    settle(world, START_ADMITTED, 300 * KIB_PER_MIB); /* the rest comes from a paging file */
    world->now_usec += 200 * SECOND;
    assert_false(hook_asks(world, START_BOOT, "1024", &off, 1));
    assert_true(world->answers[1].granted);
    look(world);
    assert_int_equal(world->requests[0]->restart, RESTART_SOON); /* as it was when it was asked for */
    assert_int_equal(world->requests[0]->booked_kib, 300 * KIB_PER_MIB);
}

/* It stopped a moment ago, and boots, or so it was asked for: what libvirt restores has its memory with it, and needs no file. */
static void
restart_that_turns_out_to_be_a_restore_is_none(void **state)
{
    World *world = *state;
    GuestRecord off = {.uuid = A, .serial = 1, .name = (char *)"web", .stop_usec = world->now_usec};

    ask_with(world, &(StartAsk){.uuid = A}, ELEMENT, &off, 0);
    look(world);
    assert_int_equal(world->requests[0]->restart, RESTART_SOON);
    hook_asks(world, START_RESTORE, "1024", &off, 1);
    look(world);
    assert_int_equal(world->requests[0]->kind, START_RESTORE);
    assert_int_equal(world->requests[0]->restart, RESTART_NONE);
}

/* ... and before that whoever asks for it says what is to start. */
static void
what_starts_is_what_libvirt_says_once_it_has_begun(void **state)
{
    World *world = *state;
    const StartAsk by_hand = {.uuid = A};

    ask_with(world, &by_hand, ELEMENT, NULL, 0);
    ask_with(world, &by_hand, "", NULL, 1);
    look(world);
    assert_int_equal(world->requests[0]->need_kib, 2048 * KIB_PER_MIB);
    world->run = 7;
    hook_asks(world, START_RESTORE, "1536", NULL, 2);
    settle(world, START_ADMITTED, 1536 * KIB_PER_MIB);
    hook_asks(world, START_BOOT, "1536", NULL, 3); /* "prepare" of run 7 */
    assert_false(ask_with(world, &by_hand, "", NULL, 4));
    assert_true(world->answers[4].granted);
    look(world);
    assert_int_equal(world->requests[0]->kind, START_RESTORE);
    assert_int_equal(world->requests[0]->need_kib, 1536 * KIB_PER_MIB);
    assert_int_equal(world->requests[0]->booked_kib, 1536 * KIB_PER_MIB);
}

static void
what_can_not_be_read_changes_nothing(void **state)
{
    World *world = *state;

    ask(world, A, true, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    assert_false(start_book_ask(world->book, &(StartAsk){.uuid = A, .hook = true, .xml = "<no domain"}, NULL, NULL,
                                world->settings, world->now_usec, answered, &world->answers[1]));
    assert_true(world->answers[1].granted);
    look(world);
    assert_string_equal(world->requests[0]->name, "web");
    assert_int_equal(world->requests[0]->need_kib, 512 * KIB_PER_MIB);
    assert_int_equal(world->requests[0]->settings.maximum_kib, 2048 * KIB_PER_MIB);
}

/* It needs less, and before anything was done about that as much as before. */
static void
what_is_booked_still_is_not_waited_for(void **state)
{
    World *world = *state;

    ask_with(world, &(StartAsk){.uuid = A, .kind = START_RESTORE}, ELEMENT, NULL, 0);
    settle(world, START_ADMITTED, 1024 * KIB_PER_MIB);
    assert_false(hook_asks(world, START_BOOT, "1024", NULL, 1));
    assert_false(hook_asks(world, START_RESTORE, "1024", NULL, 2));
    assert_true(world->answers[2].granted);
}

static bool
hook_asks_with_backing(World *world, const char *backing, unsigned answer)
{
    g_autofree char *xml =
        g_strdup_printf("<domain type='kvm'><name>web</name><memory unit='MiB'>2048</memory><vcpu>1</vcpu>"
                        "<memoryBacking>%s</memoryBacking></domain>",
                        backing);

    return start_book_ask(world->book, &(StartAsk){.uuid = A, .hook = true, .xml = xml}, NULL, NULL, world->settings,
                          world->now_usec, answered, &world->answers[answer]);
}

/* Nothing is booked for it of the pool: others may have been promised those pages meanwhile. */
static void
what_asks_for_more_huge_pages_than_it_was_let_in_with_waits_for_them(void **state)
{
    static const char *const huge = "<hugepages><page size='2048' unit='KiB'/></hugepages>";
    World *world = *state;

    hook_asks_with_backing(world, "", 0);
    settle(world, START_ADMITTED, 2048 * KIB_PER_MIB);
    assert_true(hook_asks_with_backing(world, huge, 1));
    look(world);
    assert_true(world->requests[0]->waiting);
    assert_int_equal(world->requests[0]->pool_kib, 2048 * KIB_PER_MIB);
    settle(world, START_ADMITTED, 0);
    assert_false(hook_asks_with_backing(world, huge, 2));
}

static void
a_start_soon_after_a_stop_is_a_restart(void **state)
{
    World *world = *state;
    GuestRecord off = {.uuid = A, .name = (char *)"web", .life = GUEST_LIFE_OFF, .stop_usec = 0};

    off.stop_usec = world->now_usec - world->settings->restart_window_usec;
    ask_with(world, &(StartAsk){.uuid = A, .hook = true}, ELEMENT, &off, 0);
    look(world);
    assert_int_equal(world->requests[0]->restart, RESTART_SOON);
    start_book_release(world->book, A, "");
    off.stop_usec--;
    ask_with(world, &(StartAsk){.uuid = A, .hook = true}, ELEMENT, &off, 1);
    look(world);
    assert_int_equal(world->requests[0]->restart, RESTART_NONE);
    start_book_release(world->book, A, "");
    off.stop_usec = world->now_usec;
    ask_with(world, &(StartAsk){.uuid = A, .kind = START_RESTORE, .hook = true}, ELEMENT, &off, 2);
    look(world);
    assert_int_equal(world->requests[0]->restart, RESTART_NONE);
}

static void
a_guest_that_ran_before_the_host_went_down_restarts(void **state)
{
    World *world = *state;

    /* libvirt is not there yet: only what was kept tells */
    keep_set(world->keep, KEEP_RAN_BEFORE, A, "web");
    world->link = WORLD_LINK_DOWN;
    ask(world, A, true, 0);
    ask(world, B, true, 1);
    look(world);
    assert_int_equal(world->requests[0]->restart, RESTART_HOST);
    assert_int_equal(world->requests[1]->restart, RESTART_NONE);
}

static void
new_daemon_waits_for_those_it_knows_to_run(void **state)
{
    World *world = *state;

    world->link = WORLD_LINK_DOWN;
    keep_set(world->keep, KEEP_RUNNING, B, "db");
    ask(world, A, true, 0);
    look(world);
    assert_int_equal(world->count, 0);
    world->link = WORLD_LINK_READ_WRITE;
    look(world);
    assert_int_equal(world->count, 1);
    /* once they were known, what is remembered of them is good enough */
    world->link = WORLD_LINK_DOWN;
    look(world);
    assert_int_equal(world->count, 1);
}

static void
new_daemon_waits_no_longer_than_half_the_time(void **state)
{
    World *world = *state;

    world->link = WORLD_LINK_DOWN;
    keep_set(world->keep, KEEP_RUNNING, B, "db");
    ask(world, A, true, 0);
    world->now_usec += world->settings->admission_timeout_usec / 2 - 1;
    look(world);
    assert_int_equal(world->count, 0);
    world->now_usec += 1;
    look(world);
    assert_int_equal(world->count, 1);
}

static void
host_that_boots_is_answered_without_libvirt(void **state)
{
    World *world = *state;

    world->link = WORLD_LINK_DOWN;
    ask(world, A, true, 0);
    look(world);
    assert_int_equal(world->count, 1);
}

/* ---- booked ahead ---- */

#define CLUSTER "cluster"

static bool
ask_ahead(World *world, uint64_t brings_mib, unsigned answer)
{
    const StartAhead ahead = {.name = "web",
                              .maximum_kib = 2048 * KIB_PER_MIB,
                              .brings_kib = brings_mib * KIB_PER_MIB,
                              .overhead_kib = 100 * KIB_PER_MIB};

    return start_book_ask(world->book,
                          &(StartAsk){.uuid = A, .kind = START_MIGRATION, .owner = CLUSTER, .ahead = &ahead}, NULL,
                          NULL, world->settings, world->now_usec, answered, &world->answers[answer]);
}

static bool
hook_arrives(World *world, unsigned answer)
{
    return ask_with(world, &(StartAsk){.uuid = A, .kind = START_MIGRATION, .hook = true}, ELEMENT, NULL, answer);
}

static void
what_is_booked_ahead_is_never_forced_and_takes_from_nobody_in_need(void **state)
{
    World *world = *state;

    assert_true(ask_ahead(world, 1024, 0));
    look(world);
    assert_true(world->requests[0]->ahead);
    assert_false(world->requests[0]->forced);
    assert_int_equal(world->requests[0]->settings.priority, 0);
    assert_int_equal(world->requests[0]->need_kib, 1124 * KIB_PER_MIB);
    assert_int_equal(start_book_progress(world->book, A), START_PROGRESS_WAITS);
    settle(world, START_REFUSED, 0);
    assert_int_equal(start_book_progress(world->book, A), START_PROGRESS_NONE);
    assert_int_equal(world->answers[0].calls, 1);
    assert_false(world->answers[0].granted);
}

static void
hook_of_what_is_booked_ahead_is_answered_at_once(void **state)
{
    World *world = *state;

    ask_ahead(world, 1024, 0);
    settle(world, START_ADMITTED, 1124 * KIB_PER_MIB);
    assert_int_equal(start_book_progress(world->book, A), START_PROGRESS_HELD);
    assert_false(hook_arrives(world, 1));
    assert_int_equal(world->answers[1].calls, 1);
    assert_true(world->answers[1].granted);
    assert_int_equal(start_book_progress(world->book, A), START_PROGRESS_BEGUN);
    look(world);
    assert_false(world->requests[0]->ahead);
    assert_int_equal(world->requests[0]->settings.priority, 70);
    /* it goes on, whatever the cluster says */
    start_book_drop_owner(world->book, CLUSTER);
    assert_false(start_book_release(world->book, A, ""));
    assert_int_equal(start_book_progress(world->book, A), START_PROGRESS_BEGUN);
}

static void
hook_that_brings_more_than_is_booked_ahead_is_let_in_all_the_same(void **state)
{
    World *world = *state;

    ask_ahead(world, 512, 0);
    settle(world, START_ADMITTED, 612 * KIB_PER_MIB);
    assert_true(hook_arrives(world, 1));
    look(world);
    assert_true(world->requests[0]->waiting);
    assert_true(world->requests[0]->forced);
    assert_int_equal(world->requests[0]->booked_kib, 612 * KIB_PER_MIB);
}

static void
what_is_booked_ahead_lapses_unless_it_is_asked_for_again(void **state)
{
    World *world = *state;

    ask_ahead(world, 1024, 0);
    settle(world, START_ADMITTED, 1124 * KIB_PER_MIB);
    world->now_usec += 50 * SECOND;
    assert_false(ask_ahead(world, 1024, 1));
    world->now_usec += 59 * SECOND;
    look(world);
    assert_int_equal(start_book_progress(world->book, A), START_PROGRESS_HELD);
    world->now_usec += SECOND;
    look(world);
    assert_int_equal(start_book_progress(world->book, A), START_PROGRESS_NONE);
    /* and at once where the cluster is gone */
    ask_ahead(world, 1024, 2);
    start_book_drop_owner(world->book, CLUSTER);
    assert_int_equal(start_book_progress(world->book, A), START_PROGRESS_NONE);
}

static void
next_daemon_goes_on_with_what_is_booked_ahead(void **state)
{
    World *world = *state;

    ask_ahead(world, 1024, 0);
    settle(world, START_ADMITTED, 1124 * KIB_PER_MIB);
    start_book_free(world->book);
    open_book(world);
    look(world);
    assert_int_equal(start_book_progress(world->book, A), START_PROGRESS_HELD);
    assert_false(ask_ahead(world, 1024, 1));
    assert_true(world->answers[1].granted);
    start_book_drop_owner(world->book, CLUSTER);
    assert_int_equal(start_book_progress(world->book, A), START_PROGRESS_NONE);
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_start_needs_what_its_xml_says),
        TEST(a_guest_with_memory_needs_what_it_comes_with),
        TEST(who_is_not_managed_is_never_refused),
        TEST(who_migrates_here_is_refused_only_where_that_is_set),
        TEST(what_is_restored_may_be_refused),
        TEST(without_admission_nobody_is_refused),
        TEST(what_makes_no_sense_is_answered_at_once),
        TEST(everybody_who_asks_for_a_guest_gets_its_answer_once),
        TEST(who_is_refused_is_out),
        TEST(what_brings_more_than_was_asked_for_waits_for_the_rest),
        TEST(what_needs_no_more_than_is_booked_is_answered_at_once),
        TEST(request_that_waits_asks_for_what_really_starts),
        TEST(restart_that_was_admitted_with_less_does_not_wait_again),
        TEST(restart_that_turns_out_to_be_a_restore_is_none),
        TEST(what_starts_is_what_libvirt_says_once_it_has_begun),
        TEST(what_can_not_be_read_changes_nothing),
        TEST(what_is_booked_still_is_not_waited_for),
        TEST(what_asks_for_more_huge_pages_than_it_was_let_in_with_waits_for_them),
        TEST(a_start_soon_after_a_stop_is_a_restart),
        TEST(a_guest_that_ran_before_the_host_went_down_restarts),
        TEST(new_daemon_waits_for_those_it_knows_to_run),
        TEST(new_daemon_waits_no_longer_than_half_the_time),
        TEST(host_that_boots_is_answered_without_libvirt),
        TEST(what_is_booked_ahead_is_never_forced_and_takes_from_nobody_in_need),
        TEST(hook_of_what_is_booked_ahead_is_answered_at_once),
        TEST(hook_that_brings_more_than_is_booked_ahead_is_let_in_all_the_same),
        TEST(what_is_booked_ahead_lapses_unless_it_is_asked_for_again),
        TEST(next_daemon_goes_on_with_what_is_booked_ahead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
