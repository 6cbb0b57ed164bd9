"""What doctor finds: on this machine, and where something is really wrong."""

import json
import os
import resource
import subprocess
import sys

import pytest

from batchmill.cli.main import outcome
from batchmill.doctor import machine, packages, storage
from batchmill.doctor.machine import open_files
from batchmill.doctor.packages import requirements


def doctor(*arguments, limit=None, **environment):
    def lower():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    command = [sys.executable, "-m", "batchmill", "doctor", *arguments]
    surroundings = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=surroundings, preexec_fn=lower)


def found(findings, name):
    (finding,) = [finding for finding in findings if finding["name"] == name]
    return finding


def test_here_all_is_well(tmp_path, capfd):
    code = outcome(["doctor", "--json", "--journal", str(tmp_path / "deep" / "runs.sqlite")])
    told = json.loads(capfd.readouterr().out)
    assert (code, told["schema"], told["healthy"]) == (0, "batchmill.doctor/1", True)
    findings = told["findings"]
    assert {finding["level"] for finding in findings} <= {"ok", "note"}
    assert all(finding["remedy"] for finding in findings if finding["level"] == "note")
    assert str(tmp_path) in found(findings, "journal's folder")["value"]
    assert found(findings, "worker processes")["value"].startswith("start and work")
    assert "usable" in found(findings, "cores")["value"]
    assert list(tmp_path.iterdir()) == []


def test_people_are_told_in_lines(capfd):
    assert outcome(["doctor"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "interpreter"
    assert lines[-1] == "nothing here would break a run"


@pytest.mark.slow
@pytest.mark.skipif(
    os.geteuid() == 0 and not os.path.isdir("/proc"), reason="root writes everywhere but /proc"
)
def test_a_folder_that_cannot_be_written_is_a_problem():
    done = doctor("--journal", "/proc/journal/runs.sqlite")
    assert done.returncode == 5
    assert "  ! write-ahead log" in done.stdout
    assert "-> use --journal PATH" in done.stdout


@pytest.mark.slow
def test_too_few_open_files_are_a_problem():
    done = doctor("--json", limit=40)
    finding = found(json.loads(done.stdout)["findings"], "open files")
    assert (done.returncode, finding["level"]) == (5, "problem")
    assert finding["remedy"].startswith("ulimit -n ")


@pytest.mark.parametrize(
    ("soft", "hard", "workers", "level", "remedy"),
    [
        (1024, 1024, 2, "ok", ""),
        (256, 4096, 32, "note", "ulimit -n 704"),
        (256, 300, 32, "note", "ulimit -n 300"),
        (50, 4096, 2, "problem", "ulimit -n 104"),
    ],
)
def test_how_many_open_files_are_enough(soft, hard, workers, level, remedy):
    finding = open_files(soft, hard, workers)
    assert (finding.level, finding.remedy) == (level, remedy)


def test_a_missing_shared_memory_is_only_slower(tmp_path):
    finding = machine._shared_memory(tmp_path / "none")
    assert (finding.level, finding.value) == ("note", f"no {tmp_path / 'none'}")


def test_no_temporary_folder_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    finding = machine._temporary()
    assert (finding.level, finding.remedy) == ("problem", "set TMPDIR to a folder that can be written")


def test_a_folder_is_looked_for_upwards(tmp_path):
    assert storage.existing(tmp_path / "a" / "b") == tmp_path


def test_requirements_are_read_as_they_stand():
    needed, extras = requirements(
        [
            "click>=8.1",
            "pydantic>=2.8; implementation_name != 'pypy'",
            "pydantic<2.13,>=2.8; implementation_name == 'pypy'",
            "openai>=1; extra == 'llm'",
            'pytest>=8; extra == "test"',
        ]
    )
    assert needed == ["click", "pydantic"]
    assert extras == {"llm": ["openai"]}


def test_what_cannot_be_imported_is_a_problem_and_a_missing_extra_is_none():
    broken = packages._needed("no-such-package")
    assert (broken.level, broken.remedy) == ("problem", "pip install --force-reinstall no-such-package")
    missing = packages._extra("llm", ["no-such-package"])
    assert (missing.level, missing.value) == ("note", "no no-such-package")
    assert "batchmill[llm]" in missing.remedy
