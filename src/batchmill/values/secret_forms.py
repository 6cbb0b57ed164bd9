r"""The forms of a secret in the places where it may turn up, as regular expressions.

Each character has its escapes: ``"`` is also ``\"``, ``\\\"`` (JSON within JSON), ``\u0022``, ``\x22``,
``\042``, ``%22``, ``%2522``, ``=22`` and ``&quot;``. So one expression finds a secret in any mixture of them.
Encodings of bytes (base64, hexadecimal) have their own expressions, and so have the layouts in which ``xxd``,
``hexdump`` and ``od`` show bytes. All allow line breaks anywhere.

Such expressions are slow. So each has cores: a few characters that are in every text it matches, once
separators and line breaks are removed. To search for a core is fast, and nearly all texts contain none.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LEAST_BASE64 = 6  # characters of base64 that do not depend on what stands before and after the secret
_LEAST_FOLDED = 12  # characters of a secret that is looked for with line breaks in it as it is
_CORE = 12  # characters: more do not make looking faster
_DUMPED_BYTES = 16  # in a line of a dump
_WINDOW = 3  # bytes of a secret that are looked for in a dump

# A plain line break, and its forms in JSON, in quoted-printable text and in folded headers.
_BREAK = r"(?:=?\r?\n[ \t]*|\\+r?\\*n)?"
_IN_BASE64 = "[A-Za-z0-9+/_-]"
_ESCAPED_BREAK = re.compile(r"\\+r?\\*n")
# Separators between two bytes in hexadecimal or octal: within a line of a dump, and from one line to the
# next, with the text column and the offset.
_BETWEEN_BYTES = r"(?:(?:[\s:,]|\\+x|0x)*|(?:[ \t].{0,24})?\r?\n(?:[0-9a-fA-F]{6,16}:?[ \t]+)?)"
_REST_OF_DUMP = r"(?:[0-9a-fA-F ]*(?: {2}|[ \t]*[>|]).{1,18}(?=\r?\n|\Z))?"
_LETTERS_IN_C = {"\n": "n", "\r": "r", "\t": "t", "\a": "a", "\b": "b", "\f": "f", "\v": "v", "\x1b": "[eE]"}
# The look of dumps: h is a digit, a blank is a separator.
_SHAPE = str.maketrans("0123456789abcdefABCDEF\n\r\t:,\\", "h" * 22 + " " * 6)
_DUMPED = ("hh hh hh", "hh  hh  hh", "hh xhh xhh", "hxhh  hxhh", "hhhh hhhh ", "hhh hhh hhh")
_PLAIN = re.compile(r"[A-Za-z0-9_]+")
_ESCAPE = re.compile(r"[\\%=&'\r\n][\w#;%\\\r\n \t'\"=]*\Z")
_LONGEST_ESCAPE = 24
_LINE_OF_DUMP = 64


@dataclass(frozen=True, slots=True)
class Form:
    """One expression. Where it matches, one of ``cores`` is in the text, if there are any; where it is a
    ``dump``, in its bytes. ``units`` are the expressions of its characters, with ``between`` between them."""

    pattern: re.Pattern[str]
    cores: tuple[str, ...]
    dump: bool = False
    units: tuple[str, ...] = ()
    between: str = ""

    def begun(self, text: str) -> int:
        """The offset in ``text`` at which a match may begin that the next text completes; its length if there
        is none."""
        first = _compiled(self.units[0])
        for start in range(len(text)):
            rest = text[start:]
            if (first.match(rest) and self._goes_on(rest)) or _is_part(self.units[0], rest):
                return max(0, start - 1)  # base64 may hold bits of it in the character before
        return len(text)

    def _goes_on(self, text: str) -> bool:
        """Whether all of ``text`` is the beginning of a match."""
        places, between = {0}, _compiled(self.between)
        for number, unit in enumerate(self.units):
            if number:
                places |= {found.end() for at in places if (found := between.match(text, at))}
            for rest in (text[at:] for at in places):
                in_dump = self.dump and number >= _WINDOW and rest[:1].isspace()
                if (in_dump and len(rest) < _LINE_OF_DUMP) or _is_part(unit, rest):
                    return True
            places = {end for at in places for end in _ends(unit, text, at)}
        return len(text) in places

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it matches, also where one match begins within another."""
        found = self.pattern.search(text)
        while found:
            yield found.span()
            found = self.pattern.search(text, found.start() + 1)


