/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings_edit.h"

#include "element_text.h"
#include "error.h"
#include "plan.h"
#include "units.h"

#include <inttypes.h>
#include <string.h>

struct SettingsEdit {
    bool remove;
    bool only_takes_out; /* there are settings, and none has a value */
    ElementEdit edits[ELEMENT_ATTRIBUTE_COUNT];
    Settings *settings;
    StartupDefault startup; /* of a transient guest that runs */
};

/* One of a guest's two definitions, before and after. */
typedef struct Half {
    bool there;
    DomainXml domain;
    DomainElement wanted;
    bool before_known; /* the settings before could be read */
    GuestSettings before;
    GuestSettings after;
    GPtrArray *complaints; /* of char *: of the settings after */
} Half;

static void
half_clear(Half *half)
{
    domain_xml_clear(&half->domain);
    domain_element_clear(&half->wanted);
    guest_settings_clear(&half->before);
    guest_settings_clear(&half->after);
    g_clear_pointer(&half->complaints, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Half, half_clear)

/* ---- what is asked for ---- */

/* A bare number is bytes where a size is expected. */
static bool
read_number(ElementAttribute attribute, const SettingAsk *ask, char **value, GError **error)
{
    g_autofree char *text = NULL;
    uint64_t kib = 0;

    if (!element_attribute_is_size(attribute)) {
        *value = g_strdup(ask->value);
        return true;
    }
    text = g_strconcat(ask->value, "B", NULL);
    if (!units_parse_size(text, &kib, error)) {
        g_prefix_error(error, "%s: ", element_attribute_names[attribute]);
        return false;
    }
    *value = units_format_size_exact(kib);
    return true;
}

static bool
read_ask(SettingsEdit *edit, const SettingAsk *ask, GError **error)
{
    ElementAttribute attribute;
    g_autofree char *value = NULL;

    if (!element_attribute_find(ask->name, &attribute, error))
        return false;
    if (edit->edits[attribute].touched) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "%s is given twice", element_attribute_names[attribute]);
        return false;
    }
    for (const char *p = ask->value; *p != '\0'; p++) {
        if (!g_ascii_iscntrl(*p))
            continue;
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "%s: there are control characters in its value",
                    element_attribute_names[attribute]);
        return false;
    }
    if (!ask->number)
        value = g_strstrip(g_strdup(ask->value));
    else if (!read_number(attribute, ask, &value, error))
        return false;
    edit->edits[attribute].touched = true;
    if (*value != '\0') {
        edit->edits[attribute].value = g_steal_pointer(&value);
        edit->only_takes_out = false;
    }
    return true;
}

SettingsEdit *
settings_edit_new(const SettingsAsk *ask, const Settings *settings, StartupDefault startup, GError **error)
{
    g_autoptr(SettingsEdit) edit = g_new0(SettingsEdit, 1);

    edit->remove = ask->remove;
    edit->only_takes_out = ask->values->len > 0;
    edit->startup = startup;
    edit->settings = settings_copy(settings);
    for (guint i = 0; i < ask->values->len; i++)
        if (!read_ask(edit, g_ptr_array_index(ask->values, i), error))
            return NULL;
    return g_steal_pointer(&edit);
}

void
settings_edit_free(SettingsEdit *edit)
{
    if (edit == NULL)
        return;
    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++)
        g_free(edit->edits[i].value);
    settings_free(edit->settings);
    g_free(edit);
}

/* ---- one definition ---- */

/* It has no element after the change. Where there is none nothing can be taken out of it, and it is not made for that. */
static bool
is_without(const SettingsEdit *edit, bool present)
{
    return edit->remove || (edit->only_takes_out && !present);
}

static void
want(const SettingsEdit *edit, const DomainElement *element, DomainElement *wanted)
{
    if (is_without(edit, element->present))
        return;
    domain_element_copy(element, wanted);
    wanted->present = true;
    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++) {
        if (!edit->edits[i].touched)
            continue;
        g_free(wanted->attributes[i]);
        wanted->attributes[i] = g_strdup(edit->edits[i].value);
    }
}

/* libvirt replaces all that stands in our namespace with the one element (virDomainDefSetMetadata). */
static bool
check_alone(const SettingsEdit *edit, const DomainXml *domain, GError **error)
{
    if (edit->remove || domain->element_count == (domain->element.present ? 1 : 0))
        return true;
    g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID,
                "%s, and would be lost: put that right with \"virsh edit\", or take all of it out first (dm-ctl unset)",
                (const char *)g_ptr_array_index(domain->unknown, domain->unknown->len - 1));
    return false;
}

