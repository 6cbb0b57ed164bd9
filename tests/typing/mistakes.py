"""What the checker must find: each line with a mistake names the error mypy is to give there."""

from __future__ import annotations

from typing import TypedDict

import batchmill
from batchmill.flow import BatchNode, Flow, Node


class Text(TypedDict):
    """A shared store with known keys."""

    text: str


class Params(TypedDict):
    """Params with known keys."""

    most: int


class Upper(Node[Text, Params, str, str]):
    def prep(self, shared: Text) -> str:
        return shared["txt"]  # expect: typeddict-item, no-any-return

    def exec(self, prep_res: int) -> str:  # expect: override
        return str(prep_res + self.params["least"])  # expect: typeddict-item

    def post(self, shared: Text, prep_res: str, exec_res: str) -> str:
        shared["text"] = 3  # expect: typeddict-item
        return exec_res


Upper().set_params({"most": "3"})  # expect: typeddict-item
Upper().run({"words": []})  # expect: typeddict-item, typeddict-unknown-key
BatchNode(max_concurrency=3)  # expect: call-arg
BatchNode(executor=3)  # expect: arg-type
BatchNode(on_failure="panic")  # expect: arg-type
Node(wait="long")  # expect: arg-type
Flow[Text](Upper()).run({"text": 1})  # expect: typeddict-item
Upper() - 3  # expect: operator


def half(n: int) -> float:
    return n / 2


batchmill.map(half, [1], executor="threads")  # expect: call-overload
batchmill.map(half, [1], n_jobs=2)  # expect: call-overload, call-overload
batchmill.map(half, [1], memory_limit=1.5)  # expect: call-overload
batchmill.map(half, ["a"])  # expect: arg-type
batchmill.imap(half, [1], ordered="no")  # expect: call-overload
