"""The ``llm`` node: a prompt to a language model, and its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from batchmill.attempt import Attempt
from batchmill.errors import BatchmillError, InvalidParams
from batchmill.ir.services import Tables
from batchmill.ir.value_schema import schema_fault
from batchmill.nodes.contract import (
    CHARACTERS_PER_TOKEN,
    Node,
    NodeClass,
    NodeResult,
    Output,
    Param,
    characters_in,
)
from batchmill.nodes.credentials import credential, credential_faults
from batchmill.nodes.files import full_path, paths_in
from batchmill.nodes.llm.asking import Asking
from batchmill.nodes.llm.echo import EchoProvider
from batchmill.nodes.llm.estimate import ANSWER_TOKENS, IMAGE_TOKENS
from batchmill.nodes.llm.messages import is_url, messages_of
from batchmill.nodes.llm.question import Provider, Question
from batchmill.nodes.llm.replay import ReplayProvider
from batchmill.nodes.llm.server import ServerProvider
from batchmill.nodes.params import bind
from batchmill.policy import RetryPolicy
from batchmill.record import PriceTable
from batchmill.values.redaction import shortened

TIMEOUT = 300.0
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
USUAL_RETRY = RetryPolicy(3, wait=0.5, backoff=2.0, refused_for=600.0)
KEY_VARIABLE = "OPENAI_API_KEY"
ECHO_MODEL = "echo"


class LlmNode(Node):
    """Asks a model.

    Answers are data: what looks like a template in one stays text. With ``output_schema`` an answer that
    does not meet it is sent back once with what is wrong with it.
    """

    type = "llm"
    requests = True
    only_default = True
    calls_models = True
    summary = "Ask a language model, of any server that speaks OpenAI's chat interface."
    prices: ClassVar[PriceTable] = PriceTable()
    params = (
        Param("prompt", "any", "what is asked; objects and lists as JSON", required=True),
        Param("system", "string", "the system message"),
        Param("model", "string", "the name of the model, as the server knows it"),
        Param("temperature", "number", "how freely it answers", minimum=0),
        Param("max_tokens", "integer", "tokens after which the answer is cut off", minimum=1),
        Param("images", "array|string", "paths, URLs or data: URLs of images that go with the prompt"),
        Param("output_schema", "object", "JSON Schema that the answer must meet; it is parsed then"),
        Param(
            "timeout",
            "number",
            "seconds for the answer, a second try of its shape included",
            default=TIMEOUT,
            minimum=0.001,
            content=False,
        ),
        Param(
            "provider",
            "string",
            "openai: a server. echo: says the prompt back. replay: answers out of `replay_file`",
            default="openai",
            choices=("openai", "echo", "replay"),
        ),
        Param(
            "base_url",
            "string",
            "where the server is; OpenAI's own without it",
            templates="url",
            content=False,
        ),
        Param("api_key", "string", "the key for the server", content=False),
        Param(
            "api_key_env",
            "string",
            f"the variable of the environment that holds the key; without `base_url` {KEY_VARIABLE}",
            content=False,
        ),
        Param(
            "max_response_bytes",
            "integer",
            "a larger answer is refused",
            default=MAX_RESPONSE_BYTES,
            minimum=0,
            content=False,
        ),
        Param("options", "object", "further keys of the request, as the server knows them"),
        Param("replay_file", "string", "the file of recorded answers, for the provider replay"),
        Param(
            "on_missing",
            "string",
            "what is done where no answer is recorded. record: the server is asked, and its answer added",
            default="record",
            choices=("record", "fail"),
            content=False,
        ),
    )
    outputs = (
        Output("response", "any", "the answer: text, or with `output_schema` the value", diagnostic=True),
        Output(
            "tool_calls",
            "array",
            "the calls of tools that the model asks for, each with `id`, `name` and `arguments`",
            diagnostic=True,
        ),
        Output("reasoning", "string", "what the model thought before, where it tells", diagnostic=True),
        Output(
            "llm_usage",
            "object",
            "`model`, `calls`, `input_tokens`, `output_tokens`, `total_tokens`, `cached_tokens`, null where "
            "that was not told, and `cost` in US dollars, null without a price; `estimated` where it is a "
            "guess, `kept` where nobody was asked",
            diagnostic=True,
        ),
        Output("finish_reason", "string", "why the answer ended: stop, length, ...", diagnostic=True),
        Output("error", "string", "why the node failed, empty when it did not", diagnostic=True),
    )

    @classmethod
    def of_document(cls, tables: Tables) -> NodeClass:
        return type(cls.__name__, (cls,), {"prices": tables.prices, "__module__": cls.__module__})

    @classmethod
    def usual_retry(cls, params: Mapping[str, Any]) -> RetryPolicy:
        return USUAL_RETRY

    reads = ("images",)

    @classmethod
    def files_read(cls, params: Mapping[str, Any]) -> Iterable[str]:
        return (path for path in paths_in(params.get("images")) if not is_url(path))

    def check(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        faults = credential_faults(params, "api_key")
        provider = params.get("provider") or "openai"
        if provider == "openai" and params.get("model") is None:
            faults.append(("model", "a server must be told which model is asked"))
        if provider == "replay" and params.get("replay_file") is None:
            faults.append(("replay_file", "the provider replay needs `replay_file`"))
        schema = params.get("output_schema")
        if isinstance(schema, dict) and (fault := schema_fault(schema)):
            faults.append(("output_schema", f"is no JSON Schema: {fault}"))
        return faults

    def expected_tokens(self, params: Mapping[str, Any]) -> float:
        return sum(_expected(params))

    def expected_usd(self, params: Mapping[str, Any]) -> float:
        sent, answered = _expected(params)
        return self.prices.cost(_model(params), round(sent), answered or ANSWER_TOKENS) or 0.0

    def is_free(self, params: Mapping[str, Any]) -> bool:
        if params.get("provider") != "replay":
            return False
        try:
            bound = bind(LlmNode, params)
            return _provider(bound).recall(_question(bound)) is not None
        except BatchmillError:  # the attempt itself is about to say so
            return False

    @classmethod
    def unpriced(cls, params: Mapping[str, Any]) -> str | None:
        written = [params.get(name) for name in ("model", "provider", "on_missing")]
        if any(isinstance(one, str) and "${" in one for one in written):
            return None
        if params.get("provider") == "replay" and params.get("on_missing") == "fail":  # nobody is asked
            return None
        model = _model(params)
        return model if isinstance(model, str) and model and model not in cls.prices else None

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        question = _question(params)
        asking = Asking(_provider(params), attempt, self.prices, params["timeout"])
        reply, value = asking.answer(question)
        return NodeResult(asking.outputs(question, reply, value, ""))


def _expected(params: Mapping[str, Any]) -> tuple[float, int]:
    """About how many tokens are sent, and how many answered at the most; 0 where nothing bounds that."""
    images, most = params.get("images") or (), params.get("max_tokens")
    count = 1 if isinstance(images, str) else len(images) if isinstance(images, (list, tuple)) else 0
    texts = [params.get(name) for name in ("prompt", "system", "output_schema")]
    sent = characters_in(texts) / CHARACTERS_PER_TOKEN + IMAGE_TOKENS * count
    return sent, most if isinstance(most, int) and not isinstance(most, bool) else 0


def _model(params: Mapping[str, Any]) -> str:
    return params.get("model") or (ECHO_MODEL if params.get("provider") == "echo" else "")


def _question(params: Mapping[str, Any]) -> Question:
    schema = params["output_schema"]
    if schema is not None and (fault := schema_fault(schema)):
        raise InvalidParams(f"llm: `output_schema` is no JSON Schema: {fault}")
    model = _model(params)
    if not model and params["provider"] == "openai":
        raise InvalidParams("llm: `model` is missing")
    return Question(
        model,
        messages_of(params),
        params["temperature"],
        params["max_tokens"],
        schema,
        params["options"] or {},
    )


def _provider(params: Mapping[str, Any]) -> Provider:
    kind = params["provider"]
    if kind == "echo":
        return EchoProvider()
    if kind == "openai":
        return _server(params)
    if not params["replay_file"]:
        raise InvalidParams("llm: the provider replay needs `replay_file`")
    path = full_path(params["replay_file"], "replay_file")
    return ReplayProvider(path, (lambda: _server(params)) if params["on_missing"] == "record" else None)


def _server(params: Mapping[str, Any]) -> Provider:
    """The server that is meant. The key of OpenAI's own goes to no other one unless the document says so."""
    base_url = params["base_url"] or None
    if base_url is not None and not base_url.startswith(("http://", "https://")):
        written = shortened(base_url, 60)
        raise InvalidParams(f"llm: `base_url` begins with http:// or https://, not {written!r}")
    own = base_url is None and not params["api_key"]
    named = {**params, "api_key_env": params["api_key_env"] or (KEY_VARIABLE if own else None)}
    return ServerProvider(base_url, credential(named, "api_key"), params["max_response_bytes"])
