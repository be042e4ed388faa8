/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The book of starts: until when a start is in it, also beyond the daemon that has admitted it. */

#include "start_book_fixture.h"

/* A is known, in that state, by a run that began three seconds after the host; libvirt asks for its start, and it is let in. */
static void
admit_known(World *world, GuestLife life)
{
    world->records[0] =
        (GuestRecord){.uuid = A, .serial = 7, .name = (char *)"web", .life = life, .boots = 1, .boot_usec = 3 * SECOND};
    world->record_count = 1;
    ask_with(world, &(StartAsk){.uuid = A, .hook = true}, ELEMENT, &world->records[0], 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
}

static void
an_admitted_start_ends_when_its_guest_runs(void **state)
{
    World *world = *state;

    admit_known(world, GUEST_LIFE_OFF);
    look(world);
    assert_int_equal(world->count, 1);
    world->records[0].life = GUEST_LIFE_RUNNING; /* the run before, whose end has not been seen */
    look(world);
    assert_int_equal(world->count, 1);
    world->records[0].boot_usec = 4 * SECOND;
    look(world);
    assert_int_equal(world->count, 0);
}

/* No hook tells of its end: what is read after libvirt said that it had started does, and nothing that is older. */
static void
an_admitted_start_ends_when_its_guest_has_run(void **state)
{
    World *world = *state;

    admit_known(world, GUEST_LIFE_OFF);
    world->records[0].boot_usec = 0; /* libvirt was met anew: of no run that this connection has seen */
    look(world);
    assert_int_equal(world->count, 1);
    world->records[0].boot_usec = world->now_usec + SECOND; /* the run before, of which was heard late */
    world->records[0].read_usec = world->now_usec + SECOND;
    look(world);
    assert_int_equal(world->count, 1);
    world->now_usec += 2 * SECOND;
    start_book_note(world->book, A, START_NOTE_STARTED, world->now_usec);
    look(world);
    assert_int_equal(world->count, 1);
    world->records[0].read_usec = world->now_usec + 1;
    look(world);
    assert_int_equal(world->count, 0);
}

/* It ran and stopped within a moment, and libvirt starts it again before the record of that run tells that it is over. */
static void
a_start_that_is_asked_for_again_has_not_begun_with_the_run_before(void **state)
{
    World *world = *state;
    GuestRecord *record = &world->records[0];

    *record = (GuestRecord){.uuid = A, .name = (char *)"web", .life = GUEST_LIFE_OFF, .boot_usec = 10 * SECOND};
    world->record_count = 1;
    hook_asks(world, START_BOOT, "1024", record, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    record->life = GUEST_LIFE_RUNNING;
    record->boot_usec = world->now_usec;
    hook_asks(world, START_BOOT, "1024", record, 1);
    look(world);
    assert_int_equal(world->count, 1);
    record->boot_usec = world->now_usec + SECOND;
    look(world);
    assert_int_equal(world->count, 0);
}

static void
an_admitted_start_that_does_not_come_ends(void **state)
{
    World *world = *state;

    ask(world, A, false, 0); /* nobody has begun it */
    ask(world, B, true, 1);  /* libvirt has */
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    world->now_usec += 59 * SECOND;
    look(world);
    assert_int_equal(world->count, 2);
    world->now_usec += 2 * SECOND;
    look(world);
    assert_int_equal(world->count, 1);
    assert_string_equal(world->requests[0]->uuid, B);
    world->now_usec += 300 * SECOND;
    look(world);
    assert_int_equal(world->count, 0);
}

static void
a_started_guest_is_waited_for_while_libvirt_is_away(void **state)
{
    World *world = *state;

    ask(world, A, true, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    start_book_note(world->book, A, START_NOTE_STARTED, world->now_usec);
    world->link = WORLD_LINK_DOWN;
    world->now_usec += 3600 * SECOND;
    look(world);
    assert_int_equal(world->count, 1);
    assert_string_equal(world->moments->str, "waits A, answered A, started A");
    start_book_note(world->book, A, START_NOTE_STOPPED, world->now_usec);
    look(world);
    assert_int_equal(world->count, 0);
}

static void
a_start_that_is_called_off_is_out(void **state)
{
    World *world = *state;

    ask(world, A, false, 0);
    assert_true(start_book_release(world->book, A, "called off"));
    assert_false(start_book_release(world->book, A, "called off"));
    assert_int_equal(world->answers[0].calls, 1);
    assert_false(world->answers[0].granted);
    /* libvirt says that a start has ended that waited: its hook was killed */
    ask(world, B, true, 1);
    start_book_note(world->book, B, START_NOTE_STOPPED, world->now_usec);
    assert_int_equal(world->answers[1].calls, 1);
    look(world);
    assert_int_equal(world->count, 0);
}

static void
what_an_owner_asked_for_goes_with_it(void **state)
{
    World *world = *state;

    ask_with(world, &(StartAsk){.uuid = A, .owner = ":1.5"}, ELEMENT, NULL, 0);
    ask_with(world, &(StartAsk){.uuid = B, .owner = ":1.5"}, ELEMENT, NULL, 1);
    settle(world, START_ADMITTED, 1024);
    start_book_note(world->book, B, START_NOTE_STARTED, world->now_usec);
    start_book_drop_owner(world->book, ":1.6");
    look(world);
    assert_int_equal(world->count, 2);
    start_book_drop_owner(world->book, ":1.5");
    look(world);
    assert_int_equal(world->count, 1); /* libvirt has started it */
    assert_string_equal(world->requests[0]->uuid, B);
}

static void
what_libvirt_has_begun_stays_whoever_goes(void **state)
{
    World *world = *state;

    ask_with(world, &(StartAsk){.uuid = A, .owner = ":1.5"}, ELEMENT, NULL, 0);
    ask_with(world, &(StartAsk){.uuid = B, .owner = ":1.5"}, ELEMENT, NULL, 1);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    look(world);
    assert_false(world->requests[0]->begun || world->requests[1]->begun);
    start_book_note(world->book, A, START_NOTE_HANDED, world->now_usec); /* by a call of the daemon */
    ask(world, B, true, 2);                                              /* its hook has asked */
    assert_true(world->requests[0]->begun && world->requests[1]->begun);
    start_book_drop_owner(world->book, ":1.5");
    assert_false(start_book_release(world->book, A, "called off"));
    assert_false(start_book_release(world->book, B, "called off"));
    look(world);
    assert_int_equal(world->count, 2);
    /* nobody but libvirt says that it has ended */
    start_book_note(world->book, A, START_NOTE_STOPPED, world->now_usec);
    start_book_note(world->book, B, START_NOTE_STOPPED, world->now_usec);
    look(world);
    assert_int_equal(world->count, 0);
}

static void
start_that_libvirt_has_begun_can_be_called_off_while_it_waits(void **state)
{
    World *world = *state;

    ask(world, A, true, 0);
    assert_true(start_book_release(world->book, A, "called off"));
    assert_int_equal(world->answers[0].calls, 1);
    assert_false(world->answers[0].granted); /* libvirt gives up */
}

static void
memory_that_takes_long_to_read_is_waited_for(void **state)
{
    World *world = *state;

    hook_asks(world, START_RESTORE, "2048", NULL, 0);
    settle(world, START_ADMITTED, 2048 * KIB_PER_MIB);
    world->now_usec += 360 * SECOND; /* of 2 GiB at 30 MiB/s a minute is reading */
    look(world);
    assert_int_equal(world->count, 1);
    world->now_usec += 60 * SECOND;
    look(world);
    assert_int_equal(world->count, 0);
}

static void
run_of_another_record_is_the_start(void **state)
{
    World *world = *state;

    /* a transient guest, destroyed and created: the new one's counters are as those of the old one */
    admit_known(world, GUEST_LIFE_RUNNING);
    look(world);
    assert_int_equal(world->count, 1);
    world->records[0].serial = 8;
    world->records[0].boot_usec = 4 * SECOND;
    look(world);
    assert_int_equal(world->count, 0);
}

/* ---- the next daemon ---- */

static void
what_libvirt_has_begun_is_known_to_the_next_daemon(void **state)
{
    World *world = *state;

    hook_asks(world, START_RESTORE, "1024", NULL, 0);
    settle(world, START_ADMITTED, 1024 * KIB_PER_MIB);
    start_book_free(world->book);
    open_book(world);
    look(world);
    assert_true(world->requests[0]->begun);
    assert_false(hook_asks(world, START_BOOT, "1024", NULL, 1)); /* "prepare" */
    assert_true(world->answers[1].granted);
    assert_false(start_book_release(world->book, A, "called off"));
    look(world);
    assert_int_equal(world->requests[0]->kind, START_RESTORE);
    assert_int_equal(world->requests[0]->need_kib, 1024 * KIB_PER_MIB);
}

/* Nobody was there to hear of the end of the one before. */
static void
boot_after_a_start_that_brought_memory_is_told_by_its_id(void **state)
{
    World *world = *state;

    hook_asks(world, START_MIGRATION, "1024", NULL, 0);
    settle(world, START_ADMITTED, 1024 * KIB_PER_MIB);
    world->run = 7;
    for (unsigned i = 1; i <= 2; i++) { /* its "prepare", which asks once more where the bus was away */
        assert_false(hook_asks(world, START_BOOT, "1024", NULL, i));
        look(world);
        assert_int_equal(world->requests[0]->kind, START_MIGRATION);
        start_book_free(world->book);
        open_book(world);
    }
    world->run = 8;
    assert_true(hook_asks(world, START_BOOT, "1024", NULL, 3)); /* it may be refused */
    look(world);
    assert_int_equal(world->count, 1);
    assert_int_equal(world->requests[0]->kind, START_BOOT);
    assert_false(world->requests[0]->forced);
    assert_int_equal(world->requests[0]->need_kib, 512 * KIB_PER_MIB);
    assert_int_equal(world->requests[0]->booked_kib, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    /* ... and what is restored after that is none, nor is that which comes again */
    for (unsigned i = 4; i < 6; i++) {
        assert_true(hook_asks(world, START_RESTORE, "1024", NULL, i));
        settle(world, START_ADMITTED, 1024 * KIB_PER_MIB);
        world->run++;
        assert_false(hook_asks(world, START_BOOT, "1024", NULL, 6));
        look(world);
        assert_int_equal(world->requests[0]->kind, START_RESTORE);
    }
}

static void
what_was_admitted_outlives_the_daemon(void **state)
{
    World *world = *state;

    ask(world, A, true, 0);
    settle(world, START_ADMITTED, 300 * KIB_PER_MIB);
    ask(world, B, true, 1); /* waits still */
    start_book_note(world->book, A, START_NOTE_STARTED, world->now_usec);
    start_book_free(world->book);
    world->started_usec = 0;
    world->now_usec += 6 * SECOND;
    assert_int_equal(world->answers[1].calls, 1);
    assert_string_equal(world->answers[1].reason, START_REASON_STOPPING);

    g_string_truncate(world->moments, 0);
    open_book(world);
    look(world);
    assert_int_equal(world->count, 1);
    assert_string_equal(world->requests[0]->uuid, A);
    assert_string_equal(world->requests[0]->name, "web");
    assert_int_equal(world->requests[0]->need_kib, 512 * KIB_PER_MIB);
    assert_int_equal(world->requests[0]->booked_kib, 300 * KIB_PER_MIB);
    assert_int_equal(world->requests[0]->settings.maximum_kib, 2048 * KIB_PER_MIB);
    assert_int_equal(world->requests[0]->settings.priority, 70);
    assert_string_equal(world->moments->str, "started A");
    assert_int_equal(world->started_usec, world->now_usec - 6 * SECOND);
    world->now_usec += 59 * SECOND;
    look(world);
    assert_int_equal(world->count, 1);
    world->now_usec += 2 * SECOND; /* a transient guest that has ended meanwhile has no record */
    look(world);
    assert_int_equal(world->count, 0);
}

static void
what_is_kept_and_senseless_is_dropped(void **state)
{
    /* the last but seven: not begun, begun, and, by older daemons, started */
    static const char *const good[] = {"0 0 0 1 1 1 1 1 0 0 0 0 0 0 0 web", "0 0 0 1 1 1 1 1 1 0 0 0 0 0 0 web",
                                       "0 0 0 1 1 1 1 1 2 0 0 0 1 0 0 web"};
    static const char *const texts[] = {"",
                                        "1",
                                        "0 0 0 1 1 1 1 1 0 web",
                                        "9 0 0 1 1 1 1 1 0 0 0 0 0 0 0 web",
                                        "0 0 0 1 1 1 1 1 9 0 0 0 0 0 0 web",
                                        "0 0 0 -1 1 1 1 1 0 0 0 0 0 0 0 web",
                                        "0 0 0 99999999999999999999 1 1 1 1 0 0 0 0 0 0 0 web"};
    World *world = *state;

    start_book_free(world->book);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        keep_set(world->keep, KEEP_STARTS, A, texts[i]);
        open_book(world);
        look(world);
        assert_int_equal(world->count, 0);
        start_book_free(world->book);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        keep_set(world->keep, KEEP_STARTS, A, good[i]);
        open_book(world);
        look(world);
        assert_int_equal(world->count, 1);
        assert_int_equal(world->requests[0]->begun, i > 0);
        if (i + 1 < G_N_ELEMENTS(good))
            start_book_free(world->book);
    }
}

/* The limits above it bound it under the next daemon as well. */
static void
a_kept_start_is_of_its_nodes_and_partition(void **state)
{
    static const char *const kept[] = {"%2Fmachine%2Fapart", "/machine/apart", "0", "5381"};
    World *world = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
        g_autofree char *line = g_strdup_printf("0 0 0 1 1 1 1 1 0 0 0 0 0 9223372036854775809 %s web one", kept[i]);

        start_book_free(world->book);
        keep_set(world->keep, KEEP_STARTS, A, line);
        open_book(world);
        look(world);
        assert_int_equal(world->count, 1);
        assert_true(world->requests[0]->settings.strict_nodes == UINT64_C(0x8000000000000001));
        assert_string_equal(world->requests[0]->name, "web one");
        if (i < 2)
            assert_string_equal(world->requests[0]->settings.partition, "/machine/apart");
        else
            assert_null(world->requests[0]->settings.partition);
        assert_int_equal(world->requests[0]->above.group[0].id, i < 2 ? 7 : 0);
    }
}

/* Admitted by one daemon and begun, and another one comes. */
static void
next_daemon(World *world, StartNote note)
{
    ask(world, A, false, 0);
    settle(world, START_ADMITTED, 1024);
    start_book_note(world->book, A, note, world->now_usec);
    start_book_free(world->book);
    open_book(world);
}

/* What was booked for it is what its run begins with: the ledger must hear of it. */
static void
a_start_that_was_kept_is_told_once_though_its_guest_runs_already(void **state)
{
    World *world = *state;

    next_daemon(world, START_NOTE_STARTED);
    world->records[0] = (GuestRecord){
        .uuid = A, .serial = 1, .name = (char *)"web", .life = GUEST_LIFE_RUNNING, .boot_usec = world->now_usec};
    world->records[0].read_usec = world->now_usec + 1;
    world->record_count = 1;
    look(world);
    assert_int_equal(world->count, 1);
    assert_int_equal(world->requests[0]->booked_kib, 1024);
    look(world);
    assert_int_equal(world->count, 0);
}

/* libvirt lets nobody look at a guest that it starts. */
static void
a_start_that_was_kept_has_ended_when_its_guest_is_seen_off(void **state)
{
    World *world = *state;

    next_daemon(world, START_NOTE_HANDED);
    world->records[0] = (GuestRecord){
        .uuid = A, .serial = 1, .name = (char *)"web", .life = GUEST_LIFE_OFF, .read_usec = world->now_usec};
    world->record_count = 1;
    world->link = WORLD_LINK_DOWN;
    look(world);
    assert_int_equal(world->count, 1);
    world->link = WORLD_LINK_READ_WRITE;
    look(world);
    assert_int_equal(world->count, 0);
}

/* libvirtd is killed while it starts a guest. What is known of that from before tells nothing, nor does it where libvirt lives. */
static void
a_start_has_ended_when_its_guest_is_seen_off_by_another_libvirt(void **state)
{
    World *world = *state;

    ask(world, A, true, 0);
    settle(world, START_ADMITTED, 1024);
    world->records[0] = (GuestRecord){.uuid = A, .serial = 1, .name = (char *)"web", .life = GUEST_LIFE_OFF};
    world->record_count = 1;
    look(world);
    assert_int_equal(world->count, 1);
    world->link = WORLD_LINK_DOWN;
    look(world);
    world->link = WORLD_LINK_READ_WRITE;
    look(world);
    assert_int_equal(world->count, 1);
    world->records[0].read_usec = world->now_usec + 1;
    look(world);
    assert_int_equal(world->count, 0);
}

/* libvirt was away, and lives: while a hook waits nobody is listed, and a transient guest is not known. */
static void
a_start_that_waits_has_not_ended_however_long_its_guest_is_unknown(void **state)
{
    World *world = *state;

    hook_asks(world, START_BOOT, "1024", NULL, 0);
    world->link = WORLD_LINK_DOWN;
    look(world);
    world->link = WORLD_LINK_READ_WRITE;
    look(world);
    world->now_usec += 100 * SECOND;
    look(world);
    assert_int_equal(world->count, 1);
    assert_int_equal(world->answers[0].calls, 0);
}

static void
starts_of_an_earlier_boot_of_the_host_are_none(void **state)
{
    World *world = *state;
    char *problem = NULL;

    ask(world, A, true, 0);
    settle(world, START_ADMITTED, 1024);
    start_book_free(world->book);
    keep_free(world->keep);
    world->keep = keep_open(world->directory, "two", &problem);
    open_book(world);
    look(world);
    assert_int_equal(world->count, 0);
}

int
main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_admitted_start_ends_when_its_guest_runs),
        TEST(an_admitted_start_ends_when_its_guest_has_run),
        TEST(a_start_that_is_asked_for_again_has_not_begun_with_the_run_before),
        TEST(an_admitted_start_that_does_not_come_ends),
        TEST(a_started_guest_is_waited_for_while_libvirt_is_away),
        TEST(a_start_that_is_called_off_is_out),
        TEST(what_an_owner_asked_for_goes_with_it),
        TEST(what_libvirt_has_begun_stays_whoever_goes),
        TEST(start_that_libvirt_has_begun_can_be_called_off_while_it_waits),
        TEST(memory_that_takes_long_to_read_is_waited_for),
        TEST(run_of_another_record_is_the_start),
        TEST(what_libvirt_has_begun_is_known_to_the_next_daemon),
        TEST(boot_after_a_start_that_brought_memory_is_told_by_its_id),
        TEST(what_was_admitted_outlives_the_daemon),
        TEST(what_is_kept_and_senseless_is_dropped),
        TEST(a_kept_start_is_of_its_nodes_and_partition),
        TEST(a_start_that_was_kept_is_told_once_though_its_guest_runs_already),
        TEST(a_start_that_was_kept_has_ended_when_its_guest_is_seen_off),
        TEST(a_start_has_ended_when_its_guest_is_seen_off_by_another_libvirt),
        TEST(a_start_that_waits_has_not_ended_however_long_its_guest_is_unknown),
        TEST(starts_of_an_earlier_boot_of_the_host_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
