"""Make the reference from the source: every key of a document, every option, the params of the node types.

    python docs/make_reference.py           write the pages
    python docs/make_reference.py --check   say which are out of date, and exit with 1 if any is

``reference/keys.md`` is what ``batchmill schema`` prints, ``reference/options.md`` what ``--help`` prints, as
tables; ``man/batchmill.1`` is the manual page. In ``nodes.md`` only the tables are made; you write the text
around them.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from batchmill.cli.main import COMMANDS, group
from batchmill.ir.schema import json_schema
from batchmill.nodes import Node, Output, Param, default_registry

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
from make_man import man_page  # noqa: E402  # stands beside this script

MADE = "This page is made by `python docs/make_reference.py`; do not edit it by hand."


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` compare them; the exit code."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if arguments == ["--check"]:
            print(f"{path}: out of date; run `python docs/make_reference.py`", file=sys.stderr)
        else:
            path.write_text(pages()[path])
            print(f"{path}: written")
    return 1 if stale and arguments == ["--check"] else 0


def pages() -> dict[Path, str]:
    """Every page that is made, or has parts that are, with the text it should have."""
    nodes = DOCS / "nodes.md"
    return {
        DOCS / "reference" / "keys.md": keys_page(json_schema()),
        DOCS / "reference" / "options.md": options_page(),
        DOCS / "man" / "batchmill.1": man_page(),
        nodes: with_tables(nodes.read_text()),
    }


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table. A bar within a cell is escaped, also in code: code hosts split cells first."""
    lines = [head, ("---",) * len(head), *(tuple(cell.replace("|", r"\|") for cell in row) for row in rows)]
    ruled = ["|" + "|".join(line) + "|" if line[0] == "---" else f"| {' | '.join(line)} |" for line in lines]
    return "\n".join(ruled) + "\n"


# --- keys of a document


def keys_page(schema: dict[str, Any]) -> str:
    """A section for each object of a document, from the JSON Schema of documents."""
    sections = [
        f"# Every key of a document\n\n{MADE}\nIt says what `batchmill schema` says;\n"
        "[the document](../document.md) and the pages after it tell how the keys work together.\n"
    ]
    for places, names in objects(schema):
        title = key_of(places[0])
        stands = ", ".join(f"`{place}`" for place in places)
        sections.append(
            f"## {title}\n" if title == "The document" else f"## `{title}`\n\nStands at {stands}.\n"
        )
        for name in names:
            found = definition(schema, name)
            sections.append(f"{in_one_line(found.get('description', ''))}\n")
            sections.append(table(("key", "type", "default", "meaning"), key_rows(schema, found)))
    return "\n".join(sections)


def objects(schema: dict[str, Any]) -> list[tuple[list[str], list[str]]]:
    """Places in a document with the names of the models that may stand there, from the outside in.

    Models that stand at the same places are told together; a model that contains itself is told once.
    """
    places: dict[str, list[str]] = {"": [""]}
    waiting = [("", "")]
    while waiting:
        name, place = waiting.pop(0)
        for key, value in definition(schema, name).get("properties", {}).items():
            at = f"{place}.{key}" if place else key
            for inner, suffix in references(value):
                known = inner in places
                places.setdefault(inner, []).append(at + suffix)
                if not known:
                    waiting.append((inner, at + suffix))
        for value in values_by_name(definition(schema, name)) if name else ():
            for inner, suffix in references(value, ".NAME"):
                if inner not in places:
                    waiting.append((inner, place + suffix))
                places.setdefault(inner, []).append(place + suffix)
    together: dict[tuple[str, ...], list[str]] = {}
    for name, found in places.items():
        together.setdefault(tuple(dict.fromkeys(found)), []).append(name)
    return [(list(found), names) for found, names in together.items()]


