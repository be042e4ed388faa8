/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link.h"

#include "virt.h"

/* So long nobody is looked after when libvirt is back; to try costs next to nothing. */
#define RETRY_MAX_SEC 5

struct Link {
    Watch *watch;
    WorldLink state;
    EventHooks *hooks; /* NULL: not connected */
    bool opening;
    const EventHooks *lost; /* has ended before its attempt was read; only to be compared */
    char *lost_why;
    unsigned retry_sec; /* the next pause */
    guint retry;        /* source */
    char *text;
};

/* An attempt to connect; its thread owns it until it posts it. */
typedef struct Attempt {
    WatchHandle *handle;
    char *uri;
    EventHooks *hooks;
    bool read_only;
    GError *error;
} Attempt;

static void link_connect(Link *link);

static void
attempt_free(Attempt *attempt)
{
    watch_handle_unref(attempt->handle);
    g_clear_error(&attempt->error);
    g_free(attempt->uri);
    g_free(attempt);
}

static void G_GNUC_PRINTF(2, 3) set_text(Link *link, const char *format, ...)
{
    va_list args;

    g_free(link->text);
    va_start(args, format);
    link->text = g_strdup_vprintf(format, args);
    va_end(args);
    g_debug("%s", link->text);
}

static gboolean
on_retry(void *data)
{
    Link *link = data;

    link->retry = 0;
    link_connect(link);
    return G_SOURCE_REMOVE;
}

static void
retry_later(Link *link, const char *why)
{
    set_text(link, "libvirt is away: %s; next try in %u s", why, link->retry_sec);
    link->retry = g_timeout_add_seconds(link->retry_sec, on_retry, link);
    link->retry_sec = MIN(link->retry_sec * 2, RETRY_MAX_SEC);
}

static gboolean
attempt_read(void *data)
{
    Attempt *attempt = data;
    Watch *watch = attempt->handle->watch;
    Link *link = watch != NULL ? watch->link : NULL;

    if (link == NULL) {
        if (attempt->hooks != NULL)
            events_close(attempt->hooks);
    } else {
        link->opening = false;
        if (attempt->hooks == NULL || attempt->hooks == link->lost) {
            retry_later(link, attempt->hooks == NULL ? attempt->error->message : link->lost_why);
            if (attempt->hooks != NULL)
                events_close(attempt->hooks);
            watch_note_change(watch);
        } else {
            link->hooks = attempt->hooks;
            link->state = attempt->read_only ? WORLD_LINK_READ_ONLY : WORLD_LINK_READ_WRITE;
            link->retry_sec = 1;
            set_text(link, "connected to %s%s", attempt->uri, attempt->read_only ? ", read-only" : "");
            watch_note_connected(watch, attempt->read_only);
        }
        link->lost = NULL;
    }
    attempt_free(attempt);
    return G_SOURCE_REMOVE;
}

static void *
attempt_thread(void *data)
{
    Attempt *attempt = data;
    virConnectPtr connection = virt_open(attempt->uri, &attempt->read_only, &attempt->error);

    if (connection != NULL)
        attempt->hooks = events_register(connection, attempt->handle, &attempt->error);
    watch_post(attempt_read, attempt);
    return NULL;
}

static void
link_connect(Link *link)
{
    Attempt *attempt;
    GThread *thread;

    g_assert(!link->opening && link->hooks == NULL);
    attempt = g_new0(Attempt, 1);
    attempt->handle = watch_handle_ref(link->watch->handle);
    attempt->uri = g_strdup(link->watch->uri);
    set_text(link, "connecting to %s", link->watch->uri);
    thread = g_thread_try_new("libvirt-open", attempt_thread, attempt, &attempt->error);
    if (thread == NULL) {
        retry_later(link, attempt->error->message);
        attempt_free(attempt);
        return;
    }
    g_thread_unref(thread);
    link->opening = true;
}

Link *
link_new(Watch *watch)
{
    Link *link = g_new0(Link, 1);

    link->watch = watch;
    link->state = WORLD_LINK_DOWN;
    link->retry_sec = 1;
    link->text = g_strdup("not connected");
    return link;
}

void
link_free(Link *link)
{
    if (link == NULL)
        return;
    if (link->retry != 0)
        g_source_remove(link->retry);
    if (link->hooks != NULL)
        events_close(link->hooks);
    g_free(link->lost_why);
    g_free(link->text);
    g_free(link);
}

void
link_start(Link *link)
{
    if (!link->opening && link->hooks == NULL && link->retry == 0)
        link_connect(link);
}

WorldLink
link_state(const Link *link)
{
    return link->state;
}

bool
link_is_current(const Link *link, const EventHooks *hooks)
{
    return link->hooks != NULL && link->hooks == hooks;
}

void
link_note_closed(Link *link, const EventHooks *hooks, const char *why)
{
    if (link->opening) { /* each registration is a call: libvirt can go in the middle of them */
        g_free(link->lost_why);
        link->lost_why = g_strdup(why);
        link->lost = hooks;
    }
    if (!link_is_current(link, hooks))
        return;
    events_close(g_steal_pointer(&link->hooks));
    link->state = WORLD_LINK_DOWN;
    retry_later(link, why);
    watch_note_disconnected(link->watch);
}

const char *
link_text(const Link *link)
{
    return link->text;
}
