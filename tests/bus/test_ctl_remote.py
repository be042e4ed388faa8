#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dm-ctl --host: a stand-in for ssh, which runs the real bridge of systemd on the private bus."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

from fake_bus import GIB, FakeDaemon, PrivateBus, die_with_parent

DM_CTL, FAKE, XML = sys.argv[1:4]
BRIDGE = shutil.which("systemd-stdio-bridge")

WEB = "11111111-2222-3333-4444-555555555555"
NEW = "21111111-2222-3333-4444-555555555555"

# what it was called with goes to the file $SSH_CALLS; the bridge knows the bus of this host only unless it is told another
SSH = """#!/bin/sh
printf '%s\\n' "$*" >>"$SSH_CALLS"
case $SSH_MODE in
refuse) echo "ssh: connect to host $3 port 22: Connection refused" >&2; exit 255 ;;
no-bridge) echo "sh: systemd-stdio-bridge: not found" >&2; exit 127 ;;
talks) printf 'Welcome to this host\\r\\n'; exec sleep 120 ;;
esac
exec "$BRIDGE" --bus-path="$REMOTE_BUS"
"""


class RemoteTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bus = PrivateBus()
        cls.addClassCleanup(cls.bus.close)
        cls.daemon = FakeDaemon(FAKE, XML, cls.bus.environment)
        cls.addClassCleanup(cls.daemon.close)
        cls.daemon.host(Budget=6 * GIB)
        cls.daemon.guest(WEB, "web")
        cls.daemon.guest(NEW, "new", State="off")
        ssh = os.path.join(cls.bus.directory, "ssh")
        with open(ssh, "w", encoding="utf-8") as file:
            file.write(SSH)
        os.chmod(ssh, 0o755)

    def setUp(self):
        self.calls = os.path.join(self.bus.directory, "calls")
        with open(self.calls, "w", encoding="utf-8"):
            pass

    def environment(self, mode):
        """Its own system bus is not there: what is answered came the other way."""
        return dict(self.bus.environment, PATH=self.bus.directory + ":" + os.environ["PATH"], SSH_MODE=mode,
                    SSH_CALLS=self.calls, BRIDGE=BRIDGE or "", REMOTE_BUS=self.bus.environment["DBUS_SYSTEM_BUS_ADDRESS"],
                    DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent")

    def ctl(self, *arguments, status=0, mode=""):
        done = subprocess.run([DM_CTL, *arguments], env=self.environment(mode), capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False, text=True)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stderr if status else done.stdout

    def called(self):
        with open(self.calls, encoding="utf-8") as file:
            return file.read().splitlines()


class WithoutABridge(RemoteTest):
    def test_what_ssh_says_is_shown(self):
        said = self.ctl("-H", "admin@far", "list", status=3, mode="refuse").splitlines()
        self.assertEqual(said[0], "ssh: connect to host admin@far port 22: Connection refused")
        self.assertIn("host 'admin@far': ssh failed", said[1])
        self.assertIn("a part of systemd", self.ctl("list", "--host=far", status=3, mode="no-bridge"))

    def test_what_is_no_bridge_is_ended(self):
        self.assertIn("host 'far'", self.ctl("-H", "far", "list", status=3, mode="talks"))

    def test_a_host_is_never_an_option_of_ssh(self):
        for host in ("-oProxyCommand=touch x", "-", ""):
            self.assertIn("that is no host", self.ctl("list", "--host=" + host, status=2))
        self.assertEqual(self.called(), [])

    def test_verbs_that_ask_no_daemon_refuse_it(self):
        for words in (["simulate", "x"], ["check"], ["hook", "web", "prepare", "begin", "-"]):
            self.assertIn("--host makes no sense", self.ctl("-H", "far", *words, status=2))
        self.assertEqual(self.called(), [])

    def test_without_ssh_that_is_said(self):
        environment = dict(self.environment(""), PATH="/nonexistent")
        done = subprocess.run([DM_CTL, "-H", "far", "list"], env=environment, capture_output=True, check=False, timeout=30)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"ssh: it can't be run", done.stderr)


@unittest.skipIf(BRIDGE is None, "no systemd-stdio-bridge")
class WithABridge(RemoteTest):
    def test_the_other_host_answers(self):
        self.assertEqual(json.loads(self.ctl("-H", "admin@far", "--json", "show", "web"))["uuid"], WEB)
        self.assertEqual(json.loads(self.ctl("host", "--json", "--host=far"))["budget"], 6 * GIB)
        self.assertEqual(self.called(), ["-xT -- admin@far systemd-stdio-bridge", "-xT -- far systemd-stdio-bridge"])

    def test_a_port_is_given_to_ssh_as_it_takes_it(self):
        for host, told in (("far:2222", "ssh://far:2222"), ("me@[::1]:22", "ssh://me@[::1]:22"), ("::1", "::1"),
                           ("ssh://far:1", "ssh://far:1")):
            self.ctl("-H", host, "list")
            self.assertEqual(self.called()[-1], "-xT -- %s systemd-stdio-bridge" % told)

    def test_events_come_through_until_it_is_interrupted(self):
        process = subprocess.Popen([DM_CTL, "-H", "far", "monitor"], env=self.environment(""), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "Watching 2 guests; ^C ends it.\n")
        self.daemon.event("guest-stuck", WEB, "web", 0, 0, "", "Guest web is stuck.")
        self.assertIn("Guest web is stuck.", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 0)

    def test_an_interrupt_of_the_terminal_leaves_the_way_open_to_take_a_start_back(self):
        self.daemon.answer("Start", None)
        self.daemon.answer("Release", "()")
        process = subprocess.Popen([DM_CTL, "-H", "far", "start", "new"], env=self.environment(""), text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        deadline = time.monotonic() + 60
        while self.daemon.last("Start") is None and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # ^C goes to ssh too
        while self.daemon.last("Release") is None and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertIn(NEW, self.daemon.last("Release") or "")


if __name__ == "__main__":
    program = unittest.main(argv=[sys.argv[0]] + sys.argv[4:], exit=False)
    # a test that can't be had is told as such
    sys.exit(0 if not program.result.skipped and program.result.wasSuccessful() else 77 if program.result.wasSuccessful() else 1)
