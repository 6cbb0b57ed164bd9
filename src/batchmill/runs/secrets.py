"""The secrets of one run: values of inputs declared secret, and of variables that hold credentials."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from batchmill.errors import TemplateError
from batchmill.graph.compile.plan import Plan
from batchmill.ir.references import texts_in
from batchmill.nodes.access.secrets import bound_secrets, variable_of
from batchmill.step.namespace import ENV_KEY
from batchmill.template import Expression, Scope, compile_value, expressions_in
from batchmill.values.masking import Masker, called_input, is_ordinary

CREDENTIALS = ("api_key", "auth_token")
_VARIABLE_PARAMS = tuple(f"{name}_env" for name in CREDENTIALS)
_TELLING = re.compile(r"auth|token|secret|passw|credential|key|session|signature", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DEFAULT_VARIABLE = {
    "llm": "OPENAI_API_KEY",
    "embeddings": "OPENAI_API_KEY",
}  # read where the document names no other


class Secrets:
    """The secrets of a run, and the variables that its commands do not get.

    ``withheld`` are variables that the document names as credentials, and those that hold the value of a
    secret input, unless the value is too ordinary to be a secret. ``bound`` are those of ``secret_hosts``.
    """

    def __init__(self, plan: Plan, inputs: Mapping[str, object], masker: Masker) -> None:
        self.masker = masker
        values = {name: inputs.get(name) for name, spec in plan.inputs.items() if spec.secret}
        names = set(_named(plan, inputs))
        for name, value in values.items():
            masker.add(value, called_input(name))
        for name in sorted(set(_referred(plan))):
            if _TELLING.search(name):
                masker.add(os.environ.get(name), f"the variable {name}")
        for value, called in _written(plan):
            masker.add(value, called)
        for name in sorted(names):
            masker.add(os.environ.get(name), f"the variable {name}")
        texts = {value for value in values.values() if isinstance(value, str) and not is_ordinary(value)}
        self.bound = bound_secrets(plan.workflow.secret_hosts, inputs)
        self.withheld = frozenset(names | {name for name, value in os.environ.items() if value in texts})

    def add_sent(self, names: Iterable[str]) -> None:
        """Mask the variables of this name that are sent to workers, if the name indicates a secret."""
        for name in names:
            if _TELLING.search(name):
                self.masker.add(os.environ.get(name), f"the variable {name}")


def _named(plan: Plan, inputs: Mapping[str, object]) -> Iterator[str]:
    """The variables of the environment that hold credentials, by name."""
    for one in plan.all_plans():
        for node in one.nodes.values():
            models = node.spec.params.get("models")
            for params in (node.spec.params, *(models if isinstance(models, list) else ())):
                yield from _names_in(params, inputs) if isinstance(params, Mapping) else ()
            if default := _DEFAULT_VARIABLE.get(node.spec.type):
                yield default
        yield from filter(None, map(variable_of, one.workflow.secret_hosts))
        servers = one.workflow.mcp_servers
        for server in servers.values() if isinstance(servers, dict) else ():
            for text in (*server.env.values(), *server.headers.values()):
                yield from (name for name in _REFERENCE.findall(text) if _TELLING.search(name))


def _referred(plan: Plan) -> Iterator[str]:
    """The variables that params name as ``${env.NAME}``."""
    for one in plan.all_plans():
        for node in one.nodes.values():
            for expression in _expressions(node.spec.model_dump(by_alias=True, warnings=False)):
                for path in expression.references:
                    if path.root == ENV_KEY and path.segments and isinstance(path.segments[0], str):
                        yield path.segments[0]


def _expressions(value: object) -> Iterator[Expression]:
    for _, text, _ in texts_in(value, ()):
        yield from expressions_in(text)[0]


def _names_in(params: Mapping[str, object], inputs: Mapping[str, object]) -> Iterator[str]:
    for key in _VARIABLE_PARAMS:
        written = params.get(key)
        if not isinstance(written, str):
            continue
        try:
            name = compile_value(written).resolve(Scope(inputs))
        except TemplateError:  # it comes from another node or an item, and is not known yet
            continue
        if isinstance(name, str) and name:
            yield name


def _written(plan: Plan) -> Iterator[tuple[str, str]]:
    """Credentials that are written in the document itself, with their names."""
    for one in plan.all_plans():
        for node in one.nodes.values():
            for key in CREDENTIALS:
                value = node.spec.params.get(key)
                if isinstance(value, str) and "${" not in value:
                    yield value, f"`{key}` of the node `{node.spec.id}`"
