"""Programs that run an argument or their input: in a command text, in a list and in words the rules are the
same."""

from __future__ import annotations

import shlex

import pytest

from batchmill.errors import TemplateSyntaxError, UnsafeValue
from batchmill.template import Scope, StructureSyntaxError, compile_command, review_words

AS_A_SCRIPT = [
    ["sh", "-c", "echo ${v}"],
    ["sh", "-c", "${v}"],
    ["/bin/bash", "-lc", "echo ${v}"],
    ["bash", "-e", "-o", "pipefail", "-c", "echo ${v}"],
    ["bash", "--norc", "-ec", "echo ${v}"],
    ["env", "sh", "-c", "echo ${v}"],
    ["env", "A=1", "-i", "bash", "-lc", "echo ${v}"],
    ["env", "-S", "sh -c", "echo ${v}"],
    ["env", "-iS", "sh -c 'echo ${v}'"],
    ["env", "-Ssh -c 'echo ${v}'"],
    ["env", "--split-string=sh -c 'echo ${v}'"],
    ["timeout", "5", "sh", "-c", "echo ${v}"],
    ["nice", "-n", "5", "nohup", "dash", "-c", "echo ${v}"],
    ["sudo", "-u", "x", "sh", "-c", "echo ${v}"],
    ["doas", "bash", "-xc", "echo ${v}"],
    ["busybox", "sh", "-c", "echo ${v}"],
    ["xargs", "-n1", "sh", "-c", "echo ${v}"],
    ["find", ".", "-exec", "bash", "-c", "echo ${v}", ";"],
    ["docker", "run", "image", "sh", "-c", "echo ${v}"],
    ["kubectl", "exec", "pod", "--", "bash", "-c", "echo ${v}"],
    ["fish", "-c", "echo ${v}"],
    ["su", "-c", "echo ${v}", "root"],
    ["su", "-lc", "echo ${v}", "root"],
    ["su", "-", "root", "--command=echo ${v}"],
    ["runuser", "-lc", "echo ${v}", "root"],
    ["script", "-qc", "echo ${v}", "file"],
    ["script", "-qec'echo ${v}'", "file"],
    ["flock", "file", "-c", "echo ${v}"],
    ["sg", "group", "-c", "echo ${v}"],
    ["ssh", "host", "cat", "${v}"],
    ["ssh", "-p", "22", "host", "cat ${v}"],
    ["ssh", "-o", "ProxyCommand=${v}", "host"],
    ["timeout", "5", "ssh", "host", "cat", "${v}"],
    ["nohup", "su", "-lc", "echo ${v}"],
    ["adb", "shell", "ls", "${v}"],
    ["parallel", "echo", "${v}"],
    ["watch", "-n1", "ls ${v}"],
    ["tar", "--to-command", "cat ${v}", "-xf", "a.tar"],
    ["split", "--filter=gzip > ${v}", "file"],
    ["rsync", "-e", "ssh ${v}", "a", "b:"],
    ["find", "${v}", "-exec", "sh", "-c", "wc {}", ";"],
    ["${v}", "-c", "${v}"],
    ["sh", "-c", 'eval "$1"', "sh", "${v}"],
    ["bash", "-c", 'bash -c "$1"', "bash", "${v}"],
]

AS_A_PROGRAM = [
    ["python3", "-c", "print('${v}')"],
    ["python3.12", "-Ic", "print('${v}')"],
    ["uv", "run", "python", "-c", "print('${v}')"],
    ["perl", "-e", 'print "${v}"'],
    ["perl", "-e", "1;", "-e", 'print "${v}"'],
    ["python3", "-W", "ignore", "-c", "f('${v}')"],
    ["perl", "-lane", 'print "${v}"'],
    ["ruby", "-e", 'puts "${v}"'],
    ["node", "-e", 'console.log("${v}")'],
    ["node", "--eval=f('${v}')"],
    ["php", "-r", "echo '${v}';"],
    ["awk", '{ print "${v}" }', "file"],
    ["gawk", "-F", ",", "-v", "a=b", '{ print "${v}" }'],
    ["sed", "s/a/${v}/", "file"],
    ["sed", "-n", "-e", "s/a/${v}/p"],
    ["sed", "-i.bak", "--expression=s/a/${v}/"],
    ["sed", "-ne", "/${v}/p"],
    ["jq", '.["${v}"]'],
    ["jq", "-r", "--arg", "a", "b", 'select(.x == "${v}")'],
    ["psql", "-c", "select * from t where x = '${v}'"],
    ["sqlite3", "db", "select * from t where x = '${v}'"],
    ["make", "V=${v}"],
    ["make", "-C", "dir", "all", "NAME:=${v}"],
    ["make", "--eval=${v}"],
    ["git", "-c", "alias.x=!${v}", "x"],
    ["git", "-C", "dir", "-c", "core.pager=${v}", "log"],
    ["git", "clone", "--upload-pack=${v}", "url"],
    ["git", "submodule", "foreach", "echo ${v}"],
    ["xargs", "-n1", "perl", "-e", "print '${v}'"],
    ["find", "${v}", "-exec", "python3", "-c", "print('{}')", ";"],
]

