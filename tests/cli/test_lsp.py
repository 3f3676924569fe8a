"""`hakeep lsp` as an editor meets it: a process that speaks JSON-RPC on its pipes."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = (sys.executable, "-m", "hakeep.cli.hakeep")
PATIENCE = 30.0

GOOD = """\
$VIP=192.0.2.100/24

vrrp_script chk {
    script "/bin/true"
    interval 2
}
vrrp_instance web {
    interface eth0
    virtual_router_id 51
    priority 100
    track_script {
        chk
    }
    virtual_ipaddress {
        $VIP
    }
}
vrrp_sync_group both {
    group {
        web
    }
}
"""

#: Nothing is to be said about this one. The priority stands in the fourth line.
CLEAN = """\
vrrp_instance web {
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        192.0.2.100/24
    }
}
"""


class Editor:
    """A client: sends requests, and keeps what the server tells without being asked."""

    def __init__(self, *words: str, encodings: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen([*TOOL, "lsp", *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.told: list[dict[str, Any]] = []
        self._number = 0
        self._versions: dict[str, int] = {}
        general = {"general": {"positionEncodings": list(encodings)}} if encodings else {}
        self.capabilities = self.ask("initialize", {
            "processId": None, "rootUri": None, "capabilities": {"textDocument": {"hover": {}}, **general},
        })["capabilities"]
        self.tell("initialized", {})

    def _listen(self) -> None:
        stream = self.process.stdout
        assert stream
        while line := stream.readline():
            length = int(line.split(b":")[1])
            while stream.readline().strip():
                pass
            self.heard.put(json.loads(stream.read(length)))

    def _send(self, message: dict[str, Any]) -> None:
        self.send_bytes(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self.process.stdin.flush()

    def tell(self, method: str, params: object) -> None:
        self._send({"method": method, "params": params})

    def _next(self) -> dict[str, Any]:
        return self.heard.get(timeout=PATIENCE)

    def ask(self, method: str, params: object) -> Any:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                return message["result"]
            self.told.append(message)

    def open(self, path: Path | str, text: str, language: str = "keepalived") -> str:
        uri = path.as_uri() if isinstance(path, Path) else path
        self._versions[uri] = 1
        self.tell("textDocument/didOpen", {
            "textDocument": {"uri": uri, "languageId": language, "version": 1, "text": text}})
        return uri

    def change(self, uri: str, text: str) -> None:
        self._versions[uri] += 1
        self.tell("textDocument/didChange", {
            "textDocument": {"uri": uri, "version": self._versions[uri]}, "contentChanges": [{"text": text}]})

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """What is wrong with the newest version of a document."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for message in self.told:
                params = message.get("params", {})
                if message.get("method") == "textDocument/publishDiagnostics" and params["uri"] == uri and (
                        params.get("version") in (None, self._versions.get(uri))):
                    self.told.remove(message)
                    return list(params["diagnostics"])
            assert time.monotonic() < deadline
            self.told.append(self._next())

    def at(self, method: str, uri: str, line: int, character: int) -> Any:
        return self.ask(f"textDocument/{method}", {
            "textDocument": {"uri": uri}, "position": {"line": line, "character": character}})

    def of(self, method: str, uri: str, **more: object) -> Any:
        return self.ask(f"textDocument/{method}", {"textDocument": {"uri": uri}, **more})

    def close(self) -> int:
        self.ask("shutdown", None)
        self.tell("exit", None)
        status = self.process.wait(PATIENCE)
        for stream in (self.process.stdin, self.process.stderr):
            assert stream
            stream.close()
        return status

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    it = Editor()
    yield it
    it.kill()


def span(start: tuple[int, int], end: tuple[int, int]) -> dict[str, dict[str, int]]:
    return {"start": dict(zip(("line", "character"), start, strict=True)),
            "end": dict(zip(("line", "character"), end, strict=True))}


def cut(text: str, place: dict[str, dict[str, int]]) -> str:
    """What stands in a range of ASCII text."""
    lines = text.split("\n")
    assert place["start"]["line"] == place["end"]["line"]
    return lines[place["start"]["line"]][place["start"]["character"] : place["end"]["character"]]


# ---------------------------------------------------------------------------------------------------- diagnostics


