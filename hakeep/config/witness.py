"""Whether reading a configuration again would come to the same, without reading it.

Reading is pure but for what it asks of the world: which files a pattern means and what they hold, and facts of this
host. So whoever notes these questions, with a digest of each answer, need only ask them again. That a new file matches
a pattern, that a script lost its execute permission, that an interface came: all this is among the answers. Only
random numbers are not, so a configuration that wants some is never taken for the same.

A director with 37,000 real servers takes many seconds to read, and configuration management that reloads it each time
it has looked at it should not cost that.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Hashable
from dataclasses import fields, replace
from functools import partial
from hashlib import sha256
from typing import Any

from hakeep.config.host import Host
from hakeep.config.includes import Opened, OpenFile

#: A question: what is asked (a field of Host, "host" for its plain facts, or "open"), and about what.
Question = tuple[Hashable, ...]

#: In a text that has it, numbers may be random.
RANDOM = "_RANDOM"


class Witness:
    """Attends one reading: give it what `opener` and `host` return in place of their arguments."""

    def __init__(self) -> None:
        self._answers: dict[Question, bytes] = {}
        self._certain = True

    def opener(self, opener: OpenFile) -> OpenFile:
        """Opens files, and notes what was found."""

        def opened(pattern: str, folder: str) -> Opened:
            found = opener(pattern, folder)
            self._answers["open", pattern, folder] = digest(found)
            self._certain = self._certain and not any(RANDOM in text for _, _, text in found.files)
            return found

        return opened

    def host(self, host: Host) -> Host:
        """The same host; what is asked of it is noted."""
        self._answers["host",] = digest(_plain(host))
        asked: dict[str, Any] = {
            each.name: partial(self._asked, each.name, fact) for each in fields(Host)
            if callable(fact := getattr(host, each.name))}
        return replace(host, **asked)

    def _asked(self, name: str, answer: Callable[[Any], Any], about: Hashable) -> Any:
        found = answer(about)
        self._answers[name, about] = digest(found)
        return found

    def evidence(self) -> bytes:
        """What `holds` needs to know; b"" when there can be no certainty."""
        return pickle.dumps(self._answers) if self._certain and self._answers else b""


def holds(evidence: bytes, opener: OpenFile, host: Host) -> bool:
    """Whether all questions have the answers that they had. `evidence` comes from a process of ours."""
    answers: dict[Question, bytes] = pickle.loads(evidence) if evidence else {}
    return bool(answers) and all(
        digest(_answer(question, opener, host)) == answer for question, answer in answers.items())


def _answer(question: Question, opener: OpenFile, host: Host) -> object:
    kind, *about = question
    if kind == "open":
        return opener(*map(str, about))
    if kind == "host":
        return _plain(host)
    fact = getattr(host, str(kind))
    return fact(*about) if fact is not None else None


def _plain(host: Host) -> list[object]:
    """The facts that are no functions, in one order."""
    facts = {each.name: getattr(host, each.name) for each in fields(Host)}
    return [(name, sorted(fact) if isinstance(fact, frozenset) else fact)
            for name, fact in facts.items() if not callable(fact)]


def digest(answer: object) -> bytes:
    """A digest of what an answer looks like."""
    return sha256(repr(answer).encode(errors="surrogatepass")).digest()
