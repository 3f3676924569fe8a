"""The language as declared: complete, consistent, and every value type's faces agree with each other."""

from __future__ import annotations

import pickle
import re
import string
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hakeep.config.advice import walk
from hakeep.config.bind import bind
from hakeep.config.definitions import Surroundings
from hakeep.config.diagnostic import Code
from hakeep.config.forms import yaml
from hakeep.config.forms.shaping import tree
from hakeep.config.includes import Opened
from hakeep.config.keywords.lvs import OUR_CHECKERS
from hakeep.config.keywords.static import ROOT, Config
from hakeep.config.keywords.vrrp import VrrpInstance
from hakeep.config.lexer import quoted
from hakeep.config.prose import library, prose
from hakeep.config.reader import Reader
from hakeep.config.schema import OURS, Block, Entries, Keyword, Missing, Process, Repeat, Support
from hakeep.config.settled import Script
from hakeep.config.tree import build
from hakeep.config.values import addresses, links, numbers, options, questions, routes, scripts, services, words
from hakeep.config.values import texts as texts_values
from hakeep.config.values.value import Invalid, Value
from tests.effort import tries

LANGUAGE = [(path, keyword) for path, keyword in walk(ROOT)]
FACTS = Path(__file__).resolve().parents[2].parent / "shared" / "keepalived" / "keywords.yaml"

# ------------------------------------------------------------------------------------------------- values at random

ips4 = st.integers(0, 2**32 - 1).map(IPv4Address)
ips6 = st.integers(0, 2**128 - 1).map(IPv6Address)
ips = ips4 | ips6
names = st.tuples(
    st.sampled_from(string.ascii_letters), st.text(string.ascii_letters + string.digits + "._-", max_size=11),
).map("".join)
hosts = names.filter(lambda name: not name.endswith("-"))


def writable(word: str) -> bool:
    try:
        return bool(quoted(word))
    except ValueError:
        return False


#: Whatever a general word can hold; $ is left out, as it begins a use of a definition.
texts = st.text(
    st.characters(blacklist_characters='"$\n\r\0', blacklist_categories=["Cs"]), min_size=1, max_size=20,
).filter(writable)
prefixed = ips.flatmap(lambda ip: st.tuples(st.just(ip), st.none() | st.integers(0, ip.max_prefixlen)))
commands = st.lists(texts | st.text(min_size=1, max_size=8).filter(lambda t: t.isprintable()), min_size=1, max_size=4)


@st.composite
def address_entries(draw: Callable[..., Any], static: bool) -> addresses.AddressEntry:
    ip, prefix = draw(prefixed)
    flag = st.booleans()
    given: dict[str, Any] = {
        "dev": draw(st.just("") | names), "home": draw(flag), "nodad": draw(flag), "mngtmpaddr": draw(flag),
        "noprefixroute": draw(flag), "autojoin": draw(flag), "no_track": draw(flag),
        "preferred_lft": draw(st.none() | st.just(addresses.FOREVER) | st.integers(0, 2**32 - 1)),
    }
    if static:
        given["track_group"] = draw(st.just("") | names)
    else:
        given["use_vmac"] = draw(flag)
    if isinstance(ip, IPv4Address):
        given |= {"scope": draw(st.none() | st.integers(0, 255)), "label": draw(st.just("") | names)}
        short = prefix is not None and prefix <= 30
        given["broadcast"] = draw(st.just("") | ips4 | st.sampled_from(["+", "-"]) if short else st.just("") | ips4)
    if draw(flag):
        given["peer"] = draw(ips4 if isinstance(ip, IPv4Address) else ips6)
        given["peer_prefix"] = draw(st.none() | st.integers(0, ip.max_prefixlen))
        given["broadcast"], prefix = "", None  # the network is the peer's
    return addresses.AddressEntry(ip, prefix, **given)


