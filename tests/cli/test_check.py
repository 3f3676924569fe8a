"""`hakeep check`, `hakeep explain` and `hakeepd --strict`: what they print and exit with."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import call
from tests.config.verdicts import cases

PROGRAMS = Path(sys.executable).parent

GOOD = """\
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        192.0.2.100/24
    }
}
"""
FATAL = GOOD.replace("51", "256")
WRONG = GOOD.replace("priority 100", "prioritty 100")  # keepalived complains and runs
#: hakeep does not do that.
IPSETS = "namespace_with_ipsets\n"
TWICE = GOOD + GOOD.replace("192.0.2.100", "192.0.2.101")
#: An interface 'vip0' with 192.0.2.11/24, in a network namespace that ends with the command.
IN_NAMESPACE = ["unshare", "--net", "sh", "-c", "ip link add vip0 type veth peer name vip1 && "
                'ip addr add 192.0.2.11/24 dev vip0 && exec "$@"', "sh"]

#: Files of the corpus that keepalived accepts without a word.
UNREAD = tomllib.loads((Path(__file__).parent.parent / "config" / "differences.toml").read_text())["unread"]
CLEAN = [case for case in cases() if case.section == "B" and not case.status and not case.messages
         and case.file not in UNREAD]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a program in the test's folder: the daemon, and what runs in a namespace, as it is installed."""

    def run(program: str, *words: str, before: tuple[str, ...] | list[str] = ()) -> subprocess.CompletedProcess[str]:
        if program == "hakeep" and not before:
            return call(*words, folder=tmp_path, COLUMNS="100")
        return subprocess.run([*before, str(PROGRAMS / program), *words], cwd=tmp_path, capture_output=True, text=True,
                              timeout=60, env={**os.environ, "COLUMNS": "100"})

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
        return name

    return write


# ---------------------------------------------------------------------------------------------------------------- text


def test_a_good_file(run: Run, write: Any) -> None:
    done = run("hakeep", "check", write("good.conf", GOOD))
    assert (done.returncode, done.stdout, done.stderr) == (0, "good.conf: no problems found\n", "")


def test_what_stops_the_daemon_fails(run: Run, write: Any) -> None:
    done = run("hakeep", "check", write("fatal.conf", FATAL))
    assert done.returncode == 1
    assert done.stdout == """\
error[HK202]: virtual_router_id: 256 is outside 1..255
 --> fatal.conf:3:23
  |
3 |     virtual_router_id 256
  |                       ^^^
  = note: usage: virtual_router_id VRID (1..255)

fatal.conf: 1 error
"""


def test_what_does_not_stop_it_fails_only_when_strict(run: Run, write: Any) -> None:
    path = write("wrong.conf", WRONG)
    done = run("hakeep", "check", path)
    assert (done.returncode, done.stdout.count("error[HK101]")) == (0, 1)
    assert run("hakeep", "check", "--strict", path).returncode == 1
    note = write("note.conf", GOOD.replace("priority 100", "advert_int 20"))
    assert run("hakeep", "check", "--strict", note).returncode == 0


def test_a_second_place_is_shown(run: Run, write: Any) -> None:
    out = run("hakeep", "check", write("twice.conf", TWICE)).stdout
    assert """\
 ::: twice.conf:1:15 (first defined here)
  |
1 | vrrp_instance VI_1 {
  |               ----
""" in out


def test_a_file_that_is_not_there(run: Run) -> None:
    done = run("hakeep", "check", "none.conf")
    assert (done.returncode, done.stderr) == (1, "")
    assert "none.conf does not exist" in done.stdout


def test_lines_for_another_host(run: Run, write: Any) -> None:
    path = write("two.conf", GOOD.replace("priority 100", "@a priority 900\n@b priority 90"))
    assert "HK202" in run("hakeep", "check", "-i", "a", path).stdout
    assert run("hakeep", "check", "--config-id", "b", path).stdout == "two.conf: no problems found\n"


@pytest.mark.parametrize(("words", "environment", "colored"), [
    ([], {}, True), (["--color", "never"], {}, False), ([], {"NO_COLOR": "1"}, False), ([], {"TERM": "dumb"}, False)])
