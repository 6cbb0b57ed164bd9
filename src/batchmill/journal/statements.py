"""The journal's SQL, from the files beside this one."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

_NAME = "-- name: "


@cache
def statements() -> dict[str, str]:
    """Every query by its name."""
    found: dict[str, str] = {}
    name = ""
    for line in _read("queries.sql").splitlines():
        if line.startswith(_NAME):
            name = line.removeprefix(_NAME).strip()
            found[name] = ""
        elif name and not line.startswith("--"):
            found[name] += line + "\n"
    return {name: text.strip() for name, text in found.items()}


def statement(name: str) -> str:
    """The query called ``name``."""
    return statements()[name]


def one_row(connection: sqlite3.Connection, query: str, values: Any = ()) -> Any:
    """The first row that ``query`` finds, None without any. The query is then closed: on PyPy an abandoned
    one keeps its transaction until the garbage collector comes, and everybody else has to wait."""
    with closing(connection.execute(query, values)) as cursor:
        return cursor.fetchone()


def schema(version: int) -> str:
    """The script that leads from format ``version - 1`` to ``version``; the first one makes a journal."""
    return _read(f"schema_{version}.sql")


def _read(name: str) -> str:
    return resources.files("batchmill.journal").joinpath("sql", name).read_text(encoding="utf-8")
