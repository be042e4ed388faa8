/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The answer of the method PreviewGuest. */

#include "settings_change.h"

/* One JSON object, sizes in bytes; data/org.dynmem1.xml names its members. Caller frees. */
char *settings_json(const char *name, const char *uuid, const SettingsChange *change);
