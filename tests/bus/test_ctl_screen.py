#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dm-ctl on a terminal: what is seen on it, what keys do, and that it is left as it was. The terminal is pyte's."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest

from fake_bus import GIB, MIB, BusTest, FakeDaemon, PrivateBus, die_with_parent

try:
    import pyte
except ImportError:
    print("the package python3-pyte is not installed")
    sys.exit(77)

DM_CTL, FAKE, XML = sys.argv[1:4]

# sorted by trouble: stuck and paging, warning, low, the others, and who is off
NAMES = ("pages", "stuck", "warned", "low", "well", "off")
UUIDS = {name: "%d1111111-2222-3333-4444-555555555555" % number for number, name in enumerate(NAMES)}
HOST = dict(Version="0.1.0", Link="read-write", Budget=8 * GIB, Committed=4 * GIB, Free=4 * GIB, Total=16 * GIB,
            Pressure=83, MinimumsFit=True)
SENTENCES = ["Sentence %d of why." % number for number in range(30)]
# \x9b and U+202E steer terminals too
HOSTILE = "a\x1b[31mEVIL\x1b]0;title\x07\x9b2J\u202eb\r\n"


class Terminal:
    """A program on a terminal of its own, which pyte draws; sent: all bytes that it wrote."""

    def __init__(self, arguments, environment, columns, rows):
        self.master, self.slave = pty.openpty()
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.sent = b""
        self.set_size(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen([DM_CTL, *arguments], env=environment, stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, preexec_fn=self._take, start_new_session=True)

    def _take(self):
        die_with_parent()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def set_size(self, columns, rows):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self.screen.resize(rows, columns)
        self.set_size(columns, rows)

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.sent += (new := os.read(self.master, 65536))
            self.stream.feed(new)
            return True
        return False

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


class ScreenTest(BusTest):
    def daemon(self, bus=None):
        daemon = FakeDaemon(FAKE, XML, (bus or self.bus).environment)
        self.addCleanup(lambda: daemon.process.stdin.closed or daemon.close())
        daemon.host(**HOST)
        return daemon

    def six_guests(self):
        daemon = self.daemon()
        daemon.guest(UUIDS["well"], "well", Reason="the reason of well", Priority=90, Assigned=512 * MIB)
        daemon.guest(UUIDS["off"], "off", State="off", Assigned=0, Demand=0, Want=0)
        daemon.guest(UUIDS["warned"], "warned", Status="warning", Demand=3 * GIB, Want=4 * GIB, Priority=10)
        daemon.guest(UUIDS["low"], "low", Status="low", Priority=20)
        daemon.guest(UUIDS["stuck"], "stuck", State="stuck", Priority=30, Assigned=3 * GIB)
        daemon.guest(UUIDS["pages"], "pages", State="paging", PagingState="in-use", PagingSize=GIB, Priority=40)
        return daemon

    def open(self, *arguments, columns=80, rows=24, bus=None, **environment):
        terminal = Terminal(arguments, {**(bus or self.bus).environment, "TERM": "tmux-256color", **environment},
                            columns, rows)
        self.addCleanup(terminal.close)
        return terminal

    def wait(self, terminal, what):
        """Until what (a text, or a function of the lines) is on the screen. Returns its lines."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            lines = terminal.lines()
            # nothing more comes: the picture is a whole one
            if not terminal.read(0.05) and (what(lines) if callable(what) else any(what in line for line in lines)):
                return lines
        self.fail("not seen in time:\n" + "\n".join(terminal.lines()))

    def end(self, terminal):
        """Its exit status, after all that it wrote was read."""
        deadline = time.monotonic() + 30
        while terminal.process.poll() is None and time.monotonic() < deadline:
            terminal.read(0.05)
        while terminal.read(0.05):
            pass
        return terminal.process.wait(1)

    def assert_restored(self, terminal):
        self.assertIn(b"\x1b[?1049h", terminal.sent)
        self.assertGreater(terminal.sent.rfind(b"\x1b[?1049l"), terminal.sent.rfind(b"\x1b[?1049h"))
        self.assertFalse(terminal.screen.cursor.hidden)
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)

    @staticmethod
    def order(lines):
        """The names of the guests from above, and which of them is selected."""
        at = next(i for i, line in enumerate(lines) if line.startswith("  NAME"))
        rows = [line for line in lines[at + 1:] if re.match("[> ] [a-z]", line)]
        return [row[2:].split()[0] for row in rows], [row[2:].split()[0] for row in rows if row[0] == ">"]


class Lists(ScreenTest):
    def test_list_fits_and_has_colours(self):
        daemon = self.six_guests()
        daemon.guest(UUIDS["well"].replace("1", "9"), "a-guest-with-a-name-that-is-far-too-long-for-a-terminal-of-80-columns")
        for columns in (100, 80, 60, 40):
            terminal = self.open("list", columns=columns)
            self.assertEqual(self.end(terminal), 0)
            self.assertIn(b"\x1b[1;31mwarning\x1b[0m", terminal.sent)
            lines = [line for line in terminal.lines() if line]
            self.assertEqual(len(lines), 8, lines)
            # on 80 columns both views of memory are seen
            self.assertEqual("RESIDENT" in lines[0] and "USABLE" in lines[0], columns >= 80, lines[0])

    def test_no_color(self):
        self.six_guests()
        for verb in ("list", "host"):
            terminal = self.open(verb, NO_COLOR="1")
            self.assertEqual(self.end(terminal), 0)
            self.assertNotIn(b"\x1b", terminal.sent)

    def test_names_cannot_steer_the_terminal(self):
        self.daemon().guest(UUIDS["well"], HOSTILE)
        for verb in ("list", "top"):
            terminal = self.open(verb)
            line = next(line for line in self.wait(terminal, "EVI") if "EVI" in line)
            self.assertIn("a\\x1b[31mE", line)
            for part in (b"\x1b[31mEVIL", b"\x1b]0", b"\x07", b"\xc2\x9b", "\u202e".encode()):
                self.assertNotIn(part, terminal.sent)


class Ends(ScreenTest):
    def test_whatever_ends_it_the_terminal_is_put_back(self):
        self.six_guests()
        signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGABRT, signal.SIGQUIT, signal.SIGSEGV]
        for how in (b"q", b"Q", b"\x03", *signals):
            with self.subTest(how=how):
                terminal = self.open("top")
                self.wait(terminal, "q quit")
                self.assertNotEqual(termios.tcgetattr(terminal.slave), terminal.before)
                if isinstance(how, bytes):
                    os.write(terminal.master, how)
                else:
                    terminal.process.send_signal(how)
                self.assertEqual(self.end(terminal), -how if how in signals[3:] else 0)
                self.assert_restored(terminal)

    def test_it_ends_on_a_key_while_the_daemon_hangs(self):
        daemon = self.six_guests()
        for keys in (b"q", b"\nqq"):
            terminal = self.open("top", "--interval=0.1")
            self.wait(terminal, "q quit")
            if keys == b"q":
                daemon.tell("hang")
            else:
                daemon.tell("keep", "Explain")
            time.sleep(0.3)
            for key in keys:
                os.write(terminal.master, bytes([key]))
                time.sleep(0.2)
            self.assertEqual(self.end(terminal), 0)
            self.assert_restored(terminal)
            daemon.close()
            daemon = self.six_guests()

    def test_without_a_daemon_the_terminal_is_never_taken(self):
        terminal = self.open("top")
        self.assertEqual(self.end(terminal), 3)
        self.assertIn("systemctl start dynmemd", " ".join(terminal.lines()))
        self.assertNotIn(b"\x1b", terminal.sent)

    def test_when_the_bus_crashes_it_ends(self):
        bus = PrivateBus()
        self.addCleanup(bus.close)
        daemon = self.daemon(bus)
        terminal = self.open("top", "--interval=0.1", bus=bus)
        self.wait(terminal, "q quit")
        bus.process.kill()
        self.assertEqual(self.end(terminal), 3)
        self.assert_restored(terminal)
        self.assertIn(b"system bus", terminal.sent)
        daemon.kill()

    def test_a_terminal_that_can_do_nothing_gets_plain_text(self):
        self.six_guests()
        terminal = self.open("top", "--count=1", TERM="dumb")
        self.assertEqual(self.end(terminal), 0)
        self.assertNotIn(b"\x1b", terminal.sent)
        self.assertIn("6 guests by name", terminal.lines()[0])

    def test_a_terminal_that_nobody_knows_is_taken_for_an_xterm(self):
        self.six_guests()
        terminal = self.open("top", TERM="no-such-terminal")
        self.wait(terminal, lambda lines: b"q quit" in terminal.sent)
        os.write(terminal.master, b"q")
        self.assertEqual(self.end(terminal), 0)
        self.assert_restored(terminal)


class Top(ScreenTest):
    def test_it_waits_for_a_daemon_that_went_away(self):
        daemon = self.six_guests()
        terminal = self.open("top", "--interval=0.1")
        self.wait(terminal, "q quit")
        daemon.close()
        lines = self.wait(terminal, "dynmemd: it does not run")
        self.assertRegex(lines[2], r"^figures of \d\d:\d\d:\d\d: dynmemd: it does not run")
        self.assertEqual(len(self.order(lines)[0]), 6)
        daemon = self.daemon()
        daemon.guest(UUIDS["well"], "renewed")
        lines = self.wait(terminal, "renewed")
        self.assertEqual((lines[2], self.order(lines)[0]), ("", ["renewed"]))

    def test_a_host_without_guests(self):
        self.daemon()
        lines = self.wait(self.open("top"), "q quit")
        self.assertEqual((lines[0][10:], lines[3]), ("0 guests by trouble", "No guests."))

    def test_who_needs_a_look_is_first(self):
        self.six_guests()
        lines = self.wait(self.open("top"), "q quit")
        self.assertIn("by trouble", lines[0])
        self.assertEqual(self.order(lines), (list(NAMES), ["pages"]))

    def test_keys_sort_and_reverse(self):
        self.six_guests()
        terminal = self.open("top")
        self.wait(terminal, "q quit")
        for key, title, first in ((b"n", "by name", "low"), (b"p", "by priority", "well"), (b"d", "by demand", "warned"),
                                  (b"w", "by want", "warned"), (b"a", "by assigned", "stuck"), (b"g", "by target", "low"),
                                  (b"r", "by pressure", "low"), (b"<", "by target", "low"), (b"<", "by assigned", "stuck"),
                                  (b">", "by target", "low"), (b"t", "by trouble", "pages"),
                                  (b"R", "by trouble reversed", "well"), (b"I", "by trouble", "pages")):
            os.write(terminal.master, key)
            lines = self.wait(terminal, lambda lines: " guests %s, 1 off" % title in lines[0])
            names = self.order(lines)[0]
            self.assertEqual((names[0], names[-1]), (first, "off"), title)
        os.write(terminal.master, b"s")
        self.wait(terminal, "each to its maximum")

    def test_keys_select(self):
        daemon = self.six_guests()
        terminal = self.open("top", rows=10)  # room for three guests
        self.assertEqual(self.order(self.wait(terminal, "q quit")), (["pages", "stuck", "warned"], ["pages"]))
        for key, selected in ((b"\x1bOB", "stuck"), (b"j", "warned"), (b"j", "low"), (b"j", "well"), (b"k", "low"),
                              (b"\x1bOA", "warned"), (b"\x1b[1~", "pages"), (b"k", "pages"), (b"\x1b[6~", "low"),
                              (b"\x1b[5~", "pages"), (b"\x1b[4~", "off"), (b"j", "off"), (b"k", "well")):
            os.write(terminal.master, key)
            lines = self.wait(terminal, lambda lines: "> " + selected in "\n".join(lines))
            self.assertEqual(len(self.order(lines)[0]), 3)
        self.assertIn("well: the reason of well", lines)
        os.write(terminal.master, b"p")  # it stays selected when it moves
        self.assertEqual(self.order(self.wait(terminal, "by priority"))[1], ["well"])
        other = self.open("top")
        self.wait(other, "q quit")
        os.write(other.master, b"p\n")  # keys that come at once are done one after the other
        self.wait(other, "Esc back")
        self.assertEqual(daemon.last("Explain"), "('%s',)" % UUIDS["well"])

    def test_enter_explains_the_selected_guest(self):
        daemon = self.six_guests()
        daemon.tell("explain", json.dumps({"name": "stuck", "state": "stuck", "assigned": GIB, "why": SENTENCES,
                                           "toGetMore": ["\x1b[31mNothing."]}))
        terminal = self.open("top", "--interval=0.2", columns=40, rows=10)
        self.wait(terminal, "q quit")
        os.write(terminal.master, b"j\n")
        lines = self.wait(terminal, "stuck: stuck, has 1 GiB")
        self.assertEqual(daemon.last("Explain"), "('%s',)" % UUIDS["stuck"])
        self.assertIn("  Sentence 0 of why.", lines)
        self.assertIn("q, Esc back", lines[-1])
        os.write(terminal.master, b"j")
        self.wait(terminal, lambda lines: "Why it has" in lines[2])
        os.write(terminal.master, b"\x1b[4~")
        lines = self.wait(terminal, "Nothing.")
        self.assertIn("\\x1b[31mNothing.", "".join(lines))
        os.write(terminal.master, b"\x1b[1~")
        self.wait(terminal, "stuck: stuck, has 1 GiB")
        # it follows what changes, as the bars do, and says what fails
        daemon.tell("explain", json.dumps({"name": "stuck", "state": "active", "assigned": 2 * GIB}))
        self.wait(terminal, "stuck: active, has 2 GiB")
        daemon.tell("explain", "no json")
        self.wait(terminal, "can't be read")
        daemon.close()
        self.wait(terminal, "figures of ")
        for leave in (b"\x1b", b"q", b"\n"):
            os.write(terminal.master, leave)
            self.assertEqual(self.order(self.wait(terminal, "q quit"))[1], ["stuck"])
            os.write(terminal.master, b"\n")
            self.wait(terminal, "Esc back")
        self.assertIsNone(terminal.process.poll())

    def test_it_follows_the_size_of_the_terminal(self):
        self.six_guests()
        terminal = self.open("top", "--interval=3600")
        for columns, rows, guests in ((80, 24, 6), (40, 10, 3), (132, 50, 6), (80, 24, 6), (20, 5, 0)):
            terminal.resize(columns, rows)
            lines = self.wait(terminal, lambda lines: re.match(r"\d\d:\d\d:\d\d  6 guests", lines[0]) and
                              (rows < 10 or "q quit" in lines[-1]))
            if rows >= 10:
                self.assertEqual(len(self.order(lines)[0]), guests)
        os.write(terminal.master, b"q")
        self.assertEqual(self.end(terminal), 0)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[4:])
