"""The private copy that is edited. It lies beside the file, on the same file system, and nobody else may read it."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


class Draft:
    """A copy of what `target` holds. Its name is hidden, so that no include takes it in, and ends as the file's does,
    so that editors know what it is. Raises OSError."""

    def __init__(self, target: Path, content: bytes) -> None:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent)
        self.path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except BaseException:
            self.remove()
            raise

    def read(self) -> bytes:
        """What the editor has left. Raises OSError, also when that is no file any more."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "it is not a regular file any more")
            return file.read()

    def remove(self) -> None:
        """Throw it away."""
        with suppress(OSError):
            self.path.unlink()
