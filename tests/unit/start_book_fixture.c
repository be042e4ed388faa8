/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start_book_fixture.h"

#include <glib/gstdio.h>

static void
note_hook(void *self, const char *uuid, HookMoment moment, uint64_t at_usec)
{
    static const char *const names[] = {
        [HOOK_WAITS] = "waits", [HOOK_ANSWERED] = "answered", [HOOK_STARTED] = "started", [HOOK_STOPPED] = "stopped"};
    World *world = self;

    if (moment == HOOK_STARTED)
        world->started_usec = at_usec;
    g_string_append_printf(world->moments, "%s%s %c", world->moments->len > 0 ? ", " : "", names[moment],
                           strcmp(uuid, A) == 0 ? 'A' : 'B');
}

/* Only what stands in /machine/apart is limited, to 5 GiB. */
static void
read_above(void *self, const char *partition, GroupsAbove *above)
{
    (void)self;
    *above = (GroupsAbove){0};
    if (g_strcmp0(partition, "/machine/apart") == 0)
        above->group[0] = (LimitAbove){.id = 7, .limit_kib = 5 * KIB_PER_GIB};
}

void
open_book(World *world)
{
    const GuestWorld guests = {.self = world, .note_hook = note_hook};
    const LimitWorld limits = {.self = world, .above = read_above};

    world->book = start_book_new(world->keep, &guests, &limits);
}

int
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

int
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

void
answered(void *user_data, bool granted, const char *reason)
{
    Answer *answer = user_data;

    assert_non_null(reason);
    answer->calls++;
    answer->granted = granted;
    g_free(answer->reason);
    answer->reason = g_strdup(reason);
}

static bool
ask_for(World *world, const StartAsk *ask, const char *element, const char *current, const GuestRecord *record,
        unsigned answer)
{
    bool has_id = ask->hook && ask->kind == START_BOOT && world->run != 0;
    g_autofree char *id = has_id ? g_strdup_printf(" id='%u'", world->run) : g_strdup("");
    g_autofree char *xml =
        g_strdup_printf("<domain type='kvm'%s><name>web</name><metadata>%s</metadata><memory unit='MiB'>2048</memory>"
                        "<currentMemory unit='MiB'>%s</currentMemory><vcpu>1</vcpu>"
                        "<devices><memballoon model='virtio'/></devices></domain>",
                        id, element, current);
    StartAsk copy = *ask;

    copy.xml = xml;
    return start_book_ask(world->book, &copy, record, NULL, world->settings, world->now_usec, answered,
                          &world->answers[answer]);
}

bool
ask_with(World *world, const StartAsk *ask, const char *element, const GuestRecord *record, unsigned answer)
{
    return ask_for(world, ask, element, "1024", record, answer);
}

bool
ask(World *world, const char *uuid, bool hook, unsigned answer)
{
    return ask_with(world, &(StartAsk){.uuid = uuid, .hook = hook}, ELEMENT, NULL, answer);
}

bool
hook_asks(World *world, StartKind kind, const char *current, const GuestRecord *record, unsigned answer)
{
    return ask_for(world, &(StartAsk){.uuid = A, .kind = kind, .hook = true}, ELEMENT, current, record, answer);
}

void
look(World *world)
{
    for (size_t i = 0; i < world->record_count; i++)
        world->pointers[i] = &world->records[i];
    world->requests = start_book_requests(world->book, world->pointers, world->record_count, world->link,
                                          world->now_usec, &world->count);
}

void
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
