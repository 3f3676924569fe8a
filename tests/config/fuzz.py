"""Mutated configurations, by the hundred thousand: reading one must never raise and never take long.

    python -m tests.config.fuzz --files 200000 [--seed N] [--from DIR]

Seeds are the real configurations of the corpus (when it is there), the sample configurations of the project, and texts
that use every way of expansion. A mutation is what people and bad disks do: lines that are lost, doubled, moved or
joined, braces and quotes too many or too few, words from elsewhere, control characters, halves of two files. What goes
wrong is printed with the seed that makes it again, and kept in a file.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from hakeep.config import reader as reader_module
from hakeep.config.definitions import Surroundings
from hakeep.config.host import Host
from hakeep.config.includes import Failure, Opened
from hakeep.config.loaded import assemble
from hakeep.config.reader import Reader
from hakeep.config.render import render

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
#: Seconds that one file may take; most take some milliseconds.
LIMIT = 10
#: Lines that one file may come to: sequences without end are to end sooner than in earnest.
LINES = 20_000

EXPANSIONS = """
$A=one
$B=$A two
$M= \\
 vrrp_instance V$i { \\
 interface eth$i \\
 virtual_router_id $i \\
 @here priority 10$i \\
 virtual_ipaddress { 10.0.$i.1/24 } \\
 }
