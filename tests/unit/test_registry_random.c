/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One guest of a libvirt whose events come in order, but late, and whose readings are answered at any moment in between: what
 * is recorded once all has been heard must be what is so, whatever the order was.
 */

#include "registry_fixture.h"

#include "units.h"

#include <stdlib.h>

#define ROUNDS 30000
#define STEPS 60
#define QUEUE_MAX 256
/* An event that was missed is waited for so long. */
#define GAP_OVER_USEC (11 * USEC_PER_SEC)
#define PID_MAX 5000000 /* above it no process is */

static uint64_t clock_usec;

/* Instead of GLib's: what is due by time is tried in no time. */
gint64
g_get_monotonic_time(void)
{
    return (gint64)clock_usec;
}

typedef enum EventKind {
    EVENT_DEFINED,
    EVENT_UPDATED,
    EVENT_UNDEFINED,
    EVENT_STARTED,
    EVENT_RESUMED,
    EVENT_SUSPENDED,
    EVENT_STOPPED,
    EVENT_REBOOT,
} EventKind;

typedef struct Event {
    EventKind kind;
    bool resumed;
    StopKind stop;
    unsigned run;
} Event;

typedef struct Truth {
    bool exists;
    bool persistent;
    bool saved;
    bool runs;   /* as libvirt says */
    bool alive;  /* its QEMU */
    bool coming; /* libvirt still starts it */
    bool paused;
    int id;
    int last_id;
    unsigned run; /* counts them */
    bool resumed;
    StopKind stop;
    uint64_t stop_usec;
    unsigned guest; /* another number: another guest of this uuid */
} Truth;

typedef struct World {
    Registry *registry;
    Runs *runs;
    Truth truth;
    GRand *random;
    Event queue[QUEUE_MAX];
    unsigned head;
    unsigned tail;
    bool connected;

    bool reading; /* under way */
    bool looked;  /* libvirt has answered */
    bool again;
    uint64_t changes;
    Truth seen;

    /* since the last check */
    bool gap;
    bool either; /* the same guest, or another */
    unsigned boots_due;
    unsigned checked_run;
    unsigned checked_guest;
    uint64_t checked_boots;
    uint64_t checked_serial;
    bool checked_known; /* it was there, and read */
    bool last_boot_reset;
    GString *log;
} World;

static void G_GNUC_PRINTF(2, 3) say(World *world, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_string_append_vprintf(world->log, format, arguments);
    va_end(arguments);
    g_string_append_c(world->log, ' ');
}

static Guest *
guest_of(World *world)
{
    return registry_find(world->registry, UUID);
}

static void
ended(void *user_data, Guest *guest)
{
}

/* ---- readings, as inventory.c makes them ---- */

static void
begin_reading(World *world)
{
    Guest *guest = guest_of(world);

    if (!world->connected || guest == NULL)
        return;
    if (world->reading) {
        guest->read_again = true;
        return;
    }
    guest->read_again = false;
    world->reading = true;
    world->looked = false;
    world->changes = guest->changes;
}

static void
look(World *world)
{
    if (!world->reading || world->looked)
        return;
    world->looked = true;
    world->seen = world->truth;
    say(world, "look");
}

static GuestLife
life_of(const Truth *truth)
{
    if (!truth->runs)
        return GUEST_LIFE_OFF;
    return truth->paused || truth->coming ? GUEST_LIFE_PAUSED : GUEST_LIFE_RUNNING;
}

static void
apply(World *world)
{
    Guest *guest = guest_of(world);
    const Truth *seen = &world->seen;
    GuestReading reading = {.begun_usec = clock_usec};

    world->reading = false;
    if (guest == NULL)
        return;
    if (guest->read_again || guest->changes != world->changes) {
        begin_reading(world);
        return;
    }
    say(world, "apply");
    if (!seen->exists) {
        registry_remove(world->registry, guest, NULL);
        return;
    }
    reading.name = g_strdup("web");
    reading.id = seen->runs ? seen->id : -1;
    reading.life = life_of(seen);
    reading.pid = seen->runs ? (pid_t)(PID_MAX + seen->run) : 0;
    reading.coming = seen->runs && seen->coming;
    reading.resumed = seen->runs && !seen->coming && seen->resumed && !seen->paused;
    reading.booted = seen->runs && !seen->coming && !seen->resumed && !seen->paused;
    reading.stop = seen->stop;
    reading.live_xml = seen->runs ? g_strdup("<domain/>\n") : NULL;
    reading.inactive_xml = seen->persistent ? g_strdup("<domain/>\n") : NULL;
    reading.saved_xml = seen->saved && !seen->runs ? g_strdup("<domain/>\n") : NULL;
    guest_apply_reading(guest, &reading);
    guest_reading_clear(&reading);
}

