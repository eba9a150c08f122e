"""The bytes of a file -> lines of text, a piece at a time."""

import io
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from onward.connect.objects import Folder, ObjectGone

from .errors import FileChanged
from .model import File

Open = Callable[[File], Iterator[bytes]]
"""Reads the bytes of a file in pieces; raises ObjectGone where it is not the one that was found."""

PIECE = 1 << 17
LONGEST = 16 << 20
"""Bytes that one record may take at most."""

QUOTED_TOKEN = "\x00"
"""Stands for a quoted field that equals the null token: the csv module cannot tell it from a bare one."""

_QUOTED = re.compile(r'"(?<![^,\n]")(?:[^"]++|"")*+("|\Z)')


def from_disk(file: File) -> Iterator[bytes]:
    """The bytes of a file that lies where its `path` says."""
    path = Path(file.path)
    return Folder(path.parent).read(path.name, file.identity)


class Unreadable(Exception):
    """The file is not what its name says. The message tells why, `line` where, 0 if unknown."""

    def __init__(self, what: str, line: int = 0) -> None:
        self.line = line
        super().__init__(what)


class Lines:
    """The text lines of a file, in order, line ends kept; read once.

    `position` is how many bytes of the file have been read so far, `marked` whether QUOTED_TOKEN was put
    somewhere. Memory stays within a few pieces and the longest record.

    Raises (while iterating): Unreadable; FileChanged, at the end or if the file is gone.
    """

    def __init__(self, file: File, null_token: str, open_: Open) -> None:
        self.position = 0
        self.marked = False
        self._file = file
        self._open = open_
        self._token = f'"{null_token}"'
        self._line = 1
        self._seen = 0

    def __iter__(self) -> Iterator[str]:
        for text in self.texts():
            yield from self.marked_lines(text)

    def marked_lines(self, text: str) -> Iterator[str]:
        return io.StringIO(self._mark(text), newline="\n")

    @property
    def expected(self) -> int:
        """An estimate of all lines, from those so far."""
        return round(self._seen * self._file.size / self.position) if self.position else 0

    def texts(self) -> Iterator[str]:
        """Pieces that end where a record may end: at a line end outside of quotes."""
        rest = b""
        first = True
        for piece in self._pieces():
            rest += piece
            self._seen += piece.count(b"\n")
            end = rest.rfind(b"\n") + 1
            if not end:
                self._check_length(rest)
                continue
            text = self._decode(rest[:end], first)
            done = self._outside_quotes(text)
            rest = text[done:].encode() + rest[end:] if done < len(text) else rest[end:]
            self._check_length(rest)
            if done:
                first = False
                yield text[:done]
                self._line += text.count("\n", 0, done)
        if rest:
            yield self._decode(rest, first)

    def _pieces(self) -> Iterator[bytes]:
        inflate = _inflated if self._file.path.endswith(".gz") else _plain
        try:
            yield from inflate(self._raw())
        except ObjectGone:
            raise FileChanged(self._file.key) from None

    def _raw(self) -> Iterator[bytes]:
        for raw in self._open(self._file):
            self.position += len(raw)
            yield raw

    def _decode(self, data: bytes, first: bool) -> str:
        try:
            text = data.decode("utf-8-sig" if first else "utf-8")
        except UnicodeDecodeError as error:
            line = self._line + data.count(b"\n", 0, error.start)
            raise Unreadable(f"{data[error.start : error.start + 8]!r} is not UTF-8", line) from None
        if "\x00" in text:
            line = self._line + text.count("\n", 0, text.index("\x00"))
            raise Unreadable("a NUL character cannot be stored", line)
        return text

    def _check_length(self, rest: bytes) -> None:
        if len(rest) > LONGEST:
            raise Unreadable(f"a record is longer than {LONGEST} bytes; is a quote left open?", self._line)

    def _outside_quotes(self, text: str) -> int:
        if '"' not in text:
            return len(text)
        closings = _QUOTED.findall(text)
        if not closings or closings[-1]:
            return len(text)
        for opened in _QUOTED.finditer(text):  # noqa: B007
            pass
        return text.rfind("\n", 0, opened.start()) + 1

    def _mark(self, text: str) -> str:
        if self._token not in text:
            return text
        self.marked = True
        return _QUOTED.sub(lambda field: QUOTED_TOKEN if field[0] == self._token else field[0], text)


def _plain(raw: Iterator[bytes]) -> Iterator[bytes]:
    return raw


def _inflated(raw: Iterator[bytes]) -> Iterator[bytes]:
    start: Callable[[], zlib._Decompress] = lambda: zlib.decompressobj(wbits=31)
    inflater = start()
    fresh = True
    try:
        for data in raw:
            while data:
                if inflater.eof:
                    data = data.lstrip(b"\x00")  # padding after a member is legal
                    inflater, fresh = start(), True
                    continue
                yield inflater.decompress(data, 8 * PIECE)
                fresh = False
                data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        tail = inflater.flush()
    except zlib.error as error:
        raise Unreadable(f"is not a sound gzip file ({error})") from None
    if not (inflater.eof or fresh):
        raise Unreadable("is not a sound gzip file (it ends too early)")
    yield tail
