#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dm-ctl history against a stand-in for the daemon, and the example of the manual page, which is what it prints."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

import schema
from fake_bus import GIB, MIB, BusTest, FakeDaemon

DM_CTL, FAKE, XML, MANUAL = sys.argv[1:5]

WEB = "11111111-2222-3333-4444-555555555555"
DB = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
SECOND = 1000000
HOUR = 3600 * SECOND
# 2026-11-28 21:00 UTC
START = 1795899600 * SECOND

RULES = {"satisfied": "it has all it wants", "shortage": "the budget did not suffice and is shared by priority",
         "wait-surplus": "the surplus has not lasted long enough to be taken back",
         "paging": "it restarts with a part of its startup memory in a paging file"}
EVENTS = [
    (1230, "status-warning", False, "Guest web lacks memory: it needs 5 GiB and has 2.2 GiB; the budget did not suffice and is "
                                    "shared by priority: it wants 6 GiB, its share with priority 80 is 4 GiB."),
    (2110, "status-ok", False, "Guest web has the memory that it needs again: 6 GiB."),
    (3240, "guest-reset", False, "Guest web was reset: its balloon is void until its driver is back, 640 MiB are booked for it."),
    (3245, "paging-started", False, "Guest web restarts with a paging file: it was reset; of the 1 GiB that it needs to boot 384 MiB "
                                    "could not be found in time. The file of 512 MiB is in /var/lib/dynmem/paging."),
    (3360, "paging-ended", False, "The paging file of guest web is gone: of its 512 MiB at most 380 MiB were used, and it was there "
                                  "for 1 min 55 s."),
]


def course():
    """An hour in points of ten seconds: need and shortage, plenty, a restart on a full host."""
    for second in range(0, 3600, 10):
        point = {"demand": 1200 * MIB, "assigned": 1500 * MIB, "rule": "satisfied"}
        if 1200 <= second < 2100:
            assigned = min(1500 * MIB + (second - 1200) * 25 * MIB, 4 * GIB)
            point = {"demand": 5 * GIB, "assigned": assigned, "rule": "shortage", "status": "warning"}
        elif 2100 <= second < 2700:
            point = {"demand": 5 * GIB, "assigned": 6 * GIB, "rule": "satisfied"}
        elif 2700 <= second < 3000:
            point = {"demand": 1400 * MIB, "assigned": 6 * GIB, "rule": "wait-surplus"}
        elif 3240 <= second < 3360:
            point = {"demand": 900 * MIB, "assigned": GIB, "rule": "paging", "state": "paging", "paged": 380 * MIB}
        yield {"time": START + second * SECOND, "length": 10 * SECOND, "state": "active", "status": "ok", "paged": 0,
               "demandMost": point["demand"], "want": point["demand"] * 6 // 5, "targetChanges": 0,
               "lacked": max(0, point["demand"] - point["assigned"]), **point}


def reply(points, events=(), name="web", uuid=WEB, since=START, until=START + HOUR):
    """What History answers, as GVariant's text."""
    text = FakeDaemon.value

    def figures(key):
        return "<@at [%s]>" % ", ".join(str(point[key]) for point in points)

    def words(key):
        return "<@as [%s]>" % ", ".join(text(point[key]) for point in points)

    members = {"Name": "<%s>" % text(name), "Uuid": "<%s>" % text(uuid), "Since": "<uint64 %d>" % since,
               "Until": "<uint64 %d>" % until, "Began": "<uint64 %d>" % START,
               "Rules": "<@a{ss} {%s}>" % ", ".join("%s: %s" % (text(rule), text(what)) for rule, what in RULES.items()),
               "Events": "<@a(tsbtts) [%s]>" % ", ".join(
                   "(%d, %s, %s, 0, 0, %s)" % (START + second * SECOND, text(kind), str(host).lower(), text(message))
                   for second, kind, host, message in events)}
    for key in ("time", "length", "assigned", "demand", "demandMost", "want", "lacked", "paged", "targetChanges"):
        members[key[0].upper() + key[1:]] = figures(key)
    for key in ("state", "status", "rule"):
        members[key[0].upper() + key[1:]] = words(key)
    return "({%s},)" % ", ".join('"%s": %s' % member for member in members.items())


