#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dm-ctl cluster status, plan, rate and confirm against a stand-in for the daemon. Usage: test_ctl_cluster.py DM_CTL FAKE XML"""

import json
import subprocess
import sys
import unittest

import schema
from fake_bus import GIB, MIB, BusTest, FakeDaemon

DM_CTL, FAKE, XML = sys.argv[1:4]

WEB = "11111111-2222-3333-4444-555555555555"
IDLE = dict(phase="idle", partner="", uuid="", resource="")


def host(name, free, **more):
    return dict(dict(name=name, here=name == "a", fresh=True, level="automatic", stars=4, pressure=80, budget=8 * GIB, want=6 * GIB,
                     free=free, reclaimable=GIB, **IDLE), **more)


MOVE = dict(guest="web", uuid=WEB, resource="vm-web", target="b", sourceBefore=120, sourceAfter=90, targetBefore=40, targetAfter=70,
            gain=30)
DONE = dict(began=1764000000000000, ended=1764000042000000, guest="db", uuid=WEB, resource="vm-db", source="b", target="a", phase="comes",
            done=True, reason="")
STATUS = dict(joined=True, level="confirm", pressureLeast=100, gainLeast=10, hold=300, cooldown=3600, node="a",
              hosts=[host("a", 0, pressure=120, stars=1, phase="offers", partner="b", uuid=WEB, resource="vm-web"),
                     host("b", 4 * GIB), host("c", 7 * GIB, fresh=False), host("d", 3 * GIB)],
              ignored=[dict(name="e", reason="there is no beat= where it is expected")], why="confirm", whyText="nobody has confirmed it",
              confirmed="", move=MOVE, moves=[dict(DONE, ended=0, phase="offers"), DONE])
NONE = dict(joined=False, level="off", pressureLeast=100, gainLeast=10, hold=300, cooldown=3600, moves=[])


class ClusterTest(BusTest):
    def daemon(self, status=None, **answers):
        if status is not None:
            answers["Status"] = "('%s',)" % json.dumps(status)
        daemon = FakeDaemon(FAKE, XML, self.bus.environment, answers)
        self.addCleanup(daemon.close)
        return daemon

    def ctl(self, *words, status=0):
        done = subprocess.run([DM_CTL, *words], env=self.bus.environment, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stderr if status else schema.check(words, done.stdout)


class Shown(ClusterTest):
    def test_status_has_hosts_what_moves_and_what_has_moved(self):
        self.daemon(STATUS)
        lines = self.ctl("cluster", "status").split("\n")
        self.assertRegex(lines[1], r"^a \(here\) +automatic +\S+ +120 % .*offers vm-web to b$")
        self.assertRegex(lines[3], r"^c .*silent$")
        text = "\n".join(lines)
        for part in ("e publishes can't be read", "nobody has confirmed it", "web to b, which gains 30 points", "from 120 % to 90 %",
                     "dm-ctl cluster confirm web", "under way (offers)", "done after 42 s"):
            self.assertIn(part, text)
        self.assertEqual(json.loads(self.ctl("--json", "cluster", "status")), STATUS)

    def test_plan_has_this_host_alone(self):
        self.daemon(STATUS)
        self.assertIn("web to b", self.ctl("cluster", "plan"))
        plan = json.loads(self.ctl("--json", "cluster", "plan"))
        self.assertEqual(plan["move"], MOVE)
        self.assertNotIn("hosts", plan)

    def test_rate_takes_free_memory_before_any_that_guests_have(self):
        self.daemon(STATUS)
        document = json.loads(self.ctl("--json", "cluster", "rate", "3GiB"))
        self.assertEqual(document["startup"], 3 * GIB)
        self.assertGreater(document["needed"], 3 * GIB + 32 * MIB)
        self.assertEqual([(row["name"], row["fit"]) for row in document["hosts"]],
                         [("a", "no"), ("b", "free"), ("c", "unknown"), ("d", "reclaimable")])
        self.assertEqual(document["best"], "b")
        self.assertRegex(self.ctl("cluster", "rate", "3GiB"), r"\nb .*best host")
        self.assertEqual(json.loads(self.ctl("--json", "cluster", "rate", "1TiB"))["best"], "")
        self.ctl("cluster", "rate", "much", status=2)
        self.ctl("cluster", "rate", status=2)

    def test_confirm_is_told_to_the_daemon(self):
        daemon = self.daemon(STATUS, Confirm="()")
        self.assertIn("web may be moved", self.ctl("cluster", "confirm", "web"))
        self.assertEqual(daemon.last("Confirm"), "('web',)")
        self.assertEqual(json.loads(self.ctl("--json", "cluster", "confirm", "web")), {"guest": "web", "confirmed": True})

    def test_a_refusal_is_shown(self):
        self.daemon(STATUS)
        self.assertIn("the fake refuses", self.ctl("cluster", "confirm", "web", status=1))


class NoCluster(ClusterTest):
    def test_it_is_told_in_words(self):
        self.daemon(NONE)
        self.assertIn("none", self.ctl("cluster", "status"))
        self.assertEqual(json.loads(self.ctl("--json", "cluster", "status")), NONE)
        for words in (["plan"], ["rate", "1GiB"]):
            self.assertIn("ocf:dynmem:host", self.ctl("cluster", *words, status=1))

    def test_no_daemon_is_status_3(self):
        for words in (["status"], ["plan"], ["rate", "1GiB"], ["confirm", "web"]):
            self.assertIn("systemctl start dynmemd", self.ctl("cluster", *words, status=3))

    def test_another_host_is_not_asked(self):
        self.assertIn("--host", self.ctl("--host=b", "cluster", "status", status=2))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[4:])
