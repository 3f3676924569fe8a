"""The only part of reading a configuration that touches the world: files, patterns, environment, this host.

Patterns follow keepalived: braces are expanded first, then each alternative is matched by glob; a relative name starts
from the folder of the file that includes it. A file must be regular and have no execute permission.

What is no configuration at all (a device, a program, a hundred megabytes in one line) must cost neither memory nor
time: such files are told by a look at their beginning, and lines that reading will drop are cut short here already.
"""

from __future__ import annotations

import gc
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from glob import escape, has_magic, iglob
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import BinaryIO

from hakeep.config import backends
from hakeep.config.definitions import Surroundings
from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.forms import is_yaml
from hakeep.config.host import USUAL_FOLDERS, Host, NameFolders
from hakeep.config.includes import CHECKS, FILES_LIMIT, Failure, Opened, OpenFile
from hakeep.config.keywords.static import ROOT, Config
from hakeep.config.loaded import Loaded, assemble, conclude
from hakeep.config.reader import LINE_LIMIT, LINES_LIMIT, Reader
from hakeep.config.settle.names import WELL_KNOWN, number
from hakeep.config.settled import Script
from hakeep.config.settled_lvs import Pattern
from hakeep.config.witness import Witness

__all__ = ["DEFAULT_PATHS", "Host", "Loaded", "load", "this_host"]

#: Where the configuration is looked for when the command line names none.
DEFAULT_PATHS = ("/etc/hakeep/hakeep.conf", "/etc/keepalived/keepalived.conf")
#: No file may be larger than this, in bytes, when lines that are too long have been cut.
SIZE_LIMIT = 128 << 20
#: How much of a file is looked at to see whether it is text.
_SAMPLE = 4096
#: So many braces no name of a file has: each takes a turn.
_BRACES_LIMIT = 100
#: How much is read at a time: of nearly all files, all of it.
_BLOCK = 16 << 20
#: Four bytes a character at most: what is left of a line that is too long has too many characters still.
_OVERLONG = re.compile(rb"^([^\n]{%d})[^\n]+" % (LINE_LIMIT * 4), re.MULTILINE)


def load(
    path: str, *, config_id: str | None = None, all_config: bool = False, host: Host | None = None,
    environment: Mapping[str, str] | None = None, unsaved: Mapping[str, str] | None = None,
    witness: Witness | None = None,
) -> Loaded:
    """Read, bind, settle and check the configuration at `path` (which may be a pattern). Never raises for its content.

    `config_id` decides @ID lines; None: the host name up to its first dot. `all_config` makes every failed include an
    error. `host` holds facts to judge by; `this_host` has those of the machine we are on. `unsaved` are texts that
    count instead of what the files hold, by the files' real paths: what is in an editor. Such a file need not exist.
    A `witness` is told what was asked of the world.
    """
    if not path:
        return _no_file("the name of the configuration file is empty")
    opener: OpenFile = partial(open_files, unsaved=unsaved) if unsaved else open_files
    opener = witness.opener(opener) if witness else opener
    surroundings = Surroundings(
        config_id=os.uname().nodename.partition(".")[0] if config_id is None else config_id,
        environment=os.environ if environment is None else environment, seed=time.time_ns())
    reader = Reader(opener, surroundings, checks=CHECKS if all_config else frozenset())
    opened = opener(path, os.curdir)
    if not opened.files:
        return _no_file(opened.failures[0].what if opened.failures else f"{path} does not exist")
    for failure in opened.failures:
        reader.diagnostics.append(Diagnostic(Code.FILE_UNUSABLE, Severity.ERROR, failure.what,
                                             verdict=Verdict.INCLUDE if all_config else Verdict.OK))
    host = host or Host()
    host = host if host.read_file else replace(host, read_file=read_file)
    host = witness.host(host) if witness else host
    if any(is_yaml(name, text[:_SAMPLE]) for name, _, text in opened.files):
        return _load_yaml(opened, reader.diagnostics, host)
    collecting = gc.isenabled()
    gc.disable()  # all that is made is kept: to look for garbage again and again would take longer than reading
    try:
        files = [reader.read(name, folder, text) for name, folder, text in opened.files]
        # what is large is handed on, not kept here
        return assemble(files.pop() if len(files) == 1 else list(chain.from_iterable(files)), reader, host)
    finally:
        if collecting:
            _grow_old()
            gc.enable()


def _grow_old() -> None:
    """Take all that was made out of the next look for garbage: it would find none, and take a sixth of the time that
    reading took. (To thaw makes old what was young; but what somebody else froze is to stay frozen.)"""
    frozen = gc.get_freeze_count()
    gc.freeze()
    if not frozen:
        gc.unfreeze()


def _no_file(reason: str) -> Loaded:
    missing = Diagnostic(Code.FILE_MISSING, Severity.ERROR, reason, verdict=Verdict.FILE_NOT_FOUND, stops=True,
                         note="this is the main configuration file")
    return Loaded(Config(), None, (missing,))