@functools.lru_cache(4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _ends(unit: str, text: str, at: int) -> Iterator[int]:
    """Where a unit that begins at a place may end; of several ways to write it one may begin another."""
    pattern = _compiled(unit)
    for end in range(at + 1, min(at + _LONGEST_ESCAPE, len(text)) + 1):
        if pattern.fullmatch(text, at, end):
            yield end


def _is_part(unit: str, rest: str) -> bool:
    """Whether a text ends in the middle of a unit, or of an escape for one."""
    if len(rest) >= _LONGEST_ESCAPE:
        return False
    return unit.lower().startswith(rest.lower()) or _ESCAPE.match(rest) is not None


class Forms:
    """The forms of all secrets that are known. Immutable."""

    def __init__(self, known: Iterable[Form]) -> None:
        self.all = tuple(known)
        self._always = [form for form in self.all if not form.cores]
        self._plain = _by_core(form for form in self.all if not form.dump)
        self._dumps = _by_core(form for form in self.all if form.dump)
        self._least = 0 if self._always else min((len(core) for core, _ in self._plain), default=0)

    def __bool__(self) -> bool:
        return bool(self.all)

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where a secret is in ``text``, in order."""
        if len(text) < self._least:
            return []
        found = dict.fromkeys(self._always)
        found |= _standing(self._plain, text, _joined(text))
        if _may_hold_dump(text):
            found |= _standing(self._dumps, _bytes_of(text))
        return sorted(place for form in found for place in form.places(text))

    def begun(self, text: str) -> int:
        """The offset in ``text`` at which an incomplete secret may begin; its length if there is none."""
        end = min((form.begun(text) for form in self.all), default=len(text))
        return min((start for start, stop in self.places(text) if start < end <= stop), default=end)


def _by_core(forms: Iterable[Form]) -> list[tuple[str, Form]]:
    return [(core, form) for form in forms for core in form.cores]


def _standing(known: list[tuple[str, Form]], *views: str) -> dict[Form, None]:
    """The forms of which a core is in one of ``views``."""
    return {form: None for view in views for core, form in known if core in view}


def _joined(text: str) -> str:
    """``text`` without line breaks, as far as it may have any."""
    if "\\" in text:
        text = _ESCAPED_BREAK.sub("", text)
    elif "\n" not in text:
        return ""
    return "".join(text.split()).replace("=", "")


def _may_hold_dump(text: str) -> bool:
    shape = text.translate(_SHAPE)
    return "   " in text or any(dumped in shape for dumped in _DUMPED)


def _bytes_of(text: str) -> str:
    """``text`` without the separators between bytes of a dump."""
    dumped = "".join(text.lower().split())
    for between in ("\\", "0x", "x", ":", ","):
        dumped = dumped.replace(between, "")
    return dumped


def forms(secret: str) -> Iterator[Form]:
    """All forms of ``secret``."""
    between = _BREAK if len(secret) >= _LEAST_FOLDED else ""
    plain = max(_PLAIN.findall(secret), key=len, default="")
    written = tuple(map(_escaped, secret))
    yield Form(re.compile(between.join(written)), _core(plain), units=written, between=between)
    raw = secret.encode("utf-8", "surrogatepass")
    for digits in (raw.hex(), raw.hex().upper()):
        pairs = tuple(digits[place : place + 2] for place in range(0, len(digits), 2))
        yield Form(re.compile(_BREAK.join(pairs)), (digits[:_CORE],), units=pairs, between=_BREAK)
    for before, encoded, after in _base64(raw):
        plain = max(_PLAIN.findall(encoded), key=len, default="")
        partly = _IN_BASE64 + _BREAK if before else "", _BREAK + _IN_BASE64 if after else ""
        parts = tuple(map(_in_base64, encoded))
        pattern = re.compile(f"(?:{partly[0]})?{_BREAK.join(parts)}(?:{partly[1]})?")
        yield Form(pattern, _core(plain), units=parts, between=_BREAK)
    yield from _dumps(raw)


def _core(plain: str) -> tuple[str, ...]:
    return (plain[:_CORE],) if len(plain) >= _WINDOW else ()


def _dumps(raw: bytes) -> Iterator[Form]:
    """As bytes in hexadecimal and octal, as words of two bytes with the second one first, and as ``od -c``
    shows them."""
    ways = [(_in_hex, _REST_OF_DUMP), (_in_octal, _REST_OF_DUMP), (_as_text, "")]
    for written, rest in ways:
        parts = tuple(re.escape(written(byte)) for byte in raw)
        if written is _as_text:
            parts = tuple(map(_in_od, raw))
        units = [written(byte).lower() for byte in raw]
        yield _dump(parts, rest, _windows(units))
    for start in (0, 1):
        units = [f"{raw[place + 1]:02x}{raw[place]:02x}" for place in range(start, len(raw) - 1, 2)]
        yield _dump(tuple(units), _REST_OF_DUMP, _windows(units, 2))


def _dump(parts: tuple[str, ...], rest: str, cores: tuple[str, ...]) -> Form:
    pattern = re.compile(_BETWEEN_BYTES.join(parts) + rest, re.IGNORECASE)
    return Form(pattern, cores, dump=True, units=parts, between=_BETWEEN_BYTES)


def _windows(units: list[str], size: int = _WINDOW) -> tuple[str, ...]:
    """Stretches of ``size`` of the ``units`` of a secret: at least one is on a single line, however the lines
    are broken."""
    per_line = _DUMPED_BYTES if size == _WINDOW else _DUMPED_BYTES // 2
    together = min(-(-len(units) // 2), per_line)
    step = max(1, together - size + 1)
    return tuple("".join(units[place : place + size]) for place in range(0, len(units) - size + 1, step))


def _in_hex(byte: int) -> str:
    return f"{byte:02x}"


def _in_octal(byte: int) -> str:
    return f"{byte:03o}"


def _as_text(byte: int) -> str:
    return chr(byte)


def _in_od(byte: int) -> str:
    """One byte as ``od -c`` shows it."""
    letter = _LETTERS_IN_C.get(chr(byte), "")
    shown = re.escape(chr(byte)) if 32 < byte < 127 else rf"\\{letter}" if letter else " "
    return rf"(?:{shown}|{byte:03o})"


def _escaped(char: str) -> str:
    """One character of a secret in every form that it has in text."""
    if char.isascii() and (char.isalnum() or char == "_"):
        return char
    code = ord(char)
    forms = [rf"\\*{re.escape(char)}"]
    if char == "'":  # shells end the quotes, write it, and begin them again
        forms.insert(0, r"""'(?:\\+'|"'"|\\+"'\\+")'""")
    if char in _LETTERS_IN_C:
        forms.append(rf"\\+{_LETTERS_IN_C[char]}")
    if char == " ":
        forms.append(r"\+")
    units = char.encode("utf-16-be", "surrogatepass")
    wide = "".join(rf"\\+u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))
    raw = char.encode("utf-8", "surrogatepass")
    forms += [
        _either_case(wide),
        _either_case(rf"\\+U{code:08x}"),
        _either_case(rf"\\+x{code:02x}") if code < 256 else "",
        _either_case("".join(rf"\\+x{byte:02x}" for byte in raw)),
        "".join(rf"\\+0?{byte:03o}" for byte in raw),
        _either_case("".join(rf"%(?:25)*{byte:02x}" for byte in raw)),
        _either_case("".join(rf"=(?:\r?\n)?{byte:02x}" for byte in raw)),
        *_entities(char),
    ]
    return f"(?:{'|'.join(dict.fromkeys(form for form in forms if form))})"


_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}  # as `html.escape`


def _entities(char: str) -> Iterable[str]:
    named = _NAMED.get(char, char)
    numbers = rf"&#0*{ord(char)};", rf"&#[xX]0*(?:{ord(char):x}|{ord(char):X});"
    return (*numbers, re.escape(named)) if named != char else numbers


def _either_case(pattern: str) -> str:
    """``pattern`` with its hexadecimal digits in either case."""
    return re.sub("[a-f]", lambda found: f"[{found[0]}{found[0].upper()}]", pattern)


def _base64(raw: bytes) -> Iterator[tuple[bool, str, bool]]:
    """The characters that encode only bits of ``raw``, at each of its three offsets, and whether the
    characters before and after them also hold some of its bits."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode("ascii").rstrip("=")
        first = -(-offset * 8 // 6)
        last = (offset + len(raw)) * 8 // 6
        if last - first >= _LEAST_BASE64:
            yield offset * 8 % 6 != 0, encoded[first:last], (offset + len(raw)) * 8 % 6 != 0


def _in_base64(char: str) -> str:
    """One character of base64, of the alphabet for URLs and file names too."""
    return {"+": r"(?:[+-]|%2[bB])", "/": r"(?:\\*/|_|%2[fF])"}.get(char, char)
