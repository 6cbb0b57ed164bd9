"""The ``llm`` node: a prompt to a language model, and its answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError
from batchmill.ir.services import Tables
from batchmill.ir.value_schema import schema_fault
from batchmill.nodes.contract import Node, NodeClass, NodeResult, Output, Param
from batchmill.nodes.credentials import credential, credential_faults
from batchmill.nodes.files import full_path
from batchmill.nodes.llm import structured
from batchmill.nodes.llm.echo import EchoProvider
from batchmill.nodes.llm.messages import messages_of
from batchmill.nodes.llm.question import Provider, Question, Reply
from batchmill.nodes.llm.replay import ReplayProvider
from batchmill.nodes.llm.server import ServerProvider
from batchmill.record import LLMCall, PriceTable, Usage

TIMEOUT = 300.0
KEY_VARIABLE = "OPENAI_API_KEY"
KEPT_CHARACTERS = 1000  # of prompt and answer in the record of a call
ECHO_MODEL = "echo"


class LlmNode(Node):
    """Asks a model.

    Answers are data: what looks like a template in one stays text. With ``output_schema`` an answer that
    does not meet it is sent back once with what is wrong with it.
    """

    type = "llm"
    requests = True
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
        ),
        Param(
            "provider",
            "string",
            "openai: a server. echo: says the prompt back. replay: answers out of `replay_file`",
            default="openai",
            choices=("openai", "echo", "replay"),
        ),
        Param("base_url", "string", "where the server is; OpenAI's own without it", templates="url"),
        Param("api_key", "string", "the key for the server"),
        Param(
            "api_key_env",
            "string",
            f"the variable of the environment that holds the key; without `base_url` {KEY_VARIABLE}",
        ),
        Param("options", "object", "further keys of the request, as the server knows them"),
        Param("replay_file", "string", "the file of recorded answers, for the provider replay"),
        Param(
            "on_missing",
            "string",
            "what is done where no answer is recorded. record: the server is asked, and its answer added",
            default="record",
            choices=("record", "fail"),
        ),
    )
    outputs = (
        Output("response", "any", "the answer: text, or with `output_schema` the value", diagnostic=True),
        Output(
            "llm_usage",
            "object",
            "`model`, `calls`, `input_tokens`, `output_tokens`, `total_tokens`, `cached_tokens` and `cost` "
            "in US dollars, null without a price",
            diagnostic=True,
        ),
        Output("finish_reason", "string", "why the answer ended: stop, length, ...", diagnostic=True),
        Output("error", "string", "why the node failed, empty when it did not", diagnostic=True),
    )

    @classmethod
    def of_document(cls, tables: Tables) -> NodeClass:
        return type(cls.__name__, (cls,), {"prices": tables.prices, "__module__": cls.__module__})

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

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        question = _question(params)
        asking = _Asking(_provider(params), attempt, self.prices, params["timeout"])
        reply, value = asking.answer(question)
        return NodeResult(asking.outputs(question, reply, value, ""))


@dataclass(slots=True)
class _Asking:
    """One attempt: its calls so far, each of which is recorded when it has been judged."""

    provider: Provider
    attempt: Attempt
    prices: PriceTable
    timeout: float
    calls: list[LLMCall] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def answer(self, question: Question) -> tuple[Reply, Any]:
        """The reply and the value in it. Raises :class:`NodeError` for a reply that cannot be used."""
        reply, wrong, value = self._judged(question)
        if wrong and question.schema is not None and _may_mend(reply):
            question = structured.asked_again(question, reply, wrong)
            reply, wrong, value = self._judged(question)
        if not wrong:
            return reply, value
        message = f"the model's answer cannot be used: {'; '.join(wrong)}"
        raise NodeError(
            message,
            outputs=self.outputs(question, reply, reply.text, message),
            retryable=_may_mend(reply),
            type_name="Refused" if reply.refusal else "UnusableAnswer",
        )

    def _judged(self, question: Question) -> tuple[Reply, list[str], Any]:
        began = time.monotonic()
        reply = self.provider.ask(question, self.attempt, self._left())
        value, wrong = _judge(reply, question)
        call = LLMCall(
            model=question.model,
            prompt=question.prompt[:KEPT_CHARACTERS],
            response=reply.text[:KEPT_CHARACTERS],
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            cached_tokens=reply.cached_tokens,
            cost=self.prices.cost(
                question.model, reply.input_tokens, reply.output_tokens, reply.cached_tokens
            ),
            wall=round(time.monotonic() - began, 6),
            provider=self.provider.name,
            attempt=self.attempt.number,
            error="; ".join(wrong),
        )
        self.calls.append(call)
        self.attempt.recorder.append(call)
        return reply, wrong, value

    def _left(self) -> float:
        left = self.attempt.within(self.timeout - (time.monotonic() - self.began)) or 0.0
        if left <= 0:
            raise AttemptTimeout(f"the model did not answer within {self.timeout:.3g} s")
        return left

    def outputs(self, question: Question, reply: Reply, value: Any, error: str) -> dict[str, Any]:
        total = Usage.total(self.calls)
        usage = {
            "model": question.model,
            "calls": total.calls,
            "input_tokens": total.input_tokens,
            "output_tokens": total.output_tokens,
            "total_tokens": total.input_tokens + total.output_tokens,
            "cached_tokens": total.cached_tokens,
            "cost": None if total.unpriced else total.cost,
        }
        return {"response": value, "llm_usage": usage, "finish_reason": reply.finish, "error": error}


def _judge(reply: Reply, question: Question) -> tuple[Any, list[str]]:
    """The value of a reply, and why it cannot be used."""
    if reply.refusal:
        return None, [f"the model refused: {reply.refusal}"]
    if reply.finish == "content_filter":
        return None, ["the server's content filter held it back"]
    if question.schema is None:
        return reply.text, []
    value, wrong = structured.faults(reply.text, question.schema)
    if wrong and reply.finish == "length":
        return value, ["it was cut off, as `max_tokens` or the model's own limit was reached"]
    return value, wrong


def _may_mend(reply: Reply) -> bool:
    """Whether asking again may give a better answer."""
    return not reply.refusal and reply.finish not in ("content_filter", "length")


def _question(params: Mapping[str, Any]) -> Question:
    schema = params["output_schema"]
    if schema is not None and (fault := schema_fault(schema)):
        raise InvalidParams(f"llm: `output_schema` is no JSON Schema: {fault}")
    model = params["model"] or (ECHO_MODEL if params["provider"] == "echo" else "")
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
        raise InvalidParams(f"llm: `base_url` begins with http:// or https://, not {base_url[:60]!r}")
    own = base_url is None and not params["api_key"]
    named = {**params, "api_key_env": params["api_key_env"] or (KEY_VARIABLE if own else None)}
    return ServerProvider(base_url, credential(named, "api_key"))
