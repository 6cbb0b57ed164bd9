"""A run whose process is killed at any instant, and resumed: nothing is lost, nothing recorded is done again.

Side effects are counted from outside: every item writes a line to a file before it is done.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter

import pytest

# three seconds of computing each, and few find most of what many find; `tox -e stress` takes its time
SEEDS = 100 if os.environ.get("BATCHMILL_TESTS") == "thorough" else 24
ITEMS = 120
WORKERS = 2
CODE = """
import os, time
with open('effects', 'a') as file:
    file.write(f'{x}\\n')
time.sleep(0.01)
result = x * 2
"""


def document(executor):
    batch = {"items": {"range": [ITEMS]}, "as": "x", "executor": executor, "max_concurrent": WORKERS}
    return {
        "nodes": [
            {"id": "first", "type": "shell", "params": {"command": "echo first >> effects; echo hi"}},
            {
                "id": "each",
                "type": "code",
                "params": {"code": CODE, "inputs": {"x": "${x}", "said": "${first.stdout}"}},
                "batch": batch,
            },
            {
                "id": "sum",
                "type": "code",
                "params": {"code": "result = sum(xs)", "inputs": {"xs": "${each.results[*].result}"}},
            },
        ]
    }


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "batchmill", *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def recorded(folder):
    """The items that the journal has a result for, read with nothing but SQLite."""
    path = folder / ".batchmill" / "runs.sqlite"
    if not path.exists():
        return []
    connection = sqlite3.connect(path)
    try:
        query = "SELECT item FROM outcome WHERE state = 0 AND item IS NOT NULL"
        return [json.loads(row[0]) for row in connection.execute(query)]
    except sqlite3.OperationalError:  # killed before there was a table
        return []
    finally:
        connection.close()


def effects(folder):
    path = folder / "effects"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def kill_after(process, seconds, group):
    time.sleep(seconds)
    if process.poll() is None:
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.communicate()


def resume_to_the_end(folder):
    process = start(folder, "resume", "--json", "--progress", "none")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return json.loads(out)


def check(folder, executor, instants, group):
    """Kill at each of the instants, in seconds from the start of the command, then resume to the end."""
    (folder / "flow.json").write_text(json.dumps(document(executor)))
    begun = False
    for instant in instants:
        command = ["resume"] if begun else ["run", "flow.json"]
        before = set(recorded(folder))
        process = start(folder, *command, "--progress", "none")
        kill_after(process, instant, group)
        after = recorded(folder)
        assert len(after) == len(set(after)), "a result was recorded twice"
        assert before <= set(after), "a result was lost"
        begun = begun or (any((folder / ".batchmill").glob("runs.sqlite")) and _has_run(folder))
    kept = set(recorded(folder))
    already = effects(folder)
    if not begun:
        process = start(folder, "run", "flow.json", "--json", "--progress", "none")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        told = json.loads(out)
    else:
        told = resume_to_the_end(folder)
    assert told["status"] == "success"
    assert told["outputs"]["result"] == sum(2 * x for x in range(ITEMS))
    assert sorted(recorded(folder)) == list(range(ITEMS))
    counts = effects(folder)
    again = {x for x in kept if counts[str(x)] > already[str(x)]}
    assert not again, f"recorded, and yet run again: {again}"
    assert set(counts) == {"first", *map(str, range(ITEMS))}
    extra = sum(counts.values()) - len(counts)
    # what ran at a kill, and what was done in chunks of 60 ms that were under way
    assert extra <= len(instants) * WORKERS * 7, counts.most_common(5)
    assert not told["errors"]


def _has_run(folder):
    connection = sqlite3.connect(folder / ".batchmill" / "runs.sqlite")
    try:
        return bool(connection.execute("SELECT count(*) FROM run").fetchone()[0])
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()


def instants_of(seed):
    """One to three instants, all over a run of about a second."""
    chosen = random.Random(seed)
    return [chosen.uniform(0.15, 1.3) for _ in range(chosen.randint(1, 3))]


@pytest.mark.parametrize(
    ("executor", "group"),
    [
        pytest.param("thread", False, id="thread-parent", marks=pytest.mark.slow),
        pytest.param("thread", True, id="thread-group"),
        pytest.param("process", False, id="process-parent"),
        pytest.param("process", True, id="process-group", marks=pytest.mark.slow),
        # the longest, of one process: whether it is killed alone or with its group makes no difference
        pytest.param("sequential", False, id="sequential-parent", marks=pytest.mark.slow),
        pytest.param("sequential", True, id="sequential-group", marks=pytest.mark.slow),
    ],
)
@pytest.mark.first_quick
def test_a_killed_run_goes_on_where_it_was(tmp_path, executor, group):
    check(tmp_path, executor, instants_of(f"{executor} {group}"), group)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_run_killed_at_any_instant_goes_on(tmp_path, seed):
    executor = ("thread", "process")[seed % 2]
    check(tmp_path, executor, instants_of(seed), group=bool(seed // 2 % 2))