def _load_yaml(opened: Opened, diagnostics: list[Diagnostic], host: Host) -> Loaded:
    """The configuration of a YAML file: see `hakeep.config.forms.shaping`."""
    from hakeep.config.forms.nodes import Refused
    from hakeep.config.forms.shaping import tree

    sources = {name: text for name, _, text in opened.files}
    name, _, text = opened.files[0]
    if len(sources) > 1:
        several = Diagnostic(Code.SHAPE, Severity.ERROR, "a YAML configuration is one file, and here are several",
                             note=" ".join(sources), stops=True)
        return Loaded(Config(), None, (several,), sources)
    try:
        return conclude(tree(name, text, ROOT), diagnostics, sources, host)
    except Refused as refused:
        return Loaded(Config(), None, (*diagnostics, refused.diagnostic), sources)


# ------------------------------------------------------------------------------------------------------------ files


def open_files(pattern: str, folder: str, *, unsaved: Mapping[str, str] | None = None) -> Opened:
    """The files that a pattern means, read, and what failed. See the module's docstring for the rules, `load` for
    `unsaved`."""
    unsaved = unsaved or {}
    found: dict[str, None] = {}
    failures: list[Failure] = []
    if pattern.count("{") > _BRACES_LIMIT:
        return Opened((), (Failure("match", f"there are more than {_BRACES_LIMIT} braces in a file's name"),))
    alternatives = expand_braces(pattern)
    for alternative in alternatives[:FILES_LIMIT]:
        matches = sorted(islice(iglob(str(Path(escape(folder)) / alternative)), FILES_LIMIT + 1))  # noqa: PTH207
        if not matches and os.path.realpath(Path(folder) / alternative) in unsaved:
            matches = [str(Path(folder) / alternative)]
        found.update(dict.fromkeys(matches))
        if not matches and has_magic(alternative):
            failures.append(Failure("wildcard_match", f"no file matches {alternative}"))
        elif not matches and len(alternatives) > 1:
            failures.append(Failure("brace_match", f"{alternative} does not exist"))
    if not found:
        failures.insert(0, Failure("match", f"no file matches {pattern}" if len(alternatives) > 1 or has_magic(pattern)
                                   else f"{pattern} does not exist"))
    if max(len(found), len(alternatives)) > FILES_LIMIT:
        return Opened((), (Failure("match", f"{pattern} means more than {FILES_LIMIT} files; none is read"),))
    files: list[tuple[str, str, str]] = []
    for name in found:
        text = _text_of(name, unsaved)
        if isinstance(text, Failure):
            failures.append(text)
        else:
            files.append((name, str(Path(name).absolute().parent), text))
    return Opened(tuple(files), tuple(failures))


def _text_of(name: str, unsaved: Mapping[str, str]) -> str | Failure:
    """What counts as the content of a file: an unsaved text, else what it holds."""
    text = unsaved.get(os.path.realpath(name)) if unsaved else None
    if text is None:
        return _read_text(name)
    problem = _not_text(text[:_SAMPLE].encode("utf-8", "surrogateescape"))
    if os.access(name, os.X_OK):
        problem = "has execute permission, so it is not taken for a configuration file"
    return Failure("read", f"{name} {problem}") if problem else text


