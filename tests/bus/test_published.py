#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What programs rely on, of the real daemon: its interface on the bus as data/org.dynmem1.xml has it, and its answers as
data/schema has them. Usage: test_published.py DYNMEMD DM_CTL EXPLAIN_SAMPLES."""

import json
import os
import re
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree

import schema
from test_daemon import DM_CTL, PLAIN, SMALL, WEB, Daemon, uuid

SAMPLES = sys.argv[3]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TYPES = {"s": "string", "b": "boolean", "t": "integer", "u": "integer"}


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def described(element):
    """An interface, method or the like as plain data, without the order that says nothing."""
    children = [described(child) for child in element]
    named = sorted(child for child in children if child[0] != "arg")
    return (element.tag, sorted(element.attrib.items()), [child for child in children if child[0] == "arg"] + named)


def interfaces(text):
    return {interface.get("name"): described(interface)
            for interface in ElementTree.fromstring(text.encode()).findall("interface")
            if interface.get("name").startswith("org.dynmem1.")}


class Interface(unittest.TestCase):
    maxDiff = None

    def test_the_daemon_has_it_as_the_file_says_and_nothing_else(self):
        with Daemon(guests=[WEB]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            found = {}
            for path in ("/org/dynmem1", "/org/dynmem1/guest/" + uuid(0).replace("-", "_")):
                found.update(interfaces(subprocess.run(
                    ["gdbus", "introspect", "--system", "--dest", "org.dynmem1", "--object-path", path, "--xml"],
                    env=daemon.environment, check=True, capture_output=True, text=True, timeout=30).stdout))
        self.assertEqual(found, interfaces(read("data", "org.dynmem1.xml")))


@unittest.skipIf(schema.jsonschema is None, "there is no jsonschema; install python3-jsonschema")
class Answers(unittest.TestCase):
    def test_every_verb_prints_what_its_schema_says(self):
        asked = [["list"], ["show", "web"], ["host"], ["explain", "web"], ["explain", "plain"], ["paging"], ["rate", "1GiB"],
                 ["history", "web"],
                 ["top", "--count=2", "--interval=0.1"], ["set", "web", "priority=80", "--dry-run"],
                 ["mode", "web", "static", "--dry-run"], ["unset", "web", "--dry-run"], ["manage", "--all", "--dry-run"],
                 ["retire", "--timeout=0"]]
        with Daemon(config=SMALL, guests=[WEB, PLAIN]) as daemon:
            daemon.wait(lambda: daemon.guest("web"), "web")
            for words in asked:
                with self.subTest(verb=words[0]):
                    schema.check(["--json", *words], daemon.ctl("--json", *words))
            document = json.loads(daemon.ctl("--json", "list"))
        validate = schema.validator("list")
        document["guests"][0]["new"] = 1
        self.assertIn("'new'", schema.errors(validate, document))
        del document["guests"][0]["new"], document["guests"][0]["ground"]
        self.assertIn("'ground'", schema.errors(validate, document))
        document["guests"][0].update(ground="air")
        self.assertIn("'air'", schema.errors(validate, document))

    def test_explain_says_so_too_of_starts_restarts_and_limits(self):
        scenarios = [os.path.join(ROOT, "tests", "sim", "scenarios", name + ".ini")
                     for name in ("restart-hog", "restart-two", "start-refused")]
        documents = subprocess.run([SAMPLES, *scenarios], check=True, capture_output=True, text=True, timeout=60).stdout
        seen = set()
        validate = schema.validator("explain")
        for line in documents.splitlines():
            document = json.loads(line)
            self.assertEqual(schema.errors(validate, document), "")
            seen |= {member for member in ("starting", "paging", "limit") if member in document}
            seen |= {"blockers" for member in document.get("starting", {}).get("blockers", [])}
            seen |= {"from" for member in document.get("paging", {}).get("from", [])}
        self.assertEqual(seen, {"starting", "paging", "limit", "blockers", "from"})

    def test_schemas_are_schemas(self):
        for name, each in schema.all_schemas().items():
            with self.subTest(name=name):
                schema.jsonschema.Draft202012Validator.check_schema(each)


class Schemas(unittest.TestCase):
    def objects(self, each):
        """All schemas of objects in it."""
        if isinstance(each, dict):
            if each.get("type") == "object":
                yield each
            each = list(each.values())
        if isinstance(each, list):
            for value in each:
                yield from self.objects(value)

    def test_there_is_one_for_each_verb(self):
        verbs = re.findall(r"^  ([a-z]+) ", subprocess.run([DM_CTL, "--help"], check=True, capture_output=True,
                                                           text=True).stdout.split("Options")[0], re.MULTILINE)
        self.assertEqual(sorted(schema.all_schemas()), sorted(set(verbs) - {"hook"}))  # which prints nothing

    def test_they_leave_nothing_open_and_say_what_each_member_means(self):
        for name, each in schema.all_schemas().items():
            for found in self.objects(each):
                self.assertIn("additionalProperties", found, name)
                self.assertIsNot(found["additionalProperties"], True, name)
                for member, value in found.get("properties", {}).items():
                    self.assertRegex(member, r"^[a-z][A-Za-z]*$", name)
                    self.assertTrue({"description", "$ref"} & set(value), f"{name}: {member}")

    def test_properties_are_those_of_the_bus_in_the_same_words(self):
        text = read("data", "org.dynmem1.xml")
        for name, interface in (("show", "org.dynmem1.Guest"), ("host", "org.dynmem1.Manager")):
            part = text[text.index(f'<interface name="{interface}"'):]
            part = part[:part.index("</interface>")]
            said = {}
            for comment, member, kind in re.findall(r'<!-- \w+: (.*?)-->\s*<property name="(\w+)" type="(\w)"', part, re.DOTALL):
                meaning = re.sub(r" Moves\.$", "", " ".join(comment.split("-->")[-1].split()))
                said[member[0].lower() + member[1:]] = (TYPES[kind], meaning)
            properties = schema.load(name)["properties"]
            self.assertEqual({member: (value["type"], value["description"]) for member, value in properties.items()}, said)

    def members(self, each):
        return {member for found in self.objects(each) for member in found.get("properties", {})}

    def test_every_member_is_in_the_documentation(self):
        text = read("data", "org.dynmem1.xml")
        for method, verb in (("Explain", "explain"), ("Rate", "rate"), ("PreviewGuest", "set")):
            comment = text[text.index(f" {method}:\n"):].split("-->")[0]
            found = self.members(schema.load(verb)) - self.members(schema.load("host")) - {"done"}
            self.assertEqual({member for member in found if not re.search(rf"\b{member}\b", comment)}, set(), method)
        manual = read("man", "dm-ctl.1")
        manual = manual[manual.index(".SH JSON"):manual.index(".SH EXIT")] + read("man", "dm-ctl-simulate.1").replace("\\(dq", " ")
        for verb in ("check", "history", "list", "manage", "monitor", "paging", "simulate", "start"):
            found = self.members(schema.load(verb)) | {"done"}
            self.assertEqual({member for member in found if not re.search(rf"\b{member}\b", manual)}, set(), verb)

    def test_words_are_those_of_the_code(self):
        names = read("src", "base", "names.c")

        def words(function):
            return re.findall(r'\] = \{?"([a-z-]+)"', re.search(rf"\n{function}\(.*?\n\}}\n", names, re.DOTALL).group())

        properties = schema.load("show")["properties"]
        host = schema.load("host")["properties"]
        explain = schema.load("explain")["properties"]
        starting = explain["starting"]["properties"]
        for found, function in ((properties["state"], "guest_state_name"), (properties["status"], "guest_status_name"),
                                (properties["mode"], "guest_mode_name"), (properties["ground"], "ledger_ground_name"),
                                (properties["restart"], "restart_kind_name"), (host["link"], "world_link_name"),
                                (host["budgetLimit"], "budget_limit_name"), (explain["stage"], "plan_stage_name"),
                                (starting["kind"], "start_kind_name"), (starting["verdict"], "start_verdict_name")):
            self.assertEqual(sorted(found["enum"]), sorted(words(function)))
        self.assertEqual(sorted(properties["pagingState"]["enum"]), sorted(words("paging_phase_name") + ["overdue"]))
        self.assertEqual(sorted(properties["rule"]["enum"]),
                         sorted(re.findall(r'\[PLAN_RULE_\w+\] = \{"([a-z-]+)"', names)))


if __name__ == "__main__":
    unittest.main(argv=["test_published.py"], verbosity=2)
