"""The executor on a cluster of separate processes, with certificates: what `doctor` and `plan` say of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from batchmill.executors.remote.certificates import make_certificates

dask = pytest.importorskip("dask", reason="the extra `dask` is not installed")
pytestmark = pytest.mark.own_clusters
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules


def findings(batchmill_command: Any, cluster: str) -> tuple[int, dict[str, dict[str, str]]]:
    code, out, _ = batchmill_command("doctor", "--cluster", cluster, "--json")
    told = json.loads(out)["findings"]
    return code, {one["name"]: one for one in told if one["area"] == "cluster"}


DOCUMENT = {
    "nodes": [
        {
            "id": "a",
            "type": "code",
            "params": {"code": "result = 1"},
            "batch": {"items": {"range": [0, 60]}, "executor": "dask"},
        }
    ]
}


def test_doctor_and_plan_tell_what_is_there(separate: Any, batchmill_command: Any, tmp_path: Path) -> None:
    code, found = findings(batchmill_command, separate.address)
    assert code == 0, found
    assert {one["level"] for one in found.values()} == {"ok"}
    assert separate.address in found["address"]["value"]
    assert "TLS 1.3, certificates for 36" in found["address"]["value"]
    assert found["workers"]["value"] == "2 workers, 4 seats"
    assert found["memory"]["value"].endswith("GB on 1 machine")
    assert found["python"]["value"] == f"{'.'.join(map(str, sys.version_info[:3]))} on 2"
    assert {"batchmill", "cloudpickle", "distributed"} <= found.keys()
    assert found["folder"]["value"] == "shared with 2 of 2 workers"
    assert found["an item"]["value"].startswith("there and back in ")
    (tmp_path / "flow.json").write_text(json.dumps(DOCUMENT))
    code, out, err = batchmill_command("plan", "flow.json", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["cluster"]["seats"] == 4
    assert [worker["shares_folder"] for worker in told["cluster"]["workers"]] == [True, True]
    assert told["cluster"]["faults"] == []
    assert told["nodes"][0]["batch"]["max_concurrent"] == 4
    code, out, _ = batchmill_command("plan", "flow.json")
    assert out.splitlines()[1].startswith(f"cluster: {separate.address}, reached in ")
    assert "dask executor, 4 at once" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flow.json"]


def test_doctor_says_what_is_wrong_with_certificates(
    separate: Any, batchmill_command: Any, tmp_path: Path
) -> None:
    def problem(**settings: str) -> tuple[str, str]:
        with dask.config.set({f"distributed.comm.tls.{name}": path for name, path in settings.items()}):
            code, found = findings(batchmill_command, separate.address)
        assert (code, list(found)) == (5, ["reached"])
        return found["reached"]["value"], found["reached"]["remedy"]

    others = make_certificates(str(tmp_path / "others"))
    what, remedy = problem(**{"ca-file": str(others.ca)})
    assert "has a certificate of another authority" in what
    assert remedy == "use the files that its scheduler was started with"
    what, remedy = problem(**{"client.cert": str(others.cert), "client.key": str(others.key)})
    assert "refuses your certificate: it is of another authority" in what
    what, remedy = problem(**{"client.cert": str(tmp_path / "nowhere.pem")})
    assert what == f"your certificate, {tmp_path}/nowhere.pem, is not there"
    assert remedy == "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT names it"
    what, remedy = problem(**{"ca-file": None})
    assert what.startswith("no certificates are set")
    assert "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in remedy
    what, remedy = problem(**{"client.key": str(others.key)})
    assert "do not belong together" in what
    code, found = findings(batchmill_command, "tls://127.0.0.1:9")
    assert code == 5
    assert "cannot be reached" in found["reached"]["value"]
    code, found = findings(batchmill_command, "nowhere/scheduler.json")
    assert found["reached"]["value"] == "there is no scheduler file nowhere/scheduler.json: start `dask " + (
        "scheduler --scheduler-file nowhere/scheduler.json`, in a folder that is there too"
    )
