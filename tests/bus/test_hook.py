#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
libvirt's hook: "dm-ctl hook" against a stand-in for the daemon that answers, refuses, hangs, dies or is not there, and the
hook file with the verbs that install it. libvirt waits for the hook without a limit, and for all who hold its pipes.

Usage: test_hook.py DM_CTL FAKE XML HOOK_FILE
"""

import contextlib
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

from fake_bus import FakeDaemon, PrivateBus, die_with_parent

DM_CTL, FAKE, XML, HOOK_FILE = (os.path.abspath(path) for path in sys.argv[1:5])

UUID = "11111111-2222-3333-4444-555555555555"
DOMAIN = f"<domain type='kvm' id='3'>\n  <name>web</name>\n  <uuid>{UUID.upper()}</uuid>\n</domain>\n"
ASKS = [("prepare", "begin"), ("restore", "begin"), ("migrate", "begin")]
NOTES = [("started", "begin"), ("stopped", "end"), ("release", "end")]
PASSES = [("start", "begin"), ("reconnect", "begin"), ("attach", "begin"), ("prepare", "end"), ("news", "begin")]
# how long a daemon that is not there is waited for before a refusal
ABSENT = 6
# TimeoutSec=1, an interval of 1 s, and what the hook adds to them
LIMIT = 1 + 1 + 2 + 0.5
# a loaded machine
SLACK = 5


class HookTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bus = PrivateBus()
        cls.addClassCleanup(cls.bus.close)

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="dynmem-hook-")
        self.addCleanup(shutil.rmtree, self.directory)

    def daemon(self, **answers):
        known = {method: answer for method, answer in answers.items() if answer is not None}
        daemon = FakeDaemon(FAKE, XML, self.bus.environment, known)
        self.addCleanup(lambda: daemon.process.stdin.closed or daemon.close())
        for method in answers.keys() - known.keys():
            daemon.answer(method, None)
        return daemon

    def config(self, absent="allow", timeout=1):
        path = os.path.join(self.directory, absent + str(timeout))
        if os.path.exists(path):  # another hook may be reading it
            return "--config=" + path
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"[Admission]\nTimeoutSec={timeout}\nWhenAbsent={absent}\n")
        return "--config=" + path

    def begin(self, operation, suboperation="begin", absent="allow", timeout=1, environment=None, **streams):
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.Popen([DM_CTL, "hook", self.config(absent, timeout), "--", "web", operation, suboperation, "-"],
                                env=environment or self.bus.environment, preexec_fn=die_with_parent, **streams)

    @staticmethod
    def feed(hook):
        """Gives it its XML; end() takes None then."""
        hook.stdin.write(DOMAIN.encode())
        hook.stdin.close()
        hook.stdin = None
        return hook

    def end(self, hook, given=DOMAIN):
        """(status, what it said on stderr); nothing may ever be on stdout."""
        output, errors = hook.communicate(given.encode() if given is not None else None, timeout=60)
        self.assertEqual(output, b"")
        return hook.returncode, errors.decode()

    def hook(self, *words, given=DOMAIN, **options):
        return self.end(self.begin(*words, **options), given)

    def assert_refused(self, result, *words):
        status, line = result
        self.assertEqual(status, 1)
        self.assertRegex(line, r"^dynmem: [^\n]+\n$")
        for word in words:
            self.assertIn(word, line)


class Answers(HookTest):
    def test_what_is_granted_goes_on_and_what_is_refused_says_why(self):
        daemon = self.daemon(Hook="(true, 'there is room')")
        for moment in ASKS + NOTES + PASSES:
            self.assertEqual(self.hook(*moment), (0, ""), moment)
        daemon.answer("Hook", "(false, 'web needs 1 GiB to start; db keeps 2 GiB')")
        for absent in ("allow", "refuse"):
            for moment in ASKS:
                self.assert_refused(self.hook(*moment, absent=absent), "web needs 1 GiB to start; db keeps 2 GiB")
            for moment in NOTES + PASSES:
                self.assertEqual(self.hook(*moment, absent=absent), (0, ""), moment)

    def test_the_daemon_is_told_who_and_what(self):
        daemon = self.daemon(Hook="(true, '')")
        self.hook("migrate")
        said = daemon.last("Hook")
        self.assertTrue(said.startswith(f"('{UUID}', 'migrate', 'begin', '-', "), said)
        self.assertIn("<name>web</name>", said)
        self.hook("stopped", "end")
        self.assertEqual(daemon.last("Hook"), f"('{UUID}', 'stopped', 'end', '-', '')")
        # without an XML that makes sense it is the name that is known
        self.hook("prepare", given="nonsense")
        self.assertIn("('web', 'prepare'", daemon.last("Hook"))

    def test_what_passes_asks_nobody(self):
        daemon = self.daemon(Hook=None)
        for moment in PASSES:
            self.assertEqual(self.hook(*moment), (0, ""), moment)
        self.assertIsNone(daemon.last("Hook"))

    def test_words_of_a_libvirt_to_come_pass(self):
        for words in ([], ["web"], ["web", "prepare"], ["web", "reconnect", "begin", "-", "more", "words"],
                      ["--", "--help", "reconnect", "begin", "-"], ["--new", "web", "reconnect", "begin", "-"]):
            done = subprocess.run([DM_CTL, "hook", *words], env=self.bus.environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=30, check=False)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b"") if words else (
                2, b"", done.stderr), words)

    def test_a_daemon_that_may_not_be_asked_counts_as_absent(self):
        self.daemon()  # it answers with an error
        self.assertEqual(self.hook("prepare"), (0, ""))
        self.assert_refused(self.hook("prepare", absent="refuse"), "the fake refuses")


class Absent(HookTest):
    def test_without_a_daemon_the_setting_decides(self):
        began = time.monotonic()
        for moment in ASKS:
            self.assertEqual(self.hook(*moment), (0, ""))
        for moment in NOTES + PASSES:
            self.assertEqual(self.hook(*moment, absent="refuse", timeout=30), (0, ""))
        self.assertLess(time.monotonic() - began, SLACK)
        # with a short time-out it is that which ends the waiting
        for refused in [self.feed(self.begin(*moment, absent="refuse", timeout=30 if moment[0] == "prepare" else 1))
                        for moment in ASKS]:
            self.assert_refused(self.end(refused, None), "systemctl start dynmemd", "WhenAbsent=allow")
        self.assertLess(time.monotonic() - began, ABSENT + 2 * SLACK)

    def test_a_daemon_that_is_being_started_is_waited_for_before_a_refusal(self):
        hook = self.feed(self.begin("prepare", absent="refuse", timeout=30))
        time.sleep(1)
        self.assertIsNone(hook.poll())
        self.daemon(Hook="(true, '')")
        self.assertEqual(self.end(hook, None), (0, ""))

    def test_without_a_bus_likewise(self):
        environment = dict(self.bus.environment, DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={self.directory}/none")
        refused = self.feed(self.begin("prepare", absent="refuse", timeout=30, environment=environment))
        self.assertEqual(self.hook("prepare", environment=environment), (0, ""))
        for moment in NOTES + PASSES:
            self.assertEqual(self.hook(*moment, absent="refuse", environment=environment), (0, ""))
        self.assert_refused(self.end(refused, None), "systemctl start dynmemd")

    def test_without_a_configuration_guests_start(self):
        done = subprocess.run([DM_CTL, "hook", "--config=/nowhere/dynmemd.conf", "--", "web", "prepare", "begin", "-"],
                              env=self.bus.environment, input=DOMAIN.encode(), capture_output=True, timeout=30, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


class Hanging(HookTest):
    def test_a_daemon_that_does_not_answer_is_waited_for_no_longer_than_its_time(self):
        self.daemon(Hook=None)
        began = time.monotonic()
        allowed = self.begin("prepare")
        refused = self.begin("prepare", absent="refuse")
        notes = [self.begin(*moment, absent="refuse") for moment in NOTES]
        for note in notes:
            self.assertEqual(self.end(note), (0, ""))
        self.assertLess(time.monotonic() - began, 2.5 + SLACK)
        self.assertEqual(self.end(allowed), (0, ""))
        self.assert_refused(self.end(refused), "has not answered for 4 s")
        self.assertGreater(time.monotonic() - began, 1)
        self.assertLess(time.monotonic() - began, LIMIT + SLACK)

    def test_a_bus_that_does_not_answer_holds_up_nobody_for_longer(self):
        path = os.path.join(self.directory, "bus")
        environment = dict(self.bus.environment, DBUS_SYSTEM_BUS_ADDRESS="unix:path=" + path)
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(path)
            silent.listen(10)
            began = time.monotonic()
            allowed = self.begin("prepare", environment=environment)
            refused = self.begin("prepare", absent="refuse", environment=environment)
            note = self.begin("started", absent="refuse", environment=environment)
            self.assertEqual(self.end(note), (0, ""))
            self.assertLess(time.monotonic() - began, 2.5 + SLACK)
            self.assertEqual(self.end(allowed), (0, ""))
            self.assert_refused(self.end(refused), "has not answered")
            self.assertLess(time.monotonic() - began, LIMIT + SLACK)

    def test_who_never_closes_its_standard_input_holds_up_nobody(self):
        self.daemon(Hook="(true, '')")
        began = time.monotonic()
        hook = self.begin("prepare", absent="refuse")
        self.assertEqual(hook.wait(LIMIT + SLACK), 1)
        self.assertGreater(time.monotonic() - began, 1)
        self.end(hook, None)

    def test_it_ends_when_it_is_told_to(self):
        daemon = self.daemon(Hook=None)
        hook = self.feed(self.begin("prepare", timeout=30))
        while daemon.last("Hook") is None:
            time.sleep(0.05)
        hook.terminate()
        self.assertEqual(hook.wait(SLACK), -signal.SIGTERM)
        # whoever holds the pipes would be waited for: there is nobody
        self.assertEqual((hook.stdout.read(), hook.stderr.read()), (b"", b""))
        hook.stdout.close()
        hook.stderr.close()


class Dying(HookTest):
    def wait_until_asked(self, daemon):
        end = time.monotonic() + 20
        while daemon.last("Hook") is None:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def test_a_daemon_that_is_started_again_is_asked_again(self):
        daemon = self.daemon(Hook=None)
        hooks = [self.feed(self.begin("prepare", absent="refuse", timeout=30)) for _ in range(2)]
        time.sleep(0.2)
        self.wait_until_asked(daemon)
        daemon.kill()
        time.sleep(0.5)
        again = self.daemon(Hook="(true, '')")
        for hook in hooks:
            self.assertEqual(hook.wait(SLACK * 2), 0)
            self.assertEqual((hook.stdout.read(), hook.stderr.read()), (b"", b""))
            hook.stdout.close()
            hook.stderr.close()
        self.assertIn("<name>web</name>", again.last("Hook"))

    def test_nobody_is_asked_again_for_a_libvirtd_that_has_ended(self):
        daemon = self.daemon(Hook=None)
        words = [DM_CTL, "hook", self.config(timeout=30), "--", "web", "prepare", "begin", "-"]
        code = "import subprocess, sys; hook = subprocess.Popen(sys.argv[1:]); print(hook.pid, flush=True); hook.wait()"
        with subprocess.Popen([sys.executable, "-c", code, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=self.bus.environment, preexec_fn=die_with_parent) as libvirtd:
            hook = int(libvirtd.stdout.readline())
            self.addCleanup(self.kill, hook)
            libvirtd.stdin.write(DOMAIN.encode())
            libvirtd.stdin.close()
            self.wait_until_asked(daemon)
            libvirtd.kill()
        daemon.kill()
        again = self.daemon(Hook="(true, '')")
        end = time.monotonic() + 20
        while self.runs(hook):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        self.assertIsNone(again.last("Hook"))

    @staticmethod
    def runs(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False

    @staticmethod
    def kill(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def test_one_that_does_not_come_back_is_absent_when_the_time_is_over(self):
        for absent in ("allow", "refuse"):
            daemon = self.daemon(Hook=None)
            hook = self.feed(self.begin("prepare", absent=absent))
            self.wait_until_asked(daemon)
            began = time.monotonic()
            daemon.kill()
            result = self.end(hook, None)
            self.assertLess(time.monotonic() - began, LIMIT + SLACK)
            if absent == "allow":
                self.assertEqual(result, (0, ""))
            else:
                self.assert_refused(result, "ended while", "systemctl start dynmemd")

    def test_a_note_is_not_told_twice(self):
        daemon = self.daemon(Hook=None)
        hook = self.feed(self.begin("stopped", "end"))
        self.wait_until_asked(daemon)
        daemon.kill()
        self.assertEqual(self.end(hook, None), (0, ""))


class Streams(HookTest):
    def test_closed_descriptors_do_no_harm(self):
        self.daemon(Hook="(false, 'no room')")
        closed = 'exec "$@" <&- >&- 2>&-'
        for operation, status in (("prepare", 1), ("reconnect", 0)):
            done = subprocess.run(["sh", "-c", closed, "sh", DM_CTL, "hook", self.config(), "--", "web", operation, "begin",
                                   "-"], env=self.bus.environment, timeout=30, check=False)
            # nobody could be told who it is about
            self.assertEqual(done.returncode, status)

    def test_an_xml_of_any_size_is_read_to_its_end(self):
        daemon = self.daemon(Hook="(true, '')")
        long = DOMAIN.replace("<name>", "<!--" + "x" * (3 << 20) + "--><name>")
        self.assertEqual(self.hook("prepare", given=long), (0, ""))
        self.assertIn(f"('{UUID}'", daemon.last("Hook"))
        endless = DOMAIN.replace("<name>", "<!--" + "x" * (20 << 20) + "--><name>")
        self.assertEqual(self.hook("prepare", given=endless), (0, ""))
        self.assertEqual(daemon.last("Hook"), "('web', 'prepare', 'begin', '-', '')")
        self.assertEqual(self.hook("prepare", given=DOMAIN.replace("web", "\x00\x01")), (0, ""))


class Installing(HookTest):
    def setUp(self):
        super().setUp()
        self.hooks = os.path.join(self.directory, "etc", "libvirt", "hooks")
        self.path = os.path.join(self.hooks, "qemu.d", "50-dynmem")

    def check(self, *arguments, status=0):
        done = subprocess.run([DM_CTL, "check", "--root=" + self.directory, "--template=" + HOOK_FILE, *arguments],
                              env=self.bus.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=30, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def libvirt_runs(self, name, since):
        """Makes a process of this name that was started so many seconds after 1970."""
        os.makedirs(os.path.join(self.directory, "proc", "77"), exist_ok=True)
        ticks = os.sysconf("SC_CLK_TCK")
        for path, text in (("stat", "cpu 1 2\nbtime 1000\nprocesses 7\n"), ("77/comm", name + "\n"),
                           ("77/stat", f"77 ({name}) S " + "0 " * 18 + f"{(since - 1000) * ticks} 0 0\n")):
            with open(os.path.join(self.directory, "proc", path), "w", encoding="utf-8") as file:
                file.write(text)

    def test_it_is_installed_once_and_can_be_taken_away(self):
        self.assertIn("is installed", self.check("--install-hook"))
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o755)
        with open(self.path, encoding="utf-8") as installed, open(HOOK_FILE, encoding="utf-8") as template:
            self.assertEqual(installed.read(), template.read())
        inode = os.stat(self.path).st_ino
        self.assertIn("already", self.check("--install-hook"))
        self.assertEqual(os.stat(self.path).st_ino, inode)
        self.assertEqual(os.listdir(self.hooks), ["qemu.d"])
        self.assertIn("taken away", self.check("--remove-hook"))
        self.assertFalse(os.path.exists(self.path))
        self.assertIn("not there", self.check("--remove-hook"))

    def test_an_older_one_is_replaced_and_a_foreign_one_is_left(self):
        os.makedirs(os.path.dirname(self.path))
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n# dynmem start hook\nexit 0\n")
        self.assertIn("another version", self.check(status=1))
        self.assertIn("is installed", self.check("--install-hook"))
        os.chmod(self.path, 0o644)
        self.assertIn("not executable", self.check(status=1))
        self.assertIn("is installed", self.check("--install-hook"))
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\necho mine\n")
        self.assertIn("not dynmem's", self.check("--install-hook", status=1))
        self.assertIn("not dynmem's", self.check("--remove-hook", status=1))
        self.assertIn("not dynmem's", self.check(status=1))
        with open(self.path, encoding="utf-8") as file:
            self.assertIn("mine", file.read())

    def test_it_says_when_libvirt_must_be_reloaded(self):
        for name in ("libvirtd", "virtqemud"):
            self.libvirt_runs(name, 2000)
            self.assertIn(f"systemctl reload {name}", self.check("--install-hook"))
            self.assertIn(f"systemctl reload {name}", self.check(status=1))
            # it was there before the daemon of libvirt was started
            self.libvirt_runs(name, int(time.time()) + 1000)
            self.assertNotIn("reload", self.check("--install-hook"))
            self.assertIn("hook: libvirt's hook is installed", self.check(status=1))
            self.check("--remove-hook")
        self.libvirt_runs("other", 2000)
        self.assertNotIn("systemctl reload", self.check("--install-hook"))

    def test_where_libvirt_knows_hooks_already_nothing_is_reloaded(self):
        os.makedirs(self.hooks)
        other = os.path.join(self.hooks, "qemu")
        for mode, said in ((0o644, "systemctl reload libvirtd"), (0o755, "nothing needs to be reloaded")):
            with open(other, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\n")
            os.chmod(other, mode)
            # libvirt's daemon was started after that, and before the hook is installed
            self.libvirt_runs("libvirtd", int(time.time()) + 1)
            time.sleep(2.1)
            self.assertIn(said, self.check("--install-hook"))
            self.check("--remove-hook")

    def test_who_may_not_is_told_so(self):
        if os.geteuid() != 0:
            self.skipTest("lacks the privilege to become somebody else")
        os.chmod(self.directory, 0o755)
        done = subprocess.run([DM_CTL, "check", "--install-hook", "--root=" + self.directory, "--template=" + HOOK_FILE],
                              user=65534, group=65534, extra_groups=[], env=self.bus.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("only root", done.stderr)

    def test_both_at_once_make_no_sense(self):
        self.check("--install-hook", "--remove-hook", status=2)


class TheFile(HookTest):
    """The hook file itself, with another program in dm-ctl's place."""

    def file_with(self, script, interpreter="/bin/sh"):
        program = os.path.join(self.directory, "dm-ctl")
        with open(HOOK_FILE, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("/usr/bin/dm-ctl hook -- ", text)
        path = os.path.join(self.directory, "50-dynmem")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("/usr/bin/dm-ctl", program))
        os.chmod(path, 0o755)
        if script is not None:
            with open(program, "w", encoding="utf-8") as file:
                file.write(f"#!{interpreter}\n" + script)
            os.chmod(program, 0o755)
        return path

    def run_file(self, path, *words):
        return subprocess.run([path, *words], input=DOMAIN, capture_output=True, text=True, timeout=30, check=False)

    def test_only_a_start_can_fail(self):
        path = self.file_with('echo "$@" >&2; exit 1\n')
        for moment in ASKS:
            if moment[1] == "begin":
                done = self.run_file(path, "web", *moment, "-")
                self.assertEqual((done.returncode, done.stderr), (1, f"hook -- web {' '.join(moment)} -\n"))
        for moment in NOTES + [moment for moment in PASSES if moment[0] != "prepare"]:
            self.assertEqual(self.run_file(path, "web", *moment, "-").returncode, 0, moment)

    def test_without_dynmem_everything_passes(self):
        path = self.file_with(None)
        for moment in ASKS + NOTES + PASSES:
            done = self.run_file(path, "web", *moment, "-")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""), moment)

    def test_what_can_not_be_run_refuses_nothing(self):
        # a loader that is missing, a library that is, a program that crashes
        for interpreter, script in (("/nowhere/ld.so", ""), ("/bin/sh", "exit 127\n"), ("/bin/sh", "kill -SEGV $$\n")):
            path = self.file_with(script, interpreter)
            for moment in ASKS + NOTES:
                self.assertEqual(self.run_file(path, "web", *moment, "-").returncode, 0, (script, moment))

    def test_where_no_process_can_be_had_nothing_is_refused(self):
        if os.geteuid() != 0:
            self.skipTest("lacks the privilege to become somebody who may have one process")

        def with_one_process():
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

        def run(*command):
            return subprocess.run(command, input=DOMAIN, capture_output=True, text=True, timeout=30, check=False,
                                  preexec_fn=with_one_process).returncode

        path = self.file_with("exit 1\n")
        os.chmod(self.directory, 0o755)
        self.assertNotEqual(run("/bin/sh", "-c", "/bin/true; exit 0"), 0)
        for moment in ASKS + NOTES:
            self.assertEqual(run(path, "web", *moment, "-"), 0, moment)

    def test_the_real_one_is_reached_through_it(self):
        path = self.file_with(f'exec {DM_CTL} "$@"\n')
        self.daemon(Hook="(false, 'no room')")
        environment = self.bus.environment
        done = subprocess.run([path, "-web", "prepare", "begin", "-"], input=DOMAIN, capture_output=True, text=True,
                              timeout=30, check=False, env=environment)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", "dynmem: no room\n"))
        done = subprocess.run([path, "-web", "release", "end", "-"], input=DOMAIN, capture_output=True, text=True,
                              timeout=30, check=False, env=environment)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[5:])
