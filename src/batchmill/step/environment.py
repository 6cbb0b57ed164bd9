"""The variables of the environment, as templates see them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping


class Environment(Mapping[str, str]):
    """The environment variables of this process, read at each access. Sent to another process, it reads that
    process's own, which is the same for workers."""

    __slots__ = ()

    def __getitem__(self, name: str) -> str:
        return os.environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)

    def __reduce__(self) -> tuple[object, ...]:
        return Environment, ()


ENVIRONMENT = Environment()
