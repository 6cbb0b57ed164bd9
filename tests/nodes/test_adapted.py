"""Classes that are node types by their shape."""

from __future__ import annotations

import pickle

import cloudpickle

from batchmill.attempt import Attempt
from batchmill.nodes.adapted import adapt, fits


class Plain:
    """Adds one.

    More words.
    """

    def prep(self, shared):
        self.seen = getattr(self, "seen", 0) + 1
        return shared["n"] + self.params["n"]

    def exec(self, prepared):
        return prepared + 1

    def post(self, shared, prepared, result):
        shared["sum"] = result
        shared["seen"] = self.seen
        return "big" if result > 10 else None


class WithSetter:
    def set_params(self, params):
        self.given = params

    def prep(self, shared):
        return None

    def exec(self, prepared):
        return dict(self.given)

    def post(self, shared, prepared, result):
        shared["n"] = 7
        shared["result"] = "mine"


class Asynchronous(Plain):
    async def exec_async(self, prepared):
        return prepared


def test_the_shape_decides():
    assert fits(Plain)
    assert not fits(Plain())
    assert not fits(Asynchronous)
    assert not fits(dict)


def test_params_are_in_the_store_and_what_is_written_comes_out():
    node = adapt(Plain, "add")()
    result = node.run({"n": 2}, Attempt())
    assert result.outputs == {"result": 5, "sum": 5, "seen": 1}
    assert result.action == "default"


def test_the_action_is_what_post_returns_and_every_attempt_has_a_fresh_object():
    node = adapt(Plain, "add")()
    node.run({"n": 1}, Attempt())
    result = node.run({"n": 6}, Attempt())
    assert result.action == "big"
    assert result.outputs["seen"] == 1


def test_set_params_is_used_where_there_is_one_and_a_changed_param_is_an_output():
    result = adapt(WithSetter, "x")().run({"n": 1}, Attempt())
    assert result.outputs == {"result": "mine", "n": 7}


def test_type_and_summary_are_the_classs_own():
    node_class = adapt(Plain, "add")
    assert node_class.type == "add"
    assert node_class.summary == "Adds one."
    assert adapt(WithSetter, "x").summary.endswith("test_adapted:WithSetter.")


def test_it_travels_to_other_processes():
    node = adapt(dict, "x")()  # any importable class will do to see it come back
    assert pickle.loads(pickle.dumps(node)).adapted is dict
    again = cloudpickle.loads(cloudpickle.dumps(adapt(Plain, "add")()))
    assert again.run({"n": 2}, Attempt()).outputs["sum"] == 5
