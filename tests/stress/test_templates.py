"""Templates under 64 threads: compiled once, resolved everywhere, each with its own item's names."""

import json

from batchmill.template import Scope, compile_command, compile_value

ROUNDS = 40


def test_one_compiled_structure_serves_all(storm):
    compiled = compile_value(
        {"text": "item ${item.n} of ${all[*].n | count}", "whole": "${item}", "same": [1, {}]}
    )
    base = Scope({"all": [{"n": 1}, {"n": 2}]})

    def resolve(number):
        for k in range(ROUNDS):
            item = {"n": number * ROUNDS + k}
            found = compiled.resolve(base.child({"item": item}))
            assert found == {"text": f"item {item['n']} of 2", "whole": item, "same": [1, {}]}
            found["same"].append(number)  # what is resolved is the caller's own

    storm(resolve)


def test_texts_that_hold_json_are_parsed_for_all(storm):
    compiled = compile_value("${row.deep[1].x}")
    texts = [json.dumps({"deep": [0, {"x": number}]}) for number in range(100)]
    base = Scope({f"t{number}": text for number, text in enumerate(texts)})

    def resolve(number):
        for k in range(ROUNDS):
            which = (number + k) % 100
            assert compiled.resolve(base.child({"row": texts[which]})) == which

    storm(resolve)


def test_compiling_the_same_text_at_once_gives_the_same(storm):
    def compile_and_resolve(number):
        for k in range(20):
            text = f"${{a.b[{k}]}} and $${{x}} ${{item ?? 0 | json}}"
            found = compile_value(text).resolve(Scope({"a": {"b": list(range(20))}, "item": number}))
            assert found == f"{k} and ${{x}} {number}"

    storm(compile_and_resolve)


def test_commands_keep_their_values_apart(storm):
    compiled = compile_command("echo '${item}' \"${item}\" ${item}", allow_raw=False)

    def resolve(number):
        for k in range(ROUNDS):
            value = f"it's {number} $({k})"
            command = compiled.resolve(Scope({"item": value}))
            assert set(command.env.values()) == {value}
            assert command.argv in ((), ("echo", value, value, value))
            assert value not in command.script

    storm(resolve)
