"""Nodes, retries and loops as models."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from batchmill.ir.models import LoopSpec, NodeSpec, RetrySpec
from batchmill.policy import RetryPolicy


def test_a_node_needs_an_id_and_a_type_only():
    node = NodeSpec.model_validate({"id": "a", "type": "echo"})
    assert (node.params, node.batch, node.retry, node.timeout, node.loop, node.cache) == (
        {},
        None,
        None,
        None,
        None,
        False,
    )


def test_a_node_does_not_change():
    node = NodeSpec.model_validate({"id": "a", "type": "echo"})
    with pytest.raises(ValidationError):
        node.id = "b"


def test_null_is_as_good_as_leaving_a_key_out():
    keys = ("batch", "retry", "timeout", "loop", "purpose")
    node = NodeSpec.model_validate({"id": "a", "type": "echo", **dict.fromkeys(keys)})
    assert node.batch is None


def test_a_retry_block_becomes_a_policy():
    spec = RetrySpec.model_validate({"max": 5, "wait": 1, "backoff": 2, "max_wait": 9, "jitter": False})
    assert spec.policy() == RetryPolicy(5, 1.0, 2.0, 9.0, False)
    assert RetrySpec.model_validate({}).policy() == RetryPolicy(3)


def test_a_loop_has_the_keys_of_the_format():
    loop = LoopSpec.model_validate({"while": "${a.more}", "carry": {"n": "${a.n}"}, "max_iterations": 3})
    assert (loop.while_, loop.until, loop.carry, loop.max_iterations) == (
        "${a.more}",
        None,
        {"n": "${a.n}"},
        3,
    )


@pytest.mark.parametrize(
    "keys", [{"while_": "${a}"}, {"while": "done"}, {"until": True}, {"max_iterations": 0}]
)
def test_other_loops_are_refused(keys):
    with pytest.raises(ValidationError):
        LoopSpec.model_validate(keys)
