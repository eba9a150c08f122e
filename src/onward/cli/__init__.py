"""The command line: a file per command, found by `commands`."""

from onward.cli.program import main

__all__ = ["main"]
