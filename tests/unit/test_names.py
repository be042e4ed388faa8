#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Published names stand in several files: include/names.h, what is installed from data/, the code and the manual. This
test holds them against one another, so that none is forgotten when one is changed.
"""

import os
import re
import unittest
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def defines(prefix):
    """Name without prefix -> value, of the strings in names.h."""
    return dict(re.findall(rf'^#define {prefix}(\w+) "([^"]*)"', read("include/names.h"), re.MULTILINE))


NAMES = defines("DYNMEM_")
MESSAGES = defines("DYNMEM_MESSAGE_")
FIELDS = set(defines("DYNMEM_FIELD_").values())


def manual(page):
    """The words of a manual page, without the macros' escapes."""
    return read(f"man/{page}").replace("\\-", "-").replace("\\~", " ")


def catalog():
    """Message id -> (headers, body)."""
    entries = {}
    for part in re.split(r"^-- ", read("data/dynmem.catalog"), flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n\n")
        lines = head.splitlines()
        assert lines[0] not in entries, f"{lines[0]} has two entries"
        entries[lines[0]] = (dict(line.split(": ", 1) for line in lines[1:]), body.strip())
    return entries


class Interface:
    """One interface of the XML, and the comments that document it."""

    def __init__(self, element, text):
        self.name = element.get("name")
        self.properties = {p.get("name"): p.get("type") for p in element.findall("property")}
        self.methods = {m.get("name"): m.findall("arg") for m in element.findall("method")}
        self.signals = {s.get("name"): s.findall("arg") for s in element.findall("signal")}
        start = text.index(f'<interface name="{self.name}"')
        self.comments = re.findall(r"<!--(.*?)-->", text[start:text.index("</interface>", start)], re.DOTALL)

    def comment(self, name):
        """Of a property: it begins on the line of the name, that of a method, which may have the same name, below it."""
        return self.only_one(name, f"{name}: ")

    def comment_of_call(self, name):
        return self.only_one(name, f"{name}:\n")

    def only_one(self, name, begin):
        found = [comment for comment in self.comments if comment.strip().startswith(begin)]
        assert len(found) == 1, f"{self.name}.{name} is documented {len(found)} times"
        return found[0]


def interfaces():
    text = read("data/org.dynmem1.xml")
    return {element.get("name"): Interface(element, text)
            for element in ElementTree.fromstring(text.encode()).findall("interface")}


class Messages(unittest.TestCase):
    def test_ids_are_unique_and_well_formed(self):
        self.assertEqual(len(set(MESSAGES.values())), len(MESSAGES))
        for name, identity in MESSAGES.items():
            self.assertRegex(identity, r"^[0-9a-f]{32}$", name)

    def test_each_id_has_a_catalog_entry_and_no_other_has(self):
        self.assertEqual(set(catalog()), set(MESSAGES.values()))

    def test_entries_are_complete_and_use_fields_that_are_sent(self):
        for identity, (headers, body) in catalog().items():
            self.assertEqual(set(headers), {"Subject", "Defined-By", "Documentation"}, identity)
            self.assertTrue(body, identity)
            for field in re.findall(r"@(\w+)@", headers["Subject"] + body):
                self.assertIn(field, FIELDS, identity)

    def test_each_id_belongs_to_one_kind_of_change(self):
        used = re.findall(r"DYNMEM_MESSAGE_(\w+)", read("src/report/change.c"))
        self.assertEqual(sorted(used), sorted(MESSAGES))

    def test_fields_are_sent_and_in_the_manual(self):
        journal = read("src/report/journal.c")
        for name, field in defines("DYNMEM_FIELD_").items():
            self.assertIn(f"DYNMEM_FIELD_{name}", journal)
            self.assertIn(field, manual("dynmem.7"))

    def test_kinds_are_in_the_manual(self):
        kinds = re.findall(r'^\s*\[CHANGE_\w+\] =\s*\{"([a-z-]+)"', read("src/report/change.c"), re.MULTILINE)
        self.assertEqual(len(kinds), len(MESSAGES))
        for kind in kinds:
            self.assertRegex(manual("org.dynmem1.5"), rf"\.IR {kind} [,.]")


class Bus(unittest.TestCase):
    def test_interfaces_have_their_names(self):
        self.assertEqual(set(interfaces()), {value for name, value in NAMES.items() if name.startswith("BUS_INTERFACE_")})
        root = ElementTree.fromstring(read("data/org.dynmem1.xml").encode())
        self.assertEqual(root.get("name"), NAMES["BUS_PATH"])
        self.assertTrue(NAMES["BUS_GUEST_PREFIX"].startswith(NAMES["BUS_PATH"] + "/"))

    def test_everything_is_documented_in_the_xml(self):
        for interface in interfaces().values():
            for name in interface.properties:
                self.assertGreater(len(interface.comment(name).split()), 4, name)
            for name, arguments in list(interface.methods.items()) + list(interface.signals.items()):
                comment = interface.comment_of_call(name)
                for argument in arguments:
                    self.assertIn(f"@{argument.get('name')}: ", comment, name)

    def test_numbers_have_units(self):
        for interface in interfaces().values():
            for name, kind in interface.properties.items():
                if kind == "t":
                    self.assertRegex(interface.comment(name), r"in (bytes|microseconds)\b|Completed ticks", name)
            for name, arguments in list(interface.methods.items()) + list(interface.signals.items()):
                for argument in arguments:
                    if argument.get("type") == "t":
                        self.assertRegex(interface.comment_of_call(name),
                                         rf"@{argument.get('name')}: [^@]*\b(bytes|microseconds|seconds)\b", name)

    def test_methods_say_who_may_call_them_and_how_they_fail(self):
        for interface in interfaces().values():
            for name in interface.methods:
                comment = " ".join(interface.comment_of_call(name).split())
                self.assertRegex(comment, r"Asks polkit for org\.dynmem1\.manage|Open to everybody\.|Only root may call it", name)
                said = re.search(r"Fails (?:with ((?:[^.]|\.(?! |$))+)|as (\w+) does)", comment)
                self.assertTrue(said, name)
                self.assertTrue(said[1] or said[2] in interface.methods, name)

    def test_everything_is_in_the_manual_with_its_type(self):
        text = manual("org.dynmem1.5")
        for interface in interfaces().values():
            for name, kind in interface.properties.items():
                self.assertRegex(text, rf'\b{name} "(, )? ?{kind}\b', name)
            for name, arguments in list(interface.methods.items()) + list(interface.signals.items()):
                line = next((line for line in text.splitlines() if line.startswith(f".BR {name} (")), "")
                words = re.findall(r"(?<!\w)(\w(?:{sv}|\(ss\))?) +(\w+)", line.split("(", 1)[-1])
                self.assertEqual(words, [(a.get("type"), a.get("name")) for a in arguments], name)

    def test_properties_that_move_are_marked_in_the_manual(self):
        chapters = dict(part.split("\n", 1) for part in manual("org.dynmem1.5").split("\n.SH ")[1:])
        for interface, chapter in (("Manager", "THE MANAGER"), ("Guest", "GUESTS"), ("Cluster", "THE CLUSTER")):
            interface, text = interfaces()["org.dynmem1." + interface], chapters[chapter]
            for name, kind in interface.properties.items():
                marked = interface.comment(name).strip().endswith("Moves.")
                self.assertEqual(bool(re.search(rf'\b{name} " ?{kind} \*', text)), marked, name)

    def test_errors_are_documented(self):
        for error in defines("DYNMEM_BUS_ERROR_").values():
            self.assertTrue(error.startswith(NAMES["BUS_NAME"] + ".Error."))
            self.assertIn(error, read("data/org.dynmem1.xml"))
            self.assertIn(error, manual("org.dynmem1.5"))

    def test_states_and_rules_are_in_the_manual(self):
        names = read("src/base/names.c")
        text = manual("org.dynmem1.5")
        for state in re.findall(r'\[GUEST_STATE_\w+\] = "([a-z-]+)"', names):
            self.assertRegex(text, rf"\b{state}\b")
        rules = re.findall(r'\[PLAN_RULE_\w+\] = \{"([a-z-]+)"', names)
        section = text[text.index(".SH RULES"):text.index(".SH ERRORS")]
        self.assertEqual(sorted(re.findall(r"^\.IR ([a-z-]+) [,.]$", section, re.MULTILINE)), sorted(rules))

    def test_the_bus_policy_lets_root_own_and_everybody_read(self):
        policies = ElementTree.fromstring(read("data/org.dynmem1.conf").encode()).findall("policy")
        owners = [(p.get("user"), a.get("own")) for p in policies for a in p.findall("allow") if a.get("own")]
        self.assertEqual(owners, [("root", NAMES["BUS_NAME"])])
        default = next(p for p in policies if p.get("context") == "default")
        allowed = {a.get("send_interface") for a in default.findall("allow")
                   if a.get("send_destination") == NAMES["BUS_NAME"]}
        self.assertGreaterEqual(allowed, set(interfaces()) | {"org.freedesktop.DBus.Properties",
                                                              "org.freedesktop.DBus.ObjectManager"})

    def test_the_bus_lets_root_alone_send_what_is_not_counted(self):
        policies = ElementTree.fromstring(read("data/org.dynmem1.conf").encode()).findall("policy")
        default = next(p for p in policies if p.get("context") == "default")
        denied = {(d.get("send_interface"), d.get("send_member")) for d in default.findall("deny")
                  if d.get("send_destination") == NAMES["BUS_NAME"]}
        free = {(NAMES["BUS_" + interface], member) for interface, member in
                re.findall(r'\{DYNMEM_BUS_(INTERFACE_\w+), "(\w+)", 0\}', read("src/report/bus_limit.c"))}
        self.assertEqual(denied, free)
        self.assertEqual(len(free), 3)
        # the last rule that matches counts
        rules = [rule.tag for rule in default if rule.get("send_interface", "").startswith(NAMES["BUS_NAME"])]
        self.assertEqual(rules, sorted(rules))
        root = {a.get("send_interface") for p in policies if p.get("user") == "root" for a in p.findall("allow")}
        self.assertGreaterEqual(root, {interface for interface, member in free})

    def test_the_polkit_action_is_the_one_that_is_asked_for(self):
        actions = ElementTree.fromstring(read("data/org.dynmem1.policy").encode()).findall("action")
        self.assertEqual([action.get("id") for action in actions], [NAMES["POLKIT_MANAGE"]])
        self.assertIn(NAMES["POLKIT_MANAGE"], manual("org.dynmem1.5"))


class Settings(unittest.TestCase):
    def test_when_they_take_effect_is_in_the_manual(self):
        code = read("src/base/settings_change.c")
        texts = dict(re.findall(r'#define (EFFECT_\w+) "([^"]*)"', code))
        names = dict(re.findall(r'\[(ELEMENT_\w+)\] = "([a-z-]+)"', code))
        effects = {names[attribute]: texts[effect]
                   for attribute, effect in re.findall(r"\[(ELEMENT_\w+)\] = (EFFECT_\w+)", code)}
        self.assertEqual(set(effects), set(names.values()))
        section = manual("dynmem.7").split("From when on another value counts", 1)[1].split("\n.PP", 1)[0]
        said = re.findall(r"^\.TP\n\.I ([a-z-]+)\n([^;\n]*)", section, re.MULTILINE)
        self.assertEqual(dict(said), effects)

    def test_names_are_in_the_manuals(self):
        names = re.findall(r'\[ELEMENT_\w+\] = "([a-z-]+)"', read("src/base/settings_change.c"))
        for page in ("dynmem.7", "dm-ctl.1", "org.dynmem1.5"):
            for name in names:
                self.assertRegex(manual(page), rf"(?m)^\.\w+ {name}\b", page)
        for name in names:
            self.assertIn(f'"{name}"', read("data/org.dynmem1.xml"))


class Guides(unittest.TestCase):
    PAGES = ("dynmem-guide.7", "dynmem-troubleshooting.7")

    def test_pages_refer_to_pages_that_there_are(self):
        for page in os.listdir(os.path.join(ROOT, "man")):
            references = re.findall(r"^\.BR ((?:dynmem|dm-ctl|org\.dynmem)[\w.-]*) \((\d)\)", manual(page), re.MULTILINE)
            for name, section in references:
                self.assertTrue(os.path.exists(os.path.join(ROOT, "man", f"{name}.{section}")), f"{page}: {name}({section})")
            self.assertTrue(references or page == "meson.build", page)

    def test_keys_are_those_of_the_configuration(self):
        for page in self.PAGES:
            for key in re.findall(r"\b([A-Z][A-Za-z]+)=", re.sub(r"-XX:\w+=", "", manual(page))):
                self.assertIn(f"{key}=", manual("dynmemd.conf.5"), page)

    def test_rules_and_phases_of_symptoms_are_there(self):
        names = read("src/base/names.c")
        rules = re.findall(r'\[PLAN_RULE_\w+\] = \{"([a-z-]+)"', names)
        phases = re.findall(r'\[PAGING_PHASE_\w+\] = "([a-z-]+)"', names)
        sections = dict(re.findall(r"^\.SS (.*)\n((?:(?!\.S[SH]).*\n)*)", manual("dynmem-troubleshooting.7"), re.MULTILINE))
        for symptom, known in (("A guest stays at its size", rules), ("A paging file is there longer than expected", phases)):
            told = re.findall(r"^\.TP\n\.IR? (.*)$", sections[symptom], re.MULTILINE)
            self.assertGreater(len(told), 2, symptom)
            for name in re.findall(r"[a-z-]+", " ".join(told)):
                self.assertIn(name, known, symptom)


class Security(unittest.TestCase):
    """SECURITY.md says where each claim is shown, and what the unit has."""
    TEXT = read("SECURITY.md")

    def files(self, *folders):
        return [os.path.join(folder, name) for top in folders for folder, _, names in os.walk(os.path.join(ROOT, top))
                for name in names]

    def test_files_are_there(self):
        names = [os.path.relpath(path, ROOT) for path in self.files("tests", "data")]
        for name in re.findall(r"`([\w/.*-]+\.(?:c|py|ini|conf|policy|in))`", self.TEXT):
            pattern = re.compile("(^|/)" + re.escape(name).replace(r"\*", "[^/]*") + "$")
            if name != "dynmemd.conf":
                self.assertTrue(any(pattern.search(path) for path in names), name)

    def test_named_tests_are_there(self):
        named = re.findall(r"`([a-z_]+)` in `(tests/[\w/.]+)`", self.TEXT)
        self.assertGreater(len(named), 2)
        for test, place in named:
            path = os.path.join(ROOT, place)
            texts = [read(path)] if os.path.isfile(path) else [read(name) for name in self.files(place)]
            self.assertTrue(any(re.search(rf"\b{test}\b", text) for text in texts), test)

    def test_methods_that_ask_polkit_are_all_that_change_something(self):
        line = next(line for line in self.TEXT.splitlines() if "ask polkit each time" in line)
        told = set(re.findall(r"`([A-Z]\w+)`", line))
        free = {"Explain", "History", "Rate", "PreviewGuest", "Hook", "Exchange", "Withdraw", "Status"}
        self.assertEqual(told | free, {method for interface in interfaces().values() for method in interface.methods})

    def test_what_the_unit_is_said_to_have_it_has(self):
        unit = read("data/dynmemd.service.in")
        capabilities = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE).group(1)
        self.assertEqual(set(re.findall(r"`(CAP_\w+)`", self.TEXT)), set(capabilities.split()))
        for line in ("ProtectSystem=full", "NoNewPrivileges=yes", "PrivateNetwork=yes", "PrivateDevices=yes",
                     "RestrictNamespaces=yes", "MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service",
                     "SystemCallFilter=@swap"):
            self.assertIn(f"\n{line}\n", unit)


