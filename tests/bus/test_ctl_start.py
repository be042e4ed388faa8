#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
dm-ctl start, rate and check against a stand-in for the daemon: what they print, and with which status they end.

Usage: test_ctl_start.py DM_CTL FAKE XML HOOK_FILE
"""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import schema
from fake_bus import GIB, MIB, BusTest, FakeDaemon, die_with_parent

DM_CTL, FAKE, XML, HOOK_FILE = (os.path.abspath(path) for path in sys.argv[1:5])

WEB = "11111111-2222-3333-4444-555555555555"
DB = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
REFUSAL = "web needs 1.1 GiB to start, 300 MiB are free and 200 MiB can be taken from others"
RATING = {"stars": 2, "startup": GIB, "priority": 80, "needed": GIB + 100 * MIB, "free": 300 * MIB,
          "buffers": 200 * MIB, "demand": 624 * MIB, "missing": 0,
          "squeezes": [{"name": "db\x1b", "uuid": DB, "assigned": 2 * GIB, "target": GIB, "belowDemand": True},
                       {"name": "cache", "uuid": WEB, "assigned": GIB, "target": 512 * MIB, "belowDemand": False}],
          "blockers": [{"name": "db", "kept": GIB, "text": "db keeps 1 GiB (that is its minimum)"}]}


class Verbs(BusTest):
    def daemon(self, **answers):
        daemon = FakeDaemon(FAKE, XML, self.bus.environment)
        self.addCleanup(lambda: daemon.process.stdin.closed or daemon.close())
        daemon.guest(WEB, "web", State="off", Assigned=0, Target=0)
        daemon.guest(DB, "db", Assigned=2 * GIB, Target=2 * GIB)
        for method, answer in answers.items():
            daemon.answer(method, answer)
        return daemon

    def begin(self, *arguments, **streams):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.Popen([DM_CTL, *arguments], env=self.bus.environment, preexec_fn=die_with_parent, **streams)

    def end(self, process, status):
        output, errors = process.communicate(timeout=30)
        output, errors = (output or b"").decode(), (errors or b"").decode()
        self.assertEqual(process.returncode, status, output + errors)
        return output, errors

    def ctl(self, *arguments, status=0):
        output, errors = self.end(self.begin(*arguments), status)
        return schema.check(arguments, output), errors

    def wait_for_call(self, daemon, method):
        end = time.monotonic() + 20
        while daemon.last(method) is None:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)


class Start(Verbs):
    def test_a_guest_that_was_started(self):
        daemon = self.daemon(Start="(true, 'it runs')")
        output, errors = self.ctl("start", "web")
        self.assertRegex(output, r"^web runs, after \d+\.\d s\n$")
        self.assertEqual(errors, "")
        self.assertEqual(daemon.last("Start"), f"('{WEB}',)")
        said = json.loads(self.ctl("--json", "start", WEB)[0])
        self.assertEqual((said["name"], said["uuid"], said["started"]), ("web", WEB, True))

    def test_a_refusal_is_told_in_the_daemons_words(self):
        self.daemon(Start=f"(false, '{REFUSAL}')")
        self.assertEqual(self.ctl("start", "web", status=1), ("", f"dm-ctl: start web: {REFUSAL}\n"))
        output, errors = self.ctl("--json", "start", "web", status=1)
        said = json.loads(output)
        self.assertEqual((said["started"], said["reason"]), (False, REFUSAL))
        self.assertIn(REFUSAL, errors)

    def test_what_can_not_be_asked(self):
        self.daemon()
        self.assertIn("the fake refuses", self.ctl("start", "web", status=1)[1])
        self.assertIn("near ones are 'web'", self.ctl("start", "wev", status=1)[1])
        self.ctl("start", status=2)

    def test_without_a_daemon(self):
        self.assertIn("systemctl start dynmemd", self.ctl("start", "web", status=3)[1])

    def test_a_daemon_that_ends_meanwhile(self):
        daemon = self.daemon(Start=None)
        process = self.begin("start", "web")
        self.wait_for_call(daemon, "Start")
        daemon.kill()
        self.assertIn("went away", self.end(process, 3)[1])

    def test_who_waits_in_a_script_gets_a_line_after_a_while(self):
        daemon = self.daemon(Start=None)
        process = self.begin("start", "web")
        self.wait_for_call(daemon, "Start")
        daemon.change(WEB, State="reserved")
        time.sleep(1)
        daemon.change(DB, Rule="make-room", Assigned=1536 * MIB, Target=GIB)
        time.sleep(2.5)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        output, errors = self.end(process, 1)
        self.assertEqual(output, "")
        self.assertEqual(errors.splitlines()[0],
                         "web: waiting for memory, 512 MiB freed so far; giving up memory: db (1.5 GiB, on its way to 1 GiB)")

    def test_an_interrupt_calls_it_off(self):
        daemon = self.daemon(Start=None, Release="()")
        process = self.begin("start", "web")
        self.wait_for_call(daemon, "Start")
        process.send_signal(signal.SIGINT)
        self.wait_for_call(daemon, "Release")
        self.assertEqual(daemon.last("Release"), f"('{WEB}',)")
        # libvirt is at it already, so there is no answer
        self.assertIn("called off, but libvirt", self.end(process, 1)[1])

    def test_a_terminal_gets_one_line_that_changes(self):
        daemon = self.daemon(Start=None)
        daemon.change(DB, Rule="make-room", Target=GIB)
        leader, follower = pty.openpty()
        process = self.begin("start", "web", stdin=follower, stdout=follower, stderr=follower)
        os.close(follower)
        self.wait_for_call(daemon, "Start")
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        shown = b""
        while True:
            try:
                block = os.read(leader, 4096)
            except OSError:
                break
            if not block:
                break
            shown += block
        os.close(leader)
        process.wait(10)
        text = shown.decode()
        self.assertIn("\r\x1b[Kweb: waiting for memory", text)
        self.assertIn("\r\x1b[Kdm-ctl: start web: called off", text)
        self.assertEqual(text.count("\n"), 1, text)


class Rate(Verbs):
    def rate(self, *arguments, status=0, **changes):
        text = json.dumps({**RATING, **changes}).replace("\\", "\\\\").replace("'", "\\'")
        daemon = self.daemon(Rate=f"('{text}',)")
        result = self.ctl("rate", *arguments, status=status)
        self.asked = daemon.last("Rate")
        daemon.close()
        return result

    def test_stars_and_reasons(self):
        output, _ = self.rate("1GiB", "--priority=80")
        self.assertEqual(self.asked, f"({GIB}, 80)")
        self.assertIn("★★☆☆☆ 2 of 5", output)
        for words in ("Needed      1.1 GiB", "Free        300 MiB", "db\\x1b: from 2 GiB to 1 GiB, less than it needs",
                      "cache: from 1 GiB to 512 MiB\n", "  db keeps 1 GiB (that is its minimum)\n"):
            self.assertIn(words, output)
        self.assertNotIn("Missing", output)

    def test_each_number_of_stars(self):
        for stars in range(6):
            output, _ = self.rate("1 GiB", stars=stars, missing=0 if stars else GIB, squeezes=[], blockers=[])
            self.assertIn("★" * stars + "☆" * (5 - stars) + f" {stars} of 5: ", output)
            self.assertEqual("Missing" in output, stars == 0)
        self.assertEqual(self.asked, f"({GIB}, 50)")

    def test_machine_output_is_the_daemons(self):
        self.assertEqual(json.loads(self.rate("--json", "1GiB")[0]), RATING)

    def test_wrong_usage(self):
        for arguments in ([], ["much"], ["0"], ["1GiB", "--priority=101"], ["1GiB", "--priority=-1"], ["1GiB", "2GiB"]):
            self.ctl("rate", *arguments, status=2)

    def test_an_answer_that_is_none(self):
        self.daemon(Rate="('[]',)")
        self.assertIn("not to be understood", self.ctl("rate", "1GiB", status=1)[1])


class Check(Verbs):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="dynmem-check-")
        self.addCleanup(shutil.rmtree, self.root)
        self.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
        self.write("proc/pressure/memory", "some avg10=0.00\n")
        self.write("proc/sys/vm/swappiness", "60\n")
        self.write("sys/module/zswap/parameters/enabled", "N\n")
        self.write("etc/dynmem/dynmemd.conf", "[SmartPaging]\nMinimumFreeDisk=1MiB\n")

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def check(self, status=0):
        arguments = ["check", "--root=" + self.root, "--template=" + HOOK_FILE]
        found = json.loads(self.ctl("--json", *arguments, status=status)[0])
        self.assertEqual(found["good"], status == 0)
        return {check["name"]: check for check in found["checks"]}

    def good_daemon(self, **properties):
        version = subprocess.run([DM_CTL, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
        daemon = self.daemon()
        daemon.host(**{"Version": version, "DryRun": False, "Link": "read-write",
                       "LinkText": "connected to qemu:///system", "PagingBar": "", "HookCalls": 0, **properties})
        return daemon

    def install(self):
        self.ctl("check", "--install-hook", "--root=" + self.root, "--template=" + HOOK_FILE)

    def test_a_host_that_is_set_up_right(self):
        self.good_daemon()
        self.install()
        checks = self.check()
        # no polkit on this bus, and the place of paging files is whatever the test runs on
        self.assertEqual(checks["polkit"]["level"], "warning")
        for name in ("daemon", "libvirt", "hook", "hooks", "configuration", "cgroup", "psi", "swappiness", "zswap",
                     "swap", "oomd", "limits", "paging", "guest"):
            self.assertEqual(checks[name]["level"], "ok", checks[name])
        self.assertNotEqual(checks["directory"]["level"], "problem")
        output, errors = self.ctl("check", "--root=" + self.root, "--template=" + HOOK_FILE)
        self.assertIn("ok        daemon: dynmemd", output)
        self.assertEqual(errors, "")

    def test_a_hook_that_was_not_installed_yet_is_no_problem(self):
        self.good_daemon()
        check = self.check()["hook"]
        self.assertEqual((check["level"], check["advice"]), ("warning", "dm-ctl check --install-hook"))

    def test_guests_whose_settings_may_not_work_out_are_named(self):
        daemon = self.good_daemon()
        daemon.guest("11111111-2222-3333-4444-555555555555", "web", Issue="<hard_limit> is 1 GiB, and it may have 4 GiB")
        daemon.guest("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "db")
        self.install()
        check = self.check()["guest"]
        self.assertEqual((check["level"], check["text"]), ("warning", "web: <hard_limit> is 1 GiB, and it may have 4 GiB"))
        daemon.close()

    def test_each_thing_that_is_wrong_is_found(self):
        self.install()
        for properties, name, level in (
                ({"Version": "0.0.1"}, "daemon", "warning"),
                ({"DryRun": True}, "daemon", "warning"),
                ({"Link": "down", "LinkText": "no connection"}, "libvirt", "problem"),
                ({"Link": "read-only"}, "libvirt", "warning"),
                ({"PagingBar": "control groups are of version 1"}, "paging", "warning")):
            daemon = self.good_daemon(**properties)
            check = self.check(status=int(level == "problem"))[name]
            self.assertEqual(check["level"], level, properties)
            daemon.close()
        self.good_daemon()
        for path, text, name in (
                ("sys/fs/cgroup/cgroup.controllers", "cpu io\n", "cgroup"),
                ("proc/sys/vm/swappiness", "0\n", "swappiness"),
                ("sys/module/zswap/parameters/enabled", "Y\n", "zswap"),
                ("etc/dynmem/dynmemd.conf", "[Admission]\nEnabled=no\n", "admission"),
                ("etc/dynmem/dynmemd.conf", "[Host]\nReserve=much\n", "configuration"),
                ("etc/dynmem/dynmemd.conf", "[Policy]\nPriorityMost=10\n", "configuration"),
                ("etc/dynmem/dynmemd.conf", "[SmartPaging]\nMinimumFreeDisk=4000TiB\n", "directory")):
            self.write(path, text)
            check = self.check()[name]
            self.assertEqual(check["level"], "warning", name)
            self.assertNotEqual(check["advice"], "", name)
        os.unlink(os.path.join(self.root, "sys/fs/cgroup/cgroup.controllers"))
        os.unlink(os.path.join(self.root, "proc/pressure/memory"))
        checks = self.check()
        self.assertEqual((checks["cgroup"]["level"], checks["psi"]["level"]), ("warning", "warning"))

    def test_what_is_good_to_know_is_a_note_and_no_problem(self):
        daemon = self.good_daemon()
        self.install()
        self.write("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 8388608 0 -2\n")
        self.write("proc/meminfo", "MemTotal: 67108864 kB\nMemAvailable: 8388608 kB\n")
        self.write("etc/libvirt/qemu/web.xml", """<domain type='kvm'><name>web\033[31m</name><memory>4194304</memory>
            <metadata><d:memory xmlns:d='urn:dynmem:domain:1'/></metadata>
            <devices><memballoon model='virtio'/></devices></domain>""".replace("\033", "&#x9b;"))
        self.write("etc/libvirt/hooks/qemu", "#!/bin/sh\necho 512 >/proc/sys/vm/nr_hugepages\n")
        os.chmod(os.path.join(self.root, "etc/libvirt/hooks/qemu"), 0o755)
        checks = self.check()
        self.assertEqual([checks[name]["level"] for name in ("swap", "reporting", "hooks")], ["note", "note", "warning"])
        self.assertIn("/etc/libvirt/hooks/qemu", checks["hooks"]["text"])
        output = self.ctl("check", "--root=" + self.root, "--template=" + HOOK_FILE)[0]
        self.assertIn("note      swap: ", output)
        self.assertNotIn("\x9b", output)
        # what the daemon keeps for the host decides about earlyoom
        self.write("proc/5/comm", "earlyoom\n")
        self.write("proc/5/cmdline", "\0".join(["earlyoom", "-s", "100", ""]))
        self.assertEqual(self.check()["earlyoom"]["level"], "warning")
        daemon.host(Reserve=7 << 30)
        self.assertEqual(self.check()["earlyoom"]["level"], "ok")

    def test_a_directory_that_others_may_write_is_a_problem(self):
        self.good_daemon()
        self.install()
        directory = os.path.join(self.root, "var/lib/dynmem/paging")
        os.makedirs(directory)
        os.chmod(directory, 0o777)
        self.assertEqual(self.check(status=1)["directory"]["level"], "problem")

    def test_a_hook_that_libvirt_calls_needs_no_reload(self):
        self.install()
        self.write("proc/stat", "cpu 1\nbtime 1000\n")
        self.write("proc/9/comm", "libvirtd\n")
        self.write("proc/9/stat", "9 (libvirtd) S " + "0 " * 30 + "\n")
        daemon = self.good_daemon()
        self.assertEqual(self.check()["hook"]["level"], "warning")
        daemon.host(HookCalls=1)
        self.assertEqual(self.check()["hook"]["level"], "ok")
        # a daemon that has just been started knows what an earlier one was called; libvirtd was started in second 1000
        daemon.host(HookCalls=0, HookCalled=900 * 1000000)
        self.assertEqual(self.check()["hook"]["level"], "warning")
        daemon.host(HookCalled=2000 * 1000000)
        self.assertEqual(self.check()["hook"]["level"], "ok")

    def test_a_libvirtd_that_was_reloaded_since_needs_no_reload(self):
        self.install()
        self.write("proc/stat", "cpu 1\nbtime 1000\n")
        self.write("proc/9/comm", "libvirtd\n")
        self.write("proc/9/stat", "9 (libvirtd) S " + "0 " * 30 + "\n")
        daemon = self.good_daemon()
        now = int(time.time())
        for unit, second, level in (("libvirtd.service", 1000, "warning"), ("libvirtd.service", now + 10, "ok"),
                                    ("virtqemud.service", now + 10, "warning")):
            daemon.tell("unit", unit, str(second * 1000000))
            self.assertEqual(self.check()["hook"]["level"], level, unit)

    def test_without_a_daemon_the_rest_is_looked_at_all_the_same(self):
        self.install()
        checks = self.check(status=1)
        self.assertEqual(checks["daemon"]["level"], "problem")
        self.assertEqual(checks["hook"]["level"], "ok")
        self.assertNotIn("paging", checks)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[5:])
