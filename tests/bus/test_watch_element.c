/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changing the element in guests' metadata: in both definitions or in none, and nothing else there; on libvirt's test driver. */
#include "watch_fixture.h"

#include "names.h"
#include "units.h"

#include <string.h>

#define FOREIGN "<metadata><o:thing xmlns:o='urn:other'>kept</o:thing>%s</metadata>"
#define ELEMENT "<d:memory xmlns:d='urn:dynmem:domain:1' minimum='256MiB' later='7'/>"

typedef struct Edit {
    /* what the work shall say */
    const char *live;
    const char *next;
    bool refuses;
    bool stops; /* the guest is stopped before it is written */
    Fixture *fixture;
    /* found */
    bool had_live;
    bool had_next;
    char *was_live;
    char *was_next;
    bool freed;
    unsigned done;
    uint64_t serial; /* of the guest's definition, as the record was then */
    char *error;
    int code;
} Edit;

static void
edit_clear(Edit *edit)
{
    g_free(edit->was_live);
    g_free(edit->was_next);
    g_free(edit->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Edit, edit_clear)

/* Any thread. */
static bool
work(void *data, ElementHalves *halves, GError **error)
{
    Edit *edit = data;

    edit->had_live = halves->live.xml != NULL;
    edit->had_next = halves->next.xml != NULL;
    edit->was_live = g_strdup(halves->live.element);
    edit->was_next = g_strdup(halves->next.element);
    if (edit->refuses) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "it would be wrong");
        return false;
    }
    halves->live.change = edit->had_live;
    halves->live.wanted = g_strdup(edit->live);
    halves->next.change = edit->had_next;
    halves->next.wanted = g_strdup(edit->next);
    if (edit->stops) {
        g_autoptr(virDomain) domain = virDomainLookupByUUIDString(edit->fixture->connection, UUID_A);

        virDomainDestroy(domain);
    }
    return true;
}

static void
on_freed(void *data)
{
    ((Edit *)data)->freed = true;
}

static void
on_edited(void *user_data, const char *uuid, const GError *error)
{
    Edit *edit = user_data;

    assert_string_equal(uuid, UUID_A);
    edit->done++;
    if (find(edit->fixture, UUID_A) != NULL)
        edit->serial = find(edit->fixture, UUID_A)->definition_serial;
    if (error != NULL) {
        edit->error = g_strdup(error->message);
        edit->code = error->code;
    }
}

static Edit *waited_edit;

static bool
is_edited(Fixture *fixture, const char *argument)
{
    return waited_edit->done > 0 && waited_edit->freed;
}

static void
begin(Fixture *fixture, Edit *edit)
{
    edit->fixture = fixture;
    fixture->world.edit_element(fixture->world.self, UUID_A, work, edit, on_freed, on_edited, edit);
}

static void
make(Fixture *fixture, Edit *edit)
{
    begin(fixture, edit);
    waited_edit = edit;
    wait_until(fixture, is_edited, NULL);
    assert_int_equal(edit->done, 1);
}

/* What stands in one of the two definitions; "" for nothing. */
static void
check_element(virDomainPtr domain, unsigned impact, const char *expected)
{
    char *is = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, DYNMEM_METADATA_URI, impact);
    char *other = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, "urn:other", impact);

    assert_string_equal(is != NULL ? is : "", expected);
    assert_non_null(other);
    assert_non_null(strstr(other, "kept"));
    free(is);
    free(other);
}

static virDomainPtr
define_with(Fixture *fixture, const char *element)
{
    g_autofree char *metadata = g_strdup_printf(FOREIGN, element);
    virDomainPtr domain = define(fixture, "a", UUID_A, metadata);

    return domain;
}

static virDomainPtr
run_with(Fixture *fixture, const char *element)
{
    virDomainPtr domain = define_with(fixture, element);

    assert_int_equal(virDomainCreate(domain), 0);
    start(fixture);
    wait_until(fixture, is_running, UUID_A);
    return domain;
}

static void
both_definitions_are_changed_and_the_record_shows_it(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = run_with(fixture, ELEMENT);
    uint64_t serial = find(fixture, UUID_A)->definition_serial;
    g_auto(Edit) edit = {.live = "<memory minimum=\"1MiB\"/>", .next = "<memory minimum=\"1MiB\"/>"};

    make(fixture, &edit);
    assert_null(edit.error);
    assert_true(edit.had_live && edit.had_next);
    assert_string_equal(edit.was_live, "<memory minimum=\"256MiB\" later=\"7\"/>");
    assert_string_equal(edit.was_next, edit.was_live);
    check_element(a, VIR_DOMAIN_AFFECT_LIVE, "<memory minimum=\"1MiB\"/>");
    check_element(a, VIR_DOMAIN_AFFECT_CONFIG, "<memory minimum=\"1MiB\"/>");
    /* at the moment it was told */
    assert_true(edit.serial != serial);
    assert_non_null(strstr(find(fixture, UUID_A)->live_xml, "minimum=\"1MiB\""));
    assert_non_null(strstr(find(fixture, UUID_A)->inactive_xml, "minimum=\"1MiB\""));
}

static void
definitions_may_become_different(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = run_with(fixture, "");
    g_auto(Edit) edit = {.live = "<memory minimum=\"1MiB\"/>", .next = "<memory minimum=\"2MiB\"/>"};

    make(fixture, &edit);
    assert_null(edit.error);
    assert_null(edit.was_live);
    check_element(a, VIR_DOMAIN_AFFECT_LIVE, "<memory minimum=\"1MiB\"/>");
    check_element(a, VIR_DOMAIN_AFFECT_CONFIG, "<memory minimum=\"2MiB\"/>");
}

