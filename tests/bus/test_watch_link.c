/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the link is up and when it is not. What it calls is stood in for here: connections that end at a chosen moment. */
#include "cmocka_all.h"
#include "units.h"
#include "watch/link.h"
#include "watch/virt.h"

#include <string.h>

struct EventHooks {
    Link *link;
};

typedef struct Fixture {
    Watch watch;
    EventHooks *last;
    unsigned opened;
    unsigned ends_early; /* so many connections end while they are being set up */
    unsigned closed;
    unsigned connected;
    unsigned disconnected;
    unsigned changes;
} Fixture;

static Fixture *fixture;

/* ---- what stands in ---- */

virConnectPtr
virt_open(const char *uri, bool *read_only, GError **error)
{
    return (virConnectPtr)fixture;
}

static gboolean
read_closing(void *data)
{
    EventHooks *hooks = data;

    link_note_closed(hooks->link, hooks, "libvirt ended it");
    return G_SOURCE_REMOVE;
}

EventHooks *
events_register(virConnectPtr connection, WatchHandle *handle, GError **error)
{
    EventHooks *hooks = g_new0(EventHooks, 1);

    hooks->link = fixture->watch.link;
    if (fixture->opened++ < fixture->ends_early)
        watch_post(read_closing, hooks);
    fixture->last = hooks;
    return hooks;
}

void
events_close(EventHooks *hooks)
{
    fixture->closed++;
    g_free(hooks);
}

WatchHandle *
watch_handle_ref(WatchHandle *handle)
{
    return handle;
}

void
watch_handle_unref(WatchHandle *handle)
{
}

void
watch_post(GSourceFunc function, void *data)
{
    g_idle_add_full(G_PRIORITY_DEFAULT, function, data, NULL);
}

void
watch_note_change(Watch *watch)
{
    fixture->changes++;
}

void
watch_note_connected(Watch *watch, bool read_only)
{
    fixture->connected++;
}

void
watch_note_disconnected(Watch *watch)
{
    fixture->disconnected++;
}

/* ---- tests ---- */

static int
set_up(void **state)
{
    static WatchHandle handle;

    fixture = g_new0(Fixture, 1);
    handle.watch = &fixture->watch;
    fixture->watch.handle = &handle;
    fixture->watch.uri = g_strdup("test:///");
    fixture->watch.link = link_new(&fixture->watch);
    return 0;
}

static int
tear_down(void **state)
{
    link_free(fixture->watch.link);
    g_free(fixture->watch.uri);
    g_clear_pointer(&fixture, g_free);
    return 0;
}

static gboolean
wake(void *data)
{
    return G_SOURCE_CONTINUE;
}

static void
run_until_opened(unsigned times)
{
    uint64_t end_usec = (uint64_t)g_get_monotonic_time() + 30 * USEC_PER_SEC;
    guint source = g_timeout_add(10, wake, NULL);

    while (fixture->connected + fixture->changes < times) {
        assert_true((uint64_t)g_get_monotonic_time() < end_usec);
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(source);
}

static void
connection_is_lost_when_it_ends_and_made_again(void **state)
{
    link_start(fixture->watch.link);
    run_until_opened(1);
    assert_int_equal(link_state(fixture->watch.link), WORLD_LINK_READ_WRITE);
    assert_int_equal(fixture->connected, 1);
    read_closing(fixture->last);
    assert_int_equal(link_state(fixture->watch.link), WORLD_LINK_DOWN);
    assert_int_equal(fixture->disconnected, 1);
    run_until_opened(2);
    assert_int_equal(link_state(fixture->watch.link), WORLD_LINK_READ_WRITE);
}

/* A libvirtd that is restarted once more: of that connection no other end is ever told, and no event. */
static void
connection_that_ended_while_it_was_set_up_is_none(void **state)
{
    fixture->ends_early = 1;
    link_start(fixture->watch.link);
    run_until_opened(1);
    assert_int_equal(link_state(fixture->watch.link), WORLD_LINK_DOWN);
    assert_int_equal(fixture->connected, 0);
    assert_int_equal(fixture->closed, 1);
    assert_non_null(strstr(link_text(fixture->watch.link), "libvirt ended it"));
    run_until_opened(2);
    assert_int_equal(fixture->opened, 2);
    assert_int_equal(link_state(fixture->watch.link), WORLD_LINK_READ_WRITE);
    assert_int_equal(fixture->connected, 1);
    assert_int_equal(fixture->closed, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connection_is_lost_when_it_ends_and_made_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connection_that_ended_while_it_was_set_up_is_none, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
