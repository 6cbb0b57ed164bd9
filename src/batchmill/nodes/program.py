"""Python text of a document: compiled once, run in a fresh namespace every time.

Annotations are declarations and are never evaluated, so ``rows: list[Row]`` needs no ``Row``. If one names a
plain builtin type, the value of that input, or the ``result``, is checked against it.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import itertools
import linecache
import threading
import typing
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.promises import plain_result
from batchmill.errors import InvalidParams, NodeError
from batchmill.nodes.capture import Captured, capture
from batchmill.nodes.changed_names import changed_names
from batchmill.nodes.contract import DEFAULT_ACTION
from batchmill.nodes.json_params import container_param
from batchmill.values import copied
from batchmill.values.redaction import shortened
from batchmill.values.tracebacks import code_file

MAX_PROGRAMS = 256  # compiled texts kept; a document has a handful, a server may see many documents
ACTION_NAME = "next"

_NEVER_EVALUATE = __future__.annotations.compiler_flag
_CHECKED: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
    "set": (set,),
    "frozenset": (frozenset,),
    "tuple": (tuple,),
    "bytes": (bytes,),
}
_CONTAINER_TYPES = {"list": "array", "dict": "object", "none": "null"}
_BLOCKS = (ast.stmt, ast.ExceptHandler, ast.match_case)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FORMATTED = (ast.JoinedStr, getattr(ast, "TemplateStr", ast.JoinedStr))  # t-strings came with 3.14
_PREDEFINED: dict[str, object] = {
    # A class defined by the code looks its module up by this name (dataclasses do), so it must exist.
    "__name__": "__main__",
    "__builtins__": builtins,
    "Any": Any,
    "Optional": typing.Optional,
    "typing": typing,
}


class Ran(NamedTuple):
    """The end state of a program: its ``result`` (None if it set none), its action, and its output."""

    result: Any
    action: str
    captured: Captured


class Program:
    """One compiled text. Immutable, so any number of threads may run it at once."""

    def __init__(self, text: str) -> None:
        """Compile ``text``; raises :class:`SyntaxError`."""
        self.filename = code_file(next(_numbers))
        tree = _parse(text, self.filename)
        self._compiled = compile(tree, self.filename, "exec", flags=_NEVER_EVALUATE, dont_inherit=True)
        declared = list(_declarations(tree))
        self._inputs = {name: kind for name, kind, bare in declared if bare}
        self._containers = {
            name: types for name, kind in self._inputs.items() if (types := _container_types(kind))
        }
        self._results = [kind for name, kind, _ in declared if name == "result"]
        self._changes = changed_names(tree)
        # So a traceback shows the line; without a time, linecache does not look for a file.
        linecache.cache[self.filename] = (len(text), None, text.splitlines(keepends=True), self.filename)

    @classmethod
    def of(cls, text: str) -> Program:
        """The program of ``text``, compiled at most once while it is in use.

        Raises :class:`~batchmill.errors.InvalidParams` with line and message where it is no Python.
        """
        try:
            return _programs.get(text)
        except SyntaxError as error:
            raise InvalidParams(f"code: {_syntax_message(error)}") from error

    def run(
        self,
        names: Mapping[str, Any],
        cancel: CancelToken | None = None,
        seconds: float | None = None,
        captured: Captured | None = None,
    ) -> Ran:
        """Run with ``names`` as globals; lists and dictionaries that the text changes are copied before, so
        their owners do not see it. A promised ``result`` is awaited (see
        :mod:`batchmill.concurrency.promises`), until ``cancel`` is cancelled or for ``seconds``. Printed
        output goes to ``captured`` if given.

        Exceptions of the code are raised unchanged, with the output until then. Raises
        :class:`~batchmill.errors.InvalidParams` for a name whose value does not fit the declaration in the
        code, and :class:`~batchmill.errors.NodeError` for such a result, or for ``sys.exit``.
        """
        names = self._read_names(names)
        self._check_names(names)
        namespace = {**_PREDEFINED, **names}
        for name in self._changes:
            if name in names:
                namespace[name] = copied(names[name])
        with capture(into=captured) as captured:
            try:
                exec(self._compiled, namespace)  # noqa: S102  # running the user's code is what this is for
                if "result" in namespace:
                    namespace["result"] = plain_result(namespace["result"], cancel, seconds)
            except SystemExit as error:
                raise _failure(f"the code called sys.exit({error.code!r})", captured, "SystemExit") from error
        if captured.fault:
            raise _failure(captured.fault, captured, "OutputLost")
        return Ran(self._result(namespace, captured), _action(namespace, captured), captured)

    def _read_names(self, names: Mapping[str, object]) -> Mapping[str, object]:
        """``names`` with text parsed as JSON where the code declares a list or a dictionary."""
        if not self._containers:
            return names
        wanted = [name for name in self._containers if type(names.get(name)) is str]
        if not wanted:
            return names
        types = self._containers
        read = {name: container_param(names[name], types[name], f"code: input {name!r}") for name in wanted}
        return {**names, **read}

    def _check_names(self, names: Mapping[str, object]) -> None:
        if ACTION_NAME in names:
            raise InvalidParams(f"code: an input cannot be called {ACTION_NAME!r}, which names the action")
        for name in names:
            if not name.isidentifier():
                raise InvalidParams(f"code: the input {name!r} cannot be a name in Python code")
        for name, kind in self._inputs.items():
            if name in names and not _is_a(names[name], kind):
                raise InvalidParams(f"code: input {name!r} is declared {kind}, not {_described(names[name])}")

    def _result(self, namespace: dict[str, object], captured: Captured) -> object:
        if "result" not in namespace:
            if self._results:
                raise _failure("the code declares `result` and did not set it", captured)
            return None
        result = namespace["result"]
        if self._results and not any(_is_a(result, kind) for kind in self._results):
            declared = " or ".join(dict.fromkeys(self._results))
            raise _failure(f"`result` is declared {declared}, not {_described(result)}", captured)
        return result


class _Programs:
    """The programs in use, oldest first.

    Concurrency: any thread may call ``get``; ``_lock`` guards changes of ``_kept`` and is held while
    compiling, so that many items that start together compile their text once. Only ``get`` reads without it,
    and looks again under the lock for what it misses: a lock on the way of every item costs much with many
    threads.
    """

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._most = most
        self._kept: dict[str, Program] = {}

    def get(self, text: str) -> Program:
        return self._kept.get(text) or self._made(text)

    def _made(self, text: str) -> Program:
        with self._lock:
            program = self._kept.get(text)
            if program is None:
                program = self._kept[text] = Program(text)
                if len(self._kept) > self._most:
                    oldest = self._kept.pop(next(iter(self._kept)))
                    linecache.cache.pop(oldest.filename, None)
            return program


_numbers = itertools.count(1)
_programs = _Programs(MAX_PROGRAMS)


def check_code(text: str) -> list[tuple[str, str]]:
    """Faults that show without running: ``("code", what is wrong)`` for each."""
    try:
        tree = _parse(text, "<code>")
        compile(tree, "<code>", "exec", flags=_NEVER_EVALUATE, dont_inherit=True)
    except SyntaxError as error:
        faults = [("code", _syntax_message(error))]
        return [("code", _not_expanded(error.lineno or 1)), *faults] if _is_template(error) else faults
    return [("code", _not_expanded(line)) for line in _templates(tree)]


def _parse(text: str, filename: str) -> ast.Module:
    try:
        return ast.parse(text, filename)
    except (ValueError, RecursionError, MemoryError) as error:  # NUL in the text; nesting beyond all bounds
        raise SyntaxError(f"this cannot be read as Python: {error}") from error


def _is_template(error: SyntaxError) -> bool:
    return "${" in (error.text or "")


def _not_expanded(line: int) -> str:
    return (
        f"line {line}: templates are not expanded in code: declare the value under `inputs` and use its "
        "name (where the characters ${ are meant, write '$' + '{')"
    )


def _templates(tree: ast.Module) -> list[int]:
    """Lines of string literals that look like templates. In an f-string ``${x}`` is a dollar sign and a
    value, and a standalone text is a comment."""
    found = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        alone = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if alone or isinstance(node, _FORMATTED):
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "${" in node.value:
            found.append(node.lineno)
        waiting.extend(ast.iter_child_nodes(node))
    return sorted(found)


def _declarations(node: ast.AST) -> Iterator[tuple[str, str, bool]]:
    """``(name, type, whether without a value)`` of the annotated names outside functions and classes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
            yield child.target.id, ast.unparse(child.annotation), child.value is None
        elif isinstance(child, _BLOCKS) and not isinstance(child, _SCOPES):
            yield from _declarations(child)


