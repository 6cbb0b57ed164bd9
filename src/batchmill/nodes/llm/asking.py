"""One attempt at an answer: its calls, their checks, and their records.

Every call is entered before it is made and again when it has ended, and is recorded before its answer is
checked: so no paid call is forgotten, whatever happens to its answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, NodeError, StorageError
from batchmill.nodes.llm import structured
from batchmill.nodes.llm.estimate import TokenCount, counted
from batchmill.nodes.llm.item_budget import EXCEEDED, exceeded, require_room
from batchmill.nodes.llm.question import ModelReply, ModelRequest, Provider, Question, Unanswered
from batchmill.nodes.llm.telling import Telling
from batchmill.policy.budget import BudgetLimits
from batchmill.record import LLMCall, PriceTable, new_id, used_by
from batchmill.values.redaction import shortened

KEPT_CHARACTERS = 1000  # of prompt and answer in the record of a call
UNKNOWN = "no answer to it was kept"
BROKEN_OFF = "it was broken off"


@dataclass(frozen=True, slots=True)
class Judged:
    """A reply, the value in it, and why it cannot be used, empty if it can."""

    reply: ModelReply
    value: Any
    wrong: list[str]


class _Leaving:
    """Enters the call of a question, once, just before the question is sent. ``fault`` is why it could not;
    then the question must not be sent."""

    def __init__(self, call: LLMCall, attempt: Attempt) -> None:
        self.done = False
        self.fault: StorageError | None = None
        self._call = call
        self._attempt = attempt

    def __call__(self) -> None:
        if self.done:  # it is sent on to another place of the same server
            return
        try:
            if self._attempt.calls is not None:
                self._attempt.calls.begin(self._call)
        except StorageError as fault:
            self.fault = fault
            raise
        self.done = True

    def undo(self) -> None:
        """The question was not sent after all, or certainly costs nothing."""
        if self.done and self._attempt.calls is not None:
            self._attempt.calls.forget([self._call.id])


@dataclass(slots=True)
class Asking:
    """One attempt: its calls so far, each with its reply. An answer of the wrong shape is asked for again up
    to ``repairs`` times; ``repaired`` counts these. ``tells`` sends answers to listeners as they come.
    ``item_budget`` limits the use of all attempts at the item."""

    provider: Provider
    attempt: Attempt
    prices: PriceTable
    timeout: float
    repairs: int = 1
    calls: list[tuple[LLMCall, ModelReply]] = field(default_factory=list)  # those of other models, too
    began: float = field(default_factory=time.monotonic)
    repaired: int = 0
    tells: bool = False
    item_budget: BudgetLimits | None = None

    async def answer(self, question: Question) -> tuple[ModelReply, Any]:
        """The reply and the value in it. Raises :class:`NodeError` for a reply that cannot be used."""
        judged = await self._judged(question)
        for _ in range(self.repairs):
            if not judged.wrong or question.schema is None or not _may_mend(judged.reply):
                break
            question = structured.asked_again(question, judged.reply, judged.wrong)
            self.repaired += 1
            try:
                judged = await self._judged(question)
            except NodeError as error:
                if error.type_name != EXCEEDED:
                    raise
                raise exceeded(
                    f"{error}; the answer before could not be used: {'; '.join(judged.wrong)}"
                ) from error
        reply, wrong = judged.reply, judged.wrong
        if not wrong:
            return reply, judged.value
        message = reply.fault or f"the model's answer cannot be used: {'; '.join(wrong)}"
        raise NodeError(
            message,
            outputs=self.outputs(question, reply, reply.text, message),
            retryable=bool(reply.fault) or _may_mend(reply),
            type_name=_kind_of(reply),
        )

    async def _judged(self, question: Question) -> Judged:
        """Get a reply, enter its call, and only then check it."""
        began = time.monotonic()
        recalled = self.provider.recall(question)
        call = self._call(question)
        tell = self.attempt.tell if self.tells else None
        telling = None if tell is None else Telling(tell, call.id, self.attempt.number)
        reply = recalled or await self._asked(question, call, began, telling)
        if telling is not None:
            _tell_the_rest(telling, reply)
        call = self._filled(call, question, reply, kept=recalled is not None, wall=_since(began))
        wrong = [BROKEN_OFF]
        try:
            value, wrong = _judge(reply, question)
        finally:
            call = replace(call, error="; ".join(wrong))
            self._enter(call)
            self.calls.append((call, reply))
        if recalled is None and not (reply.fault or (reply.empty and question.schema is None)):
            self.provider.keep(question, reply)
        return Judged(reply, value, wrong)

    async def _asked(
        self, question: Question, call: LLMCall, began: float, telling: Telling | None
    ) -> ModelReply:
        if self.item_budget is not None:
            recorder = self.attempt.recorder
            require_room(self.item_budget, call, recorder.used_before + used_by(recorder))
        leaving = _Leaving(call, self.attempt)
        try:
            request = ModelRequest(question, self.attempt, self._left(), leaving, telling)
            return await self.provider.ask(request)
        except Unanswered as unanswered:
            if unanswered.paid and (leaving.done or unanswered.call):
                identity = unanswered.call or call.id
                self._enter(replace(call, id=identity, error=str(unanswered), wall=_since(began)))
            else:
                leaving.undo()
            if isinstance(unanswered.error, AttemptTimeout):
                raise self._overdue() from unanswered
            raise leaving.fault or unanswered.error from unanswered.__cause__
        except BaseException:  # it is cancelled, or a fault of ours: it may be paid all the same
            if leaving.done:
                self._enter(replace(call, error=BROKEN_OFF, wall=_since(began)))
            raise

    def _enter(self, call: LLMCall) -> None:
        """Enter a call that has ended into the ledger."""
        if self.attempt.calls is not None and not call.kept:
            self.attempt.calls.end(call)
        self.attempt.recorder.append(call)

    def _call(self, question: Question) -> LLMCall:
        """The record of a call before it is made: it counts as its estimate."""
        call = LLMCall(
            model=question.model,
            prompt=shortened(question.prompt, KEPT_CHARACTERS, more=""),
            input_tokens=None,
            output_tokens=None,
            cached_tokens=None,
            provider=self.provider.name,
            attempt=self.attempt.number,
            error=UNKNOWN,
            id=new_id(),
            at=round(time.time(), 6),
        )
        return self._counted(call, counted(question, None))

    def _counted(self, call: LLMCall, count: TokenCount, reply: ModelReply | None = None) -> LLMCall:
        """The call with its tokens, and with its cost: reported by the provider, else by the prices."""
        cache = () if reply is None else (reply.cached_tokens, reply.written_tokens)
        cost = None if reply is None else reply.cost
        cost = self.prices.cost(call.model, count.sent, count.answered, *cache) if cost is None else cost
        return replace(call, tokens=count.tokens, estimated=count.estimated, cost=cost)

    def _filled(
        self, call: LLMCall, question: Question, reply: ModelReply, *, kept: bool, wall: float
    ) -> LLMCall:
        call = replace(
            self._counted(call, counted(question, reply), reply),
            response=shortened(reply.text, KEPT_CHARACTERS, more=""),
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            cached_tokens=reply.cached_tokens,
            written_tokens=reply.written_tokens,
            wall=wall,
        )
        return replace(call, kept=True, cost=0.0) if kept else replace(call, id=reply.call or call.id)

    def _left(self) -> float:
        left = self.attempt.within(self.timeout - (time.monotonic() - self.began)) or 0.0
        if left <= 0:
            raise self._overdue()
        return left

    def _overdue(self) -> AttemptTimeout:
        return AttemptTimeout(f"the model did not answer within {self.attempt.given(self.timeout):g} s")

    def outputs(self, question: Question, reply: ModelReply, value: object, error: str) -> dict[str, object]:
        return {
            "response": value,
            "tool_calls": reply.tool_calls,
            "reasoning": reply.reasoning,
            "llm_usage": self._usage(question),
            "finish_reason": reply.finish,
            "choices": self._choices(question, reply),
            "logprobs": reply.logprobs,
            "raw": reply.raw,
            "error": error,
        }

    @staticmethod
    def _choices(question: Question, reply: ModelReply) -> list[dict[str, object]]:
        """All answers, if several were requested; the value of one with the wrong shape is null."""
        if not reply.others:
            return []
        first = {name: getattr(reply, name) for name in reply.others[0]}
        found = []
        for told in (first, *reply.others):
            text, finish = told["text"], told["finish"]
            value: Any = text
            if question.schema is not None:
                value, wrong = structured.faults(text, question.schema, whole=finish == "length")
                value = None if wrong else value
            rest = {name: one for name, one in told.items() if name not in ("text", "finish")}
            found.append({"response": value, "finish_reason": finish, **rest})
        return found

    def _usage(self, question: Question) -> dict[str, object]:
        """The use by the calls; None for counts that some of them did not report."""
        calls = [call for call, _ in self.calls]
        costs = [call.cost for call in calls]
        usage = {
            "model": question.model,
            "calls": sum(not call.kept for call in calls),
            "input_tokens": _sum(call.input_tokens for call in calls),
            "output_tokens": _sum(call.output_tokens for call in calls),
            "total_tokens": _sum(map(_total_told, self.calls)),
            "cached_tokens": _sum(call.cached_tokens for call in calls),
            "cost": None if None in costs else sum(cost for cost in costs if cost is not None),
        }
        marks = {"estimated": any(call.estimated for call in calls), "kept": all(one.kept for one in calls)}
        thought = [reply.reasoning_tokens for _, reply in self.calls if reply.reasoning_tokens is not None]
        counts = {"reasoning_tokens": sum(thought) if thought else None, "repairs": self.repaired or None}
        told = {name: count for name, count in counts.items() if count is not None}
        return {**usage, **told, **{name: True for name, holds in marks.items() if holds}}


def _tell_the_rest(telling: Telling, reply: ModelReply) -> None:
    """Send the rest of the answer to listeners, such as an answer that came as a whole."""
    if not telling.any:
        telling.add(reply.reasoning, "reasoning")
        for number, text in enumerate([reply.text, *(one["text"] for one in reply.others)]):
            telling.add(text, "text", number)
    telling.end()


def _sum(counts: Any) -> int | None:
    every = list(counts)
    return None if None in every else sum(every)


def _total_told(of: tuple[LLMCall, ModelReply]) -> int | None:
    call, reply = of
    return reply.total_tokens if call.estimated else call.tokens


def _since(began: float) -> float:
    return round(time.monotonic() - began, 6)


def _judge(reply: ModelReply, question: Question) -> tuple[object, list[str]]:
    """The value of a reply, and why it cannot be used."""
    if reply.fault:
        return None, [reply.fault]
    if reply.refusal:
        return None, [f"the model refused: {reply.refusal}"]
    if reply.finish == "content_filter":
        return None, ["the server's content filter held it back"]
    if reply.empty:
        return None, [_words_for_nothing(reply)]
    if not reply.text.strip():  # it calls tools
        return None if question.schema is not None else reply.text, []
    if question.schema is None:
        return reply.text, []
    value, wrong = structured.faults(reply.text, question.schema, whole=reply.finish == "length")
    if wrong and reply.finish == "length":
        return value, ["it was cut off, as `max_tokens` or the model's own limit was reached"]
    return value, wrong


def _words_for_nothing(reply: ModelReply) -> str:
    if reply.finish != "length":
        return "it is empty"
    used = "thinking used up all tokens" if reply.reasoning else "it was cut off before its first word"
    return f"it is empty: {used}; give more `max_tokens`"


def _kind_of(reply: ModelReply) -> str:
    """The type of the error for a reply that cannot be used."""
    if reply.fault:
        return "BadAnswer"
    if reply.refusal:
        return "Refused"
    return "EmptyAnswer" if reply.empty and reply.finish != "content_filter" else "UnusableAnswer"


def _may_mend(reply: ModelReply) -> bool:
    """Whether asking again may give a better answer."""
    return not (reply.refusal or reply.fault) and reply.finish not in ("content_filter", "length")