/* ---- events, as events.c takes them ---- */

static void
push(World *world, Event event)
{
    if (!world->connected)
        return;
    assert_true(world->tail < QUEUE_MAX);
    event.run = world->truth.run;
    world->queue[world->tail++] = event;
}

static void
deliver(World *world)
{
    Event event;
    Guest *guest;

    if (world->head == world->tail)
        return;
    event = world->queue[world->head++];
    guest = registry_add(world->registry, UUID);
    say(world, "hear%d", event.kind);
    switch (event.kind) {
    case EVENT_DEFINED:
        world->either = world->either || guest->record.life != GUEST_LIFE_OFF; /* it runs already: too late */
        guest_note_defined(guest);
        break;
    case EVENT_UPDATED:
    case EVENT_UNDEFINED:
        guest->changes++;
        break;
    case EVENT_STARTED:
        guest_note_start(guest, event.resumed);
        if (event.resumed) {
            guest->changes++;
            if (guest->record.life != GUEST_LIFE_OFF)
                guest->record.life = GUEST_LIFE_PAUSED;
        }
        break;
    case EVENT_RESUMED:
    case EVENT_SUSPENDED:
        guest->changes++;
        if (guest->record.life != GUEST_LIFE_OFF)
            guest->record.life = event.kind == EVENT_RESUMED ? GUEST_LIFE_RUNNING : GUEST_LIFE_PAUSED;
        break;
    case EVENT_STOPPED:
        guest_hear_stop(guest, event.stop);
        break;
    case EVENT_REBOOT:
        clock_usec += USEC_PER_SEC; /* two within a moment are one */
        guest_note_reset(guest);
        if (guest->shown)
            return;
        break;
    }
    begin_reading(world);
}

/* ---- what happens ---- */

static void
launch(World *world, bool transient)
{
    Truth *truth = &world->truth;

    if (transient) {
        truth->exists = true;
        truth->persistent = false;
    }
    truth->runs = truth->alive = truth->coming = true;
    truth->paused = false;
    truth->id = ++truth->last_id;
    truth->run++;
    if (!truth->persistent)
        truth->guest++;
    truth->resumed = truth->saved;
    truth->saved = false;
    world->boots_due++;
    world->last_boot_reset = false;
    say(world, "start%d", truth->id);
}

static void
finish_start(World *world)
{
    Truth *truth = &world->truth;

    if (!truth->coming || !truth->alive)
        return;
    truth->coming = false;
    push(world, (Event){.kind = EVENT_STARTED, .resumed = truth->resumed});
    if (truth->resumed)
        push(world, (Event){.kind = EVENT_RESUMED});
    say(world, "started");
}

static void
stop(World *world, StopKind kind)
{
    Truth *truth = &world->truth;
    bool told = !truth->coming;

    truth->runs = truth->alive = truth->coming = false;
    truth->stop = kind;
    truth->stop_usec = clock_usec;
    if (told)
        push(world, (Event){.kind = EVENT_STOPPED, .stop = kind});
    else
        truth->saved = truth->resumed; /* the image is there yet */
    if (!told)
        world->gap = true; /* of a start that failed libvirt tells nothing: it may have been seen or not */
    if (!truth->persistent)
        truth->exists = false;
    say(world, "stop");
}

static void
end_process(World *world)
{
    Guest *guest = guest_of(world);

    /* as on_process_ended() of guest_record.c */
    if (guest != NULL && guest->record.life != GUEST_LIFE_OFF && guest->id == world->truth.id) {
        int id = guest->id;
        pid_t pid = guest->record.pid;

        guest_note_off(guest, STOP_UNTOLD);
        guest->dead_id = id;
        guest->dead_pid = pid;
        begin_reading(world);
        say(world, "ended");
    }
}

static void
disconnect(World *world)
{
    Guest *guest = guest_of(world);

    world->connected = false;
    world->head = world->tail = 0;
    world->reading = false;
    world->gap = true;
    if (guest != NULL) {
        guest->changes++;
        guest->gap = true;
        guest->read_again = false;
    }
    if (g_rand_int_range(world->random, 0, 2) == 0)
        world->truth.last_id = world->truth.runs ? world->truth.id : 0; /* libvirtd was started anew */
    say(world, "away");
}

