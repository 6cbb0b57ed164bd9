"""Which names Python text changes in place, and that their owners do not see it."""

from __future__ import annotations

import ast

import pytest

import batchmill
from batchmill.nodes.changed_names import changed_names


@pytest.mark.parametrize(
    "code",
    [
        "s.append(1)",
        "s['a']['b'] = 1",
        "s[0].x = 1",
        "s['n'] += 1",
        "s += [1]",
        "del s['a']",
        "t = s['rows']\nt[0]['x'] = 1",
        "t = u = s\nu.sort()",
        "for row in s: row['x'] = 1",
        "for key, row in s.items(): row.update(x=1)",
        "for n, row in enumerate(s): row['n'] = n",
        "[row.pop('x') for row in s]",
        "first, *rest = s\nrest[0]['x'] = 1",
        "(t := s).clear()",
        "t = s if len(s) else []\nt.append(1)",
        "t = s or []\nt.append(1)",
        "s.get('rows').insert(0, 1)",
        "def change(table): table.append(1)\nchange(s)",
        "def change(table, *, to): to.append(table)\nchange(1, to=s)",
        "def change(): s.append(1)\nchange()",
        "import random\nrandom.shuffle(s['rows'])",
        "from heapq import heappush\nheappush(s, 1)",
        "sorted(s)[0]['x'] = 1",
        "t = {**s}\nt['rows'].append(1)",
        "t = {'rows': s}\nt['rows'].append(1)",
        "t = dict(rows=s)\nt['rows'].append(1)",
        "t = s + []\nt[0]['x'] = 1",
        "t = {}\nt['rows'] = s\nt['rows'].append(1)",
        "t = []\nt.append(s)\nt[0].pop()",
        "t = [row for row in s if row]\nfor row in t: row['x'] = 1",
        "t = {row['id']: row for row in s}\nt[1]['x'] = 1",
        "from copy import copy\nt = copy(s)\nt['rows'].append(1)",
        "match s:\n    case {'rows': rows}: rows.append(1)",
        "match s:\n    case {'n': n, **rest}: rest['rows'].append(1)",
        "def of(): return s\nof().append(1)",
        "def each():\n    for row in s: yield row\nfor row in each(): row['x'] = 1",
        "def change(*rows):\n    for row in rows: row['x'] = 1\nchange(s)",
        "def change(row): row['x'] = 1\nlist(map(change, s))",
        "list(map(lambda row: row.update(x=1), s))",
        "(lambda rows: rows.pop())(s)",
    ],
)
def test_a_name_whose_value_is_changed(code: str) -> None:
    assert "s" in changed_names(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "result = s['a'][0].get('b', 1)",
        "out = []\nfor row in s: out.append(row['x'])\nresult = out",
        "n = len(s)\nn += 1",
        "result = {k: v + 1 for k, v in s.items()}",
        "t = f(s)\nt.append(1)",
        "result = [s[0], *s]",
        "s: list\nresult = sum(s)",
        "s = []",
        "n = 0\nfor row in s: n += row['x']",
        "rows = sorted(s)\nrows.reverse()",
        "t = {**s, 'x': 1}\nt['x'] = 2",
        "import json\nt = json.loads(s['text'])\nt['x'] = 1",
        "t = {}\nfor row in s: t[row['id']] = t.get(row['id'], 0) + 1",
    ],
)
def test_a_name_whose_value_is_only_read(code: str) -> None:
    assert "s" not in changed_names(ast.parse(code))


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_an_item_does_not_see_what_another_one_did_to_a_value(executor: str) -> None:
    table = {"id": "table", "type": "code", "params": {"code": "result = {'rows': []}"}}
    code = "table['rows'].append(n)\nresult = list(table['rows'])"
    params = {"code": code, "inputs": {"table": "${table.result}", "n": "${item}"}}
    each = {"id": "each", "type": "code", "params": params}
    batch = {"items": [1, 2, 3], "executor": executor}
    outputs = {"each": {"source": "${each.results[*].result}"}, "table": {"source": "${table.result}"}}
    done = batchmill.run({"nodes": [table, {**each, "batch": batch}], "outputs": outputs})
    assert done.outputs == {"each": [[1], [2], [3]], "table": {"rows": []}}


def test_a_node_and_its_retries_change_values_of_their_own() -> None:
    code = "rows.append(1)\nif len(rows) > 1: raise ValueError(rows)\n1 // 0"
    node = {"id": "a", "type": "code", "params": {"code": code, "inputs": {"rows": "${rows}"}}}
    done = batchmill.run({"inputs": {"rows": {"default": []}}, "nodes": [{**node, "retry": {"wait": 0}}]})
    assert (done.errors[0]["type"], done.errors[0]["attempts"]) == ("ZeroDivisionError", 3)
