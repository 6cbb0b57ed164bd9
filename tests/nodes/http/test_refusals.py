"""Refusals: told in many ways, and waited for without using up attempts."""

from __future__ import annotations

import json

import pytest
import urllib3

import batchmill
from batchmill.nodes.http.refusals import is_refusal, refusal_status, seconds_until_free

NOW = 1_750_000_000
DATE = "Sun, 15 Jun 2025 15:06:40 GMT"


def free(body=b"", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return seconds_until_free(urllib3.HTTPHeaderDict(fields), json.dumps(body).encode() if body else b"")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After_Ms": "1500", "Retry_After": "2"}, 1.5),
        ({"retry_after_ms": "soon", "Retry_After": "2"}, 2),
        ({"Retry_After": "Sun, 15 Jun 2025 15:07:10 GMT", "Date": DATE}, 30),
        ({"X_RateLimit_Reset_Requests": "1m2.5s"}, 62.5),
        ({"x_ratelimit_reset_tokens": "350ms"}, 0.35),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(NOW + 40), "date": DATE}, 40),
        ({"X_RateLimit_Reset": str((NOW + 40) * 1000), "Date": DATE}, 40),
        ({"RateLimit_Remaining": "0", "RateLimit_Reset": "12"}, 12),
        ({"anthropic_ratelimit_requests_reset": "2025-06-15T15:07:00Z", "date": DATE}, 20),
        # of two limits the one that is used up counts
        (
            {
                "x_ratelimit_remaining_requests": "9", "x_ratelimit_reset_requests": "60s",
                "x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "3s",
            },
            3,
        ),
        ({"x_ratelimit_remaining": "9", "x_ratelimit_reset": "60"}, None),
        ({"RateLimit": '"burst";r=9;t=2, "daily";r=0; t=40'}, 40),
        ({"RateLimit": '"default";r=3;t=40'}, None),
        ({"RateLimit": "x"}, None),
        ({"x_ratelimit_reset": "nan"}, None),
        ({"x_ratelimit_reset": "99999999"}, 3600),
        ({"x_ratelimit_reset": str(NOW - 5), "date": DATE}, 0),
        ({}, None),
    ],
)  # fmt: skip
def test_when_a_service_is_free_again(headers, seconds):
    assert free(**headers) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ({"message": "Rate limit reached. Please try again in 20s. Visit ..."}, 20),
        ({"message": "Please try again in 6m0s."}, 360),
        ({"message": "please retry after 12 seconds"}, 12),
        ({"message": "try again in 850 ms"}, 0.85),
        ({"details": [{"@type": "x"}, {"@type": "RetryInfo", "retryDelay": "34.5s"}]}, 34.5),
        ({"metadata": {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7"}}}, 7),
        ({"message": "try again later"}, None),
        ({"message": "retry 5 songs"}, None),
    ],
)
def test_hints_in_bodies(error, seconds):
    assert free({"error": error}) == seconds


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": 429, "message": "slow"}}, 429),
        ({"error": {"code": "429"}}, 429),
        ({"error": {"code": "rate_limit_exceeded"}}, 429),
        ([{"error": {"status": "RESOURCE_EXHAUSTED", "code": 429}}], 429),
        ({"error": {"code": 503}}, 503),
        ({"type": "error", "error": {"type": "overloaded_error"}}, 429),
        ({"error": {"code": 400}}, None),
        ({"error": None, "code": 429}, None),
        ({"error": "429"}, None),
        ({"error": {"code": True}}, None),
        ({"code": 429}, None),
    ],
)
def test_successes_that_are_refusals(body, status):
    assert refusal_status(json.dumps(body).encode()) == status


def test_which_answers_are_refusals():
    def fields(**headers):
        return urllib3.HTTPHeaderDict({name.replace("_", "-"): value for name, value in headers.items()})

    assert is_refusal(429, fields())
    assert is_refusal(503, fields())
    assert is_refusal(529, fields())
    assert is_refusal(500, fields(Retry_After="1"))
    assert not is_refusal(500, fields())
    assert is_refusal(403, fields(X_RateLimit_Remaining="0"))
    assert not is_refusal(403, fields(X_RateLimit_Remaining="1"))
    assert not is_refusal(404, fields(Retry_After="1"))


EXECUTORS = ["sequential", "thread", pytest.param("process", marks=pytest.mark.slow)]


def get(url, n=1, **more):
    batch = {"items": {"range": [n]}, "retry_wait": 0.01, "retry_max_wait": 0.05, **more}
    return {"nodes": [{"id": "get", "type": "http", "params": {"url": url}, "batch": batch}]}


