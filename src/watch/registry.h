/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The guests by uuid, and how what is learnt of them changes their records. Makes no call to libvirt; what it
 * knows comes from events.c (at once, short) and inventory.c (read, complete). Main thread only.
 */

#include "guest_xml.h"
#include "ports.h"
#include "process.h"
#include "runs.h"
#include "target.h"

typedef struct Registry Registry;

typedef struct Guest {
    GuestRecord record;
    Registry *registry;
    bool shown;          /* read at least once: it is among the records */
    int id;              /* libvirt's, of this run; -1: off */
    int dead_id;         /* the run whose QEMU has been seen to end, which libvirt doesn't know yet; -1: none */
    pid_t dead_pid;      /* its process */
    unsigned starts_due; /* runs that readings have told of, the last of them this one: their events may still come */
    bool coming;         /* the last of these readings found it being started: its event may come much later */
    uint64_t runs;       /* counts its processes */
    uint64_t changes;    /* counts what events changed: a reading begun before the last is void */
    bool gap;            /* the connection was away since the last reading: events may have been missed */
    bool stop_untold;    /* it was seen to stop, but not yet how */
    bool reverting;      /* it was stopped to be reverted to a snapshot, and has not been started since */
    ProcessWatch *process;

    /* inventory.c */
    bool read_again;   /* something happened while a reading was under way */
    bool read_put_off; /* until its hook has been answered */
    bool awaited;      /* the resync under way is not complete without it */
    unsigned read_failures;
    guint read_retry;  /* source */
    bool has_size_ask; /* a virtio-mem device: what it is asked for can change without an event */

    /* guest_calls.c */
    TargetBook target;
    uint64_t stray_kib;    /* the largest target that may be taken though its call has ended */
    uint64_t stray_usec;   /* when the last such call ended */
    bool asked;            /* the collection under way is not complete without its answer */
    bool call_is_question; /* its call under way asks for a report */
    uint64_t call_round;   /* collections begun when that call was handed in */
    bool report_wanted;    /* to be asked as soon as its call under way has ended */
    bool period_wished;
    uint32_t period_wish_sec;
    bool period_known; /* period_sec is what its QEMU was told last */
    uint32_t period_sec;
    uint32_t period_first_sec; /* what the first reading of this run found */
    bool period_released;      /* what is wished is what others want: once it is so, nothing is wished any more */
    unsigned period_failures;
    uint64_t period_retry_usec; /* not before */
    bool ask_wanted;            /* to be asked at once, as soon as its call under way has ended */
    bool ask_under_way;         /* its period is 0 for a moment, and that is ours */
    bool job_doubt;             /* a job may hold it: ask before anything else */
    bool job_denied;            /* asked: no job holds it, though its state speaks of a migration */
} Guest;

/* runs is borrowed. process_ended: the guest's QEMU was seen to end. */
Registry *registry_new(Runs *runs, void (*process_ended)(void *user_data, Guest *guest), void *user_data);
void registry_free(Registry *registry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Registry, registry_free)

Guest *registry_find(Registry *registry, const char *uuid);
/* Finds it, or adds it: not shown, off, nothing known but its uuid. */
Guest *registry_add(Registry *registry, const char *uuid);
/* Frees guest. Those who wait for a target of it are told error. A call that is under way is remembered: a guest of this
   uuid that is added before it ends may get its target. */
void registry_remove(Registry *registry, Guest *guest, const GError *error);
/* The call for a target has ended of which there is no guest any more. */
void registry_end_stray_call(Registry *registry, const char *uuid);
/* Calls each for every guest, shown or not; it may remove the guest it is called for. */
void registry_foreach(Registry *registry, void (*each)(Guest *guest, void *user_data), void *user_data);

/* The shown records, sorted by uuid; valid until a guest is added, shown or removed. */
const GuestRecord *const *registry_records(Registry *registry, size_t *count);

/* How a run ended. */
typedef enum StopKind {
    STOP_UNTOLD, /* somehow: who knows more tells later */
    STOP_OVER,   /* shut down, destroyed, crashed: a start soon after is a restart */
    STOP_KEPT,   /* its memory lives on, or is another's: saved, migrated away, reverted to a snapshot */
} StopKind;

/* It was defined, not redefined: where it was off, it is another guest of the same uuid. */
void guest_note_defined(Guest *guest);
/* It started: another process, nothing known of balloon and statistics. resumed: it brought its memory with it. */
void guest_note_start(Guest *guest, bool resumed);
/* It was reset: the same process, its balloon keeps its target. */
void guest_note_reset(Guest *guest);
/* Its memory became that of a snapshot, in the same process or in the one that has just been noted. */
void guest_note_revert(Guest *guest);
/* It is off. Told once more of the same run, the second tells only how it stopped. */
void guest_note_off(Guest *guest, StopKind kind);
/* libvirt's event says so. Returns false where that is of a run before this one, of which no event has come yet: they keep their order,
   and an answer may come before them. Where that is wrong the reading that follows each event says so. */
bool guest_hear_stop(Guest *guest, StopKind kind);
/* Its target fields follow its book, and what may still come. */
void guest_show_target(Guest *guest);
/* A call for a target has ended without it being known whether it was taken: it may be, for a while yet, and is in force then
   until the guest is told another. */
void guest_note_stray_target(Guest *guest, uint64_t target_kib);
/* A target was taken that libvirt was asked for then. */
void guest_note_target_taken(Guest *guest, uint64_t asked_usec);

/* What a reading found. */
typedef struct GuestReading {
    char uuid[37];
    char *name;
    int id; /* -1: off */
    GuestLife life;
    bool migrating;        /* its state says so; without it nothing is said */
    bool coming;           /* its process is there, and libvirt still starts it */
    bool resumed;          /* this run began with memory that it brought */
    bool booted;           /* it did not, for certain */
    StopKind stop;         /* of the last run, while off */
    uint64_t begun_usec;   /* when it was asked for */
    uint64_t started_usec; /* when a hook told of this run, 0: none did */
    pid_t pid;
    char *live_xml;     /* NULL: off */
    char *inactive_xml; /* NULL: transient */
    char *saved_xml;    /* NULL: it boots at its next start, or runs */
} GuestReading;

void guest_reading_clear(GuestReading *reading);

/*
 * Makes guest what was read; takes the texts. Returns true when something changed that others want to know.
 */
bool guest_apply_reading(Guest *guest, GuestReading *reading);
