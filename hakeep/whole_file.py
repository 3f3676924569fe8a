"""Small files of ours that are there whole or not at all, and that nobody can trick us into writing elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_json(file: Path, document: Any) -> None:
    """Write `document` for root's eyes only, in place of what was there. Raises OSError."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as opened:
        json.dump(document, opened)
    fresh.rename(file)


def read_json(file: Path) -> Any:
    """What stands in `file`, None when there is none. Raises OSError, or ValueError when it is no JSON."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(fd) as opened:
        return json.load(opened)
