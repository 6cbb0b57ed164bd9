"""Settings that come to nothing, outcomes of writers kept for later, items that are none."""

from __future__ import annotations

import pytest


def node(kind="echo", params=None, **more):
    return {"nodes": [{"id": "a", "type": kind, "params": params or {}, **more}]}


WRITE = {"file_path": "f", "content": "x"}


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (node("write-file", WRITE, cache=True), ["$.nodes[0].cache"]),
        (node("copy-file", {"source_path": "a", "dest_path": "b"}, cache=True), ["$.nodes[0].cache"]),
        (node("delete-file", {"file_path": "a"}, cache=True), ["$.nodes[0].cache"]),
        (node("http", {"url": "http://x", "method": "put"}, cache=True), ["$.nodes[0].cache"]),
        (node("http", {"url": "http://x", "method": "POST"}, cache=True), []),
        (node("http", {"url": "http://x"}, cache=True), []),
        (node("workflow", {"workflow": node("write-file", WRITE)}, cache=True), ["$.nodes[0].cache"]),
        (node("workflow", {"workflow": node("read-file", {"file_path": "f"})}, cache=True), []),
        (node("write-file", WRITE), []),
        (node("write-file", WRITE, cache=False), []),
        (node("shell", {"command": "true"}, cache=True), []),
    ],
)
def test_cache_on_what_changes_something(codes, document, found):
    assert codes(document) == [("cached-effect", path) for path in found]


def test_the_writer_inside_a_sub_workflow_is_named(warned):
    inner = node("workflow", {"workflow": node("write-file", WRITE)})
    (one,) = warned(node("workflow", {"workflow": inner}, cache=True))
    assert "changes something in `a.a`" in one.message


def batch(**settings):
    return {"items": [1, 2], **settings}


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"retry": {"max": 3}, "batch": batch(max_retries=2)}, ["retry"]),
        ({"retry": {"max": 3}, "batch": batch(retry_wait=1)}, ["retry"]),
        ({"retry": {"max": 3}, "batch": batch()}, []),
        ({"batch": batch(max_retries=2, retry_wait=1)}, []),
        ({"batch": batch(max_retries=1, retry_wait=1)}, []),
        ({"batch": batch(retry_wait=1, retry_jitter=False)}, ["batch.retry_wait", "batch.retry_jitter"]),
        ({"timeout": 3, "batch": batch(timeout=2)}, ["timeout"]),
        ({"timeout": 3, "batch": batch()}, []),
        ({"batch": batch(max_concurrent=4)}, ["batch.max_concurrent"]),
        ({"batch": batch(max_concurrent=1)}, []),
        ({"batch": batch(bad_rows="error", error_handling="continue")}, ["batch.bad_rows"]),
        ({"batch": {"items": {"csv": "x"}, "bad_rows": "error"}}, ["batch.bad_rows"]),
        ({"batch": {"items": {"csv": "x"}, "bad_rows": "error", "error_handling": "continue"}}, []),
        ({"batch": batch(bad_rows="fail")}, []),
        ({"batch": batch(max_concurrent=4, parallel=True)}, []),
        ({"batch": batch(max_concurrent=4, executor="process")}, []),
        ({"batch": batch(max_concurrent="auto", executor="sequential")}, ["batch.max_concurrent"]),
    ],
)
def test_settings_that_come_to_nothing(codes, more, found):
    assert sorted(codes(node(**more))) == sorted(("unused-setting", f"$.nodes[0].{path}") for path in found)


def test_retry_beside_the_keys_of_a_batch_says_what_they_are(warned):
    (one,) = warned(node(retry={"max": 3, "wait": 2}, batch=batch(max_retries=2)))
    assert one.message == "`retry` has no effect: `batch` has `max_retries`, so only its own keys count"
    assert one.hint == "keep one of them; in `batch` the keys are `max_retries`, `retry_wait`"


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([], True),
        ({"range": [0]}, True),
        ({"range": [5, 5]}, True),
        ({"range": [5, 1]}, True),
        ({"range": [5, 1, -1]}, False),
        ({"range": [1]}, False),
        ({"range": ["${n}"]}, False),
        ([None], False),
        ("${n}", False),
        ({"glob": "nothing/*.here"}, False),  # which may be there once it runs
    ],
)
def test_items_that_are_none(codes, items, told):
    document = {**node(batch={"items": items}), "inputs": {"n": {"default": 0}}}
    assert codes(document) == ([("no-items", "$.nodes[0].batch.items")] if told else [])
