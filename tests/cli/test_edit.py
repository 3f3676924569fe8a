"""`hakeep edit` in a pseudo-terminal, with editors that are small scripts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from terminal import ROOT, TOOL, Terminal

pytestmark = pytest.mark.thorough

GOOD = """\
vrrp_instance web {
    interface lo
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        127.1.1.1/8 dev lo
    }
}
"""
PRIORITY = "s/priority 100/priority 110/"
WRONG = "s/priority 100/weigth 100/"  # an error with which hakeepd runs
FATAL = "s/virtual_router_id 51//"
DECIDE = "(k)eep the old file"


class Desk:
    """A configuration, an editor, and nobody running who could take it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "etc" / "hakeep.conf"
        self.file.parent.mkdir()
        self.file.write_text(GOOD)
        self.scripts = folder / "bin"
        self.scripts.mkdir()
        self.environment = {"HOME": str(folder)}
        self.open: list[Terminal] = []

    def editor(self, *turns: str) -> None:
        """What the editor does when it is called, turn by turn; the file is "$1"."""
        script = self.scripts / "my editor"
        cases = "\n".join(f"{number}) {turn} ;;" for number, turn in enumerate(turns, 1))
        script.write_text(f'#!/bin/sh\nn=$(cat {self.folder}/turn 2>/dev/null || echo 0); n=$((n + 1))\n'
                          f'echo $n > {self.folder}/turn\ncase $n in\n{cases}\nesac\n')
        script.chmod(0o755)
        self.environment["EDITOR"] = f"'{script}'"

    def edit(self, *words: str, command: tuple[str, ...] = TOOL) -> Terminal:
        given = words or (str(self.file),)
        terminal = Terminal(*command, "edit", "--socket", str(self.folder / "none.sock"), *given,
                            environment=self.environment, folder=self.folder)
        self.open.append(terminal)
        return terminal

    def names(self) -> list[str]:
        return sorted(path.name for path in self.file.parent.iterdir())

    def draft(self) -> Path:
        """The private copy there is."""
        (found,) = [path for path in self.file.parent.iterdir() if re.fullmatch(r"\.hakeep\..+\.conf", path.name)]
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    it = Desk(tmp_path)
    yield it
    for terminal in it.open:
        terminal.__exit__()


def sed(*commands: str) -> str:
    return "sed -i " + " ".join(f"-e '{each}'" for each in commands) + ' "$1"'


# ---------------------------------------------------------------------------------------------------- installing


def test_a_good_change_is_installed_and_the_old_file_kept(desk: Desk) -> None:
    desk.file.chmod(0o640)
    os.chown(desk.file, 12, 34) if os.geteuid() == 0 else None
    before = desk.file.stat()
    desk.editor(sed(PRIORITY))
    status, shown = desk.edit().end()
    assert status == 0
    assert f"{desk.file} is installed; what it was is in {desk.file}~1" in shown
    assert "hakeepd is not running" in shown and "next start" in shown
    assert desk.file.read_text() == GOOD.replace("100\n", "110\n", 1)
    after = desk.file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino, "it was replaced and not overwritten"
    assert (desk.file.parent / "hakeep.conf~1").stat().st_ino == before.st_ino
    assert desk.names() == ["hakeep.conf", "hakeep.conf~1"], "neither draft nor lock is left"


def test_the_draft_is_private_and_looks_like_the_file(desk: Desk) -> None:
    desk.editor(f'stat -c "%a %n" "$1" > {desk.folder}/seen; cat "$1" >> {desk.folder}/seen')
    assert desk.edit().end()[0] == 0
    first, _, text = (desk.folder / "seen").read_text().partition("\n")
    assert re.fullmatch(rf"600 {re.escape(str(desk.file.parent))}/\.hakeep\.\w+\.conf", first)
    assert text == GOOD


def test_an_unchanged_file_is_said_and_left(desk: Desk) -> None:
    before = desk.file.stat()
    desk.editor("true")
    status, shown = desk.edit().end()
    assert (status, shown) == (0, f"{desk.file} is unchanged\n")
    assert desk.file.stat().st_ino == before.st_ino and desk.file.stat().st_mtime_ns == before.st_mtime_ns
    assert desk.names() == ["hakeep.conf"]


