"""Shared by node types that call a model: prices, estimates, how the server is found."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from batchmill.errors import InvalidParams, MissingExtra
from batchmill.ir.services import Tables
from batchmill.nodes.access.hosts import host_faults
from batchmill.nodes.access.policy import access_of
from batchmill.nodes.access.secrets import BoundSecret
from batchmill.nodes.contract import ExpectedCall, NodeClass, ServiceNode
from batchmill.nodes.credentials import credential, credential_faults
from batchmill.nodes.llm.batch_api.settings import BatchApi, batch_api_faults, price_of
from batchmill.nodes.llm.clients import load
from batchmill.nodes.llm.estimate import ANSWER_TOKENS
from batchmill.nodes.llm.fallback import variants
from batchmill.nodes.llm.item_budget import item_budget_faults
from batchmill.nodes.llm.params import KEY_VARIABLE
from batchmill.nodes.llm.question import Provider
from batchmill.nodes.llm.server import ServerProvider
from batchmill.policy import NO_RETRIES, RetryPolicy
from batchmill.record import PriceTable
from batchmill.values.redaction import shortened

if TYPE_CHECKING:  # few nodes use the batch API
    from batchmill.nodes.llm.batch_api.desk import BatchDesk

USUAL_RETRY = RetryPolicy(3, wait=0.5, backoff=2.0, refused_for=600.0)
ECHO_MODEL = "echo"
_DECIDING = ("model", "models", "provider", "on_missing")  # who is asked


class ModelNode(ServiceNode):
    """Base of node types whose attempts are calls of models."""

    requests = True
    credentials = ("api_key",)
    only_default = True
    calls_models = True
    prices: ClassVar[PriceTable] = PriceTable()
    _desk: BatchDesk | None = None
    answer_tokens: ClassVar[int] = ANSWER_TOKENS
    """The assumed number of tokens of an answer without a limit."""

    @classmethod
    def of_document(cls, tables: Tables) -> NodeClass:
        return type(cls.__name__, (cls,), {"prices": tables.prices, "__module__": cls.__module__})

    @classmethod
    def usual_retry(cls, params: Mapping[str, object]) -> RetryPolicy:
        """With the batch API another attempt takes another day, so whoever resumes the run decides on it."""
        return NO_RETRIES if params.get("batch_api") else USUAL_RETRY

    @classmethod
    def load(cls, params: Mapping[str, object]) -> None:
        if (params.get("provider") or "openai") == "openai":
            with suppress(MissingExtra):  # each attempt tells
                load()

    @classmethod
    def stays(cls, params: Mapping[str, object]) -> bool:
        return bool(params.get("batch_api"))

    def hand_in_at(self, desk: Any) -> None:
        self._desk = desk

    def by_batches(self, server: Provider, params: Mapping[str, object]) -> Provider:
        """The provider to ask: ``server``, through its batch API if ``params`` (bound ones) say so."""
        settings = BatchApi.of(params["batch_api"])
        if settings is None or not isinstance(server, ServerProvider):
            return server
        from batchmill.nodes.llm.batch_api.provider import BatchedProvider

        return BatchedProvider(server, settings, self._desk, self.prices_of(params))

    def prices_of(self, params: Mapping[str, object]) -> PriceTable:
        """The price of calls with these params."""
        return replace(self.prices, part=price_of(params))

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        faults = [*credential_faults(params, "api_key"), *host_faults(params)]
        faults += [("batch_api", fault) for fault in batch_api_faults(params.get("batch_api"))]
        faults += [("item_budget", fault) for fault in item_budget_faults(params.get("item_budget"))]
        provider = params.get("provider") or "openai"
        if provider == "openai" and params.get("model") is None and not params.get("models"):
            faults.append(("model", "a server must be told which model is asked"))
        return faults

    @classmethod
    @abstractmethod
    def expected(cls, params: Mapping[str, object]) -> tuple[float, int]:
        """About how many tokens are sent, and how many answered at the most; 0 where nothing bounds that.
        ``params`` are resolved and unchecked."""

    def expected_tokens(self, params: Mapping[str, object]) -> float:
        return sum(self.expected(params))

    def expected_usd(self, params: Mapping[str, object]) -> float:
        sent, most = self.expected(params)
        costs = (
            self.prices_of(one).cost(model_of(one), round(sent), most or self.answer_tokens)
            for one in variants(params)
        )
        return max((cost for cost in costs if cost is not None), default=0.0)

    def expected_call(self, params: Mapping[str, object]) -> ExpectedCall | None:
        if params.get("provider") == "echo":  # nobody is asked
            return None
        sent, most = self.expected(params)
        usd = self.expected_usd(params)
        return ExpectedCall(sent, most or self.answer_tokens, usd, most > 0, price_of(params))

    @classmethod
    def unpriced(cls, params: Mapping[str, object]) -> str | None:
        written = [params.get(name) for name in _DECIDING]
        if any(isinstance(one, str) and "${" in one for one in written):
            return None
        if params.get("provider") == "replay" and params.get("on_missing") == "fail":  # nobody is asked
            return None
        models = (model_of(one) for one in variants(params))
        return next((one for one in models if one and "${" not in one and one not in cls.prices), None)


def model_of(params: Mapping[str, Any]) -> str:
    """The name of the model; empty if none is given."""
    return params.get("model") or (ECHO_MODEL if params.get("provider") == "echo" else "")


def server_of(
    params: Mapping[str, Any],
    kind: type[ServerProvider] = ServerProvider,
    secrets: tuple[BoundSecret, ...] = (),
) -> ServerProvider:
    """The server to call. The key of OpenAI's own goes to other servers only if the document says so;
    ``secrets`` go to their own hosts."""
    base_url = params["base_url"] or None
    if base_url is not None and not base_url.startswith(("http://", "https://")):
        written = shortened(base_url, 60)
        raise InvalidParams(f"llm: `base_url` begins with http:// or https://, not {written!r}")
    own = base_url is None and not params["api_key"]
    named = {**params, "api_key_env": params["api_key_env"] or (KEY_VARIABLE if own else None)}
    key, limit = credential(named, "api_key"), params["max_response_bytes"]
    access = access_of(params, params["base_url"] or "", secrets)
    raw, stream = bool(params.get("raw")), bool(params.get("stream"))
    return kind(base_url, key, limit, access=access, raw=raw, stream=stream)
