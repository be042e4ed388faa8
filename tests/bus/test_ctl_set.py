#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dm-ctl set, mode, unset and manage against a stand-in for the daemon, and guests that are named by a beginning."""

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

import schema
from fake_bus import GIB, MIB, BusTest, FakeDaemon

DM_CTL, FAKE, XML = sys.argv[1:4]

WEB = "11111111-2222-3333-4444-555555555555"
WEB2 = "21111111-2222-3333-4444-555555555555"
DB = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

SETTINGS = {"minimum": 512 * MIB, "startup": GIB, "buffer": 20, "priority": 80, "smartPaging": "yes",
            "pagingDirectory": "/var/lib/dynmem/paging", "mode": "dynamic"}


def row(setting, before, after, given=(True, True), effect="at once", place="both"):
    return {"setting": setting, "place": place, "before": before, "beforeGiven": given[0], "after": after,
            "afterGiven": given[1], "takesEffect": effect}


def preview(**members):
    return {"name": "web", "uuid": WEB, "running": True, "persistent": True, "managedBefore": True, "managedAfter": True,
            "elementBefore": True, "elementAfter": True, "writes": True, "settings": SETTINGS, "notes": [], "changes": [],
            **members}


CHANGE = preview(changes=[row("minimum", GIB, 512 * MIB, given=(False, True)), row("priority", 50, 80),
                          row("startup", "lots", 3 * GIB // 2, effect="at its next start or restart")])


class SetTest(BusTest):
    def setUp(self):
        self.daemon = FakeDaemon(FAKE, XML, self.bus.environment)
        self.addCleanup(lambda: self.daemon.close())  # the one there is then
        for uuid, name in ((WEB, "web"), (WEB2, "web2"), (DB, "db")):
            self.daemon.guest(uuid, name)
        self.will(CHANGE)

    def will(self, change):
        """What PreviewGuest answers; the changes themselves succeed."""
        self.daemon.answer("PreviewGuest", "(%s,)" % json.dumps(json.dumps(change)))
        for method in ("SetGuest", "UnsetGuest"):
            self.daemon.answer(method, "()")

    def ctl(self, *arguments, status=0):
        done = subprocess.run([DM_CTL, *arguments], env=self.bus.environment, capture_output=True, timeout=30,
                              stdin=subprocess.DEVNULL, check=False)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, status, out + err)
        self.assertEqual(err.count("\n"), 0 if status == 0 else 1, err)
        return schema.check(arguments, out, whole=False) if status == 0 else err

    def test_set_asks_for_all_at_once_and_shows_old_and_new(self):
        shown = self.ctl("set", "web", "minimum=512MiB", "priority=80")
        self.assertEqual(shown.splitlines(), [
            "web: changed",
            "SETTING   TAKES EFFECT                  CHANGE",
            "minimum   at once                       1GiB (default) -> 512MiB",
            "priority  at once                       50 -> 80",
            "startup   at its next start or restart  lots -> 1536MiB"])
        called = self.daemon.last("SetGuest")
        self.assertIn(WEB, called)
        self.assertIn("'minimum': <'512MiB'>", called)
        self.assertIn("'priority': <'80'>", called)
        self.assertEqual(self.daemon.last("PreviewGuest"), called[:-1] + ", false)")

    def test_a_guest_that_was_defined_a_moment_ago_is_waited_for(self):
        began = time.monotonic()
        self.ctl("set", "new", "priority=80", status=1)
        self.assertGreater(time.monotonic() - began, 0.9)
        # where the machine is slow it may come too late
        for number in range(5):
            uuid = "%08d-2222-3333-4444-555555555555" % number
            with subprocess.Popen([DM_CTL, "set", uuid, "priority=80"], env=self.bus.environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
                time.sleep(0.2)
                self.daemon.guest(uuid, "new%d" % number)
                said, _ = process.communicate(timeout=30)
            if process.returncode == 0:
                return
        self.fail(said)

    def test_a_dry_run_changes_nothing(self):
        for words in (["set", "web", "buffer=3"], ["unset", "web"], ["mode", "web", "static"], ["manage", "web"]):
            with self.subTest(words=words):
                self.assertIn("web: would be changed", self.ctl(*words, "--dry-run"))
                self.assertIs(json.loads(self.ctl("--json", *words, "--dry-run")).get("done", False), False)
        for method in ("SetGuest", "UnsetGuest"):
            self.assertIsNone(self.daemon.last(method))

    def test_what_is_so_already_asks_nobody(self):
        self.will(preview(writes=False))
        self.assertEqual(self.ctl("set", "web", "priority=80"), "web: nothing to change\n")
        self.assertIsNone(self.daemon.last("SetGuest"))

    def test_mode_is_a_setting(self):
        self.ctl("mode", "web", "observe")
        self.assertEqual(self.daemon.last("SetGuest"), f"('{WEB}', {{'mode': <'observe'>}})")

    def test_unset_takes_out_one_or_all(self):
        self.ctl("unset", "web", "buffer", "mode")
        self.assertIn("'buffer': <''>", self.daemon.last("SetGuest"))
        self.assertIsNone(self.daemon.last("UnsetGuest"))
        self.will(preview(managedAfter=False, elementAfter=False,
                          changes=[row("minimum", GIB, 2 * GIB, given=(True, False)), row("buffer", 20, 30, given=(False, False))]))
        shown = self.ctl("unset", "web")
        self.assertIn("not managed any more", shown)
        self.assertIn("\nTaken out: minimum=1GiB\n", shown)
        self.assertEqual(self.daemon.last("UnsetGuest"), f"('{WEB}',)")

    def test_a_paging_directory_that_is_of_no_use_is_noted(self):
        with tempfile.TemporaryDirectory(prefix="dynmem-set-") as directory:
            os.chmod(directory, 0o777)
            path = os.path.join(directory, "file")
            with open(path, "w", encoding="utf-8"):
                pass
            for place, said in (("/nonexistent/paging", "does not exist"), (path, "is no directory"),
                                (directory, "can be changed by others than root"), ("/usr", None), ("beside-disk", None)):
                self.will(preview(changes=[row("paging-directory", "/var/lib/dynmem/paging", place, given=(False, True))]))
                shown = " ".join(self.ctl("set", "web", "paging-directory=" + place).split())
                notes = json.loads(self.ctl("--json", "set", "web", "paging-directory=" + place))["notes"]
                self.assertEqual(len(notes), int(said is not None), place)
                if said is None:
                    self.assertNotIn("Note: ", shown)
                else:
                    self.assertIn(f"Note: paging-directory: {place} {said}", shown)
                    self.assertIn(said, notes[0])
        # back to the default, which dynmemd makes by itself
        self.will(preview(changes=[row("paging-directory", "/srv/paging", "/nonexistent", given=(True, False))]))
        self.assertNotIn("Note: ", self.ctl("unset", "web", "paging-directory"))

    def test_notes_are_told(self):
        self.will(preview(persistent=False, notes=["it is transient\x1b[31m", "and more"]))
        shown = self.ctl("set", "web", "priority=80")
        self.assertIn("Note: it is transient\\x1b[31m.", shown)
        self.assertIn("Note: and more.", shown)

    def test_manage_goes_on_where_one_fails(self):
        self.will(preview(managedBefore=False, elementBefore=False))
        shown = self.ctl("manage", "web", "db", "web")
        self.assertEqual(shown.count("managed from now on: minimum 512MiB, startup 1GiB, buffer 20 %, priority 80"), 2)
        self.assertIn("dm-ctl set GUEST minimum=SIZE", shown)
        self.assertEqual(self.daemon.last("SetGuest"), f"('{DB}', {{}})")
        self.assertEqual(len(json.loads(self.ctl("--json", "manage", "--all"))["guests"]), 3)
        self.daemon.answer("PreviewGuest", "('',)")
        self.assertIn("2 of 2 guests", self.ctl("manage", "web", "db", status=1))

    def test_manage_all_tells_only_of_those_that_change(self):
        self.will(preview(writes=False))
        self.assertEqual(self.ctl("manage", "--all"), "All guests have settings already.\n")
        self.assertEqual(self.ctl("manage", "web"), "web: has settings already\n")
        self.assertIsNone(self.daemon.last("SetGuest"))

    def test_json_is_what_the_daemon_tells_and_whether_it_is_done(self):
        self.assertEqual(json.loads(self.ctl("--json", "set", "web", "priority=80")), {**CHANGE, "done": True})

    def test_a_refusal_is_status_1_with_its_reason(self):
        self.daemon.close()
        self.daemon = FakeDaemon(FAKE, XML, self.bus.environment)
        self.daemon.guest(WEB, "web")  # it refuses what it has no answer for
        self.assertIn("the fake refuses", self.ctl("set", "web", "priority=80", status=1))
        self.daemon.answer("PreviewGuest", "(%s,)" % json.dumps(json.dumps(CHANGE)))
        self.assertIn("the fake refuses", self.ctl("set", "web", "priority=80", status=1))

    def test_wrong_usage_is_status_2(self):
        for words in (["set"], ["set", "web"], ["set", "web", "minimum"], ["set", "web", "size=1GiB"], ["mode", "web"],
                      ["set", "web", "mode=a", "mode=b"], ["mode", "web", "off"], ["mode", "web", "static", "now"],
                      ["unset"], ["unset", "web", "minimum=1"], ["manage"], ["manage", "--all", "web"]):
            with self.subTest(words=words):
                self.ctl(*words, status=2)

    def test_without_a_daemon_it_is_status_3(self):
        self.daemon.close()
        for words in (["set", "web", "priority=1"], ["mode", "web", "static"], ["unset", "web"], ["manage", "--all"]):
            self.assertIn("systemctl start dynmemd", self.ctl(*words, status=3))
        self.daemon = FakeDaemon(FAKE, XML, self.bus.environment)

    def test_a_beginning_of_a_name_does_to_look(self):
        self.assertEqual(json.loads(self.ctl("--json", "show", "d"))["name"], "db")
        self.assertEqual(json.loads(self.ctl("--json", "show", "web"))["name"], "web")  # a whole name is no beginning
        self.assertIn("the names of 2 guests begin so: 'web', 'web2'", self.ctl("show", "we", status=1))
        self.assertIn("there is none", self.ctl("show", "", status=1))
        self.assertIn("there is none", self.ctl("show", "eb", status=1))

    def test_a_change_needs_the_whole_name(self):
        self.daemon.answer("Start", "(true, '')")
        for words in (["set", "d", "priority=80"], ["mode", "d", "static"], ["unset", "d"], ["manage", "d"],
                      ["start", "d"], ["set", "--dry-run", "d", "priority=80"]):
            said = self.ctl(*words, status=1)
            self.assertIn("a change needs all of it; so begin: 'db'", said)
        self.assertIn("'web', 'web2'", self.ctl("set", "we", "priority=80", status=1))
        for method in ("SetGuest", "UnsetGuest", "Start", "PreviewGuest"):
            self.assertIsNone(self.daemon.last(method))
        self.ctl("set", DB.upper(), "priority=80")
        self.assertIn(DB, self.daemon.last("SetGuest"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[4:])
