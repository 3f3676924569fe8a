"""Replacing a file as a whole: at no moment is there half a file, and owner, mode and extended attributes stay."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def replace_file(name: str, data: bytes) -> None:
    """Put `data` into the place of the file `name`, which must exist; of a symbolic link, the file it leads to.

    Raises OSError, and then the old file is as it was.
    """
    path = Path(name).resolve(strict=True)
    old = path.stat()
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, old.st_uid, old.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
            _copy_attributes(path, descriptor)
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _copy_attributes(path: Path, descriptor: int) -> None:
    """Extended attributes (labels, ACLs), as far as the file system has them and we may set them."""
    with suppress(OSError):
        for attribute in os.listxattr(path):
            with suppress(OSError):
                os.setxattr(descriptor, attribute, os.getxattr(path, attribute))
