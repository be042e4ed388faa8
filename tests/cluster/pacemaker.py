# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where Pacemaker is: installed, or unpacked somewhere."""

import glob
import os
import shutil

CRM_SIMULATE = shutil.which("crm_simulate", path=os.environ.get("PATH", "") + ":/usr/sbin")


def environment(shadow):
    """Of its programs; they keep what they must in the folder shadow."""
    found = dict(os.environ, CIB_shadow_dir=shadow)
    root = os.path.dirname(os.path.dirname(CRM_SIMULATE))
    if root not in ("/usr", "/", ""):
        found["LD_LIBRARY_PATH"] = ":".join([os.path.join(root, "lib"), *glob.glob(os.path.join(root, "lib", "*-linux-*"))])
        found["PCMK_schema_directory"] = os.path.join(root, "share", "pacemaker")
    return found
