"""Find the class of a type name: in our own table, among installed plug-ins, or as ``module:Class``.

Classes are imported on demand: a document of shell nodes never loads the others, and listing the names
imports none.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from batchmill.errors import BrokenNodeType, UnknownNodeType
from batchmill.nodes.adapted import adapt, fits
from batchmill.nodes.contract import Node

GROUP = "batchmill.nodes"

BUILT_IN = {
    "code": "batchmill.nodes.code:CodeNode",
    "copy-file": "batchmill.nodes.copy_file:CopyFileNode",
    "delete-file": "batchmill.nodes.delete_file:DeleteFileNode",
    "echo": "batchmill.nodes.echo:EchoNode",
    "http": "batchmill.nodes.http.node:HttpNode",
    "list-files": "batchmill.nodes.list_files:ListFilesNode",
    "llm": "batchmill.nodes.llm.node:LlmNode",
    "embeddings": "batchmill.nodes.llm.embeddings:EmbeddingsNode",
    "mcp": "batchmill.nodes.mcp.node:McpNode",
    "merge": "batchmill.nodes.merge:MergeNode",
    "move-file": "batchmill.nodes.move_file:MoveFileNode",
    "python": "batchmill.nodes.python:PythonNode",
    "read-file": "batchmill.nodes.read_file:ReadFileNode",
    "shell": "batchmill.nodes.shell:ShellNode",
    "workflow": "batchmill.nodes.workflow:WorkflowNode",
    "write-file": "batchmill.nodes.write_file:WriteFileNode",
}

_MCP_PREFIX = "mcp-"
_MCP_TYPES = "batchmill.nodes.mcp.node"  # where the types ``mcp-<server>-<tool>`` are made


class Registry:
    """Type names to node classes. Built-in names win over entry points, registered ones over both.

    Concurrency: any thread may call any method; ``_lock`` guards ``_classes`` and ``_installed``. Node
    types are imported outside it, so two threads may import one at the same time; both get the same
    class.
    """

    def __init__(self, built_in: dict[str, str] | None = None, group: str = GROUP) -> None:
        self._lock = threading.Lock()
        self._built_in = dict(BUILT_IN if built_in is None else built_in)
        self._group = group
        self._classes: dict[str, type[Node]] = {}
        self._installed: dict[str, EntryPoint] | None = None

    def get(self, type_name: str) -> type[Node]:
        """The class of a type name, imported if need be.

        Raises :class:`~batchmill.errors.UnknownNodeType`, or
        :class:`~batchmill.errors.BrokenNodeType` where the name is known and its code does not load.
        """
        with self._lock:
            found = self._classes.get(type_name)
        if found is not None:
            return found
        loaded = self._load(type_name)
        if type_name.startswith(_MCP_PREFIX):  # it is that of a document's server, and in no list of ours
            return loaded
        with self._lock:
            return self._classes.setdefault(type_name, loaded)

    def names(self) -> list[str]:
        """All type names that are known without being written as ``module:Class``, sorted."""
        with self._lock:
            registered = {name for name in self._classes if ":" not in name}
        return sorted({*self._built_in, *self._entry_points(), *registered})

    def register(self, cls: type[Node]) -> None:
        """Add a node class under its ``type``; it replaces one of the same name."""
        with self._lock:
            self._classes[cls.type] = cls

    def _load(self, type_name: str) -> type[Node]:
        if type_name in self._built_in:
            return _load_path(type_name, self._built_in[type_name], "batchmill")
        entry = self._entry_points().get(type_name)
        if entry is not None:
            return _load_path(type_name, entry.value, _origin(entry))
        if type_name.startswith(_MCP_PREFIX):
            make: Callable[[str], type[Node]] = importlib.import_module(_MCP_TYPES).tool_type
            return make(type_name)
        if ":" in type_name:
            return _load_path(type_name, type_name, "the document")
        from difflib import get_close_matches  # needed on a mistake only

        close = get_close_matches(type_name, self.names(), 2)
        raise UnknownNodeType(type_name, tuple(close))

    def _entry_points(self) -> dict[str, EntryPoint]:
        with self._lock:
            if self._installed is None:
                self._installed = {entry.name: entry for entry in entry_points(group=self._group)}
            return self._installed


def _origin(entry: EntryPoint) -> str:
    dist = entry.dist
    return f"distribution {dist.name} {dist.version}" if dist else "an installed distribution"


def _load_path(type_name: str, path: str, origin: str) -> type[Node]:
    module_name, _, attribute = path.partition(":")
    where = f"{path} of {origin}"
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever foreign code does on import, it is that type's fault
        raise BrokenNodeType(type_name, f"{where}: {type(error).__name__}: {error}") from error
    if isinstance(found, type) and issubclass(found, Node):
        return found
    if fits(found):
        return adapt(found, type_name)
    raise BrokenNodeType(
        type_name,
        f"{where} is neither a Node nor a class with prep, exec and post, or those as coroutines with _async",
    )


_default = Registry()


def default_registry() -> Registry:
    """The registry of this process: our own node types and the installed ones."""
    return _default
