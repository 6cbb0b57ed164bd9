"""The ``embeddings`` node: sends texts to a model and returns a vector for each."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import InvalidParams, NodeError
from batchmill.nodes.access.params import ACCESS_PARAMS
from batchmill.nodes.access.secrets import BoundSecret
from batchmill.nodes.contract import CHARACTERS_PER_TOKEN, NodeResult, Output, Param, characters_in
from batchmill.nodes.llm.asking import Asking
from batchmill.nodes.llm.completion import usage_in
from batchmill.nodes.llm.item_budget import item_limits
from batchmill.nodes.llm.model_node import ModelNode, model_of, server_of
from batchmill.nodes.llm.params import PARAMS
from batchmill.nodes.llm.question import ModelReply, ModelRequest, Provider, Question
from batchmill.nodes.llm.server import ServerProvider
from batchmill.template import to_text

MOST_TEXTS = 2048  # in one request; more of them are refused by OpenAI's server and its like
ECHO_DIMENSIONS = 8
_TOLD = ("llm_usage", "status_code", "error")  # of a failure
_SHARED = (
    "base_url",
    "api_key",
    "api_key_env",
    "max_response_bytes",
    "options",
    "batch_api",
    "item_budget",
    *(param.name for param in ACCESS_PARAMS),
)


class EmbeddingsNode(ModelNode):
    """Turns texts into vectors by a model, one request for all texts of an item."""

    type = "embeddings"
    summary = "Turn texts into vectors, on any server with OpenAI's interface."
    answer_tokens = 0
    params = (
        Param(
            "input", "any", f"a text, or a list of at most {MOST_TEXTS} texts; objects as JSON", required=True
        ),
        Param("model", "string", "the name of the model, as the server knows it"),
        Param("dimensions", "integer", "the length of the vectors, if the model offers a choice", minimum=1),
        Param("timeout", "number", "seconds for the answer", default=300.0, minimum=0.001, content=False),
        Param(
            "provider",
            "string",
            "openai: a server. echo: vectors made of the texts themselves, without a network",
            default="openai",
            choices=("openai", "echo"),
        ),
        *(param for param in PARAMS if param.name in _SHARED),
    )
    outputs = (
        Output("embeddings", "array", "a vector for each text, in their order"),
        Output("embedding", "array", "the vector of the first text; null if there is none"),
        Output(
            "llm_usage",
            "object",
            "`model`, `calls`, `input_tokens`, `total_tokens`, `cost` and so on, as for `llm`",
            diagnostic=True,
        ),
        Output("error", "string", "why the node failed, empty if it did not", diagnostic=True),
    )

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        faults = super().check(params)
        texts = params.get("input")
        if isinstance(texts, list) and len(texts) > MOST_TEXTS:
            faults.append(("input", _too_many(len(texts))))
        return faults

    @classmethod
    def expected(cls, params: Mapping[str, object]) -> tuple[float, int]:
        return characters_in(params.get("input")) / CHARACTERS_PER_TOKEN, 0

    async def run_async(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        given = params["input"]
        texts = [to_text(one) for one in (given if isinstance(given, (list, tuple)) else [given])]
        if len(texts) > MOST_TEXTS:
            raise InvalidParams(f"embeddings: {_too_many(len(texts))}")
        if not model_of(params):
            raise InvalidParams("embeddings: `model` is missing")
        question = Question(
            model_of(params),
            tuple({"role": "user", "content": text} for text in texts),
            max_tokens=1,  # nothing is answered that would be paid by the token
            options={**_dimensions(params), **(params["options"] or {})},
        )
        provider = self.by_batches(_provider(params, self.secrets), params)
        most = item_limits(params["item_budget"])
        asking = Asking(provider, attempt, self.prices_of(params), params["timeout"], item_budget=most)
        try:
            vectors = (await asking.answer(question))[0].raw if texts else []
        except NodeError as error:
            error.outputs = {name: one for name, one in error.outputs.items() if name in _TOLD}
            raise
        usage = asking.outputs(question, ModelReply(""), "", "")["llm_usage"]
        return NodeResult(
            {
                "embeddings": vectors,
                "embedding": vectors[0] if vectors else None,
                "llm_usage": usage,
                "error": "",
            }
        )


def _too_many(count: int) -> str:
    return f"{count:,} texts are more than the {MOST_TEXTS:,} of one request; set `batch_size` in `batch`"


def _dimensions(params: Mapping[str, object]) -> dict[str, object]:
    return {} if params["dimensions"] is None else {"dimensions": params["dimensions"]}


def _provider(params: Mapping[str, object], secrets: tuple[BoundSecret, ...] = ()) -> Provider:
    return EchoVectors() if params["provider"] == "echo" else server_of(params, VectorServer, secrets)


def _texts(question: Question) -> list[str]:
    return [message["content"] for message in question.messages]


class VectorServer(ServerProvider):
    """A server's embeddings. The text of its reply is the number of vectors; ``raw`` has them."""

    endpoint = "/v1/embeddings"

    def create(self, client: Any) -> Any:
        return client.embeddings.with_streaming_response.create

    def body(self, question: Question) -> dict[str, Any]:
        # the SDK asks for base64 by default, which many servers do not know
        extra = {"encoding_format": "float", "extra_body": dict(question.options) or None}
        return {"model": question.model, "input": _texts(question), **extra}

    def reply(self, content: bytes, question: Question) -> ModelReply:
        return reply_of(content, len(question.messages))


