/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the manuals tell an administrator to write is understood by the reader of guests' settings, with no complaint; and the
 * figures that they give are those of the code.
 */

#include "cmocka_all.h"
#include "config/guest_book.h"
#include "decide/budget.h"
#include "units.h"

#include <string.h>

#define NAMESPACE "xmlns=\"urn:dynmem:domain:1\""

/* A page without roff's escapes. Caller frees. */
static char *
page_text(const char *name)
{
    static const char *const escapes[][2] = {{"\\-", "-"}, {"\\(dq", "\""}, {"\\(aq", "'"}, {"\\~", " "},
                                             {"\\fB", ""}, {"\\fI", ""},    {"\\fP", ""},   {"\\e\n", " "}};
    g_autofree char *path = g_build_filename(MANUALS, name, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    char *raw = NULL;

    assert_true(g_file_get_contents(path, &raw, NULL, NULL));
    g_string_assign(text, raw);
    g_free(raw);
    for (size_t i = 0; i < G_N_ELEMENTS(escapes); i++)
        g_string_replace(text, escapes[i][0], escapes[i][1], 0);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* All of a pattern's hits: of its first group. Free with g_ptr_array_unref. */
static GPtrArray *
hits(const char *pattern, const char *text)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_MULTILINE, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    assert_non_null(regex);
    for (g_regex_match(regex, text, 0, &match); g_match_info_matches(match); g_match_info_next(match, NULL))
        g_ptr_array_add(found, g_match_info_fetch(match, 1));
    return found;
}

static char *
replaced(const char *pattern, const char *text, const char *with)
{
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);

    return g_regex_replace(regex, text, -1, 0, with, 0, NULL);
}

/* What a guest of 8 GiB, 6 of them its <currentMemory>, makes of this element. */
static void
assert_understood(const char *page, const char *element)
{
    g_autoptr(GuestBook) book = guest_book_new();
    g_autoptr(GString) messages = g_string_new(NULL);
    Settings *settings = settings_new();
    GuestRecord record = {.name = (char *)"web", .definition_serial = 1};
    const GuestRecord *const records[] = {&record};
    const GuestSettings *const *read;
    const GPtrArray *issues;

    record.inactive_xml = g_strdup_printf(
        "<domain type='kvm'><name>web</name><metadata>%s</metadata><memory unit='GiB'>8</memory><currentMemory "
        "unit='GiB'>6</currentMemory><devices><memballoon model='virtio'/></devices></domain>",
        element);
    read = guest_book_update(book, settings, 1, records, 1);
    issues = guest_book_issues(book);
    for (guint i = 0; i < issues->len; i++)
        g_string_append_printf(messages, "%s; ", ((const GuestIssue *)g_ptr_array_index(issues, i))->message);
    if (messages->len > 0 || !read[0]->managed)
        fail_msg("%s: %s: %s", page, element, messages->len > 0 ? messages->str : "it is not found");
    g_free(record.inactive_xml);
    settings_free(settings);
}

/* <dynmem:memory .../> as it stands, also that of virsh metadata, which is given its namespace besides. */
static guint
check_elements(const char *page, const char *text)
{
    g_autoptr(GPtrArray) found = hits("(<(?:dynmem:)?memory [^>]*/>)", text);

    for (guint i = 0; i < found->len; i++) {
        g_autofree char *filled = replaced("\\{\\{[^}]*\\}\\}", g_ptr_array_index(found, i), "512MiB");
        g_autofree char *element =
            strstr(filled, "xmlns") != NULL ? g_strdup(filled) : replaced("memory ", filled, "memory " NAMESPACE " ");

        assert_understood(page, element);
    }
    return found->len;
}

/* "name=value name=value" */
static void
check_words(const char *page, const char *words)
{
    g_autofree char *quoted = replaced("([a-z-]+)=(\\S+)", words, "\\1=\"\\2\"");
    g_autofree char *element = g_strdup_printf("<memory " NAMESPACE " %s/>", quoted);

    assert_understood(page, element);
}

static guint
check_commands(const char *page, const char *text)
{
    g_autoptr(GPtrArray) found = hits("dm-ctl(?: --json)? set [a-z]+((?: [a-z-]+=[0-9a-zA-Z/%-]+)+)", text);

    for (guint i = 0; i < found->len; i++)
        check_words(page, g_ptr_array_index(found, i));
    return found->len;
}

