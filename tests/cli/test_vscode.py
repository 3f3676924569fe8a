"""The extension for Visual Studio Code: what can be said of it without the editor."""

from __future__ import annotations

import json
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "conf" / "editors" / "vscode"
MANIFEST = json.loads((FOLDER / "package.json").read_text())
SCRIPT = (FOLDER / "extension.js").read_text()


def test_the_manifest_names_what_there_is() -> None:
    contributed = MANIFEST["contributes"]
    files = [MANIFEST["main"], *(language["configuration"] for language in contributed["languages"])]
    assert all((FOLDER / name).is_file() for name in files)
    assert {"name", "version", "publisher", "engines", "license", "activationEvents"} <= MANIFEST.keys()
    assert re.fullmatch("[a-z]+", MANIFEST["name"])
    for language in contributed["languages"]:
        assert f'language: "{language["id"]}"' in SCRIPT
        assert f"onLanguage:{language['id']}" in MANIFEST["activationEvents"]


def test_the_script_starts_what_the_setting_says() -> None:
    (setting,) = MANIFEST["contributes"]["configuration"]["properties"].items()
    section, _, key = setting[0].partition(".")
    assert f'getConfiguration("{section}").get("{key}")' in SCRIPT
    assert setting[1]["default"] == ["hakeep", "lsp"]
    for module in re.findall(r'require\("([^"]+)"\)', SCRIPT):
        assert module == "vscode" or module.partition("/")[0] in MANIFEST["dependencies"]
