#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two daemons as hosts of a cluster, each on a private bus with libvirt's test driver; this test is their agents and the
cluster. Usage: test_cluster.py DYNMEMD DM_CTL."""

import ast
import json
import subprocess
import time
import unittest

from test_daemon import PLAIN, WEB, Daemon, uuid

LEVEL = "[Cluster]\nLevel={}\nHoldSec=0\n"
SHORT = "[Host]\nBudget=1GiB\n" + LEVEL
ROOMY = "[Host]\nBudget=4GiB\n" + LEVEL
# the guest that moves, as libvirt's hook has it there
MOVED = dict(PLAIN, uuid=uuid(1))
RESOURCES = [("vm-web", uuid(0)), ("vm-plain", "plain"), ("vm-elsewhere", "nobody")]


class Host:
    """A daemon and its agent."""

    def __init__(self, name, daemon):
        self.name, self.daemon = name, daemon
        self.line, self.wish = None, ""

    def call(self, method, *arguments):
        result = subprocess.run(["gdbus", "call", "--system", "--dest", "org.dynmem1", "--object-path", "/org/dynmem1",
                                 "--method", f"org.dynmem1.Cluster.{method}", *arguments], env=self.daemon.environment,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def exchange(self, hosts, node=None):
        pairs = [[(host.name, host.line) for host in hosts if host.line], RESOURCES]
        texts = ["[" + ", ".join(f'("{a}", "{b}")' for a, b in each) + "]" if each else "@a(ss) []" for each in pairs]
        answer = self.call("Exchange", node or self.name, *texts)
        line, room, wish, score = ast.literal_eval(answer.replace("uint32 ", ""))
        self.line, self.wish = line, wish
        return line, room, wish, score

    def status(self):
        return json.loads(ast.literal_eval(self.call("Status"))[0])

    def here(self):
        return next(host for host in self.status()["hosts"] if host["here"])

    def property(self, name):
        return subprocess.run(["gdbus", "call", "--system", "--dest", "org.dynmem1", "--object-path", "/org/dynmem1",
                               "--method", "org.freedesktop.DBus.Properties.Get", "org.dynmem1.Cluster", name],
                              env=self.daemon.environment, check=True, capture_output=True, text=True).stdout.strip()


class Cluster(unittest.TestCase):
    def test_one_host_alone(self):
        with Daemon(config=SHORT.format("confirm"), guests=[WEB, PLAIN]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            host = Host("node-a", daemon)
            self.assertEqual((host.property("Level"), host.property("Joined")), ("(<'confirm'>,)", "(<false>,)"))
            self.assertEqual(host.status()["moves"], [])
            self.assertNotIn("hosts", host.status())
            with self.assertRaisesRegex(AssertionError, "in no cluster"):
                host.call("Confirm", "web")
            with self.assertRaisesRegex(AssertionError, "Invalid.*letters"):
                host.exchange([], node="no name")
            line, room, wish, score = host.exchange([])
            self.assertRegex(line, "^1 beat=1 level=confirm budget=[0-9]+ .* phase=idle$")
            self.assertIn(room, range(0, 51))
            self.assertEqual((wish, score), ("", 0))
            # a line of another version is left alone, and soon after the same is answered
            stranger = Host("node-z", None)
            stranger.line = "2 something new"
            self.assertEqual(host.exchange([host, stranger])[0], line)
            time.sleep(5)
            self.assertRegex(host.exchange([host, stranger])[0], "^1 beat=2 ")
            status = host.status()
            self.assertEqual([(each["name"], "version" in each["reason"]) for each in status["ignored"]], [("node-z", True)])
            self.assertEqual((status["node"], status["joined"], host.property("Joined")), ("node-a", True, "(<true>,)"))
            self.assertGreater(host.here()["pressure"], 100)
            self.assertEqual(status["why"], "no-move")
            with self.assertRaisesRegex(AssertionError, "no move would make it enough better"):
                host.call("Confirm", "web")
            host.call("Withdraw")
            self.assertFalse(host.status()["joined"])

    def test_a_dry_run_shows_and_moves_nobody(self):
        with Daemon(config=SHORT.format("automatic"), guests=[WEB], arguments=["--dry-run"]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            host = Host("a", daemon)
            self.assertEqual(host.property("Level"), "(<'manual'>,)")
            self.assertIn("level=manual", host.exchange([])[0])

    def test_guest_is_booked_wished_for_and_let_in_at_once(self):
        with Daemon(config=SHORT.format("automatic"), guests=[WEB, PLAIN]) as short, \
             Daemon(config=ROOMY.format("automatic")) as roomy:
            a, b = Host("a", short), Host("b", roomy)
            short.wait(lambda: short.guest("plain"), "plain")
            roomy.wait(lambda: roomy.host()["budget"], "the host")
            seen = []

            def step():
                for host in (a, b):
                    host.exchange([a, b])
                seen.append((a.here()["phase"], b.here()["phase"], b.wish, roomy.host()["reserved"]))
                return seen[-1]

            end = time.monotonic() + 90
            while step()[2] == "" and time.monotonic() < end:
                time.sleep(5.2)
            self.assertEqual(seen[-1][:3], ("offers", "wishes", "vm-plain"), seen)
            # nothing is wished for before it is booked, and it is booked in full
            self.assertTrue(all(reserved > 512 << 20 for _, phase, _, reserved in seen[1:] if phase == "wishes"), seen)
            self.assertIn("books", [phase for _, phase, _, _ in seen])
            self.assertTrue(all(wish == "" for _, phase, wish, _ in seen if phase != "wishes"), seen)
            best = a.status()["move"]
            self.assertEqual((best["guest"], best["target"]), ("plain", "b"))
            self.assertGreater(best["gain"], 10)
            self.assertEqual([(move["source"], move["target"], move["ended"]) for move in b.status()["moves"]], [("a", "b", 0)])
            began = time.monotonic()
            self.assertEqual(roomy.hook(MOVED, "migrate"), "")
            self.assertLess(time.monotonic() - began, 3)
            # libvirt has begun: it stays booked whatever the cluster says, until libvirt ends it
            b.call("Withdraw")
            roomy.wait(lambda: roomy.host()["startsAdmitted"] == 1, "the start")
            self.assertGreaterEqual(roomy.host()["reserved"], 512 << 20)
            roomy.hook(MOVED, "stopped", "end")
            roomy.wait(lambda: roomy.host()["reserved"] == 0, "its end")
            for daemon, words in ((short, "is offered to host b"), (roomy, "is booked and free here")):
                self.assertIn(words, daemon.log.read_text())
            self.assertEqual(b.status()["moves"][0]["done"], False)
            self.assertIn("stopped", b.status()["moves"][0]["reason"])


if __name__ == "__main__":
    unittest.main(argv=["test_cluster.py"], verbosity=2)
