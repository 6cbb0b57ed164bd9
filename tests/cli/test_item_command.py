"""Commands with placeholders for the item."""

import click
import pytest

from batchmill.cli.item_command import ItemShape, command_of
from batchmill.nodes.placeholders import Placeholder

ROWS = ItemShape(rows=True)
TWO = ItemShape(2)


def place(written, raw=True):
    """The template of a placeholder, as in the words of a list."""
    return f'${{item["{written}"]{" | raw" if raw else ""}}}'


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["wc", "-c", "{}"], ["wc", "-c", place("{}")]),
        (["wc", "-c"], ["wc", "-c", place("{}")]),
        (["cp", "{}", "{.}.bak"], ["cp", place("{}"), place("{.}") + ".bak"]),
        (
            ["echo", "{//}/{/.}-{#}-{%}"],
            ["echo", f"{place('{//}')}/{place('{/.}')}-{place('{#}')}-{place('{%}')}"],
        ),
        (["echo", "{item}"], ["echo", place("{item}")]),
        (["echo", "{1}", "{1.}"], ["echo", place("{1}"), place("{1.}")]),
        (["echo", "${HOME}", "{}"], ["echo", "$${HOME}", place("{}")]),
        (["wc -c {} | sort"], f"wc -c {place('{}', raw=False)} | sort"),
        (["wc -c"], f"wc -c {place('{}', raw=False)}"),
        (["echo ${HOME} {}"], f"echo $${{HOME}} {place('{}', raw=False)}"),
        (["sh", "-c", 'wc "$1"', "sh", "{}"], ["sh", "-c", 'wc "$1"', "sh", place("{}")]),
        (["sh", "-c", "true"], ["sh", "-c", "true", place("{}")]),
        (["bash", "{}"], ["bash", place("{}")]),
        # braces of others: JSON, awk, regular expressions, alternatives of a shell
        (["echo", '{"data": {}}'], ["echo", f'{{"data": {place("{}")}}}']),
        (["awk", "{print $1; n++}", "{}"], ["awk", "{print $1; n++}", place("{}")]),
        (["grep", "-E", "a{1,3}", "{}"], ["grep", "-E", "a{1,3}", place("{}")]),
        (["cp {} x.{bak,old}"], f"cp {place('{}', raw=False)} x.{{bak,old}}"),
        (["awk", "{ sum += $1 } END { print sum }"], ["awk", "{ sum += $1 } END { print sum }", place("{}")]),
        # a brace that is meant
        (["awk", "{{print}", "{}"], ["awk", "{print}", place("{}")]),
        (["echo", "{{}", "{}"], ["echo", "{}", place("{}")]),
    ],
)
def test_commands(words, command):
    assert command_of(words).command == command


def test_several_sources():
    one, two = place("{1}"), place("{2}")
    assert command_of(["echo", "{}"], TWO).command == ["echo", one, two]
    assert command_of(["echo", "-n"], TWO).command == ["echo", "-n", one, two]
    assert command_of(["echo", "x{}"], TWO).command == ["echo", "x" + place("{}")]
    assert command_of(["echo", "{2}", "{1/}"], TWO).command == ["echo", two, place("{1/}")]
    assert command_of(["echo", "{.}"], TWO).command == ["echo", place("{1.}"), place("{2.}")]
    assert command_of(["echo {}"], TWO).command == f"echo {place('{1}', raw=False)} {place('{2}', raw=False)}"
    assert Placeholder("{2}", source=1) in command_of(["echo", "{}"], TWO).placeholders