def test_ten_copies_are_kept(desk: Desk) -> None:
    for number in range(1, 12):
        (desk.file.parent / f"hakeep.conf~{number}").write_text(str(number))
    (desk.file.parent / "hakeep.conf~old").touch()
    desk.editor(sed(PRIORITY))
    assert desk.edit().end()[0] == 0
    kept = [name for name in desk.names() if "~" in name]
    assert sorted(kept) == sorted([*(f"hakeep.conf~{number}" for number in range(3, 13)), "hakeep.conf~old"])
    assert (desk.file.parent / "hakeep.conf~12").read_text() == GOOD


def test_a_symbolic_link_is_followed(desk: Desk) -> None:
    link = desk.folder / "link.conf"
    link.symlink_to("etc/hakeep.conf")
    desk.editor(sed(PRIORITY))
    assert desk.edit(str(link)).end()[0] == 0
    assert link.is_symlink()
    assert "priority 110" in desk.file.read_text() and (desk.file.parent / "hakeep.conf~1").exists()


def test_extended_attributes_are_kept(desk: Desk) -> None:
    try:
        os.setxattr(desk.file, "user.origin", b"here")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    desk.editor(sed(PRIORITY))
    assert desk.edit().end()[0] == 0
    assert os.getxattr(desk.file, "user.origin") == b"here"


def test_a_file_that_is_not_there_is_made_for_its_owner(desk: Desk) -> None:
    desk.file.unlink()
    desk.editor(f"cat > \"$1\" <<'END'\n{GOOD}END\n")
    status, shown = desk.edit().end()
    assert status == 0 and f"{desk.file} is installed\n" in shown
    assert desk.file.read_text() == GOOD and desk.file.stat().st_mode & 0o777 == 0o600
    assert desk.names() == ["hakeep.conf"]


def test_a_file_that_is_not_there_and_not_written_stays_so(desk: Desk) -> None:
    desk.file.unlink()
    desk.editor("true")
    assert desk.edit().end()[0] == 0
    assert desk.names() == []


def test_copies_hide_from_an_include_that_would_take_them_in(desk: Desk) -> None:
    parts = desk.file.parent / "conf.d"
    parts.mkdir()
    part = parts / "web"
    part.write_text(GOOD)
    desk.file.write_text(f"include {parts}/*\n")
    desk.editor(sed(PRIORITY), sed("s/include/ include/"))
    assert desk.edit(str(part)).end()[0] == 0
    assert sorted(path.name for path in parts.iterdir()) == ["web", "web~1"], "nobody said who includes it"
    (parts / "web~1").unlink()
    desk.file.write_text(f"include {desk.file.parent}/conf.d/*\ninclude {desk.file.parent}/*.d/none\n")
    shutil.move(desk.file, parts / "main")
    desk.file = parts / "main"
    desk.file.write_text(f"include {parts}/w*\ninclude {parts}/main~*\n")
    desk.editor(sed("s/include/ include/"))
    (desk.folder / "turn").unlink()
    status, shown = desk.edit().end()
    assert status == 0, shown
    assert sorted(path.name for path in parts.iterdir()) == [".main~1", "main", "web"]


# ---------------------------------------------------------------------------------------------------- questions


def test_an_error_is_shown_and_mended(desk: Desk) -> None:
    desk.editor(sed(WRONG), sed("s/weigth/priority/", PRIORITY))
    terminal = desk.edit()
    shown = terminal.until(DECIDE)
    assert "unknown keyword 'weigth'" in shown and f"--> {desk.file}:4:5" in shown, "the file's name, not the draft's"
    assert "1 error" in shown and "(e)dit again" in shown
    assert "(i)nstall anyway?" in terminal.until("? ")
    terminal.type("what\n")
    terminal.until(DECIDE)
    terminal.type("e\n")
    status, shown = terminal.end()
    assert status == 0 and "is installed" in shown
    assert "priority 110" in desk.file.read_text()


def test_errors_are_in_colour_on_a_terminal_that_can(desk: Desk) -> None:
    desk.environment["TERM"] = "xterm"
    desk.editor(sed(WRONG))
    terminal = desk.edit()
    assert "\x1b[1;31merror[HK101]\x1b[0m" in terminal.until(DECIDE)
    terminal.type("k\n")
    assert terminal.end()[0] == 1


