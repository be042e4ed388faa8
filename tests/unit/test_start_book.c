/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The book of starts: who is in it from when to when, what it keeps, and that everybody is answered once. */

#include "admit/start_book.h"
#include "cmocka_all.h"
#include "units.h"

#include <glib/gstdio.h>

#define A "aaaaaaaa-0000-0000-0000-000000000001"
#define B "aaaaaaaa-0000-0000-0000-000000000002"

#define SECOND USEC_PER_SEC

typedef struct Answer {
    unsigned calls;
    bool granted;
    char *reason;
} Answer;

typedef struct World {
    char *directory;
    Keep *keep;
    StartBook *book;
    Settings *settings;
    GString *moments; /* what the hook's moments were: "wait A, ..." */
    GuestRecord records[2];
    const GuestRecord *pointers[2];
    size_t record_count;
    WorldLink link;
    uint64_t now_usec;
    const StartRequest *const *requests;
    size_t count;
    Answer answers[8];
} World;

static void
note_hook(void *self, const char *uuid, HookMoment moment)
{
    static const char *const names[] = {
        [HOOK_WAITS] = "waits", [HOOK_ANSWERED] = "answered", [HOOK_STARTED] = "started", [HOOK_STOPPED] = "stopped"};
    World *world = self;

    g_string_append_printf(world->moments, "%s%s %c", world->moments->len > 0 ? ", " : "", names[moment],
                           strcmp(uuid, A) == 0 ? 'A' : 'B');
}

static void
open_book(World *world)
{
    const GuestWorld guests = {.self = world, .note_hook = note_hook};

    world->book = start_book_new(world->keep, &guests);
}

static int
set_up(void **state)
{
    World *world = g_new0(World, 1);
    char *problem = NULL;

    /* the second daemon of this boot of the host */
    world->directory = g_dir_make_tmp("starts-XXXXXX", NULL);
    keep_free(keep_open(world->directory, "one", &problem));
    world->keep = keep_open(world->directory, "one", &problem);
    assert_null(problem);
    world->settings = settings_new();
    world->moments = g_string_new(NULL);
    world->link = WORLD_LINK_READ_WRITE;
    world->now_usec = 1000 * SECOND;
    open_book(world);
    *state = world;
    return 0;
}

static int
tear_down(void **state)
{
    World *world = *state;
    g_autofree char *file = g_build_filename(world->directory, "state", NULL);

    start_book_free(world->book);
    keep_free(world->keep);
    g_unlink(file);
    g_rmdir(world->directory);
    g_free(world->directory);
    settings_free(world->settings);
    g_string_free(world->moments, TRUE);
    for (size_t i = 0; i < G_N_ELEMENTS(world->answers); i++)
        g_free(world->answers[i].reason);
    g_free(world);
    return 0;
}

static void
answered(void *user_data, bool granted, const char *reason)
{
    Answer *answer = user_data;

    assert_non_null(reason);
    answer->calls++;
    answer->granted = granted;
    g_free(answer->reason);
    answer->reason = g_strdup(reason);
}

static char *
xml_of(const char *element, const char *current)
{
    return g_strdup_printf("<domain type='kvm'><name>web</name><metadata>%s</metadata><memory unit='MiB'>2048</memory>"
                           "<currentMemory unit='MiB'>%s</currentMemory><vcpu>1</vcpu>"
                           "<devices><memballoon model='virtio'/></devices></domain>",
                           element, current);
}

#define ELEMENT "<d:memory xmlns:d='urn:dynmem:domain:1' minimum='256MiB' startup='512MiB' priority='70'/>"

static bool
ask_with(World *world, const StartAsk *ask, const char *element, const GuestRecord *record, unsigned answer)
{
    g_autofree char *xml = xml_of(element, "1024");
    StartAsk copy = *ask;

    copy.xml = xml;
    return start_book_ask(world->book, &copy, record, NULL, world->settings, world->now_usec, answered,
                          &world->answers[answer]);
}

static bool
ask(World *world, const char *uuid, bool hook, unsigned answer)
{
    return ask_with(world, &(StartAsk){.uuid = uuid, .hook = hook}, ELEMENT, NULL, answer);
}

static void
look(World *world)
{
    for (size_t i = 0; i < world->record_count; i++)
        world->pointers[i] = &world->records[i];
    world->requests = start_book_requests(world->book, world->pointers, world->record_count, world->link,
                                          world->now_usec, &world->count);
}

