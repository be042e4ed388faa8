/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "paging_changes.h"

#include "explain_starts.h"
#include "held_tick.h"
#include "memories.h"
#include "units.h"

#include <string.h>

/* One guest with a paging file, or one that was to have one: its last figures, and what was told. */
typedef struct FileMemory {
    char uuid[37];
    char *name;
    uint64_t seen_tick;
    uint64_t size_kib;
    uint64_t used_kib;
    uint64_t peak_kib;
    uint64_t shortfall_kib; /* when its file was asked for: it shrinks as memory is found */
    uint64_t since_usec;
    char *directory;
    bool started;
    bool ended;
    unsigned failures;
    PagingUrgency urgency;
    char *refused; /* why there is none, as it was told; NULL: it was not */
} FileMemory;

struct PagingChanges {
    GHashTable *memories; /* uuid, in the value -> FileMemory */
    Lasting unavailable;  /* no guest of this host can have a paging file */
};

static void
file_memory_free(void *data)
{
    FileMemory *memory = data;

    g_free(memory->name);
    g_free(memory->directory);
    g_free(memory->refused);
    g_free(memory);
}

PagingChanges *
paging_changes_new(void)
{
    PagingChanges *changes = g_new0(PagingChanges, 1);

    changes->memories = memories_new(file_memory_free);
    return changes;
}

void
paging_changes_free(PagingChanges *changes)
{
    if (changes == NULL)
        return;
    g_hash_table_unref(changes->memories);
    g_free(changes);
}

/* Its shortfall is still that which its file is for, or would be. */
static bool
is_before_file(const GuestPlan *guest, const FileMemory *memory)
{
    const PagingRecord *file = guest->guest->paging;

    return guest->paging_phase == PAGING_PHASE_WAIT || guest->paging_phase == PAGING_PHASE_MAKE ||
           guest->paging_phase == PAGING_PHASE_REFUSED ||
           (memory->shortfall_kib == 0 && file != NULL && !file->found && !memory->started);
}

static FileMemory *
remember_file(PagingChanges *changes, const char *uuid, const TickReport *now)
{
    FileMemory *memory = memories_make(changes->memories, uuid, sizeof *memory);
    const GuestPlan *guest = plan_find(now->plan, uuid);

    if (memory->name == NULL)
        memory->name = g_strdup(uuid); /* until it is known better: its guest may be gone */
    if (guest != NULL && strcmp(memory->name, guest->guest->name) != 0) {
        g_free(memory->name);
        memory->name = g_strdup(guest->guest->name);
    }
    if (guest != NULL && is_before_file(guest, memory))
        memory->shortfall_kib = guest->shortfall_kib;
    memory->seen_tick = now->tick;
    return memory;
}

static void
add_paging(GPtrArray *list, ChangeKind kind, const FileMemory *memory, uint64_t old_kib, uint64_t new_kib,
           const TickReport *now, const char *reason, char *message)
{
    Change *change = change_list_add(list, kind, memory->uuid, memory->name, reason, message);

    change->old_kib = old_kib;
    change->new_kib = new_kib;
    change->size_kib = memory->size_kib;
    change->used_kib = memory->used_kib;
    change->peak_kib = memory->peak_kib;
    change->shortfall_kib = memory->shortfall_kib;
    change->age_usec = memory->since_usec != 0 ? saturating_sub(now->now_usec, memory->since_usec) : 0;
    if (memory->directory != NULL) {
        g_free(change->directory);
        change->directory = g_utf8_make_valid(memory->directory, -1);
    }
}

/* ---- a file comes and goes ---- */

static void
tell_started(GPtrArray *list, const FileMemory *memory, const PagingRecord *file, const TickReport *now)
{
    const GuestPlan *guest = plan_find(now->plan, memory->uuid);
    g_autofree char *size = units_format_size(file->size_kib);
    g_autofree char *used = units_format_size(file->used_kib);
    g_autofree char *shortfall = units_format_size(memory->shortfall_kib);
    g_autofree char *startup = units_format_size(guest != NULL ? guest->guest->settings->startup_kib : 0);
    const char *restart = guest != NULL ? restart_text(guest->restart) : NULL;
    g_autofree char *reason = NULL;

    if (file->found || guest == NULL) {
        add_paging(list, CHANGE_PAGING_STARTED, memory, 0, file->size_kib, now, "left by an earlier dynmemd",
                   g_strdup_printf("The paging file of guest %s, %s in %s, was left by an earlier dynmemd and is taken "
                                   "over; %s of it are used.",
                                   memory->name, size, file->directory, used));
        return;
    }
    reason = g_strdup_printf("%s%sof the %s that it needs to boot %s could not be found in time",
                             restart != NULL ? restart : "", restart != NULL ? "; " : "", startup, shortfall);
    add_paging(list, CHANGE_PAGING_STARTED, memory, 0, file->size_kib, now, reason,
               g_strdup_printf("Guest %s restarts with a paging file: %s. The file of %s is in %s.", memory->name,
                               reason, size, file->directory));
}