def test_the_old_file_can_be_kept(desk: Desk) -> None:
    desk.editor(sed(WRONG))
    terminal = desk.edit()
    terminal.until(DECIDE)
    terminal.type("keep\n")
    status, shown = terminal.end()
    assert status == 1 and f"{desk.file} stays as it is" in shown
    assert desk.file.read_text() == GOOD and desk.names() == ["hakeep.conf"]


def test_an_error_can_be_installed_anyway(desk: Desk) -> None:
    desk.editor(sed(WRONG))
    terminal = desk.edit()
    terminal.until(DECIDE)
    terminal.type("I\n")
    status, _ = terminal.end()
    assert status == 0 and "weigth" in desk.file.read_text()
    assert (desk.file.parent / "hakeep.conf~1").read_text() == GOOD


def test_what_is_fatal_cannot(desk: Desk) -> None:
    desk.editor(sed(FATAL))
    terminal = desk.edit()
    assert "hakeepd would not start with it" in terminal.until(DECIDE)
    assert "(i)nstall" not in terminal.until("? ")
    terminal.type("i\n")
    assert "(i)nstall" not in terminal.until("? ")
    terminal.type("k\n")
    assert terminal.end()[0] == 1
    assert desk.file.read_text() == GOOD


def test_old_warnings_do_not_ask_and_new_ones_do(desk: Desk) -> None:
    outside = "s|127.1.1.1/8|192.0.2.100/24|"
    desk.file.write_text(GOOD.replace("127.1.1.1/8", "192.0.2.100/24"))
    desk.editor(sed(PRIORITY), sed(outside))
    status, shown = desk.edit().end()
    assert status == 0 and "warning[HK339]" in shown and "is installed" in shown
    desk.file.write_text(GOOD)
    terminal = desk.edit()
    terminal.until(DECIDE)
    terminal.type("i\n")
    assert terminal.end()[0] == 0


@pytest.mark.parametrize(("turn", "said"), [
    (': > "$1"', "nothing is left in the file"),
    (r'printf "\n \n" > "$1"', "nothing is left in the file"),
    (sed("s/^/# /"), "no vrrp_instance and no virtual_server is left"),
    ('echo "global_defs { }" > "$1"', "no vrrp_instance and no virtual_server is left"),
])
def test_what_empties_a_file_asks_first(desk: Desk, turn: str, said: str) -> None:
    desk.editor(turn)
    terminal = desk.edit()
    assert said in terminal.until(DECIDE)
    terminal.type("k\n")
    assert terminal.end()[0] == 1
    assert desk.file.read_text() == GOOD


def test_an_emptied_include_asks_too(desk: Desk) -> None:
    included = desk.file.parent / "more.conf"
    included.write_text("global_defs {\n    router_id me\n}\n")
    desk.editor(': > "$1"')
    terminal = desk.edit(str(included))
    assert "nothing is left in the file" in terminal.until(DECIDE)
    terminal.type("i\n")
    assert terminal.end()[0] == 0 and included.read_text() == ""


def test_a_file_without_instances_may_stay_so(desk: Desk) -> None:
    desk.file.write_text("global_defs {\n    router_id me\n}\n")
    desk.editor(sed("s/me/you/"))
    status, shown = desk.edit().end()
    assert status == 0 and "is installed" in shown


def test_what_somebody_else_has_written_is_not_overwritten_unasked(desk: Desk) -> None:
    other = GOOD.replace("51", "52")
    (desk.folder / "other").write_text(other)
    desk.editor(f"{sed(PRIORITY)}; cp {desk.folder}/other {desk.file}")
    terminal = desk.edit()
    assert "was changed by somebody else" in terminal.until(DECIDE)
    terminal.type("i\n")
    assert terminal.end()[0] == 0
    assert "priority 110" in desk.file.read_text()
    assert (desk.file.parent / "hakeep.conf~1").read_text() == other


# ---------------------------------------------------------------------------------------------------- the editor


