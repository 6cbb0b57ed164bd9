"""A process that is killed at any step makes no batch twice, and loses none that is paid."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

HOUR = 3600.0
STEPS = {  # what is replaced, and whether the process is killed before or after it
    "the batch was begun and its id is not kept": ("batch_api.service.BatchService.create", "after"),
    "nothing was sent": ("batch_api.service.BatchService.upload", "before"),
    "the file was sent": ("batch_api.service.BatchService.upload", "after"),
    "the batch is about to be begun": ("batch_api.service.BatchService.create", "before"),
    "its id is kept": ("batch_api.desk.BatchDesk.left", "before"),
}
KILLED = """
import asyncio, os, signal, sys, batchmill
from importlib import import_module
path, when, document, journal = sys.argv[1:]
module, owner, name = path.rsplit(".", 2)
owner = getattr(import_module(f"batchmill.nodes.llm.{module}"), owner)
real = getattr(owner, name)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

if asyncio.iscoroutinefunction(real):
    async def killed(*given, **more):
        if when == "after":
            await real(*given, **more)
        die()
else:
    def killed(*given, **more):
        die()
setattr(owner, name, killed)
if document:
    batchmill.run(document, journal=journal)
else:
    batchmill.resume(journal=journal)
"""


def kill(path, when, document, journal):
    made = subprocess.run([sys.executable, "-c", KILLED, path, when, str(document), str(journal)], timeout=60)
    assert made.returncode == -signal.SIGKILL


@pytest.fixture
def document(labelling, tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(labelling([*"abc"])))
    return path


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.first_quick
def test_kills_while_it_is_handed_in(provider, document, journal, go, said, step, monkeypatch):
    monkeypatch.setattr("batchmill.nodes.llm.batch_api.looks.SETTLE_SECONDS", 0.0)
    kill(*STEPS[step], document, journal)
    run = go()
    assert run.status == "waiting"
    assert sum(one["requests"] for one in run.waiting) == 3
    provider.clock.advance(HOUR)
    run = go()
    assert (run.status, said(run)) == ("success", [*"ABC"])
    assert len(provider.batches) == 1
    assert len(provider.paid) == len(set(provider.paid)) == len(run.llm_calls) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "step", [("batch_api.answers.Answers.index", "before"), ("batch_api.desk.BatchDesk.settle", "before")]
)
def test_kills_while_it_is_collected(provider, document, journal, go, said, step):
    assert go(str(document)).status == "waiting"
    provider.clock.advance(HOUR)
    kill(*step, "", journal)
    run = go()
    assert (run.status, said(run)) == ("success", [*"ABC"])
    assert len(provider.batches) == 1
    assert len(provider.paid) == len(run.llm_calls) == 3


@pytest.mark.parametrize("gateway", [0, 504, 500])
def test_a_batch_whose_beginning_was_not_answered_is_found(
    provider, labelling, go, said, gateway, monkeypatch
):
    monkeypatch.setattr("batchmill.nodes.llm.batch_api.looks.LIST_SECONDS", 0.01)
    provider.silent, provider.gateway = 1, gateway  # it is begun, and the answer is lost
    provider.hidden = 1  # and not listed yet
    listed = provider.listed

    def later():
        found = listed()
        provider.hidden = 0
        return found

    provider.listed = later
    run = go(labelling([*"abc"]))
    assert (run.status, len(provider.batches)) == ("waiting", 1)
    provider.clock.advance(HOUR)
    assert said(go()) == [*"ABC"]
    assert len(provider.paid) == 3
