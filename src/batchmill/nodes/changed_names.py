"""Find the names whose values Python text changes in place, without running it.

Such values are copied before the text runs: they may belong to another node, to the inputs of the run or to
another item. Values that are only read are not, because a copy of a large table for each item would cost more
than the item.

This is a points-to analysis that ignores the order of statements: it follows which names may share values. In
doubt a name counts as changed. A needless copy costs time, a missing one gives wrong results.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import Enum


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_METHODS = _words(
    "append extend insert remove pop clear sort reverse update setdefault popitem add discard appendleft"
    " popleft extendleft rotate difference_update intersection_update symmetric_difference_update"
    " __setitem__ __delitem__"
)
"""Methods that change lists, dictionaries, sets and deques."""
_FUNCTIONS = _words(
    "shuffle heapify heappush heappop heapreplace heappushpop insort insort_left insort_right setitem"
    " delitem setattr delattr"
)
"""Functions of the standard library that change their first argument."""
_MEMBERS = _words("next min max get pop setdefault")
"""Functions and methods whose results may be members of their arguments, or the arguments themselves."""

_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef)


class _How(Enum):
    """How a value may be related to that of a name."""

    SAME = 1
    """It is the value of the name."""
    PART = 2
    """It is inside the value of the name, or the same."""
    HOLDER = 3
    """It is another value, in which that of the name, or a part of it, may be."""


_Related = tuple[str, _How]


def changed_names(tree: ast.AST) -> frozenset[str]:
    """Names whose values the text changes, or parts of their values, also by other names that it gives them.

    It sees assignments to parts, ``del``, ``+=``, and the methods and functions that change a value. It does
    not see what functions from elsewhere do with their arguments.
    """
    related: defaultdict[str, set[_Related]] = defaultdict(set)
    functions = {one.name: one.args for one in ast.walk(tree) if isinstance(one, _DEFINED)}
    waiting: list[_Related] = []
    for node in ast.walk(tree):
        waiting += _changes(node)
        for name, others in _bindings(node, functions):
            related[name].update(others)
    seen: set[_Related] = set()
    while waiting:
        change = waiting.pop()
        if change not in seen:
            seen.add(change)
            waiting += _passed_on(change, related[change[0]])
    return frozenset(name for name, _ in seen)


def _passed_on(change: _Related, related: Iterable[_Related]) -> Iterator[_Related]:
    """The changes that are the same one by other names. A new list shares its members, but not its length."""
    inside = change[1] is _How.PART
    for name, how in related:
        if inside or how is not _How.HOLDER:
            yield name, _How.PART if inside else how


def _changes(node: ast.AST) -> list[_Related]:
    """The values that a part of the text changes: themselves, or inside."""
    changed: ast.AST | None = None
    if isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
        changed = node.value
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        changed = node.target
    elif isinstance(node, ast.Call):
        changed = _changed_by_call(node)
    return [one for one in _values(changed) if one[1] is not _How.HOLDER] if changed is not None else []


def _changed_by_call(call: ast.Call) -> ast.AST | None:
    if isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS:
        return call.func.value
    return call.args[0] if _called(call.func) in _FUNCTIONS and call.args else None


def _called(function: ast.AST) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _values(value: ast.AST) -> list[_Related]:
    """The names to whose values that of an expression may be related."""
    found: list[_Related] = []
    how = _How.SAME
    while not isinstance(value, ast.Name):
        if isinstance(value, (ast.Subscript, ast.Attribute)):
            value, how = value.value, _How.PART
        elif isinstance(value, (ast.Starred, ast.NamedExpr, ast.Await)):
            value = value.value
        elif isinstance(value, ast.Call):
            part = how is _How.PART or _called(value.func) in _MEMBERS
            found += _names(_How.PART if part else _How.HOLDER, *_arguments(value))
            # a method may give a part of its object, and a function of the text a part of what it returns
            value, how = _object(value) or value.func, _How.PART
        else:
            part = how is _How.PART or isinstance(value, (ast.IfExp, ast.BoolOp))
            return found + _names(_How.PART if part else _How.HOLDER, value)
    return [*found, (value.id, how)]


def _names(how: _How, *parts: ast.AST) -> list[_Related]:
    """All names in parts of the text."""
    return [(one.id, how) for part in parts for one in ast.walk(part) if isinstance(one, ast.Name)]


def _object(call: ast.Call) -> ast.AST | None:
    """The object whose method is called."""
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def _arguments(call: ast.Call) -> list[ast.AST]:
    return [*call.args, *(one.value for one in call.keywords)]


def _bindings(node: ast.AST, functions: dict[str, ast.arguments]) -> Iterator[tuple[str, Iterable[_Related]]]:
    """Names, and what their values may be related to by this part of the text."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _bound(target, _values(node.value))
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
        if node.value is not None:
            yield from _bound(node.target, _values(node.value))
    elif isinstance(node, ast.AugAssign):
        yield from _bound(node.target, _names(_How.HOLDER, node.value))
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        yield from _bound(node.target, _names(_How.PART, node.iter))
    elif isinstance(node, ast.Match):
        for pattern in (one for case in node.cases for one in ast.walk(case.pattern)):
            captured = getattr(pattern, "rest", None) or getattr(pattern, "name", None)
            yield captured or "", _names(_How.PART, node.subject)
    elif isinstance(node, _DEFINED):
        for one in ast.walk(node):
            if isinstance(one, (ast.Return, ast.Yield, ast.YieldFrom)) and one.value is not None:
                yield node.name, _values(one.value)
    elif isinstance(node, ast.Call):
        yield from _bound_by_call(node, functions)


def _bound(target: ast.AST, related: list[_Related]) -> Iterator[tuple[str, Iterable[_Related]]]:
    if isinstance(target, ast.Name):
        yield target.id, related
    elif isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            yield from _bound(part, [(name, _How.PART) for name, _ in related])
    elif isinstance(target, ast.Starred):
        yield from _bound(target.value, related)
    else:  # a part of a value
        for name, _ in _values(target):
            yield name, [(other, _How.HOLDER) for other, _ in related]


def _bound_by_call(
    call: ast.Call, functions: dict[str, ast.arguments]
) -> Iterator[tuple[str, Iterable[_Related]]]:
    """What an object keeps of the arguments of its method, and the parameters of functions of the text, which
    the text calls or gives to others that do (``map``, ``sorted``)."""
    arguments, changed = _arguments(call), _changed_by_call(call)
    if changed is not None:
        for name, _ in _values(changed):
            yield name, _names(_How.HOLDER, *arguments)
    for one in (call.func, *arguments):
        parameters = one.args if isinstance(one, ast.Lambda) else functions.get(_called(one))
        if parameters is not None:
            given = _names(_How.PART, call.func, *arguments)
            for parameter in ast.walk(parameters):
                if isinstance(parameter, ast.arg):
                    yield parameter.arg, given