#: Good words where hardly any of those of all kinds is one.
_QUESTIONED = {
    "address": ["10.0.0.1", "fd00::1"], "url": ["http://10.0.0.1/", "https://[fd00::1]:8443/a?b=c"],
    "which": ["7", "443"], "protocol": ["TCP", "UDP"], "network": ["default", "10.0.0.0/8", "fd00::/8"],
}


def option_pairs(value: options.Options) -> st.SearchStrategy[Any]:
    """Pairs that the table of `value` accepts, by trying words of all kinds."""
    words_of_all_kinds = ["7", "10.0.0.1", "10.0.0.0/8", "eth0", "default", "low", "ecn", "enabled", "224.0.0.9", "1",
                          "ipip", "NAT", "MII", "MTU", "inst-1", "10ms"]
    leading = [(name, [w for w in words_of_all_kinds if not check(w)]) for name, check in value._leading]
    named = {
        name: [""] if check is None else [w for w in words_of_all_kinds if not check(w)]
        for name, check in value._named.items()
    }
    if isinstance(value, routes.Route):
        named["via"] = ["10.0.0.1", "inet 10.0.0.1"]
        named["encap"] = ["mpls 100"]  # those of ip and ip6 would take options of the route behind them for their own
        named["protocol"] = ["18"]  # of another one it would have to say no_track
        for name in ("or", "weight", "pref", "expires"):  # are read, but reported: weight without nexthop ...
            del named[name]
        leading = [("to", ["10.0.0.0/8", "default"])]
    if isinstance(value, questions.Question):
        leading = [(name, _QUESTIONED.get(name, good)) for name, good in leading]
    if value is routes.RULE:
        leading = []
    named = {name: good for name, good in named.items() if good}
    heads = [st.tuples(*(st.sampled_from([(name, w) for w in good]) for name, good in leading[:n]))
             for n in range(value.needs if leading else 0, len(leading) + 1)]
    if isinstance(value, routes.Route):
        heads = heads[-1:]
    pair = st.one_of([st.sampled_from([(name, w) for w in good]) for name, good in named.items()] or [st.nothing()])
    least = value.needs if not leading else 0
    tail = st.lists(pair, min_size=least, max_size=4).map(tuple) if named else st.just(())
    pairs = st.tuples(st.one_of(heads), tail).map(lambda both: (*both[0], *both[1]))
    if isinstance(value, questions.Question):
        pairs = pairs.filter(lambda them: not value.agree(dict(them)))
    if value is routes.RULE:  # it does one thing only
        pairs = pairs.filter(lambda them: sum(name in routes._ACTIONS for name, _ in them) < 2)
    return pairs


