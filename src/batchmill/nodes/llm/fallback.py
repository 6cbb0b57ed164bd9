"""Several models for one question: if one fails in a way that another may not, the next is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError
from batchmill.nodes.contract import NodeResult

KEYS = ("model", "base_url", "api_key_env", "temperature", "max_tokens", "timeout", "mode", "api", "options")
"""Keys for one model; missing ones are those of the node."""
_WHERE = ("base_url", "api_key_env", "timeout")  # among them those that change nothing about the answer
KINDS = ("refused", "denied", "timeout", "failed", "too_long", "unusable")
_UNUSABLE = frozenset({"BadAnswer", "EmptyAnswer", "UnusableAnswer", "Refused"})
_CONTEXT = (
    "context_length",
    "context length",
    "context window",
    "too long",
    "too many tokens",
    "maximum context",
)

Failure = NodeError | AttemptTimeout
Ask = Callable[[Mapping[str, Any]], Awaitable[NodeResult]]


def variants(params: Mapping[str, object]) -> list[dict[str, Any]]:
    """The params of the node for each of its models, in the order in which they are asked."""
    entries = _entries(params.get("models"))
    if params.get("model") or not entries:
        entries = [{}, *entries]
    return [_variant(params, entry) for entry in entries]


def _variant(params: Mapping[str, object], entry: Mapping[str, object]) -> dict[str, object]:
    """A server gets only the key that is named for it: its own, never that of another."""
    elsewhere = "base_url" in entry and entry["base_url"] != params.get("base_url")
    keyless = {"api_key": None, "api_key_env": None} if elsewhere or "api_key_env" in entry else {}
    return {**params, **keyless, **entry, "models": None}


def _entries(models: object) -> list[Mapping[str, object]]:
    written = models if isinstance(models, list) else []
    return [
        {"model": one} if isinstance(one, str) else one for one in written if isinstance(one, (str, dict))
    ]


def model_faults(models: object) -> Iterator[str]:
    """The faults of ``models`` as written or resolved."""
    for place, one in enumerate(models if isinstance(models, list) else []):
        if isinstance(one, str) and one.strip():
            continue
        if not isinstance(one, Mapping) or not isinstance(one.get("model"), str) or not one["model"]:
            yield f"the model {place} is a name, or an object with `model`"
            continue
        for key in one:
            if key not in KEYS:
                allowed = ", ".join(f"`{name}`" for name in KEYS)
                yield f"the model {place} has the key {key!r}; it may have {allowed}"


def kind_faults(kinds: object) -> Iterator[str]:
    """The faults of ``fall_back_on``: words that match no failure."""
    for one in kinds if isinstance(kinds, list) else []:
        if not isinstance(one, str) or (one not in KINDS and not one[:1].isupper() and "${" not in one):
            known = ", ".join(f"`{name}`" for name in KINDS)
            yield f"{one!r} is not a kind of failure: {known}, or the type of an error such as `HTTP500`"


def content_of(models: object) -> object:
    """``models`` without what cannot change an answer."""
    if not isinstance(models, list):
        return models
    return [
        {key: value for key, value in one.items() if key not in _WHERE} if isinstance(one, Mapping) else one
        for one in models
    ]


def names_of(error: Failure) -> set[str]:
    """The words in ``fall_back_on`` that match a failure."""
    if isinstance(error, AttemptTimeout):
        return {"timeout", "AttemptTimeout"}
    names = {error.type_name}
    if error.refused:
        names.add("refused")
    elif error.denied:
        names.add("denied")
    elif _is_too_long(error):
        names.add("too_long")
    elif error.type_name in _UNUSABLE:
        names.add("unusable")
    elif error.retryable or error.type_name == "HTTP404":
        names.add("failed")
    return names


def _is_too_long(error: NodeError) -> bool:
    if error.outputs.get("finish_reason") == "length":
        return True
    said = error.message.lower()
    return error.type_name in ("HTTP400", "HTTP413") and any(word in said for word in _CONTEXT)


async def answered(params: Mapping[str, Any], attempt: Attempt, ask: Ask) -> NodeResult:
    """The answer of the first model that gives one.

    Raises the failure of the last one, or a failure after which no other model is asked. If several failed,
    the error names them all and is otherwise the first that is worth another attempt.
    """
    for fault in (*model_faults(params["models"]), *kind_faults(params["fall_back_on"])):
        raise InvalidParams(f"llm: {fault}")
    tries = variants(params) if params["models"] else [params]
    wanted = params["fall_back_on"] or KINDS
    failed: list[tuple[str, Failure]] = []
    for each in tries:
        try:
            result = await ask(each)
        except InvalidParams:
            raise
        except (NodeError, AttemptTimeout) as error:
            failed.append((each["model"], error))
            if names_of(error).isdisjoint(wanted) or attempt.remaining() == 0 or attempt.cancel.cancelled:
                break
            continue
        if failed:
            _tell(result, failed, attempt)
        return result
    if len(failed) == 1:
        raise failed[0][1]
    raise _all_together(failed) from failed[-1][1]


def _tell(result: NodeResult, failed: Sequence[tuple[str, Failure]], attempt: Attempt) -> None:
    """Say that another model answered than the first."""
    usage = result.outputs["llm_usage"]
    usage["failed_models"] = [{"model": model, "error": _type_of(error)} for model, error in failed]
    model, error = failed[0]
    message = f"the model {model!r} failed ({error}), and {usage['model']!r} answered in its place"
    attempt.warn("fallback", message)


def _all_together(failed: Sequence[tuple[str, Failure]]) -> Failure:
    message = "no model answered: " + "; ".join(f"{model}: {error}" for model, error in failed)
    worth = next((error for _, error in failed if _is_retryable(error)), failed[-1][1])
    if isinstance(worth, AttemptTimeout):
        return AttemptTimeout(message)
    denied = all(isinstance(error, NodeError) and error.denied for _, error in failed)
    return NodeError(
        message,
        outputs={**worth.outputs, "error": message},
        retryable=worth.retryable,
        retry_after=worth.retry_after,
        refused=worth.refused,
        denied=worth.denied if denied else 0,
        type_name=worth.type_name,
    )


def _is_retryable(error: Failure) -> bool:
    return isinstance(error, AttemptTimeout) or error.retryable


def _type_of(error: Failure) -> str:
    return error.type_name if isinstance(error, NodeError) else type(error).__name__