ALLOWED = [
    ["sh", "-c", 'echo "$1"', "sh", "${v}"],
    ["bash", "-lc", 'cat -- "$@"', "bash", "${v}", "${v}"],
    ["env", "-S", "sh -x", "script", "${v}"],
    ["env", "A=${v}", "program", "${v}"],
    ["timeout", "5", "grep", "-e", "${v}", "file"],
    ["sh", "script", "-c", "${v}"],
    ["su", "${v}"],
    ["ssh", "-i", "${v}", "host", "uptime"],
    ["xargs", "-I{}", "cp", "{}", "${v}"],
    ["find", "${v}", "-exec", "sh", "-c", 'wc "$1"', "sh", "{}", ";"],
    ["find", ".", "-name", "make", "-o", "-name", "${v}"],
    ["docker", "run", "-v", "${v}:/data", "python", "python", "x.py"],
    ["python3", "script.py", "-c", "${v}"],
    ["python3", "-c", "import sys; print(sys.argv[1])", "${v}"],
    ["awk", "-v", "a=${v}", "-F${v}", "{ print a }", "${v}"],
    ["awk", "-f", "program.awk", "${v}"],
    ["sed", "s/a/b/", "${v}"],
    ["sed", "-f", "script", "${v}"],
    ["sed", "-i", "", "s/a/b/", "${v}"],
    ["jq", "--arg", "a", "${v}", ".[$a]", "${v}"],
    ["jq", "-f", "program.jq", "${v}"],
    ["make", "-C", "${v}", "-j${v}"],
    ["git", "-c", "user.name=${v}", "commit", "-m", "${v}", "-c", "${v}"],
    ["tar", "-czf", "${v}", "--", "${v}"],
    ["grep", "-c", "bash", "-e", "${v}"],
    ["sqlite3", "${v}", "select 1"],
]


def refused_as_text(words: list[str]) -> None:
    """Where a shell reads the words the same holds, but that a script in one pair of quotes is rewritten."""
    text = " ".join(word if word.startswith("${") else shlex.quote(word) for word in words)
    made = compile_command(text, allow_raw=False)
    rewritten = made.resolve(Scope({"v": "$(touch pwned)"})).script
    assert "BATCHMILL_V1?}" in rewritten, words


@pytest.mark.parametrize("words", AS_A_SCRIPT, ids=" ".join)
def test_what_would_be_run_is_refused_in_every_form(words: list[str]) -> None:
    with pytest.raises(
        StructureSyntaxError, match=r"code|hold a command|make words|made with a value|put a value"
    ):
        compile_command(words, allow_raw=False)
    with pytest.raises(
        TemplateSyntaxError, match=r"-- sh -c|use another|send it|no value here|use it without|given"
    ):
        review_words(words, "pass it as an argument: -- sh -c 'echo \"$1\"' sh {}; given")
    try:
        refused_as_text(words)
    except TemplateSyntaxError:
        pass  # most are refused there too


@pytest.mark.parametrize("words", AS_A_PROGRAM, ids=" ".join)
def test_program_text_with_a_value_in_it_is_refused(words: list[str]) -> None:
    with pytest.raises(
        StructureSyntaxError, match=r"pass it|awk, which|environment|git's configuration|put a v"
    ):
        compile_command(words, allow_raw=False)
    text = " ".join(map(shlex.quote, words))
    with pytest.raises(TemplateSyntaxError):
        compile_command(text, allow_raw=False)


@pytest.mark.parametrize("words", ALLOWED, ids=" ".join)
def test_what_reads_an_argument_as_it_is_may_have_any_value(words: list[str]) -> None:
    value = "-c; $(touch pwned)"
    assert value in "".join(compile_command(words, allow_raw=False).resolve(Scope({"v": value})).argv)
    review_words(words, "")