class Places(unittest.TestCase):
    def setUp(self):
        self.unit = dict(line.split("=", 1) for line in read("data/dynmemd.service.in").splitlines()
                         if "=" in line and not line.startswith("#"))

    def test_the_unit_starts_the_daemon_and_makes_its_directory(self):
        self.assertEqual(self.unit["ExecStart"], "@sbindir@/dynmemd")
        self.assertEqual("/run/" + self.unit["RuntimeDirectory"], NAMES["RUN_DIRECTORY"])
        # notify-reload is not known to systemd 252
        self.assertEqual(self.unit["Type"], "notify")
        self.assertIn("HUP", self.unit["ExecReload"])

    def test_the_unit_names_manuals_that_exist(self):
        for page, section in re.findall(r"man:([\w.-]+)\((\d)\)", self.unit["Documentation"]):
            self.assertTrue(os.path.exists(os.path.join(ROOT, "man", f"{page}.{section}")), page)

    def test_the_source_for_pcp_is_the_metrics_file(self):
        self.assertEqual(read("data/monitoring/dynmem.url"), f"file://{NAMES['METRICS_FILE']}\n")

    def test_the_metrics_file_is_in_the_run_directory(self):
        self.assertEqual(os.path.dirname(NAMES["METRICS_FILE"]), NAMES["RUN_DIRECTORY"])
        self.assertIn(f"/{os.path.basename(NAMES['METRICS_FILE'])}\"", read("src/report/report.c"))
        self.assertIn(NAMES["METRICS_FILE"], manual("dynmem.7"))


