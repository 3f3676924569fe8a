"""The YAML form: what it means, what it refuses, where its mistakes are, and that converting loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from hakeep.config.diagnostic import Code, Diagnostic
from hakeep.config.files import load
from hakeep.config.forms import is_yaml
from hakeep.config.forms.conversion import Unfaithful, conf_config, convert, yaml_config
from hakeep.config.keywords.static import ROOT as LANGUAGE
from hakeep.config.keywords.static import Config
from hakeep.config.loaded import Loaded
from hakeep.config.schema import Block, Section
from hakeep.config.settled import Script

ROOT = Path(__file__).resolve().parents[2]
CORPUS = sorted((ROOT.parent / "shared" / "corpus").glob("*.conf"))
SAMPLES = sorted((ROOT / "conf").glob("*.conf"))

Read = Callable[[str], Loaded]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def from_text(text: str) -> Loaded:
        path = tmp_path / "hakeep.yaml"
        path.write_bytes(dedent(text).encode())
        return load(str(path), config_id="here", environment={})

    return from_text


def both(classic: str, in_yaml: str) -> None:
    """The two texts mean the same, and each is converted to the other's meaning."""
    one, other = conf_config(dedent(classic)), yaml_config(dedent(in_yaml))
    assert one == other
    assert isinstance(one, Config)
    assert yaml_config(convert(one, {}, "yaml").text) == one
    assert conf_config(convert(one, {}, "conf").text) == one


# ---------------------------------------------------------------------------------------------------------- meaning


def test_an_instance() -> None:
    both("""
        global_defs {
            router_id no
            vrrp_version 3
            script_user nobody nogroup
            dynamic_interfaces
            notification_email {
                a@example.org b@example.org
            }
            umask 0177
            vrrp_cpu_affinity 0 1
        }
        vrrp_script chk {
            script "/usr/bin/pgrep -x 'a b'"
            weight -5 reverse
        }
        vrrp_instance web {
            interface no
            virtual_router_id 51
            preempt
            no_accept
            v3_checksum_as_v2 off
            vip_fence off
            use_vmac
            advert_int 0.5
            unicast_src_ip 192.0.2.1
            unicast_peer {
                192.0.2.2 min_ttl 255
            }
            authentication {
                auth_type PASS
                auth_pass 1111
            }
            track_script {
                chk weight 3
            }
            virtual_ipaddress {
                192.0.2.10/24 dev eth0 label eth0:1
                192.0.2.11
            }
            notify "/x y" nobody
        }
        """, """
        global_defs:
          router_id: no
          vrrp_version: 3
          script_user: nobody nogroup
          dynamic_interfaces: true
          notification_email: [a@example.org, b@example.org]
          umask: 0177
          vrrp_cpu_affinity: [0, 1]
        vrrp_instance:
          web:
            interface: no
            virtual_router_id: 51
            preempt: true
            no_accept: yes
            v3_checksum_as_v2: off
            vip_fence: off
            use_vmac: true
            advert_int: 0.5
            unicast_src_ip: 192.0.2.1
            unicast_peer:
              - 192.0.2.2 min_ttl 255
            authentication: {auth_type: PASS, auth_pass: 1111}
            track_script: [chk weight 3]
            virtual_ipaddress:
              - 192.0.2.10/24 dev eth0 label eth0:1
              - "192.0.2.11"
            notify: {command: [/x, y], user: nobody}
        vrrp_script:
          chk:
            script: [/usr/bin/pgrep, -x, a b]
            weight: -5 reverse
        """)


def test_services() -> None:
    both("""
        virtual_server 192.0.2.10 443 {
            protocol TCP
            lb_algo rr
            real_server 10.0.0.1 443 {
                weight 2
                TCP_CHECK {
                }
                HTTP_GET {
                    url {
                        path /
                        status_code 200-299 404
                    }
                    url {
                        path /other
                    }
                }
            }
            real_server 10.0.0.2 443 {
            }
            real_server 10.0.0.2 443 {
                weight 0
            }
        }
        virtual_server_group g {
            192.0.2.20-29 80
        }
        garp_group {
            interface eth0
            interface eth1
        }
        """, """
        virtual_server:
          192.0.2.10 443:
            protocol: TCP
            lb_algo: rr
            real_server:
              - name: 10.0.0.1 443
                weight: 2
                TCP_CHECK: {}
                HTTP_GET:
                  url:
                    - path: /
                      status_code: 200-299 404
                    - {path: /other}
              - name: 10.0.0.2 443
              - name: 10.0.0.2 443
                weight: 0
        virtual_server_group:
          g: [192.0.2.20-29 80]
        garp_group:
          interface: [eth0, eth1]
        """)


def test_old_spellings_mean_the_new() -> None:
    both("vrrp_track_file f {\n file /x\n}\n", "track_file: {f: {file: /x}}\n")


