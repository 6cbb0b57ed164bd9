"""Commands with places for the item."""

import click
import pytest

from batchmill.cli.item_command import command_of


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["wc", "-c", "{}"], ["wc", "-c", "${item | raw}"]),
        (["wc", "-c"], ["wc", "-c", "${item | raw}"]),
        (["cp", "{}", "{}.bak"], ["cp", "${item | raw}", "${item | raw}.bak"]),
        (["echo", "{item.a.b-c}", "{other}"], ["echo", "${item.a.b-c | raw}", "{other}"]),
        (["echo", "{item}"], ["echo", "${item | raw}"]),
        (["echo", "${HOME}", "{}"], ["echo", "$${HOME}", "${item | raw}"]),
        (["wc -c {} | sort"], "wc -c ${item} | sort"),
        (["wc -c"], "wc -c ${item}"),
        (["echo ${HOME} {}"], "echo $${HOME} ${item}"),
        (["sh", "-c", 'wc "$1"', "sh", "{}"], ["sh", "-c", 'wc "$1"', "sh", "${item | raw}"]),
        (["sh", "-c", "true"], ["sh", "-c", "true", "${item | raw}"]),
        (["bash", "{}"], ["bash", "${item | raw}"]),
    ],
)
def test_commands(words, command):
    assert command_of(words) == command


@pytest.mark.parametrize(
    "words",
    [
        ["sh", "-e", "-c", "wc {item.path}"],
        ["/bin/bash", "-lc", "wc {}"],
        ["env", "zsh", "-c", "wc {}"],
        ["timeout", "5", "sh", "-c", "wc {}"],
        ["sh", "-c"],
    ],
)
def test_a_shell_that_would_run_the_item_is_refused(words):
    with pytest.raises(
        click.UsageError, match=r"run a value as code.*-- sh -c .* sh {}; or give the command as one"
    ):
        command_of(words)


def test_other_programs_that_would_run_the_item_are_refused():
    for words in (["ssh", "host", "cat", "{}"], ["su", "-lc", "cat {}"], ["python3", "-c", "print('{}')"]):
        with pytest.raises(click.UsageError, match=r"would (run|read) a value"):
            command_of(words)
