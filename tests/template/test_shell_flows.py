"""Values that go through variables, arguments, pipes and substitutions of a command: where they are read
again they are refused or checked, as they are where they stand themselves."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from batchmill.errors import TemplateSyntaxError, UnsafeValue
from batchmill.template import CommandTemplate, Scope, compile_command

SHELLS = [argv for argv in (["bash"], ["zsh"], ["mksh"], ["ksh93"]) if shutil.which(argv[0])]

ATTACKS = [
    "path[$(touch pwned)]",
    "touch pwned",
    "x;touch pwned;",
    "-va[$(touch pwned)]",
    "([$(touch pwned)]=1)",
    "x -o -v a[$(touch${IFS}pwned)]",
]

# How a value gets into the variable n.
WAYS = [
    "n=${v};",
    "n='${v}';",
    "for n in ${v}; do :; done;",
    "read -r n <<< ${v};",
    "n=$(echo ${v});",
    "n=`printf %s ${v}`;",
    "m=${v}; n=$m;",
    'm=${v}; n="$m";',
    "set -- ${v}; n=$1;",
    "f() { n=$1; }; f ${v};",
    "f() { local x=$1; n=$x; }; f ${v};",
    "export n=${v};",
    "readonly n=${v};",
    "declare n=${v};",
    "typeset n=${v};",
    "printf -v n '%s' ${v};",
    "mapfile -t n <<< ${v};",
    "a=(${v}); n=$${a[0]};",
    "n=$${u:-$(printf %s ${v})};",
    "IFS=: read -r n _ <<< ${v};",
    "while read -r n; do break; done <<< ${v};",
    "while read n; do break; done < <(printf '%s\\n' ${v});",
    "m=${v}; n=$${m%zzz};",
    "m=${v}; n=$${m#zzz};",
    "n+=${v};",
    "while read -r n; do break; done <<EOF\n${v}\nEOF\n",
    "{ read -r n; } <<< ${v};",
    'f() { echo "$1"; }; n=$(f ${v});',
    "n=$(cat <<EOF\n${v}\nEOF\n);",
    "n=$(cat <<< ${v});",
    'm=${v}; : "$${n:=$m}";',
    ": ${v}; n=$_;",
    "select n in ${v}; do break; done <<< 1;",
    "shift_it() { shift; n=$1; }; shift_it x ${v};",
    "eval 'n=${v}';",
    "n=$(sh -c 'echo \"$1\"' sh ${v});",
    "[[ ${v} =~ (.*) ]]; n=$${BASH_REMATCH[1]};",
    "getopts a: o -a${v}; n=$OPTARG;",
]

# Where the variable n is read again.
PLACES = [
    "echo $((n + 1))",
    "echo $(($n + 1))",
    'echo "$(( $${n} ))"',
    "[[ $n -gt 3 ]]",
    "[[ n -gt 3 ]]",
    "let x=n",
    'let "x=$n+1"',
    "((x = n))",
    's=abc; echo "$${s:n}"',
    's=abc; echo "$${s:$n}"',
    'b=(1 2); echo "$${b[$n]}"',
    'b=(1 2); echo "$${b[n]}"',
    "b[$n]=1",
    "b[n]=1",
    '[ -v "$n" ]',
    "[[ -v $n ]]",
    "test -v $n",
    'printf -v "$n" x',
    'read "$n" <<< x',
    "echo $${!n}",
    "echo $${n@P}",
    'eval "x $n"',
    "eval $n",
    'eval "echo $n"',
    'sh -c "echo $n"',
    'bash -c "$n"',
    "bash -c $n",
    'env sh -c "x $n"',
    'trap "$n" EXIT',
    'trap "echo $n" EXIT; exit',
    '. <(echo "$n")',
    'source /dev/stdin <<< "$n"',
    'echo "$n" | sh',
    'sh <<< "$n"',
    "sh <<EOF\necho $n\nEOF\n",
    'declare "$n=1"',
    "declare -i q=$n",
    "declare -i q; q=$n",
    "local -i q=$n",
    'export "$n"',
    'unset "$n"',
    "SECONDS=$n",
    "OPTIND=$n",
    "echo a >&$n",
    '[ "$n" -gt 3 ]',
    "test $n -gt 3",
    "[ $n = foo ]",
    "for ((i=0;i<n;i++)); do break; done",
    "for ((i=0;i<$n;i++)); do break; done",
    "declare -n r=$n; echo $r",
    "declare -n r=n; echo $((r))",
    "printf $n",
    'printf "$n" x',
    "PS4=$n; set -x; :",
    "alias q=$n",
    "g() { echo $(( $1 )); }; g $n",
    'g() { eval "$1"; }; g "$n"',
    "sh -c 'echo $(( $1 ))' sh $n",
    'bash -c \'eval "$1"\' sh "$n"',
    "bash -c 'echo $(( $0 ))' \"$n\"",
    "bash -c 'shift; [[ $1 -gt 1 ]]' sh x \"$n\"",
    "bash -s \"$n\" <<'EOF'\necho $(( $1 ))\nEOF\n",
    "export n; bash -c 'echo $((n))'",
    'mapfile -t n2 <<< "$n"; echo $(( n2 ))',
    'x=$(echo "$n"); echo $((x))',
    "echo $[n]",
    "echo $[$n]",
    "( echo $((n)) )",
    "if true; then echo $((n)); fi",
    "case a in a) echo $((n));; esac",
    'echo "$(echo $((n)))"',
    "echo `echo $((n))`",
    "eval 'echo $((n))'",
    "trap 'echo $((n))' EXIT",
    "h() { while [ $# -gt 0 ]; do echo $(($1)); shift; done; }; h 1 $n",
    "xargs -I% sh -c 'echo %' <<< \"$n\"",
    'echo "$n" | xargs bash -c',
    'awk "BEGIN { $n }"',
    'perl -e "$n"',
    'python3 -c "$n"',
    'sed "$n" /dev/null',
    'declare -a q="$n"',
    'q=(); declare q="$n"',
    "set -- $n; echo $(( $1 ))",
    'set -- "$n"; for i; do echo $((i)); done',
    'exit "$n"',
    "printf '%d' \"$n\"",
    '[ -t "$n" ]',
    'wait "$n"',
    'ulimit -n "$n"',
    "unset 'q[$n]'",
    'unset "q[$n]"',
    "arr=([$n]=1)",
    'echo "$${arr[@]:$n:1}"',
    "typeset -A m; (( m[$n]++ ))",
    "[[ -t $n ]]",
    'read -t "$n" q < /dev/null',
    "n2=n; echo $((n2))",
    "echo $${n:0:n}",
    'echo "$${n[$n]}"',
    "x=$${n//a/b}; echo $((x))",
    "x=$${n^^}; echo $((x))",
    "env -S \"bash -c 'x $n'\"",
    'find . -maxdepth 0 -exec sh -c "echo $n" \\;',
    'timeout 5 bash -c "$n"',
    'nice sh -c "$n"',
    '$BASH -c "$n"',
    'command eval "$n"',
    'builtin eval "$n"',
    "q[$n]+=1",
    'coproc eval "$n"',
    '! eval "$n"',
    'time eval "$n"',
    '{ eval "$n"; }',
    '((eval "$n") | cat)',
    'eval @(a|b) "$n"',
]

# What people write, with values that they have.
ORDINARY = [
    'count=$(grep -c ${pattern} ${file}); if [ "$count" -gt 3 ]; then echo many; fi',
    "n=$(wc -l < ${file}); echo $((n + 1))",
    "n=$(wc -l ${file} | awk '{print $1}'); [ \"$n\" -gt 0 ]",
    "size=$(stat -c %s ${file}); if [ $size -gt 1000 ]; then gzip ${file}; fi",
    "size=$(du -k ${file} | cut -f1); [ $size -gt 10 ]",
    'for f in ${dir}/*.csv; do n=$(wc -l < "$f"); total=$((total + n)); done; echo $total',
    "i=0; while [ $i -lt ${n} ]; do echo ${name}; i=$((i+1)); done",
    "code=$(curl -s -o /dev/null -w '%{http_code}' ${url}); [ \"$code\" -eq 200 ]",
    'w=$(identify -format %w ${file}); if [ "$w" -gt 100 ]; then convert ${file} -resize 50% out.png; fi',
    'host=${host}; port=$${host##*:}; [ "$port" -gt 1024 ] && echo $port',
    "IFS=: read -r a b <<< ${host}; (( b > 1 )) && echo $b",
    "export $(grep -v '^#' ${file} | xargs); env",
    'set -euo pipefail; tmp=$(mktemp -d); trap \'rm -rf "$tmp"\' EXIT; cp ${file} "$tmp"; ls "$tmp"',
    'try() { n=$1; shift; for i in $(seq 1 $((n))); do "$@" && return 0; done; }; try 3 curl -f ${url}',
    'declare -A seen; for w in ${a} ${b}; do seen[$w]=1; done; echo "$${!seen[@]}"',
    'mapfile -t lines < ${file}; echo "$${#lines[@]}"',
    'x=${name}; echo "$${x%.csv}.json"; echo $${#x}; echo "$${x:0:3}"',
    "local_time=$(date +%s); echo $(( local_time - 10 )); echo ${name}",
    "d=$(date -d ${date} +%s); echo $(( $(date +%s) - d ))",
    "printf '%s,%d\\n' ${name} ${n}",
    "printf '%05.2f\\n' ${price}",
    'printf "%s\\n" "$(basename ${file} .csv)"',
    'while read -r line; do echo "$line"; done < ${file}',
    "sum=0; while read -r x; do sum=$((sum + x)); done < ${file}; echo $sum",
    "find ${dir} -name ${pattern} -exec gzip {} \\;",
    "find ${dir} -type f | xargs -n1 wc -c",
    "find ${dir} -name '*.py' -print0 | xargs -0 grep -l ${pattern}",
    "awk -F, '{ s += $2 } END { print s }' ${file}",
    "sed -n '1,10p' ${file}",
    "sed -i 's/foo/bar/' ${file}",
    "sed -e 's/a/b/' -e 's/c/d/' ${file}",
    "sed -n ${n}p ${file}",
    "awk -v n=${n} 'NR==n' ${file}",
    "python3 script.py --name ${name} ${file}",
    "python3 -m json.tool ${file}",
    "python3 -c 'import sys; print(sys.argv[1])' ${name}",
    "node index.js ${file}",
    "jq -r '.name' ${file}",
    "jq --arg k ${name} '.[$k]' ${file}",
    "echo ${json} | jq '.a'",
    "n=$(echo ${json} | jq length); [ $n -gt 0 ]",
    "ffmpeg -i ${file} -vf scale=100:${n} ${name}.mp4",
    "git clone ${url} ${dir} && cd ${dir} && git log -1",
    "git -C ${dir} log -n ${n}",
    "git commit -m ${name}",
    "docker run --rm -v ${dir}:/d image process /d/${name}",
    "tar czf ${name}.tar.gz ${dir}",
    "rsync -av ${dir}/ host:${name}/",
    "scp ${file} host:/tmp/",
    'curl -sS -H "X: ${name}" ${url} | python3 parse.py',
    "curl -s ${url} | python3 -c 'import json,sys; print(json.load(sys.stdin))'",
    "curl -s ${url} | sha256sum",
    "make ${target}",
    "make -C ${dir} all",
    "sort -k2 ${file} | uniq -c | head -n ${n}",
    "case ${name} in *.csv) echo csv;; *) echo other;; esac",
    'if [ "${name}" = "x" ] || [ -f ${file} ]; then echo y; fi',
    "[[ ${name} == *.csv && -s ${file} ]] && echo ok",
    "test -e ${file} || exit 1",
    'x=${n}; if [ -z "$x" ]; then x=5; fi; echo $((x * 2))',
    "exit ${n}",
    "sleep ${n}; echo done",
    "seq 1 ${n} | while read i; do echo $((i*2)); done",
    "for i in $(seq 1 ${n}); do echo $((i * 2)); done",
    "for ((i=0;i<${n};i++)); do echo $i; done",
    "timeout 5 python3 x.py ${file}",
    "nice -n 10 gzip ${file}",
    "sqlite3 ${file} 'select count(*) from t'",
    "psql -c 'select 1' ${name}",
    "cat ${file} | tee out.txt | wc -l",
    "diff <(sort ${file}) <(sort ${name})",
    "xargs -I{} cp {} ${dir} < list.txt",
    "parallel --version; echo ${name}",
    "ssh host uptime; echo ${name}",
    "sh run.sh ${name}",
    'bash -c \'echo "$1"; shift; echo "$@"\' sh ${name} ${file}',
    "sh -c 'n=$1; echo \"$n\"' sh ${name}",
    "cat <<EOF > out.txt\nname: ${name}\nEOF\n",
    "cat > run.py <<'EOF'\nprint(1)\nEOF\npython3 run.py ${name}",
    'a=(${name} ${file}); for x in "$${a[@]}"; do echo "$x"; done; echo $${#a[@]} "$${a[1]}"',
    'f() { local name=$1 n=$2; echo "$name"; echo $((n+1)); }; f ${name} ${n}',
    "while getopts 'a:b' o; do case $o in a) echo \"$OPTARG\";; esac; done; echo ${name}",
    'read -r first _ < ${file}; echo "$first"',
    'echo "$(( ${n} * 2 ))"',
    'result=$(./tool ${file}) || exit $?; echo "$result"',
    "start=$SECONDS; ./tool ${file}; echo $((SECONDS - start))",
    "N=${n} ./run.sh",
    "export NAME=${name}; python3 -c 'import os; print(os.environ[\"NAME\"])'",
    "trap 'echo bye' EXIT; echo ${name}",
    'x=$(cat ${file}); echo "$x" > out',
    "exec > log.txt 2>&1; echo ${name}",
    "! grep -q ${pattern} ${file}",
    "command -v ${name} >/dev/null",
    "lines=$(cat ${file} | wc -l | tr -d ' '); [ \"$lines\" -eq 5 ]",
    "total=$(awk '{s+=$1} END {print s}' ${file}); echo $((total / 2))",
    "if (( $(stat -c%s ${file}) > 100 )); then echo big; fi",
    "ver=$(python3 --version | cut -d' ' -f2); echo $ver ${name}",
    "len=$${#HOME}; echo $((len)) ${name}",
    "pct=$(( 100 * ${n} / 7 )); echo $pct%",
    'find . -name "*.log" -mtime +${n} -delete',
    "basename=$(basename ${file}); ext=$${basename##*.}; echo $ext",
    "arr=($(echo ${name} | tr ',' ' ')); echo $${arr[0]}",
    "x=5; x=$((x+1)); y=${name}; echo $y $x",
    "declare -i count=0; count+=1; echo $count ${name}",
    "echo ${name} | sed 's/a/b/'",
    "echo ${name} | awk '{print $1}'",
    "echo ${name} | python3 -c 'import sys; print(sys.stdin.read())'",
    "echo ${name} | tr a-z A-Z",
    "echo ${name} | xargs echo",
    "ls ${dir} | sh count.sh",
    "ls | grep sh | wc -l; echo ${name}",
    "ssh -i ${file} host uptime",
    "watch --version; echo ${name}",
    "perl -ne 'print if /x/' ${file}",
    "ruby x.rb ${file}",
    "env NAME=${name} ./run",
    "env -i PATH=$PATH ./run ${name}",
    "sudo cp ${file} /etc",
    "su -c 'ls' user; echo ${name}",
    "flock /tmp/l ./run ${name}",
    "R --no-save -f x.R --args ${name}",
    "Rscript x.R ${file}",
    "make -j${n}",
    "make -j ${n} all",
    "go run main.go ${name}",
    "kubectl get pods -l app=${name}",
    "aws s3 cp ${file} s3://b/${name}",
    "x=${name}; eval 'echo \"$x\"'",
    "if [[ ${name} =~ ^a ]]; then echo y; fi",
    "unset x; readonly R=${name}; echo $R",
    "echo $(( $(nproc) / 2 )) ${name}",
    "mkdir -p ${dir} && cd ${dir} && echo $(pwd) && n=$(ls | wc -l) && [ $n -gt 1 ]",
    "tail -n +${n} ${file} | head -1",
    "id=$(id -u ${name}); [ $id -eq 0 ]",
    "ps -o pid= -p ${n}; kill -0 ${n}",
    "n=$(( ${n} )); [ $n -gt 2 ] && printf '%d\\n' \"$n\"",
    "read a b c <<EOF\n${name}\nEOF\necho $a",
]

VALUES = {
    "pattern": "a.c",
    "file": "data/year=2024/x (1).csv",
    "dir": "out dir",
    "n": 5,
    "name": "some name",
    "url": "https://x.org/a?b=c&d=e",
    "host": "h.org:8080",
    "date": "2024-01-02",
    "a": "one",
    "b": "two",
    "price": 3.14,
    "json": '{"a": [1, 2]}',
    "target": "all",
}


def attacked(command: str, shells: list[list[str]], folder: Path) -> None:
    """Run ``command`` with every attack that is not refused: none may run anything."""
    try:
        template = compile_command(command, allow_raw=False)
    except TemplateSyntaxError:
        return
    for attack in ATTACKS:
        try:
            made = template.resolve(Scope({"v": attack}))
        except UnsafeValue:
            continue
        for shell in shells:
            subprocess.run(
                [*shell, "-c", made.script, "sh"],
                cwd=folder,
                env={**os.environ, **made.env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=20,
            )
            assert "pwned" not in os.listdir(folder), (command, attack, shell)


def template(command: str) -> CommandTemplate:
    return compile_command(command, allow_raw=False)


def test_no_way_leads_to_a_place_that_runs_it(tmp_path: Path) -> None:
    for way in WAYS:
        attacked(f"{way} echo $((n + 1))", SHELLS[:1], tmp_path)
    for place in PLACES:
        attacked(f"n=${{v}}; {place}", SHELLS[:1], tmp_path)


@pytest.mark.slow
def test_no_way_leads_to_any_place_in_any_shell(tmp_path: Path) -> None:
    pairs = [f"{way} {place}" for way in WAYS for place in PLACES]
    for command in random.Random(12).sample(pairs, 400):
        attacked(command, SHELLS, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("way", [way for way in WAYS if "select" not in way])
def test_whole_numbers_go_every_way(way: str, tmp_path: Path) -> None:
    made = template(f"{way} echo $((n + 1))").resolve(Scope({"v": 5}))
    environment = {**os.environ, **made.env}
    done = subprocess.run(
        ["bash", "-c", made.script, "sh"], cwd=tmp_path, env=environment, capture_output=True, timeout=20
    )
    assert (done.stdout, done.stderr) == (b"6\n", b"")


def test_a_calculation_with_a_variable_is_held_to_whole_numbers() -> None:
    for value in ("a[0]", "x", "", "1 + 1", "$(x)"):
        with pytest.raises(UnsafeValue, match="must be a whole number"):
            template("n=${v}; echo $((n + 1))").resolve(Scope({"v": value}))


def test_a_part_of_a_value_is_held_to_have_no_index() -> None:
    made = template("IFS=: read -r host port <<< ${v}; echo $((port))")
    assert made.resolve(Scope({"v": "example.org:80"})).script
    with pytest.raises(UnsafeValue, match=r"free of \[ \].*keep its digits"):
        made.resolve(Scope({"v": "x:a[$(touch pwned)]"}))


@pytest.mark.parametrize(
    "command",
    [
        "n=$(wc -l < ${v})",
        "n=$(printf %s ${v} | wc -c)",
        "n=$(echo ${v} | tr -cd 0-9)",
        "n=$(grep -c x ${v})",
        "n=$(stat -c %s ${v})",
        "n=$(date -d ${v} +%s)",
        "n=$(printf %s ${v} | jq '. | length')",
        "n=$(awk 'END { print NR }' ${v})",
    ],
)
def test_commands_that_print_numbers_may_be_given_anything(command: str) -> None:
    assert template(f"{command}; echo $((n))").resolve(Scope({"v": "a[$(touch pwned)]"})).script


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ('x=${v}; eval "run $x"', r"eval would run a value as code.*\(\$x holds one\)"),
        ('x=${v}; sh -c "run $x"', r"sh would run a value as code.*\(\$x holds one\)"),
        ('x=${v}; read "$x"', r"read would read a value as the name.*\(\$x holds one\)"),
        ("x=${v}; y=$x; echo $${!y}", r"as the name.*\(\$y holds one\)"),
        ("x=${v}; echo $${x@P}", r"as code there \(\$x holds one\)"),
        ('f() { eval "$1"; }; f ${v}', "eval would run a value as code"),
        ("sh -c 'eval \"$1\"' sh ${v}", "eval would run a value as code"),
        ('x=${v}; echo "$x" | sh', "reads from its input"),
        ('x=${v}; trap "rm $x" EXIT', "trap would run a value as code"),
    ],
)
def test_what_is_refused_says_where_the_value_was(command: str, message: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=message):
        template(command)


@pytest.mark.parametrize("command", ORDINARY)
def test_ordinary_scripts_pass(command: str) -> None:
    assert template(command).resolve(Scope(VALUES)).script


@pytest.mark.parametrize(
    "command",
    [
        "f() { n=$1; shift; echo $((n)); }; f 3 ${v}",
        "g() { echo $(( $2 )); }; g ${v} 3",
        "declare -A m; k=${v}; m[$k]=1; echo $${m[$k]}",
        "x=${v}; for i in 1 2; do echo $((i)); done",
        "x=${v}; echo $${#x}; n=$${#x}; echo $((n))",
        'n=${v}; echo "$n"; echo $((m))',
        'm=${v}; n=$(echo "$m" > file); echo $((n))',
        "echo ${v} | while read -r line; do :; done; read -r n < numbers; echo $((n))",
    ],
)
def test_what_no_value_reaches_is_not_checked(command: str) -> None:
    assert template(command).resolve(Scope({"v": "a[$(touch pwned)]"})).script


def test_keys_of_associative_arrays_are_taken_as_they_are(tmp_path: Path) -> None:
    made = template('declare -A m; k=${v}; m[$k]=1; echo "$${!m[@]}" "$${m[$k]}"')
    for attack in ATTACKS:
        command = made.resolve(Scope({"v": attack}))
        environment = {**os.environ, **command.env}
        done = subprocess.run(
            ["bash", "-c", command.script], cwd=tmp_path, env=environment, capture_output=True, timeout=20
        )
        assert done.stdout.decode() == f"{attack} 1\n"
    assert os.listdir(tmp_path) == []