static void
element_is_taken_out(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = run_with(fixture, ELEMENT);
    g_auto(Edit) edit = {0};

    make(fixture, &edit);
    assert_null(edit.error);
    check_element(a, VIR_DOMAIN_AFFECT_LIVE, "");
    check_element(a, VIR_DOMAIN_AFFECT_CONFIG, "");
}

static void
guest_that_is_off_has_one_definition(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define_with(fixture, "");
    g_auto(Edit) edit = {.next = "<memory/>"};

    start(fixture);
    wait_until(fixture, is_off, UUID_A);
    make(fixture, &edit);
    assert_null(edit.error);
    assert_true(!edit.had_live && edit.had_next);
    check_element(a, VIR_DOMAIN_AFFECT_CONFIG, "<memory/>");
}

static void
transient_guest_has_the_other(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *metadata = g_strdup_printf(FOREIGN, ELEMENT);
    g_autofree char *xml = guest_xml("a", UUID_A, metadata);
    g_autoptr(virDomain) a = virDomainCreateXML(fixture->connection, xml, 0);
    g_auto(Edit) edit = {.live = "<memory/>"};

    start(fixture);
    wait_until(fixture, is_running, UUID_A);
    make(fixture, &edit);
    assert_null(edit.error);
    assert_true(edit.had_live && !edit.had_next);
    check_element(a, VIR_DOMAIN_AFFECT_LIVE, "<memory/>");
}

static void
refused_work_changes_nothing(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = run_with(fixture, ELEMENT);
    g_auto(Edit) edit = {.refuses = true};

    make(fixture, &edit);
    assert_string_equal(edit.error, "it would be wrong");
    assert_int_equal(edit.code, DYNMEM_ERROR_INVALID);
    check_element(a, VIR_DOMAIN_AFFECT_LIVE, "<memory minimum=\"256MiB\" later=\"7\"/>");
}

/* The definition is written first, then what it runs with. */
static void
first_half_is_put_back_where_the_second_fails(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = run_with(fixture, ELEMENT);
    g_auto(Edit) edit = {.live = "<this is no XML", .next = "<memory/>"};

    make(fixture, &edit);
    assert_non_null(edit.error);
    assert_non_null(strstr(edit.error, "nothing was changed"));
    check_element(a, VIR_DOMAIN_AFFECT_LIVE, "<memory minimum=\"256MiB\" later=\"7\"/>");
    check_element(a, VIR_DOMAIN_AFFECT_CONFIG, "<memory minimum=\"256MiB\" later=\"7\"/>");
}

static void
guest_that_stops_meanwhile_keeps_its_definition(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = run_with(fixture, ELEMENT);
    g_auto(Edit) edit = {.live = "<memory/>", .next = "<memory a='1'/>", .stops = true};

    make(fixture, &edit);
    assert_non_null(edit.error);
    assert_non_null(strstr(edit.error, "nothing was changed"));
    check_element(a, VIR_DOMAIN_AFFECT_CONFIG, "<memory minimum=\"256MiB\" later=\"7\"/>");
}

static void
who_can_not_be_served_is_told_at_once(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a = define_with(fixture, "");
    g_auto(Edit) early = {0}, hooked = {0}, first = {.next = "<memory/>"}, second = {.next = "<memory/>"}, late = {0};

    begin(fixture, &early);
    assert_int_equal(early.done, 1);
    assert_non_null(strstr(early.error, "not connected"));
    start(fixture);
    wait_until(fixture, is_off, UUID_A);
    fixture->world.note_hook(fixture->world.self, UUID_A, HOOK_WAITS, 0);
    begin(fixture, &hooked);
    assert_non_null(strstr(hooked.error, "being started"));
    fixture->world.note_hook(fixture->world.self, UUID_A, HOOK_ANSWERED, 0);
    begin(fixture, &first);
    begin(fixture, &second);
    assert_int_equal(first.done, 0);
    assert_non_null(strstr(second.error, "already"));
    assert_true(early.freed && hooked.freed && second.freed);
    waited_edit = &first;
    wait_until(fixture, is_edited, NULL);
    assert_null(first.error);
    assert_int_equal(virDomainUndefine(a), 0);
    wait_until(fixture, is_unknown, UUID_A);
    begin(fixture, &late);
    assert_int_equal(late.code, DYNMEM_ERROR_NOT_FOUND);
}

static void
who_waits_when_the_daemon_ends_is_told(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(virDomain) a G_GNUC_UNUSED = define_with(fixture, "");
    g_auto(Edit) edit = {.next = "<memory/>"};

    start(fixture);
    wait_until(fixture, is_off, UUID_A);
    begin(fixture, &edit);
    watch_stop(fixture->watch, USEC_PER_SEC, on_stopped, fixture);
    assert_int_equal(edit.done, 1);
    assert_non_null(strstr(edit.error, "being stopped"));
    wait_until(fixture, is_stopped, NULL);
    waited_edit = &edit;
    wait_until(fixture, is_edited, NULL);
    assert_int_equal(edit.done, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_definitions_are_changed_and_the_record_shows_it, setup, teardown),
        cmocka_unit_test_setup_teardown(definitions_may_become_different, setup, teardown),
        cmocka_unit_test_setup_teardown(element_is_taken_out, setup, teardown),
        cmocka_unit_test_setup_teardown(guest_that_is_off_has_one_definition, setup, teardown),
        cmocka_unit_test_setup_teardown(transient_guest_has_the_other, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_work_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(first_half_is_put_back_where_the_second_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(guest_that_stops_meanwhile_keeps_its_definition, setup, teardown),
        cmocka_unit_test_setup_teardown(who_can_not_be_served_is_told_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_when_the_daemon_ends_is_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, keep_listening, stop_listening);
}
