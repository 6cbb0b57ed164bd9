"""Find the actions that Python text may choose by setting ``next``, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from batchmill.nodes.contract import DEFAULT_ACTION
from batchmill.nodes.program import ACTION_NAME

_INDIRECT = frozenset({"exec", "eval", "globals", "locals", "vars", "setattr", "__import__"})
"""Functions by which code may set a variable that is not visible in its text."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class _Unknown(Exception):  # an answer, not an error of anybody's
    """Raised when the value of ``next`` is not a literal text."""


def chosen_actions(code: str) -> frozenset[str] | None:
    """The actions that ``code`` may end with: ``default``, and each literal text assigned to ``next``. None
    if another value may be assigned, and for code that cannot be parsed."""
    try:
        tree = ast.parse(code)
        return frozenset({DEFAULT_ACTION, *_set_in(tree)})
    except (SyntaxError, ValueError, RecursionError, MemoryError, _Unknown):
        return None


def _set_in(tree: ast.Module) -> Iterator[str]:
    for node in _outside_functions(tree):
        if isinstance(node, ast.Name) and node.id in _INDIRECT:
            raise _Unknown
        for target, value in _bindings(node):
            if _names_it(target):
                yield from _texts(value)
    if any(isinstance(node, ast.Global) and ACTION_NAME in node.names for node in ast.walk(tree)):
        raise _Unknown
    if any(isinstance(node, ast.Name) and node.id in _INDIRECT for node in ast.walk(tree)):
        raise _Unknown


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    """The parts of the text in the program's own scope."""
    for child in ast.iter_child_nodes(tree):
        yield child
        if isinstance(child, _FUNCTIONS):
            continue
        yield from _outside_functions(child)


def _bindings(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST | None]]:
    """The names that a part of the text binds, with their values; None for a value that is not literal."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
        if node.value is not None:
            yield node.target, node.value
    elif isinstance(node, (ast.AugAssign, ast.For, ast.AsyncFor)):
        yield node.target, None
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield node.optional_vars, None
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.alias)):
        name = (node.asname or node.name) if isinstance(node, ast.alias) else node.name
        yield ast.Name(name), None
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield ast.Name(node.name), None
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield ast.Name(node.rest), None


def _names_it(target: ast.AST) -> bool:
    if isinstance(target, ast.Name):
        return target.id == ACTION_NAME
    inside = isinstance(target, (ast.Tuple, ast.List, ast.Starred))
    if inside and any(isinstance(one, ast.Name) and one.id == ACTION_NAME for one in ast.walk(target)):
        raise _Unknown
    return False


def _texts(value: ast.AST | None) -> Iterator[str]:
    """The texts that a value may be."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.IfExp):
        yield from _texts(value.body)
        yield from _texts(value.orelse)
    elif isinstance(value, ast.BoolOp):
        for one in value.values:
            yield from _texts(one)
    elif isinstance(value, ast.NamedExpr):
        yield from _texts(value.value)
    elif isinstance(value, ast.Subscript) and isinstance(value.value, (ast.Dict, ast.List, ast.Tuple)):
        held = value.value.values if isinstance(value.value, ast.Dict) else value.value.elts
        for one in held:
            yield from _texts(one)
    else:
        raise _Unknown
