# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What `dm-ctl --json VERB` prints, held against data/schema/VERB.json. Each test that asks for JSON calls check(); where
there is no jsonschema that does nothing, and test_published.py says that it was skipped.
"""

import functools
import json
import os
import warnings

try:
    import jsonschema
except ImportError:
    jsonschema = None

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "data", "schema")
LINES = ("monitor", "top")  # print a document a line


def load(verb):
    with open(os.path.join(FOLDER, f"{verb}.json"), encoding="utf-8") as file:
        return json.load(file)


def all_schemas():
    return {name[:-len(".json")]: load(name[:-len(".json")]) for name in sorted(os.listdir(FOLDER))}


def lenient(schema):
    """The same, where members may be missing: for stand-ins that answer with a part of what the daemon does."""
    if isinstance(schema, dict):
        return {key: lenient(value) for key, value in schema.items() if key != "required"}
    return [lenient(value) for value in schema] if isinstance(schema, list) else schema


@functools.lru_cache(maxsize=None)
def validator(verb, whole=True):
    schemas = {name: schema if whole else lenient(schema) for name, schema in all_schemas().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer ones have another way, that of Debian 12 has not
        resolver = jsonschema.RefResolver(f"{verb}.json", schemas[verb],
                                          store={f"{name}.json": schema for name, schema in schemas.items()})
        return jsonschema.Draft202012Validator(schemas[verb], resolver=resolver)


def errors(validate, document):
    """What is wrong with the document, in lines; "" where nothing is."""
    return "\n".join(f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
                     for error in validate.iter_errors(document))


def check(words, text, whole=True):
    """words as given to dm-ctl, text what it printed. Returns text."""
    verb = next((word for word in words if not word.startswith("-")), None)
    if jsonschema is not None and "--json" in words and text:
        validate = validator(verb, whole)
        for part in text.splitlines() if verb in LINES else [text]:
            wrong = errors(validate, json.loads(part))
            assert not wrong, f"{verb}: {wrong}"
    return text