def strategy(value: Value[Any]) -> st.SearchStrategy[Any]:
    """Good values of a value type."""
    match value:
        case numbers.Flag():
            return st.just(value.means)
        case numbers.OptBool():
            return st.booleans()
        case numbers.Whole():
            good = st.integers(value.low, value.high)
            return good if value._zero is None else good.filter(bool)
        case numbers.Seconds():
            unit = 10 ** value.places
            high = min(value.high, 10.0**9)
            return st.integers(int(value.low * unit) + 1, int(high * unit)).map(lambda n: n / unit)
        case numbers.Weight():
            return st.tuples(st.integers(value.low, value.high), st.booleans())
        case numbers.RangeList():
            pair = st.tuples(st.integers(value.low, value.high), st.integers(value.low, value.high))
            return st.lists(pair.map(sorted).map(tuple), max_size=3).map(tuple)
        case numbers.AutoSeconds():
            return st.sampled_from(["auto", "off"]) | st.integers(1, 3600).map(float)
        case words.Digest():
            return st.text("0123456789abcdefABCDEF", min_size=32, max_size=32)
        case texts_values.HttpUrl():
            return st.sampled_from(["http://10.0.0.1", "https://u:p@[fd00::1]:8443/a?b=c#d", "https://x.example/%20;,"])
        case words.DnsName():
            label = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=63)
            return st.lists(label, min_size=1, max_size=3).map(".".join)
        case words.Word():
            word = names.map(lambda n: n[: value.longest]) if value.longest else texts
            return word if value._default is None else word | st.just(value._default)
        case texts_values.Text():
            return st.binary(max_size=20) | texts.map(str.encode)
        case texts_values.Header():
            return st.tuples(names, texts) | (st.tuples(names) if value.needs == 1 else st.nothing())
        case texts_values.JsonPath():
            return st.tuples(st.sampled_from([".", ".a", ".status.nodes[0].name", "[3]", ".a[0][1]"]), texts)
        case words.Words():
            return st.lists(texts, min_size=value.needs, max_size=min(value.most, 4)).map(tuple)
        case words.Choice():
            return st.sampled_from([*value.choices, *([] if value._default is None else [value._default])])
        case words.Cpus():
            return st.lists(st.integers(0, 8191), min_size=1, max_size=4, unique=True).map(tuple)
        case words.Hex():
            digits = "0123456789abcdef" + ("x" if value._wildcard else "")
            return st.text(digits, min_size=2, max_size=20).filter(lambda t: len(t) % 2 == 0)
        case words.Umask():
            return st.integers(0, 0o777)
        case addresses.Ip():
            groups4 = st.integers(0, 2**28 - 1).map(lambda n: IPv4Address(0xE0000000 + n))
            groups6 = st.integers(0, 2**120 - 1).map(lambda n: IPv6Address((0xFF << 120) + n))
            all4, all6 = (groups4, groups6) if value._multicast else (ips4, ips6)
            return {0: all4 | all6, 4: all4, 6: all6}[value._family]
        case addresses.IpPort():
            return st.tuples(ips | hosts if value._host else ips,
                             st.none() | st.integers(value._low, 65535))
        case addresses.Netmask():
            return st.integers(0, 128)
        case addresses.Peers():
            return st.builds(addresses.PeerEntry, ips, st.integers(0, 255), st.integers(0, 255))
        case addresses.Addresses():
            return address_entries(value._static)
        case links.UseVmac():
            macs = st.binary(min_size=5, max_size=6).filter(lambda m: not m[0] & 1 and m[:5] not in links.RFC_MACS)
            return st.builds(links.VmacUse, st.just("") | names, st.just(b"") | macs, st.booleans(),
                             st.just("") | names)
        case links.UseIpvlan():
            address = st.tuples(st.none(), st.none()) | prefixed
            modes = st.sampled_from(["bridge", "private", "vepa"])
            plain = names.filter(lambda n: n not in ("bridge", "private", "vepa", "group", "name")
                                 and addresses.parse_ip(n) is None)
            return st.tuples(st.just("") | plain, address, modes, st.just("") | names).map(
                lambda t: links.IpvlanUse(t[0], *t[1], *t[2:]))
        case links.ExtraInterfaces():
            return st.tuples(st.booleans(), st.integers(value.low, 86400))
        case links.LinkDelays():
            delay = st.integers(0, 255 * 10**6).map(lambda n: n / 10**6)
            return st.tuples(names, delay, delay)
        case links.HmacKeys():
            text = st.tuples(st.just("text"), st.text(string.ascii_letters, min_size=32, max_size=64))
            digits = st.tuples(st.just("hex"), st.binary(min_size=32, max_size=64).map(bytes.hex))
            files = st.tuples(st.just("file"), names)
            return st.tuples(st.integers(1, 255), text | digits | files).map(lambda t: links.HmacKey(t[0], *t[1]))
        case scripts.Command():
            account = st.none() | texts
            users = st.tuples(account, account).map(lambda t: t if t[0] else (None, None))
            good = st.tuples(commands, st.just((None, None)) if value._arguments else users).map(
                lambda t: Script(tuple(t[0]), *t[1])).filter(lambda s: not (s.group or "").startswith(":"))
            good = good.filter(lambda s: not set("\u201c\u201d\u2018\u2019") & set("".join(  # of which there is a word
                [*s.argv, s.user or "", s.group or ""])))
            return good if value.needs else good | st.just(Script(()))
        case scripts.User():
            return st.tuples(texts, st.none() | texts.filter(lambda t: not t.startswith(":")))
        case scripts.FifoPath():
            return st.tuples(texts, texts, texts.filter(lambda t: not t.startswith(":"))) | st.tuples(
                texts, st.none(), st.none())
        case scripts.Expression():
            return texts
        case services.Service():
            marks = st.integers(1, 2**32 - 1).map(lambda n: services.ServiceKey(fwmark=n))
            groups = texts.map(lambda t: services.ServiceKey(group=t))
            return marks | groups | st.builds(services.ServiceKey, ips, st.none() | st.integers(0, 65535))
        case services.ServiceAddress():
            marks = st.tuples(st.integers(1, 2**32 - 1), st.sampled_from([0, 4, 6])).map(
                lambda t: services.AddressRange(fwmark=t[0], family=t[1]))
            pairs = st.tuples(ips4, ips4) | st.tuples(ips6, ips6)
            ports = st.none() | st.integers(0, 65535)
            return marks | st.tuples(pairs.map(sorted), ports).map(lambda t: services.AddressRange(*t[0], t[1]))
        case options.Tracked():
            weighted = st.tuples(st.integers(-value.limit, value.limit), st.sampled_from(
                [None, True, False] if value._noreverse else [None, True]))
            return st.tuples(names, st.just((None, None)) | weighted).map(lambda t: (t[0], *t[1]))
        case options.Options():
            return option_pairs(value)
    raise AssertionError(f"no strategy for {type(value).__name__}: add one here")


