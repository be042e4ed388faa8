#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The alert rules are run by promtool against alerts.yml, and none of them is left out or says nothing useful."""

import os
import re
import subprocess
import unittest

from common import MONITORING, Samples, metrics_in, metrics_written, need, read

RULES = os.path.join(MONITORING, "dynmem.rules.yml")
CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "alerts.yml")

need("promtool", "prometheus")


class Alerts(unittest.TestCase):
    def setUp(self):
        self.rules = {part.split("\n", 1)[0].strip(): part for part in read(RULES).split("- alert:")[1:]}
        self.assertGreater(len(self.rules), 10)

    def promtool(self, *words):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_promtool_reads_them_all(self):
        self.assertIn(f"SUCCESS: {len(self.rules)} rules found", self.promtool("check", "rules", "--lint-fatal", RULES))

    def test_each_fires_when_it_should_and_not_before(self):
        self.assertIn("SUCCESS", self.promtool("test", "rules", CASES))

    def test_each_is_seen_to_fire(self):
        fired = re.findall(r"- \{labels: 'ALERTS\{alertname=\"(\w+)\"", read(CASES))
        self.assertEqual(set(fired), set(self.rules))

    def test_each_says_how_bad_it_is_and_what_to_do(self):
        for name, text in self.rules.items():
            self.assertRegex(text, r"severity: (critical|warning|info)\n", name)
            self.assertRegex(text, r"summary: .*\$labels\.instance", name)
            description = text.split("description: >-")[1]
            self.assertRegex(description, r"'(dm-ctl|journalctl|systemctl|virsh) ", name)

    def test_they_speak_of_metrics_that_there_are(self):
        with Samples() as samples:
            spoken_of = metrics_in(" ".join(re.findall(r"expr: (.*)", read(RULES))))
            self.assertEqual(spoken_of - metrics_written(samples), set())


if __name__ == "__main__":
    unittest.main()