def test_scripts_may_come_after_their_use(read: Read) -> None:
    loaded = read("""
        vrrp_instance:
          web: {interface: eth0, virtual_router_id: 1, virtual_ipaddress: [192.0.2.1/24], track_script: [chk]}
        vrrp_script:
          chk: {script: /bin/true}
        """)
    assert Code.UNKNOWN_REFERENCE not in [d.code for d in loaded.diagnostics]


@pytest.mark.parametrize(("written", "script"), [
    ("/bin/x", Script(("/bin/x",))),
    ("'\"/bin/x a\" nobody'", Script(("/bin/x", "a"), "nobody")),
    ("[/bin/x, a b, $HOME]", Script(("/bin/x", "a b", "$HOME"))),
    ("{command: [/bin/x], user: nobody, group: g}", Script(("/bin/x",), "nobody", "g")),
    ("{command: /bin/x -v}", Script(("/bin/x", "-v"))),
])
def test_commands(written: str, script: Script) -> None:
    config = yaml_config(f"vrrp_instance: {{a: {{notify: {written}}}}}")
    assert config.vrrp_instance[0].notify == script  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------------ recognition


@pytest.mark.parametrize(("text", "known"), [
    ("global_defs:\n", True), ("# c\n\nglobal_defs: {}\n", True), ("---\n", True), ("%YAML 1.2\n---\n", True),
    ('{"global_defs": {}}', True), ("global_defs {\n", False), ("! c\nx: y\n", False), ("include a:b\n", False),
    ("", False), ("vrrp_instance a:b {\n", False), ("$X=a: b\n", False), ("a:b {\n", False),
])
def test_yaml_is_known_by_its_beginning(text: str, known: bool) -> None:
    assert is_yaml("hakeep.conf", text) is known
    assert is_yaml("hakeep.yml", text)


def test_a_file_without_suffix(tmp_path: Path) -> None:
    path = tmp_path / "hakeep.conf"
    path.write_text("global_defs: {router_id: here}\n")
    assert load(str(path)).config.global_defs.router_id == "here"  # type: ignore[union-attr]


# ------------------------------------------------------------------------------------------------------ diagnostics


def of(loaded: Loaded, code: Code) -> Diagnostic:
    return next(d for d in loaded.diagnostics if d.code is code)


@pytest.mark.parametrize(("text", "code", "marked"), [
    ("vrrp_instance: {a: {virtual_router_id: 256}}", Code.OUT_OF_RANGE, "256"),
    ("vrrp_instance: {a: {virtual_router_id: x1}}", Code.BAD_NUMBER, "x1"),
    ("vrrp_instance: {a: {state: 'MASTR'}}", Code.BAD_WORD, "'MASTR'"),
    ("vrrp_instance: {a: {virtual_ipaddress: [192.0.2.1/24 dev e labl x]}}", Code.UNKNOWN_OPTION, "labl"),
    ("vrrp_instance: {a: {virtual_ipaddress: ['192.0.2.999']}}", Code.BAD_ADDRESS, "192.0.2.999"),
    ("vrrp_instance: {a: {virtual_ipadress: []}}", Code.UNKNOWN_KEYWORD, "virtual_ipadress"),
    ("vrrp_instance: {a: {interface: }}", Code.MISSING_PARAMETER, "interface"),
    ("vrrp_instance: {a: {priority: [1, 2]}}", Code.SHAPE, "["),
    ("vrrp_instance: {a: {nopreempt: false}}", Code.SHAPE, "false"),
    ("vrrp_instance: {a: {use_vmac: false}}", Code.SHAPE, "false"),
    ("vrrp_instance: {a: {notify: {cmd: x}}}", Code.SHAPE, "cmd"),
    ("vrrp_instance: [a]", Code.SHAPE, "a"),
    ("vrrp_instance: a", Code.SHAPE, "a"),
    ("vrrp_instance: {a: 5}", Code.SHAPE, "5"),
    ("global_defs: [5]", Code.SHAPE, "["),
    ("global_defs: {router_id: 'a\"b'}", Code.SHAPE, "'a\"b'"),
    ("just words", Code.SHAPE, "just words"),
    ("a: 1\na: 2", Code.REPEATED, "a"),
    ("vrrp_instance: {a: {}, a: {}}", Code.REPEATED, "a"),
])
def test_mistakes_are_shown_where_they_stand(read: Read, text: str, code: Code, marked: str) -> None:
    loaded = read(text)
    span = of(loaded, code).span
    assert span is not None
    assert text.split("\n")[span.line - 1][span.column - 1 :].startswith(marked)
    assert span.length in (len(marked), len(marked.strip("[")) or 1)


def test_a_typo_gets_its_cure(read: Read) -> None:
    assert "virtual_ipaddress" in of(read("vrrp_instance: {a: {virtual_ipadress: []}}"), Code.UNKNOWN_KEYWORD).fix


