#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dm-ctl against a stand-in for the daemon: what it prints, and with which status it ends."""

import json
import os
import select
import signal
import subprocess
import sys
import time
import unittest

import schema
from fake_bus import GIB, MIB, BusTest, FakeDaemon, die_with_parent

DM_CTL, FAKE, XML = sys.argv[1:4]

WEB = "11111111-2222-3333-4444-555555555555"
DB = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
HOST = dict(Version="0.1.0", DryRun=False, Link="read-write", LinkText="connected to test:///default", Ticks=7,
            Budget=6 * GIB, BudgetLimit="setting", Committed=4 * GIB, Free=2 * GIB, Reserve=GIB,
            Overhead=300 * MIB, Other=200 * MIB, Total=8 * GIB, Available=3 * GIB, Pressure=83, Demand=3 * GIB,
            Want=4 * GIB, OverBudget=False, MinimumsFit=True, HostPressure=False)
EXPLANATION = {"name": "web", "uuid": WEB, "state": "active", "assigned": GIB,
               "why": ["It needs 800 MiB and wants 960 MiB with its buffer of 20 %, and this sentence goes on for long."],
               "toGetMore": ["Nothing: it has all it wants."]}


def camel(name):
    return name[0].lower() + name[1:]


class CtlTest(BusTest):
    def daemon(self):
        daemon = FakeDaemon(FAKE, XML, self.bus.environment)
        self.addCleanup(lambda: daemon.process.stdin.closed or daemon.close())
        return daemon

    def two_guests(self):
        daemon = self.daemon()
        daemon.host(**HOST)
        daemon.guest(WEB, "web", Priority=80)
        daemon.guest(DB, "db", Status="warning", Demand=2 * GIB, Want=2560 * MIB, Pressure=250)
        return daemon

    def ctl(self, *arguments, status=0, environment=None):
        done = subprocess.run([DM_CTL, *arguments], env=environment or self.bus.environment, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=30, check=False)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, status, out + err)
        if status == 0:
            self.assertEqual(err, "")
        else:
            self.assertEqual(out, "")
            self.assertTrue(err.startswith("dm-ctl: ") and err.count("\n") == 1, err)
        return schema.check(arguments, out, whole=False) if status == 0 else err

    def json(self, *arguments):
        return json.loads(self.ctl("--json", *arguments))

    def start(self, *arguments):
        process = subprocess.Popen([DM_CTL, *arguments], env=self.bus.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
                                   preexec_fn=die_with_parent)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()

        self.addCleanup(end)
        return process


