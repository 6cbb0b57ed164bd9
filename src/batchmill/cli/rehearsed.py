"""The output of ``batchmill resume --dry-run``."""

from __future__ import annotations

from collections.abc import Iterator

from batchmill.cli.ending import EVERY_ITEM, names_in_words
from batchmill.cli.streams import data_only
from batchmill.graph.rehearsal import Forecast
from batchmill.runs.rehearse import Estimate, Rehearsed
from batchmill.values.words import count, is_inside_item, spending

MOST_NODES = 8  # inside of an item, that have a line


def tell(told: Rehearsed, as_json: bool) -> None:
    """Print a line for each node, and the sums; or all of it as JSON."""
    with data_only() as data:
        if as_json:
            data.write_json(told.as_json())
            return
        for line in lines(told):
            data.write_line(line)


def lines(told: Rehearsed) -> list[str]:
    """A line for each node, and the sums."""
    if told.untouched:
        more = "" if told.limit is None else f" beyond --limit {told.limit}: {EVERY_ITEM}"
        return [f"run {told.run} is finished: nothing would be done{more}"]
    lines = [line for one in told.nodes for line in _with_inside(one, told.estimates.get(one.node))]
    lines.append(f"run {told.run}: {_counts(told.counts.as_json())}; nothing was run")
    if told.estimates:
        every = list(told.estimates.values())
        costs = [one.cost for one in every if one.cost is not None]
        whole = Estimate(
            sum(one.calls for one in every), sum(one.tokens for one in every), sum(costs) if costs else None
        )
        lines.append(f"to be paid: {_about(whole)}")
    if told.spent is not None:
        lines.append(f"spent until now: {spending(**told.spent)}")
    return lines


def _with_inside(forecast: Forecast, estimate: Estimate | None = None) -> Iterator[str]:
    """The line of a node, followed by those of the nodes inside its first items."""
    yield f"{forecast.node}: {_of_node(forecast, estimate)}"
    for item in forecast.inside:
        for node in item.nodes[:MOST_NODES]:
            for line in _with_inside(node):
                yield f"  {line}"
        if len(item.nodes) > MOST_NODES:
            yield f"  and {count(len(item.nodes) - MOST_NODES, 'more node')} of item {item.index}"
    more = forecast.n_inside - len(forecast.inside)
    if more:
        yield f"  and {count(more, 'more unfinished item')} of which something is saved"


def _of_node(forecast: Forecast, estimate: Estimate | None) -> str:
    if forecast.waits_for is not None:
        return f"not known before `{forecast.waits_for}` has run"
    if forecast.fault is not None:
        return f"cannot be told: {forecast.fault}"
    words = [_counts_of(forecast)]
    if forecast.left_out:
        words.append(f"{forecast.left_out:,} left out")
    if forecast.changed:
        words.append(f"changed by {names_in_words(forecast.changed)}")
    if estimate is not None:
        words.append(_about(estimate))
    return "; ".join(words)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {word}" for word, number in counts.items())


def _counts_of(forecast: Forecast) -> str:
    """The counts of a node; for one inside an item, only saved results are known."""
    counts = forecast.counts
    if not is_inside_item(forecast.node):
        return _counts(counts.as_json())
    told = {"kept": counts.kept, "to run": counts.new, "changed": counts.changed}
    words = _counts({name: number for name, number in told.items() if number})
    if not forecast.first:
        return words
    more = forecast.again - len(forecast.first)
    shown = ", ".join(map(str, forecast.first)) + (f" and {more:,} more" if more else "")
    return f"{words} (item{'s' * (forecast.again != 1)} {shown})"


def _about(estimate: Estimate) -> str:
    return f"about {spending(round(estimate.calls), round(estimate.tokens), estimate.cost)}"