def test_several_items_for_one_command():
    three = ItemShape(3, grouped=True)
    each = [place(f"{{{number}}}") for number in (1, 2, 3)]
    made = command_of(["wc", "-l", "{}", "end"], three)
    assert made.command == ["wc", "-l", *each, "end"]
    assert made.members == ((2, 0), (3, 1), (4, 2))
    assert command_of(["wc", "-c"], three).command == ["wc", "-c", *each]
    assert command_of(["wc", "a{}"], three).command == ["wc", *(f"a{one}" for one in each)]
    assert command_of(["wc", "{2}", "{#}"], three).members == ()
    assert command_of(["wc {}|sort"], three).command == ["sh", "-c", 'wc "$@"|sort', "sh", *each]
    assert command_of(["wc"], three, interpreter="bash").command == ["bash", "-c", 'wc "$@"', "bash", *each]
    rows = command_of(["cp", "{from}"], ItemShape(2, rows=True, grouped=True))
    assert [one.source for one in rows.keys] == [None, 0, 1]


@pytest.mark.parametrize(
    "line",
    [
        'echo "{}"',
        "echo '{}'",
        "echo a{}",
        "echo {}b",
        "echo {.}",
        "echo {#} {}",
        "cat <<E\n{}\nE",
        "echo \\{}",
    ],
)
def test_a_line_in_which_several_items_are_no_words_is_refused(line):
    with pytest.raises(click.UsageError, match="with -n"):
        command_of([line], ItemShape(3, grouped=True))


def test_parts_of_rows():
    def keys(written, shape=ROWS):
        (found,) = command_of(["echo", written], shape).placeholders
        return found.keys

    assert keys("{name}") == ("name",)
    assert keys("{full name}") == ("full name",)
    assert keys("{a.b}") == ("a", "b")
    for shape in (ROWS, ItemShape()):
        assert keys("{item.a.b-c}", shape) == ("a", "b-c")
        assert keys("{item.full name}", shape) == ("full name",)
        assert keys("{item[0]}", shape) == (0,)
        assert keys("{item.list[-1].x}", shape) == ("list", -1, "x")


def test_another_mark_leaves_braces_alone():
    assert command_of(["docker", "-f", "{{.Name}}", "@@"], mark="@@").command == [
        "docker", "-f", "{{.Name}}", place("@@")
    ]  # fmt: skip
    assert command_of(["echo {}", "x"], mark="@@").command == ["echo {}", "x", place("@@")]


def test_nothing_is_appended_where_the_item_is_on_standard_input():
    assert command_of(["wc", "-c"], append=False).command == ["wc", "-c"]
    assert command_of(["wc -c"], append=False).command == "wc -c"


@pytest.mark.parametrize(
    ("word", "words"),
    [
        (
            "{..}",
            "is not a placeholder; there are {} {.} {/} {//} {/.} {#} {%}, and {key} where items are rows",
        ),
        ("{stem}", "did you mean {/.}?"),
        ("{basenam}", "did you mean {/}?"),
        ("{index}.txt", "did you mean {#}?"),
        ("{name}", "is not a placeholder"),
        ("{+}", "is not a placeholder"),
        ("{=s/x/y/=}", "is not a placeholder"),
        ("{-1}", "is not a placeholder"),
        ("{1..5}", "is not a placeholder"),
        ("{print}", "for the text itself write {{print}"),
        ("{2}", "the value of source 2, and there is one source"),
        ("{item..}", "does not name a key of a row"),
    ],
)
def test_a_word_in_braces_that_is_none_of_ours_is_refused(word, words):
    with pytest.raises(click.UsageError) as caught:
        command_of(["cp", "{}", word])
    assert words in str(caught.value)
    with pytest.raises(click.UsageError):
        command_of([f"cp {{}} {word}"])


def test_more_sources_than_there_are():
    with pytest.raises(click.UsageError, match=r"source 3, and there are 2"):
        command_of(["echo", "{3}"], TWO)
    assert command_of(["echo", "{3}"], ItemShape(0)).placeholders[0].source == 2, (
        "of columns nobody knows how many"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["sh", "-e", "-c", "wc {item.path}"],
        ["/bin/bash", "-lc", "wc {}"],
        ["env", "zsh", "-c", "wc {.}"],
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
