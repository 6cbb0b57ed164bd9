"""What tests of nodes share: running one as the engine does, and looking whether a process still lives."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time

import pytest

from batchmill.attempt import Attempt
from batchmill.concurrency.resources import close_resources
from batchmill.nodes import bind, default_registry


@pytest.fixture
def run():
    """``run("echo", message="hi")``: one attempt of a node; gives its NodeResult."""

    def run_node(type_name, /, attempt=None, **params):
        node_class = default_registry().get(type_name)
        return node_class().run(bind(node_class, params), attempt or Attempt())

    yield run_node
    close_resources()


@pytest.fixture
def check():
    """``check("code", code="1 +")``: what a node says of its params before anything runs."""

    def check_node(type_name, /, **params):
        return default_registry().get(type_name)().check(params)

    return check_node


def _lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


@pytest.fixture
def is_gone():
    """``is_gone(pid)``: whether a process ends within some seconds; a zombie has ended."""

    def wait(pid):
        deadline = time.monotonic() + 20
        while _lives(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        return not _lives(pid)

    return wait


@pytest.fixture
def pid_in():
    """``pid_in(path)``: the process id that a command writes to a file, once it is there."""

    def wait(path):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if os.path.exists(path) and (text := path.read_text()).endswith("\n"):
                return int(text)
            time.sleep(0.005)
        raise AssertionError(f"no process id in {path}")

    return wait


class Names(dict):
    """Names of hosts to their addresses; ``asked`` has every name that was looked up."""

    def __init__(self):
        super().__init__()
        self.asked = []


@pytest.fixture
def names(monkeypatch):
    """``names["a.example"] = ["127.0.0.1"]``: what the resolver says of a name; a tuple of such lists is
    given one after another, the last one staying. It knows no other names."""
    known, usual = Names(), socket.getaddrinfo

    def resolved(host, port, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name.replace(".", "").isdigit() or ":" in name:
            return usual(host, port, *args, **kwargs)
        known.asked.append(name)
        if name not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = known[name]
        if isinstance(found, tuple):
            found, *rest = found
            known[name] = tuple(rest) if len(rest) > 1 else rest[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    return known


@pytest.fixture(scope="session")
def make_certificate(tmp_path_factory):
    """``make_certificate("localhost")``: the paths of a certificate for a host that signs itself, and of its
    key."""

    def make(host):
        openssl = shutil.which("openssl")
        if openssl is None:
            pytest.skip("no program openssl to make a certificate with")
        folder = tmp_path_factory.mktemp("certificate")
        paths = str(folder / "certificate.pem"), str(folder / "key.pem")
        command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]
        command += [f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-out", paths[0], "-keyout"]
        subprocess.run([*command, paths[1]], check=True, capture_output=True)
        return paths

    return make


@pytest.fixture(scope="session")
def certificate(make_certificate):
    """The paths of a certificate for localhost that signs itself, and of its key."""
    return make_certificate("localhost")
