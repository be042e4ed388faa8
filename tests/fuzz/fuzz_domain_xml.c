/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever stands in a domain XML, the settings that come out of it hold together. */

#include "fuzz.h"

#include "config/element_text.h"
#include "config/guest_book.h"
#include "config/settings_edit.h"
#include "units.h"

static void
check(const GuestBook *book, const GuestSettings *guest)
{
    const GPtrArray *issues = guest_book_issues(book);

    g_assert_cmpuint(guest->minimum_kib, <=, guest->startup_kib);
    g_assert_cmpuint(guest->startup_kib, <=, guest->maximum_kib);
    g_assert_cmpuint(guest->maximum_kib, <=, KIB_LIMIT);
    g_assert_cmpuint(guest->fixed_kib, <=, KIB_LIMIT);
    g_assert_cmpuint(guest->hugepages_kib, <=, guest->maximum_kib + guest->fixed_kib);
    g_assert_cmpuint(guest_settings_full_kib(guest), ==, guest->maximum_kib + guest->fixed_kib - guest->hugepages_kib);
    g_assert_true((guest->hugepages_kib != 0) <= (guest->hugepage_size_kib != 0));
    g_assert_cmpuint(guest->hard_limit_kib, <=, KIB_LIMIT);
    g_assert_cmpuint(guest->buffer_percent, <=, 2000);
    g_assert_cmpuint(guest->priority, <=, 100);
    g_assert_cmpuint(guest->vcpus, >=, 1);
    g_assert_true(guest->maximum_kib > 0 || guest->bar == BALLOON_BAD_MEMORY);
    g_assert_true(guest->paging_directory == NULL || g_path_is_absolute(guest->paging_directory));
    for (guint i = 0; i < issues->len; i++) {
        const GuestIssue *issue = g_ptr_array_index(issues, i);

        g_assert_true(g_utf8_validate(issue->message, -1, NULL));
        g_assert_null(strchr(issue->message, '\n'));
    }
}

/* What a change would come to is worked out, or refused with a reason. */
static void
check_edit(const char *xml, const Settings *settings)
{
    g_autoptr(SettingsAsk) ask = settings_ask_new();
    g_autoptr(SettingsEdit) edit = NULL;
    g_autoptr(SettingsChange) change = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) text_error = NULL;
    ElementEdit edits[ELEMENT_ATTRIBUTE_COUNT] = {0};
    char value[] = "7";
    g_autofree char *element = NULL;

    settings_ask_add(ask, "priority", value, false);
    edit = settings_edit_new(ask, settings, (StartupDefault){0}, NULL);
    change = settings_edit_plan(edit, xml, xml, &error);
    g_assert_true((change == NULL) == (error != NULL));
    g_assert_true(change == NULL || change->after[ELEMENT_PRIORITY].number == 7);
    edits[ELEMENT_PRIORITY] = (ElementEdit){.touched = true, .value = value};
    element = element_text_edit(xml, edits, &text_error);
    g_assert_true(element == NULL || strstr(element, " priority=\"7\"") != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    char good[] = "<domain><memory>2097152</memory><metadata><d:memory xmlns:d='urn:dynmem:domain:1' minimum='1GiB'/>"
                  "</metadata><devices><memballoon model='virtio'/></devices></domain>";
    char name[] = "fuzz";
    GuestRecord record = {.uuid = "00000000-0000-0000-0000-000000000000", .name = name};
    const GuestRecord *records[] = {&record};
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(GuestBook) book = guest_book_new();
    g_autoptr(GuestBook) capped_book = guest_book_new();
    const GuestSettings *capped;

    check_edit(text, settings);
    /* as the first that is seen of a guest, off and then running */
    record.inactive_xml = text;
    check(book, guest_book_update(book, settings, 1, records, 1)[0]);
    record.life = GUEST_LIFE_RUNNING;
    record.live_xml = text;
    record.definition_serial++;
    check(book, guest_book_update(book, settings, 1, records, 1)[0]);
    /* after something good */
    record.live_xml = good;
    record.definition_serial++;
    check(book, guest_book_update(book, settings, 1, records, 1)[0]);
    record.live_xml = text;
    record.inactive_xml = good;
    record.definition_serial++;
    check(book, guest_book_update(book, settings, 1, records, 1)[0]);
    /* under caps */
    settings->priority_most = 40;
    settings->minimum_most.kib = 100 * KIB_PER_MIB;
    capped = guest_book_update(capped_book, settings, 1, records, 1)[0];
    check(capped_book, capped);
    g_assert_cmpuint(capped->priority, <=, 40);
    g_assert_cmpuint(capped->minimum_kib, <=, 100 * KIB_PER_MIB);
    return 0;
}
