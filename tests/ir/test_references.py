"""Which names a template may use, and when."""

from __future__ import annotations

import pytest

from batchmill.ir.loading import load
from batchmill.ir.references import ReferenceCheck, sites_in, used_roots
from batchmill.ir.validate import validate

DOCUMENT = {
    "nodes": [
        {"id": "first", "type": "echo"},
        {"id": "each", "type": "echo", "batch": {"items": "${first.rows}", "as": "row"}},
        {"id": "again", "type": "echo", "loop": {"until": "${again.done}"}},
        {"id": "last", "type": "echo"},
        {"id": "never", "type": "echo"},
    ],
    "edges": [
        {"from": "first", "to": "each"},
        {"from": "each", "to": "again"},
        {"from": "again", "to": "last"},
    ],
    "inputs": {"folder": {}},
}


def faults(text, node=None, kind="params"):
    """The faults of a template in the params of a node, or in another part of it."""
    found = validate(load(DOCUMENT))
    part = found.outline.by_id[node] if node else None
    sites, unreadable = sites_in(text, ("x",), part, kind)
    return unreadable + [fault for site in sites for fault in found.references.faults(site)]


@pytest.mark.parametrize(
    ("text", "node", "kind"),
    [
        ("${first.x}", "each", "params"),
        ("${folder}", "first", "params"),
        ("${row.x} ${__index__}", "each", "params"),
        ("${first.a[${__index__}].b}", "each", "params"),
        ("${each.results[*].x | count}", "last", "params"),
        ("${last.x ?? first.x}", "each", "params"),
        ("${last.x ?? 0}", "first", "params"),
        ("${again.x ?? 0}", "again", "params"),
        ("${again.done}", "again", "loop"),
        ("${first.rows}", "each", "items"),
        ("${last.x}", None, "output"),
        ("${never.x ?? last.x}", None, "output"),
        ("${last.x}", "never", "params"),
        ("${__llm_calls__}", None, "output"),
        ("$${nobody} $HOME", "first", "params"),
        ("no template", "first", "params"),
        ("${first}", "last", "params"),
    ],
)
def test_sound_references(text, node, kind):
    assert faults(text, node, kind) == []


@pytest.mark.parametrize(
    ("text", "node", "kind", "words"),
    [
        ("${frist.x}", "last", "params", "`frist`, which is neither a node nor an input"),
        ("${nobody ?? 0}", "last", "params", "`nobody`"),
        ("${row}", "last", "params", "`row`"),
        ("${item}", "each", "params", "`item`"),
        ("${__index__}", "last", "params", "`__index__`"),
        ("${row}", "each", "items", "`row`"),
        ("${first.a[${nobody}]}", "last", "params", "`nobody`"),
        ("${last.x}", "first", "params", "cannot have run by then"),
        ("${again.x}", "again", "params", "no outputs before it has run"),
        ("${each.x}", "each", "items", "no outputs before it has run"),
        ("${never.x}", "last", "params", "never runs"),
        ("${never.x}", None, "output", "never runs"),
        ("${never.x ?? never.y}", None, "output", "never runs"),
        ("${first.a[${last.n}]}", "each", "params", "cannot have run by then"),
        ("${last.x}", "again", "loop", "cannot have run by then"),
        ("${first.x", "last", "params", "cannot be read"),
        ("${first.x | shout}", "last", "params", "cannot be read"),
    ],
)
def test_a_bad_reference_is_a_fault(text, node, kind, words):
    (fault,) = faults(text, node, kind)
    assert fault.path == ("x",)
    assert words in fault.message


@pytest.mark.parametrize(
    ("text", "node", "kind", "hint"),
    [
        ("${frist.x}", "last", "params", "did you mean `first`?"),
        ("${inputs.folder}", "last", "params", "write `${folder}`"),
        ("${steps.first.outputs.x[0]}", "last", "params", "write `${first.x[0]}`"),
        ("${params.row.name}", "each", "params", "write `${row.name}`"),
        ("${item}", "each", "params", "the item is called `row` here"),
        ("${row}", "last", "params", "an item exists only in the params of a node with `batch`"),
        ("${row}", "each", "items", "there is no item yet where the items are named"),
    ],
)
def test_the_hint_says_what_to_do(text, node, kind, hint):
    (fault,) = faults(text, node, kind)
    assert fault.hint == hint


def test_every_text_of_a_structure_is_looked_at():
    value = {"a": ["${x}", {"b": "${y.z} ${w}"}], "c": 1, "k ${key}": None}
    sites, unreadable = sites_in(value, ("p",), None, "output")
    assert unreadable == []
    places = [("p", "a", 0), ("p", "a", 1, "b"), ("p", "a", 1, "b"), ("p", "k ${key}")]
    assert [site.path for site in sites] == places
    assert [site.on_key for site in sites] == [False, False, False, True]
    assert used_roots(sites) == {"x", "y", "w", "key"}


def test_every_template_of_a_text_that_cannot_be_read_is_told():
    text = "${a.b} ${x | nope} $${not} ${c[} ${d} ${{ inputs.e }} ${"
    sites, unreadable = sites_in({text: text}, ("p",), None, "output")
    assert [site.expression.text for site in sites] == ["${a.b}", "${d}"] * 2
    words = ["no filter 'nope'", "between [ and ]", "write ${e} ", "name or a JSON value is expected"]
    assert len(unreadable) == 2 * len(words)
    for fault, word in zip(unreadable, words * 2, strict=True):
        assert word in fault.message
    assert [fault.on_key for fault in unreadable] == [True] * len(words) + [False] * len(words)


def test_where_the_order_is_not_known_only_names_are_judged():
    outline = validate(load(DOCUMENT)).outline
    references = ReferenceCheck(outline, None)
    sites, _ = sites_in("${last.x} ${nobody}", ("x",), outline.by_id["first"], "params")
    assert [len(references.faults(site)) for site in sites] == [0, 1]


def test_a_cycle_lets_a_node_see_its_own_earlier_outputs():
    raw = {
        "nodes": [{"id": "a", "type": "echo"}, {"id": "b", "type": "echo"}],
        "edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "a", "action": "again"}],
    }
    found = validate(load(raw))
    (site,), _ = sites_in("${b.x}", ("x",), found.outline.by_id["a"], "params")
    assert found.references.faults(site) == []
