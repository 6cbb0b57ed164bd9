"""``batchmill watch``: a run from a second terminal, while it is under way or after."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from batchmill.cli import options
from batchmill.cli.clashes import refuse_together
from batchmill.cli.exits import Exit
from batchmill.cli.journals import Journals, is_found, working_folder
from batchmill.cli.streams import data_only
from batchmill.cli.titles import title
from batchmill.events.progress import can_draw
from batchmill.report.live import Watched
from batchmill.report.live_text import lines, told
from batchmill.report.look import Look

OFTEN, SELDOM = 1.0, 10.0  # seconds between two looks: drawn or read by a program, and in a log
SHARE = 0.1  # of the time is for looking, at most

Show = Callable[[Look], bool]
"""Shows a look; returns False when the viewer has closed it."""


@click.command("watch", short_help="Watch a run from another terminal.")
@click.argument("run", required=False)
@click.option("--once", is_flag=True, help="Show the state now, and end.")
@click.option(
    "--every",
    type=click.FloatRange(0.1, 86400),
    metavar="SECONDS",
    help=f"Look every SECONDS, by default {OFTEN:g} s on a terminal and with --json, else {SELDOM:g} s.",
)
@options.journal
@options.json_flag("Print each look as a JSON object on a line.")
def command(
    run: str | None, once: bool, every: float | None, journal_path: str | None, json_wanted: bool
) -> int:
    """Watch RUN (its id or the beginning of it, its name, or `last`), by default the one that runs now: bars,
    rates, how long it will take, failures, cost. End when the run ends.

    Watching only reads the journal and cannot disturb the run. Leave with Ctrl-C."""
    refuse_together("once", "every", "--once looks once, and --every again and again")
    with Journals(journal_path, only_read=True) as journals:
        reader, found, _ = journals.to_watch(run)
        path = str(reader.journal.path)
        option = "" if is_found(path, working_folder()) else f"--journal {shlex.quote(path)}"
        watched = Watched(reader, found, title(found), option)
        drawn = not (json_wanted or once) and sys.stdout is not None and can_draw(sys.stdout, os.environ)
        pause = every or (OFTEN if drawn or json_wanted else SELDOM)
        with _drawn() if drawn else _written(json_wanted, once) as show:
            _follow(watched, show, None if once else pause)
    return Exit.SUCCESS


def _follow(watched: Watched, show: Show, pause: float | None) -> None:
    while True:
        began = time.monotonic()
        look = watched.look(time.time())
        if not show(look) or look.over or pause is None:
            return
        time.sleep(max(pause, (time.monotonic() - began) * (1 / SHARE - 1)))


@contextmanager
def _drawn() -> Iterator[Show]:
    """On a terminal: one picture, that changes."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=sys.stdout, no_color=bool(os.environ.get("NO_COLOR")), highlight=False)
    with Live(console=console, auto_refresh=False) as live:

        def show(look: Look) -> bool:
            live.update(Text("\n".join(lines(look)), no_wrap=True, overflow="ellipsis"), refresh=True)
            return True

        yield show


@contextmanager
def _written(as_json: bool, once: bool) -> Iterator[Show]:
    """Without a terminal: an object for each look, or a line for each batch that progressed, and everything
    at the end."""
    with data_only() as data:
        shown: dict[str, int] = {}

        def show(look: Look) -> bool:
            if as_json:
                data.write_json(look.as_json())
            elif look.over or once:
                data.write_pieces(f"{line}\n" for line in lines(look))
            else:
                for node in look.nodes:
                    if node.batch and node.status == "running" and shown.get(node.id) != node.done:
                        shown[node.id] = node.done
                        data.write_line(f"{node.id}: {told(node)}")
            return not data.broken

        yield show