def reply_of(content: bytes, count: int) -> ModelReply:
    """The reply in the body of an answer that should have so many vectors."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return ModelReply("", fault="the server's answer is not a list of vectors: it is not JSON")
    usage = usage_in(told) if isinstance(told, dict) else {}
    usage["output_tokens"] = 0
    found = _Vectors.of(told.get("data") if isinstance(told, dict) else None, count)
    if found.fault:
        return ModelReply("", fault=f"the server's answer is not a list of vectors: {found.fault}", **usage)
    return ModelReply(_in_words(found.vectors), raw=found.vectors, **usage)


@dataclass(slots=True)
class _Vectors:
    """Vectors in the order of their texts, or why there are none."""

    vectors: list[list[float]]
    fault: str = ""

    @classmethod
    def of(cls, data: object, count: int) -> _Vectors:
        if not isinstance(data, list):
            return cls([], "it has no `data`")
        places: dict[int, list[float]] = {}
        for place, entry in enumerate(data):
            vector = entry.get("embedding") if isinstance(entry, dict) else None
            index = entry.get("index", place) if isinstance(entry, dict) else place
            if not isinstance(vector, list) or not vector or not all(map(_is_number, vector)):
                return cls([], f"the entry {place} has no `embedding` of numbers")
            places[index if isinstance(index, int) else place] = vector
        if len(data) != count:
            return cls([], f"it has {len(data):,} vectors for {count:,} texts")
        if sorted(places) != list(range(count)):
            return cls([], f"the `index` of its {count:,} vectors is not that of each text once")
        return cls([places[place] for place in range(count)])


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _in_words(vectors: Sequence[Sequence[float]]) -> str:
    return f"{len(vectors)} vectors of {len(vectors[0])} numbers"


class EchoVectors(Provider):
    """Vectors of length 1, the same for the same text, that mean nothing. A word counts as a token."""

    name = "echo"

    async def ask(self, request: ModelRequest) -> ModelReply:
        question = request.question
        request.leaving()
        length = int(question.options.get("dimensions") or ECHO_DIMENSIONS)
        vectors = [_made_of(text, length) for text in _texts(question)]
        words = sum(len(text.split()) for text in _texts(question))
        return ModelReply(_in_words(vectors), words, 0, 0, raw=vectors)


def _made_of(text: str, length: int) -> list[float]:
    stream = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(2 * length)
    numbers = [
        int.from_bytes(stream[2 * place : 2 * place + 2], "big") / 32768 - 1 for place in range(length)
    ]
    size = math.hypot(*numbers) or 1.0
    return [round(number / size, 6) for number in numbers]
