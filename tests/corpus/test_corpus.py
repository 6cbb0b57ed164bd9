"""Documents with the outcome each must have, run through the command as a user would.

A case is a JSON file with ``document``, ``inputs``, ``files`` (text by path) and ``expected`` (``status``,
and ``outputs`` of which a dictionary must be contained and everything else be equal). The environment
variable ``BATCHMILL_CORPUS`` names a further folder of cases. ``<CWD>`` stands for the folder a case runs
in. Cases that need a server (``$BASE``) are run against one that echoes, once there is an ``http`` node.
"""

import json
import os
import platform
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from batchmill.nodes import default_registry

FOLDERS = [Path(__file__).parent, *map(Path, filter(None, [os.environ.get("BATCHMILL_CORPUS")]))]
CASES = [path for folder in FOLDERS for path in sorted(folder.glob("*.json"))]
BATCHES = [path for path in CASES if '"batch"' in path.read_text()]
# their code leaves the closing of a file to the count of references, which PyPy does not keep
NOT_ON_PYPY = {"24-node-retry", "47-cycle-backward-edge"}
CODES = {"success": 0, "failed": 1, "invalid": 2, "degraded": 3}


class Echo(BaseHTTPRequestHandler):
    """``/json/N`` gives N and its square, ``/status/N`` answers with that status, a POST is echoed."""

    def log_message(self, *args):
        """Keep quiet."""

    def do_GET(self):
        kind, _, number = self.path.strip("/").partition("/")
        if kind == "json":
            self.answer(200, {"n": int(number), "sq": int(number) ** 2})
        else:
            self.answer(int(number) if kind == "status" else 404, {"path": self.path})

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(200, {"body": json.loads(text), "x_t": self.headers.get("X-T")})

    def answer(self, code, value):
        text = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def base():
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def batches_in(part):
    """The batch blocks of a document, those of sub-workflows too."""
    if isinstance(part, list):
        return [batch for one in part for batch in batches_in(one)]
    if not isinstance(part, dict):
        return []
    inside = [batch for one in part.values() for batch in batches_in(one)]
    return [*inside, part["batch"]] if isinstance(part.get("batch"), dict) else inside


def missing(wanted, got, path="outputs"):
    """Where ``got`` lacks something of ``wanted``, as paths."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key, value in wanted.items():
            yield from (
                missing(value, got[key], f"{path}.{key}") if key in got else [f"{path}.{key} is missing"]
            )
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for index, pair in enumerate(zip(wanted, got, strict=True)):
            yield from missing(*pair, f"{path}[{index}]")
    elif wanted != got or isinstance(wanted, bool) is not isinstance(got, bool):
        yield f"{path} is {got!r}, not {wanted!r}"


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # their code is what it is
def test_case(path, tmp_path, base, batchmill_command):
    if path.stem in NOT_ON_PYPY and platform.python_implementation() == "PyPy":
        pytest.skip("writes to a file that it never closes and reads it again")
    hold(json.loads(path.read_text()), tmp_path, base, batchmill_command)


@pytest.mark.on_cluster
@pytest.mark.parametrize("path", BATCHES, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_case_on_a_cluster(path, tmp_path, base, batchmill_command):
    case = json.loads(path.read_text())
    for batch in batches_in(case["document"]):
        batch["executor"] = "dask"
    hold(case, tmp_path, base, batchmill_command)


def hold(case, tmp_path, base, batchmill_command):
    if "$BASE" in case["inputs"].values() and "http" not in default_registry().names():
        pytest.skip("needs the http node type, which is not there yet")
    wanted = json.loads(json.dumps(case["expected"]).replace("<CWD>", str(tmp_path)).replace("<BASE>", base))
    for name, text in case.get("files", {}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "document.json").write_text(json.dumps(case["document"]))
    given = {name: base if value == "$BASE" else value for name, value in case["inputs"].items()}
    arguments = [f"--set-json={name}={json.dumps(value)}" for name, value in given.items()]

    code, out, err = batchmill_command("run", "document.json", "--json", *arguments)

    assert code == CODES[wanted["status"]], err
    if wanted["status"] == "invalid":
        assert out == ""
        return
    run = json.loads(out)
    assert run["schema"] == "batchmill.run/1"
    assert run["status"] == wanted["status"]
    assert list(missing(wanted.get("outputs", {}), run["outputs"])) == []


@pytest.mark.parametrize(
    ("wanted", "got", "number"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, 0),
        ({"a": 1}, {}, 1),
        ([1, 2], [1], 1),
        ([{"a": 1}], [{"a": 1, "b": 2}], 0),
        (1, True, 1),
        (1, 1.0, 0),
        ("x", None, 1),
    ],
)
def test_what_counts_as_missing(wanted, got, number):
    assert len(list(missing(wanted, got))) == number
