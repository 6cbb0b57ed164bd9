"""The engine with 64 workers, and with 64 batches at once: every item once, in order, whatever fails."""

import threading
from collections import Counter

import pytest

import batchmill
from batchmill.executors import contract

ITEMS = 2_000


class Counting:
    """Counts how often each item ran."""

    def __init__(self):
        self.lock = threading.Lock()
        self.ran = Counter()

    def __call__(self, item):
        with self.lock:
            self.ran[item] += 1
        return -item


@pytest.mark.parametrize("executor", ["thread", "auto"])
def test_every_item_runs_once_and_lands_in_its_place(executor):
    count = Counting()
    done = batchmill.map(count, range(ITEMS), executor=executor, max_concurrent=64, chunk_size=1)
    assert done == [-item for item in range(ITEMS)]
    assert count.ran == Counter(range(ITEMS))


def test_a_source_that_many_pull_from_is_read_in_order():
    read = []

    def source():
        for number in range(ITEMS):
            read.append(number)
            yield number

    done = batchmill.map(abs, source(), max_concurrent=64, chunk_size=1)
    assert done == list(range(ITEMS))
    assert read == list(range(ITEMS))


def test_errors_and_retries_are_those_of_their_items():
    lock, tries = threading.Lock(), Counter()

    def shaky(item):
        with lock:
            tries[item] += 1
            attempt = tries[item]
        if item % 10 == 0 or (item % 5 == 0 and attempt < 3):
            raise ValueError(item)
        return item

    done = batchmill.map(
        shaky, range(1_000), max_concurrent=64, max_retries=3, error_handling="continue", chunk_size=1
    )
    assert [error["index"] for error in done.errors] == list(range(0, 1_000, 10))
    assert {error["attempts"] for error in done.errors} == {3}
    assert [error["message"] for error in done.errors] == [str(index) for index in range(0, 1_000, 10)]
    assert all(value in (None, index) for index, value in enumerate(done))


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.first_quick
def test_streams_lose_nothing(ordered):
    got = list(batchmill.imap(abs, iter(range(ITEMS)), max_concurrent=64, ordered=ordered, chunk_size=1))
    assert (got if ordered else sorted(got)) == list(range(ITEMS))


def test_sixty_four_batches_at_once(storm):
    def run(number):
        items = range(number * 100, number * 100 + 50)
        assert batchmill.map(abs, items, max_concurrent=3, chunk_size=1) == list(items)

    storm(run)


def test_a_node_of_a_document_has_the_params_of_its_own_item():
    node = {"id": "ask", "type": "code", "params": {"code": "result = n * 2", "inputs": {"n": "${item}"}}}
    node["batch"] = {"items": {"range": [1_000]}, "executor": "thread", "max_concurrent": 64}
    run = batchmill.run({"nodes": [node], "outputs": {"all": {"source": "${ask.results[*].result}"}}})
    assert run.outputs == {"all": [2 * item for item in range(1_000)]}


def test_what_items_record_comes_back_in_their_order():
    class Ask(contract.Task):
        """A task that records, as nodes that call models do."""

        def as_task(self):
            return self

        def run(self, item, index, attempt):
            attempt.recorder.append({"input_tokens": item})
            return item

    done = batchmill.map(Ask(), range(1_000), max_concurrent=64, chunk_size=1)
    assert done.recorded == tuple((item, {"input_tokens": item}) for item in range(1_000))


@pytest.mark.slow
def test_worker_processes_serve_many_threads(storm):
    def run(number):
        if number < 8:  # that many batches share two workers each; more would only wait
            done = batchmill.map(abs, range(-200, 0), executor="process", max_concurrent=2)
            assert done == list(range(200, 0, -1))

    storm(run)
