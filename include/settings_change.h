/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A change of one guest's settings: what somebody asks for (SettingsAsk, made by report/), and what it comes to
 * (SettingsChange, worked out by config/). Settings have the names of their attributes in <dynmem:memory>.
 */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The attributes of <dynmem:memory>. */
typedef enum ElementAttribute {
    ELEMENT_MINIMUM,
    ELEMENT_STARTUP,
    ELEMENT_BUFFER,
    ELEMENT_PRIORITY,
    ELEMENT_SMART_PAGING,
    ELEMENT_PAGING_DIRECTORY,
    ELEMENT_MODE,
    ELEMENT_ATTRIBUTE_COUNT,
} ElementAttribute;

extern const char *const element_attribute_names[ELEMENT_ATTRIBUTE_COUNT];

/* Its value is a size. */
bool element_attribute_is_size(ElementAttribute attribute);

/*
 * The attribute of that name. Returns false and sets error (DYNMEM_ERROR_INVALID: which was probably meant, or all there
 * are) when there is none; *attribute is then untouched.
 */
bool element_attribute_find(const char *name, ElementAttribute *attribute, GError **error);

/* One setting as it is asked for. */
typedef struct SettingAsk {
    char *name;
    char *value; /* "": it is taken out, and its default is in force */
    bool number; /* value is a bare number: bytes where the setting is a size */
} SettingAsk;

/* All is done or nothing. Without values the guest gets the element, where it has none. */
typedef struct SettingsAsk {
    bool remove;       /* the element is taken out as a whole; values is empty */
    GPtrArray *values; /* of SettingAsk, owned */
} SettingsAsk;

SettingsAsk *settings_ask_new(void);
/* Adds a setting; both texts are copied. */
void settings_ask_add(SettingsAsk *ask, const char *name, const char *value, bool number);
void settings_ask_free(SettingsAsk *ask);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SettingsAsk, settings_ask_free)

/* Which of a guest's two definitions a row is of. */
typedef enum SettingPlace {
    SETTING_PLACE_BOTH, /* of all it has: both while it runs, or the only one */
    SETTING_PLACE_LIVE, /* what it runs with */
    SETTING_PLACE_NEXT, /* what its next start is made from */
} SettingPlace;

/* A setting as it counts, caps left aside. */
typedef struct SettingValue {
    bool given; /* in the element; false: a default */
    char *text; /* as it is written in the element; "": not known, as its settings can't be read */
    bool is_number;
    uint64_t number; /* bytes where the setting is a size */
} SettingValue;

/* One setting that is another after the change, in its value or in whether it is given. */
typedef struct SettingChange {
    ElementAttribute attribute;
    SettingPlace place;
    SettingValue before;
    SettingValue after;
} SettingChange;

typedef struct SettingsChange {
    bool running;
    bool persistent;
    bool managed_before; /* of the definition that counts now, Manage=all included */
    bool managed_after;
    bool element_before; /* it has the element */
    bool element_after;
    bool writes;                                 /* anything is to be written; false: all is so already */
    GPtrArray *rows;                             /* of SettingChange */
    SettingValue after[ELEMENT_ATTRIBUTE_COUNT]; /* all settings of the definition that counts now */
    GPtrArray *notes;                            /* of char *: what should be known of it, a sentence each */
} SettingsChange;

SettingsChange *settings_change_new(void);
void settings_change_free(SettingsChange *change);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SettingsChange, settings_change_free)

/*
 * From when on another value of attribute counts, for a guest that runs or is off: a clause, as in "at once". Never NULL. The
 * one table of this is in src/base/settings_change.c; dynmem(7) shows it.
 */
const char *setting_effect_text(ElementAttribute attribute, SettingPlace place, bool running);