/* The settings before and after of a definition that was read. when is said before what is wrong. */
static bool
judge_half(const SettingsEdit *edit, Half *half, StartupDefault startup, const char *when, GError **error)
{
    half->there = true;
    half->complaints = g_ptr_array_new_with_free_func(g_free);
    if (!check_alone(edit, &half->domain, error))
        return false;
    want(edit, &half->domain.element, &half->wanted);
    half->before_known =
        guest_element_resolve(&half->domain, &half->domain.element, startup, edit->settings, &half->before, NULL);
    if (guest_element_resolve(&half->domain, &half->wanted, startup, edit->settings, &half->after, half->complaints)) {
        if (edit->remove) /* what stands there goes with it, whatever is wrong with it */
            g_ptr_array_set_size(half->complaints, 0);
        guest_element_advise(&half->after, half->complaints);
        return true;
    }
    /* what nobody knows comes last, and is no reason */
    g_ptr_array_set_size(half->complaints, (int)(half->complaints->len - half->domain.unknown->len));
    g_ptr_array_add(half->complaints, NULL);
    {
        g_autofree char *all = g_strjoinv("; ", (char **)half->complaints->pdata);

        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_INVALID, "%s%s", when, all);
    }
    return false;
}

static StartupDefault
startup_default(const DomainXml *domain)
{
    return (StartupDefault){.known = domain->memory.has_current, .kib = domain->memory.current_kib};
}

static bool
read_halves(const SettingsEdit *edit, const char *live_xml, const char *inactive_xml, Half *live, Half *next,
            GError **error)
{
    bool both = live_xml != NULL && inactive_xml != NULL;

    if (live_xml == NULL && inactive_xml == NULL) {
        g_set_error(error, DYNMEM_ERROR, DYNMEM_ERROR_NOT_FOUND,
                    "libvirt has not told of its definition yet; try again in a moment");
        return false;
    }
    if ((live_xml != NULL && !domain_xml_parse(live_xml, &live->domain, error)) ||
        (inactive_xml != NULL && !domain_xml_parse(inactive_xml, &next->domain, error)))
        return false;
    if (live_xml != NULL &&
        !judge_half(edit, live, inactive_xml != NULL ? startup_default(&next->domain) : edit->startup, "", error))
        return false;
    return inactive_xml == NULL ||
           judge_half(edit, next, startup_default(&next->domain),
                      both ? "its definition for the next start does not allow it: " : "", error);
}

/* ---- rows ---- */

static void
take_size(SettingValue *value, uint64_t kib)
{
    value->text = units_format_size_exact(kib);
    value->is_number = true;
    value->number = bytes_from_kib(kib);
}

static void
take_number(SettingValue *value, uint32_t number)
{
    value->text = g_strdup_printf("%" PRIu32, number);
    value->is_number = true;
    value->number = number;
}

/* The value of attribute that counts; settings is NULL where they can't be read. Clear text. */
static SettingValue
value_of(ElementAttribute attribute, const DomainElement *element, const GuestSettings *settings,
         const Settings *defaults)
{
    const char *text = element->attributes[attribute];
    SettingValue value = {.given = text != NULL && text[strspn(text, " \t\r\n")] != '\0'};

    if (settings == NULL) {
        value.text = g_strdup(value.given ? text : "");
        return value;
    }
    switch (attribute) {
    case ELEMENT_MINIMUM:
        take_size(&value, settings->asked_minimum_kib);
        break;
    case ELEMENT_STARTUP:
        take_size(&value, settings->startup_kib);
        break;
    case ELEMENT_BUFFER:
        take_number(&value, settings->buffer_percent);
        break;
    case ELEMENT_PRIORITY:
        take_number(&value, settings->asked_priority);
        break;
    case ELEMENT_SMART_PAGING:
        value.text = g_strdup(settings->smart_paging ? "yes" : "no");
        break;
    case ELEMENT_PAGING_DIRECTORY:
        value.text = g_strdup(value.given ? text : defaults->paging_directory);
        break;
    case ELEMENT_MODE:
    case ELEMENT_ATTRIBUTE_COUNT:
        value.text = g_strdup(guest_mode_name(settings->mode));
        break;
    }
    return value;
}

static bool
is_same(const SettingValue *a, const SettingValue *b)
{
    return a->given == b->given && strcmp(a->text, b->text) == 0;
}

static void
add_row(SettingsChange *change, ElementAttribute attribute, SettingPlace place, const SettingValue *before,
        const SettingValue *after)
{
    SettingChange *row;

    if (is_same(before, after))
        return;
    row = g_new0(SettingChange, 1);
    row->attribute = attribute;
    row->place = place;
    row->before = *before;
    row->before.text = g_strdup(before->text);
    row->after = *after;
    row->after.text = g_strdup(after->text);
    g_ptr_array_add(change->rows, row);
}

