/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hooks.h"

#include "units.h"

typedef struct Note {
    char *uuid;
    HookNotes *notes;
    guint patience; /* source; 0: it does not wait */
    uint64_t started_usec;
} Note;

struct HookNotes {
    GHashTable *by_uuid; /* uuid -> Note */
    unsigned waiting;
    uint64_t patience_usec;
    void (*over)(void *user_data);
    void *user_data;
};

static void
note_free(void *data)
{
    Note *note = data;

    g_clear_handle_id(&note->patience, g_source_remove);
    g_free(note->uuid);
    g_free(note);
}

HookNotes *
hook_notes_new(uint64_t patience_usec, void (*over)(void *user_data), void *user_data)
{
    HookNotes *notes = g_new0(HookNotes, 1);

    notes->by_uuid = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, note_free);
    notes->patience_usec = patience_usec;
    notes->over = over;
    notes->user_data = user_data;
    return notes;
}

void
hook_notes_free(HookNotes *notes)
{
    if (notes == NULL)
        return;
    g_hash_table_unref(notes->by_uuid);
    g_free(notes);
}

static Note *
get_note(HookNotes *notes, const char *uuid)
{
    Note *note = g_hash_table_lookup(notes->by_uuid, uuid);

    if (note != NULL)
        return note;
    note = g_new0(Note, 1);
    note->uuid = g_strdup(uuid);
    note->notes = notes;
    g_hash_table_insert(notes->by_uuid, note->uuid, note);
    return note;
}

static void
end_wait(Note *note)
{
    if (note->patience == 0)
        return;
    g_clear_handle_id(&note->patience, g_source_remove);
    note->notes->waiting--;
}

static gboolean
on_patience(void *data)
{
    Note *note = data;
    HookNotes *notes = note->notes;

    g_debug("the hook of the guest %s was not heard of again", note->uuid);
    note->patience = 0; /* the source goes with the return */
    notes->waiting--;
    if (note->started_usec == 0)
        g_hash_table_remove(notes->by_uuid, note->uuid);
    notes->over(notes->user_data);
    return G_SOURCE_REMOVE;
}

void
hook_notes_note(HookNotes *notes, const char *uuid, HookMoment moment, uint64_t at_usec)
{
    Note *note = get_note(notes, uuid);
    bool waited = note->patience != 0;

    end_wait(note);
    switch (moment) {
    case HOOK_WAITS:
        note->patience = g_timeout_add((guint)(notes->patience_usec / USEC_PER_MSEC), on_patience, note);
        notes->waiting++;
        return;
    case HOOK_ANSWERED:
        break;
    case HOOK_STARTED:
        note->started_usec = at_usec != 0 ? at_usec : (uint64_t)g_get_monotonic_time();
        break;
    case HOOK_STOPPED:
        note->started_usec = 0;
        break;
    }
    if (note->started_usec == 0)
        g_hash_table_remove(notes->by_uuid, uuid);
    if (waited)
        notes->over(notes->user_data);
}

bool
hook_notes_waits(const HookNotes *notes, const char *uuid)
{
    const Note *note = g_hash_table_lookup(notes->by_uuid, uuid);

    return note != NULL && note->patience != 0;
}

bool
hook_notes_any_waits(const HookNotes *notes)
{
    return notes->waiting > 0;
}

uint64_t
hook_notes_take_start(HookNotes *notes, const char *uuid)
{
    Note *note = g_hash_table_lookup(notes->by_uuid, uuid);
    uint64_t started_usec = note != NULL ? note->started_usec : 0;

    if (note != NULL && note->patience == 0)
        g_hash_table_remove(notes->by_uuid, uuid);
    else if (note != NULL)
        note->started_usec = 0;
    return started_usec;
}