def _read_text(name: str) -> str | Failure:
    try:
        # O_NONBLOCK: opening a FIFO must not wait for a writer
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return Failure("read", f"{name} cannot be read: {error.strerror}")
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        return Failure("read", f"{name} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if mode & 0o111:
            return Failure("read", f"{name} has execute permission, so it is not taken for a configuration file")
        try:
            problem = _not_text(file.peek(_SAMPLE)[:_SAMPLE])
            content = b"" if problem else _content(file)
        except OSError as error:
            return Failure("read", f"{name} cannot be read: {error.strerror}")
    if len(content) > SIZE_LIMIT:
        problem = f"is larger than {SIZE_LIMIT >> 20} MiB"
    elif content.count(b"\n") > LINES_LIMIT:
        problem = f"has more than {LINES_LIMIT} lines"
    return Failure("read", f"{name} {problem}") if problem else content.decode("utf-8", "surrogateescape")


def _not_text(sample: bytes) -> str:
    """What a file is that begins like this, if it is not text. A stray control character does not make it binary."""
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "is UTF-16 text; save it as UTF-8"
    controls = len(sample) - len(sample.translate(None, bytes({*range(32), 127} - {*b"\t\n\v\f\r\x1b"})))
    return "is not text: it looks like a program or like compressed data" if controls > 3 + len(sample) // 20 else ""


def _content(file: BinaryIO) -> bytes:
    """The bytes of a file up to the limits and a little more, the lines that are too long cut but still too long."""
    block = file.read(_BLOCK) or b""  # None: some of /proc say that there is nothing to be read yet
    if len(block) < _BLOCK:
        return block
    pieces: list[bytes] = []
    size = lines = 0
    while block and size <= SIZE_LIMIT and lines <= LINES_LIMIT:
        pieces.append(_OVERLONG.sub(rb"\1", block))
        size += len(pieces[-1])
        lines += pieces[-1].count(b"\n")
        block = file.read(_BLOCK) or b""
    return _OVERLONG.sub(rb"\1", b"".join(pieces))


def expand_braces(pattern: str) -> list[str]:
    """``a{b,c}`` as ``ab`` and ``ac``, innermost braces last, as GLOB_BRACE does. Of more than FILES_LIMIT
    alternatives only one more than that."""
    return list(islice(_alternatives(pattern), FILES_LIMIT + 1))


def _alternatives(pattern: str) -> Iterator[str]:
    start = pattern.find("{")
    while start >= 0:
        depth, cuts = 0, [start]
        for position in range(start, len(pattern)):
            char = pattern[position]
            depth += (char == "{") - (char == "}")
            if char == "," and depth == 1:
                cuts.append(position)
            if depth == 0:
                cuts.append(position)
                head, tail = pattern[:start], pattern[position + 1 :]
                for a, b in pairwise(cuts):
                    yield from _alternatives(head + pattern[a + 1 : b] + tail)
                return
        start = pattern.find("{", start + 1)
    yield pattern


def read_file(path: str, most: int = 4096) -> bytes | None:
    """A small file's bytes, `most` at most, None if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(most)
    except OSError:
        return None


# ------------------------------------------------------------------------------------------------------------- host


def this_host() -> Host:
    """The facts of the machine we are on, as they are now."""
    import grp
    import pwd
    import socket

    try:
        # Not /sys/class/net: that shows the namespace it was mounted in, which need not be the one we are in.
        interfaces: frozenset[str] | None = frozenset(name for _, name in socket.if_nameindex())
    except OSError:
        interfaces = None
    names = find_names(USUAL_FOLDERS)
    return Host(
        known_interfaces=interfaces,
        users=frozenset(account.pw_name for account in pwd.getpwall()),
        groups=frozenset(group.gr_name for group in grp.getgrall()),
        cpus=os.cpu_count(),
        script_problem=script_problem,
        read_file=read_file,
        tables=frozenset(names["rt_tables"]) | WELL_KNOWN["rt_tables"].keys(),
        names=names,
        find_names=find_names,
        backend_problem=backend_problem,
        pattern_problem=pattern_problem,
    )


def find_names(folders: NameFolders) -> dict[str, dict[str, int]]:
    """The numbers that iproute2's files (see ip-route(8)) and /etc/protocols give names to, by file. Of two that say
    different things the one in `folders.etc` counts."""
    usual = ("/usr/lib/iproute2", "/usr/share/iproute2")
    found: dict[str, dict[str, int]] = {"protocols": _protocols()}
    for file in ("rt_tables", "rt_protos", "rt_dsfield", "rt_realms", "group"):
        names = found[file] = {}
        for folder in (*([folders.usr] if folders.usr else usual), folders.etc):
            for path in (Path(folder, file), *sorted(Path(folder, f"{file}.d").glob("*.conf"))):
                content = read_file(str(path), 1 << 20) or b""
                lines = [line.partition("#")[0].split() for line in content.decode("utf-8", "replace").splitlines()]
                names.update((words[1], number(words[0])) for words in lines
                             if len(words) == 2 and re.fullmatch(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*", words[0]))
    return found


def _protocols() -> dict[str, int]:
    content = read_file("/etc/protocols", 1 << 20) or b""
    lines = [line.partition("#")[0].split() for line in content.decode("utf-8", "replace").splitlines()]
    return {name: int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal() for name in words}


def backend_problem(name: str) -> str:
    """Why virtual servers cannot be done by a backend of this name, "" if one is installed. It is not loaded."""
    if name in backends.BUILT_IN:
        return ""
    from importlib.metadata import entry_points  # takes long

    others = sorted({point.name for point in entry_points(group=backends.GROUP)})
    known = ", ".join([*backends.BUILT_IN, *others])
    return "" if name in others else f"there is no such backend; there are {known}"


def pattern_problem(pattern: Pattern) -> str:
    """Why a page cannot be searched for this expression here, "" if it can."""
    from hakeep.lvs.patterns import unsupported  # only few configurations have one

    return unsupported(pattern)


def script_problem(script: Script) -> str:
    """What keeps the script from running, "" if nothing does. A bare name is looked for in PATH."""
    name = script.argv[0]
    if "/" not in name:
        for folder in os.environ.get("PATH", os.defpath).split(":"):
            if not _file_problem(Path(folder or ".") / name):
                return ""
        return f"{name} is not in PATH"
    return _file_problem(Path(name))


def _file_problem(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"{path}: {error.strerror}"
    if not stat.S_ISREG(mode):
        return f"{path} is not a regular file"
    return "" if mode & 0o111 else f"{path} is not executable"
