#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `dm-ctl simulate` prints: the JSON document to the letter, the drawing, the picture, and refusals."""

import json
import os
import re
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

import schema

DM_CTL = os.environ["DM_CTL"]
SCENARIOS = os.environ["SIM_SCENARIOS"]
SAMPLE_KEYS = ["t", "guest", "need", "demand", "want", "assigned", "target", "committed", "state", "reason"]
SUMMARY_KEYS = ["unmetGiBs", "targetChanges", "overBudgetTicks", "pagingSeconds", "refused"]
GIB = 1 << 30
MIB = 1 << 20

PLAN = """\
[host]
memory=32GiB
reserve=2GiB
seconds=120
seed=1
[guest web]
minimum=1GiB
startup=1GiB
maximum=8GiB
demand=0:1200MiB 60:6100MiB
[guest "odd" <name> & more ü]
maximum=2GiB
demand=0:512MiB
noise=50MiB
behaviour=start@30,stop@90
"""


def run(*arguments, status=0):
    """The standard output of dm-ctl, or its messages where it is to fail."""
    done = subprocess.run([DM_CTL, *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
    assert done.returncode == status, (done.returncode, done.stderr)
    return schema.check(arguments, done.stdout) if status == 0 else done.stderr


class Outputs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.plan = os.path.join(self.folder.name, "plan.ini")
        with open(self.plan, "w", encoding="utf-8") as file:
            file.write(PLAN)

    def document(self, *arguments):
        return json.loads(run("--json", "simulate", *arguments, self.plan))

    def test_the_document_has_the_members_and_no_others(self):
        document = self.document()
        self.assertEqual(list(document), ["samples", "summary"])
        self.assertEqual(list(document["summary"]), SUMMARY_KEYS)
        self.assertEqual(len(document["samples"]), 2 * 120)
        for sample in document["samples"]:
            self.assertEqual(list(sample), SAMPLE_KEYS)
            for key in SAMPLE_KEYS:
                self.assertIsInstance(sample[key], str if key in ("guest", "state", "reason") else int)
        for key in ("unmetGiBs", "targetChanges", "pagingSeconds"):
            self.assertEqual(list(document["summary"][key]), ["web", '"odd" <name> & more ü'])
        self.assertEqual(document["summary"]["overBudgetTicks"], 0)
        self.assertEqual(document["summary"]["refused"], [])

    def test_samples_are_in_bytes_by_second_after_the_guests_moved(self):
        web = [sample for sample in self.document()["samples"] if sample["guest"] == "web"]
        self.assertEqual([sample["t"] for sample in web], list(range(120)))
        self.assertEqual(web[59]["need"], 1200 * MIB)
        self.assertEqual(web[60]["need"], 6100 * MIB)
        self.assertGreater(web[60]["assigned"], web[59]["assigned"])
        self.assertLessEqual(web[60]["assigned"] - web[59]["assigned"], 800 * MIB)
        self.assertGreaterEqual(web[65]["assigned"], 6100 * MIB)
        for sample in web:
            self.assertTrue(GIB <= sample["target"] <= 8 * GIB, sample)
            self.assertLessEqual(sample["assigned"], sample["committed"])

    def test_the_summary_follows_from_the_samples(self):
        document = self.document()
        for guest, unmet in document["summary"]["unmetGiBs"].items():
            summed = sum(max(0, sample["need"] - sample["assigned"])
                         for sample in document["samples"] if sample["guest"] == guest) / GIB
            self.assertAlmostEqual(unmet, summed, delta=0.002)

    def test_a_guest_that_is_off_needs_and_has_nothing(self):
        for sample in self.document()["samples"]:
            if sample["guest"] != "web" and not 30 <= sample["t"] < 90:
                self.assertEqual(sample["state"], "off")
                for key in ("need", "assigned", "committed"):
                    self.assertEqual(sample[key], 0)

    def test_every_thins_the_samples_and_not_the_summary(self):
        all_of_it, thin = self.document(), self.document("--every", "7")
        self.assertEqual(thin["samples"], [sample for sample in all_of_it["samples"] if sample["t"] % 7 == 0])
        self.assertEqual(thin["summary"], all_of_it["summary"])

    def test_the_same_file_is_the_same_run_and_another_seed_is_not(self):
        first = run("--json", "simulate", self.plan)
        self.assertEqual(run("--json", "simulate", self.plan), first)
        with open(self.plan, "w", encoding="utf-8") as file:
            file.write(PLAN.replace("seed=1", "seed=2"))
        self.assertNotEqual(run("--json", "simulate", self.plan), first)

    def test_the_drawing_fits_and_is_plain_in_a_pipe(self):
        for locale in ("C.UTF-8", "C"):
            text = subprocess.run([DM_CTL, "simulate", self.plan], capture_output=True, timeout=60, check=True,
                                  env={**os.environ, "LC_ALL": locale}).stdout.decode("utf-8")
            self.assertNotIn("\x1b", text)
            for line in text.splitlines():
                self.assertLessEqual(len(line), 110 if line.startswith('"odd"') else 80, line)
            for word in ("host:", "web: minimum 1", "needed and there", "unmet GiB s"):
                self.assertIn(word, text)
            if locale == "C":
                self.assertTrue(text.replace("ü", "").isascii())

    def test_the_picture_is_xml_with_a_panel_for_each_guest(self):
        picture = os.path.join(self.folder.name, "plan.svg")
        run("simulate", "--svg", picture, self.plan)
        root = ElementTree.parse(picture).getroot()
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        for text in ("Simulation of plan.ini", "web", '"odd" <name> & more ü', "minimum 1 GiB", "maximum 8 GiB", "demand",
                     "want", "budget of the host", "time, minutes:seconds"):
            self.assertIn(text, texts)
        for path in root.iter("{http://www.w3.org/2000/svg}path"):
            self.assertRegex(path.get("d"), r"^[MLZh0-9. -]+$")

    def test_every_scenario_can_be_drawn(self):
        picture = os.path.join(self.folder.name, "any.svg")
        for name in sorted(os.listdir(SCENARIOS)):
            run("simulate", "--svg", picture, os.path.join(SCENARIOS, name))
            ElementTree.parse(picture)

    def test_refusals_say_where_and_what(self):
        with open(self.plan, "a", encoding="utf-8") as file:
            file.write("colour=red\n")
        self.assertRegex(run("simulate", self.plan, status=1), re.escape(self.plan) + r':\d+: "colour" is no key')
        self.assertIn("/nonexistent", run("simulate", "/nonexistent", status=1))
        self.assertIn("FILE", run("simulate", status=2))
        self.assertIn("--every", run("simulate", "--every=0", self.plan, status=2))

    def test_a_picture_that_can_t_be_written_is_said(self):
        self.assertIn("/nonexistent/x.svg", run("simulate", "--svg=/nonexistent/x.svg", self.plan, status=1))

    def test_the_picture_is_written_also_where_nobody_reads_the_text(self):
        for words in ((), ("--json",)):
            picture = os.path.join(self.folder.name, "run%d.svg" % len(words))
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run([DM_CTL, *words, "simulate", "--svg=" + picture, self.plan], stdout=writer,
                                  stderr=subprocess.PIPE, timeout=60, check=False)
            os.close(writer)
            self.assertEqual((done.returncode, done.stderr), (1, b""))
            self.assertTrue(ElementTree.parse(picture).getroot().tag.endswith("svg"))

    def test_one_second_and_no_guest_are_enough(self):
        with open(self.plan, "w", encoding="utf-8") as file:
            file.write("[host]\nmemory=1GiB\nseconds=1\n")
        self.assertEqual(json.loads(run("--json", "simulate", self.plan))["samples"], [])
        run("simulate", "--svg", os.path.join(self.folder.name, "none.svg"), self.plan)


if __name__ == "__main__":
    unittest.main()