static void
tell_ended(GPtrArray *list, FileMemory *memory, const char *left, const TickReport *now)
{
    g_autofree char *size = units_format_size(memory->size_kib);
    g_autofree char *peak = units_format_size(memory->peak_kib);
    g_autofree char *age = units_format_span(saturating_sub(now->now_usec, memory->since_usec));

    memory->used_kib = 0;
    memory->ended = true;
    add_paging(list, CHANGE_PAGING_ENDED, memory, memory->size_kib, 0, now, left != NULL ? left : "",
               g_strdup_printf("The paging file of guest %s is %s: of its %s at most %s were used, and it was there "
                               "for %s.%s%s%s",
                               memory->name, left != NULL ? "off" : "gone", size, peak, age,
                               left != NULL ? " But " : "", left != NULL ? left : "",
                               left != NULL ? "; that is tried again." : ""));
}

static void
tell_stuck(GPtrArray *list, const FileMemory *memory, const PagingRecord *file, const TickReport *now)
{
    const char *error = file->error != NULL ? file->error : "for an unknown reason";
    g_autofree char *used = units_format_size(file->used_kib);

    add_paging(list, CHANGE_PAGING_STUCK, memory, file->size_kib, file->used_kib, now, error,
               g_strdup_printf("The paging file of guest %s is not gone yet and holds %s: %s (attempt %u).",
                               memory->name, used, error, file->failures));
}

/* ---- none to be had ---- */

static void
tell_refused(GPtrArray *list, FileMemory *memory, const GuestPlan *guest, const char *why, const TickReport *now)
{
    g_autofree char *shortfall = units_format_size(memory->shortfall_kib);
    g_autofree char *granted = units_format_size(guest != NULL ? guest->granted_kib : 0);
    const char *then = guest != NULL && guest->guest->limits.usable && guest->guest->limits.set
                           ? "Its restart goes on under a limit (memory.high) all the same: it boots slowly, held back "
                             "while its memory is reclaimed, until memory comes free"
                           : "Its restart goes on all the same, and takes from the host what it touches";

    if (g_strcmp0(memory->refused, why) == 0)
        return;
    g_free(memory->refused);
    memory->refused = g_strdup(why);
    add_paging(
        list, CHANGE_PAGING_REFUSED, memory,
        guest != NULL ? guest->guest->settings->startup_kib : memory->shortfall_kib,
        guest != NULL ? guest->granted_kib : 0, now, why,
        g_strdup_printf("Guest %s restarts without a paging file, although %s of its startup memory could not be "
                        "found (it has %s): %s. %s.",
                        memory->name, shortfall, granted, why, then));
}

/* ---- it stays too long ---- */

static void
tell_urgency(GPtrArray *list, const FileMemory *memory, const GuestPlan *guest, const TickReport *now)
{
    static const ChangeKind kinds[] = {
        [PAGING_URGENCY_HARDER] = CHANGE_PAGING_HARDER,
        [PAGING_URGENCY_HARDEST] = CHANGE_PAGING_HARDEST,
        [PAGING_URGENCY_OVERDUE] = CHANGE_PAGING_OVERDUE,
    };
    static const char *const steps[] = {
        [PAGING_URGENCY_HARDER] = "Memory that comes free goes to it before all others.",
        [PAGING_URGENCY_HARDEST] = "Other guests are squeezed to their minimum for it.",
        [PAGING_URGENCY_OVERDUE] = "It should be gone by now. The guest is not touched, and it goes on being tried; "
                                   "see to the guest, or give the host memory.",
    };
    g_autofree char *size = units_format_size(memory->size_kib);
    g_autofree char *used = units_format_size(memory->used_kib);
    g_autofree char *age = units_format_span(saturating_sub(now->now_usec, memory->since_usec));
    const PagingRecord *file = guest->guest->paging;
    const char *why = file != NULL && file->error != NULL && file->failures > 0 ? file->error
                      : !guest->guest->driver_up ? "the balloon driver of the guest is not back since its restart"
                                                 : "the host has not had the memory to take back what it holds";

    add_paging(list, kinds[guest->paging_urgency], memory, memory->size_kib, memory->used_kib, now, why,
               g_strdup_printf("The paging file of guest %s is there for %s and holds %s of %s in %s: %s. %s",
                               memory->name, age, used, size, memory->directory != NULL ? memory->directory : "", why,
                               steps[guest->paging_urgency]));
}