class HistoryTest(BusTest):
    def setUp(self):
        self.daemon = FakeDaemon(FAKE, XML, self.bus.environment)
        self.addCleanup(self.daemon.close)
        self.daemon.guest(WEB, "web", Maximum=8 * GIB, Priority=80)
        self.daemon.guest(DB, "db")
        self.will(list(course()), EVENTS)

    def will(self, points, events=(), **more):
        self.daemon.answer("History", reply(points, events, **more))

    def ctl(self, *arguments, status=0, **environment):
        done = subprocess.run([DM_CTL, *arguments], env=dict(self.bus.environment, TZ="UTC", **environment),
                              capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, status, done.stdout.decode() + done.stderr.decode())
        return done.stderr.decode() if status else schema.check(arguments, done.stdout.decode())

    def asked(self):
        """The seconds of the last question."""
        return int(re.search(r", (\d+)\)$", self.daemon.last("History")).group(1))


class Text(HistoryTest):
    def test_the_example_of_the_manual_is_what_it_prints(self):
        with open(MANUAL, encoding="utf-8") as page:
            example = re.search(r"dm\\-ctl history web\\fP\n(.*?)\n\.EE", page.read(), re.DOTALL).group(1)
        unescaped = re.sub(r"\\\[u([0-9A-F]{4})\]", lambda match: chr(int(match.group(1), 16)), example)
        unescaped = unescaped.replace("\\&", "").replace("\\-", "-").replace("\\(bu", "*")
        self.assertEqual(unescaped + "\n", self.ctl("history", "web", COLUMNS="80"))

    def test_it_fits_and_tells_what_happened_in_order(self):
        shown = self.ctl("history", "web")
        lines = shown.splitlines()
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertTrue(lines[0].startswith("web, 2026-11-28 21:00 to 22:00; "))
        times = re.findall(r"^(\d\d:\d\d:\d\d)  \S", shown, re.MULTILINE)
        self.assertEqual(times, sorted(times))
        flat = " ".join(shown.split())
        for text in ("active, warning: has", "lacked up to 3.5 GiB", "the budget did not suffice", "21:54:05 * Guest web restarts with a paging"):
            self.assertIn(text, flat)
        for mark in "█▒!░":
            self.assertIn(mark, shown)
        self.assertNotIn("░", self.ctl("--no-legend", "history", "web").split("21:00:00")[2])
        self.assertTrue(self.ctl("history", "web", LC_ALL="C").isascii())

    def test_time_in_which_nobody_knows_what_it_needs_is_in_no_mean(self):
        points = list(course())[:100]
        for i, point in enumerate(points):
            known = i % 2 == 0
            point.update(rule="satisfied", status="ok", lacked=0, assigned=1500 * MIB, demand=known * GIB, demandMost=known * GIB,
                         want=known * 1280 * MIB)
        self.will(points)
        self.assertIn("has 1.5 GiB, needs up to 1 GiB, wants 1.3 GiB;", " ".join(self.ctl("history", "web").split()))

    def test_of_a_restless_day_no_more_than_fits_on_a_page_is_told_and_the_worst_of_it(self):
        points = list(course())
        for i, point in enumerate(points):
            point.update(rule=["satisfied", "wait-surplus"][i % 2], status="ok", lacked=0)
        points[100].update(rule="shortage", status="warning")
        self.will(points)
        lines = self.ctl("history", "web", "--no-legend").splitlines()
        told = [line for line in lines if re.match(r"\d\d:\d\d:\d\d  (active|paging)", line)]
        self.assertLessEqual(len(told), 24)
        self.assertEqual([line[:8] for line in told if "warning" in line], ["21:16:40"])

    def test_a_stretch_that_was_not_looked_at_stays_empty(self):
        points = [point for point in course() if not 600 * SECOND <= point["time"] - START < 3000 * SECOND]
        self.will(points)
        row = self.ctl("history", "web").splitlines()[8]
        self.assertRegex(row, r"┤[█▒]+ {30,}[█▒░]+$")

    def test_without_points_that_is_said(self):
        self.will([])
        self.assertIn("web: nothing is known of it since 2026-11-28 21:00", self.ctl("history", "web"))
        self.assertEqual(json.loads(self.ctl("--json", "history", "web"))["points"], [])

    def test_texts_of_others_do_not_steer_the_terminal(self):
        points = [dict(point, state="\x1b[2J") for point in course()]
        self.will(points, [(10, "x", False, "\x1b]0;title\x07 gone")], name="w\x1b[1m")
        self.assertNotIn("\x1b", self.ctl("history", "web"))

    def test_lengths_that_make_no_sense_are_no_harm(self):
        points = list(course())
        for key, value in (("length", 0), ("length", 2 ** 64 - 1), ("time", 0), ("time", 2 ** 64 - 1), ("assigned", 2 ** 64 - 1)):
            self.will([dict(point, **{key: value}) for point in points])
            self.ctl("history", "web")
        self.will(points, until=0)
        self.ctl("history", "web")