/* Decides the same of all requests. */
static void
settle(World *world, StartVerdict verdict, uint64_t booked_kib)
{
    StartPlan starts[4];
    Plan plan = {.starts = starts};

    look(world);
    for (size_t i = 0; i < world->count; i++)
        starts[i] = (StartPlan){.request = world->requests[i], .verdict = verdict, .booked_kib = booked_kib};
    plan.start_count = world->count;
    start_book_settle(world->book, &plan, world->now_usec);
    world->requests = NULL;
}

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
    settle(world, START_WAITS, 0);
    assert_int_equal(world->answers[0].calls + world->answers[1].calls, 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(world->answers[i].calls, 1);
        assert_true(world->answers[i].granted);
    }
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
an_admitted_start_ends_when_its_guest_runs(void **state)
{
    World *world = *state;

    world->records[0] = (GuestRecord){.uuid = A, .name = (char *)"web", .life = GUEST_LIFE_OFF, .boots = 3};
    world->record_count = 1;
    ask_with(world, &(StartAsk){.uuid = A, .hook = true}, ELEMENT, &world->records[0], 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    look(world);
    assert_int_equal(world->count, 1);
    world->records[0].life = GUEST_LIFE_RUNNING; /* the run before, whose end has not been seen */
    look(world);
    assert_int_equal(world->count, 1);
    world->records[0].boots = 4;
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

/* What libvirt is about to start: of 2 GiB, with current MiB. */
static bool
hook_asks(World *world, StartKind kind, const char *current, const GuestRecord *record, unsigned answer)
{
    g_autofree char *xml = xml_of(ELEMENT, current);

    return start_book_ask(world->book, &(StartAsk){.uuid = A, .xml = xml, .kind = kind, .hook = true}, record, NULL,
                          world->settings, world->now_usec, answered, &world->answers[answer]);
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
    world->records[0] =
        (GuestRecord){.uuid = A, .serial = 7, .name = (char *)"web", .life = GUEST_LIFE_RUNNING, .boots = 1};
    world->record_count = 1;
    ask_with(world, &(StartAsk){.uuid = A, .hook = true}, ELEMENT, &world->records[0], 0);
    settle(world, START_ADMITTED, 512 * KIB_PER_MIB);
    look(world);
    assert_int_equal(world->count, 1);
    world->records[0].serial = 8;
    look(world);
    assert_int_equal(world->count, 0);
}

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

static void
what_was_admitted_outlives_the_daemon(void **state)
{
    World *world = *state;

    ask(world, A, true, 0);
    settle(world, START_ADMITTED, 300 * KIB_PER_MIB);
    ask(world, B, true, 1); /* waits still */
    start_book_note(world->book, A, START_NOTE_STARTED, world->now_usec);
    start_book_free(world->book);
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
    static const char good[] = "0 0 0 1 1 1 1 1 0 0 0 0 web";
    static const char *const texts[] = {"",
                                        "1",
                                        "0 0 0 1 1 1 1 1 0 web",
                                        "9 0 0 1 1 1 1 1 0 0 0 0 web",
                                        "0 0 0 1 1 1 1 1 9 0 0 0 web",
                                        "0 0 0 -1 1 1 1 1 0 0 0 0 web",
                                        "0 0 0 99999999999999999999 1 1 1 1 0 0 0 0 web"};
    World *world = *state;

    start_book_free(world->book);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        keep_set(world->keep, KEEP_STARTS, A, texts[i]);
        open_book(world);
        look(world);
        assert_int_equal(world->count, 0);
        start_book_free(world->book);
    }
    keep_set(world->keep, KEEP_STARTS, A, good);
    open_book(world);
    look(world);
    assert_int_equal(world->count, 1);
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
    world->records[0] = (GuestRecord){.uuid = A, .serial = 1, .name = (char *)"web", .life = GUEST_LIFE_RUNNING};
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
        TEST(an_admitted_start_ends_when_its_guest_runs),
        TEST(an_admitted_start_that_does_not_come_ends),
        TEST(a_started_guest_is_waited_for_while_libvirt_is_away),
        TEST(a_start_that_is_called_off_is_out),
        TEST(what_an_owner_asked_for_goes_with_it),
        TEST(what_brings_more_than_was_asked_for_waits_for_the_rest),
        TEST(what_needs_no_more_than_is_booked_is_answered_at_once),
        TEST(request_that_waits_asks_for_what_really_starts),
        TEST(restart_that_was_admitted_with_less_does_not_wait_again),
        TEST(what_libvirt_has_begun_stays_whoever_goes),
        TEST(start_that_libvirt_has_begun_can_be_called_off_while_it_waits),
        TEST(memory_that_takes_long_to_read_is_waited_for),
        TEST(run_of_another_record_is_the_start),
        TEST(what_libvirt_has_begun_is_known_to_the_next_daemon),
        TEST(what_was_admitted_outlives_the_daemon),
        TEST(what_is_kept_and_senseless_is_dropped),
        TEST(a_start_that_was_kept_is_told_once_though_its_guest_runs_already),
        TEST(a_start_that_was_kept_has_ended_when_its_guest_is_seen_off),
        TEST(a_start_has_ended_when_its_guest_is_seen_off_by_another_libvirt),
        TEST(a_start_that_waits_has_not_ended_however_long_its_guest_is_unknown),
        TEST(starts_of_an_earlier_boot_of_the_host_are_none),
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
