/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Settings as words of the command line. All errors are of G_OPTION_ERROR, without the verb's name. */

#include "settings_change.h"

/* "SETTING=VALUE" words as the a{sv} that SetGuest takes; an empty value takes the setting out. Floating. NULL and error. */
GVariant *settings_words_set(char *const *words, GError **error);

/* "SETTING" words, all to be taken out. Floating. NULL and error. */
GVariant *settings_words_unset(char *const *words, GError **error);

/* A mode. Floating. NULL and error. */
GVariant *settings_words_mode(const char *word, GError **error);
