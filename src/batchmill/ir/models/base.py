"""The base of all models of a document."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
)

FIRST_FORMAT = {"format": 1}
"""The context of serializing a document as the first format of the journal had it."""


class Spec(BaseModel):
    """Base of all models: unknown keys are refused, values are not coerced, objects are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    LATER: ClassVar[frozenset[str]] = frozenset()
    """Keys that were added after the first format of the journal, which identified documents by
    their text."""

    @model_serializer(mode="wrap")
    def _as_it_was(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        written: dict[str, object] = handler(self)
        if info.context is FIRST_FORMAT:
            for key in self.LATER:
                written.pop(key, None)
        return written