def test_one_mistake_gives_one_message(read: Read) -> None:
    loaded = read("""
        vrrp_instance:
          web: {interface: eth0, virtual_router_id: 1, virtual_ipaddress: [192.0.2.1/24], nonsense: {a: {b: [c]}}}
        """)
    assert [d.code for d in loaded.diagnostics] == [Code.UNKNOWN_KEYWORD]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12))


@pytest.mark.parametrize("text", [
    "a: [", "a: b: c", "a:\n\tb: y", "a: !!python/object/apply:os.system [ls]", "a: !x y", "a: 1\n---\nb: 2\n",
    "? [a]\n: b\n", "a: *nowhere", "a: &x [*x]", BOMB, "[" * 100_000, "{a: " * 5000, "a: \x01", "a: 'b",
    "- " * 3000 + "x",
])
def test_what_is_refused(read: Read, text: str) -> None:
    loaded = read(text)
    assert loaded.settings is None
    assert [d.code for d in loaded.diagnostics] == [Code.YAML]
    assert loaded.fatal
    assert loaded.exit_status() == 5


def test_a_key_given_twice_stops(read: Read) -> None:
    assert read("global_defs: {router_id: a, router_id: b}").fatal


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"global_defs: {router_id: \xe9}\n")
    assert [d.code for d in load(str(path)).diagnostics] == [Code.YAML]


def test_aliases_within_reason(read: Read) -> None:
    loaded = read("""
        vrrp_instance:
          a: {interface: eth0, virtual_router_id: 1, virtual_ipaddress: [192.0.2.1/24], authentication: &auth {
              auth_type: PASS, auth_pass: secret}}
          b: {interface: eth0, virtual_router_id: 2, virtual_ipaddress: [192.0.2.2/24], authentication: *auth}
        """)
    assert loaded.diagnostics == ()
    assert [instance.auth_pass[:6] for instance in loaded.settings.vrrp] == [b"secret"] * 2  # type: ignore[union-attr]


def test_nothing_is_a_configuration(read: Read) -> None:
    loaded = read("# nothing\n")
    assert loaded.config == conf_config("")
    assert not loaded.fatal


# ------------------------------------------------------------------------------------------------------- conversion


def converted(loaded: Loaded, to: str) -> Section:
    text = convert(loaded.config, loaded.sources, to).text
    return (yaml_config if to == "yaml" else conf_config)(text)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_there_and_back(path: Path, tmp_path: Path) -> None:
    loaded = load(str(path), config_id="first")
    there = tmp_path / "there.yaml"
    there.write_text(convert(loaded.config, loaded.sources, "yaml").text)
    read = load(str(there))
    assert (read.config, read.settings, read.diagnostics) == (loaded.config, loaded.settings, ())
    back = tmp_path / "back.conf"
    back.write_text(convert(read.config, read.sources, "conf").text)
    assert load(str(back)).settings == loaded.settings


def test_the_yaml_sample_is_the_classic_one() -> None:
    sample, classic = (load(str(ROOT / "conf" / name)) for name in ("master.yaml", "master.conf"))
    assert (sample.diagnostics, sample.settings) == ((), classic.settings)


@pytest.mark.thorough
@pytest.mark.skipif(not CORPUS, reason="the corpus of real configurations is not here")
def test_the_corpus_there_and_back() -> None:
    for path in CORPUS:
        loaded = load(str(path), config_id="none", environment={})
        if loaded.settings is not None:
            assert converted(loaded, "yaml") == loaded.config, path
            assert converted(loaded, "conf") == loaded.config, path


def test_comments_come_along(read: Read) -> None:
    classic = dedent("""\
        # what this is

        global_defs {  # one
            # two
            router_id here  # three
        }

        vrrp_instance a {
            virtual_ipaddress {  # four
                192.0.2.1  # five
                # six
            }
            # seven
        }
        # eight
        """)
    config = conf_config(classic)
    assert isinstance(config, Config)
    result = convert(config, {"": classic}, "yaml")
    assert result.notes == ()
    assert result.text == dedent("""\
        # what this is

        global_defs:  # one
          # two
          router_id: here  # three

        vrrp_instance:
          a:
            virtual_ipaddress:  # four
              - 192.0.2.1  # five
              # six
            # seven

        # eight
        """)
    loaded = read(result.text)
    back = convert(loaded.config, loaded.sources, "conf").text
    assert sorted(word for word in back.split() if word.isalpha()) == sorted(
        word for word in classic.split() if word.isalpha())


