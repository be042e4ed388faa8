#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls to dynmemd in a flood, on several connections to a bus, until it is ended, by nobody. Usage: flood.py SOCKET."""

import os
import socket
import struct
import sys
import time

CONNECTIONS = 20


def text(value):
    return struct.pack("<I", len(value)) + value.encode() + b"\0"


def pad(data, size):
    return data + b"\0" * (-len(data) % size)


def message(destination, path, interface, member, body=b"", signature=""):
    """A method call that wants no answer; its serial is 1."""
    fields = b""
    for code, kind, value in ((1, "o", path), (2, "s", interface), (3, "s", member), (6, "s", destination)):
        fields = pad(fields, 8) + bytes([code, 1]) + kind.encode() + b"\0" + text(value)
    if signature:
        fields = pad(fields, 8) + bytes([8, 1]) + b"g\0" + bytes([len(signature)]) + signature.encode() + b"\0"
    return pad(struct.pack("<cBBBIII", b"l", 1, 1, 1, len(body), 1, len(fields)) + fields, 8) + body


def connect(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    connection.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    assert connection.recv(1000).startswith(b"OK")
    connection.sendall(b"BEGIN\r\n" + message("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello"))
    return connection


os.setgroups([])
os.setgid(65534)
os.setuid(65534)
connections = [connect(sys.argv[1]) for _ in range(CONNECTIONS)]
call = message("org.dynmem1", "/org/dynmem1", "org.dynmem1.Manager", "Rate", struct.pack("<QI", 1 << 30, 50), "tu")
while True:  # four times what all together may ask for
    for one in connections:
        one.sendall(call)
    time.sleep(0.02)
