"""`hakeep edit [FILE]`: edit the configuration safely, as visudo does with sudoers.

Without FILE it is the one that the running daemon uses, else /etc/hakeep/hakeep.conf, else keepalived's. You work on a
private copy with $VISUAL or $EDITOR. When you leave the editor it is examined as by `hakeep check --host`. If there are
errors, or warnings that are new, you are asked whether to edit again, to keep the old file, or to install the new one
anyway, which is not offered for what hakeepd would not start with. So you are when the file is empty now, or no
vrrp_instance is left. An included file is examined together with the configuration of the daemon that includes it.

The new file takes the old one's place as a whole, with its owner, mode and attributes. What was there before is kept
beside it as FILE~1, FILE~2 and so on: the highest number is the latest, and the ten latest stay. Then a daemon that
uses the file is asked to reload, and you see whether it did.

Only one can edit a file at a time. If the editor fails, the terminal goes or the disk is full, the file is as it was,
and you are told where your text is. Exit status 1 when nothing was installed that should have been, or when the daemon
does not run with it.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hakeep.cli.hakeep_connection import DONE, FAILED, Dead, add_socket_options, ask, socket_of
from hakeep.cli.hakeep_terminal import add_color_option, wants_color
from hakeep.report.protocol import ProtocolError, Refused, Status, decode_status

if TYPE_CHECKING:
    from hakeep.cli.editing.session import Session

INTERRUPTED = 130


class Running(NamedTuple):
    """The daemon: its configuration and pid, or why it cannot be asked."""

    config: str = ""
    pid: int = 0
    absent: str = ""


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="the configuration (default: the running daemon's)")
    parser.add_argument("-i", "--config-id", metavar="ID", help="for lines with @ID (default: host name)")
    parser.add_argument("--no-reload", action="store_true", help="leave the running daemon alone")
    add_color_option(parser)
    add_socket_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Edit; the exit status."""
    from hakeep.cli.editing import editor
    from hakeep.cli.editing.lock import Lock, Locked
    from hakeep.cli.editing.session import Trouble

    daemon = _running(socket_of(arguments))
    target = Path(os.path.realpath(arguments.file or daemon.config or _default()))
    try:
        lock = Lock(target)
    except Locked as locked:
        return _complain(f"{target} is being edited by {locked}")
    except OSError as error:
        return _complain(f"{target} cannot be edited: {_reason(error, target)}")
    try:
        session, uses = _session(arguments, target, daemon)
        installed = session.run()
    except (Trouble, editor.NoEditor) as trouble:
        return _complain(str(trouble))
    except editor.Ended as ended:
        return _silently(128 + ended.number)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return _silently(128 + signal.SIGHUP)  # the terminal went before the signal came
    except KeyboardInterrupt:
        print()
        return INTERRUPTED
    finally:
        lock.release()
    if not installed:
        return DONE if installed is None else FAILED
    return _reload(arguments, target, daemon, uses=uses)


def _running(socket: str) -> Running:
    try:
        snapshot = decode_status(ask(socket, Status()))
    except (Dead, Refused, ProtocolError) as error:
        return Running(absent=str(error))
    return Running(snapshot.config, snapshot.pid)


def _default() -> str:
    from hakeep.config.files import DEFAULT_PATHS

    return next((path for path in DEFAULT_PATHS if Path(path).exists()), DEFAULT_PATHS[0])


def _reason(error: OSError, target: Path) -> str:
    return f"there is no directory {target.parent}" if isinstance(error, FileNotFoundError) else str(error.strerror)


def _session(arguments: argparse.Namespace, target: Path, daemon: Running) -> tuple[Session, bool]:
    """A session, and whether the daemon uses the file. Raises Trouble and NoEditor."""
    from hakeep.cli.editing import editor
    from hakeep.cli.editing.judgement import Judge
    from hakeep.cli.editing.session import Session

    uses = bool(daemon.config) and _uses(daemon.config, target, arguments.config_id)
    judge = Judge(daemon.config if uses else str(target), target, arguments.config_id, daemon.pid if uses else 0)
    return Session(target, judge, editor.choose(os.environ), color=wants_color(arguments)), uses


def _uses(config: str, target: Path, config_id: str | None) -> bool:
    """Whether the file is that configuration or included by it."""
    from hakeep.config.files import load

    if os.path.realpath(config) == str(target):
        return True
    return str(target) in map(os.path.realpath, load(config, config_id=config_id).sources)


def _reload(arguments: argparse.Namespace, target: Path, daemon: Running, *, uses: bool) -> int:
    """Have the daemon take the new file; the exit status."""
    from hakeep.cli import hakeep_reload

    if daemon.absent:
        print(f"{daemon.absent}; the file counts from its next start")
    elif not uses:
        print(f"hakeepd uses {daemon.config}, not this file: it is not reloaded")
    elif arguments.no_reload:
        print("hakeepd is not reloaded; `hakeep reload` does it")
    else:
        return hakeep_reload.show(hakeep_reload.order(socket_of(arguments)), color=wants_color(arguments))
    return DONE


def _silently(status: int) -> int:
    """Nobody may be there to read what is still in the buffers."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    return status


def _complain(sentence: str) -> int:
    print(f"hakeep edit: {sentence}", file=sys.stderr)
    return FAILED
