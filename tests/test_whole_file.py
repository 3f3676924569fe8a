from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from hakeep.whole_file import read_json, write_json


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert read_json(file) is None
    write_json(file, {"a": [1, None]})
    write_json(file, {"b": "é"})
    assert read_json(file) == {"b": "é"}
    assert list(tmp_path.iterdir()) == [file], "nothing else is left"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_reader_never_finds_half_a_file(tmp_path: Path) -> None:
    file, end = tmp_path / "file", threading.Event()
    documents = [[n] * 20_000 for n in range(2)]
    write_json(file, documents[0])

    def write() -> None:
        while not end.is_set():
            for document in documents:
                write_json(file, document)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(read_json(file) in documents for _ in range(50))
    finally:
        end.set()
        writer.join()


def test_nobody_leads_us_elsewhere(tmp_path: Path) -> None:
    """Links that somebody else has put there are not followed: neither by the reader nor by the writer."""
    precious = tmp_path / "precious"
    precious.write_text('"theirs"')
    file = tmp_path / "file"
    file.symlink_to(precious)
    with pytest.raises(OSError):
        read_json(file)
    (tmp_path / f".file.{os.getpid()}").symlink_to(precious)
    with pytest.raises(OSError):
        write_json(file, "ours")
    assert precious.read_text() == '"theirs"'


def test_a_link_in_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text('"theirs"')
    file = tmp_path / "file"
    file.symlink_to(precious)
    write_json(file, "ours")
    assert precious.read_text() == '"theirs"'
    assert read_json(file) == "ours"


def test_what_is_no_json_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{")
    with pytest.raises(ValueError):
        read_json(tmp_path / "file")