/* Both definitions in one row where they say the same. Returns whether they do, after the change. */
static bool
compare(const SettingsEdit *edit, ElementAttribute attribute, const Half *live, const Half *next,
        SettingsChange *change)
{
    const Half *halves[2] = {live->there ? live : next, next->there ? next : live};
    SettingValue before[2], after[2];
    bool same;

    for (size_t i = 0; i < 2; i++) {
        const Half *half = halves[i];

        before[i] =
            value_of(attribute, &half->domain.element, half->before_known ? &half->before : NULL, edit->settings);
        after[i] = value_of(attribute, &half->wanted, &half->after, edit->settings);
    }
    same = is_same(&after[0], &after[1]);
    if (same && is_same(&before[0], &before[1])) {
        add_row(change, attribute, SETTING_PLACE_BOTH, &before[0], &after[0]);
    } else {
        add_row(change, attribute, SETTING_PLACE_LIVE, &before[0], &after[0]);
        add_row(change, attribute, SETTING_PLACE_NEXT, &before[1], &after[1]);
    }
    change->after[attribute] = after[0];
    after[0].text = NULL;
    for (size_t i = 0; i < 2; i++) {
        g_free(before[i].text);
        g_free(after[i].text);
    }
    return same;
}

static bool
element_differs(const Half *half)
{
    const DomainElement *is = &half->domain.element;

    if (!half->there || is->present != half->wanted.present)
        return half->there;
    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++)
        if (g_strcmp0(is->attributes[i], half->wanted.attributes[i]) != 0)
            return true;
    return false;
}

static void G_GNUC_PRINTF(2, 3) note(SettingsChange *change, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(change->notes, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

/* What should be known of it besides its rows. differing: settings that the two definitions do not agree in. */
static void
add_notes(const SettingsEdit *edit, const Half *live, const Half *next, const char *differing, SettingsChange *change)
{
    const Half *now = live->there ? live : next;

    for (guint i = 0; i < now->complaints->len; i++)
        note(change, "%s", (const char *)g_ptr_array_index(now->complaints, i));
    if (change->managed_after && now->after.mode != GUEST_MODE_STATIC && now->after.bar != BALLOON_USABLE)
        note(change, "%s: its memory is counted and can't be changed", balloon_bar_text(now->after.bar));
    if (edit->remove && edit->settings->manage_all)
        note(change, "Manage=all is set in dynmemd.conf: it stays managed, with the defaults");
    if (differing != NULL)
        note(change, "what it runs with and its definition for the next start do not agree in %s", differing);
    if (live->there && !next->there)
        note(change, "it is transient, libvirt keeps no definition of it: this holds until it stops, and the file that "
                     "it is started from (under Pacemaker that of its resource, on each node) must say the same for "
                     "its next start");
}

SettingsChange *
settings_edit_plan(const SettingsEdit *edit, const char *live_xml, const char *inactive_xml, GError **error)
{
    g_auto(Half) live = {0};
    g_auto(Half) next = {0};
    g_autoptr(SettingsChange) change = settings_change_new();
    g_autoptr(GPtrArray) differing = g_ptr_array_new();
    g_autofree char *list = NULL;
    const Half *now = live_xml != NULL ? &live : &next;

    if (!read_halves(edit, live_xml, inactive_xml, &live, &next, error))
        return NULL;
    change->running = live.there;
    change->persistent = next.there;
    change->element_before = now->domain.element.present;
    change->element_after = now->wanted.present;
    change->managed_before = change->element_before || edit->settings->manage_all;
    change->managed_after = now->after.managed;
    change->writes = element_differs(&live) || element_differs(&next);
    for (size_t i = 0; i < ELEMENT_ATTRIBUTE_COUNT; i++)
        if (!compare(edit, (ElementAttribute)i, &live, &next, change))
            g_ptr_array_add(differing, (void *)element_attribute_names[i]);
    if (differing->len > 0) {
        g_ptr_array_add(differing, NULL);
        list = g_strjoinv(", ", (char **)differing->pdata);
    }
    add_notes(edit, &live, &next, list, change);
    return g_steal_pointer(&change);
}

/* ---- the elements themselves ---- */

static bool
write_half(const SettingsEdit *edit, ElementHalf *half, GError **error)
{
    if (half->xml == NULL)
        return true;
    if (!is_without(edit, half->element != NULL)) {
        half->wanted = element_text_edit(half->element, edit->edits, error);
        if (half->wanted == NULL)
            return false;
    }
    half->change = g_strcmp0(half->wanted, half->element) != 0;
    return true;
}

bool
settings_edit_elements(void *data, ElementHalves *halves, GError **error)
{
    const SettingsEdit *edit = data;
    g_autoptr(SettingsChange) change = settings_edit_plan(edit, halves->live.xml, halves->next.xml, error);

    return change != NULL && write_half(edit, &halves->live, error) && write_half(edit, &halves->next, error);
}
