"""Scripts: are they allowed, do they exist, does their user.

keepalived's test mode fails a configuration with scripts but without enable_script_security, however good they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hakeep.config.diagnostic import Code, Findings, Verdict
from hakeep.config.host import Host
from hakeep.config.keywords.static import ROOT, Config
from hakeep.config.schema import Block, Section
from hakeep.config.settled import Script
from hakeep.config.span import Span


class _Use(NamedTuple):
    """A command, its keyword and place, and the outermost section that it stands in."""

    keyword: str
    script: Script
    span: Span | None
    top: Section


def check_scripts(config: Config, host: Host, findings: Findings) -> None:
    """Security, existence and accounts of all scripts."""
    idle = _idle(config)
    secure = bool(config.global_defs and config.global_defs.enable_script_security)
    first: Span | None = None
    found = False
    for keyword, script, span, top in _scripts(config, ROOT, None):
        problem = host.script_problem(script) if host.script_problem else ""
        if script.argv[0][0] in "<>|&;":
            findings.warning(Code.SCRIPT, f"{keyword}: '{script.argv[0]}' is no program, and no shell reads it", span,
                             fix=f"write /bin/sh -c '{' '.join(script.argv)}' in double quotes")
        elif problem:
            counts = keyword == "script" and id(top) not in idle
            findings.warning(Code.SCRIPT, f"{keyword}: {problem}", span, note="it will not run",
                             verdict=Verdict.GENERAL if counts else Verdict.OK)
        elif _account_is_known(script, keyword, span, host, findings) and not found and id(top) not in idle:
            found, first = True, span
    if found and not secure:
        findings.warning(
            Code.SCRIPT_SECURITY, "scripts are run without enable_script_security", first,
            note="anybody who can change a script that root runs is root", verdict=Verdict.SECURITY,
            fix="put enable_script_security into global_defs, and a script_user")


def _account_is_known(script: Script, keyword: str, span: Span | None, host: Host, findings: Findings) -> bool:
    if host.users is not None and script.user and script.user not in host.users and not script.user.isdecimal():
        findings.error(Code.UNKNOWN_USER, f"{keyword}: there is no user {script.user}", span, note="it will not run",
                       fix='quote command and arguments together: "COMMAND ARG" USER')
    elif host.groups is not None and script.group and script.group not in host.groups:
        findings.error(Code.UNKNOWN_USER, f"{keyword}: there is no group {script.group}", span)
    else:
        return True
    return False


def _scripts(section: Section, block: Block, top: Section | None) -> Iterator[_Use]:
    """Every command of the configuration."""
    for field, value in section.given():
        if isinstance(value, Script):
            if value.argv:
                yield _Use(block.fields[field].name, value, section.span(field), top or section)
        elif value and field in block.fields and isinstance(kind := block.fields[field].value, Block):
            for inner in value if isinstance(value, tuple) else (value,):
                yield from _scripts(inner, kind, top or inner)


def _idle(config: Config) -> set[int]:
    """Sections (by id) that are left out or never run, so that their scripts are not either."""
    instances = {instance.name for instance in config.vrrp_instance}
    idle: list[Section] = [] if instances else list(config.vrrp_script)
    idle += [group for group in config.vrrp_sync_group if instances.isdisjoint(group.group)]
    idle += [s for s in config.virtual_server if not s.get("real_server") and not s.get("sorry_server")]
    return {id(section) for section in idle}
