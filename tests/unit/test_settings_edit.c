/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a change of settings comes to, and what becomes of the element's text. */
#include "cmocka_all.h"

#include "config/element_text.h"
#include "config/settings_edit.h"
#include "error.h"
#include "units.h"

#include <string.h>

#define MIB KIB_PER_MIB

/* ---- the text of the element ---- */

static void
check_text(const char *before, ElementAttribute attribute, const char *value, const char *expected)
{
    ElementEdit edits[ELEMENT_ATTRIBUTE_COUNT] = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *after = NULL;

    edits[attribute].touched = true;
    edits[attribute].value = (char *)value;
    after = element_text_edit(before, edits, &error);
    assert_null(error);
    assert_string_equal(after, expected);
}

static void
only_what_is_touched_is_another(void **state)
{
    check_text("<memory minimum=\"1GiB\" priority='5' later=\"&lt;x&gt;\"/>", ELEMENT_PRIORITY, "80",
               "<memory minimum=\"1GiB\" priority=\"80\" later=\"&lt;x&gt;\"/>");
    check_text("<memory minimum=\"1GiB\" priority='5'/>", ELEMENT_PRIORITY, NULL, "<memory minimum=\"1GiB\"/>");
    check_text("<memory minimum=\"1GiB\"/>", ELEMENT_BUFFER, "30", "<memory minimum=\"1GiB\" buffer=\"30\"/>");
    check_text("<memory minimum=\"1GiB\"/>", ELEMENT_BUFFER, NULL, "<memory minimum=\"1GiB\"/>");
    check_text("<memory xmlns:o=\"urn:o\" o:minimum='1' minimum = \"2GiB\"><!-- > --><a minimum='3'/></memory>",
               ELEMENT_MINIMUM, "4GiB",
               "<memory xmlns:o=\"urn:o\" o:minimum='1' minimum=\"4GiB\"><!-- > --><a minimum='3'/></memory>");
    check_text("<memory paging-directory=\"/a>b\"/>", ELEMENT_MODE, "static",
               "<memory paging-directory=\"/a>b\" mode=\"static\"/>");
}

static void
a_guest_without_it_gets_the_element(void **state)
{
    check_text(NULL, ELEMENT_MINIMUM, "512MiB", "<memory minimum=\"512MiB\"/>");
    check_text(NULL, ELEMENT_MINIMUM, NULL, "<memory/>");
    check_text("<memory/>", ELEMENT_PAGING_DIRECTORY, "/a&\"b", "<memory paging-directory=\"/a&amp;&quot;b\"/>");
}

static void
what_is_no_such_element_is_left_alone(void **state)
{
    static const char *const others[] = {"<memories/>", "<memroy a='1'/>", "", "<memory a=1/>", "<memory a", "<memory"};
    const ElementEdit edits[ELEMENT_ATTRIBUTE_COUNT] = {0};

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(element_text_edit(others[i], edits, &error));
        assert_true(g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID));
    }
}

/* ---- what it comes to ---- */

/* A guest of 4 GiB that is said to have 2 GiB, with this in its metadata. Caller frees. */
static char *
domain(const char *metadata)
{
    return g_strdup_printf("<domain type='kvm'><memory unit='GiB'>4</memory><currentMemory unit='GiB'>2</currentMemory>"
                           "<metadata xmlns:d='urn:dynmem:domain:1'>%s</metadata><vcpu>1</vcpu>"
                           "<devices><memballoon model='virtio'/></devices></domain>",
                           metadata);
}

/* words: "name=value", a number after "#": "minimum=#1024". */
static SettingsEdit *
edit_of(const char *const *words, bool remove, const Settings *settings, StartupDefault startup, GError **error)
{
    g_autoptr(SettingsAsk) ask = settings_ask_new();

    ask->remove = remove;
    for (; *words != NULL; words++) {
        g_auto(GStrv) parts = g_strsplit(*words, "=", 2);
        bool number = parts[1][0] == '#';

        settings_ask_add(ask, parts[0], parts[1] + number, number);
    }
    return settings_edit_new(ask, settings, startup, error);
}