static void
connect(World *world)
{
    world->connected = true;
    if (world->truth.exists)
        registry_add(world->registry, UUID);
    begin_reading(world);
    say(world, "back");
}

static void
act(World *world)
{
    Truth *truth = &world->truth;

    switch (g_rand_int_range(world->random, 0, 20)) {
    case 0:
        if (!truth->exists) {
            truth->exists = truth->persistent = true;
            truth->saved = false;
            truth->guest++;
            push(world, (Event){.kind = EVENT_DEFINED});
            say(world, "define");
        } else if (truth->persistent) {
            push(world, (Event){.kind = EVENT_UPDATED});
        }
        break;
    case 1:
        if (truth->exists && truth->persistent && !truth->coming && g_rand_int_range(world->random, 0, 3) == 0) {
            truth->persistent = truth->saved = false;
            truth->exists = truth->runs;
            /* of a run that nobody has read yet it can't be told whether that came before */
            world->either = world->either || (truth->runs && truth->run != world->checked_run);
            push(world, (Event){.kind = EVENT_UNDEFINED});
            say(world, "undefine");
        }
        break;
    case 2:
    case 3:
    case 4:
        if (!truth->runs && (!truth->exists || truth->persistent))
            launch(world, !truth->exists);
        break;
    case 5:
    case 6:
    case 7:
        finish_start(world);
        break;
    case 8:
        if (truth->runs)
            stop(world, STOP_OVER);
        break;
    case 9:
        if (truth->runs && truth->alive && !truth->coming) {
            truth->saved = truth->persistent;
            stop(world, STOP_KEPT);
        }
        break;
    case 10:
        if (truth->runs && truth->alive && !truth->coming) {
            truth->alive = false;
            say(world, "die");
            end_process(world);
        }
        break;
    case 11:
        if (truth->runs && truth->alive && !truth->coming) {
            push(world, (Event){.kind = EVENT_REBOOT});
            if (world->connected) {
                world->boots_due++;
                world->last_boot_reset = true;
            }
            say(world, "reset");
        }
        break;
    case 12:
        if (truth->runs && truth->alive && !truth->coming) {
            truth->paused = !truth->paused;
            push(world, (Event){.kind = truth->paused ? EVENT_SUSPENDED : EVENT_RESUMED});
            say(world, truth->paused ? "pause" : "resume");
        }
        break;
    case 13:
        if (world->connected && g_rand_int_range(world->random, 0, 4) == 0)
            disconnect(world);
        break;
    case 14:
        if (!world->connected)
            connect(world);
        break;
    case 15:
        clock_usec += (uint64_t)g_rand_int_range(world->random, 1, 20) * USEC_PER_SEC;
        break;
    case 16:
    case 17:
        deliver(world);
        break;
    case 18:
        look(world);
        break;
    case 19:
        if (world->looked && world->reading)
            apply(world);
        break;
    }
    clock_usec += (uint64_t)g_rand_int_range(world->random, 1, 400) * USEC_PER_MSEC;
}

/* ---- what must be so ---- */

static void
settle(World *world)
{
    if (!world->connected)
        connect(world);
    finish_start(world);
    if (world->truth.runs && !world->truth.alive)
        stop(world, STOP_OVER);
    for (;;) {
        const Guest *guest = guest_of(world);

        if (world->head == world->tail && !world->reading && guest != NULL && guest->coming)
            begin_reading(world); /* looked for every few seconds */
        if (world->head == world->tail && !world->reading)
            break;
        deliver(world);
        look(world);
        if (world->reading)
            apply(world);
    }
    world->head = world->tail = 0;
}

/* What is wrong, NULL: nothing. */
static const char *
wrong_state(const World *world, const GuestRecord *record)
{
    const Truth *truth = &world->truth;

    if (record->life != life_of(truth))
        return "its life is another";
    if ((record->live_xml != NULL) != truth->runs)
        return "it has the XML of a run that is none";
    if ((record->inactive_xml != NULL) != truth->persistent)
        return "its definition is another";
    if ((record->saved_xml != NULL) != (truth->saved && !truth->runs))
        return "what its next start brings is not as told";
    if (runs_is_running(world->runs, UUID) != truth->runs)
        return "whether it runs was kept wrongly";
    return NULL;
}