def bound(keyword: Keyword, text: str) -> tuple[Any, list[Any]]:
    """What a block that has this one keyword binds `text` to, and the diagnostics."""
    block = Block("", [keyword])
    reader = Reader(lambda pattern, folder: Opened(), Surroundings())
    root, diagnostics = bind(build(reader.read("x", "/", text), lambda words: False), block)
    return root.get(keyword.field), [*reader.diagnostics, *diagnostics]


VALUES = {
    f"{path}/{keyword.name}": keyword for path, keyword in LANGUAGE
    if not isinstance(keyword.value, Block) and not keyword.preferred and not keyword.obsolete
}


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=tries(8), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_rendered_is_read_back(name: str, data: st.DataObject) -> None:
    keyword = VALUES[name]
    value = keyword.value
    if isinstance(value, Entries):
        item = data.draw(strategy(value.entry))
        text, expected = f"{keyword.name} {{\n{value.entry.render(item)}\n}}", (item,)
        kind = value.entry
    else:
        assert isinstance(value, Value)
        item = data.draw(strategy(value))
        text, expected = f"{keyword.name} {value.render(item)}", (item,) if keyword.repeat is Repeat.ADD else item
        kind = value
    if len(text.encode("utf-8", "surrogateescape")) >= 1000:
        return
    parsed, diagnostics = bound(keyword, text)
    assert [d.message for d in diagnostics] == []
    assert parsed == expected
    assert kind.from_plain(kind.to_plain(item)) == item


@pytest.mark.thorough
@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=tries(8), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_written_as_yaml_is_read_back(name: str, data: st.DataObject) -> None:
    keyword = VALUES[name]
    kind = keyword.value.entry if isinstance(keyword.value, Entries) else keyword.value
    assert isinstance(kind, Value)
    item = data.draw(strategy(kind))
    several = isinstance(keyword.value, Entries) or keyword.repeat is Repeat.ADD
    block = Block("", [keyword])
    written = yaml.scalar(kind, item)
    read = tree("x", f"{keyword.name}: {f'[{written}]' if several and written[0] in '[{' else written}", block)
    root, diagnostics = bind(read, block)
    assert [d.message for d in (*read.diagnostics, *diagnostics)] == []
    assert root.get(keyword.field) == ((item,) if several else item)