def test_what_is_wrong_is_told_on_opening_and_after_changes(editor: Editor, tmp_path: Path) -> None:
    text = CLEAN.replace("priority 100", "priority 300")
    uri = editor.open(tmp_path / "hakeep.conf", text)
    (found,) = editor.diagnostics(uri)
    assert (found["code"], found["severity"], found["source"]) == ("HK202", 1, "hakeep")
    assert cut(text, found["range"]) == "300" and "300" in found["message"]
    editor.change(uri, CLEAN)
    assert editor.diagnostics(uri) == []
    editor.change(uri, CLEAN.replace("web {", "{", 1))
    assert editor.diagnostics(uri) != []
    assert not (tmp_path / "hakeep.conf").exists(), "it was never saved"


def test_what_hakeep_does_not_do_is_a_warning(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "hakeep.conf", CLEAN)
    assert editor.diagnostics(uri) == []
    editor.change(uri, f"namespace_with_ipsets\n{CLEAN}")
    (found,) = editor.diagnostics(uri)
    assert (found["code"], found["severity"]) == ("HK902", 2)
    editor.change(uri, CLEAN)
    assert editor.diagnostics(uri) == []


def test_typing_fast_is_checked_once(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "hakeep.conf", CLEAN)
    editor.diagnostics(uri)
    for number in range(20):
        editor.change(uri, f"{CLEAN}# {number}\n")
    editor.diagnostics(uri)
    editor.change(uri, CLEAN)
    editor.diagnostics(uri)
    assert [m for m in editor.told if m.get("params", {}).get("uri") == uri] == []


def test_saving_looks_at_the_disk_again(editor: Editor, tmp_path: Path) -> None:
    part = tmp_path / "part.inc"
    text = CLEAN.replace("priority 100", f"include {part}")
    uri = editor.open(tmp_path / "hakeep.conf", text)
    assert [each["code"] for each in editor.diagnostics(uri)] == ["HK003"]
    part.write_text("priority 300\n")
    editor.tell("textDocument/didSave", {"textDocument": {"uri": uri}})
    assert editor.diagnostics(uri) == []
    (found,) = editor.diagnostics(part.as_uri())
    assert found["code"] == "HK202" and found["range"] == span((0, 9), (0, 12))
    assert found["relatedInformation"][0]["location"]["uri"] == uri, "it tells who includes it"
    assert found["relatedInformation"][0]["location"]["range"]["start"]["line"] == 3


def test_a_second_place_is_told(editor: Editor, tmp_path: Path) -> None:
    text = CLEAN + CLEAN
    uri = editor.open(tmp_path / "hakeep.conf", text)
    related = [each for found in editor.diagnostics(uri) for each in found.get("relatedInformation", ())]
    assert any(each["location"]["range"]["start"]["line"] == 0 and each["message"] for each in related)


