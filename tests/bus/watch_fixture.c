/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch_fixture.h"

#include "units.h"

#include <glib/gstdio.h>
#include <string.h>

#define WAIT_USEC (30 * USEC_PER_SEC)

void
on_changed(void *user_data)
{
    ((Fixture *)user_data)->changes++;
}

void
on_collected(void *user_data)
{
    ((Fixture *)user_data)->collected++;
}

void
on_target(void *user_data, const char *uuid, uint64_t target_kib, const GError *error)
{
    Fixture *fixture = user_data;

    fixture->targets_done++;
    fixture->targets_failed += error != NULL;
}

void
on_started(void *user_data, const char *uuid, const GError *error)
{
    Fixture *fixture = user_data;

    fixture->starts_done++;
    g_free(fixture->start_error);
    fixture->start_error = error != NULL ? g_strdup(error->message) : NULL;
}

void
on_stopped(void *user_data)
{
    ((Fixture *)user_data)->stopped = true;
}

static gboolean
wake(void *data)
{
    return G_SOURCE_CONTINUE;
}

/* Runs the main loop until condition(fixture, argument) holds. */
void
wait_until(Fixture *fixture, bool (*condition)(Fixture *fixture, const char *argument), const char *argument)
{
    uint64_t end_usec = (uint64_t)g_get_monotonic_time() + WAIT_USEC;
    guint source = g_timeout_add(20, wake, NULL);

    while (!condition(fixture, argument)) {
        assert_true((uint64_t)g_get_monotonic_time() < end_usec);
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(source);
}

void
run_loop_for(uint64_t usec)
{
    uint64_t end_usec = (uint64_t)g_get_monotonic_time() + usec;
    guint source = g_timeout_add(10, wake, NULL);

    while ((uint64_t)g_get_monotonic_time() < end_usec)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(source);
}

const GuestRecord *
find(Fixture *fixture, const char *uuid)
{
    size_t count;
    const GuestRecord *const *records = fixture->world.records(fixture->world.self, &count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(records[i]->uuid, uuid) == 0)
            return records[i];
    }
    return NULL;
}

bool
is_up(Fixture *fixture, const char *argument)
{
    return fixture->world.link(fixture->world.self) == WORLD_LINK_READ_WRITE;
}

bool
is_known(Fixture *fixture, const char *uuid)
{
    return find(fixture, uuid) != NULL;
}

bool
is_unknown(Fixture *fixture, const char *uuid)
{
    return find(fixture, uuid) == NULL;
}

bool
is_running(Fixture *fixture, const char *uuid)
{
    const GuestRecord *record = find(fixture, uuid);

    return record != NULL && record->life == GUEST_LIFE_RUNNING && record->live_xml != NULL;
}

bool
is_paused(Fixture *fixture, const char *uuid)
{
    const GuestRecord *record = find(fixture, uuid);

    return record != NULL && record->life == GUEST_LIFE_PAUSED;
}

bool
is_off(Fixture *fixture, const char *uuid)
{
    const GuestRecord *record = find(fixture, uuid);

    return record != NULL && record->life == GUEST_LIFE_OFF;
}

bool
is_collected(Fixture *fixture, const char *argument)
{
    return fixture->collected > 0;
}

bool
is_target_done(Fixture *fixture, const char *argument)
{
    return fixture->targets_done > 0;
}

bool
is_start_done(Fixture *fixture, const char *argument)
{
    return fixture->starts_done > 0;
}

bool
is_stopped(Fixture *fixture, const char *argument)
{
    return fixture->stopped;
}

bool
has_changed(Fixture *fixture, const char *argument)
{
    return fixture->changes > 0;
}

char *
guest_xml(const char *name, const char *uuid, const char *extra)
{
    return g_strdup_printf("<domain type='test'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>1024</memory>"
                           "<currentMemory unit='MiB'>512</currentMemory>%s<os><type>hvm</type></os>"
                           "<devices><memballoon model='virtio'/></devices></domain>",
                           name, uuid, extra);
}

virDomainPtr
define(Fixture *fixture, const char *name, const char *uuid, const char *extra)
{
    g_autofree char *xml = guest_xml(name, uuid, extra);
    virDomainPtr domain = virDomainDefineXML(fixture->connection, xml);

    assert_non_null(domain);
    return domain;
}

static virConnectPtr keeper;
static int keeper_id;

static void
on_kept_event(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
}

/*
 * The test driver's connections share their events, and libvirt loses them all from then on when one is queued at the
 * moment when the last listener goes (object_event.c, virObjectEventStateQueueRemote looks at the timer without the
 * lock). So one listener stays from the first test to the last. A connection to a daemon has events of its own.
 */
int
keep_listening(void **state)
{
    virt_init();
    keeper = virConnectOpen(URI);
    assert_non_null(keeper);
    keeper_id = virConnectDomainEventRegisterAny(keeper, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                 VIR_DOMAIN_EVENT_CALLBACK(on_kept_event), NULL, NULL);
    return keeper_id < 0 ? -1 : 0;
}

int
stop_listening(void **state)
{
    virConnectDomainEventDeregisterAny(keeper, keeper_id);
    virConnectClose(keeper);
    return 0;
}

int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    g_autofree char *problem = NULL;

    /* Keeps the driver's guests while watch comes and goes. */
    fixture->connection = virConnectOpen(URI);
    assert_non_null(fixture->connection);
    fixture->directory = g_dir_make_tmp("dynmem-watch-XXXXXX", NULL);
    assert_non_null(fixture->directory);
    fixture->keep = keep_open(NULL, "this boot", &problem);
    assert_null(problem);
    fixture->watch = watch_new(&(WatchOptions){.uri = URI, .keep = fixture->keep}, on_changed, fixture);
    fixture->world = watch_guest_world(fixture->watch);
    *state = fixture;
    return 0;
}

int
teardown(void **state)
{
    static const char *const files[] = {"state", "saved"};
    Fixture *fixture = *state;

    if (!fixture->stopped) {
        watch_stop(fixture->watch, USEC_PER_SEC, on_stopped, fixture);
        wait_until(fixture, is_stopped, NULL);
    }
    watch_free(fixture->watch);
    keep_free(fixture->keep);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(fixture->directory, files[i], NULL);

        g_unlink(path);
    }
    g_rmdir(fixture->directory);
    g_free(fixture->directory);
    g_free(fixture->start_error);
    for (size_t i = 0; i < 2; i++) {
        g_autoptr(virDomain) domain = virDomainLookupByUUIDString(fixture->connection, i == 0 ? UUID_A : UUID_B);

        if (domain != NULL) {
            virDomainDestroy(domain);
            virDomainUndefine(domain);
        }
    }
    virConnectClose(fixture->connection);
    g_free(fixture);
    return 0;
}

void
start(Fixture *fixture)
{
    watch_start(fixture->watch);
    wait_until(fixture, is_up, NULL);
}