def test_what_was_resolved_is_said(tmp_path: Path) -> None:
    (tmp_path / "more.conf").write_text("router_id $ID  # who\n")
    main = tmp_path / "hakeep.conf"
    main.write_text("$ID=here  # a name\nglobal_defs {\n  include more.conf\n}\n@other x\n")
    loaded = load(str(main), config_id="here")
    result = convert(loaded.config, loaded.sources, "yaml")
    assert result.text == "global_defs:\n  router_id: here  # who\n"
    assert result.notes == (
        "resolved, and not in the result as such: 1 definition, 1 include, 1 condition", "1 comment found no place")


@pytest.mark.parametrize("word", ["${_HASH}", "x" * 1100])
def test_what_the_classic_form_cannot_say_is_refused(word: str) -> None:
    config = yaml_config(f"global_defs: {{router_id: '{word}'}}")
    assert isinstance(config, Config)
    with pytest.raises(Unfaithful):
        convert(config, {}, "conf")
    assert yaml_config(convert(config, {}, "yaml").text) == config


@pytest.mark.parametrize("word", [
    "no", "on", "1.10", "0177", "0x1f", "12:30", "2026-01-01", "~", "null", "a: b", "a #b", "- x", "é", "", " x ",
    "[a]", "{a}", "*x", "&x", "!x", "%x", "@x", "a,b", "'", "1e3", ".inf", "y", "=", "<<", "a:",
])
def test_words_stay_words(word: str) -> None:
    config = conf_config(f'global_defs {{\nrouter_id "{word}"\nnotification_email {{\n"{word}"\n}}\n}}\n')
    assert isinstance(config, Config)
    text = convert(config, {}, "yaml").text
    assert yaml.safe_load(text) == {"global_defs": {"router_id": word, "notification_email": [word]}}


#: Of every kind that YAML, str.strip, str.split or str.splitlines could take for something else, with characters that
#: no edition of Unicode has assigned yet.
ODD = [*map(chr, (
    *range(1, 10), *range(11, 32), 0x7F, 0x85, 0xA0, 0xAD, 0x301, 0x2028, 0x2029, 0x202E, 0x3000, 0xE000, 0xFEFF,
    0xFFFD, 0xFFFE, 0xFFFF, 0x18CD6, 0x1E2FA, 0x1F600, 0xE0001, 0x10FFFF))]


@pytest.mark.parametrize("char", ODD, ids=lambda char: f"U+{ord(char):04X}")
def test_every_character_goes_through_yaml(char: str) -> None:
    texts = (char, f"a{char}", f"{char}b", f" {char} c {char} ")
    for text in texts:
        classic = dedent("""\
            global_defs {
                router_id "%(text)s"
                script_user "%(text)s" "%(text)s"
                notification_email {
                    "%(text)s"
                }
            }
            vrrp_instance "%(text)s" {
                track_script {
                    "%(text)s" weight 2
                }
                notify "'/bin/%(text)s' %(octal)s" root
            }
            """) % {"text": text, "octal": "".join(f"\\{byte:03o}" for byte in text.encode() if byte < 128)}
        config = conf_config(classic)
        assert isinstance(config, Config)
        assert config.global_defs.router_id == text  # type: ignore[union-attr]
        read = yaml_config(convert(config, {}, "yaml").text)
        assert read == config
        assert isinstance(read, Config)
        assert conf_config(convert(read, {}, "conf").text) == config


def test_a_name_that_is_too_long_for_a_key() -> None:
    config = conf_config(f'vrrp_instance "{chr(0xA0) * 450}" {{\npriority 7\n}}\n')
    assert isinstance(config, Config)
    assert yaml_config(convert(config, {}, "yaml").text) == config


def test_comments_hold_any_character() -> None:
    classic = f"global_defs {{ # {''.join(ODD)}\n}}\n"
    config = conf_config(classic)
    assert isinstance(config, Config)
    text = convert(config, {"": classic}, "yaml").text
    assert yaml.safe_load(text) == {"global_defs": {}}
    assert len(text.splitlines()) == 1
    assert "\U0001f600" in text


def test_bytes_that_yaml_cannot_hold_are_said() -> None:
    config = conf_config("global_defs {\nrouter_id caf\udce9\n}\n")
    assert isinstance(config, Config)
    with pytest.raises(Unfaithful, match="not UTF-8"):
        convert(config, {}, "yaml")


def test_every_keyword_goes_through_yaml() -> None:
    """The example of every keyword means in YAML what it means in braces."""
    def examples(block: Block, wrap: Callable[[str], str]) -> None:
        for keyword in block.children:
            config = conf_config(wrap(keyword.example))
            assert isinstance(config, Config)
            assert config != conf_config(wrap("")), keyword.name
            assert yaml_config(convert(config, {}, "yaml").text) == config, keyword.name
            if isinstance(keyword.value, Block) and not keyword.value.entries:
                head = keyword.example.partition("\n")[0]
                examples(keyword.value, lambda text, head=head: wrap(f"{head}\n{text}\n}}\n"))

    examples(LANGUAGE, lambda text: text + "\n")
