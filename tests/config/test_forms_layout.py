"""The canonical layout: golden for its look, and by property that it never changes what a text means."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hakeep.config.definitions import Surroundings
from hakeep.config.diagnostic import Code
from hakeep.config.forms.layout import Unbalanced, layout
from hakeep.config.includes import Opened
from hakeep.config.lexer import Unterminated, shell_words
from hakeep.config.line import Line
from hakeep.config.reader import LINE_LIMIT, Reader
from tests.effort import tries

ROOT = Path(__file__).resolve().parents[2]
CORPUS = sorted((ROOT.parent / "shared" / "corpus").rglob("*.conf"))
SAMPLES = sorted((ROOT / "conf").glob("*.conf"))


def shell(line: Line) -> list[str] | None:
    """The words of a line in the other way of reading, as script keywords have it."""
    try:
        return [word.text for word in shell_words(line.text)]
    except Unterminated:
        return None


def meaning(text: str, config_id: str) -> object:
    """All that reading makes of a text: words in both ways of reading, braces, and what is wrong."""
    reader = Reader(lambda pattern, folder: Opened((), ()), Surroundings(config_id, {"HOME": "/root"}, seed=1))
    lines = [(line.words, line.brace, line.brace or shell(line)) for line in reader.read("x", "/etc", text)]
    return lines, [(d.code, d.message) for d in reader.diagnostics]


def assert_same(text: str) -> None:
    formatted = layout(text)
    for config_id in ["", *sorted(set(re.findall(r"@\^?([^\s@]+)", text)))[:3]]:
        assert meaning(formatted, config_id) == meaning(text, config_id)
    assert layout(formatted) == formatted


def test_the_look() -> None:
    written = dedent("""\


        ! keepalived
        $NAME=web   \t
        global_defs\t{\r
        \trouter_id    here   # who\r
        }


        @a   vrrp_instance $NAME
        @^a vrrp_instance   other
        {

        interface eth0
          virtual_ipaddress { 10.0.0.1/24   dev  eth0 } # the address
          track_script
          # what counts
          {
              chk   weight 5
          }
          notify "/x   y"  'a   b'


          include   some  file*.conf

          }
        vrrp_script chk { script "/bin/a  b" }""")
    assert layout(written) == dedent("""\
        ! keepalived
        $NAME=web
        global_defs {
            router_id here  # who
        }

        @a vrrp_instance $NAME
        @^a vrrp_instance other
        {
            interface eth0
            virtual_ipaddress {  # the address
                10.0.0.1/24 dev eth0
            }
            track_script {
                # what counts
                chk weight 5
            }
            notify "/x   y" 'a   b'

            include some  file*.conf
        }
        vrrp_script chk {
            script "/bin/a  b"
        }
        """)
    assert_same(written)


@pytest.mark.parametrize("text", [
    "",
    "\n\n",
    "# only a comment",
    "\ufeffglobal_defs {\n}\n",
    "$X=a \\\n  vrrp_script   y { \\\n script   z \\\n }\n$X\n",
    "$X=a \\\n # said \\\n b\nc d\n",
    "$X=a  \\\n\nb   c\n",
    "$X=a  # more \\\n b\n$X\n",
    "$Q=\"\nrouter_id $Q  a   b$Q   c\n",
    "$H=#\nglobal_defs {  router_id a $H b }\n}\n",
    "$E=1\n$F=$E.2\nvrrp_instance x { priority   $E  }\n",
    "$INC=include\n$INC   a   b\n",
    "~SEQ(i, 1, 3)   vrrp_instance  v$i {  virtual_router_id   $i  }\n",
    "~SEQ(i, 1, 2) ~LST(n, a, b) x  $i   $n\n",
    "~LST({a,b}, {1,2}, {3,4}) vrrp_instance v${a} { priority ${b}   }\n",
    "a { @b   c }\n",
    "a { $X=5\n b  $X }\n",
    "a { ~SEQ(x,1,2)   b $x }\n",
    "@a x { y }\n",
    "$i=1\na {$i}\n",
    "\\${_RANDOM 1 9}   x\n",
    "\xa0 { }\n",
    "@a  @^b   x   y\n",
    "@a\n",
    "a b { } c { d { e } } f\n",
    "a \"b   c\n{\n}\n",
    "a it's    here   \"x\n",
    "notify a\\   b\\\\   c  \\#   d # e\n",
    "include x{a,b}  {c}\n",
    "@a include x\n{\n}\n",
    "vrrp_script s { include a{b,c}.conf  }\n",
    "x ${UNDEFINED  {}   y { z }\n}\n",
    "x " + "y" * 1018 + "  z\n",
    "x " + "y   " * 300 + "\n",
    "a { " + "b" * 1015 + " }\n",
    "nul \0   byte   x\n",
    "a\n\n\n# one\n\n\n\n# two\n{\n\n\nb\n\n\n}\n",
    "x\x0b  y\n",
    "auth_pass \"a  #  b\"   !c\n",
])
def test_oddities_keep_their_meaning(text: str) -> None:
    if text.count("{") == text.count("}"):
        assert_same(text)
    else:
        with pytest.raises(Unbalanced):
            layout(text)


PIECES = st.sampled_from([
    "a", "vrrp_instance", "router_id", "$X", "${X}", "$Y", "${_RANDOM 1 9}", "${_HASH}", "\"q  q\"", "'s  s'", "\\#",
    "\\ ", "\"", "'", "#", "!c", "{", "}", "{", "}", "{ b   c }", "@a", "@^b", "$X=1 2", "$Y={", "$Y=\"", "$X=z \\",
    "~SEQ(i,1,2)", "$i", "\\", "include f", "${_PWD}", "@", "~LST(i,p,q)", "$", "\t", "10.0.0.1/24", "x\"y z\"w",
    "\xa0",
])
LINES = st.lists(st.tuples(st.sampled_from(["", " ", "\t  "]), st.lists(PIECES, max_size=6), st.sampled_from(
    [" ", "  ", " \t", ""])).map(lambda t: t[0] + t[2].join(t[1])), max_size=12)


@settings(max_examples=tries(800), deadline=None, suppress_health_check=list(HealthCheck))
@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_meaning_is_kept(lines: list[str], ending: str, final: bool) -> None:
    text = ending.join(lines) + (ending if final else "")
    try:
        assert_same(text)
    except Unbalanced as unbalanced:
        assert unbalanced.diagnostics
        with contextlib.suppress(Unbalanced):  # more such texts balance if they begin no block of their own
            assert_same(re.sub(r"(?<![$\w]){(?!\w)|(?<![\w ])}", "", text))


@pytest.mark.thorough
@pytest.mark.skipif(not CORPUS, reason="the corpus of real configurations is not here")
def test_the_corpus_keeps_its_meaning() -> None:
    refused = []
    for path in CORPUS:
        try:
            assert_same(path.read_bytes().decode("utf-8", "surrogateescape"))
        except Unbalanced:
            refused.append(path.name)
    assert len(refused) < len(CORPUS) / 20


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_samples_are_in_canonical_layout(path: Path) -> None:
    assert layout(path.read_text()) == path.read_text()


def test_unbalanced_braces_are_shown() -> None:
    with pytest.raises(Unbalanced) as caught:
        layout("a {\n  b {\n}\n", "f")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.span) == (Code.UNCLOSED_BLOCK, ("f", 1, 3, 1, ()))
    with pytest.raises(Unbalanced) as caught:
        layout("a {\n}\n }\n", "f")
    assert [(d.code, d.span and d.span[1:3]) for d in caught.value.diagnostics] == [(Code.EXTRA_BRACE, (3, 2))]


def test_lines_that_are_too_long_stay_to_the_byte() -> None:
    long = "  x " + "y" * LINE_LIMIT + "  z  \r"
    assert long in layout(f"a {{\n{long}\n}}\n").split("\n")


def test_comments_are_all_there() -> None:
    written = "a # 1\n# 2\n{ # 3\nb { c } # 4\n# 5\n} # 6\n# 7"
    formatted = layout(written)
    assert sorted(re.findall(r"# \d", formatted)) == [f"# {number}" for number in range(1, 8)]


def test_hostile_text_costs_little() -> None:
    bomb = "$A={{{{\n" + "".join(f"$A{n}=$A{n - 1 or ''} $A{n - 1 or ''}\n" for n in range(1, 200)) + "$A199\n"
    chain = "".join(f"$X{n}=$X{n + 1}\n" for n in range(2000))
    nested = "a {\n" * 10_000 + "}\n" * 10_000
    for text in (bomb, chain, nested, "{\n" * 10_000, "@a" * 500, "\n" * 100_000):
        start = time.perf_counter()
        with contextlib.suppress(Unbalanced):
            layout(text)
        assert time.perf_counter() - start < 10
