#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The whole way of a figure: a file of the daemon, linked into the directory of a real node_exporter as the package does it,
scraped by a real Prometheus, asked with each expression of the dashboard. Both listen on this host alone, for seconds.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from common import MONITORING, Samples, metrics_in, metrics_written, need, read

need("prometheus", "prometheus")
need("prometheus-node-exporter", "prometheus-node-exporter")

DASHBOARD = json.loads(read(os.path.join(MONITORING, "dynmem.dashboard.json")))
# names of Grafana and what the test puts in their place
VARIABLES = {"$__rate_interval": "30s", "$instance": ".*", "$domain": ".*"}
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ['{rules}']
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ['{exporter}']}}]
"""


def interrupt(number, frame):
    """Whoever ends this test early gets its processes ended all the same."""
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, interrupt)


def panels():
    for panel in DASHBOARD["panels"]:
        yield panel
        yield from panel.get("panels", [])


def expressions():
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel.get("targets", [])]


def free_address():
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{chosen.getsockname()[1]}"


class Chain:
    """node_exporter and Prometheus, and the file that they read."""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="dynmem-prometheus-")
        self.processes = []
        try:
            self.start(self.temporary.name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, directory):
        collected = os.path.join(directory, "textfiles")
        os.mkdir(collected)
        self.file = os.path.join(directory, "metrics.prom")
        os.symlink(self.file, os.path.join(collected, "dynmem.prom"))
        exporter, self.address = free_address(), free_address()
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(rules=os.path.join(MONITORING, "dynmem.rules.yml"), exporter=exporter))
        self.log = open(os.path.join(directory, "log"), "w+", encoding="utf-8")
        self.run("prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
                 f"--collector.textfile.directory={collected}", f"--web.listen-address={exporter}")
        self.run("prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
                 f"--web.listen-address={self.address}")

    def run(self, *command):
        self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log))

    def put(self, sample):
        """As the daemon does it: beside it, and renamed."""
        shutil.copy(sample, self.file + ".new")
        os.replace(self.file + ".new", self.file)

    def ask(self, path, **parameters):
        address = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is not ready yet
                raise
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def wait(self, expression, seconds=60):
        """Until it has a result."""
        end = time.monotonic() + seconds
        while True:
            try:
                result = self.query(expression)
            except OSError:
                result = []
            if result:
                return result
            if time.monotonic() > end or any(process.poll() is not None for process in self.processes):
                self.log.seek(0)
                raise AssertionError(f"no {expression} after {seconds} s\n{self.log.read()[-3000:]}")
            time.sleep(0.2)

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.log.close()
        self.temporary.cleanup()


class Dashboard(unittest.TestCase):
    def test_its_parts_fit_together(self):
        ids = [panel["id"] for panel in panels()]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual([v["name"] for v in DASHBOARD["templating"]["list"]], ["datasource", "instance", "domain"])
        for title, expression in expressions():
            self.assertIn('instance=~"$instance"', expression, title)
            if "dynmem_guest_" in expression and "sum by" not in expression:
                self.assertIn('domain=~"$domain"', expression, title)
        taken = set()
        for panel in panels():
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            for spot in ((x, y) for x in range(place["x"], place["x"] + place["w"])
                         for y in range(place["y"], place["y"] + place["h"])):
                self.assertNotIn(spot, taken, f"{panel['title']} lies on another")
                taken.add(spot)

    def test_it_shows_every_figure_that_there_is(self):
        with Samples() as samples:
            shown = metrics_in(json.dumps(DASHBOARD))
            self.assertEqual(shown - metrics_written(samples), set())
            self.assertEqual(metrics_written(samples) - shown, set())

    def test_every_query_has_an_answer_on_a_real_prometheus(self):
        with Samples() as samples, Chain() as chain:
            restarts = samples.run[-1]
            # before the guests restart, then after; two scrapes at least for what is counted per time
            chain.put(samples.run[0])
            chain.wait("count_over_time(dynmem_build_info[1m]) >= 2")
            chain.put(restarts)
            chain.wait("dynmem_restarts_total == 4")
            chain.wait("rate(dynmem_restarts_total[30s]) > 0")
            self.assertEqual(chain.query("node_textfile_scrape_error")[0]["value"][1], "0")
            for title, expression in expressions():
                for name, value in VARIABLES.items():
                    expression = expression.replace(name, value)
                self.assertNotIn("$", expression)
                self.assertTrue(chain.query(expression), f"{title}: nothing for {expression}")
            for variable in DASHBOARD["templating"]["list"][1:]:
                metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
                values = chain.ask(f"label/{label}/values", **{"match[]": metric.replace("$instance", ".*")})
                self.assertEqual(len(values), {"instance": 1, "domain": 4}[variable["name"]])
            for group in chain.ask("rules")["groups"]:
                for rule in group["rules"]:
                    self.assertEqual(rule["health"], "ok", rule)


if __name__ == "__main__":
    unittest.main()