def definition(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The model of a name; the document itself has none."""
    found: dict[str, Any] = schema["$defs"][name] if name else schema
    return found


def references(value: dict[str, Any], suffix: str = "") -> Iterator[tuple[str, str]]:
    """The models that a value refers to, each with what its place has behind the key."""
    if "$ref" in value:
        yield value["$ref"].rsplit("/", 1)[1], suffix
    for choice in (*value.get("anyOf", ()), *value.get("oneOf", ())):
        yield from references(choice, suffix)
    if value.get("items"):
        yield from references(value["items"], f"{suffix}[]")
    for inner in values_by_name(value):
        yield from references(inner, f"{suffix}.NAME")


def values_by_name(value: dict[str, Any]) -> list[dict[str, Any]]:
    """What the values of an object with free names are."""
    free = value.get("additionalProperties")
    return [*([free] if isinstance(free, dict) else []), *value.get("patternProperties", {}).values()]


def key_of(place: str) -> str:
    """The last key of a place, without the signs for "each of a list" and "by name"."""
    return re.sub(r"(\[\]|\.NAME)+$", "", place).rsplit(".", 1)[-1] if place else "The document"


def key_rows(schema: dict[str, Any], model: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    required = model.get("required", ())
    for key, value in model.get("properties", {}).items():
        default = value.get("default")
        told = "required" if key in required else "" if default is None else f"`{json.dumps(default)}`"
        yield f"`{key}`", words(schema, value), told, in_one_line(value.get("description", ""))


PATTERNS = {r"\$\{": "template", r"[^\s]": "text", r"^\w[\w-]*$": "name"}


def words(schema: dict[str, Any], value: dict[str, Any]) -> str:
    """What a JSON Schema says of a value, in words; a KeyError for a kind that has none yet."""
    value = {key: part for key, part in value.items() if key not in ("title", "description", "default")}
    if not value:
        return "any value"
    if "$ref" in value:
        return f"[object](#{slug(title_of(schema, value['$ref'].rsplit('/', 1)[1]))})"
    if choices := (*value.get("anyOf", ()), *value.get("oneOf", ())):
        told = [words(schema, choice) for choice in choices if choice != {"type": "null"}]
        return " or ".join(dict.fromkeys(told))
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in value["enum"])
    return KINDS[kind_of(value)](schema, value)


def kind_of(value: dict[str, Any]) -> str:
    kind = value["type"]
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def text_words(schema: dict[str, Any], value: dict[str, Any]) -> str:
    pattern = value.get("pattern")
    return "text" if pattern is None else PATTERNS.get(pattern, f"text that matches `{pattern}`")


def number_words(schema: dict[str, Any], value: dict[str, Any]) -> str:
    noun = "whole number" if value["type"] == "integer" else "number"
    if "exclusiveMaximum" in value:
        return f"{noun} above {value['exclusiveMinimum']:,}, below {value['exclusiveMaximum']:,}"
    if "exclusiveMinimum" in value:
        return f"{noun} above {value['exclusiveMinimum']:,}, at most {whole(value['maximum']):,}"
    return f"{noun} from {value['minimum']:,} to {whole(value['maximum']):,}"


def whole(number: float) -> float:
    return int(number) if float(number).is_integer() else number


def list_words(schema: dict[str, Any], value: dict[str, Any]) -> str:
    least, most = value.get("minItems", 0), value.get("maxItems")
    count = f" with {least} to {most} entries" if most else " that is not empty" if least else ""
    return f"list{count}: {words(schema, value.get('items', {}))}"


def object_words(schema: dict[str, Any], value: dict[str, Any]) -> str:
    if inner := values_by_name(value):
        return "object, each value " + " or ".join(words(schema, one) for one in inner)
    if keys := value.get("properties"):
        return "object with " + ", ".join(f"`{key}`: {words(schema, part)}" for key, part in keys.items())
    return "object"


KINDS = {
    "string": text_words,
    "integer": number_words,
    "number": number_words,
    "boolean": lambda schema, value: "boolean",
    "array": list_words,
    "object": object_words,
    "object or boolean": lambda schema, value: "object or boolean",
}


def title_of(schema: dict[str, Any], name: str) -> str:
    return next(key_of(places[0]) for places, names in objects(schema) if name in names)


def slug(title: str) -> str:
    """The anchor that code hosts and the site give a heading."""
    return re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-")


def in_one_line(text: str) -> str:
    """Text of a model or docstring as one line of Markdown."""
    return " ".join(text.split()).replace("``", "`")


# --- options of the command line


def options_page() -> str:
    """A section for each command, from the same texts as ``--help``."""
    sections = [
        f"# Every option of the command line\n\n{MADE}\nIt says what `--help` says;\n"
        "[the command line](../cli.md) tells how the commands work together.\n"
    ]
    with click.Context(group, info_name="batchmill") as outer:
        outer.max_content_width = 100
        for name in COMMANDS:
            command = group.get_command(outer, name)
            assert command is not None  # noqa: S101  # the group lists what it has
            with click.Context(command, info_name=name, parent=outer) as context:
                sections.append(f"## {name}\n\n```text\n{usage(command, context)}\n```\n")
                told = inspect.cleandoc(command.help or "")
                sections += [f"{paragraph}\n" for paragraph in paragraphs(told)]
                sections.append(table(("option", "meaning"), option_rows(command, context)))
    return "\n".join(sections)


def usage(command: click.Command, context: click.Context) -> str:
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a help text; those that click is told not to wrap stay as they are."""
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield "```text\n" + paragraph.removeprefix("\b\n").rstrip() + "\n```"
        else:
            yield in_one_line(paragraph)


def option_rows(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for option in command.get_params(context):
        record = option.get_help_record(context)
        if isinstance(option, click.Option) and record is not None and "--help" not in option.opts:
            yield f"`{record[0]}`", record[1]


# --- params and outputs of node types

HEADS = (("param", "type", "default", "meaning"), ("output", "meaning"))


def with_tables(page: str) -> str:
    """The page of node types with the tables of each section as the types say."""
    registry = default_registry()
    first, *sections = page.split("\n## ")
    made = [with_tables_of(registry.get(section.split("\n", 1)[0]), section) for section in sections]
    return "\n## ".join([first, *made])


def with_tables_of(node: type[Node], section: str) -> str:
    params, outputs = [*map(param_row, node.params)], [*map(output_row, node.outputs)]
    if node.open_params:
        params.append(("any other", "any", "", "taken as it is"))
    if node.open_outputs:
        outputs.append(("any other", "depends on the params"))
    for head, lines in zip(HEADS, (params, outputs), strict=True):
        made = table(head, lines)
        opening = re.escape(made.split("\n", 1)[0])
        section, count = re.subn(
            rf"^{opening}\n(?:\|.*\n)+", lambda _, made=made: made, section, flags=re.MULTILINE
        )
        if count != 1:
            raise ValueError(f"the section of {node.type} has {count} tables {' | '.join(head)}, not 1")
    return section


def param_row(param: Param) -> tuple[str, ...]:
    default = (
        "required" if param.required else "" if param.default is None else f"`{json.dumps(param.default)}`"
    )
    remarks = [param.description]
    if param.choices:
        remarks.append("one of " + ", ".join(f"`{json.dumps(choice)}`" for choice in param.choices))
    if param.minimum is not None:
        remarks.append(f"at least {param.minimum:g}")
    if param.templates == "none":
        remarks.append("templates in it are left as they are")
    return f"`{param.name}`", param.type, default, "; ".join(remarks)


def output_row(output: Output) -> tuple[str, ...]:
    return f"`{output.name}`", output.description


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
