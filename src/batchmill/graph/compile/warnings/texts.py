"""Texts that look like references in another tool's syntax, and numbers of YAML that may be meant as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from batchmill.graph.compile.sub_documents import DOCUMENT_PARAM
from batchmill.ir.faults import DocumentPath, Doubt, Fault
from batchmill.ir.outline import Outline
from batchmill.ir.parts import NodePart
from batchmill.ir.references import texts_in
from batchmill.ir.yaml_text import OddNumber
from batchmill.nodes import Node
from batchmill.nodes.workflow import WorkflowNode
from batchmill.template.parse import without_namespace
from batchmill.template.presence import is_large

Known = Callable[[str], bool]
"""Whether a name is one of the document, there in the node at hand."""

_PATH = r"([A-Za-z_]\w*)((?:\.\w+|\[\w+\])*)"
_FORMS = tuple(
    re.compile(form.format(_PATH))
    for form in (
        r"\{{\{{-?\s*{}[^{{}}]*\}}\}}",  # {{ name }}
        r"[#%@]\{{\s*{}\s*\}}",
        r"\$\(\s*{}\s*\)",
        r"<%=?\s*{}\s*%>",
    )
)
_MARKS = ("{{", "#{", "%{", "@{", "$(", "<%")  # of which one is in each of these
_DOLLAR = re.compile(r"(?<![\\$])\$([A-Za-z_]\w*)((?:\.\w+)*)")
_QUOTED = re.compile(r"'[^']*'")  # where no shell looks for variables
_OTHERS = frozenset({"inputs", "steps", "outputs", "params", "item", "matrix", "env", "tasks", "workflow"})
"""The first names of references in other tools."""
_SET_IN_SHELL = r"(?:^|[\s;&|(])(?:for|read(?: -\w+)*|local|export|declare|select)(?: \w+)*? {0}\b|\b{0}="


def text_doubts(node: NodePart, kind: type[Node], outline: Outline) -> Iterator[Doubt]:
    """References of a form that is text here."""

    def known(name: str) -> bool:
        return name == node.item_name or name in outline.by_id or name in outline.inputs

    for param in kind.params:
        written = node.params.get(param.name)
        if written is None or param.templates == "none" or is_large(written):
            continue
        place = (*node.path, "params", param.name)
        is_script = param.templates == "shell" and isinstance(written, str)
        for path, text, _ in texts_in(written, place, marks=_MARKS):
            yield from _other_forms(path, text, known, is_script=is_script)
        if is_script:
            yield from _shell_names(place, written, known, node.params)


def _other_forms(path: DocumentPath, text: str, known: Known, *, is_script: bool) -> Iterator[Doubt]:
    for form in _FORMS:
        for found in form.finditer(text):
            root, rest = found[1], found[2]
            if found.start() and text[found.start() - 1] == "$":
                continue  # ${{, which no template can be, and is said where templates are read
            if is_script and found[0].startswith("$(") and not rest:
                continue  # a command of that name
            if known(root):
                instead = root + rest
            elif root in _OTHERS and rest:
                instead = without_namespace(root + rest)
            else:
                continue
            message = f"`{found[0]}` is text here, and stays as it is"
            yield Doubt("not-a-template", Fault(path, message, f"a reference is written `${{{instead}}}`"))


def _shell_names(
    path: DocumentPath, text: str, known: Known, params: Mapping[str, object]
) -> Iterator[Doubt]:
    """Variables of a shell that have the name of an input, a node or the item and are set nowhere."""
    env = params.get("env")
    own = set(env) if isinstance(env, dict) else set()
    for found in _DOLLAR.finditer(_QUOTED.sub(lambda quoted: " " * len(quoted[0]), text)):
        name = found[1]
        if not known(name) or name in own or re.search(_SET_IN_SHELL.format(re.escape(name)), text):
            continue
        message = f"`${name}` is a variable of the shell, which nothing sets here"
        instead = f"`${{{name}{found[2]}}}`"
        yield Doubt("not-a-template", Fault(path, message, f"what `{name}` is here is written {instead}"))


def number_doubts(
    numbers: tuple[OddNumber, ...], outline: Outline, types: Mapping[str, type[Node]]
) -> Iterator[Doubt]:
    """Numbers whose text differs from their value, where the value may be meant as text."""
    if not numbers:
        return
    for number in numbers:
        if _may_be_text(number.path, outline, types):
            yield number_doubt(number)


def number_doubt(number: OddNumber) -> Doubt:
    """The words for a number that may have been meant as text."""
    message = f"{number.written} is read as the number {number.value}"
    fault = Fault(number.path, message, f'write "{number.written}" where text is meant')
    return Doubt("number-from-text", fault)


def _may_be_text(path: DocumentPath, outline: Outline, types: Mapping[str, type[Node]]) -> bool:
    """Whether any value may stand there, not only a number. A sub-workflow inside a node is checked by
    itself."""
    if path[:1] == ("inputs",):
        spec = outline.inputs.get(str(path[1])) if len(path) > 2 and path[2] == "default" else None
        return spec is not None and (spec.json_type not in ("number", "integer") or len(path) > 3)
    for node in outline.all_nodes:
        inside = path[len(node.path) :]
        if path[: len(node.path)] != node.path or not inside:
            continue
        if inside[:2] == ("params", DOCUMENT_PARAM) and types.get(node.id) is WorkflowNode:
            return False
        if inside[:1] == ("params",) and len(inside) > 1:
            return len(inside) > 2 or not _is_number(str(inside[1]), types.get(node.id))
        is_range = inside[:3] == ("batch", "items", "range")
        return (inside[:2] in (("batch", "items"), ("loop", "carry"))) and not is_range
    return False


def _is_number(name: str, kind: type[Node] | None) -> bool:
    declared = [one.type.split("|") for one in kind.params if one.name == name] if kind else []
    return any(one in ("number", "integer") for names in declared for one in names)