class Figures(unittest.TestCase):
    """Sentences name figures in braces, which nobody but the reader of a sentence would miss."""

    def test_sentences_name_figures_that_there_are_and_each_is_named(self):
        figures = set(re.findall(r'^    \{"([a-z-]+)", OF_', read("src/report/explain_text.c"), re.MULTILINE))
        named = set()
        for file in ("rules", "rule_whys", "rule_ways", "explain_starts", "explain_state"):
            # literals that follow one another are one
            text = re.sub(r'"\s*"', "", read(f"src/report/{file}.c"))
            named |= set(re.findall(r"\{([a-z-]+)\}", "".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', text))))
        used = set()
        for name in named:
            parts = [name] if name in figures else next(
                ([name[:at], name[at + 1:]] for at in range(len(name))
                 if name[at] == "-" and {name[:at], name[at + 1:]} <= figures), None)
            self.assertIsNotNone(parts, f"{{{name}}} is no figure")
            used |= set(parts)
        self.assertEqual(figures - used, set())


class Version(unittest.TestCase):
    def test_it_is_the_same_everywhere(self):
        version = re.search(r"^  version: '(.*)',$", read("meson.build"), re.MULTILINE).group(1)
        self.assertTrue(read("debian/changelog").startswith(f"dynmem ({version}) "))
        self.assertIn(f"# dynmem {version}\n", read("NEWS.md"))
        spec = read("rpm/dynmem.spec")
        self.assertEqual(re.search(r"^Version: +(.*)$", spec, re.MULTILINE).group(1), version)
        self.assertIn(f" - {version}-1\n", spec)


class Metrics(unittest.TestCase):
    def test_metrics_are_the_ones_of_the_manual(self):
        code = set(re.findall(r'"(dynmem_[a-z_]+)[ {"]', read("src/report/metrics.c")))
        self.assertEqual(set(re.findall(r"\bdynmem_[a-z_]+\b", manual("dynmem.7"))), code)

    def test_units_are_in_the_names(self):
        for name, unit in re.findall(r'\{"(dynmem_[a-z_]+)", (?:"(\w+)"|NULL)', read("src/report/metrics.c")):
            self.assertEqual(name.endswith(("_bytes", "_seconds")), bool(unit), name)
            self.assertTrue(name.endswith(unit), name)

    def test_every_name_begins_with_dynmem(self):
        for name in re.findall(r'append_head\(text, "(\w+)"', read("src/report/metrics.c")):
            self.assertTrue(name.startswith("dynmem_"))


if __name__ == "__main__":
    unittest.main()
