"""Secrets masked by value: ``***`` replaces them wherever a run shows or writes something.

A value is searched for in the forms that it takes on its way: unchanged; escaped once or several times, as in
JSON, in a shell's quotes, in a URL or in HTML; in base64 at any offset within the encoded text, such as
``user:password``; in hexadecimal, and in the dumps of programs. All forms may have line breaks in between.

Values too ordinary to be secrets are ignored, because they would be found in places that have nothing to do
with the secret: :func:`is_ordinary` decides.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from batchmill.lists import LazyList, MappedList
from batchmill.values.redaction import MASK, remember
from batchmill.values.secret_forms import Forms, forms

LEAST_CHARACTERS = 6
_LEAST_LINE = 16  # a line of a longer secret, such as a key in PEM, that is masked by itself
_MOST_LETTERS = 15  # of a word
_WORD = re.compile(r"[^\W\d_]+")
_VOWEL = re.compile(r"[aeiouyäöüáàâãåéèêëíìîïóòôõúùûýæœø]", re.IGNORECASE)
_CONSONANTS = re.compile(r"[b-df-hj-np-tv-xz]{5}", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(r"[-_. ]+")
# Placeholders that people write where a key is required but not used consist of these words.
_PLACEHOLDERS = frozenset(
    re.findall(
        r"\w+",
        """
        a abc abc123 any anything api apikey auth bearer change changeme cpp default dummy empty enter
        example fake foo bar here insert key keys llama llamacpp lm lmstudio local localhost me missing
        mock my na necessary needed nil no none not nothing null ollama openai placeholder replace
        required sample sk some studio test test123 testing the this todo token tokens undefined unset
        unused used vllm whatever with xxx xxxx your
        """,
    )
)


class Masker:
    """Masks the secrets that were added to it. One per run; without secrets it costs one check.

    It travels to worker processes with its secrets. There, texts that are cut short are masked too.

    Concurrency: any thread may call any method. ``_lock`` is held while a secret is added; readers use the
    latest ``_secrets``, ``_forms`` and ``_ordinary``, each of which is replaced as a whole.
    """

    def __init__(self, secrets: Iterable[object] = ()) -> None:
        self._lock = threading.Lock()
        self._secrets: frozenset[str] = frozenset()
        self._forms = Forms(())
        self._ordinary: tuple[str, ...] = ()
        for secret in secrets:
            self.add(secret)
        remember(self)

    def __reduce__(self) -> tuple[object, ...]:
        return Masker, (tuple(sorted(self._secrets)),)

    def __copy__(self) -> Masker:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Masker:
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """The texts that are looked for."""
        return self._secrets

    @property
    def knows_any(self) -> bool:
        """Whether there is anything to mask."""
        return bool(self._forms)

    @property
    def ordinary(self) -> tuple[str, ...]:
        """The names of the secrets that are too ordinary to be masked."""
        return self._ordinary

    def add(self, secret: object, called: str = "") -> bool:
        """Mask ``secret`` from now on: text, bytes, a number, or all of these in a list or an object. False
        where a text in it is too ordinary for that; ``called`` is then among the :attr:`ordinary` ones."""
        texts = list(_texts(secret))
        telling = {text for text in texts if not is_ordinary(text)}
        with self._lock:
            new = telling - self._secrets
            self._forms = Forms((*self._forms.all, *(form for text in sorted(new) for form in forms(text))))
            self._secrets |= new
            masked = len(telling) == len(set(texts))
            if not (masked or called in self._ordinary):
                self._ordinary += (called,) if called else ()
        return masked

    def text(self, text: str) -> str:
        """``text`` with every form of every secret masked; where two overlap, what both cover."""
        found = self.places(text)
        if not found:
            return text
        parts, end = [], 0
        for start, stop in _joined(found):
            parts += [text[end:start], MASK]
            end = stop
        return "".join([*parts, text[end:]])

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where the secrets are in ``text``, in order."""
        return self._forms.places(text) if self._forms else []

    def begun(self, text: str) -> int:
        """The offset in ``text`` at which the beginning of an incomplete secret may stand; its length if
        there is none."""
        return self._forms.begun(text) if self._forms else len(text)

    def value(self, value: object) -> Any:
        """``value`` with all text in it masked: in lists, tuples, objects (their keys too) and dataclasses. A
        part without a secret stays the same object."""
        return self._masked(value) if self._forms else value

    def _masked(self, value: Any) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._number(value)
        if isinstance(value, (bytes, bytearray)):
            shown = value.decode("utf-8", "surrogateescape")
            hidden = self.text(shown)
            return value if hidden == shown else hidden.encode("utf-8", "surrogateescape")
        if isinstance(value, LazyList):
            return MappedList(value, self._masked)
        if isinstance(value, Mapping):
            return {self._masked(key): self._masked(member) for key, member in value.items()}
        if type(value) in (list, tuple, set, frozenset):
            return type(value)(map(self._masked, value))
        if is_dataclass(value) and not isinstance(value, type):
            return self._dataclass(value)
        return value

    def _number(self, value: float) -> object:
        return MASK if repr(value) in self._secrets else value

    def _dataclass(self, value: Any) -> object:
        old = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        new = {name: self._masked(member) for name, member in old.items()}
        changed = {name: member for name, member in new.items() if member is not old[name]}
        return replace(value, **changed) if changed else value


