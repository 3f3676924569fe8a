"""Runs inside User Mode Linux: ipvsadm(8) and `hakeep ipvs` side by side, and the backend on a real kernel.

    python ipvs_player.py FOLDER SCENE...       a JSON document for each scene into FOLDER

Nothing is judged here; that is done outside, in test_ipvs.py. The scenes follow each other in one namespace, and each
begins and ends with an empty table: the kernel's own order of services is that of a hash over the namespace.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
import traceback
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipvs_lines as lines

from hakeep.cli import hakeep

ROOT = Path(__file__).resolve().parents[2]

Done = dict[str, Any]


def theirs(line: str, said: str = "") -> Done:
    """Run ipvsadm."""
    done = subprocess.run(["ipvsadm", *line.split()], input=said, capture_output=True, text=True)
    return {"status": done.returncode, "output": done.stdout, "error": done.stderr}


def ours(line: str, said: str = "") -> Done:
    """Run `hakeep ipvs`, in this process."""
    before = sys.stdin
    sys.stdin = io.StringIO(said)
    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(io.StringIO()) as error:
        try:
            status: object = hakeep.main(["ipvs", *line.split()])
        except SystemExit as end:
            status = end.code
        finally:
            sys.stdin = before
    return {"status": status, "output": output.getvalue(), "error": error.getvalue()}


PROGRAMS: dict[str, Callable[..., Done]] = {"theirs": theirs, "ours": ours}


def seen(views: Sequence[str]) -> dict[str, dict[str, Done]]:
    """What both print of the present table."""
    return {name: {view: run(view) for view in views} for name, run in PROGRAMS.items()}


def accepted() -> Any:
    """The table, once made by each of the two."""
    record = {}
    for maker, run in PROGRAMS.items():
        theirs("-C")
        theirs("--set 900 120 300")
        done = {line: run(line) for line in lines.ACCEPTED}
        plain = seen(lines.VIEWS)
        more = {line: run(line) for line in (*lines.THRESHOLDS, *lines.MARKS)}
        late = seen(["-L -n", "-L -n --thresholds", "-L -n --nosort"])
        record[maker] = {"lines": done | more, "seen": plain, "seen later": late}
    return record


def refused() -> Any:
    """Line by line: how it ended, and the table afterwards where it is not what it was."""
    theirs("-R", "\n".join(lines.ACCEPTED))
    before = theirs("-S -n")["output"]
    record: dict[str, Any] = {}
    for line in (*lines.SENSELESS, *lines.IMPOSSIBLE):
        for name, run in PROGRAMS.items():
            record.setdefault(line, {})[name] = run(line)
            after = theirs("-S -n")["output"]
            record[line][name]["changed"] = after if after != before else ""
    return record


def restored() -> Any:
    """The rules of each, read by the other."""
    full = [*lines.MARKS, *lines.THRESHOLDS]
    record = {}
    for name, writer, options, reader, more in (
        ("ours to theirs", ours, "-S -n", theirs, lines.MARKS), ("theirs to ours", theirs, "-S -n", ours, []),
        ("names to ours", theirs, "-S", ours, []), ("ours in full to theirs", ours, "-S -n --exact", theirs, full),
        ("ours in full to ours", ours, "-S -n --exact", ours, full),
    ):  # fmt: skip
        theirs("-C")
        theirs("-R", "\n".join((*lines.ACCEPTED, *more)))
        saved = writer(options)["output"]
        before = ours("-S -n --exact")["output"]
        theirs("-C")
        done = reader("-R", saved)
        record[name] = {"done": done, "before": before, "after": ours("-S -n --exact")["output"]}
    theirs("-C")
    record["mistake"] = ours("-R", "-A -t 10.0.0.1:80\n-A -t 10.0.0.2\n")
    record["after the mistake"] = theirs("-S -n")["output"]
    record["partly"] = ours("-R", "# a comment\n\nipvsadm -A -t 10.0.0.1:80\n-A -t 10.0.0.1:80\n-A -t 10.0.0.2:80\n")
    record["after the part"] = theirs("-S -n")["output"]
    return record


def daemons() -> Any:
    """Each step by each, with what both list after it."""
    record: dict[str, Any] = {}
    for name, run in PROGRAMS.items():
        record[name] = [(line, run(line), theirs("-L --daemon"), ours("-L --daemon")) for line in lines.DAEMONS]
    return record


def connections() -> Any:
    """Live connections through real servers on this very host."""
    for command in ("addr add 10.9.0.1/32 dev lo", "-6 addr add 2001:db8:9::1/128 dev lo nodad"):
        subprocess.run(["ip", *command.split()], check=True)
    for line in ("-A -t 10.9.0.1:80 -s rr", "-a -t 10.9.0.1:80 -r 127.0.0.1:8080 -m",
                 "-A -t [2001:db8:9::1]:80 -s rr -p", "-a -t [2001:db8:9::1]:80 -r [::1]:8080 -m",
                 "-A -u 10.9.0.1:5060 -s rr -p 60 --pe sip", "-a -u 10.9.0.1:5060 -r 127.0.0.1:5061 -m"):
        assert ours(line)["status"] == 0, line
    with contextlib.ExitStack() as held:
        for family, at, to in ((socket.AF_INET, "127.0.0.1", "10.9.0.1"), (socket.AF_INET6, "::1", "2001:db8:9::1")):
            listener = held.enter_context(socket.create_server((at, 8080), family=family))
            for _ in range(3):
                client = held.enter_context(socket.create_connection((to, 80), timeout=5))
                held.enter_context(listener.accept()[0])
                client.sendall(b"x" * 1000)
        caller = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        caller.sendto(b"INVITE sip:a@b SIP/2.0\r\nCall-ID: 12345@example.org\r\n\r\n", ("10.9.0.1", 5060))
        record = {}
        for view in ("-Lnc", "-Lc", "-Lnc --persistent-conn", "-Ln", "-Ln --persistent-conn", "-Ln --stats",
                     "-Ln --stats --exact", "-Ln --rate", "-Ln --rate --exact"):
            for _ in range(20):  # while we look time goes on, and the counts are made up every two seconds
                first, found, second = theirs(view), ours(view), theirs(view)
                record[view] = {"theirs": first["output"], "ours": found["output"]}
                if first == second:
                    break
        deadline = time.monotonic() + 10
        while "  3  " not in ours("-Ln --stats")["output"] and time.monotonic() < deadline:
            time.sleep(0.2)
        record["counted"] = {"theirs": theirs("-Ln --stats")["output"], "ours": ours("-Ln --stats")["output"]}
    return record


def backend() -> Any:
    """The contract of backends, and what else the tests of this one want: what pytest says of each."""
    report = Path("/run/report.xml")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp=/run/pytest", "-rA",
         f"--junitxml={report}", "tests/lvs/backends/test_ipvs.py"],
        cwd=ROOT, env={**os.environ, "TMPDIR": "/run"}, capture_output=True, text=True)  # fmt: skip
    cases = {}
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
        trouble = [child for child in case if child.tag in ("failure", "error", "skipped")]
        cases[case.get("name", "")] = {
            "trouble": "".join(f"{each.tag}: {each.get('message')}\n{each.text}" for each in trouble),
            "seconds": float(case.get("time", 0))}
    return {"cases": cases, "status": done.returncode, "output": done.stdout[-20000:] + done.stderr[-2000:]}


SCENES: dict[str, Callable[[], Any]] = {
    each.__name__: each for each in (accepted, refused, restored, daemons, connections, backend)
}


def main(folder: Path, names: Sequence[str]) -> None:
    hosts = Path("/run/hosts")
    hosts.write_text(lines.HOSTS)
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)
    for name in names:
        theirs("-C")
        start = time.monotonic()
        try:
            record = {"result": SCENES[name]()}
        except BaseException:
            record = {"error": traceback.format_exc()}
        record["seconds"] = time.monotonic() - start
        theirs("-C")
        (folder / f"{name}.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
