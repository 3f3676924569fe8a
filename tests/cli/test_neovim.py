"""The setup for Neovim that conf/editors/README.md tells, in a Neovim without a screen."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = Path(sys.executable).parent
NVIM = shutil.which("nvim")
OLDEST = (0, 10)

CONF = """\
vrrp_script chk {
  script "/bin/true"
}
vrrp_instance web {
    interface eth0
    virtual_router_id 300
    track_script {
        chk
    }
    prior 3
}
"""

YAML = """\
vrrp_script:
  chk: {script: /bin/true}
vrrp_instance:
  web:
    interface: eth0
    virtual_router_id: 300
    track_script:
      - chk
    prior: 3
"""

#: Does what a person would: waits for diagnostics, asks for what is known of a word, completes, jumps, formats.
CHECK = """
local seen = {}
local patience = 30000
vim.wait(patience, function() return #vim.diagnostic.get(0) > 0 end, 20)
for _, each in ipairs(vim.diagnostic.get(0)) do
  table.insert(seen, { each.lnum + 1, each.col + 1, each.code })
end
local function ask(method, line, column)
  vim.api.nvim_win_set_cursor(0, { line, column - 1 })
  local answers = vim.lsp.buf_request_sync(0, method, vim.lsp.util.make_position_params(), patience)
  local _, answer = next(answers or {})
  return answer and answer.result
end
local hover = ask("textDocument/hover", 5, 6)
local labels = {}
for _, item in ipairs(ask("textDocument/completion", LINE, 10).items) do
  table.insert(labels, item.label)
end
vim.api.nvim_win_set_cursor(0, { 8, 8 })
vim.cmd("normal! \\29")
vim.wait(patience, function() return vim.api.nvim_win_get_cursor(0)[1] ~= 8 end, 20)
local jumped = vim.api.nvim_win_get_cursor(0)[1]
vim.lsp.buf.format({ timeout_ms = patience })
local clients = vim.lsp.get_clients({ bufnr = 0 })
vim.fn.writefile({ vim.json.encode({
  diagnostics = seen, hover = hover.contents.value, labels = labels, jumped = jumped,
  second = vim.api.nvim_buf_get_lines(0, 1, 2, false)[1], clients = #clients, root = clients[1].config.root_dir,
  comment = vim.bo.commentstring, filetype = vim.bo.filetype, messages = vim.fn.execute("messages"),
}) }, RESULT)
vim.cmd("qall!")
"""


def version() -> tuple[int, ...]:
    assert NVIM
    shown = subprocess.run([NVIM, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"NVIM v(\d+)\.(\d+)", shown)
    return tuple(map(int, found.groups())) if found else (0,)


pytestmark = [
    pytest.mark.skipif(NVIM is None, reason="Neovim is not installed here"),
    pytest.mark.skipif(NVIM is not None and version() < OLDEST, reason="the Neovim here is older than 0.10"),
    pytest.mark.skipif(not (COMMANDS / "hakeep").exists(), reason="the commands are not installed here"),
]


def look(tmp_path: Path, name: str, text: str) -> dict[str, Any]:
    """What Neovim sees of such a file, with the setup of the note and no other."""
    note = (ROOT / "conf" / "editors" / "README.md").read_text()
    setup = re.search(r"^```lua\n(.*?)^```", note, re.DOTALL | re.MULTILINE)
    assert setup
    result = tmp_path / "result.json"
    (tmp_path / "init.lua").write_text(setup.group(1))
    line = text[: text.index("prior")].count("\n") + 1
    check = CHECK.replace("RESULT", json.dumps(str(result))).replace("LINE", str(line))
    (tmp_path / "check.lua").write_text(f"local well, what = pcall(function() {check} end)\n"
                                        "if not well then io.stderr:write(what) vim.cmd('cquit!') end\n")
    (tmp_path / name).write_text(text)
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [str(NVIM), "--headless", "--clean", "-u", str(tmp_path / "init.lua"), "-S", str(tmp_path / "check.lua"), name],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"{COMMANDS}:{os.environ['PATH']}", "HOME": str(home),
             "XDG_STATE_HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home)})
    assert result.exists(), done.stderr
    log = "".join(path.read_text() for path in home.rglob("lsp.log"))
    assert "[ERROR]" not in log, log
    return dict(json.loads(result.read_text()))


def test_neovim(tmp_path: Path) -> None:
    seen = look(tmp_path, "hakeep.conf", CONF)
    assert [6, 23, "HK202"] in seen["diagnostics"]
    assert seen["hover"].startswith("**interface** IFNAME")
    assert seen["labels"] == ["priority"]
    assert seen["jumped"] == 1
    assert seen["second"] == '    script "/bin/true"'
    assert (seen["clients"], seen["comment"], seen["filetype"]) == (1, "# %s", "keepalived")
    assert "Error" not in seen["messages"]


def test_neovim_with_yaml(tmp_path: Path) -> None:
    seen = look(tmp_path, "hakeep.yaml", YAML)
    assert [6, 24, "HK202"] in seen["diagnostics"]
    assert seen["hover"].startswith("**interface** IFNAME")
    assert seen["labels"] == ["priority"]
    assert seen["jumped"] == 2
    assert (seen["clients"], seen["filetype"]) == (1, "yaml.hakeep")
    assert "Error" not in seen["messages"]
