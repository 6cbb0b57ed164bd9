"""Templates: text with ``${...}`` in it, what the names in it mean, and resolving it without running code."""

from batchmill.template.compiled import Compiled, StructureSyntaxError, compile_value, syntax_errors
from batchmill.template.parse import expressions_in, parse
from batchmill.template.parts import EVERY, Every, Expression, Filter, Literal, Operand, Path, Template
from batchmill.template.scope import Scope
from batchmill.template.shell import CommandTemplate, ShellCommand, compile_command, review_words
from batchmill.template.text import to_json, to_text
from batchmill.template.url import ForeignUrl, UrlTemplate, carried_url, compile_url

__all__ = [
    "EVERY",
    "CommandTemplate",
    "Compiled",
    "Every",
    "Expression",
    "Filter",
    "ForeignUrl",
    "Literal",
    "Operand",
    "Path",
    "Scope",
    "ShellCommand",
    "StructureSyntaxError",
    "Template",
    "UrlTemplate",
    "carried_url",
    "compile_command",
    "compile_url",
    "compile_value",
    "expressions_in",
    "parse",
    "review_words",
    "syntax_errors",
    "to_json",
    "to_text",
]
