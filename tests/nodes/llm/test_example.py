"""The example that summarises a folder, with a server in place of ``echo``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import batchmill

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "summaries.json"


def test_it_asks_a_server(model, tmp_path):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.md").write_text(f"{name} is ${{base_url}}")

    def answer(body):
        text = body["messages"][1]["content"]
        return json.dumps({"summary": f"about {text.split()[1]}"})

    model.answers = [(503, {}, {"Retry-After": "0"}), answer]
    result = batchmill.run(
        EXAMPLE,
        {"folder": str(tmp_path), "provider": "openai", "base_url": model.base_url, "model": "small"},
    )
    assert result.status == "success"
    told = result.outputs["result"]
    assert told["summaries"] == {str(tmp_path / f"{name}.md"): f"about {name}" for name in "abc"}
    assert told["tokens"] == 45
    assert sum(call["cost"] for call in result.llm_calls) == pytest.approx(3 * (10 * 0.15 + 5 * 0.6) / 1e6)
    assert "${base_url}" in model.asked[-1]["messages"][1]["content"]
