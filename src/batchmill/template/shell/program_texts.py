"""Programs that take a program in their own language as an argument: ``awk``, ``sed``, ``python -c``.

A value in such a text becomes a part of it, and each of these languages can run commands. A whole number is
harmless. All other values are refused, and at once where no number could stand, such as between quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from batchmill.template.shell.reviewing import RuleReader, demand, refuse, refuse_input
from batchmill.template.shell.words import MARK, Check, ParsedCommand, Word, names

Rule = Callable[[list[Word], ParsedCommand, RuleReader], None]

_ENVIRONMENT = "pass it in the environment: {}"
_AWK = _ENVIRONMENT.format("V=${...} awk '{ print ENVIRON[\"V\"] }'")
_SED = "write it with awk, which can take it from the environment: V=${...} awk '{ print ENVIRON[\"V\"] }'"
_JQ = "pass it with --arg: jq --arg v ${...} '.[$v]'"
_ARGUMENT = "pass it as an argument: {}"


@dataclass(frozen=True, slots=True)
class _Language:
    """An interpreter: its options that are followed by a program, how to hand a value over instead, and its
    options that are followed by something else. Options end at the first operand unless ``anywhere``."""

    letters: str
    long: tuple[str, ...] = ()
    instead: str = "pass it as an argument or in the environment"
    followed: tuple[str, ...] = ()
    anywhere: bool = False


_PYTHON = _Language(
    "c", (), _ARGUMENT.format("python -c 'import sys; print(sys.argv[1])' ${...}"), ("-W", "-X", "-Q")
)
_PERL = _Language("eE", (), _ARGUMENT.format("perl -e 'print $ARGV[0]' ${...}"), ("-I", "-C", "-D"))
_RUBY = _Language("e", (), _ARGUMENT.format("ruby -e 'puts ARGV[0]' ${...}"), ("-I", "-r", "-C", "-E"))
_NODE = _Language(
    "ep",
    ("--eval", "--print"),
    _ARGUMENT.format("node -e 'console.log(process.argv[1])' ${...}"),
    ("-r", "--require", "--import", "--loader", "-C", "--conditions"),
)
_PHP = _Language("rBRE", ("--run",), _ARGUMENT.format("php -r 'echo $argv[1];' ${...}"), ("-d", "-c", "-z"))
_R = _Language("e", anywhere=True)
_EVAL = _Language("eE", ("--eval", "--print", "-eval"), anywhere=True)
_SQL = _Language(
    "ce",
    ("--command", "--execute", "-cmd"),
    "pass it as a variable of the client, or in a file",
    anywhere=True,
)
_LANGUAGES = {
    **dict.fromkeys(names("python python2 python3 pypy pypy3"), _PYTHON),
    "perl": _PERL,
    "ruby": _RUBY,
    **dict.fromkeys(names("node nodejs bun deno"), _NODE),
    "php": _PHP,
    **dict.fromkeys(names("R Rscript"), _R),
    **dict.fromkeys(
        names("lua luajit julia elixir groovy scala racket clojure ghc octave sbcl osascript"), _EVAL
    ),
    **dict.fromkeys(names("psql mysql mariadb"), _SQL),
}
_PYTHON_CODE = re.compile(r"-[A-Za-z]*c")
_VERSIONED = re.compile(r"(python|pypy|perl|ruby|php|lua|node)[0-9.]+")
_SCRIPT_FROM_INPUT = names("dc ed ex m4")
_SQLITE = names("sqlite3 sqlite duckdb")
_STANDARD_INPUT = frozenset({"-", "/dev/stdin", "/dev/fd/0"})
_AWKS = names("awk gawk mawk nawk original-awk")
_JQS = names("jq gojq jaq yq")
_FOLLOWED = {  # options of awk, sed and jq that are followed by one argument, or by two
    "awk": frozenset({"-F", "-v", "-i", "-l", "--assign", "--field-separator"}),
    "sed": frozenset({"-l"}),
    "jq": frozenset({"-L", "--indent"}),
}
_FOLLOWED_BY_TWO = frozenset({"--arg", "--argjson", "--slurpfile", "--rawfile"})
_YQ_COMMANDS = names("e ea eval eval-all")

_SED_ADDRESSES = re.compile(r"[\0$0-9,!;{}~+pdqQnNlD=\s-]+")
_PLAIN_KEYS = re.compile(
    r"(?:user|author|committer|color|advice)\.|init\.defaultBranch=|core\.(?:quotepath|abbrev)=|http\.extraHeader=",
    re.IGNORECASE,
)
_GIT_COMMANDS = frozenset({"--exec", "--upload-pack", "--receive-pack", "--extcmd", "foreach"})
_GIT_COMMANDS_GLUED = ("--exec=", "--exec-path=", "--upload-pack=", "--receive-pack=", "--extcmd=")
_MAKE_VARIABLE = re.compile(r"(?:--eval|[^\0=-][^\0=]*)=")
_MAKE_FOLLOWED = frozenset({"-C", "-f", "-j", "-l", "-o", "-W", "-I"})


def rule(name: str) -> Rule | None:
    """The rule for the program ``name``, None if there is none."""
    known = _RULES.get(name)
    if known is None and (found := _VERSIONED.fullmatch(name)):
        known = _RULES.get(found[1])
    return known


def after_options(words: Sequence[Word], letters: str, long: tuple[str, ...]) -> Iterator[Word]:
    """The words that an option brings in: after one of ``letters``, alone or with others before it, or after
    one of ``long``; where it is in the same word as the option, that word."""
    single = re.compile(rf"-[A-Za-z0-9]*?[{letters}](.*)", re.DOTALL) if letters else None
    wanted = False
    for word in words[1:]:
        if wanted:
            yield word
        text = word.text
        wanted = text in long
        if text.startswith("--"):
            if text.partition("=")[0] in long and "=" in text:
                yield word
        elif not wanted and single and (found := single.fullmatch(text)):
            wanted = not found[1]
            if found[1]:
                yield word


def _text(word: Word, name: str, reader: RuleReader, instead: str) -> None:
    """``word`` is program text."""
    message = f"{name} would read a value as part of its program; {instead}"
    for place, char in enumerate(word.text):
        if char == MARK and _in_quotes(word.text[:place]):
            reader.fail(message, word.place)
    demand([word], reader, Check.PROGRAM)


def _in_quotes(before: str) -> bool:
    return before.count('"') % 2 == 1 or before.count("'") % 2 == 1


def _language(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    name = words[0].program
    language = _LANGUAGES.get(name) or _LANGUAGES[_VERSIONED.fullmatch(name)[1]]  # type: ignore[index]
    own = words if language.anywhere else _own_words(words, language)
    texts = list(after_options(own, language.letters, language.long))
    for word in texts:
        _text(word, name, reader, language.instead)
    operands = [word for word in words[1:] if not _is_option(word)]
    from_file = any(word not in texts and word.text not in _STANDARD_INPUT for word in operands)
    if not texts and (language is _SQL or not from_file):
        _input(words, command, reader, language.instead)


def words_of_language(words: list[Word]) -> list[Word] | None:
    """The options and the first operand among ``words``, if the program is the interpreter of a language;
    else None."""
    name = words[0].program
    found = _VERSIONED.fullmatch(name)
    language = _LANGUAGES.get(name) or (_LANGUAGES.get(found[1]) if found else None)
    if language is None:
        return None
    if language.anywhere:
        return words
    own = _own_words(words, language)
    # Words after the program of Python are for that program, even if they look like options.
    code = next((place for place, word in enumerate(own) if _PYTHON_CODE.fullmatch(word.text)), len(own))
    return own[: code + 2] if language is _PYTHON else own


def _own_words(words: list[Word], language: _Language) -> list[Word]:
    """The words up to the first operand and with it: what follows is for the program that it names."""
    code = re.compile(rf"-[A-Za-z0-9]*[{language.letters}]")
    before = words[0].text
    for place, word in enumerate(words[1:], 1):
        follows = before in language.followed or before in language.long or code.fullmatch(before)
        if not _is_option(word) and not follows:
            return words[: place + 1]
        before = word.text
    return words


def _input(words: list[Word], command: ParsedCommand, reader: RuleReader, instead: str) -> None:
    """The program comes from the input."""
    message = f"{words[0].program} would read a value as part of its program; {instead}"
    for document in command.here_documents:
        document.script = lambda flows, _, at: reader.forbid(flows, message, at)
    if command.here_documents:
        return
    refuse_input(command, reader, message, words[0].start)


def _from_input(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    _input(words, command, reader, "it may run commands")


def _sqlite(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    operands = list(_operands(words, "sqlite"))
    for word in [*operands[1:], *after_options(words, "", ("-cmd", "-c", "-init"))]:
        _text(word, words[0].program, reader, _SQL.instead)
    if len(operands) < 2:
        _input(words, command, reader, _SQL.instead)


def _operands(words: Sequence[Word], kind: str) -> Iterator[Word]:
    """The words that are no options and belong to none."""
    place, followed = 1, _FOLLOWED.get(kind, frozenset())
    while place < len(words):
        word = words[place]
        option = _is_option(word)
        if not option:
            yield word
        place += 3 if word.text in _FOLLOWED_BY_TWO else 2 if option and word.text in followed else 1


def _is_option(word: Word) -> bool:
    return len(word.text) > 1 and word.text[0] == "-"


def _awk(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    texts = list(after_options(words, "e", ("--source",)))
    files = any(re.match(r"-[fE]|--file|--exec", word.text) for word in words[1:])
    for word in texts or ([] if files else [*_operands(words, "awk")][:1]):
        _text(word, words[0].program, reader, _AWK)


def _sed(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    texts = list(after_options(words, "e", ("--expression",)))
    files = any(re.match(r"-[A-Za-z]*f|--file", word.text) for word in words[1:])
    for word in texts or ([] if files else [word for word in _operands(words, "sed") if word.text][:1]):
        if _SED_ADDRESSES.fullmatch(re.sub(r"^(-[A-Za-z]*e|--expression=)", "", word.text)):
            demand([word], reader, Check.PROGRAM)
        else:
            refuse([word], reader, f"sed would read a value as part of its program; {_SED}")


def _jq(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    files = any(re.match(r"-[A-Za-z]*f$|--from-file", word.text) for word in words[1:])
    operands = [word for word in _operands(words, "jq") if word.text not in _YQ_COMMANDS]
    for word in [] if files else operands[:1]:
        _text(word, words[0].program, reader, _JQ)


def _make(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    for before, word in pairwise(words):
        if before.text in _MAKE_FOLLOWED:
            continue
        if _MAKE_VARIABLE.match(word.text):
            message = (
                "make would calculate with a value given to one of its variables, and may run what is in it; "
                "give it to the recipe in the environment, under a name that the recipe reads as $$NAME"
            )
            refuse([word], reader, message)
        elif not word.text.startswith("-"):
            demand([word], reader, Check.TARGET)


def _git(words: list[Word], command: ParsedCommand, reader: RuleReader) -> None:
    """``git -c alias.x='!command'``: what many of its settings hold is run."""
    message = "a setting of git may hold a command; set it in a file of git's configuration"
    before = words[0]
    for word in words[1:]:
        setting = before.text in ("-c", "--config") and not _PLAIN_KEYS.match(word.text)
        if setting or before.text in _GIT_COMMANDS or word.text.startswith(_GIT_COMMANDS_GLUED):
            refuse([word], reader, message)
        if not (_is_option(word) or _is_option(before) or word.text in ("clone", "submodule", "foreach")):
            return
        before = word


_RULES: dict[str, Rule] = {
    **dict.fromkeys(_LANGUAGES, _language),
    **dict.fromkeys(_AWKS, _awk),
    **dict.fromkeys(_JQS, _jq),
    **dict.fromkeys(_SQLITE, _sqlite),
    **dict.fromkeys(_SCRIPT_FROM_INPUT, _from_input),
    **dict.fromkeys(names("make gmake"), _make),
    "sed": _sed,
    "gsed": _sed,
    "git": _git,
}
