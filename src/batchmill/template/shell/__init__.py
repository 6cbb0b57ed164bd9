"""Shell commands with templates in them: see :mod:`batchmill.template.shell.command`."""

from batchmill.template.shell.command import CommandTemplate, ShellCommand, compile_command, review_words

__all__ = ["CommandTemplate", "ShellCommand", "compile_command", "review_words"]
