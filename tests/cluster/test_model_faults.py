#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random clusters catch what the measured hazards would do: each switch breaks a rule, and a seed that shows it."""

import os
import subprocess
import unittest

# bit of src/cluster/faults.h, or what the model itself does wrong -> a seed, and what must be said
CAUGHT = [
    ("0", 4, "has booked nothing"),
    ("1", 1, "has a score of -"),
    ("2", 4, "less capacity than runs there"),
    ("3", 63, "at once"),
    ("11", 2, "withdrawn its wish before"),
    ("12", 4, "nobody follows it"),
    ("dead", 82, "daemon that is gone"),
]


class Faults(unittest.TestCase):
    def run_model(self, fault, seed):
        environment = dict(os.environ)
        if fault is not None:
            environment["CLUSTER_BREAK"] = fault
        return subprocess.run([os.environ["CLUSTER_MODEL"], str(seed), "1", "12"], capture_output=True, text=True,
                              env=environment, timeout=120, check=False)

    def test_each_hazard_is_seen(self):
        for fault, seed, words in CAUGHT:
            with self.subTest(fault=fault):
                done = self.run_model(fault, seed)
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stdout)

    def test_the_same_seeds_are_good_without(self):
        for seed in sorted({seed for _, seed, _ in CAUGHT}):
            self.assertEqual(self.run_model(None, seed).returncode, 0, seed)


if __name__ == "__main__":
    unittest.main()
