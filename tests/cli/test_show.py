"""show: nodes of which no outcome is kept are told as well."""

import json


def test_nodes_of_finally_and_skipped_ones_are_shown(batchmill_command, tmp_path):
    def node(name, command, **more):
        return {"id": name, "type": "shell", "params": {"command": command}, **more}

    document = {
        "nodes": [node("first", "echo a"), node("left", "echo b", when="${first.stdout == 'b'}")],
        "finally": [node("tidied", "echo c"), node("broke", "exit 3")],
    }
    (tmp_path / "flow.json").write_text(json.dumps(document))
    assert batchmill_command("run", "flow.json", "-q")[0] == 3
    lines = batchmill_command("show")[1].splitlines()[3:]
    assert [line.split(" in ")[0] for line in lines] == [
        "  first: done",
        "  left: skipped",
        "  tidied: done",
        "  broke: failed",
    ]
    assert lines[-1].endswith(": CommandFailed: the command failed with exit code 3")
    nodes = json.loads(batchmill_command("show", "--json")[1])["nodes"]
    assert [one.get("status") for one in nodes] == [None, "skipped", "success", "failed"]
    assert batchmill_command("show", "--node", "broke", "--errors")[1] == (
        "broke: CommandFailed: the command failed with exit code 3\n"
    )
    assert batchmill_command("show", "--node", "nope")[0] == 2