def test_unsaved_includes_count(editor: Editor, tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    part = tmp_path / "conf.d" / "web.conf"
    part.write_text("priority 300\n")
    main = tmp_path / "keepalived.conf"
    main.write_text(CLEAN.replace("priority 100", "include conf.d/*.conf"))
    part_uri = editor.open(part, "priority 100\n")
    assert editor.diagnostics(part_uri) == [], "it is part of the main configuration above it"
    main_uri = editor.open(main, main.read_text())
    assert editor.diagnostics(main_uri) == []
    editor.change(part_uri, "priority 100\npriorty 3\n")
    (found,) = editor.diagnostics(part_uri)
    assert found["code"] == "HK101" and found["range"]["start"]["line"] == 1


def test_what_is_closed_is_forgotten(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "hakeep.conf", "nonsense\n")
    assert editor.diagnostics(uri)
    editor.tell("textDocument/didClose", {"textDocument": {"uri": uri}})
    assert editor.diagnostics(uri) == []


def test_yaml_is_checked_as_yaml(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "hakeep.yaml", "vrrp_instance:\n  web: {priority: 300\n", "yaml")
    (found,) = editor.diagnostics(uri)
    assert found["code"] == "HK008"
    text = (ROOT / "conf" / "master.yaml").read_text()
    editor.change(uri, text)
    assert [each for each in editor.diagnostics(uri) if each["severity"] == 1] == []
    assert editor.of("formatting", uri, options={"tabSize": 4, "insertSpaces": True}) == []


def test_yaml_is_known_in_all_its_places(editor: Editor, tmp_path: Path) -> None:
    text = "vrrp_script:\n  chk: {script: /bin/true}\nvrrp_instance:\n  web:\n    track_script: [chk]\n    prio"
    uri = editor.open(tmp_path / "hakeep.yaml", text, "yaml")
    (item,) = editor.at("completion", uri, 5, 8)["items"]
    assert (item["label"], item["textEdit"]["newText"]) == ("priority", "priority: ")
    assert item["textEdit"]["range"] == span((5, 4), (5, 8))
    editor.change(uri, text + "rity: 3\n")
    assert "**priority**" in editor.at("hover", uri, 5, 6)["contents"]["value"]
    (target,) = editor.at("definition", uri, 4, 20)
    assert target == {"uri": uri, "range": span((1, 2), (1, 5))}
    assert [each["name"] for each in editor.of("documentSymbol", uri)] == ["vrrp_script chk", "vrrp_instance web"]
    (item,) = [each for each in editor.at("completion", uri, 4, 22)["items"] if each["label"] == "chk"]
    assert item["textEdit"]["range"] == span((4, 19), (4, 22))


def test_a_document_that_has_no_file(editor: Editor) -> None:
    uri = editor.open("untitled:Untitled-1", "vrrp_instance web {\n    priorty 3\n}\n")
    assert "HK101" in [each["code"] for each in editor.diagnostics(uri)]


# ---------------------------------------------------------------------------------------------------- positions


@pytest.mark.thorough
@pytest.mark.parametrize(("encodings", "column"), [((), 12), (("utf-16",), 12), (("utf-32",), 10), (("utf-8",), 17)])
def test_columns_are_counted_as_agreed(encodings: tuple[str, ...], column: int, tmp_path: Path) -> None:
    editor = Editor(encodings=encodings)
    try:
        assert editor.capabilities["positionEncoding"] == (encodings[0] if encodings else "utf-16")
        text = 'router_id "😀é😀" words\n'  # 2, 1 and 2 units of UTF-16; 4, 2 and 4 bytes
        uri = editor.open(tmp_path / "hakeep.conf", "global_defs {\n" + text.replace("router_id ", "") + "}\n")
        (found, *_) = [each for each in editor.diagnostics(uri) if each["range"]["start"]["line"] == 1]
        assert found["range"]["start"]["character"] == 0
        end = found["range"]["end"]["character"]
        assert end == {12: 7, 10: 5, 17: 12}[column]
        line = "global_defs { router_id 😀é😀 prio }\nvrrp_instance 😀é { pri"
        editor.change(uri, line)
        last = {12: 23, 10: 22, 17: 26}[column]
        items = editor.at("completion", uri, 1, last)["items"]
        (item,) = [item for item in items if item["label"] == "priority"]
        assert item["textEdit"]["range"] == span((1, last - 3), (1, last))
        assert editor.close() == 0
    finally:
        editor.kill()


def test_lines_end_where_editors_end_them(editor: Editor, tmp_path: Path) -> None:
    # form feed, next line and line separator end no line; a lone carriage return does, for an editor
    text = "# a\x0cb\x85c\u2028d\re\nvrrp_instance web {\r\n    priority 300\r\n}\n"
    uri = editor.open(tmp_path / "hakeep.conf", text)
    (found,) = [each for each in editor.diagnostics(uri) if each["code"] == "HK202"]
    assert found["range"] == span((3, 13), (3, 16))
    assert "priority" in editor.at("hover", uri, 3, 6)["contents"]["value"]


# ---------------------------------------------------------------------------------------------------- typing


def test_completion(editor: Editor, tmp_path: Path) -> None:
    text = GOOD.replace("    priority 100", "    pri").replace("    $VIP", "    $V")
    uri = editor.open(tmp_path / "hakeep.conf", text)
    items = {item["label"]: item for item in editor.at("completion", uri, 9, 7)["items"]}
    assert items["priority"]["textEdit"] == {"range": span((9, 4), (9, 7)), "newText": "priority "}
    assert items["priority"]["documentation"]["kind"] == "markdown"
    assert "virtual_router_id" not in items
    (item,) = editor.at("completion", uri, 14, 10)["items"]
    assert (item["label"], item["textEdit"]["newText"]) == ("$VIP", "$VIP")
    assert item["textEdit"]["range"] == span((14, 8), (14, 10))
    assert "chk" in [item["label"] for item in editor.at("completion", uri, 11, 8)["items"]]
    assert "vrrp_instance" in [item["label"] for item in editor.at("completion", uri, 5, 1)["items"]]


def test_hover_tells_of_the_keyword_and_of_what_is_wrong(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "hakeep.conf", GOOD.replace("priority 100", "priority 300"))
    editor.diagnostics(uri)
    hover = editor.at("hover", uri, 8, 6)
    assert "virtual_router_id" in hover["contents"]["value"] and hover["range"] == span((8, 4), (8, 21))
    assert "HK202" in editor.at("hover", uri, 9, 14)["contents"]["value"]
    assert "192.0.2.100/24" in editor.at("hover", uri, 14, 9)["contents"]["value"]
    assert editor.at("hover", uri, 1, 0) is None


def test_definitions(editor: Editor, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for name in ("a.conf", "b.conf"):
        (tmp_path / "more" / name).write_text("# nothing\n")
    uri = editor.open(tmp_path / "hakeep.conf", f"{GOOD}include more/{{a,b}}.conf\n")
    editor.diagnostics(uri)

    def where(line: int, character: int) -> list[tuple[str, Any]]:
        return [(each["uri"], each["range"]) for each in editor.at("definition", uri, line, character)]

    assert where(14, 10) == [(uri, span((0, 0), (0, 4)))]
    assert where(11, 9) == [(uri, span((2, 12), (2, 15)))]
    assert where(19, 9) == [(uri, span((6, 14), (6, 17)))]
    assert [name for name, _ in where(22, 12)] == [(tmp_path / "more" / n).as_uri() for n in ("a.conf", "b.conf")]
    assert where(9, 6) == [] and where(1, 0) == [] and where(99, 0) == []


def test_definitions_in_another_file(editor: Editor, tmp_path: Path) -> None:
    scripts = tmp_path / "scripts.conf"
    scripts.write_text('# first\nvrrp_script far {\n    script "/bin/true"\n}\n$FAR=1\n')
    uri = editor.open(tmp_path / "hakeep.conf", f"include scripts.conf\n{GOOD.replace('  chk', '  far')}\nprio $FAR\n")
    editor.diagnostics(uri)
    (found,) = editor.at("definition", uri, 12, 9)
    assert found == {"uri": scripts.as_uri(), "range": span((1, 12), (1, 15))}
    (found,) = editor.at("definition", uri, 24, 7)
    assert found == {"uri": scripts.as_uri(), "range": span((4, 0), (4, 4))}


def test_symbols(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "hakeep.conf", GOOD)
    found = editor.of("documentSymbol", uri)
    assert [each["name"] for each in found] == ["$VIP", "vrrp_script chk", "vrrp_instance web", "vrrp_sync_group both"]
    web = found[2]
    assert web["range"] == span((6, 0), (16, 1)) and web["selectionRange"] == span((6, 0), (6, 13))
    assert [each["name"] for each in web["children"]] == ["track_script", "virtual_ipaddress"]
    assert web["children"][0]["range"] == span((10, 4), (12, 5))


def test_formatting(editor: Editor, tmp_path: Path) -> None:
    options = {"tabSize": 4, "insertSpaces": True}
    uri = editor.open(tmp_path / "hakeep.conf", "vrrp_instance web\n{\n\tpriority   100 # x\n}")
    (edit,) = editor.of("formatting", uri, options=options)
    assert edit == {"range": span((0, 0), (3, 1)), "newText": "vrrp_instance web {\n    priority 100  # x\n}\n"}
    editor.change(uri, edit["newText"])
    assert editor.of("formatting", uri, options=options) == []
    editor.change(uri, "vrrp_instance web {\n")
    assert editor.of("formatting", uri, options=options) == []


def fixes(editor: Editor, uri: str, line: int) -> list[tuple[str, Any]]:
    found = editor.of("codeAction", uri, range=span((line, 0), (line, 99)), context={"diagnostics": []})
    return [(each["title"], each["edit"]["changes"][uri][0]) for each in found]


def test_quick_fixes_are_what_cures(editor: Editor, tmp_path: Path) -> None:
    uri = editor.open(tmp_path / "hakeep.conf", CLEAN.replace("priority 100", "priorty 100"))
    assert editor.diagnostics(uri)
    assert fixes(editor, uri, 3) == [("Write priority", {"range": span((3, 4), (3, 11)), "newText": "priority"})]
    assert fixes(editor, uri, 2) == []
    editor.change(uri, CLEAN.replace("priority 100", "priority 300"))
    editor.diagnostics(uri)
    assert fixes(editor, uri, 3) == [], "nobody knows which one was meant"
    editor.change(uri, f"global_defs {{\n    nat_mask 255.255.255.0\n}}\n{CLEAN}")
    editor.diagnostics(uri)
    assert fixes(editor, uri, 1) == [("Take nat_mask out", {"range": span((1, 0), (2, 0)), "newText": ""})]


# ---------------------------------------------------------------------------------------------------- bad input

BROKEN = {
    "braces": "{" * 10_000, "closing": "}" * 10_000, "quotes": '"' * 999 + "\n" + "vrrp_instance \"" * 50,
    "nul": "\0" * 500, "surrogate": "vrrp_instance \ud800 {\n \udc00 $\udfff\n}\n", "long line": "x " * 1_000_000,
    "itself": "$A=$A $A\n$A\n", "bomb": "~SEQ(i, 1, 9999999) ~SEQ(j, 1, 9999999) x $i $j\n", "empty": "",
    "include": "include hakeep.conf\ninclude /dev/zero\ninclude [\n", "mess": "x @@ ^ ${ ${_ENV $ ~SEQ( ~LST\n" * 300,
    "nested": "vrrp_instance web {\n" * 3000, "yaml": "--- [" * 3000,
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", BROKEN)
def test_nothing_kills_the_server(editor: Editor, tmp_path: Path, name: str) -> None:
    text = BROKEN[name]
    uri = editor.open(tmp_path / "hakeep.conf", text)
    editor.at("completion", uri, 0, 1)
    editor.at("hover", uri, 0, 1)
    editor.at("definition", uri, 0, 1)
    editor.of("documentSymbol", uri)
    editor.of("formatting", uri, options={"tabSize": 4, "insertSpaces": True})
    found = editor.diagnostics(uri)
    assert bool(found) == (name not in ("empty",))
    editor.of("codeAction", uri, range=span((0, 0), (0, 1)), context={"diagnostics": []})
    editor.change(uri, CLEAN)
    assert editor.diagnostics(uri) == []
    assert editor.process.poll() is None


def test_what_is_not_json_is_survived(editor: Editor, tmp_path: Path) -> None:
    editor.send_bytes(b"{not json")
    editor.send_bytes(b'{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":3}}')
    uri = editor.open(tmp_path / "hakeep.conf", CLEAN)
    assert editor.diagnostics(uri) == []


def test_unknown_documents_are_answered(editor: Editor) -> None:
    uri = "file:///no/such/file.conf"
    assert editor.at("completion", uri, 5, 5) is not None
    assert editor.at("hover", uri, 5, 5) is None
    assert editor.of("documentSymbol", uri) == []


# ---------------------------------------------------------------------------------------------------- its life


def test_it_ends_when_told_to() -> None:
    assert Editor().close() == 0


def test_it_ends_when_the_editor_goes() -> None:
    editor = Editor()
    assert editor.process.stdin
    editor.process.stdin.close()
    editor.process.wait(PATIENCE)


@pytest.mark.thorough
def test_the_machine_counts_only_if_asked(tmp_path: Path) -> None:
    text = CLEAN.replace("eth0", "nosuch0")
    for words, expected in (((), False), (("--host", "--stdio"), True)):
        editor = Editor(*words)
        try:
            codes = [each["code"] for each in editor.diagnostics(editor.open(tmp_path / "hakeep.conf", text))]
            assert ("HK305" in codes) == expected
        finally:
            editor.kill()


def test_without_its_package_it_says_what_to_install() -> None:
    program = ("import sys; from importlib import util; real = util.find_spec\n"
               "util.find_spec = lambda name, *more: None if name == 'pygls' else real(name, *more)\n"
               "from hakeep.cli import hakeep; sys.exit(hakeep.main(['lsp']))")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "hakeep lsp needs the package pygls: pip install 'hakeep[lsp]'\n"
