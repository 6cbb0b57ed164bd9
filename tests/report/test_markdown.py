"""A report as Markdown."""

from __future__ import annotations

import re

import pytest

from batchmill.report import markdown
from batchmill.report.aggregate import report_of


def test_it_has_the_sentences_the_tables_and_the_failures(troubled):
    report = report_of(troubled.facts())
    told = "".join(markdown.lines(report))
    assert told.startswith("## sizes.yaml: degraded\n\n1,")
    assert told.count("<details>") == told.count("</details>") == len(report.failures.groups)
    assert "| size | shell | thread | 2,000 |" in told
    assert "`batchmill show 7f3a --node size --item" in told


def test_tables_are_tables(troubled):
    for block in re.findall(
        r"(?:^\|.*\n)+", "".join(markdown.lines(report_of(troubled.facts()))), re.MULTILINE
    ):
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_no_text_means_anything(hostile):
    told = "".join(markdown.lines(report_of(hostile.facts())))
    for block in re.findall(r"(?:^\|.*\n)+", told, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    outside = re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", told)  # code shows tags as they are
    assert set(re.findall(r"<[^>\n]*>?", outside)) == {"<details>", "</details>", "<summary>", "</summary>"}
    told.encode()


def test_names_in_sentences_are_code(troubled):
    told = "".join(markdown.lines(report_of(troubled.facts())))
    assert "`size` " in told
    assert "&#96;" not in told


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("`a` is *slow*", "`a` is &#42;slow&#42;"),
        ("a ` alone", "a &#96; alone"),
        ("``", "&#96;&#96;"),
        ("`a`b`<i>`", "`a`b`<i>`"),
        ("`a`b<i>`", "`a`b&#60;i&#62;&#96;"),
        ("`a\nb`", "`a b`"),
    ],
)
def test_only_what_is_between_backticks_is_code(sentence, wanted):
    assert markdown.prose(sentence) == wanted


@pytest.mark.parametrize("value", ["a", "`", "``a`", "", "a`b"])
def test_code_is_as_it_was(value):
    told = markdown.code(value)
    fence = re.match("`+", told)[0]
    inner = told[len(fence) : -len(fence)]
    assert told.endswith(fence)
    assert fence not in re.findall("`+", inner)
    assert inner.strip(" ") == value


@pytest.mark.parametrize("most", [700, 2000, 5000])
def test_what_does_not_fit_is_left_out_and_said(hostile, most, monkeypatch):
    monkeypatch.setattr(markdown, "MOST_BYTES", most)
    told = "".join(markdown.lines(report_of(hostile.facts())))
    assert len(told.encode()) <= most
    assert told.endswith(markdown.CUT)
    assert told.count("<details>") == told.count("</details>")