def test_colors_on_a_terminal(
    tmp_path: Path, write: Any, words: list[str], environment: dict[str, str], colored: bool
) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [PROGRAMS / "hakeep", "check", *words, write("fatal.conf", FATAL)], stdin=follower, stdout=follower,
        stderr=follower, cwd=tmp_path, env={"PATH": os.environ["PATH"], "TERM": "xterm", **environment})
    os.close(follower)
    seen = b""
    try:
        while data := os.read(leader, 65536):
            seen += data
    except OSError:  # the other end is closed
        pass
    os.close(leader)
    assert process.wait(60) == 1
    assert (b"\x1b[1;31merror[HK202]\x1b[0m" in seen) == colored
    assert (b"\x1b" in seen) == colored


# ------------------------------------------------------------------------------------------------- real configurations


@pytest.mark.thorough
@pytest.mark.skipif(not CLEAN, reason="the corpus of real configurations is not here")
def test_what_keepalived_finds_clean_has_no_error(run: Run) -> None:
    """Not even where hakeep cannot do yet what is asked for; the daemon then says so when it is started."""
    wrong = {}
    for case in CLEAN:
        words = ["--config-id", case.config_id] if case.config_id else []
        done = run("hakeep", "check", "--format", "json", *words, str(case.path))
        found = [json.loads(line) for line in done.stdout.splitlines()]
        errors = [each["message"] for each in found if each["severity"] == "error"]
        if errors or done.returncode or done.stderr:
            wrong[case.file] = (errors, done.returncode, done.stderr)
    assert wrong == {}


def test_what_hakeep_cannot_do_is_a_warning(run: Run, write: Any) -> None:
    path = write("ipsets.conf", IPSETS + GOOD)
    done = run("hakeep", "check", "--strict", "--format", "json", path)
    (found,) = (json.loads(line) for line in done.stdout.splitlines())
    assert (found["code"], found["severity"], found["stops"], done.returncode) == ("HK902", "warning", False, 0)


# ------------------------------------------------------------------------------------------------------- for programs


def test_one_line_each(run: Run, write: Any) -> None:
    done = run("hakeep", "check", "--format", "concise", write("fatal.conf", FATAL), write("good.conf", GOOD))
    assert done.stdout == "fatal.conf:3:23: error: virtual_router_id: 256 is outside 1..255 [HK202]\n"
    assert done.returncode == 1


def test_json_lines(run: Run, write: Any) -> None:
    files = write("twice.conf", TWICE), write("fatal.conf", FATAL), "none.conf"
    done = run("hakeep", "check", "--format", "json", *files)
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    for each in (first, second, third):
        assert {"file", "line", "column", "severity", "code", "message"} <= set(each)
        assert each["severity"] in ("error", "warning", "note")
    assert (first["file"], first["line"], first["column"], first["length"]) == ("twice.conf", 9, 15, 4)
    assert first["also"] == {"file": "twice.conf", "line": 1, "column": 15, "label": "first defined here"}
    assert (second["file"], second["code"], second["stops"]) == ("fatal.conf", "HK202", True)
    assert (third["file"], third["line"], third["column"], third["code"]) == ("none.conf", 1, 1, "HK001")


def test_a_pair_that_works(run: Run, write: Any) -> None:
    files = write("a.conf", GOOD.replace("100\n", "150\n")), write("b.conf", GOOD)
    done = run("hakeep", "check", "--explain", *files)
    assert "together: no problems found" in done.stdout
    assert "  a.conf dies or loses its link: b.conf takes over within 3.61 s" in done.stdout
    assert done.returncode == 0


def test_a_pair_that_does_not_work(run: Run, write: Any) -> None:
    files = write("a.conf", GOOD.replace("100\n", "150\n")), write("b.conf", GOOD.replace("51", "52"))
    done = run("hakeep", "check", "--format", "concise", *files)
    assert done.stdout == "b.conf:3:5: error: VI_1: virtual_router_id 52 is not a.conf's 51 [HK601]\n"
    assert done.returncode == 1


@pytest.mark.parametrize(("mistake", "code"), [
    (("51", "52"), "HK601"), (("eth0", "eth0\n    advert_int 2"), "HK603")])
