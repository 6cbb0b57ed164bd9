"""Commands to copy: they are texts for a shell, whatever the names."""

from __future__ import annotations

import shlex

from batchmill.report import commands
from batchmill.report.parts import Run
from batchmill.report.rows import Row

RUN = Run("7f3a", "f", "failed", 0.0, 1.0, resume="batchmill resume 7f3a --failed", journal="--journal 'a b'")


def test_names_are_quoted():
    told = commands.show(RUN, "it's; rm -rf $HOME", 3)
    words = ["batchmill", "show", "7f3a", "--node", "it's; rm -rf $HOME", "--item", "3", "--journal", "a b"]
    assert shlex.split(told) == words


def test_an_item_inside_of_another_is_shown_with_the_one_around_it():
    row = Row("site[*].crawl", 7, "failed", address="site[3].crawl[7]")
    first, second = commands.commands_of(RUN, row)
    assert first.text == "batchmill show 7f3a --node site --item 3 --journal 'a b'"
    assert second.text == "batchmill resume 7f3a --failed --journal 'a b'"


def test_half_a_command_is_not_shown():
    told = [one.does for one in commands.commands_of(RUN, Row("n", 0, "failed", command="x" * 2000))]
    assert told == ["show it", "run what failed again"]