static bool
is_same_guest(const World *world)
{
    return world->checked_known && world->truth.guest == world->checked_guest;
}

/* With or without a gap. */
static const char *
wrong_run(const World *world, const GuestRecord *record)
{
    const Truth *truth = &world->truth;
    bool anew = truth->runs && truth->run != world->checked_run;

    if (is_same_guest(world) && !world->either && record->serial != world->checked_serial)
        return "it is the same guest with another serial";
    if (is_same_guest(world) && anew && record->boots == world->checked_boots)
        return "it runs anew, and no boot was counted";
    if (world->checked_known && anew && (record->report.fields != 0 || record->target_known))
        return "it runs anew with the balloon of the run before";
    return NULL;
}

/* Of the same guest. Of a run that came and went in between there may be no trace. */
static bool
are_boots_counted(const World *world, const GuestRecord *record)
{
    uint64_t counted = record->boots - world->checked_boots;
    unsigned runs = world->truth.run - world->checked_run;

    if (runs > 1 || (runs == 1 && !world->truth.runs))
        return true;
    return counted >= world->boots_due && (world->boots_due > 0 || counted == 0);
}

/* Where no event was missed. */
static const char *
wrong_history(const World *world, const GuestRecord *record)
{
    const Truth *truth = &world->truth;
    bool booted = truth->runs && record->boots != 0 && world->boots_due > 0;

    if (world->checked_known && !is_same_guest(world) && !world->either && record->serial == world->checked_serial)
        return "it is another guest with the old serial";
    if (is_same_guest(world) && !are_boots_counted(world, record))
        return "boots were not counted";
    if (booted && record->boot_in_place != world->last_boot_reset)
        return "its last boot was of the other kind";
    if (booted && !world->last_boot_reset && record->boot_resumed != truth->resumed)
        return "what it brought is not as told";
    if (!truth->runs && is_same_guest(world) && truth->run != world->checked_run &&
        (record->stop_usec != 0) != (truth->stop == STOP_OVER))
        return "its stop was of the other kind";
    return NULL;
}

static const char *
wrong(World *world)
{
    const Guest *guest = guest_of(world);
    const char *what;

    if (!world->truth.exists)
        return guest == NULL ? NULL : "it is gone, and known";
    if (guest == NULL || !guest->shown)
        return "it is there, and not known";
    what = wrong_state(world, &guest->record);
    if (what == NULL)
        what = wrong_run(world, &guest->record);
    return what == NULL && !world->gap ? wrong_history(world, &guest->record) : what;
}

static void
remember(World *world)
{
    Guest *guest = guest_of(world);

    if (world->gap)
        clock_usec += GAP_OVER_USEC;
    world->gap = world->either = false;
    world->boots_due = 0;
    world->checked_run = world->truth.run;
    world->checked_guest = world->truth.guest;
    world->checked_known = guest != NULL;
    if (guest == NULL)
        return;
    world->checked_boots = guest->record.boots;
    world->checked_serial = guest->record.serial;
    if (guest->record.life != GUEST_LIFE_OFF) { /* it is asked, and told */
        guest->record.report.fields = REPORT_ACTUAL;
        guest->target.known = true;
        guest_show_target(guest);
    }
}

static void
play(guint32 seed)
{
    World world = {.connected = true, .random = g_rand_new_with_seed(seed), .log = g_string_new(NULL)};
    const char *what = NULL;

    clock_usec = 1000 * USEC_PER_SEC;
    world.runs = runs_new(NULL, clock_usec);
    world.registry = registry_new(world.runs, ended, NULL);
    for (unsigned step = 0; step < STEPS && what == NULL; step++) {
        act(&world);
        if (g_rand_int_range(world.random, 0, 14) != 0)
            continue;
        settle(&world);
        what = wrong(&world);
        remember(&world);
        say(&world, "|");
    }
    registry_free(world.registry);
    runs_free(world.runs);
    g_rand_free(world.random);
    if (what != NULL)
        print_message("seed %u: %s: %s\n", seed, what, world.log->str);
    g_string_free(world.log, TRUE);
    assert_null(what);
}

static void
what_is_recorded_is_what_is_so_in_whatever_order_it_is_heard(void **state)
{
    const char *one = g_getenv("SEED");

    if (one != NULL)
        play((guint32)strtoul(one, NULL, 10));
    else
        for (guint32 seed = 1; seed <= ROUNDS; seed++)
            play(seed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_recorded_is_what_is_so_in_whatever_order_it_is_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