@pytest.mark.parametrize("name", VALUES)
def test_faces_of_values(name: str) -> None:
    keyword = VALUES[name]
    value = keyword.value.entry if isinstance(keyword.value, Entries) else keyword.value
    assert isinstance(value, Value)
    assert isinstance(value.synopsis, str)
    assert value.synopsis or isinstance(value, numbers.Flag)
    assert all(isinstance(word, str) for word in (*value.complete(), *value.further()))
    if value.example or not isinstance(value, numbers.Flag | words.Words | options.Options):
        assert value.from_plain(value.to_plain(value.read(value.example))) == value.read(value.example)
    for wrong in ({"a": object()}, object()):
        if not isinstance(value, numbers.Flag):
            with pytest.raises(Invalid):
                value.from_plain(wrong)


# -------------------------------------------------------------------------------------------------------- the language


def test_every_keyword_is_documented() -> None:
    for path, keyword in LANGUAGE:
        assert keyword.doc, (path, keyword.name)
        assert keyword.doc[-1] not in ". ", (path, keyword.name)
        assert keyword.name in keyword.synopsis
        assert (keyword.support is Support.FULL) == (not keyword.instead), (path, keyword.name)


def test_every_keyword_is_explained() -> None:
    """Old spellings are explained by those that replace them."""
    new = [(path, keyword.name) for path, keyword in LANGUAGE if not keyword.preferred]
    assert [(path, name) for path, name in new if not prose(path, name)] == []


def test_nothing_else_is_explained() -> None:
    names = {keyword.name for _, keyword in LANGUAGE}
    places = {f"{path.rpartition('/')[2]}/{keyword.name}" for path, keyword in LANGUAGE}
    assert set(library()) - names - places == set()


def test_explanations_name_keywords_that_exist() -> None:
    names = {keyword.name for _, keyword in LANGUAGE}
    wrong = {
        (name, word) for name, paragraphs in library().items() for text in paragraphs
        for word in re.findall(r"`([^`]*)`", text)
        if word.partition(" ")[0] not in names and word != "top"
        and not word.startswith(("hakeep", "ip ", "nft ", "${_", "$", "include", "ps"))
    }
    assert wrong == set()


@pytest.mark.parametrize(("path", "keyword"), LANGUAGE, ids=[f"{path}/{keyword.name}" for path, keyword in LANGUAGE])
def test_examples_can_be_read(path: str, keyword: Keyword) -> None:
    """Each keyword binds, in its block, and its example says something that nobody complains about."""
    block = ROOT
    for name in path.split("/")[1:]:
        block = block.keywords[name].value  # type: ignore[assignment]
    assert keyword.example.split()[0] == keyword.name
    reader = Reader(lambda pattern, folder: Opened(), Surroundings())
    root, found = bind(build(reader.read("x", "/", keyword.example), lambda words: False), block)
    assert [d.message for d in [*reader.diagnostics, *found] if d.code is not Code.DEPRECATED] == []
    assert keyword.field in dict(root.given())


def test_what_is_ours_says_so() -> None:
    """Each by name, so that none comes in by chance: who writes them leaves keepalived behind."""
    assert {keyword.name for _, keyword in LANGUAGE if keyword.own} == {
        "vip_fence", "vip_lease", "lvs_backend", "lvs_checks_in_flight", "panic_threshold", "slow_start", "AGENT_CHECK",
        "GRPC_CHECK", "send", "expect", "service", "tls", "sni_name", "tls_verify", "tls_ca", "tls_expiry_warning",
        "alpn", "http_body_max", "method", "header", "body", "basic_auth", "expect_header", "json_path",
        "follow_redirects", "track_ping", "track_tcp", "track_http", "track_unit", "track_route",
        "track_virtual_server", "hold_down", "last_standing", "smtp_starttls", "smtp_login", "smtp_queue_max",
        "notify_webhook", "notify_webhook_secret",
    }
    assert OURS == "hakeep"
    blocks = {keyword.name for _, keyword in LANGUAGE if keyword.own and isinstance(keyword.value, Block)}
    assert blocks == set(OUR_CHECKERS)


