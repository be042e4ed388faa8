#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dm-ctl retire against a stand-in for the daemon: who is waited for, for how long, and what is said."""

import json
import subprocess
import sys
import unittest

import schema

from fake_bus import GIB, MIB, BusTest, FakeDaemon

DM_CTL, FAKE, XML = sys.argv[1:4]

WEB = "11111111-2222-3333-4444-555555555555"
DB = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
SQUEEZED = {"Assigned": 512 * MIB, "Target": 512 * MIB}
WHOLE = {"Assigned": GIB, "Target": GIB}
DONE = "All guests have their startup memory; dynmemd may be stopped.\n"


class RetireTest(BusTest):
    def setUp(self):
        self.daemon = FakeDaemon(FAKE, XML, self.bus.environment)
        self.addCleanup(lambda: self.daemon.close())  # the one there is then
        self.daemon.host(Link="read-write", LinkText="connected")
        self.daemon.answer("Retire", "()")

    def start(self, *arguments):
        return subprocess.Popen([DM_CTL, "retire", *arguments], env=self.bus.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ctl(self, *arguments, status=0):
        process = self.start(*arguments)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, status, out + err)
        return out + err

    def test_who_is_squeezed_is_waited_for(self):
        self.daemon.guest(WEB, "web", **SQUEEZED)
        self.daemon.guest(DB, "db")
        process = self.start()
        self.assertEqual(process.stdout.readline(), "web has 512 MiB of 1 GiB\n")
        self.assertEqual(self.daemon.last("Retire"), "()")
        # told is not enough while the balloon is far from it; and it may have it, and be about to lose it
        self.daemon.change(WEB, Target=GIB, Assigned=900 * MIB)
        self.assertEqual(process.stdout.readline(), "web has 900 MiB of 1 GiB\n")
        self.daemon.change(WEB, **WHOLE)
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out, err), (0, DONE, ""))

    def test_nobody_is_waited_for_who_is_owed_nothing(self):
        self.daemon.guest(WEB, "web", State="off", Assigned=0, Target=0)
        self.daemon.guest(DB, "db", Managed=False, State="static", Mode="static", **SQUEEZED)
        self.daemon.guest(DB.replace("a", "b"), "seen", Mode="observe", State="observed", **SQUEEZED)
        self.daemon.guest(DB.replace("a", "c"), "more", Assigned=2 * GIB, Target=2 * GIB)
        self.assertEqual(self.ctl(), DONE)

    def test_who_is_let_go_or_has_a_paging_file_is_owed_too(self):
        self.daemon.guest(WEB, "web", PagingSize=GIB)
        self.daemon.guest(DB, "db", Managed=False, Rule="let-go", **SQUEEZED)
        said = self.ctl("--timeout=0", status=1)
        self.assertIn("db has 512 MiB of 1 GiB", said)
        self.assertIn("web has a paging file", said)

    def test_it_ends_in_time_and_says_who_lacks_what(self):
        self.daemon.guest(WEB, "web", **SQUEEZED)
        self.assertEqual(self.ctl("--timeout=1", status=1).splitlines(), [
            "web has 512 MiB of 1 GiB",
            "dm-ctl: retire: after 1 s web has 512 MiB of 1 GiB; 'dm-ctl explain GUEST' says why, "
            "'systemctl reload dynmemd' takes it back"])
        process = self.start("--timeout=0", "--json")
        out, _ = process.communicate(timeout=30)
        self.assertEqual([guest["name"] for guest in json.loads(schema.check(["--json", "retire"], out, whole=False))["guests"]], ["web"])

    def test_a_budget_that_was_set_is_named_where_it_holds_guests_back(self):
        self.daemon.guest(WEB, "web", **SQUEEZED)
        for limit, named in (("total", False), ("setting", True)):
            self.daemon.host(Budget=2 * GIB, BudgetLimit=limit)
            said = self.ctl("--timeout=0", status=1)
            self.assertEqual("Budget= in dynmemd.conf allows all guests 2 GiB together" in said, named, said)
            self.assertIn("takes it back", said)

    def test_without_libvirt_nothing_is_begun(self):
        self.daemon.host(Link="down", LinkText="libvirtd does not answer")
        self.daemon.guest(WEB, "web", **SQUEEZED)
        self.assertIn("libvirtd does not answer", self.ctl(status=1))
        self.assertIsNone(self.daemon.last("Retire"))

    def test_a_refusal_and_no_daemon_are_told(self):
        self.daemon.close()
        self.daemon = FakeDaemon(FAKE, XML, self.bus.environment)
        self.daemon.host(Link="read-write")
        self.assertIn("the fake refuses", self.ctl(status=1))
        self.daemon.close()
        self.assertIn("does not run", self.ctl(status=3))
        self.daemon = FakeDaemon(FAKE, XML, self.bus.environment)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
