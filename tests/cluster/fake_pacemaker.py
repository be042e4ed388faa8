#!/usr/bin/env -S python3 -IS
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A stand-in for attrd_updater, cibadmin and crm_node, by the name that it is called with: a cluster in a folder (FAKE_CLUSTER). There are
node (what this host is called), cib.xml, lines.json (host -> line), and log, to which all changes are added. A file called
broken-NAME has the program of that name fail with what is in it; one called follows.xml is the CIB once something has been taken back.
"""

import json
import os
import re
import sys

FOLDER = os.environ["FAKE_CLUSTER"]
NAME = os.path.basename(sys.argv[0])


def path(name):
    return os.path.join(FOLDER, name)


def read(name):
    with open(path(name), encoding="utf-8") as file:
        return file.read()


def option(*names):
    for number, word in enumerate(sys.argv):
        if word in names:
            return sys.argv[number + 1]
        for name in names:
            if word.startswith(name + "="):
                return word.split("=", 1)[1]
    return None


def attrd():
    name = option("--name")
    private = "--private" in sys.argv
    lines = json.loads(read("lines.json"))
    node = read("node").strip()
    if "--query" in sys.argv:
        # in an agent's environment Pacemaker's tells of its host alone, --all or not
        agents = os.environ.get("OCF_RESKEY_CRM_meta_on_node")
        lines = {agents: lines[agents]} if agents in lines else {} if agents else lines
        shown = "".join(f'<attribute name="{name}" value="{value}" host="{host}"/>' for host, value in lines.items())
        print(f'<pacemaker-result api-version="2.25" request="x">{shown}<status code="0" message="OK"/></pacemaker-result>')
        return
    value = option("--update")
    deleted = "--delete" in sys.argv
    with open(path("log"), "a", encoding="utf-8") as log:
        log.write(f"{'delete ' + name if deleted else 'set ' + name + '=' + value}{' (private)' if private else ''}\n")
    if name == "dynmem-line":
        lines.pop(node, None) if deleted else lines.update({node: value})
        with open(path("lines.json"), "w", encoding="utf-8") as file:
            json.dump(lines, file)
        return
    cib = re.sub(rf'<nvpair id="t-{node}-{re.escape(name)}"[^>]*/>', "", read("cib.xml"))
    if not deleted:
        cib = cib.replace(f'<instance_attributes id="t-{node}">',
                          f'<instance_attributes id="t-{node}"><nvpair id="t-{node}-{name}" name="{name}" value="{value}"/>')
    with open(path("cib.xml"), "w", encoding="utf-8") as file:
        file.write(cib)
    if deleted and os.path.exists(path("follows.xml")):
        os.rename(path("follows.xml"), path("cib.xml"))


if os.path.exists(path("broken-" + NAME)):
    print(read("broken-" + NAME), file=sys.stderr)
    sys.exit(102)
if NAME == "crm_node":
    print(read("node").strip())
elif NAME == "cibadmin":
    print(read("cib.xml"))
else:
    attrd()
