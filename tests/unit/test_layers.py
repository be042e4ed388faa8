#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Who may include what. Data flows one way through the stages and they know only include/, never one another;
each library of the world outside is used in the folders that are there for it. The rules are the tables below;
the second half of the file proves that each of them catches its violation.
"""

import os
import re
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Folders of src/ -> the other folders of src/ whose headers their files may include ("." is src/ itself).
FOLDERS = {
    "base": set(),
    "kernel": set(),
    "keep": set(),
    "watch": {"keep"},
    "config": set(),
    "admit": {"keep", "config"},
    "observe": {"kernel"},
    "decide": set(),
    "cluster": set(),
    "act": {"kernel"},
    "member": {".", "cluster", "keep"},
    "report": set(),
    "draw": set(),
    "sim": {".", "config", "keep", "draw"},
    "ctl": {"draw", "cluster"},
    ".": {"keep", "admit", "watch", "config", "observe", "decide", "act", "member", "report"},
}
# Single files that may do more than their folder.
FILES = {
    re.compile(r"ctl/.*simulate\w*\.[ch]"): {"sim"},
    # they must know how the daemon is set up when it does not run
    re.compile(r"ctl/(verb_hook|host_checks)\.c|ctl/guest_files\.[ch]"): {"config"},
    # what a guest needs is to be known of guests of other hosts, too
    re.compile(r"ctl/cluster_guests\.c"): {"config", "decide"},
    re.compile(r"ctl/(guest_files|(guest|killer|memory)_checks)\.c"): {"kernel"},
}
# Of src/ itself, the headers that other folders may see.
SHARED_HEADERS = {"engine.h"}

# Start of a system header's name -> the folders that may include it.
LIBRARIES = {
    "libvirt": {"watch"},
    "systemd/": {"report"},
    "polkit/": {"report"},
    "json-glib/": {"report", "ctl", "sim"},
    "curses.h": {"ctl"},
    "libsmartcols/": {"ctl"},
    "gio/": {"watch", "config", "observe", "act", "report", "ctl", "sim", "."},
    "sys/swap.h": {"act"},
}
# Folders that may use no system header but the language's and GLib's.
PURE = {"decide", "cluster", "base", "include"}
PURE_HEADERS = re.compile(r"glib\.h|(assert|ctype|errno|inttypes|limits|math|stdarg|stdbool|stddef|stdint|stdio|stdlib|string"
                          r"|sys/types)\.h")

# What must not be said, by folder: (folders where it may be, or None with folders where it may not), pattern.
CALLS = [
    ({"act"}, None, re.compile(r"\bswap(on|off)\s*\(|SYS_swap(on|off)")),
    ({"watch"}, None, re.compile(r"\bvir[A-Z]\w*\s*\(")),
    # decide/ and cluster/ are functions: no clock, no log, no files.
    (None, {"decide", "cluster"}, re.compile(r"\b(g_(message|warning|info|debug|critical|log|printerr|print)|printf|fprintf|time"
                                  r"|clock_gettime|g_get_(monotonic|real)_time|fopen|open|read|write|getenv|g_getenv"
                                  r"|g_file_\w+|sleep|usleep|rand|random|g_random_\w+)\s*\(")),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def without_comments(text):
    """Blanks comments and strings (not those of #include), keeping the lines."""
    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return "\n" * token.count("\n") + " "
        return token if token.startswith("#") else '""'
    return re.sub(r'/\*.*?\*/|//[^\n]*|#\s*include[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.DOTALL)


def sources(root):
    for top in ("include", "src"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.join(folder, name)


def folder_of(root, path):
    """"include", "." for src/ itself, or the folder of src/."""
    parts = os.path.relpath(path, root).split(os.sep)
    if parts[0] == "include":
        return "include"
    return parts[1] if len(parts) > 2 else "."


def check_quoted(root, path, name):
    folder = folder_of(root, path)
    for place in (os.path.dirname(path), os.path.join(root, "include"), os.path.join(root, "src")):
        found = os.path.normpath(os.path.join(place, name))
        if os.path.exists(found):
            break
    else:
        return None  # made by a generator, or the compiler complains
    other = folder_of(root, found)
    if other == folder or (other == "include" and not os.path.relpath(found, root).startswith("..")):
        return None
    if folder == "include":
        return f"include/ may only include itself, not {name}"
    inside = os.path.relpath(path, os.path.join(root, "src"))
    allowed = set(FOLDERS.get(folder, set()))
    for pattern, more in FILES.items():
        if pattern.fullmatch(inside):
            allowed |= more
    if other not in allowed:
        return f"{folder}/ must not include {name} of {other}/"
    if other == "." and os.path.basename(found) not in SHARED_HEADERS:
        return f"{name} is for src/ itself"
    return None


def check_system(folder, name):
    for start, allowed in LIBRARIES.items():
        if name.startswith(start) and folder not in allowed:
            return f"<{name}> belongs to {', '.join(sorted(allowed))} only"
    if folder in PURE and not PURE_HEADERS.fullmatch(name):
        return f"{folder}/ may only include the C library's plain headers and <glib.h>, not <{name}>"
    return None


def violations(root):
    """All violations in the tree, each as FILE:LINE: what is wrong."""
    found = []
    for path in sources(root):
        folder = folder_of(root, path)
        shown = os.path.relpath(path, root)
        if folder not in FOLDERS and folder != "include":
            found.append(f"{shown}:1: {folder}/ is not in FOLDERS of this test")
        with open(path, encoding="utf-8") as source:
            lines = without_comments(source.read()).split("\n")
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match:
                quote, name = match.groups()
                problem = check_quoted(root, path, name) if quote == '"' else check_system(folder, name)
                if problem:
                    found.append(f"{shown}:{number}: {problem}")
                continue
            for only, never, pattern in CALLS:
                said = pattern.search(line)
                if said and ((only and folder not in only) or (never and folder in never)):
                    found.append(f"{shown}:{number}: {said.group(0).strip()} must not be used in {folder}/")
    return found


class Layers(unittest.TestCase):
    def test_the_tree_keeps_to_its_layers(self):
        self.assertEqual(violations(ROOT), [])

    def test_the_tree_is_really_looked_at(self):
        self.assertGreater(len(list(sources(ROOT))), 10)


class EachRuleCatches(unittest.TestCase):
    """A tree of a few files, each time with one line that breaks one rule."""

    def judge(self, path, text):
        with tempfile.TemporaryDirectory() as root:
            for name in ("include/plan.h", "src/decide/decide.h", "src/act/act.h", "src/sim/sim.h", "src/engine.h",
                         "src/private.h", "src/config/config.h", path):
                os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
                with open(os.path.join(root, name), "w", encoding="utf-8") as source:
                    source.write(text if name == path else "#pragma once\n")
            return violations(root)

    def assert_caught(self, path, text):
        self.assertEqual(len(self.judge(path, text)), 1, f"{path} with {text!r} should be one violation")

    def assert_allowed(self, path, text):
        self.assertEqual(self.judge(path, text), [])

    def test_stages_do_not_include_one_another(self):
        self.assert_caught("src/act/balloon.c", '#include "decide/decide.h"\n')
        self.assert_caught("src/act/balloon.c", '#include "../decide/decide.h"\n')
        self.assert_caught("src/decide/share.c", '#  include "act/act.h"\n')
        self.assert_allowed("src/act/balloon.c", '#include "plan.h"\n#include "act.h"\n#include "act/act.h"\n')

    def test_engine_and_main_see_all_stages(self):
        self.assert_allowed("src/engine.c", '#include "decide/decide.h"\n#include "act/act.h"\n#include "engine.h"\n')
        self.assert_caught("src/engine.c", '#include "sim/sim.h"\n')

    def test_sim_sees_the_engine_and_config_only(self):
        self.assert_allowed("src/sim/run.c", '#include "engine.h"\n#include "config/config.h"\n')
        self.assert_caught("src/sim/run.c", '#include "decide/decide.h"\n')
        self.assert_caught("src/sim/run.c", '#include "private.h"\n')

    def test_ctl_sees_sim_only_in_simulate(self):
        self.assert_allowed("src/ctl/verb_simulate.c", '#include "sim/sim.h"\n')
        self.assert_caught("src/ctl/verb_list.c", '#include "sim/sim.h"\n')

    def test_ctl_sees_config_only_where_it_must_do_without_the_daemon(self):
        self.assert_allowed("src/ctl/verb_hook.c", '#include "config/config.h"\n')
        self.assert_caught("src/ctl/verb_list.c", '#include "config/config.h"\n')

    def test_libvirt_stays_in_watch(self):
        self.assert_allowed("src/watch/link.c", "#include <libvirt/libvirt.h>\nvirConnectOpen(uri);\n")
        self.assert_caught("src/ctl/verb_list.c", "#include <libvirt/libvirt.h>\n")
        self.assert_caught("src/observe/guest.c", "#include <libvirt-glib/libvirt-glib.h>\n")
        self.assert_caught("src/engine.c", "virDomainFree (domain);\n")

    def test_swap_stays_in_act(self):
        self.assert_allowed("src/act/paging.c", "#include <sys/swap.h>\nswapon(path, 0);\n")
        self.assert_caught("src/report/bus.c", "swapoff(path);\n")
        self.assert_caught("src/report/bus.c", "syscall(SYS_swapon, path, 0);\n")

    def test_decide_is_pure(self):
        self.assert_caught("src/decide/share.c", "#include <fcntl.h>\n")
        self.assert_caught("src/decide/share.c", "uint64_t now = g_get_monotonic_time();\n")
        self.assert_caught("src/decide/share.c", 'g_warning("no");\n')
        self.assert_caught("src/cluster/choose.c", "uint64_t now = g_get_monotonic_time();\n")
        self.assert_allowed("src/decide/share.c", '#include <glib.h>\n#include <string.h>\n/* time(NULL) */ "time()";\n')

    def test_base_and_include_know_nobody(self):
        self.assert_caught("src/base/units.c", '#include "decide/decide.h"\n')
        self.assert_caught("include/snapshot.h", '#include "decide/decide.h"\n')
        self.assert_caught("include/snapshot.h", "#include <poll.h>\n")

    def test_an_unknown_folder_is_noticed(self):
        self.assert_caught("src/news/paper.c", "int x;\n")


if __name__ == "__main__":
    sys.argv[1:] = []
    unittest.main()
