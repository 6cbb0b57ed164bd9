"""Workloads to measure: a document with its inputs, or a built-in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READING_TYPES = {"read-file", "list-files", "echo", "merge", "llm"}
"""Node types that change nothing in the working folder. All others may, commands and code above all."""


@dataclass(frozen=True, slots=True)
class Workload:
    """``document`` is a path, or the document itself. ``values`` are inputs that came with a type, ``text``
    those given as text. ``writes`` says that a run may change the working folder."""

    name: str
    document: str | dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)
    writes: bool = True
    about: str = ""


def of_file(file: str, raw: object, values: dict[str, object], text: dict[str, str]) -> Workload:
    """The workload of a document's file; ``raw`` is its content."""
    return Workload(Path(file).stem, str(Path(file).absolute()), values, text, writes=_writes(raw))


def _writes(raw: object) -> bool:
    """Whether a node of any type other than :data:`READING_TYPES` is anywhere in it."""
    if isinstance(raw, list):
        return any(map(_writes, raw))
    if not isinstance(raw, dict):
        return False
    kind = raw.get("type")
    if isinstance(kind, str) and "id" in raw and kind not in READING_TYPES:
        return True
    return any(map(_writes, raw.values()))


def builtin(scale: float = 1.0) -> list[Workload]:
    """The built-in workloads; ``scale`` multiplies their numbers of items."""
    return [make(scale) for make in _BUILTIN]


def builtin_named(names: list[str], scale: float = 1.0) -> list[Workload]:
    """The built-in workloads with these ``names``. Raises KeyError for another name."""
    known = {workload.name: workload for workload in builtin(scale)}
    return [known[name] for name in names]


def _code(name: str, about: str, code: str, count: int, more: str = "") -> Workload:
    params = {"code": code, "inputs": {"n": "${item}"}}
    return _batch(
        name, about, {"type": "code", "params": params}, count, f"${{work.results[*].result{more}}}"
    )


def _batch(name: str, about: str, node: dict[str, Any], count: int, output: str) -> Workload:
    items = {"range": [max(2, count)]}
    work = {"id": "work", **node, "batch": {"items": items, "executor": "thread"}}
    document = {"nodes": [work], "outputs": {"results": {"source": output}}}
    return Workload(name, document, writes=False, about=about)


def _waiting(scale: float) -> Workload:
    code = "import time\ntime.sleep(0.05)\nresult = n"
    return _code("waiting", "50 ms of waiting an item", code, int(300 * scale))


def _hashing(scale: float) -> Workload:
    code = (
        "import hashlib\nresult = str(n)\nfor _ in range(10000):\n"
        "    result = hashlib.sha256(result.encode()).hexdigest()"
    )
    return _code("hashing", "10,000 short hashes an item, in Python", code, int(300 * scale))


def _shell(scale: float) -> Workload:
    node = {"type": "shell", "params": {"command": ["printf", "%s", "${item}"]}}
    return _batch("shell", "a command an item", node, int(1_000 * scale), "${work.results[*].stdout}")


def _mixed(scale: float) -> Workload:
    code = "import time\ntime.sleep(0.02)\nresult = 0\nfor k in range(20000):\n    result += k * n % 7"
    return _code("mixed", "20 ms of waiting, then about 2 ms of computing", code, int(300 * scale))


def _tiny(scale: float) -> Workload:
    node = {"type": "echo", "params": {"message": "${item}"}}
    return _batch("tiny items", "items that do nothing", node, int(20_000 * scale), "${work.results[*].echo}")


def _payloads(scale: float) -> Workload:
    code = "import zlib\nresult = 'x' * 4_000_000\nfor _ in range(4):\n    zlib.crc32(result.encode())"
    return _code("big payloads", "results of 4 MB", code, int(100 * scale), " | count")


_BUILTIN: list[Callable[[float], Workload]] = [_waiting, _hashing, _shell, _mixed, _tiny, _payloads]
BUILTIN_NAMES = tuple(workload.name for workload in builtin())