def test_no_forecast_without_its_errors(run: Run, write: Any, mistake: tuple[str, str], code: str) -> None:
    other = GOOD.replace("VI_1", "fine").replace("51", "99")
    files = (write("a.conf", GOOD.replace("100\n", "150\n") + other),
             write("b.conf", GOOD.replace(*mistake) + other.replace("100\n", "90\n")))
    done = run("hakeep", "check", "--explain", "--format", "concise", *files)
    routers = dict(each.split("\n", 1) for each in done.stdout.split("\n\n")[1:])
    first, second, *forecast = routers["VRID 51 (IPv4), VI_1"].splitlines()
    assert second.startswith(f"    {code}: ") and "both become MASTER" in second
    assert routers["VRID 99 (IPv4), fine"].startswith("  all is well: a.conf is master")
    if code == "HK601":
        assert first == "  no forecast before the errors are mended:"
        assert forecast == []
        assert routers["VRID 52 (IPv4), VI_1"].splitlines() == [first, second]
    else:
        assert first == "  this does not hold before the errors are mended:"
        assert forecast[0].startswith("  all is well: a.conf is master")


@pytest.mark.parametrize(("form", "lines"), [("text", 1000), ("concise", 1000), ("json", 1500)])
def test_people_get_a_thousand_and_programs_all(run: Run, write: Any, form: str, lines: int) -> None:
    done = run("hakeep", "check", "--format", form, write("many.conf", "nonsense 1\n" * 1500))
    assert done.stdout.count("HK101") == lines
    assert ("and 500 more: 500 errors\n" in done.stdout) is (form != "json")


def test_the_same_file_name_in_two_folders(run: Run, write: Any, tmp_path: Path) -> None:
    for folder, text in (("one", GOOD), ("two", GOOD.replace("51", "52"))):
        (tmp_path / folder).mkdir()
        write(f"{folder}/keepalived.conf", text)
    done = run("hakeep", "check", "--format", "json", "one/keepalived.conf", "two/keepalived.conf")
    (only,) = (json.loads(line) for line in done.stdout.splitlines())
    assert (only["file"], only["code"]) == ("two/keepalived.conf", "HK601")
    assert only["also"]["file"] == "one/keepalived.conf"


def test_files_that_would_not_start_are_not_compared(run: Run, write: Any) -> None:
    done = run("hakeep", "check", write("fatal.conf", FATAL), write("good.conf", GOOD))
    assert done.stdout.endswith("together: not compared, for not all of them would start\n")


