"""Check params against a node type's declaration: fill in defaults, check everything else.

:func:`bind` runs before every attempt, so its needs are computed once per class, and valid params cost one
pass. Only invalid ones are examined in full.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from batchmill.errors import InvalidParams
from batchmill.ir.json_types import type_words
from batchmill.nodes.contract import Node, Param
from batchmill.nodes.json_params import CONTAINERS, container_param
from batchmill.template import ForeignUrl, ShellCommand
from batchmill.values.redaction import shortened

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}
_SHOWN_CHARACTERS = 60
_MADE_OF_TEMPLATES: dict[str, tuple[type, ...]] = {"shell": (ShellCommand,), "url": (ForeignUrl,)}


@dataclass(frozen=True, slots=True)
class _Binder:
    """The data that :func:`bind` needs of one class. ``plain`` maps a param to the exact types that need no
    second check; a param without an entry takes any value. ``containers`` has the types of params that take
    lists and objects but no text."""

    defaults: dict[str, object]
    required: tuple[str, ...]
    known: frozenset[str]
    plain: dict[str, frozenset[type]]
    containers: dict[str, tuple[str, ...]]
    declared: dict[str, Param]


@lru_cache(maxsize=1024)
def _binder(node_cls: type[Node]) -> _Binder:
    plain = {}
    for param in node_cls.params:
        if "any" in param.type.split("|"):
            continue
        # Params with choices or a minimum have no value that passes by its type alone.
        narrow = param.choices or param.minimum is not None
        accepted = [*_types(param), *_MADE_OF_TEMPLATES.get(param.templates, ())]
        plain[param.name] = frozenset() if narrow else frozenset(accepted)
    return _Binder(
        defaults={param.name: param.default for param in node_cls.params if not param.required},
        required=tuple(param.name for param in node_cls.params if param.required),
        known=frozenset(param.name for param in node_cls.params),
        plain=plain,
        containers={
            param.name: tuple(param.type.split("|"))
            for param in node_cls.params
            if CONTAINERS.issuperset(param.type.split("|"))
        },
        declared={param.name: param for param in node_cls.params},
    )


def bind(node_cls: type[Node], params: Mapping[str, object]) -> dict[str, Any]:
    """``params`` (resolved) with defaults filled in; a null for an optional param means its default.

    Raises :class:`~batchmill.errors.InvalidParams` naming every param at fault, what was expected and
    what was given. Defaults are shared between calls: a node must not change the values it gets.
    """
    binder = _binder(node_cls)
    params = _with_containers(node_cls, binder, params)
    bound = {**binder.defaults, **params}
    plain = binder.plain
    for name, value in params.items():
        accepted = plain.get(name)
        if accepted is None:
            if name in binder.known or node_cls.open_params:
                continue
        elif type(value) in accepted:
            continue
        _look_again(node_cls, params)
        if value is None and name in binder.defaults:
            bound[name] = binder.defaults[name]
    for name in binder.required:
        if name not in params:
            _look_again(node_cls, params)
    return bound


@dataclass(frozen=True, slots=True)
class Ahead:
    """Params whose constant part was bound ahead; ``bound`` is its result. ``accepted`` maps the name of each
    later param to the exact types that need no second check, None if any value is fine."""

    bound: dict[str, object]
    accepted: dict[str, frozenset[type] | None]


def bind_ahead(node_cls: type[Node], constants: Mapping[str, object], to_come: Iterable[str]) -> Ahead | None:
    """The part of :func:`bind` that is the same for every item: ``constants`` are known, values for the names
    ``to_come`` are not. None if a value needs a second check, which :func:`bind` makes."""
    binder = _binder(node_cls)
    names = list(to_come)
    if not node_cls.open_params and not binder.known.issuperset([*constants, *names]):
        return None
    if not {*constants, *names}.issuperset(binder.required):
        return None
    declared = binder.declared
    if any(_fault(declared[name], value) for name, value in constants.items() if name in declared):
        return None
    given = {
        name: value
        for name, value in constants.items()
        if value is not None or name not in binder.plain  # a null means the default
    }
    return Ahead({**binder.defaults, **given}, {name: binder.plain.get(name) for name in names})


def _with_containers(
    node_cls: type[Node], binder: _Binder, params: Mapping[str, object]
) -> Mapping[str, object]:
    """``params`` with text parsed as JSON where a list or an object, but no text, is allowed."""
    texts = [name for name in binder.containers if type(params.get(name)) is str]
    if not texts:
        return params
    where = f"{node_cls.type}: param"
    read = {
        name: container_param(params[name], binder.containers[name], f"{where} {name!r}") for name in texts
    }
    return {**params, **read}


def _look_again(node_cls: type[Node], params: Mapping[str, object]) -> None:
    faults = check_params(node_cls, params)
    if faults:
        raise InvalidParams(f"{node_cls.type}: " + "; ".join(message for _, message in faults))


def check_params(
    node_cls: type[Node],
    params: Mapping[str, object],
    unknown_yet: Callable[[Any], bool] = lambda value: False,
) -> list[tuple[str, str]]:
    """Every fault of ``params`` as ``(param name, what is wrong)``, in the order they were written.

    ``unknown_yet`` says which values hold templates and can only be checked once resolved.
    """
    declared = {param.name: param for param in node_cls.params}
    faults = []
    for name, value in params.items():
        if name not in declared:
            if not node_cls.open_params:
                faults.append((name, _unknown(name, declared, params)))
        elif not unknown_yet(value):
            fault = _fault(declared[name], value)
            if fault:
                faults.append((name, fault))
    for param in node_cls.params:
        if param.required and param.name not in params:
            faults.append((param.name, f"param {param.name!r} is required: {param.description}"))
    return faults


def _fault(param: Param, value: object) -> str | None:
    if value is None and not param.required:
        return None
    if param.templates == "shell" and isinstance(value, ShellCommand):
        return None
    if not _has_type(value, param):
        return f"param {param.name!r} must be {type_words(param.type)}, not {_shown(value)}"
    if param.choices and value not in param.choices:
        allowed = ", ".join(str(choice) for choice in param.choices)
        return f"param {param.name!r} must be one of {allowed}, not {_shown(value)}{_closest(value, param)}"
    # Written so that NaN, which compares with nothing, is refused too.
    if param.minimum is not None and isinstance(value, (int, float)) and not value >= param.minimum:
        return f"param {param.name!r} must be {param.minimum:g} or more, not {_shown(value)}"
    return None


def _types(param: Param) -> list[type]:
    return [one for name in param.type.split("|") for one in JSON_TYPES[name]]


def _has_type(value: object, param: Param) -> bool:
    names = param.type.split("|")
    if "any" in names:
        return True
    if isinstance(value, bool):  # an int to Python, another type to JSON
        return "boolean" in names
    return isinstance(value, tuple(_types(param)))


def _shown(value: object) -> str:
    return shortened(repr(value), _SHOWN_CHARACTERS)


def _closest(value: object, param: Param) -> str:
    from difflib import get_close_matches  # needed on a mistake only

    close = get_close_matches(str(value), [str(choice) for choice in param.choices], 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _unknown(name: str, declared: Mapping[str, Param], given: Collection[str]) -> str:
    from difflib import get_close_matches  # needed on a mistake only

    missing = [one.name for one in declared.values() if one.required and one.name not in given]
    short = [one for one in missing if _is_short_for(name, one)]
    close = short or get_close_matches(name, list(declared), 1)
    if close:
        return f"there is no param {name!r}; did you mean {close[0]!r}?"
    return f"there is no param {name!r}; there are {', '.join(declared) or 'none'}"


def _is_short_for(name: str, whole: str) -> bool:
    """Whether ``name`` abbreviates ``whole``, as ``cmd`` does ``command``."""
    letters = iter(whole[1:])
    return len(name) > 1 and name[0] == whole[0] and all(letter in letters for letter in name[1:])
