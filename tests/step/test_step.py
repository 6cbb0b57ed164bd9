"""Steps: resolving, binding, copying, and travelling."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from batchmill.attempt import Attempt
from batchmill.errors import InvalidParams, NotCopyable, UnresolvedReference
from batchmill.executors.pickling.copying import copy_task
from batchmill.nodes import Node, NodeResult, Output, Param
from batchmill.step import ItemStep, Namespace, SingleStep, StepParams, Unresolved


class Probe(Node):
    type = "probe"
    summary = "Gives back its params."
    params = (
        Param("text", "string", "a text", default="none"),
        Param("inputs", "object", "values"),
        Param("literal", "any", "left alone", templates="none"),
        Param("number", "integer", "a number", default=1),
    )
    outputs = (Output("given", "object", "the params"),)
    open_params = True

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        return NodeResult({"given": dict(params)}, "elsewhere")


class Locked(Probe):
    type = "locked"

    def __init__(self) -> None:
        self.lock = threading.Lock()


class OwnCopy(Locked):
    type = "own-copy"

    def __deepcopy__(self, memo: dict[int, Any]) -> OwnCopy:
        return OwnCopy()


class Changing(Node):
    """Does to its inputs what code of users does."""

    type = "changing"
    summary = "Appends to what it is given."
    open_params = True

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        params["rows"].append("seen")
        return NodeResult({"rows": params["rows"]})


def item_step(
    params: dict[str, Any], namespace: Namespace | None = None, node: Node | None = None
) -> ItemStep:
    node = node or Probe()
    return ItemStep(node, StepParams(type(node), params), namespace or Namespace({}))


def given(step: ItemStep, item: Any = None, index: int = 0) -> Any:
    return step.run(item, index, Attempt())["given"]


def test_item_and_index_are_names() -> None:
    step = item_step({"text": "${item.name} at ${__index__}", "whole": "${item}"})
    params = given(step, {"name": "ann"}, 3)
    assert params["text"] == "ann at 3"
    assert params["whole"] == {"name": "ann"}


def test_the_item_may_have_another_name() -> None:
    step = ItemStep(Probe(), StepParams(Probe, {"text": "${row}"}), Namespace({}), item_name="row")
    assert given(step, "x")["text"] == "x"


def test_defaults_are_filled_in_and_types_checked() -> None:
    assert given(item_step({}))["number"] == 1
    with pytest.raises(InvalidParams, match="'number' must be a whole number"):
        given(item_step({"number": "${item}"}), "one")


def test_a_param_without_templates_is_left_alone() -> None:
    assert given(item_step({"literal": "${item} $${x}"}))["literal"] == "${item} $${x}"


def test_an_escape_goes_where_nothing_is_resolved() -> None:
    assert given(item_step({"text": "$${x}"}))["text"] == "${x}"


def test_a_reference_to_nothing_is_not_worth_another_attempt() -> None:
    with pytest.raises(UnresolvedReference) as caught:
        given(item_step({"text": "${item.missing}"}), {})
    assert caught.value.retryable is False


def test_a_permissive_step_records_what_it_left() -> None:
    attempt = Attempt()
    step = item_step({"text": "${nothing}"}, Namespace({}, permissive=True))
    assert step.run(None, 0, attempt)["given"]["text"] == "${nothing}"
    assert list(attempt.recorder) == [Unresolved(("${nothing}",))]


def test_a_single_step_keeps_the_action() -> None:
    step = SingleStep(Probe(), StepParams(Probe, {"text": "${name}"}), Namespace({"name": "x"}))
    result = step.run(None, 0, Attempt())
    assert (result.outputs["given"]["text"], result.action) == ("x", "elsewhere")


@pytest.mark.parametrize(
    ("params", "carried", "expected"),
    [
        ({"inputs": {"n": 0, "m": 1}}, {"n": 5}, {"inputs": {"n": 5, "m": 1}}),
        ({"text": "a"}, {"text": "b"}, {"text": "b"}),
        ({"text": "a"}, {"text": "${not_scanned}"}, {"text": "${not_scanned}"}),
    ],
)
def test_carried_values_lie_over_the_params(
    params: dict[str, Any], carried: dict[str, Any], expected: dict[str, Any]
) -> None:
    step = SingleStep(Probe(), StepParams(Probe, params), Namespace({}), carried=carried)
    outputs = step.run(None, 0, Attempt()).outputs["given"]
    assert {name: outputs[name] for name in expected} == expected


def test_a_node_gets_items_and_constants_of_its_own() -> None:
    item = {"rows": [1]}
    step = item_step({"rows": "${item.rows}"}, node=Changing())
    assert step.run(item, 0, Attempt()) == {"rows": [1, "seen"]}
    assert step.run(item, 0, Attempt()) == {"rows": [1, "seen"]}
    constant = item_step({"rows": [0]}, node=Changing())
    assert constant.run(None, 0, Attempt()) == constant.run(None, 1, Attempt()) == {"rows": [0, "seen"]}


def test_a_node_without_state_is_shared() -> None:
    step = item_step({})
    assert step.share
    assert copy_task(step) is step


def test_a_copy_has_a_node_of_its_own_and_shares_what_templates_read() -> None:
    node = OwnCopy()
    step = item_step({"whole": "${big}"}, Namespace({"big": ["x"]}), node)
    copied = copy.deepcopy(step)
    assert not step.share
    assert copied.node is not step.node
    assert copied._scope is step._scope
    assert given(copied) == given(step)


def test_a_node_that_holds_a_lock_is_named() -> None:
    with pytest.raises(NotCopyable, match=r"node\.lock"):
        copy_task(item_step({}, node=Locked()))


def test_a_step_arrives_in_another_process_with_what_it_needs_only() -> None:
    namespace = Namespace({"name": "ann", "large": "x" * 100_000})
    step = item_step({"text": "${name} ${item}", "inputs": {"a": ["${__index__}"]}}, namespace)
    packed = pickle.dumps(step)
    assert len(packed) < 2_000
    arrived = pickle.loads(packed)
    assert given(arrived, "b", 7) == given(step, "b", 7)


def test_the_folder_of_the_document_is_importable_where_a_step_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    step = ItemStep(Probe(), StepParams(Probe, {}), Namespace({}), folder="/somewhere/else")
    pickle.loads(pickle.dumps(step))
    pickle.loads(pickle.dumps(step))
    assert sys.path.count("/somewhere/else") == 1
