"""``batchmill init``: a small commented document to begin with; existing files are never overwritten."""

from __future__ import annotations

import json
import shlex
from importlib import resources
from pathlib import Path

import click

from batchmill.cli.clashes import refuse_together
from batchmill.cli.faults import say
from batchmill.cli.streams import data_only
from batchmill.errors import StorageError
from batchmill.ir.schema import json_schema
from batchmill.journal.folders import make_own

NAME = "workflow.yaml"
SCHEMA_FILE = ".batchmill/schema.json"
MODELINE = f"# yaml-language-server: $schema={SCHEMA_FILE}"
TEMPLATES = {
    "start": "count the bytes of files: a first document, every key explained",
    "files": "run a command on every file and write its result to a folder",
    "photos": "make smaller copies of photos with ImageMagick",
    "urls": "fetch the URLs of a CSV file at a limited rate, into JSON lines",
    "texts": "ask a language model about every text, within a budget",
    "checksums": "compute checksums of files on all cores",
    "transcode": "transcode recordings with ffmpeg, each once",
    "titles": "find the titles of the pages that a CSV file names",
    "logs": "make a table of the lines of log files",
    "repositories": "run the tests of every repository below a folder",
    "nightly": "check files every night, from cron",
    "nested": "map over folders, and within each over its files",
    "cluster": "compute on a Dask cluster, for example in a Slurm job",
}
"""The purpose of each template. Its document is in ``templates/``, with ``@FILE@`` in place of its
own name."""


@click.command("init", short_help="Write a small document to start from.")
@click.argument("file", metavar="[FILE]", default=NAME, type=click.Path(path_type=Path))
@click.option(
    "--template",
    type=click.Choice(tuple(TEMPLATES)),
    default="start",
    show_default=True,
    help="The job of the document; see --list.",
)
@click.option("--list", "listed", is_flag=True, help="List the templates.")
def command(file: Path, template: str, listed: bool) -> None:
    """Write a small commented workflow document to FILE (default workflow.yaml): by default one that runs
    without changes, or with --template one for a common job.

    Its first line names the schema of documents, .batchmill/schema.json, which is written next to it. An
    editor with a YAML language server uses the schema to complete keys and mark mistakes.

    An existing file is never overwritten.
    """
    refuse_together("listed", "file", "--list writes no document, and FILE names one")
    refuse_together("listed", "template", "--list writes no document, and --template chooses one")
    if listed:
        width = max(map(len, TEMPLATES))
        with data_only() as data:
            data.write_pieces(f"{name.ljust(width)}  {told}\n" for name, told in TEMPLATES.items())
        return
    if file.suffix not in (".yaml", ".yml"):
        raise click.BadParameter("the document has comments, so its name ends in .yaml", param_hint="FILE")
    shown = shlex.quote(str(file))
    text = resources.files("batchmill.cli").joinpath("templates", f"{template}.yaml").read_text("utf-8")
    _write(file, f"{MODELINE}\n{text.replace('@FILE@', shown)}")
    _write_schema(file.parent / SCHEMA_FILE)
    say(f"wrote {file}")
    say(f"next: batchmill run {shown}")


def _write_schema(file: Path) -> None:
    """Write the schema that the first line of a document names, for editors."""
    try:
        make_own(file.parent)
        file.write_text(json.dumps(json_schema()), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}") from error


def _write(file: Path, text: str) -> None:
    """Write a new file, with its folders."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{file.parent} is not a folder and cannot become one: {error.strerror}"
        ) from error
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise click.UsageError(f"{file} already exists; name another file: batchmill init FILE") from None
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}") from error
