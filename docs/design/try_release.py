"""Build the wheel and the sdist, and try both in empty environments on every interpreter that is found.

    python docs/design/try_release.py [INTERPRETER...]

Interpreters are names or paths; without any, the supported ones that are on PATH. What was built is in
``dist/``. Each environment gets nothing but what is installed into it; then README's census runs there. Ends
with 1 if anything fails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CONSTRAINTS = REPOSITORY / "docs" / "constraints-3.13t.txt"
INTERPRETERS = ("python3.11", "python3.12", "python3.13", "python3.14", "python3.13t", "pypy3.11")
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


def attempt(interpreter: str, archive: Path, folder: Path) -> str:
    """Install ``archive`` and take the census; what it counted, as text."""
    environment = folder / "environment"
    output(interpreter, "-m", "venv", environment, folder=folder)
    python = environment / "bin" / "python"
    constrained = output(python, "-c", IS_FREE_THREADED_313, folder=folder).strip() == "True"
    constraints = ("-c", CONSTRAINTS) if constrained else ()
    output(python, "-m", "pip", "install", "--quiet", archive, *constraints, folder=folder)
    document = REPOSITORY / "docs" / "examples" / "census.json"
    shutil.copytree(REPOSITORY / "docs" / "examples", folder / "docs" / "examples")
    shutil.copytree(REPOSITORY / "src", folder / "src")
    counted = output(
        environment / "bin" / "batchmill", "run", document.relative_to(REPOSITORY), "-q", folder=folder
    )
    return f"{json.loads(counted)['files']} files"


def main(names: list[str]) -> int:
    interpreters = [path for name in names or INTERPRETERS if (path := shutil.which(name)) is not None]
    missing = [name for name in names if shutil.which(name) is None]
    failures = len(missing)
    for name in missing:
        print(f"{name}: there is no such interpreter")
    with tempfile.TemporaryDirectory() as built_in:
        archives = build(Path(built_in))
    for interpreter in interpreters:
        for archive in archives:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    said = attempt(interpreter, archive, Path(folder))
                except subprocess.CalledProcessError as error:
                    failures += 1
                    said = f"failed: {error}\n{error.stdout}".rstrip()
            print(f"{Path(interpreter).name}, {archive.name}: {said}", flush=True)
    return 1 if failures or not interpreters else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
