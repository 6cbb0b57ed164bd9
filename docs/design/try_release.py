"""Build the wheel and the sdist, and try both in empty environments on every interpreter that is found.

    python docs/design/try_release.py [--built] [--only wheel|sdist] [INTERPRETER...]

Interpreters are names or paths; without any, the supported ones that are on PATH, of pyenv and under /opt.
The wheel and the sdist stay in ``dist/``; ``--built`` tries those that are there, so that a release can be
tried on one interpreter after another, and ``--only`` tries one of the two. Each environment gets nothing but
what is installed into it; then README's census and its Python example run there. Every line says what was
tried and how long its steps took. Ends with 1 if anything fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CONSTRAINTS = REPOSITORY / "docs" / "constraints-3.13t.txt"
INTERPRETERS = ("python3.11", "python3.12", "python3.13", "python3.14", "python3.13t", "pypy3.11")
# beside PATH, as .ci/run looks for them
FOLDERS = ("~/.pyenv/versions/*/bin", "/opt/*/bin")
IS_FREE_THREADED_313 = (
    "import sys, sysconfig; "
    "print(sys.version_info[:2] == (3, 13) and bool(sysconfig.get_config_var('Py_GIL_DISABLED')))"
)
# wheels where there are any: on PyPy some of the newest releases have none
PIP = {
    "PIP_PREFER_BINARY": "1",
    "PIP_ONLY_BINARY": "pydantic-core,rpds-py",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


def output(*words: str | Path, folder: Path) -> str:
    """What a command prints; raises CalledProcessError if it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        words, cwd=folder, env=kept | PIP, check=True, text=True, stdout=subprocess.PIPE
    ).stdout


def build(folder: Path) -> list[Path]:
    """A wheel and an sdist, made by a build tool in an environment of its own."""
    environment = folder / "build"
    output(sys.executable, "-m", "venv", environment, folder=folder)
    python = environment / "bin" / "python"
    output(python, "-m", "pip", "install", "--quiet", "build", "twine", folder=folder)
    shutil.rmtree(REPOSITORY / "dist", ignore_errors=True)
    output(python, "-m", "build", "--outdir", REPOSITORY / "dist", REPOSITORY, folder=folder)
    built = sorted((REPOSITORY / "dist").iterdir())
    output(python, "-m", "twine", "check", "--strict", *built, folder=folder)
    return built


class Steps:
    """How long each step took, by name, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - began

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())


def attempt(interpreter: str, archive: Path, folder: Path, steps: Steps) -> str:
    """Install ``archive`` and take the census; what it counted, as text."""
    environment = folder / "environment"
    python = environment / "bin" / "python"
    with steps.step("environment"):
        output(interpreter, "-m", "venv", environment, folder=folder)
        constrained = output(python, "-c", IS_FREE_THREADED_313, folder=folder).strip() == "True"
    constraints = ("-c", CONSTRAINTS) if constrained else ()
    with steps.step("install"):
        output(python, "-m", "pip", "install", "--quiet", archive, *constraints, folder=folder)
    for name in ("docs", "src"):
        ignored = shutil.ignore_patterns("node_modules", "_site", "__pycache__")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignored)
    batchmill = environment / "bin" / "batchmill"
    with steps.step("census"):
        counted = output(batchmill, "run", "docs/examples/census.json", "-q", folder=folder)
    example, promised = example_of_readme()
    (folder / "example.py").write_text(example)
    with steps.step("example"):
        printed = output(python, "example.py", folder=folder).splitlines()
    if printed != promised:
        raise Unlike(f"README's example printed {printed}, not {promised}")
    return f"{output(batchmill, '--version', folder=folder).strip()}, {json.loads(counted)['files']} files"


class Unlike(Exception):
    """An example prints something else than README says."""


def example_of_readme() -> tuple[str, list[str]]:
    """The Python example that uses batchmill, and the lines that its comments promise."""
    blocks = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / "README.md").read_text(), re.M | re.S)
    (example,) = [block for block in blocks if block.startswith("import batchmill")]
    return example, re.findall(r"^\s*print\(.*\)  # (.*)$", example, re.MULTILINE)


def found(name: str) -> str | None:
    """The path of an interpreter that runs, None where there is none."""
    folders = [os.environ.get("PATH", "")]
    folders += [str(folder) for pattern in FOLDERS for folder in sorted(expanded(pattern))]
    for folder in os.pathsep.join(folders).split(os.pathsep):
        path = shutil.which(name, path=folder)
        # a shim of pyenv is there for versions that are not switched on, too, and fails
        if path is not None and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            return path
    return None


def expanded(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    return list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def archives_to_try(built: bool, only: str | None) -> list[Path]:
    """The wheel and the sdist, or one of them; made anew unless they are ``built``."""
    if built:
        archives = sorted((REPOSITORY / "dist").glob("*"))
    else:
        with tempfile.TemporaryDirectory() as folder:
            archives = build(Path(folder))
    ending = {"wheel": ".whl", "sdist": ".tar.gz", None: ""}[only]
    return [one for one in archives if one.name.endswith(ending)]


def tried(interpreter: str, archive: Path) -> tuple[bool, str]:
    """Whether ``archive`` works on ``interpreter``, and the line that says so."""
    steps = Steps()
    with tempfile.TemporaryDirectory() as folder:
        try:
            works, said = True, attempt(interpreter, archive, Path(folder), steps)
        except Unlike as error:
            works, said = False, f"failed: {error}"
        except subprocess.CalledProcessError as error:
            works, said = False, f"failed: {error}\n{error.stdout}".rstrip()
    return works, f"{Path(interpreter).name}, {archive.name}: {said} ({steps})"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", metavar="INTERPRETER", nargs="*", help="a name or path; default: all")
    parser.add_argument("--built", action="store_true", help="try what is in dist/, and build nothing")
    parser.add_argument("--only", choices=("wheel", "sdist"), help="try one of the two")
    given = parser.parse_args(arguments)
    paths = {name: found(name) for name in given.names or INTERPRETERS}
    missing = [name for name, path in paths.items() if path is None]
    for name in missing:
        print(f"{name}: there is no such interpreter", flush=True)
    failures = len(missing) if given.names else 0
    archives = archives_to_try(given.built, given.only)
    if not archives:
        print("dist/ has nothing to try: leave out --built", flush=True)
    attempts = 0
    for interpreter in filter(None, paths.values()):
        for archive in archives:
            works, line = tried(interpreter, archive)
            print(line, flush=True)
            attempts += 1
            failures += not works
    return 1 if failures or not attempts else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
