"""Tokens that stop a branch from starting new work."""

from __future__ import annotations

from collections.abc import Iterable

from batchmill.concurrency.cancel import CancelToken
from batchmill.graph.compile.topology import ROOT, Topology


class StopTokens:
    """A stop token for each scope, which also stops all scopes inside it. ``outside`` is that of the run;
    with ``alone``, when nothing runs in parallel, it serves all.

    Not locked, except :meth:`all`: its owner calls it under a lock.
    """

    def __init__(self, topology: Topology, outside: CancelToken, *, alone: bool) -> None:
        self._topology = topology
        self._tokens: dict[int, CancelToken] = {}
        self._following: list[CancelToken] = []
        self._outside = outside
        self._run = outside if alone else self._within(outside)

    def _within(self, outer: CancelToken) -> CancelToken:
        token = CancelToken(outer).follow()
        self._following.append(token)
        return token

    def of(self, node: str) -> CancelToken:
        """The token for a node that starts."""
        return self._token(self._topology.scope_of[self._topology.number[node]])

    def _token(self, scope: int) -> CancelToken:
        if scope == ROOT:
            return self._run
        token = self._tokens.get(scope)
        if token is None:
            outer = self._token(self._topology.scopes[scope].parent)
            token = self._tokens[scope] = self._within(outer)
        return token

    def end(self, scopes: Iterable[int]) -> None:
        """Stop new work in these scopes; a loop that enters one again gets a fresh token."""
        for scope in scopes:
            token = self._run if scope == ROOT else self._tokens.pop(scope, None)
            if token is not None and token is not self._outside:
                token.cancel()

    def all(self) -> None:
        """Nothing begins anything new."""
        if self._run is not self._outside:
            self._run.cancel()

    def close(self) -> None:
        """Let go of the outer token."""
        for token in self._following:
            token.leave()