class NoDaemon(CtlTest):
    def test_every_verb_says_how_to_start_the_daemon(self):
        for words in (["list"], ["show", "web"], ["host"], ["explain", "web"], ["top", "--count=1"], ["monitor"],
                      ["paging"]):
            self.assertIn("systemctl start dynmemd", self.ctl(*words, status=3))

    def test_an_absent_bus_is_no_daemon_either(self):
        environment = dict(self.bus.environment, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent")
        self.assertIn("system bus", self.ctl("list", status=3, environment=environment))


class Usage(CtlTest):
    def test_wrong_usage_is_status_2(self):
        for words in ([], ["fly"], ["--fly", "list"], ["list", "--fly"], ["show"], ["show", "a", "b"], ["list", "x"],
                      ["explain"], ["top", "--count=-1"], ["top", "--interval=0"], ["top", "--sort=size"],
                      ["list", "--count=1"], ["--json"]):
            with self.subTest(words=words):
                self.ctl(*words, status=2)

    def test_help_and_version_need_no_daemon(self):
        self.assertRegex(self.ctl("--version"), r"^dm-ctl \d+\.\d+\.\d+\n$")
        self.assertIn("explain GUEST", self.ctl("--help"))
        self.assertEqual(self.ctl("--help"), self.ctl("-h"))
        self.assertIn("--interval=SECONDS", self.ctl("top", "--help"))
        self.assertIn("dm-ctl show [OPTION...] GUEST", self.ctl("show", "--help"))

    def test_wrong_usage_is_told_with_what_is_right(self):
        for words, told in ((["lst"], "list was probably meant"), (["fly"], "'dm-ctl --help' lists them"),
                            (["show"], "show: GUEST is missing"), (["mode", "web"], "mode: MODE is missing"),
                            (["set", "web"], "set: SETTING=VALUE... is missing"),
                            (["--fly", "top"], "'dm-ctl --help' tells"), (["top", "--fly"], "'dm-ctl top --help' tells")):
            with self.subTest(words=words):
                self.assertIn(told, self.ctl(*words, status=2))

    def test_help_has_what_is_written_and_what_it_is_in_columns(self):
        for line in self.ctl("--help").splitlines():
            if line.startswith("  "):
                self.assertRegex(line, r"^  (.{26} | {27}|\S.{26,}$)(\S.*)?$")
        for verb in ("check", "mode", "list"):
            self.assertNotIn("?.", self.ctl(verb, "--help"))
        self.assertIn("SETTING is minimum,", self.ctl("set", "--help"))

    def test_a_word_with_control_characters_is_not_echoed_as_it_is(self):
        self.assertNotIn("\x1b", self.ctl("\x1b[31mverb", status=2))
        self.assertNotIn("\x1b", self.ctl("--\x1b[31m", status=2))


class Json(CtlTest):
    def test_list_holds_all_properties_with_numbers_as_numbers(self):
        self.two_guests()
        document = self.json("list")
        self.assertEqual(list(document), ["guests"])
        self.assertEqual([guest["name"] for guest in document["guests"]], ["db", "web"])
        web = document["guests"][1]
        self.assertEqual(web["minimum"], 512 * MIB)
        self.assertEqual(web["priority"], 80)
        self.assertIs(web["managed"], True)
        self.assertEqual(web["reason"], "it has all it wants")
        self.assertEqual((web["resident"], web["total"], web["usable"]), (900 * MIB, 984 * MIB, 184 * MIB))
        self.assertEqual(len(web), 23)

    def test_options_may_stand_behind_the_verb(self):
        self.two_guests()
        self.assertEqual(self.ctl("list", "--json"), self.ctl("--json", "list"))

    def test_list_without_guests(self):
        self.daemon()
        self.assertEqual(self.json("list"), {"guests": []})
        self.assertEqual(self.ctl("list"), "No guests.\n")
        self.assertEqual(self.ctl("--no-legend", "list"), "")

    def test_show_is_one_object_by_name_and_by_uuid(self):
        self.two_guests()
        shown = self.json("show", "web")
        self.assertEqual(shown["uuid"], WEB)
        self.assertEqual(shown, self.json("show", WEB))
        self.assertEqual(self.json("show", "db"), self.json("show", DB.upper()))
        self.assertIn(shown, self.json("list")["guests"])

    def test_host_is_one_object_with_the_managers_properties(self):
        self.two_guests()
        self.assertEqual(self.json("host"), {camel(name): value for name, value in HOST.items()})

    def test_explain_is_the_daemons_document(self):
        self.two_guests().tell("explain", json.dumps(EXPLANATION))
        self.assertEqual(self.json("explain", "web"), EXPLANATION)

    def test_top_is_a_list_document_a_line(self):
        self.two_guests()
        lines = self.ctl("--json", "top", "--count=3", "--interval=0.1").splitlines()
        self.assertEqual(len(lines), 3)
        for line in lines:
            self.assertEqual(json.loads(line), self.json("list"))

    def test_no_raw_control_characters(self):
        name = "a\x1b[31m\x9b\u202eb\n"
        self.daemon().guest(WEB, name)
        text = self.ctl("--json", "list")
        self.assertEqual(json.loads(text)["guests"][0]["name"], name)
        for character in "\x1b\x9b\u202e":
            self.assertNotIn(character, text)


class Text(CtlTest):
    def test_list_is_an_aligned_table_with_every_column(self):
        self.two_guests()
        lines = self.ctl("list").splitlines()
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[0], r"^NAME +STATE +STATUS +PRIO +MIN +DEMAND +WANT +ASSIGNED +TARGET +MAX +RESIDENT +TOTAL +USABLE$")
        self.assertRegex(lines[1], r"^db +active +warning +50 +512Mi +2Gi +2.5Gi +1Gi +1Gi +4Gi +900Mi +984Mi +184Mi$")
        self.assertEqual(len(lines[0]), len(lines[1]))
        self.assertEqual(self.ctl("list", "--no-legend").splitlines()[1].split(), lines[2].split())

    def test_list_shows_what_is_not_managed_or_off(self):
        daemon = self.daemon()
        daemon.guest(WEB, "web", State="off", Assigned=0, Target=0, Demand=0, Want=0, Resident=0, Total=0, Usable=0)
        daemon.guest(DB, "db", State="static", Managed=False, Demand=0, Want=0, Total=0, Usable=0)
        lines = self.ctl("list", "--no-legend").splitlines()
        self.assertRegex(lines[0], r"^db +static +- +- +512Mi +- +- +1Gi +1Gi +4Gi +900Mi +- +-$")
        self.assertRegex(lines[1], r"^web +off +- +50 +512Mi +- +- +- +- +4Gi +- +- +-$")

    def test_what_is_booked_is_shown_with_its_ground(self):
        daemon = self.daemon()
        daemon.host(**HOST)
        daemon.guest(WEB, "web", Committed=GIB, Ground="limit")
        daemon.guest(DB, "db", Committed=GIB, Ground="a new one")
        shown = " ".join(self.ctl("show", "web").split())
        self.assertIn("Committed 1 GiB, where memory.high holds it; its balloon would leave it more", shown)
        self.assertNotIn("Ground", shown)
        self.assertIn("Committed 1 GiB Resident", " ".join(self.ctl("show", "db").split()))
        self.assertEqual(self.json("show", "web")["ground"], "limit")

    def test_what_zfs_gives_back_is_named(self):
        self.daemon().host(**dict(HOST, Arc=GIB))
        self.assertIn("3 GiB available, 1 GiB of that held by ZFS's cache (ARC), which gives it back",
                      " ".join(self.ctl("host").split()))

    def test_names_cannot_steer_the_terminal(self):
        daemon = self.daemon()
        daemon.host(**HOST)
        daemon.guest(WEB, "a\x1b[31m\x9b\u202eb\n")
        daemon.tell("explain", json.dumps(dict(EXPLANATION, name="x\x1b[1m", why=["\x1b[2Jgone"])))
        for words in (["list"], ["show", WEB], ["explain", WEB], ["top", "--count=1"]):
            text = self.ctl(*words)
            self.assertFalse(set(text) & set("\x1b\x9b\u202e"), text)
        self.assertIn("a\\x1b[31m\\x9b\\u202eb\\x0a ", self.ctl("list"))
        self.assertNotIn("\x1b", self.ctl("show", "\x1b[31m", status=1))

    def test_wide_characters_keep_the_columns(self):
        daemon = self.daemon()
        daemon.guest(WEB, "日本語")
        daemon.guest(DB, "abcdef")
        lines = self.ctl("list").splitlines()
        self.assertEqual(lines[1].index("active"), lines[2].index("active") + 3)

    def test_ascii_locale_gets_ascii(self):
        daemon = self.two_guests()
        daemon.guest(WEB.replace("1", "7"), "日本")
        environment = dict(self.bus.environment, LC_ALL="C")
        for words in (["list"], ["top", "--count=1"]):
            self.assertTrue(self.ctl(*words, environment=environment).isascii())

    def test_show_tells_sizes_with_units_and_the_reason(self):
        self.two_guests()
        lines = self.ctl("show", "db").splitlines()
        self.assertIn("Maximum     4 GiB", lines)
        self.assertIn("Reason      it has all it wants (satisfied)", lines)
        self.assertIn("Status      warning (its demand is not covered)", lines)
        at = lines.index("Resident    900 MiB, what its QEMU holds of the host")
        self.assertEqual(lines[at + 1:at + 3], ["Total       984 MiB, what the guest itself says it has",
                                                "Usable      184 MiB, what the guest could use of that without swapping"])
        self.assertFalse([line for line in lines if line.startswith("Issue")])

    def test_show_does_not_say_of_a_guest_at_its_maximum_that_it_has_all_it_wants(self):
        daemon = self.daemon()
        full = dict(Assigned=4 << 30, Demand=4 << 30, Want=4 << 30, Maximum=4 << 30, Rule="at-maximum")
        daemon.guest(WEB, "web", Status="warning", **full)
        daemon.guest(DB, "db", Status="ok", **full)
        self.assertIn("Status      warning (it is starved with what it may have)\n", self.ctl("show", "web"))
        self.assertIn("Status      ok (it has its maximum, and is not starved)\n", self.ctl("show", "db"))

    def test_host_tells_the_ledger_and_warns(self):
        daemon = self.two_guests()
        text = self.ctl("host")
        self.assertIn("Budget      6 GiB, set by Budget= in the configuration\n", text)
        self.assertIn("Committed   4 GiB, 67 % of the budget\n", text)
        self.assertIn("Libvirt     connected to test:///default (read-write)\n", text)
        self.assertNotIn("Warning", text)
        daemon.host(Free=0)
        self.assertIn("Free        0\n", self.ctl("host"))
        daemon.host(OverBudget=True, MinimumsFit=False, HostPressure=True, Link="down", DryRun=True)
        self.assertEqual(self.ctl("host").count("Warning"), 5)
        daemon.host(Retiring=True)
        self.assertIn("dynmemd is to end for good (dm-ctl retire)", " ".join(self.ctl("host").split()))

    def test_old_figures_are_shown_as_such_while_libvirt_is_away(self):
        daemon = self.two_guests()
        now = self.ctl("list")
        self.assertNotIn("last figures", now)
        self.assertNotIn(" old ", now)
        daemon.host(Link="down", LinkText="libvirt is away: libvirt ended it; next try in 1 s")
        text = self.ctl("list")
        self.assertTrue(text.startswith("These are the last figures known: libvirt is away: libvirt ended it; next try in 1 s.\n"), text)
        self.assertRegex(text, r"\nweb +active +old ")
        self.assertNotIn(" ok ", text)
        bare = self.ctl("--no-legend", "list")
        self.assertNotIn("last figures", bare)
        self.assertRegex(bare, r"(?m)^web +active +old ")
        self.assertRegex(self.ctl("top", "--count=1"), r"\n *web +active +old ")
        self.assertIn("the figures are the last ones known", " ".join(self.ctl("host").split()))

    def test_explain_prints_the_sentences_wrapped(self):
        self.two_guests().tell("explain", json.dumps(EXPLANATION))
        text = self.ctl("explain", "web")
        self.assertTrue(text.startswith("web: active, has 1 GiB\n"), text)
        self.assertIn("\n  Nothing: it has all it wants.\n", text)
        self.assertTrue(all(len(line) <= 80 for line in text.splitlines()), text)
        self.assertIn(EXPLANATION["why"][0], " ".join(text.split()))

    def test_explain_refuses_what_is_no_json(self):
        daemon = self.two_guests()
        self.assertIn("the fake refuses", self.ctl("explain", "web", status=1))
        for document in ("no json", "[]", " "):
            daemon.tell("explain", document)
            self.assertIn("can't be read", self.ctl("explain", "web", status=1))

    def test_top_prints_plain_blocks_into_a_pipe(self):
        self.two_guests()
        text = self.ctl("top", "--count=2", "--interval=0.1")
        self.assertNotIn("\x1b", text)
        blocks = text.split("\n\n")
        self.assertEqual(len(blocks), 2)
        lines = blocks[0].splitlines()
        self.assertRegex(lines[0], r"^\d\d:\d\d:\d\d  2 guests by name, 1 in warning$")
        self.assertIn("4 GiB of 6 GiB committed, 2 GiB free, pressure 83 %", lines[1])
        self.assertTrue(lines[3].startswith("db "), lines)
        self.assertTrue(all(len(line) <= 80 for line in lines), lines)
        # db has 1 of 4 GiB, needs 2 and wants 2.5: all marks are on its bar, in this order
        self.assertRegex(lines[3], r"█+\[█+░+d░+w·+\]$")
        # web needs 800 MiB of its 1 GiB
        self.assertRegex(lines[4], r"█+\[█+d▒*w")

    def test_top_sorts(self):
        self.two_guests()
        for key, first in (("name", "db"), ("trouble", "db"), ("priority", "web"), ("demand", "db"), ("want", "db"),
                           ("pressure", "db")):
            self.assertTrue(self.ctl("top", "--count=1", "--sort=" + key).splitlines()[3].startswith(first))


