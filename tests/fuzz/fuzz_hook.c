/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whatever libvirt's hook brings as the XML of what is about to start, what its start needs is bounded, or it is told why it
 * can't be read. The first byte says what kind of start it is, and what else is known of the guest.
 */

#include "fuzz.h"

#include "admit/start_need.h"
#include "ctl/hook.h"
#include "units.h"

enum {
    KIND = 0x03,
    FROM_HOOK = 0x04,
    IS_KNOWN = 0x08,
    IS_SAVED = 0x10,
    RAN = 0x20,
};

/* What the hook itself makes of its words. */
static void
check_words(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, "\n", 3);
    g_autofree char *line = hook_line(HOOK_ANSWER_REFUSED, text, 1);

    if (words[0] != NULL && words[1] != NULL)
        hook_act(words[0], words[1]);
    g_assert_null(strchr(line, '\n'));
    g_assert_true(g_utf8_validate(line, -1, NULL));
}

static void
check_request(const StartRequest *request)
{
    const GuestSettings *settings = &request->settings;

    g_assert_nonnull(request->name);
    g_assert_cmpuint(settings->minimum_kib, <=, settings->startup_kib);
    g_assert_cmpuint(settings->startup_kib, <=, settings->maximum_kib);
    g_assert_cmpuint(request->need_kib, <=, 2 * KIB_LIMIT);
    g_assert_cmpuint(request->pool_kib, <=, 2 * KIB_LIMIT);
    g_assert_true((request->pool_kib != 0) <= (request->pool_page_kib != 0));
    g_assert_cmpuint(request->booked_kib, ==, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char uuid[] = "00000000-0000-0000-0000-000000000000";
    char name[] = "fuzz";
    char good[] =
        "<domain><name>fuzz</name><memory>2097152</memory><currentMemory>1048576</currentMemory><metadata><d:memory "
        "xmlns:d='urn:dynmem:domain:1' minimum='512MiB'/></metadata><devices><memballoon model='virtio'/></devices>"
        "</domain>";
    const GuestSettings known = {.managed = true,
                                 .minimum_kib = KIB_PER_GIB / 2,
                                 .startup_kib = KIB_PER_GIB,
                                 .maximum_kib = 2 * KIB_PER_GIB,
                                 .vcpus = 1};
    g_autofree char *text = NULL;
    g_autofree char *problem = NULL;
    g_autofree char *why = NULL;
    g_autoptr(Settings) settings = settings_new();
    g_autoptr(Keep) keep = keep_open(NULL, "boot-1", &problem);
    GuestRecord record = {.uuid = "00000000-0000-0000-0000-000000000000", .serial = 1, .name = name};
    StartRequest request = {0};
    StartAsk ask = {.uuid = uuid};

    if (size == 0)
        return 0;
    text = g_strndup((const char *)data + 1, size - 1);
    check_words(text);
    if (!g_utf8_validate(text, -1, NULL)) /* the hook leaves it out, and the bus would not let it through */
        return 0;
    ask.kind = (StartKind)((data[0] & KIND) % 3);
    ask.hook = (data[0] & FROM_HOOK) != 0;
    record.inactive_xml = good;
    if ((data[0] & IS_SAVED) != 0)
        record.saved_xml = text;
    else
        ask.xml = text;
    if ((data[0] & RAN) != 0) {
        record.boot_usec = 1;
        record.stop_usec = 2;
    }
    why = start_need_settle(&ask, (data[0] & IS_KNOWN) != 0 ? &record : NULL, (data[0] & IS_KNOWN) != 0 ? &known : NULL,
                            settings, keep, 1000 * USEC_PER_SEC, &request);
    if (why == NULL)
        check_request(&request);
    else
        g_assert_true(g_utf8_validate(why, -1, NULL) && request.name == NULL);
    g_free(request.name);
    guest_settings_clear(&request.settings);
    return 0;
}
