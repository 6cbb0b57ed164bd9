"""Send parts of an answer to listeners as they come, but never split a secret between two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from batchmill.events import AnswerPart
from batchmill.values.redaction import begun

Kind = Literal["text", "reasoning"]


class Telling:
    """The parts sent for one call. ``tell`` takes them.

    Listeners mask secrets in each part separately. So the end of a text that may be the beginning of a secret
    is held back until more has come. ``any`` says that something was sent.
    """

    def __init__(self, tell: Callable[[AnswerPart], object], call: str, attempt: int) -> None:
        self._tell = tell
        self._call = call
        self._attempt = attempt
        self._held: dict[tuple[Kind, int], str] = {}
        self.any = False

    def add(self, text: str, kind: Kind = "text", choice: int = 0) -> None:
        """Further text of an answer."""
        if not text:
            return
        self.any = True
        text = self._held.pop((kind, choice), "") + text
        end = begun(text)
        self._held[kind, choice] = text[end:]
        self._pass_on(text[:end], kind, choice)

    def end(self) -> None:
        """Nothing more comes."""
        held, self._held = self._held, {}
        for (kind, choice), text in held.items():
            self._pass_on(text, kind, choice)

    def _pass_on(self, text: str, kind: Kind, choice: int) -> None:
        if text:
            self._tell(AnswerPart(text, kind, choice, self._call, self._attempt))
