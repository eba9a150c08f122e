"""The command line: a file per command, wired in `program`."""

from onward.cli.program import main

__all__ = ["main"]
