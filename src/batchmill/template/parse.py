"""Reading a template: one pass from left to right, never back, so the time is linear in its length.

The grammar::

    template    = (text | "$${" | "${" expression "}")*      "$${" stands for the text "${"
    expression  = both ("or" both)*
    both        = negation ("and" negation)*
    negation    = "not" negation | comparison
    comparison  = value [("==" | "!=" | "<=" | "<" | ">=" | ">" | "in" | "not in") value]
    value       = "(" expression ")" | operand ("??" operand)* ("|" filter)*
    operand     = path | JSON value | single-quoted text
    path        = name (("." key) | "[" index "]")*
    index       = integer | "*" | quoted text | "${" path "}"
    filter      = name [":" (quoted text | JSON value)]

Names and keys are letters, digits, ``_`` and ``-`` of any script; a name does not start with ``-``.
White space is free around operands, filters and operators, and not allowed inside a path. Every other
``$`` is text: ``$HOME``, ``$(date)`` and ``$1`` belong to the shell.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from batchmill.errors import TemplateSyntaxError
from batchmill.template.filters import FILTERS
from batchmill.template.parts import (
    DEFAULT,
    EVERY,
    Comparison,
    Condition,
    Every,
    Expression,
    Filter,
    Junction,
    Literal,
    Negation,
    Operand,
    Path,
    Template,
)

MAX_NESTING = 16  # paths within indices, brackets, `not`s; nobody writes three, and each takes Python frames

_SPACE = re.compile(r"[ \t\r\n]*")
_NAME = re.compile(r"\w[\w-]*")
_KEY = re.compile(r"[\w-]+")
_INDEX = re.compile(r"-?[0-9]{1,18}(?=\])")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.\[-])")
_DOUBLED = re.compile(r"\{\s*([A-Za-z_][^{}\"]*)\}\}")  # ${{ name }}, as in other tools
_NAMESPACE = re.compile(r"^(?:inputs|params|parameters|steps|needs|jobs|tasks|nodes|workflow)\.")
_OUTPUTS = re.compile(r"^([\w-]+)\.(?:outputs|output|results)\.")
_COMPARING = re.compile(r"==|!=|<=|>=|<|>|(?:not\s+)?in(?![\w-])")
_NOT = re.compile(r"not(?=\s+[^\s}|?=!<>&)]|\()(?!\s+(?:in|and|or)(?![\w.\[-]))")
_OTHER_WORDS = re.compile(r"&&|\|\||=|<>|!")
_INSTEAD = {"&&": "and", "||": "or", "=": "==", "<>": "!=", "!": "not"}
_SINGLE_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
_WORDS = {"true": True, "false": False, "null": None}
_OTHERS = {  # filters of other template languages, and what they are called here
    "length": "count", "len": "count", "size": "count", "tojson": "json", "to_json": "json",
    "fromjson": "parse", "from_json": "parse", "int": "number", "float": "number", "tonumber": "number",
    "split": "lines", "splitlines": "lines", "average": "mean", "avg": "mean", "urlencode": "url",
    "uniq": "unique", "sorted": "sort", "groupby": "group", "group_by": "group", "safe": "raw",
}  # fmt: skip
_OWN_SHELL = "for the shell's own ${...} write $${...}"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_constant=_no_constant)


def parse(text: str) -> Template:
    """Read ``text``. Raises :class:`TemplateSyntaxError` with the 0-based position of the fault."""
    parts: list[str | Expression] = []
    literal: list[str] = []
    start = 0
    while (found := text.find("${", start)) >= 0:
        if found > start and text[found - 1] == "$":
            literal.append(text[start : found - 1] + "${")
            start = found + 2
            continue
        literal.append(text[start:found])
        _flush(literal, parts)
        reader = _Reader(text, found + 2)
        parts.append(reader.expression(found))
        start = reader.position
    literal.append(text[start:])
    _flush(literal, parts)
    return Template(text, tuple(parts))


def expressions_in(text: str) -> tuple[list[Expression], list[TemplateSyntaxError]]:
    """The expressions in ``text`` that can be parsed, and every fault of the others. After a fault, parsing
    continues at the next ``${``."""
    expressions: list[Expression] = []
    faults: list[TemplateSyntaxError] = []
    start = 0
    while (found := text.find("${", start)) >= 0:
        start = found + 2
        if found and text[found - 1] == "$":
            continue
        reader = _Reader(text, start)
        try:
            expressions.append(reader.expression(found))
            start = reader.position
        except TemplateSyntaxError as error:
            faults.append(error)
            start = max(start, error.position)
    return expressions, faults


def without_namespace(path: str) -> str:
    """Rewrite a path of another tool, such as ``inputs.name`` or ``steps.a.outputs.b``, to the form used
    here."""
    return _OUTPUTS.sub(r"\1.", _NAMESPACE.sub("", path))


def _flush(literal: list[str], parts: list[str | Expression]) -> None:
    joined = "".join(literal)
    if joined:
        parts.append(joined)
    literal.clear()


class _Reader:
    """Reads one expression from ``position`` on; each method leaves it behind what was read."""

    __slots__ = ("position", "text")

    def __init__(self, text: str, position: int) -> None:
        self.text = text
        self.position = position

    def expression(self, opening: int) -> Expression:
        condition = self._joined("or", 0)
        if not self._accept("}"):
            self._fail_at_end(opening)
        return Expression(condition, self.text[opening : self.position], opening)

    def _joined(self, word: str, depth: int) -> Condition:
        parts = [self._joined("and", depth) if word == "or" else self._negation(depth)]
        while self._accept_word(word):
            parts.append(self._joined("and", depth) if word == "or" else self._negation(depth))
        return parts[0] if len(parts) == 1 else Junction(word, tuple(parts))

    def _negation(self, depth: int) -> Condition:
        self._skip_space()
        found = _NOT.match(self.text, self.position)
        if found is None:
            return self._comparison(depth)
        self.position = found.end()
        return Negation(self._negation(self._deeper(depth)))

    def _comparison(self, depth: int) -> Condition:
        left = self._value(depth)
        self._skip_space()
        found = _COMPARING.match(self.text, self.position)
        if found is None:
            return left
        self.position = found.end()
        return Comparison(" ".join(found.group().split()), left, self._value(depth))

    def _value(self, depth: int) -> Condition:
        if self._accept("("):
            within = self._joined("or", self._deeper(depth))
            if not self._accept(")"):
                self._fail("a ) is missing")
            return within
        alternatives = [self._operand()]
        while self._accept("??"):
            alternatives.append(self._operand())
        filters: list[Filter] = []
        while not self.text.startswith("||", self.position) and self._accept("|"):
            filters.append(self._filter())
        return Operand(tuple(alternatives), tuple(filters))

    def _deeper(self, depth: int) -> int:
        if depth >= MAX_NESTING:
            self._fail(f"a condition is nested more than {MAX_NESTING} deep")
        return depth + 1

    def _accept_word(self, word: str) -> bool:
        self._skip_space()
        end = self.position + len(word)
        if not self.text.startswith(word, self.position) or _KEY.match(self.text, end):
            return False
        self.position = end
        return True

    def _operand(self) -> Path | Literal:
        self._skip_space()
        following = self.text[self.position : self.position + 1]
        if following == "'":
            return Literal(self._quoted())
        if following == "{" and (doubled := _DOUBLED.match(self.text, self.position)):
            instead = without_namespace(doubled[1].strip())
            self._fail(f"one pair of braces is enough: write ${{{instead}}}", self.position - 2)
        if following in ('"', "[", "{"):
            return Literal(self._json())
        if _NUMBER.match(self.text, self.position):
            return Literal(self._json())
        path = self._path(0)
        if not path.segments and path.root in _WORDS:
            return Literal(_WORDS[path.root])
        return path

    def _json(self) -> Any:
        try:
            value, self.position = _JSON.raw_decode(self.text, self.position)
        except json.JSONDecodeError as error:
            self._fail(f"a JSON value cannot be read here ({error.msg})", error.pos)
        except ValueError as error:
            self._fail(f"a JSON value cannot be read here ({error})")
        except RecursionError:
            self._fail("a JSON value in a template is nested too deep")
        return value

    def _path(self, depth: int) -> Path:
        if depth > MAX_NESTING:
            self._fail(f"paths are nested more than {MAX_NESTING} deep as an index")
        opening = self.position
        found = _NAME.match(self.text, opening)
        if found is None:
            self._fail(f"a name or a JSON value is expected after ${{; {_OWN_SHELL}")
        self.position = found.end()
        segments: list[str | int | Every | Path] = []
        while (following := self.text[self.position : self.position + 1]) in (".", "["):
            self.position += 1
            segments.append(self._key() if following == "." else self._index(depth))
        return Path(found.group(), tuple(segments), self.text[opening : self.position])

    def _key(self) -> str:
        found = _KEY.match(self.text, self.position)
        if found is None:
            self._fail('a key is expected after "."; other keys are written ["any key"]')
        self.position = found.end()
        return found.group()

    def _index(self, depth: int) -> str | int | Every | Path:
        segment: str | int | Every | Path
        following = self.text[self.position : self.position + 1]
        if found := _INDEX.match(self.text, self.position):
            segment = int(found.group())
            self.position = found.end()
        elif following == "*":
            segment = EVERY
            self.position += 1
        elif following in ('"', "'"):
            segment = self._quoted()
        elif self.text.startswith("${", self.position):
            segment = self._nested(depth)
        else:
            self._fail('a position, *, "a key" or ${a.path} is expected between [ and ]')
        if not self.text.startswith("]", self.position):
            self._fail("a ] is missing")
        self.position += 1
        return segment

    def _nested(self, depth: int) -> Path:
        self.position += 2
        self._skip_space()
        path = self._path(depth + 1)
        if not self._accept("}"):
            self._fail("a path used as an index ends with }; ?? and filters are not for indices")
        return path

    def _quoted(self) -> str:
        if self.text.startswith('"', self.position):
            value: str = self._json()
            return value
        found = _SINGLE_QUOTED.match(self.text, self.position)
        if found is None:
            self._fail("the quote that opens here is never closed")
        self.position = found.end()
        return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), found[1])

    def _filter(self) -> Filter:
        self._skip_space()
        opening = self.position
        found = _NAME.match(self.text, opening)
        if found is None:
            self._fail(f"a filter is expected after |: {', '.join(FILTERS)}")
        self.position = found.end()
        name = found.group()
        if name not in FILTERS:
            from difflib import get_close_matches  # needed on a mistake only

            near = [_OTHERS[name]] if name in _OTHERS else get_close_matches(name, FILTERS, 1)
            known = f"there are {', '.join(FILTERS)}; a `code` node can do the rest"
            hint = f"did you mean {near[0]!r}?" if near else known
            self._fail(f"there is no filter {name!r}; {hint}", opening)
        argument = self._argument() if self._accept(":") else None
        if name == DEFAULT:
            if argument is None:
                self._fail(
                    "the filter 'default' needs a value after it, such as default:'' or default:0", opening
                )
        elif FILTERS[name].takes_argument and not isinstance(argument, str):
            self._fail(f"the filter {name!r} needs a text after it, such as {name}:','", opening)
        elif not FILTERS[name].takes_argument and argument is not None:
            self._fail(f"the filter {name!r} takes nothing after it", opening)
        return Filter(name, argument)

    def _argument(self) -> object:
        self._skip_space()
        if self.text.startswith("'", self.position):
            return self._quoted()
        return self._json()

    def _accept(self, token: str) -> bool:
        self._skip_space()
        if not self.text.startswith(token, self.position):
            return False
        self.position += len(token)
        return True

    def _skip_space(self) -> None:
        found = _SPACE.match(self.text, self.position)
        if found is not None:  # always: it matches nothing as well
            self.position = found.end()

    def _fail_at_end(self, opening: int) -> NoReturn:
        found = _OTHER_WORDS.match(self.text, self.position)
        if found is not None and found.group() in _INSTEAD:
            self._fail(f"{found.group()!r} is written {_INSTEAD[found.group()]!r} here")
        if self.position >= len(self.text):
            self._fail("the ${ is never closed; for a literal ${ write $${", opening)
        self._fail(f"this is not expected in a template; {_OWN_SHELL}")

    def _fail(self, message: str, position: int | None = None) -> NoReturn:
        raise TemplateSyntaxError(message, self.text, self.position if position is None else position)