def test_sarif(run: Run, write: Any) -> None:
    files = write("twice.conf", TWICE), write("odd name.conf", WRONG + "# é\n"), "none.conf"
    done = run("hakeep", "check", "--format", "sarif", *files)
    log = json.loads(done.stdout)
    assert (log["version"], log["$schema"].rpartition("/")[2]) == ("2.1.0", "sarif-schema-2.1.0.json")
    (one,) = log["runs"]
    rules = one["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["HK001", "HK101", "HK109"]
    assert all(rule["shortDescription"]["text"] and rule["help"]["text"] for rule in rules)
    assert one["columnKind"] == "unicodeCodePoints"
    for result in one["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "error"
        assert result["message"]["text"]
    twice, odd, none = one["results"]
    assert place(twice["locations"][0]) == ("twice.conf", {"startLine": 9, "startColumn": 15, "endColumn": 19})
    assert place(twice["relatedLocations"][0]) == ("twice.conf", {"startLine": 1, "startColumn": 15, "endColumn": 19})
    assert twice["relatedLocations"][0]["message"]["text"] == "first defined here"
    assert place(odd["locations"][0])[0] == "odd%20name.conf"
    assert place(none["locations"][0]) == ("none.conf", {"startLine": 1, "startColumn": 1})


def place(location: dict[str, Any]) -> tuple[str, dict[str, int]]:
    physical = location["physicalLocation"]
    return physical["artifactLocation"]["uri"], physical["region"]


def test_an_empty_sarif(run: Run, write: Any) -> None:
    log = json.loads(run("hakeep", "check", "--format", "sarif", write("good.conf", GOOD)).stdout)
    assert log["runs"][0]["results"] == log["runs"][0]["tool"]["driver"]["rules"] == []


def test_an_unknown_format(run: Run, write: Any) -> None:
    assert run("hakeep", "check", "--format", "xml", write("good.conf", GOOD)).returncode == 2


# ----------------------------------------------------------------------------------------------------------- this host

MACHINE = """\
global_defs {{
    enable_script_security
}}
vrrp_instance VI_1 {{
    interface {interface}
    virtual_router_id 51
    virtual_ipaddress {{
        {vip}
    }}
    notify "{script}" root
}}
"""


@pytest.mark.netns
def test_this_machine_is_looked_at_when_asked(run: Run, write: Any, tmp_path: Path) -> None:
    script = tmp_path / "notify.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o777)

    def codes(interface: str, vip: str, command: str | Path, *words: str) -> set[str]:
        path = write("machine.conf", MACHINE.format(interface=interface, vip=vip, script=command))
        out = run("hakeep", "check", "--format", "json", *words, path, before=IN_NAMESPACE).stdout
        return {json.loads(line)["code"] for line in out.splitlines()}

    assert codes("eth7", "203.0.113.1/24", "/nowhere/x") == set()
    assert codes("eth7", "192.0.2.100/24", "/bin/sh", "--host") == {"HK305"}
    assert codes("vip0", "203.0.113.1/24", "/bin/sh", "--host") == {"HK339"}
    assert codes("vip0", "192.0.2.100/24", "/nowhere/x", "--host") == {"HK405"}
    assert codes("vip0", "192.0.2.100/24", script, "--host") == {"HK414"}
    assert codes("vip0", "192.0.2.100/24", "/bin/sh", "--host") == set()


# -------------------------------------------------------------------------------------------------------- the daemon


def test_the_daemon_can_be_strict(run: Run, write: Any) -> None:
    unsupported = write("groups.conf", "global_defs {\nenable_snmp_vrrp\n}\n" + GOOD.replace("eth0", "lo"))
    assert run("hakeepd", "-t", "--strict", "-f", unsupported).returncode == 0, "that is a warning"
    clean = run("hakeepd", "-t", "--strict", "-f", write("good.conf", GOOD.replace("eth0", "lo")))
    assert clean.returncode == 0
    assert run("hakeepd", "-t", "--strict", "-f", write("wrong.conf", WRONG.replace("eth0", "lo"))).returncode == 5


@pytest.mark.netns
def test_a_strict_daemon_does_not_start_on_an_error(run: Run, write: Any, tmp_path: Path) -> None:
    path = write("wrong.conf", WRONG.replace("eth0", "vip0"))
    done = run("hakeepd", "-n", "-l", "-G", "--strict", "-f", path, "-p", str(tmp_path / "pid"), before=IN_NAMESPACE)
    assert done.returncode == 2
    assert "--strict: there is an error in the configuration" in done.stderr
    assert not (tmp_path / "pid").exists()


# ------------------------------------------------------------------------------------------------------------- explain


@pytest.mark.parametrize("word", ["HK204", "hk204", "204", "[HK204]"])
def test_a_page(run: Run, word: str) -> None:
    done = run("hakeep", "explain", word)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("HK204: Not an IP address\n\n")
    assert "\nExample:\n" in done.stdout
    assert "\nCure:\n" in done.stdout


def test_several_pages(run: Run) -> None:
    out = run("hakeep", "explain", "HK204", "HK301").stdout
    assert "\n\nHK301: An instance without virtual_router_id\n" in out


def test_the_list_of_pages(run: Run) -> None:
    from hakeep.config.diagnostic import Code

    done = run("hakeep", "explain")
    assert done.returncode == 0
    listed = [line.split("  ", 1) for line in done.stdout.splitlines()]
    assert [code for code, _ in listed] == sorted(code.value for code in Code), "pages of pairs are here too"
    assert all(title for _, title in listed)


@pytest.mark.parametrize(("word", "meant"), [
    ("HK2044", "HK204"), ("nopreempt", "HK330"), ("quorum", "HK507"), ("xyzzy", "lists all")])
def test_a_code_that_is_none(run: Run, word: str, meant: str) -> None:
    done = run("hakeep", "explain", word)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"hakeep: there is no {word}; ")
    assert meant in done.stderr


def test_it_tells_which_failures_move_a_sync_group(run: Run, write: Any) -> None:
    group = "vrrp_sync_group G {\n    group {\n        VI_1\n        VI_2\n    }\n}\n"
    other = GOOD.replace("VI_1", "VI_2").replace("eth0", "eth1").replace("51", "52").replace("2.100", "2.102")
    path = write("group.conf", GOOD + other + group)
    done = run("hakeep", "check", path)
    said = "G: when eth0 (VI_1) or eth1 (VI_2) fails, VI_1 and VI_2 hand over together"
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, said)
    assert said not in run("hakeep", "check", "--format", "concise", path).stdout
