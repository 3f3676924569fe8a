"""A subcommand of `hakeep` called as a function: what it prints and exits with, without the birth of an interpreter.

For tests of what a command does. Those of what it does as a process, to a terminal, to signals, installed, start one.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
from pathlib import Path
from unittest import mock

from hakeep.cli import hakeep


def call(
    *words: str | Path, given: str = "", folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`hakeep WORDS` in a folder, with more environment, and `given` to read. No stream is a terminal."""
    arguments = [str(word) for word in words]
    with (
        _stream(given) as stdin, _stream() as stdout, _stream() as stderr, mock.patch("sys.stdin", stdin),
        contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr),
        mock.patch.dict(os.environ, environment), contextlib.chdir(folder or Path.cwd()),
    ):
        try:
            status: object = hakeep.main(arguments)
        except SystemExit as end:
            status = end.code
        assert isinstance(status, int)
        return subprocess.CompletedProcess(arguments, status, _text(stdout), _text(stderr))


def _stream(text: str = "") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    data = stream.buffer.getvalue()  # type: ignore[attr-defined]
    return data.decode().replace("\r\n", "\n")
