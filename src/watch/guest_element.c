/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_element.h"

#include "element_call.h"
#include "error.h"
#include "inventory.h"
#include "link.h"
#include "units.h"
#include "virt.h"

/* libvirt waits for a guest's job for half a minute (qemu_domainjob.c, QEMU_JOB_WAIT_TIME). */
#define EDIT_DEADLINE_USEC (40 * USEC_PER_SEC)
/* Without a reading that shows it, who waits is told all the same after so long. */
#define READ_PATIENCE_MSEC 2000

/* Somebody who waits. */
typedef struct Edit {
    Watch *watch;
    char uuid[37];
    ElementDone done;
    void *user_data;
    guint timer; /* source: it is done, and the reading that shows it is waited for */
} Edit;

/* Frees edit. */
static void
tell(Edit *edit, const GError *error)
{
    g_hash_table_remove(edit->watch->edits, edit->uuid);
    g_clear_handle_id(&edit->timer, g_source_remove);
    edit->done(edit->user_data, edit->uuid, error);
    g_free(edit);
}

static gboolean
on_patience_ended(void *data)
{
    Edit *edit = data;

    edit->timer = 0;
    tell(edit, NULL);
    return G_SOURCE_REMOVE;
}

void
guest_element_note_read(Watch *watch, const char *uuid)
{
    Edit *edit = g_hash_table_lookup(watch->edits, uuid);

    if (edit != NULL && edit->timer != 0)
        tell(edit, NULL);
}

static GError *
locked_error(void)
{
    return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                       "the guest is being started, and libvirt has it locked; try again when it runs");
}

static void
on_edit_late(void *user_data, const char *uuid)
{
    Watch *watch = user_data;
    Edit *edit = g_hash_table_lookup(watch->edits, uuid);
    g_autoptr(GError) error =
        g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_TIMEOUT,
                    "libvirt has not answered for %u s, and may change the settings yet: look again later",
                    (unsigned)(EDIT_DEADLINE_USEC / USEC_PER_SEC));

    if (edit != NULL)
        tell(edit, error);
}

static void
on_edit_done(void *user_data, const char *uuid, void *data, CallEnd end)
{
    Watch *watch = user_data;
    ElementCall *call = data;
    Edit *edit = g_hash_table_lookup(watch->edits, uuid);
    Guest *guest = registry_find(watch->registry, uuid);

    if (end == CALL_WITHDRAWN)
        call->error = locked_error();
    else if (end == CALL_EXPIRED)
        call->error =
            g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                        "no connection to libvirt was free: calls for other guests hang; nothing was changed");
    else if (end != CALL_RETURNED)
        call->error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                                  "libvirt went away before it was asked; nothing was changed");
    if (guest != NULL)
        inventory_read_guest(watch, guest);
    if (edit == NULL)
        return;
    if (call->error != NULL || guest == NULL)
        tell(edit, call->error);
    else
        edit->timer = g_timeout_add(READ_PATIENCE_MSEC, on_patience_ended, edit);
}

/* NULL where it may be tried. */
static GError *
why_not(Watch *watch, const char *uuid)
{
    if (watch->stop.active)
        return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED, "dynmemd is being stopped; try again when it runs");
    if (link_state(watch->link) == WORLD_LINK_DOWN)
        return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                           "dynmemd is not connected to libvirt (%s); start libvirt's daemon and try again",
                           link_text(watch->link));
    if (link_state(watch->link) == WORLD_LINK_READ_ONLY)
        return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                           "the connection to libvirt is read-only: run dynmemd as root or as a member of its group");
    if (registry_find(watch->registry, uuid) == NULL)
        return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND, "libvirt has no guest %s", uuid);
    if (hook_notes_waits(watch->hooks, uuid))
        return locked_error();
    if (g_hash_table_contains(watch->edits, uuid) || call_pool_is_busy(watch->writes, uuid))
        return g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_REFUSED,
                           "its settings are being changed already; try again in a moment");
    return NULL;
}

void
guest_element_edit(Watch *watch, const char *uuid, ElementWork work, void *data, GDestroyNotify free_data,
                   ElementDone done, void *user_data)
{
    g_autoptr(GError) error = why_not(watch, uuid);
    ElementCall *call = element_call_new(uuid, work, data, free_data);
    CallSpec spec = {
        .run = element_call_run,
        .data = call,
        .data_free = element_call_free,
        .deadline_usec = EDIT_DEADLINE_USEC,
        .late = on_edit_late,
        .done = on_edit_done,
        .user_data = watch,
    };
    Edit *edit;

    if (error != NULL) {
        element_call_free(call);
        done(user_data, uuid, error);
        return;
    }
    edit = g_new0(Edit, 1);
    edit->watch = watch;
    g_strlcpy(edit->uuid, uuid, sizeof edit->uuid);
    edit->done = done;
    edit->user_data = user_data;
    g_hash_table_insert(watch->edits, edit->uuid, edit);
    call_pool_submit(watch->writes, call->uuid, &spec);
}

void
guest_element_follow_hooks(Watch *watch)
{
    g_autoptr(GList) edits = g_hash_table_get_values(watch->edits);

    for (GList *link = edits; link != NULL; link = link->next) {
        const Edit *edit = link->data;

        if (hook_notes_waits(watch->hooks, edit->uuid))
            call_pool_withdraw(watch->writes, edit->uuid);
    }
}

void
guest_element_stop(Watch *watch)
{
    g_autoptr(GError) error = g_error_new(DYNMEM_ERROR, DYNMEM_ERROR_DISCONNECTED,
                                          "dynmemd is being stopped; libvirt goes on with the change if it had begun");
    g_autoptr(GList) edits = g_hash_table_get_values(watch->edits);

    for (GList *link = edits; link != NULL; link = link->next)
        tell(link->data, error);
}