@pytest.mark.parametrize("limited", [{}, {"rate_limit": {"per_second": 1000}}])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_refusals_use_up_no_attempts(server, reply, executor, limited):
    refusals = [reply(429), reply(503), reply(200, {"error": {"code": 429}})]
    url = server.on("/x", *refusals, *refusals, reply(500), reply(200, {"n": 1}))
    run = batchmill.run(get(url, executor=executor, max_retries=2, **limited))
    assert run.status == "success", run.errors
    assert run.outputs["results"][0]["response"] == {"n": 1}
    assert len(server.received) == 8


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_refuses_for_too_long_fails(server, reply, executor):
    url = server.on("/x", reply(429, {"error": {"message": "busy"}}))
    run = batchmill.run(get(url, executor=executor, refused_for=0.2))
    assert run.status == "failed"
    (error,) = run.errors
    assert (error["type"], error["kind"]) == ("HTTP429", "error_result")
    assert error["attempts"] == len(server.received) >= 5


def test_without_a_word_gets_are_tried_three_times(server, reply):
    run = batchmill.run(
        {"nodes": [{"id": "get", "type": "http", "params": {"url": server.on("/x", reply(500))}}]}
    )
    assert run.status == "failed"
    assert len(server.received) == 3


@pytest.mark.parametrize(
    ("params", "times"),
    [
        ({"method": "POST"}, 1),
        ({"body": "x"}, 1),
        ({"method": "POST", "headers": {"Idempotency-Key": "${__index__}"}}, 2),
        ({"method": "DELETE"}, 2),
    ],
)
def test_only_what_may_be_done_twice_is_tried_again_unasked(server, reply, params, times):
    url = server.on("/x", reply(500), reply(200, "fine"))
    document = get(url)
    document["nodes"][0]["params"].update(params)
    run = batchmill.run(document)
    assert (run.status, len(server.received)) == ("failed" if times == 1 else "success", times)
    if times == 1:  # but it is where it was refused, and where somebody says so
        for more in ({}, {"max_retries": 2}):
            first = reply(500) if more else reply(503)
            url = server.on("/y", first, reply(200, "fine"))
            document["nodes"][0]["params"]["url"] = url
            document["nodes"][0]["batch"].update(more)
            assert batchmill.run(document).status == "success"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_dead_key_stops_the_node(server, reply, executor):
    url = server.on("/x", reply(401, {"error": "no such key"}))
    document = get(url, 40, executor=executor, max_concurrent=2, chunk_size=10, error_handling="continue")
    if executor == "sequential":
        del document["nodes"][0]["batch"]["max_concurrent"], document["nodes"][0]["batch"]["chunk_size"]
    run = batchmill.run(document)  # nobody showed a key: each may be answered otherwise
    assert len(server.received) == 40
    server.received.clear()
    document["nodes"][0]["params"]["auth_token"] = "some-dead-token-of-mine"
    run = batchmill.run(document)
    assert run.status == "failed"
    assert 3 <= len(server.received) <= 5
    assert "in a row were denied" in run.nodes["get"]["failure"]


@pytest.mark.parametrize("executor", ["sequential", "process"])
def test_skipped_items_between_them_change_nothing(server, reply, executor):
    url = server.on("/x", reply(401, {"error": "no such key"}))
    document = get(url, 40, executor=executor, error_handling="continue")
    document["nodes"][0]["params"]["auth_token"] = "some-dead-token-of-mine"
    document["nodes"][0]["when"] = "${__index__ in [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]}"
    run = batchmill.run(document)
    assert run.status == "failed"
    assert 3 <= len(server.received) <= 5
    assert "in a row were denied" in run.nodes["get"]["failure"]


def test_results_of_an_earlier_pass_between_them_change_nothing(server, reply, tmp_path):
    ways = [reply(200, "fine") if number % 2 else reply(500) for number in range(40)]
    urls = [server.on(f"/{number}", ways[number]) for number in range(40)]
    document = get("${item}", 0, error_handling="continue", max_retries=1)
    document["nodes"][0]["batch"]["items"] = urls
    document["nodes"][0]["params"]["auth_token"] = "some-token-of-mine"
    first = batchmill.run(document, journal=tmp_path / "j.sqlite")
    assert (first.status, len(server.received)) == ("degraded", 40)
    server.received.clear()
    for number in range(0, 40, 2):
        server.on(f"/{number}", reply(401))
    again = batchmill.resume(first.run, journal=tmp_path / "j.sqlite", failed_only=True)
    assert again.status == "failed"
    assert len(server.received) == 3


@pytest.mark.parametrize(
    "answer",
    [
        (402, {}),
        (429, {"error": {"code": "insufficient_quota"}}),
        (200, {"error": {"code": 429, "type": "insufficient_quota"}}),
    ],
)
def test_a_quota_that_is_empty_stops_the_node(server, reply, answer):
    params = {"url": server.on("/x", reply(*answer))}
    batch = {"items": {"range": [30]}, "error_handling": "continue"}
    run = batchmill.run({"nodes": [{"id": "get", "type": "http", "params": params, "batch": batch}]})
    assert (run.status, len(server.received)) == ("failed", 3)
    assert "3 items in a row were denied" in run.nodes["get"]["failure"]