def test_each_worker_has_its_keywords() -> None:
    """What stands in a block of the checker's or of BFD's is theirs; a block of VRRP's has none of them."""
    for path, keyword in LANGUAGE:
        block = path.split("/")[1] if path else keyword.name
        if block in ("virtual_server", "virtual_server_group", "SSL"):
            assert keyword.process is Process.LVS, (path, keyword.name)
        elif block == "bfd_instance":
            assert keyword.process is Process.BFD, (path, keyword.name)
        elif block != "global_defs" and path:
            assert keyword.process is Process.VRRP or keyword.name == "lvs_sync_daemon_interface", (path, keyword.name)


def test_fields_exist_on_their_sections() -> None:
    for keyword in ROOT.children:
        assert hasattr(Config, keyword.field)
    assert VrrpInstance().priority is None
    assert VrrpInstance().virtual_ipaddress == ()


def test_sections_are_frozen_comparable_and_picklable() -> None:
    one = VrrpInstance(name="A", priority=5)
    assert one == VrrpInstance(name="A", priority=5)
    assert one != VrrpInstance(name="A", priority=6)
    assert hash(one) == hash(VrrpInstance(name="A", priority=5))
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(AttributeError):
        one.priority = 7
    with pytest.raises(AttributeError):
        del one.priority


def facts() -> dict[tuple[str, str], dict[str, Any]]:
    if not FACTS.exists():
        pytest.skip("the facts about keepalived are not here")
    import yaml

    found = {}
    for keyword in yaml.safe_load(FACTS.read_text())["keywords"]:
        parents = keyword["parent"] if isinstance(keyword["parent"], list) else [keyword["parent"]]
        for parent in parents:
            for path in parent if isinstance(parent, list) else [parent]:
                found[path, keyword["name"]] = keyword
    return found


def test_the_language_is_keepalived_s_and_ours() -> None:
    known = facts()
    declared = {(path.strip("/"), keyword.name): keyword for path, keyword in LANGUAGE}
    assert len(known) == 531
    assert set(known) - set(declared) == set()
    ours = tuple(f"/{name}" for name in OUR_CHECKERS)
    assert set(declared) - set(known) == {
        where for where, keyword in declared.items() if keyword.own or where[0].endswith(ours)}
    assert {where for where, fact in known.items() if fact.get("new")} == {
        where for where, keyword in declared.items() if keyword.since == "2.4"}


def test_missing_words_mean_what_they_mean_to_keepalived() -> None:
    wrong = []
    known = facts()
    for path, keyword in LANGUAGE:
        fact = known.get((path.strip("/"), keyword.name))
        if fact is None or isinstance(keyword.value, Entries) or fact["kind"] in ("block", "list", "list_words"):
            continue
        needs = bool(keyword.value.name) if isinstance(keyword.value, Block) else keyword.value.needs > 0
        ours = "" if not needs else "fatal" if keyword.missing is Missing.FATAL else "err"
        theirs = {"crash": "err"}.get(fact.get("miss", ""), fact.get("miss", ""))
        if ours != theirs and theirs:  # where keepalived takes nothing for something, a word may be asked for
            wrong.append((path, keyword.name, ours, theirs))
    assert wrong == []


def test_descriptions_are_our_own_words() -> None:
    docs = {(path.strip("/"), keyword.name): keyword.doc for path, keyword in LANGUAGE}
    same = [where for where, fact in facts().items() if docs[where] == fact["meaning"] and len(docs[where]) > 30]
    assert same == []
