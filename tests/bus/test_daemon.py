#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole daemon on a private bus, against libvirt's test driver.

Usage: test_daemon.py DYNMEMD DM_CTL. The test driver lives inside the daemon's process, so what can be seen here
is what the daemon makes of a given set of guests; moving memory is the lab's matter.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import schema


def interrupt(number, frame):
    """Whoever ends this test early gets everything cleaned up all the same."""
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, interrupt)

DYNMEMD, DM_CTL = sys.argv[1:3]

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={directory}/bus</listen>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
  <allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
  <allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
  <allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/></policy>
</busconfig>
"""

GUEST = """<domain type='test'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <currentMemory unit='MiB'>{current}</currentMemory>
  <metadata>{metadata}</metadata>{state}
  <os><type>hvm</type></os>
  <devices>{devices}</devices>
</domain>
"""

ELEMENT = "<d:memory xmlns:d='urn:dynmem:domain:1' {}/>"


# locks a directory and ends its main thread alone
DEAD = """import ctypes, fcntl, os, sys, threading, time
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def uuid(number):
    return f"6d7cf7d5-1e5a-4f0e-8b6f-0000000000{number:02d}"


class Daemon:
    """A private bus and a dynmemd on it. Everything is gone when it is left."""

    def __init__(self, config="", arguments=(), guests=()):
        self.config, self.arguments, self.guests = config, arguments, guests

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="dynmem-bus-")
        self.directory = pathlib.Path(self.temporary.name)
        self.processes = []
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        (self.directory / "bus.conf").write_text(BUS_CONFIG.format(directory=self.directory))
        nodes = ""
        for number, guest in enumerate(self.guests):
            xml = GUEST.format(**{"uuid": uuid(number), "current": guest["memory"], "metadata": "",
                                  "state": "", "devices": "<memballoon model='virtio'/>", **guest})
            (self.directory / f"{guest['name']}.xml").write_text(xml)
            nodes += f"<domain file='{guest['name']}.xml'/>"
        (self.directory / "node.xml").write_text(f"<node>{nodes}</node>")
        self.config_file = self.directory / "dynmemd.conf"
        self.config_file.write_text(self.config)
        self.environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={self.directory}/bus", NO_COLOR="1")
        self.environment.pop("NOTIFY_SOCKET", None)
        self.run("dbus-daemon", f"--config-file={self.directory}/bus.conf", "--nofork", "--nopidfile")
        self.wait(lambda: (self.directory / "bus").exists(), "the bus")
        self.log = self.directory / "log"
        self.start_daemon()

    def start_daemon(self):
        self.daemon = self.run(DYNMEMD, "--connect", f"test://{self.directory}/node.xml", "--config",
                               str(self.config_file), "--run-directory", str(self.directory), "--state-directory",
                               str(self.directory / "state"), *self.arguments, log=self.log)

    def run(self, *command, log=None):
        with open(log or os.devnull, "w") as output:
            process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output)
        self.processes.append(process)
        return process

    def wait(self, condition, what, seconds=20):
        end = time.monotonic() + seconds
        while True:
            try:
                value = condition()
            except (AssertionError, KeyError, json.JSONDecodeError):
                value = None
            if value:
                return value
            if time.monotonic() > end:
                log = self.log.read_text() if hasattr(self, "log") and self.log.exists() else ""
                raise AssertionError(f"waited {seconds} s for {what}\n{log}")
            time.sleep(0.1)

    def ctl(self, *arguments, status=0):
        result = subprocess.run([DM_CTL, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=20)
        assert result.returncode == status, f"dm-ctl {arguments}: {result.returncode}\n{result.stdout}{result.stderr}"
        return schema.check(arguments, result.stdout) + result.stderr

    def hook(self, guest, operation, suboperation="begin", status=0):
        """libvirt's hook, for a guest as OFF is. Returns what it says."""
        xml = GUEST.format(**{"current": guest["memory"], "metadata": "", "state": "",
                              "devices": "<memballoon model='virtio'/>", **guest})
        result = subprocess.run([DM_CTL, "hook", f"--config={self.config_file}", "--", guest["name"], operation, suboperation,
                                 "-"], env=self.environment, input=xml, capture_output=True, text=True, timeout=60)
        assert result.returncode == status, f"{operation}: {result.returncode}\n{result.stdout}{result.stderr}"
        assert result.stdout == ""
        return result.stderr

    def call(self, method, *arguments):
        """A method of the manager, by a caller that leaves the bus at once."""
        return subprocess.run(["gdbus", "call", "--system", "--dest", "org.dynmem1", "--object-path", "/org/dynmem1",
                               "--method", f"org.dynmem1.Manager.{method}", *arguments], env=self.environment,
                              stdin=subprocess.DEVNULL, check=True, capture_output=True, text=True, timeout=60).stdout

    def host(self):
        return json.loads(self.ctl("--json", "host"))

    def guest(self, name):
        return json.loads(self.ctl("--json", "show", name))

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.temporary.cleanup()


WEB = {"name": "web", "memory": 1024, "metadata": ELEMENT.format("minimum='256MiB' buffer='30' priority='70'")}
PLAIN = {"name": "plain", "memory": 512}
# off, and asked for: one that fits into SMALL, and one that does not
SMALL = "[Host]\nBudget=2GiB\n[Admission]\nTimeoutSec=2\n"
FITS = {"name": "fits", "uuid": uuid(50), "memory": 512, "metadata": ELEMENT.format("minimum='256MiB'")}
LARGE = {"name": "large", "uuid": uuid(51), "memory": 4096, "metadata": ELEMENT.format("minimum='256MiB'")}
UNMANAGED = {"name": "other", "uuid": uuid(52), "memory": 4096}


class DaemonTest(unittest.TestCase):
    def test_guests_and_their_settings_are_shown(self):
        with Daemon(guests=[WEB, PLAIN]) as daemon:
            guests = daemon.wait(lambda: json.loads(daemon.ctl("--json", "list"))["guests"], "guests")
            self.assertEqual(sorted(g["name"] for g in guests), ["plain", "web"])
            web = daemon.guest("web")
            self.assertEqual(web["minimum"], 256 << 20)
            self.assertEqual(web["maximum"], 1024 << 20)
            self.assertEqual((web["buffer"], web["priority"]), (30, 70))
            plain = daemon.guest(uuid(1))
            self.assertEqual(plain["name"], "plain")
            self.assertEqual(plain["state"], "static")
            self.assertGreaterEqual(plain["committed"], 512 << 20)
            host = json.loads(daemon.ctl("--json", "host"))
            self.assertGreaterEqual(host["committed"], 512 << 20)
            self.assertIn("why", json.loads(daemon.ctl("--json", "explain", "web")))
            for verb in (["list"], ["host"], ["show", "web"], ["explain", "web"]):
                self.assertIn("web" if verb != ["host"] else "udget", daemon.ctl(*verb))

    def test_a_bad_value_is_told_and_harms_nobody_else(self):
        bad = {"name": "bad", "memory": 512, "metadata": ELEMENT.format("minimum='lots' buffer='much'")}
        with Daemon(guests=[bad, WEB]) as daemon:
            daemon.wait(lambda: "lots" in daemon.log.read_text(), "the complaint")
            line = next(line for line in daemon.log.read_text().splitlines() if "lots" in line)
            self.assertIn("bad", line)
            self.assertIn("minimum", line)
            self.assertEqual(daemon.wait(lambda: daemon.guest("web"), "web")["minimum"], 256 << 20)
            self.assertEqual(daemon.guest("bad")["state"], "static")
            time.sleep(3)
            self.assertEqual(daemon.log.read_text().count("lots"), 1)

    def test_reload_takes_what_is_good_and_names_what_is_not(self):
        with Daemon(config="[Host]\nBudget=8GiB\n", guests=[WEB]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            daemon.config_file.write_text("[Host]\nBudget=1GiB\nReserve=much\n[Policy]\nPriority=33\n")
            daemon.daemon.send_signal(signal.SIGHUP)
            daemon.wait(lambda: json.loads(daemon.ctl("--json", "host"))["budget"] == 1 << 30, "the other budget")
            self.assertIn("dynmemd.conf:3", daemon.log.read_text())

    def test_a_reserve_that_leaves_nothing_is_told_at_the_start_and_at_a_reload(self):
        with Daemon(config="[Host]\nReserve=1000TiB\n") as daemon:
            said = "dynmemd.conf:2: Reserve= is 1000 TiB, and this host has "
            daemon.wait(lambda: said in daemon.log.read_text(), "the complaint")
            daemon.config_file.write_text("\n\n[Host]\nReserve=1000TiB\n")
            daemon.daemon.send_signal(signal.SIGHUP)
            daemon.wait(lambda: said.replace(":2:", ":4:") in daemon.log.read_text(), "the complaint of the reload")

    def test_caps_hold_guests_and_a_reload_moves_them(self):
        with Daemon(config="[Policy]\nPriorityMost=60\nMinimumMost=10%\n", guests=[WEB]) as daemon:
            web = daemon.wait(lambda: daemon.guest("web"), "web")
            self.assertEqual((web["priority"], web["minimum"]), (60, 104860 << 10))
            said = "priority is 70 and counts as "
            for text in (daemon.ctl("show", "web"), " ".join(daemon.ctl("explain", "web").split()), daemon.log.read_text()):
                self.assertIn(said, text)
            daemon.config_file.write_text("[Policy]\nPriority=10\nPriorityMost=5\nMinimumMost=128MiB\n")
            daemon.daemon.send_signal(signal.SIGHUP)
            daemon.wait(lambda: daemon.guest("web")["priority"] == 5, "the lower cap")
            self.assertEqual(daemon.guest("web")["minimum"], 128 << 20)
            self.assertIn("Priority= is 10, above PriorityMost=", daemon.log.read_text())
            daemon.config_file.write_text("[Policy]\n")
            daemon.daemon.send_signal(signal.SIGHUP)
            daemon.wait(lambda: daemon.guest("web")["priority"] == 70, "no cap")
            self.assertEqual((daemon.guest("web")["minimum"], daemon.guest("web")["issue"]), (256 << 20, ""))
            self.assertEqual(daemon.log.read_text().count(said), 2)  # once for each cap

    def test_who_retires_holds_no_guest_below_its_startup_memory(self):
        with Daemon(guests=[WEB]) as daemon:
            self.assertEqual(daemon.wait(lambda: daemon.guest("web"), "web")["minimum"], 256 << 20)
            self.assertIn("may be stopped", daemon.ctl("retire"))
            daemon.wait(lambda: daemon.guest("web")["minimum"] == 1024 << 20, "the minimum that is its startup memory")
            daemon.ctl("retire")
            asker = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
            self.assertEqual(daemon.log.read_text().count(f"end for good, which {asker} has asked for"), 1)
            self.assertTrue(daemon.host()["retiring"])
            self.assertIn("end for good", daemon.ctl("host"))
            daemon.daemon.send_signal(signal.SIGHUP)
            daemon.wait(lambda: daemon.guest("web")["minimum"] == 256 << 20, "its own minimum again")
            self.assertFalse(daemon.host()["retiring"])
            self.assertIn("not to end for good any more", daemon.log.read_text())
        with Daemon(guests=[WEB], arguments=["--dry-run"]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            daemon.ctl("retire", status=1)

    def test_a_second_daemon_says_that_another_one_runs_and_ends(self):
        with Daemon() as daemon:
            daemon.wait(daemon.host, "the daemon")
            other = daemon.directory / "other"
            second = subprocess.run(
                [DYNMEMD, "--connect", f"test://{daemon.directory}/node.xml", "--config", str(daemon.config_file),
                 "--run-directory", str(other), "--state-directory", str(other)], env=daemon.environment,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(second.returncode, 1)
            self.assertIn(f"dynmemd: another dynmemd runs, process {daemon.daemon.pid}, and has the bus name org.dynmem1; ending\n",
                          second.stderr)
            self.assertNotIn("CRITICAL", second.stderr)
            self.assertIsNone(daemon.daemon.poll())
            daemon.host()

    def test_a_stop_is_quick_and_clean(self):
        with Daemon(guests=[WEB]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            metrics = daemon.directory / "metrics.prom"
            daemon.wait(metrics.exists, "metrics")
            self.assertIn('dynmem_guest_assigned_bytes{domain="web"', metrics.read_text())
            daemon.daemon.send_signal(signal.SIGTERM)
            self.assertEqual(daemon.daemon.wait(timeout=5), 0)
            self.assertFalse(metrics.exists())
            daemon.ctl("list", status=3)

    def test_without_libvirt_it_runs_says_so_and_stops(self):
        with Daemon(arguments=["--connect", "test:///nowhere/node.xml"]) as daemon:
            host = daemon.wait(lambda: json.loads(daemon.ctl("--json", "host")), "the daemon")
            self.assertEqual(host["committed"], 0)
            daemon.daemon.send_signal(signal.SIGTERM)
            self.assertEqual(daemon.daemon.wait(timeout=5), 0)

    def test_a_second_daemon_gives_way(self):
        with Daemon(guests=[WEB]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            second = daemon.run(DYNMEMD, "--connect", "test:///default", "--run-directory", str(daemon.directory),
                                log=daemon.directory / "second")
            self.assertNotEqual(second.wait(timeout=10), 0)
            self.assertIn("org.dynmem1", (daemon.directory / "second").read_text())
            self.assertIsNone(daemon.daemon.poll())

    def test_two_daemons_never_share_what_is_remembered(self):
        with Daemon(config=SMALL, guests=[WEB]) as daemon:
            state = daemon.directory / "state" / "state"
            daemon.wait(lambda: state.exists() and b"=web" in state.read_bytes(), "the saved state")
            before = state.read_bytes()
            # without a bus nobody tells them apart
            second = daemon.run("env", f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={daemon.directory}/none", DYNMEMD,
                                "--connect", "test:///default", "--run-directory", str(daemon.directory),
                                "--state-directory", str(daemon.directory / "state"),
                                log=daemon.directory / "second")
            self.assertNotEqual(second.wait(timeout=10), 0)
            self.assertEqual((daemon.directory / "second").read_text(), "dynmemd: another dynmemd runs, process "
                             f"{daemon.daemon.pid}, and uses {daemon.directory}/state; ending\n")
            self.assertEqual(state.read_bytes(), before)
            daemon.daemon.kill()
            daemon.daemon.wait()
            daemon.start_daemon()
            daemon.wait(lambda: daemon.guest("web"), "web, with the daemon that follows")

    def test_a_daemon_that_was_killed_and_can_not_end_keeps_no_other_out(self):
        """As where one of its threads waits for a disk that hangs: its main thread is gone, and it has what it had open."""
        with Daemon(guests=[WEB]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            daemon.daemon.kill()
            daemon.daemon.wait()
            dead = daemon.run(sys.executable, "-c", DEAD, str(daemon.directory / "state"))
            daemon.wait(lambda: ") Z " in pathlib.Path(f"/proc/{dead.pid}/stat").read_text(), "a process that can't end")
            daemon.start_daemon()
            daemon.wait(lambda: daemon.guest("web"), "web, with the daemon that follows")

    def test_a_state_that_can_not_be_kept_is_told_and_kept_later(self):
        with Daemon(config=SMALL, guests=[WEB]) as daemon:
            state, away = daemon.directory / "state" / "state", daemon.directory / "away"
            daemon.wait(lambda: state.exists() and b"=web" in state.read_bytes(), "the saved state")
            state.parent.rename(away)
            daemon.hook(FITS, "prepare")
            daemon.wait(lambda: "state can't be written" in daemon.log.read_text(), "the warning")
            away.rename(state.parent)
            daemon.wait(lambda: uuid(50) in state.read_text(), "the saved reservation")
            time.sleep(1)
            self.assertEqual(daemon.log.read_text().count("state can't be written"), 1)

    def test_a_start_that_fits_is_booked_until_it_is_over(self):
        with Daemon(config=SMALL, guests=[WEB]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            self.assertEqual(daemon.hook(FITS, "prepare"), "")
            self.assertGreaterEqual(daemon.host()["reserved"], 512 << 20)
            # libvirt's moments that follow; the guest is never seen
            self.assertEqual(daemon.hook(FITS, "start"), "")
            self.assertEqual(daemon.hook(FITS, "prepare"), "")
            self.assertGreaterEqual(daemon.host()["reserved"], 512 << 20)
            daemon.hook(FITS, "stopped", "end")
            daemon.hook(FITS, "release", "end")
            daemon.wait(lambda: daemon.host()["reserved"] == 0, "the release")

    def test_a_start_that_does_not_fit_is_refused_with_figures(self):
        with Daemon(config=SMALL, guests=[WEB, PLAIN]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            for operation in ("prepare", "restore"):
                line = daemon.hook(LARGE, operation, status=1)
                self.assertRegex(line, r"^dynmem: large needs 4\.1 GiB [^\n]* are free [^\n]*would help: [^\n]*\n$")
            self.assertEqual(daemon.host()["reserved"], 0)
            self.assertIn("0 of 5", daemon.ctl("rate", "4GiB"))
            self.assertEqual(json.loads(daemon.ctl("--json", "rate", "64MiB"))["stars"], 5)
            # it is not for dynmem to refuse who is not managed; it takes what there is
            self.assertEqual(daemon.hook(UNMANAGED, "prepare"), "")
            self.assertEqual(json.loads(daemon.ctl("--json", "rate", "64MiB"))["stars"], 0)

    def test_a_guest_that_migrates_here_is_let_in_unless_that_is_to_be_refused(self):
        with Daemon(config=SMALL, guests=[WEB]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            self.assertEqual(daemon.hook(LARGE, "migrate"), "")
        with Daemon(config=SMALL + "[Admission]\nMigration=refuse\n", guests=[WEB]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            self.assertRegex(daemon.hook(LARGE, "migrate", status=1), r"^dynmem: large needs 4\.1 GiB [^\n]* are free ")

    def test_a_reservation_goes_with_its_owner(self):
        off = dict(FITS, state="<t:runstate xmlns:t='http://libvirt.org/schemas/domain/test/1.0'>5</t:runstate>")
        with Daemon(config=SMALL, guests=[WEB, off]) as daemon:
            self.assertEqual(daemon.wait(lambda: daemon.guest("fits"), "a guest that is off")["state"], "off")
            self.assertIn("true", daemon.call("Reserve", uuid(50)))
            daemon.wait(lambda: daemon.host()["reserved"] == 0, "the end of the reservation")

    def test_a_guest_is_started(self):
        runs_not = "<t:runstate xmlns:t='http://libvirt.org/schemas/domain/test/1.0'>5</t:runstate>"
        with Daemon(config=SMALL, guests=[WEB, dict(FITS, state=runs_not), dict(LARGE, state=runs_not)]) as daemon:
            daemon.wait(lambda: daemon.guest("fits"), "fits")
            # the driver of libvirt for tests has a world for each connection, so the daemon never sees that it runs
            self.assertIn("fits runs", daemon.ctl("start", "fits"))
            time.sleep(2)
            self.assertGreaterEqual(daemon.host()["reserved"], 512 << 20)
            self.assertIn("large needs", daemon.ctl("start", "large", status=1))
            self.assertEqual(daemon.guest("large")["state"], "off")

    def test_what_was_admitted_outlives_the_daemon(self):
        with Daemon(config=SMALL, guests=[WEB]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            daemon.hook(FITS, "prepare")
            # it is written by a thread, a moment later
            state = daemon.directory / "state" / "state"
            daemon.wait(lambda: state.exists() and uuid(50) in state.read_text(), "the saved reservation")
            daemon.daemon.kill()
            daemon.daemon.wait()
            daemon.start_daemon()
            daemon.wait(lambda: daemon.host()["reserved"] >= 512 << 20, "the reservation")
            daemon.hook(FITS, "release", "end")
            daemon.wait(lambda: daemon.host()["reserved"] == 0, "the release")

    def test_a_damaged_state_is_told_and_learnt_anew(self):
        with Daemon(config=SMALL, guests=[WEB]) as daemon:
            state = daemon.directory / "state" / "state"
            for at in (0, 20, 100, -2):
                daemon.wait(lambda: state.exists() and b"=web" in state.read_bytes(), "the saved state")
                daemon.daemon.kill()
                daemon.daemon.wait()
                text = bytearray(state.read_bytes())
                text[at] ^= 0x04
                state.write_bytes(text)
                daemon.start_daemon()
                daemon.wait(lambda: daemon.guest("web")["state"] == "active", "web")
                self.assertIn("state can't be used and is set aside", daemon.log.read_text())
                self.assertEqual((daemon.directory / "state" / "state.bad").read_bytes(), text)

    def test_the_next_daemon_knows_that_libvirt_calls_the_hook(self):
        with Daemon(config=SMALL) as daemon:
            daemon.wait(daemon.host, "the daemon")
            self.assertEqual(daemon.host()["hookCalled"], 0)
            daemon.hook(FITS, "stopped", "end")
            called = daemon.host()["hookCalled"]
            self.assertGreater(called, (time.time() - 60) * 1000000)
            daemon.daemon.terminate()
            self.assertEqual(daemon.daemon.wait(10), 0)
            daemon.start_daemon()
            host = daemon.wait(daemon.host, "the next daemon")
            self.assertEqual((host["hookCalls"], host["hookCalled"]), (0, called // 1000000 * 1000000))

    def test_a_hook_that_waits_when_the_daemon_dies_is_answered_by_the_next_one(self):
        with Daemon(config=SMALL.replace("=2\n", "=20\n"), guests=[WEB]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            command = [DM_CTL, "hook", f"--config={daemon.config_file}", "--", "large", "prepare", "begin", "-"]
            xml = GUEST.format(**{"current": 4096, "state": "", "devices": "<memballoon model='virtio'/>", **LARGE})
            for number in (signal.SIGKILL, signal.SIGTERM):
                with subprocess.Popen(command, env=daemon.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True) as hook:
                    daemon.processes.append(hook)
                    hook.stdin.write(xml)
                    hook.stdin.close()
                    daemon.wait(lambda: daemon.host()["startsWaiting"] == 1, "the start that waits")
                    daemon.daemon.send_signal(number)
                    daemon.daemon.wait(10)
                    self.assertIsNone(hook.poll())
                    daemon.start_daemon()
                    daemon.wait(lambda: daemon.host()["startsWaiting"] == 1, "the start that waits again")
                    hook.terminate()
                    hook.wait()
                daemon.hook(LARGE, "release", "end")
                daemon.wait(lambda: daemon.host()["startsWaiting"] == 0, "that it waits no more")

    def test_without_libvirt_starts_are_answered_from_what_is_known(self):
        with Daemon(config=SMALL, arguments=["--connect", "test:///nowhere/node.xml"]) as daemon:
            daemon.wait(daemon.host, "the daemon")
            self.assertEqual(daemon.hook(FITS, "prepare"), "")
            self.assertGreaterEqual(daemon.host()["reserved"], 512 << 20)
            self.assertIn("large needs", daemon.hook(LARGE, "prepare", status=1))

    def test_settings_are_changed_checked_and_taken_back(self):
        # this one's guest is the same for all connections of a process, and runs from a definition
        with Daemon(config="[Policy]\nPriorityMost=60\n", arguments=["--connect", "test:///default"]) as daemon:
            guest = daemon.wait(lambda: daemon.guest("test"), "the guest")
            self.assertFalse(guest["managed"])
            self.assertIn("test: would be managed from now on", daemon.ctl("manage", "--all", "--dry-run"))
            self.assertFalse(daemon.guest("test")["managed"])
            self.assertIn("test: managed from now on: minimum 2GiB, startup 2GiB", daemon.ctl("manage", "--all"))
            # what a command has changed, the next one sees
            self.assertTrue(daemon.guest("test")["managed"])
            shown = daemon.ctl("set", "test", "minimum=1GiB", "priority=70")
            self.assertRegex(shown, r"minimum +at once +2GiB \(default\) -> 1GiB\n")
            self.assertIn("counts as 60", shown)
            self.assertEqual((daemon.guest("test")["minimum"], daemon.guest("test")["priority"]), (1 << 30, 60))
            for wrong, said in ((["minimum=1TiB"], "above the maximum"), (["startup=512MiB"], "above startup"),
                                (["priority=10", "buffer=-1"], "buffer")):
                self.assertIn(said, daemon.ctl("set", "test", *wrong, status=1))
            self.assertEqual((daemon.guest("test")["minimum"], daemon.guest("test")["priority"]), (1 << 30, 60))
            daemon.ctl("mode", "test", "observe")
            self.assertEqual(daemon.guest("test")["mode"], "observe")
            daemon.call("SetGuest", "test", "{'minimum': <uint64 536870912>, 'mode': <''>}")
            self.assertEqual((daemon.guest("test")["minimum"], daemon.guest("test")["mode"]), (512 << 20, "dynamic"))
            self.assertIn("test: nothing to change", daemon.ctl("set", "test", "minimum=512MiB"))
            self.assertRegex(daemon.ctl("unset", "test", "minimum"), r"minimum +at once +512MiB -> 2GiB \(default\)\n")
            change = json.loads(daemon.ctl("--json", "unset", "test"))
            self.assertEqual((change["done"], change["managedBefore"], change["managedAfter"]), (True, True, False))
            self.assertFalse(daemon.guest("test")["managed"])
            # and what became of it is kept
            history = json.loads(daemon.ctl("--json", "history", "te"))
            self.assertEqual((history["name"], history["points"][-1]["assigned"]), ("test", daemon.guest("test")["assigned"]))
            self.assertLess(abs(history["points"][-1]["time"] / 1e6 - time.time()), 30)
            self.assertRegex(daemon.ctl("history", "test"), "(static|active|observed), ok: has 2 GiB")

    def test_more_guests_than_may_be_asked_of_at_once_are_managed(self):
        guests = [{"name": f"g{n}", "uuid": f"6d7cf7d5-1e5a-4f0e-8b6f-1{n:011d}", "memory": 64} for n in range(130)]
        with Daemon(guests=guests) as daemon:
            daemon.wait(lambda: len(json.loads(daemon.ctl("--json", "list"))["guests"]) == 130, "the guests")
            self.assertEqual(daemon.ctl("manage", "--all", "--dry-run").count("would be managed"), 130)

    def test_root_is_heard_while_others_call_in_a_flood(self):
        if os.geteuid() != 0:
            self.skipTest("lacks the privilege to become somebody else")
        with Daemon(guests=[WEB]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            daemon.directory.chmod(0o755)
            flood = daemon.run(sys.executable, str(pathlib.Path(__file__).with_name("flood.py")),
                               str(daemon.directory / "bus"), log=daemon.directory / "flood")
            time.sleep(3)
            self.assertIsNone(flood.poll(), (daemon.directory / "flood").read_text())
            daemon.ctl("list")
            daemon.ctl("explain", "web")
            daemon.ctl("set", "web", "priority=60")
            daemon.ctl("retire")

    def test_a_dry_run_changes_no_settings(self):
        with Daemon(arguments=["--connect", "test:///default", "--dry-run"]) as daemon:
            daemon.wait(lambda: daemon.guest("test"), "the guest")
            self.assertIn("runs dry", daemon.ctl("mode", "test", "static", status=1))

    def test_wrong_usage_is_told(self):
        for arguments in (["--no-such-option"], ["stray"]):
            result = subprocess.run([DYNMEMD, *arguments], capture_output=True, text=True, timeout=10)
            self.assertEqual(result.returncode, 2)
            self.assertIn("--help", result.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
