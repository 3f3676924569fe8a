"""What a file held before, kept as FILE~1, FILE~2 and so on: the highest number is the latest, ten are kept.

A copy is the old file itself under another name, with its owner, mode and attributes. It costs no space, so a full disk
does not prevent it, and there is no moment at which neither name leads to it.

Where an include would take copies in, as ``include conf.d/*`` does, their names begin with a dot: then it does not.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

KEPT = 10


def numbered(target: Path, *, hidden: bool = False) -> dict[int, Path]:
    """The copies there are, oldest first."""
    pattern = re.compile("[.]" * hidden + re.escape(target.name) + r"~([1-9]\d{0,8})")
    found = {int(match[1]): path for path in target.parent.iterdir() if (match := pattern.fullmatch(path.name))}
    return dict(sorted(found.items()))


def keep(target: Path, *, hidden: bool = False) -> Path:
    """Make a copy of the file as it is; where it is. Raises OSError."""
    number = max(numbered(target, hidden=hidden), default=0) + 1
    copy = target.with_name("." * hidden + f"{target.name}~{number}")
    try:
        os.link(target, copy, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        # a file system without links
        shutil.copy2(target, copy)
        with suppress(OSError):
            old = target.stat()
            os.chown(copy, old.st_uid, old.st_gid)
    return copy


def drop_old(target: Path) -> None:
    """Leave the latest ones only."""
    with suppress(OSError):
        for hidden in (False, True):
            for path in list(numbered(target, hidden=hidden).values())[:-KEPT]:
                path.unlink()