def _container_types(kind: str) -> tuple[str, ...]:
    """The types of JSON that an annotation allows, where those are lists and objects alone."""
    found = [_CONTAINER_TYPES.get(_base(part)) for part in _alternatives(kind)]
    return tuple(one for one in found if one is not None) if all(found) else ()


def _alternatives(kind: str) -> list[str]:
    """The parts of ``a | b``, those within brackets left alone."""
    kind = kind.strip("'\"")
    inner = kind.removeprefix("typing.")
    if inner.startswith("Optional[") and inner.endswith("]"):
        return [*_alternatives(inner[len("Optional[") : -1]), "None"]
    parts, depth = [""], 0
    for char in kind:
        depth += (char == "[") - (char == "]")
        if char == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _base(kind: str) -> str:
    return kind.partition("[")[0].strip().removeprefix("typing.").lower()


def _is_a(value: object, kind: str) -> bool:
    """Whether ``value`` fits an annotation; annotations of other than plain types fit everything."""
    accepted = _CHECKED.get(kind.strip("'\"").partition("[")[0].strip())
    if accepted is None or "|" in kind:
        return True
    if isinstance(value, bool):
        return bool in accepted
    return isinstance(value, accepted)


def _described(value: object) -> str:
    return f"{type(value).__name__} {shortened(repr(value), 60)}"


def _action(namespace: dict[str, object], captured: Captured) -> str:
    if ACTION_NAME not in namespace:
        return DEFAULT_ACTION
    action = namespace[ACTION_NAME]
    if not isinstance(action, str) or not action:
        raise _failure(f"`next` names the action to follow, as text, and is {_described(action)}", captured)
    return action


def _failure(message: str, captured: Captured, type_name: str = "NodeError") -> NodeError:
    outputs = {**captured.outputs, "error": message}
    return NodeError(message, outputs=outputs, type_name=type_name)


def _syntax_message(error: SyntaxError) -> str:
    line = (error.text or "").strip()
    where = f"line {error.lineno}: " if error.lineno else ""
    return f"{where}{error.msg}" + (f": {line}" if line else "")
