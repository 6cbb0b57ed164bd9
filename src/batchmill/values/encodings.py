"""Encodings of text, by name."""

from __future__ import annotations

import codecs


def is_encoding(value: object) -> bool:
    """Whether it names an encoding of text; Python has others, such as ``hex``."""
    if not isinstance(value, str):
        return False
    try:
        codecs.getincrementaldecoder(value)
        b"a".decode(value)  # of no bytes at all, Python takes any name
    except UnicodeError:
        return True
    except (LookupError, TypeError, ValueError):
        return False
    return True