class Paging(CtlTest):
    def paging_guests(self):
        daemon = self.daemon()
        daemon.host(**dict(HOST, PagingFiles=2, PagingBar="", Reserved=2 * GIB, StartsWaiting=1, StartsAdmitted=0))
        since = int(time.time() - 60) * 1000000
        daemon.guest(WEB, "web", State="paging", Restart="reset", Shortfall=300 * MIB, PagingState="overdue",
                     PagingSize=512 * MIB, PagingUsed=200 * MIB, PagingPeak=400 * MIB, PagingSince=since,
                     PagingDeadline=since + 600 * 1000000, PagingDirectory="/srv/paging",
                     PagingReason="swapoff: Cannot allocate\x1b memory", Limit=GIB, LimitBar="")
        daemon.guest(DB, "db", Restart="none", PagingState="none", PagingDirectory="/srv/paging")
        return daemon

    def test_guests_with_a_paging_file_are_a_table_with_remarks(self):
        daemon = self.paging_guests()
        lines = self.ctl("paging").splitlines()
        self.assertRegex(lines[0], r"^NAME +STATE +SIZE +USED +PEAK +SINCE +DEADLINE +RESTART +DIRECTORY$")
        self.assertRegex(lines[1], r"^web +overdue +512Mi +200Mi +400Mi +\d\d:\d\d:\d\d +\d\d:\d\d:\d\d +reset +/srv/paging$")
        self.assertEqual(lines[2], "web: 300 MiB of its startup memory of 1 GiB could not be found; "
                                   "swapoff: Cannot allocate\\x1b memory.")
        self.assertEqual(lines[3], "1 more paging file of a guest that is gone is being ended.")
        self.assertEqual(len(lines), 4)
        daemon.host(PagingFiles=1)
        self.assertEqual(len(self.ctl("--no-legend", "paging").splitlines()), 2)

    def test_without_one_it_says_whether_the_host_could(self):
        daemon = self.two_guests()
        daemon.host(PagingBar="", PagingFiles=0)
        self.assertEqual(self.ctl("paging"), "No guest has a paging file.\nOne is made only for a guest that restarts "
                                             "while the host is full.\n")
        daemon.host(PagingBar="control groups are of version 1")
        self.assertIn("No guest of this host can have one: control groups are of version 1.", self.ctl("paging"))
        daemon.host(LimitBar="it has no control group")
        self.assertIn("Limits      none: it has no control group\n", self.ctl("host"))
        self.assertIn("Paging      not available: control groups are of version 1\n", self.ctl("host"))
        self.assertEqual(self.json("paging"), {"guests": [], "available": False, "files": 0,
                                               "bar": "control groups are of version 1"})

    def test_json_holds_the_guests_that_page(self):
        self.paging_guests()
        document = self.json("paging")
        self.assertEqual([guest["name"] for guest in document["guests"]], ["web"])
        self.assertEqual(document["guests"][0]["pagingUsed"], 200 * MIB)
        self.assertEqual((document["available"], document["files"]), (True, 2))

    def test_show_host_and_top_tell_of_it(self):
        self.paging_guests()
        shown = " ".join(self.ctl("show", "web").split())
        self.assertIn("Restart it was reset", shown)
        self.assertIn("Shortfall 300 MiB, of its startup memory could not be found", shown)
        self.assertIn("Limit 1 GiB, what its control group may hold (memory.high)", shown)
        self.assertIn("Paging overdue: 200 MiB of 512 MiB used, at most 400 MiB, since", shown)
        self.assertNotIn("PagingSince", shown)
        self.assertNotIn("Paging", self.ctl("show", "db"))
        host = self.ctl("host")
        self.assertIn("Reserved    2 GiB, part of committed, for guests about to start\n", host)
        self.assertIn("Starts      1 start waits for memory\n", host)
        self.assertIn("Paging      2 paging files, see 'dm-ctl paging'\n", host)
        top = self.ctl("top", "--count=1").splitlines()
        self.assertIn("1 with a paging file", top[0])
        self.assertIn("should have been gone", top[2])

    def test_a_guest_that_is_reserved_shows_as_off(self):
        daemon = self.two_guests()
        daemon.guest(WEB.replace("1", "9"), "new", State="reserved", Assigned=0, Target=0, Demand=0, Want=0)
        line = [line for line in self.ctl("list").splitlines() if line.startswith("new")][0]
        self.assertRegex(line, r"^new +reserved +- +50 ")
        self.assertNotIn("all it wants)", self.ctl("show", "new").split("Status")[1].split("\n")[0])
        self.assertIn("1 off", self.ctl("top", "--count=1").splitlines()[0])


