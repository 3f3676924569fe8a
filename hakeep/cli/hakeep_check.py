"""`hakeep check FILE...`: what is wrong with configuration files, where, and what would put it right.

The text alone is judged; with --host also by what this machine has. It also names what hakeep would not act on. Several
files are those of several hosts, and are compared: do they work together? Of each sync group it tells which failures
move it. With --explain it tells who is master, and after which failures who takes over in how many seconds.

Exit status 1 when a file is so wrong that hakeepd would not start with it or the files do not work together, with
--strict for any error. Warnings and notes leave it 0, also those about what hakeep does not do. `hakeepd -t` has
keepalived's exit statuses instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hakeep.cli.hakeep_connection import DONE, FAILED
from hakeep.cli.hakeep_terminal import add_color_option, wants_color

if TYPE_CHECKING:
    from hakeep.config.diagnostic import Diagnostic
    from hakeep.config.loaded import Loaded
    from hakeep.vrrp.pair import Lineup

FORMATS = ("text", "concise", "json", "sarif")


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare the arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="main configuration files, one of each host "
                        "(includes are followed)")
    parser.add_argument("--explain", action="store_true", help="tell who is master, and who takes over after which "
                        "failure, and when")
    parser.add_argument("--host", action="store_true", help="judge by this machine's interfaces, users and scripts too")
    parser.add_argument("--strict", action="store_true", help="refuse any error, as hakeepd --strict does")
    parser.add_argument("-i", "--config-id", metavar="ID", help="for lines with @ID (default: host name)")
    parser.add_argument("--format", choices=FORMATS, default="text", help="text (default), concise (one line each), "
                        "json (one object a line), or sarif")
    add_color_option(parser)


class _Report(NamedTuple):
    """What was found in `title`, a file or all of them together. `sources` has the text of the files by name."""

    title: str
    sources: Mapping[str, str]
    diagnostics: list[Diagnostic]


def run(arguments: argparse.Namespace) -> int:
    """Examine each file by itself, then all together; the exit status."""
    from hakeep.config.files import load

    host = None
    if arguments.host:
        from hakeep.kernel.inspection import inspect_host

        host = inspect_host()
    loaded = {path: load(path, config_id=arguments.config_id, host=host) for path in arguments.files}
    reports = [_Report(path, one.sources, [*one.diagnostics, *one.unsupported()]) for path, one in loaded.items()]
    refused = [report.title for report in reports if _refused(report.diagnostics, arguments.strict)]
    lineups, together = _together({path: one for path, one in loaded.items() if not one.fatal})
    fit = not _refused(together.diagnostics, strict=True)
    if len(loaded) > 1 and not any(one.fatal for one in loaded.values()):
        reports.append(together)
    _PRINTERS[arguments.format](reports, arguments)
    if arguments.format == "text" and len(loaded) > 1 and together not in reports:
        print("together: not compared, for not all of them would start")
    if arguments.format == "text":
        _tell_of_groups(loaded)
    if arguments.explain and arguments.format in ("text", "concise"):
        _explain(lineups)
    return FAILED if refused or not fit else DONE


def _together(loaded: Mapping[str, Loaded]) -> tuple[list[Lineup], _Report]:
    """The virtual routers of all hosts, and what does not fit between these."""
    from hakeep.vrrp.pair import judge

    names = [Path(path).name for path in loaded]
    distinct = len(set(names)) == len(names)
    lineups, diagnostics = judge(dict(zip(names if distinct else loaded, loaded.values(), strict=True)))
    sources = {name: text for one in loaded.values() for name, text in one.sources.items()}
    return lineups, _Report("together", sources, diagnostics)


def _tell_of_groups(loaded: Mapping[str, Loaded]) -> None:
    """What each sync group does when one link dies: members share their failures, which is easily forgotten."""
    from hakeep.vrrp.pair.groups import group_fates

    for path, one in loaded.items():
        for fate in group_fates(one.settings) if one.settings and not one.fatal else ():
            print(f"{path}: {fate}" if len(loaded) > 1 else fate)


def _explain(lineups: Sequence[Lineup]) -> None:
    from hakeep.vrrp.pair import obstacles, prospects

    for lineup in lineups:
        print(f"\n{lineup.title}")
        errors = obstacles(lineup, lineups)
        apart = bool(errors) and len(lineup.sides) == 1  # only by mistake, so what it would do alone is of no use
        if errors:
            print(f"  {'no forecast' if apart else 'this does not hold'} before the errors are mended:")
            for error in errors:
                print(f"    {error.code.value}: {error.note or error.message}")
        for prospect in () if apart else prospects(lineup):
            print(f"  {prospect}")


def _refused(diagnostics: Sequence[Diagnostic], strict: bool) -> bool:
    """True if hakeepd does not start with the file, or is not to."""
    from hakeep.config.diagnostic import Severity

    return any(d.stops or (strict and d.severity is Severity.ERROR) for d in diagnostics)


def _print_text(reports: Sequence[_Report], arguments: argparse.Namespace) -> None:
    from hakeep.config.render import render_all, summary

    for report in reports:
        for said in render_all(report.diagnostics, report.sources, color=wants_color(arguments)):
            print(f"{said}\n")
        print(f"{report.title}: {summary(report.diagnostics)}")


def _print_concise(reports: Sequence[_Report], arguments: argparse.Namespace) -> None:
    from hakeep.config.render import render_all

    for report in reports:
        for said in render_all(report.diagnostics, report.sources, concise=True):
            print(said)


def _print_json(reports: Sequence[_Report], arguments: argparse.Namespace) -> None:
    from hakeep.config.render import render_json

    for report in reports:
        sys.stdout.write(render_json(report.diagnostics, report.title))


def _print_sarif(reports: Sequence[_Report], arguments: argparse.Namespace) -> None:
    import json

    from hakeep import __version__
    from hakeep.cli.hakeep_explain import all_pages
    from hakeep.config.sarif import sarif

    results = [(report.title, diagnostic) for report in reports for diagnostic in report.diagnostics]
    print(json.dumps(sarif(results, all_pages(), version=__version__), indent=1))


_PRINTERS = {"text": _print_text, "concise": _print_concise, "json": _print_json, "sarif": _print_sarif}