def called_input(name: str) -> str:
    """The name of a secret input in messages."""
    return f"the input `{name}`"


def is_ordinary(text: str) -> bool:
    """Whether a text is too ordinary to be a secret: it would be found in many places that have nothing to do
    with it.

    Ordinary are: fewer than six characters; one character repeated; a placeholder such as ``not-needed`` or
    ``EMPTY``; and a word that can be spoken, such as a name. Up to three capitalized words with blanks
    between them are ordinary too.
    """
    if len(text) < LEAST_CHARACTERS or len(set(text)) == 1:
        return True
    words = _BETWEEN_WORDS.split(text.casefold())
    if all(word in _PLACEHOLDERS for word in words):
        return True
    if _is_word(text):
        return True
    named = text.split(" ")
    return len(named) <= 3 and all(_is_word(word) and word[0].isupper() for word in named)


def _is_word(text: str) -> bool:
    """Whether ``text`` is one word of a language, as far as that can be decided without a dictionary."""
    if len(text) > _MOST_LETTERS or not _WORD.fullmatch(text):
        return False
    if not (text.islower() or text.isupper() or text.istitle()) and text.isascii():
        return False
    spoken = len(_VOWEL.findall(text)) * 7 >= len(text) and not _CONSONANTS.search(text)
    return spoken or not text.isascii()


def _texts(secret: object) -> Iterator[str]:
    """The texts in a secret; of text with several lines each longer line too."""
    if isinstance(secret, str):
        if secret:
            yield secret
        if (stripped := secret.strip()) and stripped != secret:
            yield stripped
        lines = [line.strip() for line in secret.splitlines()]
        yield from (line for line in lines if len(line) >= _LEAST_LINE and line != secret)
    elif isinstance(secret, (bytes, bytearray)):
        yield from _texts(secret.decode("utf-8", "surrogateescape"))
    elif isinstance(secret, bool) or secret is None:
        return
    elif isinstance(secret, (int, float)):
        yield repr(secret)
    elif isinstance(secret, Mapping):
        for member in secret.values():
            yield from _texts(member)
    elif isinstance(secret, (list, tuple, set, frozenset)):
        for member in secret:
            yield from _texts(member)


def _joined(places: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Places that overlap as one."""
    start, stop = places[0]
    for next_start, next_stop in places[1:]:
        if next_start >= stop:
            yield start, stop
            start, stop = next_start, next_stop
        else:
            stop = max(stop, next_stop)
    yield start, stop
