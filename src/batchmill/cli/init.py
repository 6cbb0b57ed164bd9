"""``batchmill init``: a small commented document to begin with; nothing that is there is overwritten."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from batchmill.cli.faults import say
from batchmill.errors import StorageError

NAME = "workflow.yaml"

DOCUMENT = """\
# A workflow: nodes run one after another, a node with `batch` runs once for each of its items.
# batchmill plan {file}       shows what would run
# batchmill run {file}        runs it; batchmill run {file} pattern='**/*.py' with another input
# batchmill nodes             lists the node types

inputs:
  pattern: {{type: string, default: "*", description: which files}}

nodes:
  - id: files
    type: list-files
    params: {{path: ., pattern: "${{pattern}}"}}

  # ${{item}} is one of the items. It is handed to the shell beside the text, so any name is safe.
  - id: count
    type: shell
    params: {{command: "wc -c < ${{item}}"}}
    batch:
      items: "${{files.files}}"
      executor: thread          # or sequential, process, auto
      max_concurrent: 4         # items at the same time
      max_retries: 2            # attempts in total
      error_handling: continue  # a failed item does not end the others

  # results has one entry per item, in the order of the items, null where the item failed.
  - id: largest
    type: code
    params:
      inputs: {{counts: "${{count.succeeded}}"}}
      code: |
        sizes = {{count["item"]: int(count["stdout"]) for count in counts}}
        largest = sorted(sizes, key=sizes.get, reverse=True)[:3]
        result = {{name: sizes[name] for name in largest}}

outputs:
  files: {{source: "${{count.success_count}}"}}
  failed: {{source: "${{count.error_count}}"}}
  largest: {{source: "${{largest.result}}"}}
"""


@click.command("init", short_help="Write a small document to begin with.")
@click.argument("file", metavar="[FILE]", default=NAME, type=click.Path(path_type=Path))
def command(file: Path) -> None:
    """Write a small commented workflow document that runs as it is to FILE (default workflow.yaml).

    A file that is there already is left as it is.
    """
    if file.suffix not in (".yaml", ".yml"):
        raise click.BadParameter("the document has comments, so its name ends in .yaml", param_hint="FILE")
    shown = shlex.quote(str(file))
    _write(file, DOCUMENT.format(file=shown))
    say(f"wrote {file}")
    say(f"next: batchmill run {shown}")


def _write(file: Path, text: str) -> None:
    """Write a new file, with its folders."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{file.parent} is no folder and cannot be made one: {error.strerror}") from error
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise click.UsageError(f"{file} is there already; name another file: batchmill init FILE") from None
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}") from error
