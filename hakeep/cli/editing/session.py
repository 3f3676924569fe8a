"""One session: from opening the editor to the installed file, or to the old one.

Whatever happens, what was written is not lost: the draft goes only when it is installed, when it says nothing new, or
when somebody has said that the old file is to stay.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hakeep.cli.editing import copies, editor
from hakeep.cli.editing.draft import Draft
from hakeep.cli.editing.judgement import Judge, Judgement
from hakeep.cli.editing.question import ask, can_ask
from hakeep.cli.hakeep_file import replace_file

ENDS = (signal.SIGHUP, signal.SIGTERM)


class Trouble(Exception):
    """It cannot go on. The text is a sentence."""


def read(target: Path) -> bytes | None:
    """What the file holds, None if there is none. Raises Trouble."""
    try:
        if not target.is_file() and target.exists():
            raise Trouble(f"{target} is not a regular file")
        content = target.read_bytes()
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise Trouble(f"there is no directory {target.parent}") from None
        return None
    except OSError as error:
        raise Trouble(f"{target} cannot be read: {error.strerror}") from None
    if not os.access(target, os.W_OK):
        raise Trouble(f"you may not write {target}")
    return content


class Session:
    """Edits `target` with the editor's `command`."""

    def __init__(self, target: Path, judge: Judge, command: list[str], *, color: bool) -> None:
        self._target = target
        self._judge = judge
        self._command = command
        self._color = color
        self._original = read(target)
        try:
            self._draft = Draft(target, self._original or b"")
        except OSError as error:
            raise Trouble(f"there can be no private copy beside {target}: {error.strerror}") from None

    def run(self) -> bool | None:
        """True: there is a new file; None: nothing was changed; False: the old one stays. Raises Trouble, Ended,
        KeyboardInterrupt."""
        done = False
        with _ended_by_signals():
            try:
                result = self._until_decided()
                done = True
                return result
            finally:
                self._leave(done)

    def _until_decided(self) -> bool | None:
        while True:
            failure = editor.run(self._command, self._draft.path)
            content = self._content()
            if content == (self._original or b""):
                if failure:
                    raise Trouble(f"{self._command[0]} {failure}; {self._target} is unchanged")
                print(f"{self._target} is unchanged")
                return None
            if failure:
                raise Trouble(f"{self._command[0]} {failure}; {self._target} stays as it is")
            judgement = self._judge(content)
            print(judgement.render(color=self._color), end="")
            answer = self._decide(content, judgement)
            if answer == "i":
                self._install(content, judgement)
                return True
            if answer == "k":
                print(f"{self._target} stays as it is")
                return False

    def _content(self) -> bytes:
        try:
            return self._draft.read()
        except OSError as error:
            raise Trouble(f"{self._command[0]} left nothing to read: {error.strerror}; "
                          f"{self._target} stays as it is") from None

    def _decide(self, content: bytes, judgement: Judgement) -> str:
        """What is to be done: e, k or i."""
        before = self._judge(self._original or b"")
        doubts = list(self._doubts(content, idle=judgement.idle and not before.idle))
        for doubt in doubts:
            print(doubt)
        if not doubts and not judgement.fatal and not judgement.doubtful(before):
            return "i"
        answers = {"e": "(e)dit again", "k": "(k)eep the old file", "i": "(i)nstall anyway"}
        if judgement.fatal:
            print("hakeepd would not start with it")
            del answers["i"]
        if not can_ask():
            raise Trouble(f"{judgement.summary()}, and nobody can be asked what to do, because this is no terminal; "
                          f"{self._target} stays as it is")
        try:
            return ask(f"{judgement.summary()}:", answers)
        except EOFError:
            raise Trouble(f"nobody answers; {self._target} stays as it is") from None

    def _doubts(self, content: bytes, *, idle: bool) -> Iterator[str]:
        """What is odd about the draft as a whole. `idle`: the old file had something to do for a daemon, it has not."""
        if self._changed_meanwhile():
            yield f"{self._target} was changed by somebody else in the meantime"
        if not content.strip() and (self._original or b"").strip():
            yield "nothing is left in the file"
        if idle:
            yield "no vrrp_instance and no virtual_server is left: hakeepd would have nothing to do"

    def _changed_meanwhile(self) -> bool:
        try:
            return self._target.read_bytes() != self._original
        except FileNotFoundError:
            return self._original is not None
        except OSError as error:
            raise Trouble(f"{self._target} cannot be read any more: {error.strerror}") from None

    def _install(self, content: bytes, judgement: Judgement) -> None:
        copy: Path | None = None
        with _undisturbed():
            try:
                if self._target.exists():
                    copy = copies.keep(self._target)
                    if len(judgement.sources) > 1 and self._judge.takes_in(copy):
                        copy.unlink()
                        copy = copies.keep(self._target, hidden=True)
                    replace_file(str(self._target), content)
                else:
                    _create(self._target, content)
            except OSError as error:
                if copy:
                    copy.unlink(missing_ok=True)
                raise Trouble(f"{self._target} cannot be replaced: {error.strerror}; it stays as it is") from None
            copies.drop_old(self._target)
        kept = f"; what it was is in {copy}" if copy else ""
        print(f"{self._target} is installed{kept}")

    def _leave(self, done: bool) -> None:
        """The draft goes, unless it holds what is nowhere else."""
        with suppress(OSError):
            if not done and self._draft.read() != (self._original or b""):
                with suppress(OSError):  # the terminal may have gone
                    print(f"hakeep: what you wrote is in {self._draft.path}", file=sys.stderr, flush=True)
                return
        self._draft.remove()


def _create(target: Path, content: bytes) -> None:
    """A file that was not there, for its owner's eyes only."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    try:
        replace_file(str(target), content)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    def end(number: int, frame: object) -> None:
        raise editor.Ended(number)

    before = {number: signal.signal(number, end) for number in ENDS}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No signal ends us within."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*ENDS, signal.SIGINT, signal.SIGTSTP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
