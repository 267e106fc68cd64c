"""What passes over the command socket: one JSON document a line, checked before anybody looks at it.

A client begins with a hello that names the version it speaks, and is told who it is taken for. Each request has an id;
the answers to it bear the same one: `accepted` while it is being done, then `done`, or `refused` with the reason.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

PROTOCOL = 1
LINE_BYTES_MAX = 1 << 20
"""A recipe with its sub-recipes and a list of 4,000 cells have room."""

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}\Z")]
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z_-]{0,31}\Z")]
Line = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]


T = TypeVar("T")


class BadLine(Exception):
    """What came is none of ours."""


class Hello(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line of a client."""

    cycler: int


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to it."""

    cycler: int
    version: str  # of the program
    rack: str
    user: str
    role: str


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command. The same id again is the same request, and gets the same answers."""

    id: Id
    command: Word
    arguments: dict[Word, str] = {}
    reason: Line = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is a stable word for programs. `problems` are those of files, in the form that `--json` prints."""

    id: str
    answer: Literal["accepted", "done", "refused"]
    code: str = ""
    message: str = ""
    hint: str = ""
    problems: Sequence[Mapping[str, str | int | None]] = ()
    result: Mapping[str, object] = {}


def command_socket(runtime: Path) -> Path:
    """In the folder of the service's sockets."""
    return runtime / "command.sock"


def read_hello(line: bytes) -> Hello:
    """Raises `BadLine`."""
    return _read(line, _hello)


def read_request(line: bytes) -> Request:
    """Raises `BadLine`."""
    return _read(line, _request)


def written(document: Hello | Welcome | Request | Answer) -> bytes:
    """One line, with its end."""
    return _encoder.encode(document) + b"\n"


def read_welcome(line: bytes) -> Welcome | Answer:
    """As the client reads it; it is an answer where the client was refused. Raises `BadLine`."""
    try:
        return _read(line, _welcome)
    except BadLine:
        return _read(line, _answer)


def read_answer(line: bytes) -> Answer:
    """As the client reads it. Raises `BadLine`."""
    return _read(line, _answer)


def _read(line: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadLine(f"that is no line of this protocol: {error}") from None


_encoder = msgspec.json.Encoder()
_hello = msgspec.json.Decoder(Hello)
_welcome = msgspec.json.Decoder(Welcome)
_request = msgspec.json.Decoder(Request)
_answer = msgspec.json.Decoder(Answer)
