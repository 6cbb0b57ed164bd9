"""The figures of a run as metrics in OpenMetrics text, which Prometheus' textfile collector also reads.

There are no timestamps, because the collector refuses them, and only labels with few values. All metrics are
gauges: they describe one run and begin again with the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from batchmill.report.model import Report

Sample = tuple[dict[str, str], float]


def lines(report: Report) -> Iterator[str]:
    """The metrics, line by line; what is not known is left out."""
    for name, told, samples in _families(report):
        found = list(samples)
        if found:
            yield f"# HELP batchmill_run_{name} {told}\n"
            yield f"# TYPE batchmill_run_{name} gauge\n"
        for labels, value in found:
            yield f"batchmill_run_{name}{_braced(labels)} {value!r}\n"
    yield "# EOF\n"


def _families(report: Report) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    run, nodes = report.run, report.nodes
    status = ("success", "degraded", "failed", "running", "interrupted", "waiting")
    yield "status", "1 for how the run ended, 0 otherwise.", _status(run.status, status)
    yield "begin_timestamp_seconds", "When the run began.", [({}, run.began)]
    if run.status == "success":
        last = report.passes[-1] if report.passes else None
        ended = run.began + run.wall if last is None else last.began + last.wall
        yield "success_timestamp_seconds", "When the run ended well.", [({}, ended)]
    yield "wall_seconds", "How long it took.", [({}, run.wall)]
    yield (
        "items",
        "Items by outcome.",
        (
            ({"node": node.id, "state": state}, count)
            for node in nodes
            if node.batch
            for state, count in node.counts.items()
        ),
    )
    yield "work_seconds", "Time that attempts took.", (({"node": node.id}, node.work) for node in nodes)
    yield "attempts", "Attempts that were made.", (({"node": node.id}, node.attempts) for node in nodes)
    yield (
        "refusals",
        "Calls that a service refused.",
        (({"limit": one.key}, one.total) for one in report.series.refusals),
    )
    yield "worker_deaths", "Worker processes that died.", [({}, report.deaths_total)]
    by_model = [({"node": one.node, "model": one.model}, one) for one in report.calls]
    yield "llm_calls", "Calls of language models.", ((labels, one.calls) for labels, one in by_model)
    yield "llm_input_tokens", "Tokens sent.", ((labels, one.input_tokens) for labels, one in by_model)
    yield "llm_output_tokens", "Tokens received.", ((labels, one.output_tokens) for labels, one in by_model)
    yield (
        "llm_cost_dollars",
        "What they cost in US dollars.",
        ((labels, one.cost) for labels, one in by_model if one.unpriced < one.calls),
    )


def _status(status: str, every: Iterable[str]) -> list[Sample]:
    return [({"status": one}, int(one == status)) for one in every]


def _braced(labels: dict[str, str]) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    value = value.encode("utf-8", "backslashreplace").decode()
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