def test_visual_comes_first_and_has_its_arguments(desk: Desk) -> None:
    desk.editor("exit 9")
    script = desk.scripts / "visual"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {desk.folder}/arguments\n')
    script.chmod(0o755)
    desk.environment["VISUAL"] = f'{script} --wait "two words"'
    assert desk.edit().end()[0] == 0
    assert (desk.folder / "arguments").read_text().splitlines()[:2] == ["--wait", "two words"]


def test_without_either_there_is_a_list(desk: Desk) -> None:
    vi = desk.scripts / "vi"
    vi.write_text(f'#!/bin/sh\n{sed(PRIORITY).replace("sed", shutil.which("sed") or "sed", 1)}\n')
    vi.chmod(0o755)
    desk.environment["PATH"] = str(desk.scripts)
    assert desk.edit().end()[0] == 0
    assert "priority 110" in desk.file.read_text()
    vi.unlink()
    status, shown = desk.edit().end()
    assert status == 1 and "set EDITOR" in shown


@pytest.mark.parametrize(("words", "said"), [
    ("nosuchprogram -x", "$EDITOR names an editor that is not there: nosuchprogram"),
    ("vi 'open", "$EDITOR cannot be read: No closing quotation"),
])
def test_an_editor_that_cannot_be(desk: Desk, words: str, said: str) -> None:
    desk.environment["EDITOR"] = words
    status, shown = desk.edit().end()
    assert status == 1 and said in shown
    assert desk.names() == ["hakeep.conf"]


@pytest.mark.parametrize(("end", "said"), [
    ("exit 3", "failed with exit status 3"), ("kill -9 $$", "was killed by SIGKILL"),
])
def test_an_editor_that_fails(desk: Desk, end: str, said: str) -> None:
    desk.editor(end, f"{sed(PRIORITY)}; {end}")
    status, shown = desk.edit().end()
    assert status == 1 and said in shown and "is unchanged" in shown
    assert desk.names() == ["hakeep.conf"]
    status, shown = desk.edit().end()
    assert status == 1 and said in shown and f"what you wrote is in {desk.draft()}" in shown
    assert desk.file.read_text() == GOOD and "priority 110" in desk.draft().read_text()


def test_an_editor_that_takes_the_file_away(desk: Desk) -> None:
    desk.editor('rm "$1"', 'rm "$1"; mkfifo "$1"')
    for _ in range(2):
        status, shown = desk.edit().end()
        assert status == 1 and "left nothing to read" in shown
    assert desk.file.read_text() == GOOD


def test_an_editor_that_writes_anew(desk: Desk) -> None:
    desk.editor(f'{sed(PRIORITY)}; cp "$1" "$1.new"; mv "$1.new" "$1"')
    assert desk.edit().end()[0] == 0
    assert "priority 110" in desk.file.read_text()


def test_interrupts_belong_to_the_editor(desk: Desk) -> None:
    desk.editor(f"trap 'echo caught; on=1' INT; echo ready; until [ \"$on\" ]; do sleep 0.1; done; "
                f"{sed(PRIORITY)}")
    terminal = desk.edit()
    terminal.until("ready")
    terminal.type("\x03")
    terminal.until("caught")
    status, _ = terminal.end()
    assert status == 0 and "priority 110" in desk.file.read_text()


def test_the_terminal_is_put_back_in_order(desk: Desk) -> None:
    desk.editor(f"{sed(WRONG)}; stty -echo -icanon -icrnl")
    terminal = desk.edit()
    terminal.until(DECIDE)
    terminal.type("k\r")  # only with icrnl does this end a line
    assert terminal.end()[0] == 1


# ---------------------------------------------------------------------------------------------------- two editors


def test_a_second_editor_is_refused(desk: Desk) -> None:
    desk.editor("echo ready; read answer", sed(PRIORITY))
    first = desk.edit()
    first.until("ready")
    status, shown = desk.edit().end()
    assert (status, shown) == (1, f"hakeep edit: {desk.file} is being edited by process {first.pid}\n")
    link = desk.folder / "link.conf"
    link.symlink_to(desk.file)
    assert "is being edited" in desk.edit(str(link)).end()[1]
    first.type("\n")
    assert first.end()[0] == 0
    assert desk.edit().end()[0] == 0, "the next one may"