@pytest.mark.parametrize(
    "words",
    [
        ["sed", "-n", "${v}p", "file"],
        ["sed", "${v},5d", "file"],
        ["awk", "NR == ${v}", "file"],
        ["jq", ".[${v}]"],
        ["python3", "-c", "print(${v} + 1)"],
        ["sqlite3", "db", "select ${v}"],
        ["sh", "-c", "echo $(( $1 ))", "sh", "${v}"],
        ["bash", "-c", "[[ $0 -gt 1 ]]", "${v}"],
        ["make", "${v}"],
    ],
    ids=" ".join,
)
def test_where_a_number_stands_only_numbers_pass(words: list[str]) -> None:
    command = compile_command(words, allow_raw=False)
    assert "12" in "".join(command.resolve(Scope({"v": 12})).argv)
    for value in ("a[$(touch pwned)]", "$(touch pwned)", "1e touch pwned", "--eval=$(touch pwned)"):
        with pytest.raises(UnsafeValue, match=r"the value of \$\{v\} must be"):
            command.resolve(Scope({"v": value}))


@pytest.mark.parametrize(
    "command",
    [
        "echo ${v} | python3",
        "python3 - <<EOF\nprint('${v}')\nEOF\n",
        "python3 <<'EOF'\nprint('${v}')\nEOF\n",
        "perl <<< ${v}",
        "echo ${v} | node -",
        "psql db <<EOF\nselect '${v}'\nEOF\n",
        "sqlite3 db <<< ${v}",
        "dc <<< ${v}",
        "ed file <<EOF\n${v}\nEOF\n",
        "echo ${v} | at now",
        "echo ${v} | parallel",
        "echo ${v} | ssh host",
        "echo ${v} | ssh host bash -s",
        "echo ${v} | xargs -I% sh -c 'echo %'",
        "echo ${v} | xargs sh -c",
        "echo ${v} | xargs ssh host",
        "printf %s ${v} | xargs -I {} python3 -c 'print(\"{}\")'",
        "x=${v}; python3 <<EOF\nprint('$x')\nEOF\n",
        "echo ${v} > >(sh)",
        "tee >(bash) <<< ${v}",
        "sh < <(echo ${v})",
    ],
)
def test_programs_that_come_from_the_input_may_hold_no_value(command: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        compile_command(command, allow_raw=False)


@pytest.mark.parametrize(
    "command",
    [
        "echo ${v} | python3 script.py",
        "echo ${v} | python3 -c 'import sys; print(sys.stdin.read())'",
        "python3 - ${v} <<'EOF'\nimport sys\nEOF\n",
        "sh -s ${v} <<'EOF'\necho \"$1\"\nEOF\n",
        "echo ${v} | ssh host cat",
        "ssh host cat <<EOF\n${v}\nEOF\n",
        "echo ${v} | xargs -n1 sh -c 'echo \"$1\"' sh",
        "echo ${v} | bc",
        "curl url | sh; echo ${v}",
        "psql db -c 'copy t from stdin' <<< ${v}",
        "x=${v}; python3 <<'EOF'\nprint('$x')\nEOF\n",
    ],
)
def test_data_from_the_input_may(command: str) -> None:
    assert compile_command(command, allow_raw=False).resolve(Scope({"v": "$(touch pwned)"})).script


def test_a_list_says_which_element_and_how_to_write_it() -> None:
    with pytest.raises(StructureSyntaxError) as caught:
        compile_command(["env", "sh", "-c", "wc ${item.path}"], allow_raw=False)
    assert caught.value.path == (3,)
    assert '["sh", "-c", "echo \\"$1\\"", "sh", "${item.path}"]' in caught.value.message
    assert '"allow_raw": true' in caught.value.message


def test_raw_in_a_list_is_a_script_where_it_is_allowed() -> None:
    command = ["sh", "-c", "${v | raw}"]
    assert compile_command(command, allow_raw=True).resolve(Scope({"v": "true"})).argv == ("sh", "-c", "true")
    with pytest.raises(StructureSyntaxError, match="sh would run a value"):
        compile_command(command, allow_raw=False)
    with pytest.raises(StructureSyntaxError, match="sh would run a value"):
        compile_command(["sh", "-c", "${v}"], allow_raw=True)


def test_an_element_that_is_an_object_is_json_with_its_templates_resolved() -> None:
    made = compile_command(["echo", {"a": "${v}"}, ["${v}", 1], 5, None], allow_raw=False)
    assert [path.text for path in made.references] == ["v", "v"]
    assert made.resolve(Scope({"v": "x y"})).argv == ("echo", '{"a": "x y"}', '["x y", 1]', "5", "")
