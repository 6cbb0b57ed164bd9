"""One attempt at an answer: its calls, what they are judged to be worth, and their records."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, NodeError
from batchmill.nodes.llm import structured
from batchmill.nodes.llm.question import Provider, Question, Reply
from batchmill.record import LLMCall, PriceTable, Usage
from batchmill.redaction import shortened

KEPT_CHARACTERS = 1000  # of prompt and answer in the record of a call


@dataclass(slots=True)
class Asking:
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
            prompt=shortened(question.prompt, KEPT_CHARACTERS, more=""),
            response=shortened(reply.text, KEPT_CHARACTERS, more=""),
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