def test_a_lock_that_is_left_over_locks_nobody_out(desk: Desk) -> None:
    desk.editor("echo ready; read answer", sed(PRIORITY))
    first = desk.edit()
    first.until("ready")
    os.kill(first.pid, signal.SIGKILL)
    first.end()
    assert ".hakeep.conf.lock" in desk.names()
    assert desk.edit().end()[0] == 0
    assert ".hakeep.conf.lock" not in desk.names()


# ---------------------------------------------------------------------------------------------------- interruptions


def test_an_interrupt_at_the_question_keeps_both(desk: Desk) -> None:
    desk.editor(sed(WRONG))
    terminal = desk.edit()
    terminal.until("? ")
    terminal.type("\x03")
    status, shown = terminal.end()
    assert status == 130 and f"what you wrote is in {desk.draft()}" in shown and "Traceback" not in shown
    assert desk.file.read_text() == GOOD and "weigth" in desk.draft().read_text()


def test_the_end_of_input_at_the_question_keeps_both(desk: Desk) -> None:
    desk.editor(sed(WRONG))
    terminal = desk.edit()
    terminal.until("? ")
    terminal.type("\x04")
    status, shown = terminal.end()
    assert status == 1 and "nobody answers" in shown and str(desk.draft()) in shown


def test_the_question_can_be_suspended(desk: Desk) -> None:
    desk.editor(sed(WRONG))
    terminal = desk.edit()
    terminal.until("? ")
    os.kill(terminal.pid, signal.SIGSTOP)
    terminal.stopped()
    os.kill(terminal.pid, signal.SIGCONT)
    assert DECIDE in terminal.until("? "), "the question is put again"
    terminal.type("k\n")
    assert terminal.end()[0] == 1


def test_a_shell_suspends_it_and_brings_it_back(desk: Desk) -> None:
    if not (bash := shutil.which("bash")):
        pytest.skip("bash is not installed")
    desk.editor(sed(WRONG))
    words = shlex.join([*TOOL, "edit", "--socket", "none", str(desk.file)])
    with Terminal(bash, "--norc", "-i", environment={**desk.environment, "PS1": "ready> "},
                  folder=desk.folder) as shell:
        shell.until("ready> ")
        shell.type(f"{words}; echo status=$?\n")
        shell.until(DECIDE)
        shell.type("\x1a")
        shell.until("Stopped")
        shell.until("ready> ")
        shell.type("fg\n")
        shell.until(DECIDE)
        shell.type("k\n")
        shell.until("stays as it is")
        shell.until("ready> ")
    assert desk.names() == ["hakeep.conf"]


@pytest.mark.parametrize("where", ["editor", "question"])
def test_a_terminal_that_goes_away_leaves_both(desk: Desk, where: str) -> None:
    desk.editor(f"{sed(WRONG)}; echo ready; read answer" if where == "editor" else sed(WRONG))
    terminal = desk.edit()
    terminal.until("ready" if where == "editor" else "? ")
    terminal.hang_up()
    assert terminal.end()[0] in (128 + signal.SIGHUP, 1)
    assert desk.file.read_text() == GOOD and "weigth" in desk.draft().read_text()
    assert ".hakeep.conf.lock" not in desk.names()


def test_to_be_told_to_end_ends_the_editor_too(desk: Desk) -> None:
    desk.editor(f"{sed(PRIORITY)}; echo $$ > {desk.folder}/pid; echo ready; exec sleep 60")
    terminal = desk.edit()
    terminal.until("ready")
    editor = int((desk.folder / "pid").read_text())
    os.kill(terminal.pid, signal.SIGTERM)
    status, shown = terminal.end()
    assert status == 128 + signal.SIGTERM and str(desk.draft()) in shown
    assert not Path(f"/proc/{editor}").exists()


def test_without_a_terminal_what_is_good_is_installed_and_all_else_is_not(desk: Desk) -> None:
    def piped() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*TOOL, "edit", "--socket", str(desk.folder / "none"), str(desk.file)], cwd=ROOT, capture_output=True,
            env={**os.environ, **desk.environment}, text=True, timeout=60, stdin=subprocess.DEVNULL)

    desk.editor(sed(PRIORITY), sed("s/priority/weigth/"))
    assert piped().returncode == 0
    assert "priority 110" in desk.file.read_text()
    done = piped()
    assert done.returncode == 1 and "no terminal" in done.stderr and str(desk.draft()) in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------------------------------------------- hard places