static SettingsChange *
plan_with(const Settings *settings, const char *live, const char *next, bool remove, GError **error,
          const char *const *words)
{
    g_autofree char *live_xml = live != NULL ? domain(live) : NULL;
    g_autofree char *next_xml = next != NULL ? domain(next) : NULL;
    /* of a transient guest; nobody else's */
    g_autoptr(SettingsEdit) edit =
        edit_of(words, remove, settings, (StartupDefault){.known = true, .kib = 3 * KIB_PER_GIB}, error);

    return edit != NULL ? settings_edit_plan(edit, live_xml, next_xml, error) : NULL;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *const no_words[] = {NULL};

static SettingsChange *
plan(const char *live, const char *next, const char *const *words)
{
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(GError) error = NULL;
    SettingsChange *change = plan_with(settings, live, next, false, &error, words);

    if (error != NULL)
        fail_msg("%s", error->message);
    return change;
}

static void
check_refused(const char *live, const char *next, const char *const *words, const char *said)
{
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(GError) error = NULL;

    assert_null(plan_with(settings, live, next, false, &error, words));
    assert_true(g_error_matches(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID));
    if (strstr(error->message, said) == NULL)
        fail_msg("'%s' is not in '%s'", said, error->message);
}

static const SettingChange *
row(const SettingsChange *change, ElementAttribute attribute, SettingPlace place)
{
    for (guint i = 0; i < change->rows->len; i++) {
        const SettingChange *one = g_ptr_array_index(change->rows, i);

        if (one->attribute == attribute && one->place == place)
            return one;
    }
    return NULL;
}

static void
check_row(const SettingsChange *change, ElementAttribute attribute, SettingPlace place, const char *before,
          const char *after)
{
    const SettingChange *one = row(change, attribute, place);

    assert_non_null(one);
    assert_string_equal(one->before.text, before);
    assert_string_equal(one->after.text, after);
}

static bool
has_note(const SettingsChange *change, const char *part)
{
    for (guint i = 0; i < change->notes->len; i++)
        if (strstr(g_ptr_array_index(change->notes, i), part) != NULL)
            return true;
    return false;
}

static void
old_and_new_are_told_with_their_defaults(void **state)
{
    g_autoptr(SettingsChange) change =
        plan("<d:memory priority='30'/>", "<d:memory priority='30'/>", WORDS("minimum=512MiB", "priority="));

    assert_int_equal(change->rows->len, 2);
    check_row(change, ELEMENT_MINIMUM, SETTING_PLACE_BOTH, "2GiB", "512MiB");
    assert_false(row(change, ELEMENT_MINIMUM, SETTING_PLACE_BOTH)->before.given);
    assert_true(row(change, ELEMENT_MINIMUM, SETTING_PLACE_BOTH)->after.given);
    assert_int_equal(row(change, ELEMENT_MINIMUM, SETTING_PLACE_BOTH)->after.number, 512ULL << 20);
    check_row(change, ELEMENT_PRIORITY, SETTING_PLACE_BOTH, "30", "50");
    assert_false(row(change, ELEMENT_PRIORITY, SETTING_PLACE_BOTH)->after.given);
    assert_true(change->writes && change->managed_before && change->managed_after);
    assert_int_equal(change->notes->len, 0);
}

static void
what_follows_from_it_is_told_too(void **state)
{
    g_autoptr(SettingsChange) change = plan(NULL, "<d:memory/>", WORDS("startup=1GiB"));

    check_row(change, ELEMENT_STARTUP, SETTING_PLACE_BOTH, "2GiB", "1GiB");
    check_row(change, ELEMENT_MINIMUM, SETTING_PLACE_BOTH, "2GiB", "1GiB");
}

static void
numbers_are_bytes_for_sizes_only(void **state)
{
    g_autoptr(SettingsChange) change = plan(NULL, "", WORDS("minimum=#536870912", "buffer=#40", "smart-paging=no"));

    check_row(change, ELEMENT_MINIMUM, SETTING_PLACE_BOTH, "2GiB", "512MiB");
    check_row(change, ELEMENT_BUFFER, SETTING_PLACE_BOTH, "20", "40");
    check_row(change, ELEMENT_SMART_PAGING, SETTING_PLACE_BOTH, "yes", "no");
    assert_false(change->managed_before);
    assert_true(change->managed_after && change->element_after);
}

static void
each_refusal_says_what_is_possible(void **state)
{
    check_refused(NULL, "", WORDS("minimum=3GiB"), "above startup, which is 2GiB by <currentMemory>");
    check_refused(NULL, "", WORDS("startup=5GiB"), "above the maximum, which is 4GiB");
    check_refused(NULL, "<d:memory minimum='1GiB'/>", WORDS("startup=512MiB"), "'1GiB' is above startup");
    check_refused(NULL, "", WORDS("priority=101"), "priority");
    check_refused(NULL, "", WORDS("minimum=lots", "buffer=#2001"), "buffer");
    check_refused(NULL, "", WORDS("minimum=lots", "buffer=#2001"), "lots");
    check_refused(NULL, "", WORDS("minimum=512"), "MiB");
    check_refused(NULL, "", WORDS("minimum=#0"), "nothing");
    check_refused(NULL, "", WORDS("mode=off"), "dynamic, observe or static");
    check_refused(NULL, "", WORDS("paging-directory=here"), "here");
    check_refused(NULL, "", WORDS("paging-directory=/a\nb"), "control");
    check_refused(NULL, "", WORDS("priorty=3"), "priority was probably meant");
    check_refused(NULL, "", WORDS("weight=3"), "minimum, startup, buffer");
    check_refused(NULL, "", WORDS("priority=3", "priority=4"), "twice");
}

/* Its other settings must be good as well: they would not be used otherwise. */
static void
what_was_wrong_before_is_a_reason_until_it_is_put_right(void **state)
{
    static const char wrong[] = "<d:memory buffer='much' priority='3'/>";
    g_autoptr(SettingsChange) change = NULL;

    check_refused(NULL, wrong, WORDS("priority=4"), "much");
    change = plan(NULL, wrong, WORDS("priority=4", "buffer=10"));
    check_row(change, ELEMENT_BUFFER, SETTING_PLACE_BOTH, "much", "10");
}

static void
both_definitions_are_checked_each_for_itself(void **state)
{
    g_autofree char *live = domain("");
    g_autofree char *next = g_strdup_printf("<domain type='kvm'><memory unit='GiB'>1</memory><metadata/><devices>"
                                            "<memballoon model='virtio'/></devices></domain>");
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(SettingsEdit) edit = edit_of(WORDS("startup=2GiB"), false, settings, (StartupDefault){0}, &error);

    assert_null(settings_edit_plan(edit, live, next, &error));
    assert_non_null(strstr(error->message, "next start"));
    assert_non_null(strstr(error->message, "which is 1GiB"));
}

static void
definitions_that_differ_are_told_apart(void **state)
{
    g_autoptr(SettingsChange) change =
        plan("<d:memory priority='10'/>", "<d:memory buffer='5'/>", WORDS("priority=20"));

    check_row(change, ELEMENT_PRIORITY, SETTING_PLACE_LIVE, "10", "20");
    check_row(change, ELEMENT_PRIORITY, SETTING_PLACE_NEXT, "50", "20");
    assert_null(row(change, ELEMENT_BUFFER, SETTING_PLACE_BOTH));
    assert_true(has_note(change, "do not agree in buffer"));
}

static void
transient_guest_keeps_its_startup_and_is_told_of_its_file(void **state)
{
    g_autoptr(SettingsChange) change = plan("<d:memory minimum='1GiB'/>", NULL, WORDS("minimum="));

    assert_true(change->running && !change->persistent);
    check_row(change, ELEMENT_MINIMUM, SETTING_PLACE_BOTH, "1GiB", "3GiB");
    assert_true(has_note(change, "the file"));
}

static void
caps_are_told_and_do_not_refuse(void **state)
{
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(SettingsChange) change = NULL;

    settings->priority_most = 60;
    settings->minimum_most = (SizeOrPercent){.kib = 512 * MIB};
    change = plan_with(settings, NULL, "", false, NULL, WORDS("priority=90", "minimum=1GiB"));
    check_row(change, ELEMENT_PRIORITY, SETTING_PLACE_BOTH, "50", "90");
    assert_true(has_note(change, "counts as 60"));
    assert_true(has_note(change, "MinimumMost="));
}

static void
balloon_that_can_not_be_used_is_told(void **state)
{
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(SettingsEdit) edit = edit_of(no_words, false, settings, (StartupDefault){0}, NULL);
    g_autoptr(SettingsChange) change =
        settings_edit_plan(edit, NULL, "<domain><memory>1048576</memory><devices/></domain>", NULL);

    assert_true(change->writes && has_note(change, "it has no balloon device: its memory is counted"));
}

static void
nothing_is_written_where_all_is_so_already(void **state)
{
    g_autoptr(SettingsChange) same =
        plan("<d:memory mode='static'/>", "<d:memory mode='static'/>", WORDS("mode=static"));
    g_autoptr(SettingsChange) there = plan(NULL, "<d:memory/>", no_words);
    g_autoptr(SettingsChange) adds = plan(NULL, "", no_words);

    assert_false(same->writes);
    assert_false(there->writes);
    assert_true(adds->writes && adds->managed_after);
    assert_int_equal(adds->rows->len, 0);
}

/* Who takes out what is not there does not ask for the guest to be managed. */
static void
guest_is_not_managed_for_what_is_taken_out(void **state)
{
    g_autoptr(SettingsChange) none = plan("", "", WORDS("minimum=", "buffer="));
    g_autoptr(SettingsChange) one = plan("<d:memory/>", "", WORDS("minimum="));
    g_autoptr(SettingsChange) more = plan("", "", WORDS("minimum=", "buffer=5"));
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(SettingsEdit) edit = edit_of(WORDS("minimum="), false, settings, (StartupDefault){0}, NULL);
    g_autofree char *xml = domain("");
    ElementHalves halves = {.next = {.xml = xml}};

    assert_false(none->writes || none->managed_after || none->element_after);
    assert_false(one->writes);
    assert_true(one->managed_after);
    assert_true(more->writes && more->managed_after);
    assert_true(settings_edit_elements(edit, &halves, NULL));
    assert_false(halves.next.change);
    assert_null(halves.next.wanted);
}

static void
element_is_taken_out_whatever_is_in_it(void **state)
{
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(SettingsChange) change =
        plan_with(settings, NULL, "<d:memory buffer='much'/><d:memroy/>", true, &error, no_words);
    g_autoptr(SettingsChange) stays = NULL;

    assert_null(error);
    assert_true(change->writes && change->managed_before);
    assert_false(change->managed_after);
    assert_int_equal(change->notes->len, 0);
    settings->manage_all = true;
    stays = plan_with(settings, NULL, "<d:memory/>", true, &error, no_words);
    assert_true(stays->managed_after && has_note(stays, "Manage=all"));
}

/* libvirt would replace them. */
static void
other_elements_of_our_own_are_not_lost(void **state)
{
    check_refused(NULL, "<d:memory/><d:memory/>", WORDS("priority=3"), "would be lost");
    check_refused(NULL, "<d:memroy minimum='1GiB'/>", WORDS("priority=3"), "would be lost");
}

static void
elements_are_edited_each_for_itself(void **state)
{
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(SettingsEdit) edit = edit_of(WORDS("priority=7"), false, settings, (StartupDefault){0}, NULL);
    ElementHalves halves = {
        .live = {.xml = domain("<d:memory priority='6' x='1'/>"), .element = (char *)"<memory priority='6' x='1'/>"},
        .next = {.xml = domain(""), .element = NULL},
    };

    assert_true(settings_edit_elements(edit, &halves, NULL));
    assert_true(halves.live.change && halves.next.change);
    assert_string_equal(halves.live.wanted, "<memory priority=\"7\" x='1'/>");
    assert_string_equal(halves.next.wanted, "<memory priority=\"7\"/>");
    for (size_t i = 0; i < 2; i++) {
        ElementHalf *half = i == 0 ? &halves.live : &halves.next;

        g_free(half->xml);
        g_free(half->wanted);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_touched_is_another),
        cmocka_unit_test(a_guest_without_it_gets_the_element),
        cmocka_unit_test(what_is_no_such_element_is_left_alone),
        cmocka_unit_test(old_and_new_are_told_with_their_defaults),
        cmocka_unit_test(what_follows_from_it_is_told_too),
        cmocka_unit_test(numbers_are_bytes_for_sizes_only),
        cmocka_unit_test(each_refusal_says_what_is_possible),
        cmocka_unit_test(what_was_wrong_before_is_a_reason_until_it_is_put_right),
        cmocka_unit_test(both_definitions_are_checked_each_for_itself),
        cmocka_unit_test(definitions_that_differ_are_told_apart),
        cmocka_unit_test(transient_guest_keeps_its_startup_and_is_told_of_its_file),
        cmocka_unit_test(caps_are_told_and_do_not_refuse),
        cmocka_unit_test(balloon_that_can_not_be_used_is_told),
        cmocka_unit_test(nothing_is_written_where_all_is_so_already),
        cmocka_unit_test(guest_is_not_managed_for_what_is_taken_out),
        cmocka_unit_test(element_is_taken_out_whatever_is_in_it),
        cmocka_unit_test(other_elements_of_our_own_are_not_lost),
        cmocka_unit_test(elements_are_edited_each_for_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
