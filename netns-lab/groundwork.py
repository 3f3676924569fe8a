"""Lays the ground on a bare Debian or Ubuntu: a virtual environment, pinned packages, missing programs.

`./netns-lab/demo`, `./netns-lab/lab` and `./tests/run` begin here, so that each works from a clean clone with only
python3 and git on the machine. All that is found in place is left as it is; a second run costs a tenth of a second.

Debian packages are installed by root only, and no service is started or enabled by that: while apt works, a policy
(`/usr/sbin/policy-rc.d`, see invoke-rc.d(8)) forbids it, and what the packages enabled for the next boot is disabled
again. Anybody else is told which packages are missing, in one line that can be pasted.

Only the standard library, and only what every Python 3.8 understands: it must live to say that 3.11 is needed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
POLICY = Path("/usr/sbin/policy-rc.d")
OLDEST_PYTHON = (3, 11)

#: What the lab is made of, program by program, and the Debian package of each.
LAB_TOOLS = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "mount": "mount", "hostname": "hostname"}

#: Where root's programs lie, also when the user's PATH does not say so.
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

_VERSIONS = """
import importlib.metadata as m, sys
for pin in sys.argv[1:]:
    name, _, version = pin.partition("==")
    try:
        if m.version(name) != version:
            print(pin)
    except m.PackageNotFoundError:
        print(pin)
"""


def say(text: str) -> None:
    """One line to the user, on stderr, so that a command's own output stays clean."""
    print(text, file=sys.stderr, flush=True)


def find_program(name: str) -> str | None:
    """The path of a program, or of a file given by its absolute path; None when there is none."""
    if name.startswith("/"):
        return name if Path(name).exists() else None
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":" + SBIN)


def missing_packages(programs: dict[str, str]) -> list[str]:
    """The Debian packages of those `programs` (program -> package) that are not here."""
    return sorted({package for program, package in programs.items() if not find_program(program)})


def prepare(requirements: Path, needed: dict[str, str], wished: dict[str, str] | None = None) -> None:
    """Everything in place, or SystemExit with a message that says what to do.

    `needed` and `wished` map programs to their Debian packages. Without a needed one nothing works; a wished one that
    cannot be had is only named.
    """
    if sys.version_info < OLDEST_PYTHON:
        version = ".".join(map(str, OLDEST_PYTHON))
        raise SystemExit(f"hakeep needs Python {version} or later; python3 here is {sys.version.split()[0]}.")
    lacking = missing_packages(needed)
    if lacking and not (os.geteuid() == 0 and apt_install(lacking)):
        raise SystemExit(f"Missing Debian packages. Install them with:\n  sudo apt-get install {' '.join(lacking)}")
    lacking = missing_packages(wished or {})
    if lacking and not (os.geteuid() == 0 and apt_install(lacking)):
        say(f"Not installed: {' '.join(lacking)} (sudo apt-get install {' '.join(lacking)}). Going on without.")
    with _one_at_a_time():
        _make_venv()
        _install(requirements)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two commands that start together must not fill the same .venv."""
    folder = os.open(str(ROOT), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _make_venv() -> None:
    works = PYTHON.exists() and not subprocess.run(
        [str(PYTHON), "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"], capture_output=True).returncode
    if works:
        return
    try:
        import ensurepip  # noqa: F401 - Debian packs it apart, in python3-venv
    except ImportError:
        if not (os.geteuid() == 0 and apt_install(["python3-venv"])):
            raise SystemExit("python3 cannot make a virtual environment. Install what is missing with:\n"
                             "  sudo apt-get install python3-venv") from None
    say("Making the virtual environment .venv")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(f"python3 -m venv .venv failed:\n{made.stdout}{made.stderr}")


def pins(requirements: Path) -> list[str]:
    """The `name==version` lines of a requirements file and of those that it includes."""
    found = []
    for line in requirements.read_text().splitlines():
        if line.startswith("-r "):
            found += pins(requirements.parent / line[3:].strip())
        elif line and not line.startswith("#"):
            found.append(line.strip())
    return found


def _install(requirements: Path) -> None:
    asked = subprocess.run([str(PYTHON), "-c", _VERSIONS, *pins(requirements)], capture_output=True, text=True)
    wrong = asked.stdout.split()
    if asked.returncode == 0 and not wrong:
        return
    say(f"Installing into .venv: {' '.join(wrong)}")
    done = subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                           "-r", str(requirements)])
    if done.returncode:
        raise SystemExit("pip could not install these Python packages (is the network there?). "
                         f"Try again, or:\n  {PYTHON} -m pip install -r {requirements}")


def install_commands() -> None:
    """Puts `hakeep` and `hakeepd` of this tree into .venv; what is edited is what runs. SystemExit when that fails."""
    ask = "import importlib.metadata as m; print(m.distribution('hakeep').read_text('direct_url.json'))"
    asked = subprocess.run([str(PYTHON), "-c", ask], capture_output=True, text=True, cwd=str(VENV))
    if ROOT.as_uri() + '"' in asked.stdout and (PYTHON.parent / "hakeepd").exists():
        return
    with _one_at_a_time():
        done = subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                               "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
    if done.returncode:
        raise SystemExit("pip could not install hakeep itself into .venv.")


def apt_install(packages: list[str]) -> bool:
    """Installs Debian packages as root, starting and enabling nothing. True when that worked."""
    if not find_program("apt-get"):
        return False
    say(f"Installing Debian packages: {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": os.environ.get("PATH", "") + ":" + SBIN}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    units_before = _enabled_units()
    with services_kept_asleep():
        for command in (install, ["apt-get", "update", "-qq"], install):
            done = subprocess.run(command, env=environment, text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            if command is install and done.returncode == 0:
                break
    woken = _enabled_units() - units_before
    if woken:
        subprocess.run(["systemctl", "disable", *sorted(woken)], capture_output=True)
    if done.returncode:
        say(done.stderr.strip())
    return done.returncode == 0


@contextlib.contextmanager
def services_kept_asleep() -> Iterator[None]:
    """Within the block, packages that apt installs cannot start their services."""
    aside = POLICY.with_name("policy-rc.d.before-hakeep")
    if POLICY.exists() and not aside.exists():
        POLICY.rename(aside)
    try:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink()
        if aside.exists():
            aside.rename(POLICY)


def _enabled_units() -> set[str]:
    if not find_program("systemctl"):
        return set()
    listed = subprocess.run(["systemctl", "list-unit-files", "--state=enabled", "--no-legend", "--plain"],
                            capture_output=True, text=True)
    return {line.split()[0] for line in listed.stdout.splitlines() if line.strip()}
