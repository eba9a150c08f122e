"""What in a value is no JSON or does not fit its type, as its author sees it: by field, and by line and column."""

from __future__ import annotations

import re

_PATH = re.compile(r" - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`$")
CUT = "Input data was truncated"
_BYTE = re.compile(r"\(byte (\d+)\)$")


def misfit(error: Exception, text: str | bytes | None = None, *, inside: int | None = None) -> str:
    """What an error of the decoder says, in the terms of who wrote the value.

    Args:
        text: what was decoded; then a place in it is told as line and column.
        inside: the value was the item of this number in what was decoded, which its author knows nothing of.
    """
    said = str(error)
    if (found := _PATH.search(said)) is not None:
        path = found["path"]
        if inside is not None:
            path = path.removeprefix(f"[{inside}]")
        path = path.removeprefix(".")
        place = ", as a key" if found["key"] else ""
        return said[: found.start()] + place + (f", in field `{path}`" if path else "")
    if text is not None and (found := _BYTE.search(said)) is not None:
        before = (text.encode() if isinstance(text, str) else text)[: int(found[1])].decode(errors="replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return f"{said[: found.start()]}(line {line}, column {column})"
    return "the JSON ends before it is complete" if said == CUT else said