@pytest.fixture
def small_disk(desk: Desk) -> Iterator[Callable[[], None]]:
    """The configuration is on a file system of its own; fills it up."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a file system")
    folder = desk.file.parent
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    desk.file.write_text(GOOD)
    yield lambda: None
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing(desk: Desk, small_disk: object) -> None:
    fill = f"cat /dev/zero > {desk.file.parent}/full 2>/dev/null"
    desk.editor(f"{sed(PRIORITY)}; {fill}; true")
    status, shown = desk.edit().end()
    assert status == 1 and "cannot be replaced: No space left on device" in shown
    assert desk.file.read_text() == GOOD and "priority 110" in desk.draft().read_text()
    assert [name for name in desk.names() if "~" in name] == [], "no copy of what was not replaced"
    desk.draft().unlink()
    with (desk.file.parent / "more").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(512))
    status, shown = desk.edit().end()
    assert status == 1 and "private copy" in shown and "No space left" in shown
    assert not any(name.endswith(".lock") for name in desk.names())


def test_a_read_only_disk(desk: Desk, small_disk: object) -> None:
    desk.editor(sed(PRIORITY))
    subprocess.run(["mount", "-o", "remount,ro", str(desk.file.parent)], check=True)
    status, shown = desk.edit().end()
    assert status == 1 and "cannot be edited: Read-only file system" in shown and "Traceback" not in shown


@pytest.fixture
def open_desk() -> Iterator[Desk]:
    """One that everybody may look at."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Desk(Path(folder))


def test_who_may_not_write_is_told_before_the_work(open_desk: Desk) -> None:
    desk = open_desk
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed")
    nobody = (setpriv, "--reuid=65534", "--regid=65534", "--clear-groups")
    if subprocess.run((*nobody, sys.executable, "-c", "import hakeep.cli"), capture_output=True).returncode:
        pytest.skip("others may not read this tree")
    desk.editor(f"touch {desk.folder}/edited")
    desk.file.chmod(0o444)
    os.chown(desk.file.parent, 65534, 65534)
    terminal = desk.edit(command=(*nobody, *TOOL))
    status, shown = terminal.end()
    assert status == 1 and f"you may not write {desk.file}" in shown
    assert not (desk.folder / "edited").exists() and desk.names() == ["hakeep.conf"]


@pytest.mark.parametrize(("make", "said"), [
    (lambda path: path.mkdir(), "is not a regular file"),
    (lambda path: os.mkfifo(path), "is not a regular file"),
    (lambda path: path.symlink_to("/dev/null"), "is not a regular file"),
    (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
])
def test_what_is_no_file_is_not_edited(desk: Desk, make: Callable[[Path], None], said: str) -> None:
    desk.file.unlink()
    make(desk.file)
    desk.editor("true")
    status, shown = desk.edit().end()
    assert status == 1 and said in shown and "Traceback" not in shown


def test_a_directory_that_is_not_there(desk: Desk) -> None:
    desk.editor("true")
    status, shown = desk.edit(str(desk.folder / "no" / "hakeep.conf")).end()
    assert status == 1 and f"there is no directory {desk.folder}/no" in shown


def test_binary_rubbish_is_judged_and_not_installed(desk: Desk) -> None:
    desk.editor('head -c 5000 /dev/urandom > "$1"')
    terminal = desk.edit()
    assert "is not text" in terminal.until(DECIDE)
    terminal.type("k\n")
    assert terminal.end()[0] == 1
    assert desk.file.read_text() == GOOD


def test_yaml_is_judged_as_yaml(desk: Desk) -> None:
    desk.file = desk.file.with_name("hakeep.yaml")
    desk.editor("printf 'vrrp_instance: [\\n' > \"$1\"")
    terminal = desk.edit()
    assert "HK008" in terminal.until(DECIDE)
    terminal.type("k\n")
    assert terminal.end()[0] == 1
