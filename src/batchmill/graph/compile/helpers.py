"""Helper code of the user's code: the reachable part of its module, and own modules.

It is found without importing anything. A function reaches the names in its text, and their definitions in the
module reach further. Modules that are imported on the way count as whole files, with all own modules that
they import. Own modules are those that are neither part of Python nor installed.
"""

from __future__ import annotations

import ast
import os
import site
import sysconfig
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from batchmill.graph.compile.user_code import file_of
from batchmill.nodes import Node
from batchmill.nodes.bound import BoundParams

_PACKAGE = str(Path(__file__).parents[2])
_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")
_MOST_MODULES = 1000

Statements = Iterable[ast.AST]


def helpers_of(kind: type[Node], params: BoundParams) -> dict[str, str]:
    """The helper texts for the code of a node, by module name; of the code's own module only the part that it
    reaches. Empty for nodes without code of the user's."""
    if kind.type == "code" and isinstance(params.get("code"), str):
        try:
            return _files(_imported([ast.parse(params["code"])], ""))
        except (SyntaxError, ValueError, RecursionError):  # told of elsewhere
            return {}
    cls: type = getattr(kind, "adapted", kind)
    module, name = cls.__module__, cls.__qualname__
    if kind.type == "python" and module.startswith("batchmill."):
        module, _, name = str(params.get("function", "")).partition(":")
    if module.startswith("batchmill."):
        return {}
    file = file_of(module)
    return {} if file is None or not _is_own(file) else _of_name(module, name, file)


def _of_name(module: str, name: str, file: Path) -> dict[str, str]:
    try:
        text = file.read_text(encoding="utf-8")
        body = ast.parse(text).body
    except (OSError, ValueError, SyntaxError, RecursionError):
        return {}
    root = name.partition(".")[0]
    reached = _reached(body, root)
    own = [one for one in reached if getattr(one, "name", None) != root]
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found = _files(_imported(reached, package), {module})
    if own:
        found[module] = "\n".join(ast.get_source_segment(text, one) or "" for one in own)
    return found


def _reached(body: list[ast.stmt], root: str) -> list[ast.stmt]:
    """The statements of a module that the name ``root`` reaches, in their order."""
    binding: dict[str, list[ast.stmt]] = {}
    for statement in body:
        for name in _bound(statement):
            binding.setdefault(name, []).append(statement)
    waiting, seen, reached = [root, "*"], {root, "*"}, set[int]()
    while waiting:
        for statement in binding.get(waiting.pop(), ()):
            if id(statement) in reached:
                continue
            reached.add(id(statement))
            for one in ast.walk(statement):
                if isinstance(one, ast.Name) and one.id not in seen:
                    seen.add(one.id)
                    waiting.append(one.id)
    return [statement for statement in body if id(statement) in reached]


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds; ``*`` if they are unknown."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for one in ast.walk(statement):
        if isinstance(one, (ast.Import, ast.ImportFrom)):
            for alias in one.names:
                yield alias.asname or alias.name.partition(".")[0]
        elif isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield one.name
        elif isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load):
            yield one.id
        elif isinstance(one, (ast.Attribute, ast.Subscript)) and not isinstance(one.ctx, ast.Load):
            target: ast.AST = one
            while isinstance(target, (ast.Attribute, ast.Subscript)):
                target = target.value
            if isinstance(target, ast.Name):
                yield target.id


def _imported(statements: Statements, package: str) -> Iterator[str]:
    """The modules that may be imported there: of ``from a import b`` both ``a`` and ``a.b``."""
    for one in (inner for statement in statements for inner in ast.walk(statement)):
        if isinstance(one, ast.Import):
            yield from (alias.name for alias in one.names)
        elif isinstance(one, ast.ImportFrom):
            base = one.module or ""
            if one.level:
                above = package.split(".")[: len(package.split(".")) - one.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in one.names)


def _files(names: Iterable[str], known: Iterable[str] = ()) -> dict[str, str]:
    """The texts of own modules, and of those that they import."""
    found: dict[str, str] = {}
    waiting, seen = list(names), set(known)
    while waiting and len(found) < _MOST_MODULES:
        name = waiting.pop()
        above = name.rpartition(".")[0]
        if above and above not in seen:  # importing a module runs the packages around it
            waiting.append(above)
        if name in seen:
            continue
        seen.add(name)
        file = file_of(name)
        if file is None or not _is_own(file):
            continue
        try:
            found[name], more = _read(str(file), file.stat().st_mtime_ns, name)
        except (OSError, ValueError):
            continue
        waiting += more
    return found


@lru_cache(maxsize=256)
def _read(file: str, changed: int, name: str) -> tuple[str, tuple[str, ...]]:
    """The text of a module when it last ``changed``, and its imports."""
    text = Path(file).read_text(encoding="utf-8")
    package = name if os.path.basename(file) == "__init__.py" else name.rpartition(".")[0]
    try:
        return text, tuple(_imported([ast.parse(text)], package))
    except (SyntaxError, ValueError, RecursionError):
        return text, ()


def _is_own(file: Path) -> bool:
    return not str(file.absolute()).startswith(_not_own())


@lru_cache(maxsize=1)
def _not_own() -> tuple[str, ...]:
    paths = [sysconfig.get_path(name) for name in _INSTALLED]
    if site.ENABLE_USER_SITE:
        paths.append(site.getusersitepackages())
    return tuple(os.path.abspath(path) + os.sep for path in [*paths, _PACKAGE] if path)