~SEQ(i, 1, 3) $M
~LST({x,y}, {1,2}, {3,4}) static_routes { 10.$x.$y.0/24 dev eth0 }
~SEQx(h, 8, 12) $H$h=${B}
virtual_server 10.0.0.1 80 { real_server 10.0.0.2 80 { TCP_CHECK { connect_timeout 3 } } }
$R=$R
$LOOP=${LOOP} x
include one.conf
includea {a,b}.conf
vrrp_script chk { script "/bin/sh -c 'exit ${_RANDOM 0 3}'" }
notify "${_PWD}/x ${_ENV HOME} ${_HASH}${_BANG}" nobody
@^here global_defs { router_id ${_INSTANCE} }
"""

PIECES = (
    "{", "}", "{{", "}}", '"', "'", "\\", "\n", "\r\n", "\t", " ", "#", "!", "$", "${", "$A", "${A}", "$M",
    "~SEQ(i,1,3) ", "~SEQ(i,1,999999999) ", "~SEQx(", "~LST({a,b},{1,2}) ", "@here ", "@^here ", "@", "include x.conf",
    "includea *", "\0", "\ufeff", "ä", "\udc80", "\x7f", "\u00a0", "0", "-1", "256", "4294967296",
    "99999999999999999999", "1e9", "0x10", ".5", "1,5", "10.0.0.1", "10.0.0.1/33", "::1", "fe80::1%eth0", "1.2.3.4-9",
    "999.1.1.1", "global_defs", "vrrp_instance", "virtual_ipaddress", "interface", "virtual_router_id", "track_script",
    "group", "weight", "script", "real_server", "HTTP_GET", "url", "notify", "auth_pass", "unicast_peer", "dev", "via",
    "x" * 1100, "$A=$B", "$B=$A", "$S=~SEQ(j,2) $S",
)


def seeds() -> list[str]:
    """Texts to start from."""
    files = sorted([*CORPUS.glob("*.conf"), *(ROOT / "conf").rglob("*.conf")])
    small = [path for path in files if path.stat().st_size < 100_000]
    return [EXPANSIONS, *(path.read_text("utf-8", "surrogateescape") for path in small)]


def mutated(texts: list[str], dice: random.Random) -> str:
    """A text with one to some tens of changes."""
    text = dice.choice(texts)
    if dice.random() < 0.1:
        other = dice.choice(texts)
        text = text[: dice.randrange(len(text) + 1)] + other[dice.randrange(len(other) + 1) :]
    for _ in range(dice.choice((1, 1, 2, 3, 5, 20))):
        text = dice.choice(MUTATIONS)(text, dice)
    return text


def _insert(text: str, dice: random.Random) -> str:
    place = dice.randrange(len(text) + 1)
    return text[:place] + dice.choice(PIECES) + text[place:]


def _cut(text: str, dice: random.Random) -> str:
    place = dice.randrange(len(text) + 1)
    return text[:place] + text[place + dice.choice((1, 1, 2, 10, 100)) :]


def _swap_words(text: str, dice: random.Random) -> str:
    words = text.split(" ")
    one, two = dice.randrange(len(words)), dice.randrange(len(words))
    words[one], words[two] = words[two], words[one]
    return " ".join(words)


def _move_lines(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    at, size = dice.randrange(len(lines)), dice.choice((1, 1, 2, 5, 20))
    taken = lines[at : at + size]
    if dice.random() < 0.5:
        del lines[at : at + size]
    place = dice.randrange(len(lines) + 1)
    lines[place:place] = taken
    return "\n".join(lines)


def _join_lines(text: str, dice: random.Random) -> str:
    place = text.find("\n", dice.randrange(len(text) + 1))
    return text if place < 0 else text[:place] + dice.choice(("", " ", " \\\n")) + text[place + 1 :]


def _flip(text: str, dice: random.Random) -> str:
    if not text:
        return text
    data = bytearray(text.encode("utf-8", "surrogateescape"))
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data.decode("utf-8", "surrogateescape")


def _lose_sign(text: str, dice: random.Random) -> str:
    places = [place for place, char in enumerate(text) if char in "{}\"$"]
    if not places:
        return text
    place = dice.choice(places)
    return text[:place] + text[place + 1 :]


MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    _insert, _insert, _cut, _swap_words, _move_lines, _join_lines, _flip, _lose_sign)


def judge(text: str, texts: list[str], dice: random.Random) -> None:
    """Read, bind, settle, check and render a text. Raises whatever goes wrong."""
    def open_file(pattern: str, folder: str) -> Opened:
        if dice.random() < 0.5:
            return Opened(failures=(Failure("match", f"{pattern} does not exist"),))
        return Opened(((pattern, folder, dice.choice(texts)[:2000]),))

    reader = Reader(open_file, Surroundings("here", {"HOME": "/root"}, seed=1))
    known = frozenset({"lo", "eth0"}) if dice.random() < 0.3 else None
    loaded = assemble(reader.read("main.conf", "/etc/hakeep", text), reader, Host(known_interfaces=known))
    if loaded.exit_status() not in (0, 2, 4, 5, 6) or loaded.run_status() not in (0, 2, 6):
        raise AssertionError("a status that is none")
    for diagnostic in [*loaded.diagnostics, *loaded.unsupported()][:50]:
        if not render(diagnostic, loaded.sources):
            raise AssertionError("a diagnostic without text")


class TooLong(Exception):
    """Reading took longer than LIMIT."""


def _late(_signal: int, _frame: FrameType | None) -> None:
    raise TooLong


def run(files: int, seed: int) -> Iterator[tuple[int, str, str]]:
    """Judge so many texts; yield (seed, text, traceback) for each that goes wrong."""
    texts = seeds()
    before = signal.signal(signal.SIGALRM, _late)
    lines, reader_module.LINES_LIMIT = reader_module.LINES_LIMIT, LINES
    try:
        for number in range(seed, seed + files):
            dice = random.Random(number)
            text = mutated(texts, dice)
            signal.alarm(LIMIT)
            try:
                judge(text, texts, dice)
            except Exception:
                yield number, text, traceback.format_exc()
            finally:
                signal.alarm(0)
    finally:
        reader_module.LINES_LIMIT = lines
        signal.signal(signal.SIGALRM, before)


def main() -> int:
    """The command line; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=2000, help="how many texts")
    parser.add_argument("--seed", type=int, default=0, help="number of the first one")
    parser.add_argument("--keep", type=Path, default=None, help="folder for texts that go wrong")
    arguments = parser.parse_args()
    start, wrong = time.monotonic(), 0
    for number, text, trouble in run(arguments.files, arguments.seed):
        wrong += 1
        print(f"--- seed {number}\n{trouble}", flush=True)
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            (arguments.keep / f"{number}.conf").write_text(text, "utf-8", "surrogateescape")
    seconds = time.monotonic() - start
    print(f"{arguments.files} files from seed {arguments.seed}, {wrong} went wrong, {seconds:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
