"""The ``llm`` node: a prompt to a language model, and its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import BatchmillError, InvalidParams
from batchmill.ir.value_schema import schema_fault
from batchmill.nodes.contract import CHARACTERS_PER_TOKEN, NodeResult, characters_in
from batchmill.nodes.files import full_path, paths_in
from batchmill.nodes.llm import structured
from batchmill.nodes.llm.asking import Asking
from batchmill.nodes.llm.estimate import IMAGE_TOKENS
from batchmill.nodes.llm.fallback import answered, content_of, kind_faults, model_faults, variants
from batchmill.nodes.llm.item_budget import item_limits
from batchmill.nodes.llm.messages import is_url, message_fault, messages_of
from batchmill.nodes.llm.model_node import ModelNode, model_of, server_of
from batchmill.nodes.llm.params import OUTPUTS, PARAMS
from batchmill.nodes.llm.question import ModelReply, Provider, Question
from batchmill.nodes.llm.server import ServerProvider
from batchmill.nodes.params import bind
from batchmill.record import LLMCall

_OPTIONS = ("tools", "tool_choice", "n", "logprobs", "top_logprobs")  # sent as they are


class LlmNode(ModelNode):
    """Asks a model.

    Answers are data: text in them that looks like a template stays text. With ``output_schema`` an answer
    that violates it is sent back once with its faults.
    """

    type = "llm"
    summary = "Ask a language model on any server with OpenAI's interface."
    params = PARAMS
    outputs = OUTPUTS

    @classmethod
    def content(cls, params: Mapping[str, object]) -> dict[str, Any]:
        found = super().content(params)
        return {**found, "models": content_of(found["models"])} if "models" in found else found

    reads = ("images",)
    names_files = ("replay_file",)

    @classmethod
    def needs_folder(cls, params: Mapping[str, object]) -> str:
        of_images = params if any(True for _ in cls.files_read(params)) else {**params, "images": None}
        return super().needs_folder(of_images)

    @classmethod
    def files_read(cls, params: Mapping[str, object]) -> Iterable[str]:
        return (path for path in paths_in(params.get("images")) if not is_url(path))

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        faults = super().check(params)
        faults += [("models", fault) for fault in model_faults(params.get("models"))]
        faults += [("fall_back_on", fault) for fault in kind_faults(params.get("fall_back_on"))]
        if params.get("batch_api") and params.get("stream") is True:
            faults.append(("stream", "answers of the batch API come whole; one of both is enough"))
        if params.get("batch_api") and params.get("provider") == "echo":
            faults.append(("batch_api", "the provider echo has no batch API"))
        if params.get("provider") == "replay" and params.get("replay_file") is None:
            faults.append(("replay_file", "the provider replay needs `replay_file`"))
        faults += _message_faults(params)
        if params.get("api") == "responses" and params.get("n") not in (None, 1):
            faults.append(("n", "`/responses` gives one answer; ask for several with `api: chat`"))
        schema = params.get("output_schema")
        if isinstance(schema, dict) and (fault := schema_fault(schema)):
            faults.append(("output_schema", f"is no JSON Schema: {fault}"))
        return faults

    @classmethod
    def expected(cls, params: Mapping[str, Any]) -> tuple[float, int]:
        images, most = params.get("images") or (), params.get("max_tokens")
        count = 1 if isinstance(images, str) else len(images) if isinstance(images, (list, tuple)) else 0
        texts = [params.get(name) for name in ("prompt", "system", "messages", "tools", "output_schema")]
        sent = characters_in(texts) / CHARACTERS_PER_TOKEN + IMAGE_TOKENS * count
        answers = params.get("n") if isinstance(params.get("n"), int) else 1
        return sent, most * (answers or 1) if isinstance(most, int) and not isinstance(most, bool) else 0

    def is_free(self, params: Mapping[str, object]) -> bool:
        if params.get("provider") != "replay":
            return False
        try:
            bound = variants(bind(LlmNode, params))[0]
            return self._provider(bound).recall(_question(bound)) is not None
        except BatchmillError:  # the attempt itself is about to say so
            return False

    def is_booked(self, params: Mapping[str, object]) -> bool:
        if not params.get("batch_api"):
            return False
        from batchmill.nodes.llm.batch_api.provider import BatchedProvider

        try:
            bound = variants(bind(LlmNode, params))[0]
            server = self._server(bound)
            return isinstance(server, BatchedProvider) and server.is_booked(_question(bound))
        except BatchmillError:  # the attempt itself is about to say so
            return False

    async def run_async(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        if params["models"] or params["fall_back_on"]:
            calls: list[tuple[LLMCall, ModelReply]] = []
            return await answered(
                params, attempt, lambda given: self._ask(bind(LlmNode, given), attempt, calls)
            )
        (asking, question), params = self._asking(params, attempt, []), {}  # they are not kept while it waits
        return _result(asking, question, await asking.answer(question))

    async def _ask(
        self, params: Mapping[str, Any], attempt: Attempt, calls: list[tuple[LLMCall, ModelReply]]
    ) -> NodeResult:
        """Ask the one model of ``params``."""
        asking, question = self._asking(params, attempt, calls)
        return _result(asking, question, await asking.answer(question))

    def _asking(
        self, params: Mapping[str, Any], attempt: Attempt, calls: list[tuple[LLMCall, ModelReply]]
    ) -> tuple[Asking, Question]:
        question, timeout, repairs = _question(params), params["timeout"], params["repairs"]
        tells, provider, prices = params["stream"], self._provider(params), self.prices_of(params)
        most = item_limits(params["item_budget"])
        asking = Asking(provider, attempt, prices, timeout, repairs, calls, tells=tells, item_budget=most)
        return asking, question

    def _provider(self, params: Mapping[str, Any]) -> Provider:
        """The provider to ask; all but the usual one are imported for the nodes that name them."""
        kind = params["provider"]
        if kind == "echo":
            from batchmill.nodes.llm.echo import EchoProvider

            return EchoProvider()
        if kind == "openai":
            return self._server(params)
        if not params["replay_file"]:
            raise InvalidParams("llm: the provider replay needs `replay_file`")
        from batchmill.nodes.llm.replay import ReplayProvider

        path = full_path(params["replay_file"], "replay_file")
        return ReplayProvider(
            path, (lambda: self._server(params)) if params["on_missing"] == "record" else None
        )

    def _server(self, params: Mapping[str, object]) -> Provider:
        return self.by_batches(server_of(params, _kind_of(params), self.secrets), params)


def _kind_of(params: Mapping[str, object]) -> type[ServerProvider]:
    if params["api"] != "responses":
        return ServerProvider
    from batchmill.nodes.llm.responses import ResponsesServer

    return ResponsesServer


def _result(asking: Asking, question: Question, answer: tuple[ModelReply, object]) -> NodeResult:
    reply, value = answer
    return NodeResult(asking.outputs(question, reply, value, ""))


def _message_faults(params: Mapping[str, object]) -> list[tuple[str, str]]:
    messages = params.get("messages")
    if params.get("prompt") is None and not messages and not params.get("images"):
        return [("prompt", "`prompt` or `messages` is missing")]
    written = messages if isinstance(messages, list) else []
    found = ((place, message_fault(one)) for place, one in enumerate(written) if not isinstance(one, str))
    return [("messages", f"the message {place} {fault}") for place, fault in found if fault]


def _question(params: Mapping[str, Any]) -> Question:
    schema = params["output_schema"]
    if schema is not None and (fault := schema_fault(schema)):
        raise InvalidParams(f"llm: `output_schema` is no JSON Schema: {fault}")
    model = model_of(params)
    if not model and params["provider"] == "openai":
        raise InvalidParams("llm: `model` is missing")
    own = {name: params[name] for name in _OPTIONS if params[name] is not None}
    question = Question(
        model,
        messages_of(params),
        params["temperature"],
        params["max_tokens"],
        schema,
        {**own, **(params["options"] or {})},
        params["mode"],
    )
    return structured.told_in_words(question)