class Guests(CtlTest):
    def test_an_unknown_guest_is_an_error_that_names_near_ones(self):
        daemon = self.two_guests()
        daemon.guest(WEB.replace("1", "9"), "web-server")
        message = self.ctl("show", "wbe", status=1)
        self.assertIn("'wbe'", message)
        self.assertIn("'web'", message)
        self.assertIn("'web', 'web-server'", self.ctl("explain", "WEB", status=1))
        self.assertIn("'dm-ctl list' shows all", self.ctl("show", "something", status=1))

    def test_another_part_of_a_name_than_its_beginning_is_no_name(self):
        self.two_guests()
        self.ctl("show", "eb", status=1)
        self.ctl("show", WEB[:8], status=1)
        self.ctl("show", "", status=1)

    def test_an_ambiguous_guest_is_an_error(self):
        daemon = self.two_guests()
        daemon.guest(WEB.replace("1", "9"), DB)
        self.assertIn("ambiguous", self.ctl("show", DB, status=1))

    def test_a_name_may_begin_with_a_dash(self):
        self.daemon().guest(WEB, "-x")
        self.assertEqual(json.loads(self.ctl("show", "--json", "--", "-x"))["uuid"], WEB)


class Monitor(CtlTest):
    def setUp(self):
        self.unread = b""

    def line(self, process):
        """The next line, which has to come within ten seconds."""
        deadline = time.monotonic() + 10
        while b"\n" not in self.unread:
            if not select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                self.fail("no line came")
            more = os.read(process.stdout.fileno(), 65536)
            if not more:
                self.fail("monitor has ended")
            self.unread += more
        line, self.unread = self.unread.split(b"\n", 1)
        return line.decode() + "\n"

    def next_json(self, process):
        return json.loads(schema.check(["--json", "monitor"], self.line(process)))

    def test_prints_events_a_line_each(self):
        daemon = self.two_guests()
        process = self.start("monitor")
        self.assertEqual(self.line(process), "Watching 2 guests; ^C ends it.\n")
        daemon.event("target-changed", WEB, "web", GIB, 2 * GIB, "why", "Target of guest web raised\x1b from 1 GiB.")
        self.assertRegex(self.line(process),
                         r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  Target of guest web raised\\x1b from 1 GiB\.\n$")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(10), 0)

    def test_json_lines(self):
        daemon = self.two_guests()
        process = self.start("--json", "monitor")
        self.ready(daemon, process)
        daemon.event("guest-stuck", WEB, "web", 2 * GIB, GIB, "its balloon does not move", "Guest web is stuck.")
        event = self.next_json(process)
        self.assertRegex(event.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual(event, {"kind": "guest-stuck", "uuid": WEB, "name": "web", "old": 2 * GIB, "new": GIB,
                                 "reason": "its balloon does not move", "message": "Guest web is stuck."})
        daemon.change(WEB, Assigned=700 * MIB)  # a figure that moves is no event
        daemon.change(WEB, Status="low")
        event = self.next_json(process)
        self.assertEqual((event["kind"], event["oldStatus"], event["newStatus"], event["new"]),
                         ("status-changed", "ok", "low", 700 * MIB))
        daemon.guest(WEB.replace("1", "9"), "new")
        event = self.next_json(process)
        self.assertEqual((event["kind"], event["name"]), ("guest-appeared", "new"))
        daemon.tell("remove", WEB)
        event = self.next_json(process)
        self.assertEqual((event["kind"], event["name"], event["uuid"]), ("guest-vanished", "web", WEB))

    def ready(self, daemon, process):
        """Returns when process listens, with no line of it unread."""
        for _ in range(200):
            daemon.event("first", "", "", 0, 0, "", "")
            if select.select([process.stdout], [], [], 0.05)[0]:
                break
        daemon.event("last", "", "", 0, 0, "", "")
        while self.next_json(process)["kind"] != "last":
            pass

    def test_goes_on_when_the_daemon_is_started_again(self):
        daemon = self.two_guests()
        process = self.start("monitor")
        self.line(process)
        daemon.close()
        self.assertIn("dynmemd has stopped", self.line(process))
        daemon = self.two_guests()
        self.assertIn("dynmemd runs again", self.line(process))
        daemon.event("libvirt-back", "", "", 0, 0, "", "Connected to libvirt.")
        self.assertIn("Connected to libvirt.", self.line(process))

    def test_ends_when_nobody_reads(self):
        daemon = self.two_guests()
        process = self.start("monitor")
        self.line(process)
        process.stdout.close()
        daemon.event("libvirt-back", "", "", 0, 0, "", "Connected to libvirt.")
        self.assertEqual(process.wait(10), 1)
        self.assertEqual(process.stderr.read(), "")


class Ends(CtlTest):
    def test_a_full_disk_is_an_error(self):
        self.two_guests()
        with open("/dev/full", "wb") as full:
            done = subprocess.run([DM_CTL, "list"], env=self.bus.environment, stdout=full, stderr=subprocess.PIPE,
                                  check=False, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"could be written", done.stderr)

    def test_what_is_wrong_stands_behind_what_it_is_about_in_one_file(self):
        environment = dict(self.bus.environment, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent")
        done = subprocess.run([DM_CTL, "check"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout.decode().splitlines()[-1], "^dm-ctl: check: .*the lines above say what helps$")

    def test_top_into_a_pipe_ends_when_the_daemon_goes(self):
        daemon = self.two_guests()
        process = self.start("top", "--interval=0.1")
        process.stdout.readline()
        daemon.close()
        self.assertEqual(process.wait(10), 3)


class Slow(CtlTest):
    def test_a_daemon_that_does_not_answer_is_an_error_after_a_while(self):
        self.two_guests().tell("hang")
        self.assertIn("has not answered for 10 seconds", self.ctl("list", status=1))

    def test_a_daemon_that_dies_meanwhile_is_no_daemon(self):
        daemon = self.two_guests()
        daemon.tell("hang")
        process = self.start("list")
        time.sleep(0.3)
        daemon.close()
        self.assertEqual(process.wait(10), 3)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[4:])
