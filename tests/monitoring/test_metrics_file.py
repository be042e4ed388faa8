#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The metrics file is OpenMetrics and also the older text format that node_exporter reads. Both are left to parsers of
others: those of Prometheus' client library, and promtool, whose linter must have nothing to say.
"""

import shutil
import subprocess
import sys
import unittest

from common import SKIP, Samples, read

try:
    from prometheus_client import parser as text_format
    from prometheus_client.openmetrics import parser as open_metrics
except ImportError:
    print("skipped: there is no prometheus_client; install python3-prometheus-client")
    sys.exit(SKIP)


class MetricsFile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.samples = Samples().__enter__()
        cls.addClassCleanup(cls.samples.__exit__)

    def families(self, name, parser=open_metrics):
        return {family.name: family for family in parser.text_string_to_metric_families(read(self.samples.file(name)))}

    def labelled(self, name, metric):
        return self.families(name)[metric].samples[0].labels

    def test_all_are_open_metrics_with_types_and_help(self):
        self.assertGreaterEqual(len(self.samples.run), 5)
        for path in self.samples.files:
            families = self.families(path)
            self.assertGreater(len(families), 30)
            for family in families.values():
                self.assertTrue(family.samples, family.name)
                self.assertTrue(family.documentation, family.name)
                self.assertEqual(family.type, "unknown" if family.name.endswith("_total") else "gauge", family.name)

    def test_the_older_format_says_the_same(self):
        for path in self.samples.files:
            def told(parser):
                return {(sample.name, *sorted(sample.labels.items())): (float(sample.value), family.documentation)
                        for family in self.families(path, parser).values() for sample in family.samples}
            self.assertEqual(told(open_metrics), told(text_format))

    def test_promtool_has_nothing_to_say(self):
        if shutil.which("promtool") is None:
            self.skipTest("there is no promtool; install prometheus")
        for path in self.samples.files:
            done = subprocess.run(["promtool", "check", "metrics"], input=read(path), capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""), path)

    def test_guests_are_told_apart_by_domain_and_uuid(self):
        labels = self.labelled("whole.prom", "dynmem_guest_assigned_bytes")
        self.assertEqual(labels, {"domain": "web", "uuid": "6a2c0a3e-0000-4000-8000-000000000000"})
        names = [sample.labels["domain"] for sample in self.families("odd.prom")["dynmem_guest_assigned_bytes"].samples]
        self.assertEqual(names, ['a "quoted\\" name\nof two lines', "no \ufffd UTF-8, {braces}, # and €"])

    def test_the_hosts_view_and_the_guests_view_stand_side_by_side(self):
        whole = self.families("whole.prom")
        for name, mib in (("resident", 2048), ("charged", 1800), ("total", 2000), ("usable", 500), ("unused", 100), ("cache", 300)):
            self.assertEqual(whole[f"dynmem_guest_{name}_bytes"].samples[0].value, mib << 20, name)

    def test_what_a_guest_does_not_say_is_not_there(self):
        first, second = (sample.labels for sample in self.families("odd.prom")["dynmem_guest_assigned_bytes"].samples)
        usable = [sample.labels for sample in self.families("odd.prom")["dynmem_guest_usable_bytes"].samples]
        self.assertNotIn(first, usable)
        self.assertIn(second, usable)

    def test_a_host_without_guests_has_no_families_of_guests(self):
        self.assertFalse([name for name in self.families("empty.prom") if name.startswith("dynmem_guest_")])


if __name__ == "__main__":
    unittest.main()
