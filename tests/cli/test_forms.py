"""fmt, convert, schema and diff: what they print, write and exit with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import call

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

UGLY = "global_defs {\r\n\r\n  router_id   here  # who\r\n}\r\n"
NEAT = "global_defs {\n    router_id here  # who\n}\n"


def hakeep(*words: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    return call(*words, given=given, NO_COLOR="1")


def hakeepd(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / "hakeepd", *words], capture_output=True, text=True, timeout=60)


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    path = tmp_path / "hakeep.conf"
    path.write_bytes(UGLY.encode())
    return path


# -------------------------------------------------------------------------------------------------------------- fmt


def test_fmt_prints(ugly: Path) -> None:
    done = hakeep("fmt", ugly)
    assert (done.returncode, done.stdout, done.stderr) == (0, NEAT, "")
    assert ugly.read_bytes() == UGLY.encode()


def test_fmt_as_a_filter() -> None:
    assert hakeep("fmt", "-", given=UGLY).stdout == NEAT


def test_fmt_check(ugly: Path) -> None:
    done = hakeep("fmt", "--check", ugly)
    assert (done.returncode, done.stdout) == (1, f"{ugly}\n")
    ugly.write_text(NEAT)
    done = hakeep("fmt", "--check", ugly)
    assert (done.returncode, done.stdout) == (0, "")


def test_fmt_diff(ugly: Path) -> None:
    done = hakeep("fmt", "--check", "--diff", ugly)
    assert done.returncode == 1
    assert "+    router_id here  # who" in done.stdout.splitlines()


def test_fmt_write_keeps_owner_mode_and_link(ugly: Path, tmp_path: Path) -> None:
    ugly.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(ugly, 12, 34)
    before = ugly.stat()
    link = tmp_path / "link.conf"
    link.symlink_to(ugly.name)
    done = hakeep("fmt", "-w", link)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert link.is_symlink()
    after = ugly.stat()
    assert ugly.read_text() == NEAT
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hakeep.conf", "link.conf"]
    assert hakeep("fmt", "-w", link).returncode == 0
    assert ugly.stat().st_ino == after.st_ino, "a file that is neat is not written"


def test_fmt_refuses_what_does_not_balance(tmp_path: Path) -> None:
    path = tmp_path / "hakeep.conf"
    path.write_text("global_defs {\n")
    done = hakeep("fmt", "-w", path)
    assert done.returncode == 1
    assert "error[HK105]: '{' of global_defs is never closed" in done.stderr
    assert f"--> {path}:1:13" in done.stderr
    assert path.read_text() == "global_defs {\n"


def test_fmt_of_what_is_not_there(tmp_path: Path) -> None:
    done = hakeep("fmt", tmp_path / "gone")
    assert (done.returncode, done.stderr) == (1, f"hakeep fmt: {tmp_path / 'gone'}: No such file or directory\n")


def test_fmt_leaves_yaml_alone(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("global_defs:\n")
    assert hakeep("fmt", "-w", path).returncode == 1
    assert path.read_text() == "global_defs:\n"


def test_samples_are_neat() -> None:
    assert hakeep("fmt", "--check", *sorted((ROOT / "conf").glob("*.conf"))).returncode == 0


# ---------------------------------------------------------------------------------------------------------- convert


def test_convert_there_and_back(tmp_path: Path) -> None:
    sample = ROOT / "conf" / "ipv6.conf"
    yaml, back = tmp_path / "ipv6.yaml", tmp_path / "ipv6.conf"
    done = hakeep("convert", "--to", "yaml", "-i", "first", "-o", yaml, sample)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "hakeep convert: note: resolved, and not in the result as such: 4 conditions\n"
    assert "advert_int: 0.1  # the backup takes over" in yaml.read_text()
    done = hakeep("convert", "--to", "conf", yaml)
    assert (done.returncode, done.stderr) == (0, "")
    back.write_text(done.stdout)
    for one in (yaml, back):
        assert hakeep("diff", "-i", "first", sample, one).returncode == 0
    assert hakeep("fmt", "--check", back).returncode == 0


def test_convert_says_what_would_be_lost(tmp_path: Path) -> None:
    path = tmp_path / "hakeep.conf"
    path.write_text("global_defs {\n router_id here\n routr_id x\n}\n")
    done = hakeep("convert", "--to", "yaml", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "unknown keyword 'routr_id'" in done.stderr
    done = hakeep("convert", "--force", "--to", "yaml", path)
    assert (done.returncode, done.stdout) == (0, "global_defs:\n  router_id: here\n")


def test_convert_leaves_out_entries_of_which_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "hakeep.conf"
    path.write_text("vrrp_instance web {\n interface eth0\n virtual_router_id 51\n virtual_rules {\n"
                    "  from 192.0.2.0/24 table 100 preference 10\n  foo  # what was that?\n }\n"
                    " virtual_ipaddress {\n  192.0.2.10/24\n }\n}\n")
    done = hakeep("convert", "--force", "--to", "conf", path)
    assert done.returncode == 0, done.stderr
    assert "    virtual_rules {\n        from 192.0.2.0/24 table 100 preference 10\n    }\n" in done.stdout
    done = hakeep("convert", "--force", "--to", "yaml", path)
    assert done.returncode == 0, done.stderr
    assert "    virtual_rules:\n      - from 192.0.2.0/24 table 100 preference 10\n    v" in done.stdout


def test_the_daemon_reads_yaml(tmp_path: Path) -> None:
    path = tmp_path / "hakeep.conf"
    instance = "{interface: lo, virtual_router_id: 300, virtual_ipaddress: [192.0.2.1/24]}"
    path.write_text(f"vrrp_instance:\n  web: {instance}\n")
    done = hakeepd("-t", "-f", path)
    assert done.returncode == 5
    assert f"--> {path}:2:43" in done.stderr
    path.write_text(path.read_text().replace("300", "30"))
    done = hakeepd("-t", "-f", path)
    assert (done.returncode, done.stderr) == (0, "")


# ----------------------------------------------------------------------------------------------------------- schema


def test_schema() -> None:
    done = hakeep("schema")
    assert done.returncode == 0
    assert json.loads(done.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert done.stdout == (ROOT / "conf" / "hakeep.schema.json").read_text()


# ------------------------------------------------------------------------------------------------------------- diff


INSTANCE = """vrrp_instance web {
 interface eth0
 virtual_router_id %d
 priority %d
 virtual_ipaddress {
 %s
}
}
"""


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "a.conf", tmp_path / "b.conf"


def test_diff_of_the_same(pair: tuple[Path, Path]) -> None:
    one, other = pair
    one.write_text(INSTANCE % (51, 100, "192.0.2.1/24\n192.0.2.2/24"))
    other.write_text("# not the same text\n" + INSTANCE % (51, 100, "192.0.2.2/24\n192.0.2.1/24"))
    done = hakeep("diff", one, other)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_diff_says_what_a_reload_does(pair: tuple[Path, Path]) -> None:
    one, other = pair
    one.write_text(INSTANCE % (51, 100, "192.0.2.1/24"))
    other.write_text("global_defs {\n vrrp_no_swap\n}\n" + INSTANCE % (51, 90, "192.0.2.2/24"))
    done = hakeep("diff", one, other)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "global_defs: only when hakeepd is started anew",
        "    vrrp_no_swap: off -> on",
        "vrrp_instance web: taken up as it runs",
        "    priority: 100 -> 90",
        "    - virtual_ipaddress 192.0.2.1/24",
        "    + virtual_ipaddress 192.0.2.2/24",
    ]
    other.write_text(INSTANCE % (52, 100, "192.0.2.1/24"))
    assert hakeep("diff", one, other).stdout.splitlines() == [
        "vrrp_instance web: stopped and started anew", "    virtual_router_id: 51 -> 52"]


def test_diff_for_programs(pair: tuple[Path, Path]) -> None:
    one, other = pair
    one.write_text(INSTANCE % (51, 100, "192.0.2.1/24"))
    other.write_text(INSTANCE % (51, 90, "192.0.2.1/24"))
    done = hakeep("diff", "--json", one, other)
    assert json.loads(done.stdout) == {"refused": "", "changes": [
        {"block": "vrrp_instance web", "keyword": "priority", "before": "100", "after": "90", "effect": "hot"}]}


def test_diff_says_that_a_reload_is_refused(pair: tuple[Path, Path]) -> None:
    one, other = pair
    one.write_text(INSTANCE % (51, 100, "192.0.2.1/24"))
    other.write_text(INSTANCE % (300, 90, "192.0.2.1/24"))
    done = hakeep("diff", one, other)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith(f"a reload would be refused: {other}:3:20: ")


def test_diff_in_trouble(pair: tuple[Path, Path]) -> None:
    pair[0].write_text("")
    done = hakeep("diff", *pair)
    assert (done.returncode, done.stdout) == (2, "")
    assert "b.conf cannot be read" in done.stderr
