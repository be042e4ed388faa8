#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The help of dm-ctl, its man page and its completions name the same verbs and options; likewise for dynmemd."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from fake_bus import FakeDaemon, PrivateBus

DM_CTL, FAKE, DYNMEMD, ROOT = sys.argv[1:5]
BASH = os.path.join(ROOT, "data", "completions", "dm-ctl")
ZSH = os.path.join(ROOT, "data", "completions", "_dm-ctl")


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def help_of(*words):
    return subprocess.run([DM_CTL, *words, "--help"], check=True, capture_output=True, text=True).stdout


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


VERBS = re.findall(r"^  ([a-z]+) ", help_of().split("Options")[0], re.MULTILINE)
COMMON = options_in(help_of())
# what each verb takes besides
OPTIONS = {verb: options_in(help_of(verb)) - COMMON for verb in VERBS}


def refuses_host(verb):
    """Whether it asks no other host; where it would, there is no ssh for it."""
    arguments = help_of(verb).splitlines()[0].split("[OPTION...]")[1].split()
    done = subprocess.run([DM_CTL, "--host=other", verb, *arguments], env={"PATH": "/nonexistent"}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    return "--host makes no sense here" in done.stderr


HERE = [verb for verb in VERBS if refuses_host(verb)]


def options_of(verb):
    return (COMMON | OPTIONS[verb]) - ({"--host"} if verb in HERE else set())


class Words(unittest.TestCase):
    def test_there_are_verbs_and_options(self):
        self.assertIn("list", VERBS)
        self.assertIn("--json", COMMON)
        self.assertEqual(OPTIONS["top"], {"--count", "--interval", "--sort"})

    def test_each_verb_has_its_help(self):
        for verb in VERBS:
            self.assertTrue(help_of(verb).startswith("Usage: dm-ctl %s [OPTION...]" % verb))
            self.assertEqual(options_in(help_of(verb)), options_of(verb), verb)

    def test_the_man_page_names_the_same(self):
        page = read("man", "dm-ctl.1").replace("\\-", "-").replace("\\~", " ")
        section = re.search(r"^\.SS Verbs\n(.*?)^\.SS", page, re.MULTILINE | re.DOTALL).group(1)
        verbs = {}
        for entry in re.findall(r"^\.TP\n\.BI? (.*)$", section, re.MULTILINE):
            if entry.startswith("--"):
                verbs[list(verbs)[-1]].add(entry.split("=")[0].split()[0])
            else:
                verbs[entry.split()[0]] = set()
        self.assertEqual(verbs, OPTIONS)
        section = re.search(r"^\.SS Options\n(.*?)^\.SH", page, re.MULTILINE | re.DOTALL).group(1)
        self.assertEqual(options_in("\n".join(re.findall(r"^\.TP\n(\.B.*)$", section, re.MULTILINE))), COMMON)

    def test_the_bash_completion_names_the_same(self):
        text = read("data", "completions", "dm-ctl")
        self.assertEqual(re.search(r"verbs=\((.*)\)", text).group(1).split(), VERBS)
        self.assertEqual(set(re.search(r"common=\((.*)\)", text).group(1).split()), COMMON)
        self.assertEqual(re.search(r'here="(.*)"', text).group(1).split(), HERE)

    def test_the_zsh_completion_names_the_same(self):
        text = read("data", "completions", "_dm-ctl")
        described = re.findall(r"^        '([a-z]+):", text, re.MULTILINE)
        self.assertEqual(described, VERBS)
        options = set().union(COMMON, *OPTIONS.values())
        self.assertEqual(options_in(text.split("common=(")[1]), options)
        self.assertEqual(re.findall(r"^        ([a-z]+)\)\n            _arguments \$here", text, re.MULTILINE), HERE)


class Guides(unittest.TestCase):
    """Commands that administrators are told to run: in code of the Markdown files, in bold or as examples of the pages."""

    def commands(self, *path):
        text = read(*path)
        if path[-1].endswith(".md"):
            parts = re.findall(r"^```\n(.*?)^```|`([^`\n]+)`", text, re.MULTILINE | re.DOTALL)
            text = "\n".join(block or inline for block, inline in parts)
        else:
            text = re.sub(r"\\f[BIPR]|\\$|^\.(B|BR|BI|EX) ", "", text.replace("\\-", "-").replace("\\~", " "), flags=re.M)
            text = re.sub(r"^\.S[SH] .*$", "", text, flags=re.MULTILINE)
        return re.findall(r"\bdm-ctl((?: --[a-z-]+)*) ([a-z]+)\b([^|;()#\n]*)", text)

    def test_their_verbs_and_options_are_there(self):
        for path in (("README.md",), ("SECURITY.md",), ("man", "dynmem.7"), ("man", "dynmem-guide.7"),
                     ("man", "dynmem-cluster.7"),
                     ("man", "dynmem-troubleshooting.7")):
            commands = self.commands(*path)
            self.assertGreater(len(commands), 1, path)
            for before, verb, after in commands:
                self.assertIn(verb, VERBS, f"{path}: dm-ctl{before} {verb}{after}")
                self.assertLessEqual(options_in(before + after), COMMON | OPTIONS[verb], f"{path}: {verb}{after}")


class Daemon(unittest.TestCase):
    def test_the_man_page_of_dynmemd_names_its_options(self):
        shown = subprocess.run([DYNMEMD, "--help"], check=True, capture_output=True, text=True).stdout
        page = read("man", "dynmemd.8").replace("\\-", "-").replace("\\~", " ")
        section = re.search(r"^\.SH OPTIONS\n(.*?)^\.SH", page, re.MULTILINE | re.DOTALL).group(1)
        entries = "\n".join(re.findall(r"^\.TP\n(\.B.*)$", section, re.MULTILINE))
        self.assertEqual(options_in(entries), options_in(shown))


class Bash(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if shutil.which("bash") is None:
            raise unittest.SkipTest("no bash")
        cls.bus = PrivateBus()
        cls.addClassCleanup(cls.bus.close)
        daemon = FakeDaemon(FAKE, os.path.join(ROOT, "data", "org.dynmem1.xml"), cls.bus.environment)
        cls.addClassCleanup(daemon.close)
        for number, name in enumerate(("web", "web 2", "db")):
            daemon.guest("%d1111111-2222-3333-4444-555555555555" % number, name)
        # the completion calls dm-ctl by its name
        directory = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, directory)
        os.symlink(os.path.abspath(DM_CTL), os.path.join(directory, "dm-ctl"))
        cls.environment = dict(cls.bus.environment, PATH=directory + ":" + os.environ["PATH"])
        cls.other_bus = PrivateBus()
        cls.addClassCleanup(cls.other_bus.close)
        cls.other_environment = dict(cls.other_bus.environment, PATH=cls.environment["PATH"])

    def complete(self, *words, environment=None):
        script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dm_ctl; ' \
                 'for word in "${COMPREPLY[@]}"; do printf "%s\\n" "$word"; done'
        done = subprocess.run(["bash", "-c", script, "bash", BASH, "dm-ctl", *words],
                              env=environment or self.environment, check=True, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def test_verbs(self):
        self.assertEqual(self.complete(""), VERBS)
        self.assertEqual(self.complete("--json", "mon"), ["monitor"])

    def test_options_of_each_verb(self):
        for verb in VERBS:
            completed = {word.rstrip("=") for word in self.complete(verb, "-")}
            self.assertEqual(completed, options_of(verb), verb)

    def test_guests(self):
        self.assertEqual(self.complete("show", ""), ["db", "web", "web\\ 2"])
        self.assertEqual(self.complete("show", "--json", "d"), ["db"])
        self.assertEqual(self.complete("show", "db", ""), [])
        self.assertEqual(self.complete("history", "w"), ["web", "web\\ 2"])
        self.assertEqual(self.complete("history", "--since", "=", "2h", "d"), ["db"])
        self.assertEqual(self.complete("list", ""), [])

    def test_no_name_of_a_guest_is_read_by_the_shell(self):
        daemon = FakeDaemon(FAKE, os.path.join(ROOT, "data", "org.dynmem1.xml"), self.other_bus.environment)
        self.addCleanup(daemon.close)
        names = ["a;id;b=", "--x=$(id)=", "c`id`", "$(id)", "d>e=", "f g="]
        for number, name in enumerate(names):
            daemon.guest("%d1111111-2222-3333-4444-555555555555" % number, name)
        for verb in ("show", "manage"):
            for word in self.complete(verb, "", environment=self.other_environment):
                read = subprocess.run(["bash", "-c", "printf %s " + word], capture_output=True, text=True, check=False)
                self.assertIn(read.stdout, names, word)

    def test_of_another_host_no_guests_are_asked_for(self):
        self.assertEqual(self.complete("-H", "far", "sho"), ["show"])
        self.assertEqual(self.complete("--host", "=", "far", "sho"), ["show"])
        for words in (("-H", "far"), ("-Hfar",), ("--host", "=", "far"), ("--host", "far")):
            self.assertEqual(self.complete(*words, "show", ""), [])
            self.assertEqual(self.complete(*words, "manage", ""), [])
        self.assertEqual(self.complete("show", "-H", "far", ""), [])

    def test_settings(self):
        settings = ["minimum", "startup", "buffer", "priority", "mode", "smart-paging", "paging-directory"]
        self.assertEqual(self.complete("set", "w"), ["web", "web\\ 2"])
        self.assertEqual(self.complete("set", "web", ""), [name + "=" for name in settings])
        self.assertEqual(self.complete("set", "web", "minimum", "=", "1GiB", "pri"), ["priority="])
        self.assertEqual(self.complete("set", "web", "mode", "="), ["dynamic", "observe", "static"])
        self.assertEqual(self.complete("set", "web", "smart-paging", "=", "y"), ["yes"])
        self.assertEqual(self.complete("set", "web", "minimum", "="), [])
        self.assertEqual(self.complete("unset", "web", "mode", "m"), ["minimum", "mode"])
        self.assertEqual(self.complete("cluster", "s"), ["setup", "status"])
        self.assertEqual(self.complete("cluster", "confirm", "d"), ["db"])
        self.assertEqual(self.complete("cluster", "rate", ""), [])
        self.assertEqual(self.complete("cluster", "setup", "--for", "=", "p"), ["pcs"])
        self.assertEqual(self.complete("mode", "web", ""), ["dynamic", "observe", "static"])
        self.assertEqual(self.complete("mode", "web", "static", ""), [])
        self.assertEqual(self.complete("manage", "web", "d"), ["db"])
        for shell in ("dm-ctl", "_dm-ctl"):
            self.assertEqual(re.search(r"\bsettings=\((.*)\)", read("data", "completions", shell)).group(1).split(), settings)

    def test_values(self):
        orders = ["name", "trouble", "priority", "demand", "want", "assigned", "target", "pressure"]
        self.assertIn("order: %s or %s" % (", ".join(orders[:-1]), orders[-1]), help_of("top"))
        self.assertEqual(self.complete("top", "--sort", "=", ""), orders)
        self.assertEqual(self.complete("top", "--sort", "="), orders)
        self.assertEqual(self.complete("top", "--sort", "=", "n"), ["name"])
        self.assertEqual(self.complete("top", "--count", "=", ""), [])

    def test_files(self):
        with tempfile.TemporaryDirectory() as directory:
            names = [os.path.join(directory, name) for name in ("a file.ini", "b.ini")]
            for name in names:
                with open(name, "w", encoding="utf-8"):
                    pass
            self.assertEqual(sorted(self.complete("simulate", directory + "/")), names)
            self.assertEqual(self.complete("simulate", "--svg", "=", directory + "/b"), names[1:])
            self.assertEqual(self.complete("simulate", names[0], directory + "/"), [])
            os.mkdir(os.path.join(directory, "paging"))
            self.assertEqual(self.complete("set", "web", "paging-directory", "=", directory + "/"),
                             [os.path.join(directory, "paging")])


class Zsh(unittest.TestCase):
    def test_it_is_read_without_a_complaint(self):
        if shutil.which("zsh") is None:
            self.skipTest("no zsh")
        done = subprocess.run(["zsh", "-n", ZSH], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[5:])