static void
what_the_manuals_say_to_write_is_understood(void **state)
{
    static const struct {
        const char *page;
        guint elements, commands; /* that there are, at least */
    } pages[] = {{"README.md", 1, 1}, {"man/dynmem.7", 2, 0}, {"man/dynmem-guide.7", 3, 10}, {"man/dm-ctl.1", 0, 1}};

    for (size_t i = 0; i < G_N_ELEMENTS(pages); i++) {
        g_autofree char *text = page_text(pages[i].page);

        assert_in_range(check_elements(pages[i].page, text), pages[i].elements, 100);
        assert_in_range(check_commands(pages[i].page, text), pages[i].commands, 100);
    }
}

/* --xml ./metadata/memory/@minimum=512MiB, one option an attribute, xmlns among them */
static void
virt_install_makes_an_element_that_is_understood(void **state)
{
    g_autofree char *text = page_text("man/dynmem-guide.7");
    g_autoptr(GPtrArray) found = hits("--xml \\./metadata/memory/@([a-z-]+=\\S+)", text);
    g_autoptr(GString) element = g_string_new("<memory");

    assert_in_range(found->len, 2, 100);
    for (guint i = 0; i < found->len; i++) {
        g_autofree char *quoted = replaced("=(.*)", g_ptr_array_index(found, i), "=\"\\1\"");

        g_string_append_printf(element, " %s", quoted);
    }
    g_string_append(element, "/>");
    assert_understood("man/dynmem-guide.7", element->str);
}

static uint64_t
kib_of(const char *text)
{
    uint64_t kib = 0;

    assert_true(units_parse_size(text, &kib, NULL));
    return kib;
}

static void
what_a_guest_needs_for_itself_is_what_the_guide_says(void **state)
{
    g_autofree char *text = page_text("man/dynmem-guide.7");
    g_autoptr(GPtrArray) row = hits("^maximum\t(.*)$", text);
    g_autoptr(GPtrArray) needs = hits("^needs\t(.*)$", text);
    g_auto(GStrv) maximums = NULL, floors = NULL;

    assert_int_equal(row->len, 1);
    assert_int_equal(needs->len, 1);
    maximums = g_strsplit(g_ptr_array_index(row, 0), "\t", -1);
    floors = g_strsplit(g_ptr_array_index(needs, 0), "\t", -1);
    assert_int_equal(g_strv_length(maximums), g_strv_length(floors));
    for (size_t i = 0; maximums[i] != NULL; i++)
        assert_int_equal(guest_floor_kib(kib_of(maximums[i])), kib_of(floors[i]));
}

static void
what_hosts_and_qemus_cost_is_what_the_guide_says(void **state)
{
    const GuestSettings guest = {.maximum_kib = 8 * KIB_PER_GIB, .vcpus = 2};
    g_autofree char *text = page_text("man/dynmem-guide.7");
    g_autoptr(GPtrArray) pairs = hits("([0-9.]+ GiB of [0-9]+ GiB)", text);

    assert_int_equal(pairs->len, 3);
    for (guint i = 0; i < pairs->len; i++) {
        g_auto(GStrv) words = g_strsplit(g_ptr_array_index(pairs, i), " ", -1);
        uint64_t reserve = budget_sliding_reserve(strtoull(words[3], NULL, 10) * KIB_PER_GIB);
        g_autofree char *said = g_strdup_printf("%.2f", (double)reserve / (double)KIB_PER_GIB);

        assert_string_equal(words[0], said);
    }
    assert_non_null(strstr(text, "48 MiB, 8 MiB a virtual CPU and 1/512 of its"));
    assert_int_equal(overhead_estimate(&guest), (48 + 2 * 8) * KIB_PER_MIB + guest.maximum_kib / 512);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_manuals_say_to_write_is_understood),
        cmocka_unit_test(virt_install_makes_an_element_that_is_understood),
        cmocka_unit_test(what_a_guest_needs_for_itself_is_what_the_guide_says),
        cmocka_unit_test(what_hosts_and_qemus_cost_is_what_the_guide_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