/* ---- */

static void
compare_file(PagingChanges *changes, const PagingRecord *file, const TickReport *now, GPtrArray *list)
{
    FileMemory *memory = remember_file(changes, file->uuid, now);

    if (memory->ended && file->stage != PAGING_STAGE_GONE) { /* the next one of the same guest */
        memory->started = memory->ended = false;
        memory->failures = 0;
        memory->urgency = PAGING_URGENCY_NONE;
    }
    memory->size_kib = file->size_kib;
    memory->used_kib = file->used_kib;
    memory->peak_kib = file->peak_kib;
    memory->since_usec = file->since_usec;
    if (g_strcmp0(memory->directory, file->directory) != 0) {
        g_free(memory->directory);
        memory->directory = g_strdup(file->directory);
    }
    if (!memory->started && (file->stage == PAGING_STAGE_ON || file->stage == PAGING_STAGE_EMPTYING)) {
        memory->started = true;
        tell_started(list, memory, file, now);
    }
    if (file->stage == PAGING_STAGE_FAILED)
        tell_refused(list, memory, plan_find(now->plan, file->uuid),
                     file->error != NULL ? file->error : "the file could not be made", now);
    if (file->failures > memory->failures) {
        memory->failures = file->failures;
        tell_stuck(list, memory, file, now);
    }
    if (file->stage == PAGING_STAGE_GONE && memory->started && !memory->ended)
        tell_ended(list, memory, file->error, now);
}

static void
compare_guest(PagingChanges *changes, const GuestPlan *guest, const TickReport *now, GPtrArray *list)
{
    FileMemory *memory;

    if (guest->paging_phase == PAGING_PHASE_NONE)
        return;
    memory = remember_file(changes, guest->guest->uuid, now);
    if (memory->started && !memory->ended && guest->guest->paging == NULL)
        tell_ended(list, memory, NULL, now);
    /* a file that failed says why better than the rule that gives up on it */
    if (guest->paging_phase == PAGING_PHASE_REFUSED && memory->refused == NULL)
        tell_refused(list, memory, guest, guest->paging_bar != NULL ? guest->paging_bar : "it could not be made", now);
    if (guest->paging_urgency > memory->urgency && guest->guest->paging != NULL) {
        memory->urgency = guest->paging_urgency;
        tell_urgency(list, memory, guest, now);
    }
}

/* The host as a whole, told once it lasted. That it is switched off is no news to who did it. */
static void
compare_bar(PagingChanges *changes, const TickReport *now, GPtrArray *list)
{
    const char *bar = now->settings->paging_enabled && !now->dry_run ? now->snapshot->paging_bar : NULL;

    if (!lasting_update(&changes->unavailable, bar != NULL, now->now_usec) || !changes->unavailable.told)
        return;
    change_list_add(list, CHANGE_PAGING_UNAVAILABLE, "", "", bar,
                    g_strdup_printf("Smart Paging is not available on this host: %s. A guest that restarts while the "
                                    "host is full goes on without a paging file.",
                                    bar));
}

void
paging_changes_compare(PagingChanges *changes, const TickReport *now, GPtrArray *list)
{
    GHashTableIter iter;
    void *value;

    for (size_t i = 0; i < now->snapshot->file_count; i++)
        compare_file(changes, now->snapshot->files[i], now, list);
    for (size_t i = 0; i < now->plan->guest_count; i++)
        compare_guest(changes, &now->plan->guests[i], now, list);
    compare_bar(changes, now, list);

    g_hash_table_iter_init(&iter, changes->memories);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        FileMemory *memory = value;

        if (memory->seen_tick == now->tick)
            continue;
        if (memory->started && !memory->ended)
            tell_ended(list, memory, NULL, now);
        g_hash_table_iter_remove(&iter);
    }
}