class Json(HistoryTest):
    def test_points_and_events_are_objects(self):
        document = json.loads(self.ctl("--json", "history", "web"))
        self.assertEqual(list(document), ["name", "uuid", "since", "until", "began", "points", "events"])
        self.assertEqual((document["name"], document["uuid"], document["since"]), ("web", WEB, START))
        self.assertEqual(document["points"], [dict(point, reason=RULES[point["rule"]]) for point in course()])
        self.assertEqual(document["events"][0], {"time": START + 1230 * SECOND, "kind": "status-warning", "host": False, "old": 0,
                                                 "new": 0, "message": EVENTS[0][3]})


class Asking(HistoryTest):
    def test_how_far_back(self):
        for text, seconds in ((None, 3600), ("90s", 90), ("15min", 900), ("15m", 900), ("2h", 7200), ("1d", 86400)):
            self.ctl("history", "web", *([] if text is None else ["--since=" + text]))
            self.assertEqual(self.asked(), seconds)
        self.ctl("history", "web", "--since=22:00")
        self.assertTrue(0 < self.asked() <= 86400)

    def test_what_is_no_time_is_wrong_usage(self):
        for text in ("", "0h", "2", "h", "-1h", "2 h", "24:00", "1:5", "99999999999999999999d", "yesterday"):
            self.assertIn("that is no time", self.ctl("history", "web", "--since=" + text, status=2))
        self.assertIsNone(self.daemon.last("History"))

    def test_a_beginning_of_a_name_does(self):
        self.ctl("history", "w")
        self.assertIn(WEB, self.daemon.last("History"))

    def test_a_guest_that_is_gone_is_asked_for_as_it_is_named(self):
        self.will(list(course()), name="gone")
        self.assertIn("gone, 2026-11-28 21:00 to 22:00; it is gone\n", self.ctl("history", "gone"))
        self.assertIn("'gone'", self.daemon.last("History"))


class Picture(HistoryTest):
    def test_it_is_xml_with_a_mark_for_each_event(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "web.svg")
            self.ctl("history", "web", "--svg=" + path)
            root = ElementTree.parse(path).getroot()
            space = "{http://www.w3.org/2000/svg}"
            self.assertEqual([title.text for title in root.iter(space + "title")], [event[3] for event in EVENTS])
            texts = [text.text for text in root.iter(space + "text")]
            for text in ("21:00", "21:30", "22:00", "time of day", "maximum 8 GiB", "minimum 512 MiB"):
                self.assertIn(text, texts)
            self.will([])
            self.ctl("history", "web", "--svg=" + path)
            ElementTree.parse(path)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[5:])
