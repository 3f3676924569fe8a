"""The manual of the configuration: the page hakeep.conf(5), and the entry of each keyword, read off the schema.

The schema has the facts, `prose` what they mean to somebody who learns, `man_text` the chapters around them. Keywords
that all checks of a real server share are explained once.
"""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.advice import walk
from hakeep.config.forms import man_text
from hakeep.config.forms.page import Code, Element, Item, Page, Para, Section, Subsection, chapter
from hakeep.config.keywords.static import ROOT
from hakeep.config.prose import prose
from hakeep.config.schema import Block, Entries, Keyword, Reload, Repeat, Support
from hakeep.config.values.numbers import Flag, OptBool

#: Blocks in the order in which one learns them. What the outermost level has beyond them follows.
LEARNING_ORDER = (
    "vrrp_instance", "vrrp_script", "vrrp_track_process", "track_file", "vrrp_sync_group", "global_defs", "garp_group",
    "track_group", "virtual_server", "virtual_server_group", "SSL", "bfd_instance",
)
#: Blocks with the same keywords as another one (but for a few), which is named in their place.
_TWINS = {"host": "/virtual_server/real_server/SMTP_CHECK", "SSL_GET": "/virtual_server/real_server/HTTP_GET"}

_RELOADS = {
    Reload.HOT: "at once", Reload.RESTART: "by a new start of the instance",
    Reload.NEVER: "not before the daemon is started again",
}


def conf_page() -> Page:
    """hakeep.conf(5)."""
    body: list[Element] = []
    for title, text in man_text.BEFORE:
        body += [Section(title), *chapter(text)]
    for title, text in man_text.STAGES:
        body += [Subsection(title), *chapter(text)]
    body.append(Section("BLOCKS"))
    body += chapter(man_text.BLOCKS)
    for name in LEARNING_ORDER:
        body += _block("", ROOT.keywords[name])
    body += [Subsection("Outside all blocks"), *chapter(man_text.OUTERMOST)]
    rest = [child for child in ROOT.children if child.name not in LEARNING_ORDER]
    body += [entry("", child) for child in rest]
    for title, text in man_text.AFTER:
        body += [Section(title), *chapter(text)]
    return Page("hakeep.conf", 5, "configuration of hakeepd, the VRRP daemon", ("/etc/hakeep/hakeep.conf",),
                tuple(body), man_text.SEE)


def _block(path: str, keyword: Keyword) -> Iterator[Element]:
    """A block with its keywords, then the blocks in it."""
    block = keyword.value
    assert isinstance(block, Block)
    yield Subsection(keyword.synopsis)
    yield Para(_sentence(keyword.doc))
    yield from (Para(text) for text in prose(path, keyword.name))
    yield from _facts(keyword, left_out(path))
    yield Code(keyword.example)
    inner = f"{path}/{keyword.name}"
    if keyword.name in _TWINS:
        twin = _at(_TWINS[keyword.name])
        yield Para(f"The keywords are those of `{_TWINS[keyword.name].rpartition('/')[2]}`.")
        yield from (entry(inner, child) for child in block.children if child.name not in twin.keywords)
        return
    if block.entries:
        yield Para(f"Each line is: {block.entries.synopsis}")
    shared = _shared_by_checks() if _is_check(path) else ()
    known = [child.name for child in block.children if _traits(child) in shared]
    if known:
        yield Para(f"What all checks know: {', '.join(f'`{name}`' for name in known)}.")
    for child in block.children:
        if child.name not in known and not isinstance(child.value, Block):
            yield entry(inner, child)
    if keyword.name == "real_server":
        yield from _checks(inner)
    for child in block.children:
        if isinstance(child.value, Block):
            yield from _block(inner, child)


def _is_check(path: str) -> bool:
    return path.rpartition("/")[2] == "real_server" or path.endswith("SMTP_CHECK")


def _checks(path: str) -> Iterator[Element]:
    yield Subsection("What all checks know")
    yield from chapter(man_text.CHECKS)
    for child in _at(f"{path}/TCP_CHECK").children:
        yield entry(f"{path}/TCP_CHECK", child)


def _shared_by_checks() -> list[object]:
    tcp = _at("/virtual_server/real_server/TCP_CHECK")
    return [_traits(child) for child in tcp.children]


def _traits(keyword: Keyword) -> object:
    """What makes two keywords one for a reader."""
    return keyword.name, keyword.doc, keyword.old


def _at(path: str) -> Block:
    block = ROOT
    for name in path.split("/")[1:]:
        inner = block.keywords[name].value
        assert isinstance(inner, Block)
        block = inner
    return block


# ----------------------------------------------------------------------------------------------------------- entries


def entry(path: str, keyword: Keyword) -> Item:
    """What is to be known about a keyword of the block at `path` ("" = outside all blocks)."""
    rest = keyword.synopsis.removeprefix(keyword.name).strip()
    body: list[Para | Code] = [Para(_sentence(keyword.doc)), *(Para(text) for text in prose(path, keyword.name))]
    body += _facts(keyword, left_out(path))
    body.append(Code(keyword.example))
    return Item(keyword.name, rest, tuple(body))


def left_out(path: str) -> Keyword | None:
    """The outermost of the blocks on `path` that hakeep does not act on."""
    block = ROOT
    for name in path.split("/")[1:]:
        keyword = block.keywords[name]
        if keyword.support is not Support.FULL:
            return keyword
        assert isinstance(keyword.value, Block)
        block = keyword.value
    return None


def _facts(keyword: Keyword, outer: Keyword | None) -> Iterator[Para]:
    """Default, age, reload class and support, in one paragraph. `outer` is a block around it that is not acted on."""
    facts = []
    if keyword.required:
        facts.append("Required.")
    elif keyword.default:
        facts.append(f"Default: {keyword.default}.")
    elif not isinstance(keyword.value, Block | Entries):
        absent = "off" if isinstance(keyword.value, Flag) else "false" if isinstance(keyword.value, OptBool) else "none"
        facts.append(f"Default: {absent}.")
    if keyword.repeat is not Repeat.LAST and not isinstance(keyword.value, Entries):
        facts.append(f"Given again, {keyword.repeat.value}.")
    if keyword.own:
        facts.append("Known to hakeep only.")
    elif keyword.since:
        facts.append(f"Since keepalived {keyword.since}.")
    if outer:
        facts.append(f"Not acted on, like all of `{outer.name}`.")
    elif keyword.support is not Support.FULL:
        facts.append(what_instead(keyword))
    else:
        facts.append(f"Reload: {_RELOADS[keyword.reload]}.")
    if keyword.obsolete:
        facts.append(f"Obsolete: {keyword.obsolete}.")
    if keyword.old:
        spellings = ", ".join(f"`{name.rstrip('!')}`" for name in keyword.old)
        facts.append(f"Old spelling: {spellings}.")
    facts += [f"With `lvs_backend {backend}` {limit.extent}." for backend, limit in keyword.backends.items()]
    if keyword.notes:
        facts.append(_sentence(keyword.notes))
    yield Para(" ".join(facts))


def what_instead(keyword: Keyword) -> str:
    """What hakeep does about a keyword that it does not act on, as sentences."""
    return f"Not acted on: {keyword.instead}."


def _sentence(words: str) -> str:
    first = words.partition(" ")[0]
    capital = first if "_" in first else f"{first[:1].upper()}{first[1:]}"
    return f"{capital}{words[len(first):]}{'' if words.endswith('.') else '.'}"


def find(word: str) -> Iterator[Element]:
    """All that is to be known about the keyword `word`: one entry for each meaning, under the blocks that it has it in.
    Nothing if there is no such keyword."""
    meanings: dict[Item, list[str]] = {}
    blocks: dict[Item, Block] = {}
    for path, keyword in walk(ROOT):
        if keyword.name == word and not old_name(path):
            item = entry(path, keyword)
            meanings.setdefault(item, []).append(path)
            if isinstance(keyword.value, Block):
                blocks[item] = keyword.value
            if keyword.preferred:
                yield Para(f"{word} is the old spelling of `{keyword.preferred}`.")
    for item, paths in meanings.items():
        yield Section(", ".join(dict.fromkeys(place(path) for path in paths)))
        yield item
        if item in blocks:
            yield from (Item(child.name, "", (Para(_sentence(child.doc)),)) for child in blocks[item].children)


def old_name(path: str) -> bool:
    """Does the path go through a block by an old spelling? What is there is there under the new one too."""
    block = ROOT
    for name in path.split("/")[1:]:
        keyword = block.keywords[name]
        if keyword.preferred:
            return True
        assert isinstance(keyword.value, Block)
        block = keyword.value
    return False


def place(path: str) -> str:
    """How people call the block at `path`."""
    return f"in {path.rpartition('/')[2]}" if path else "outside all blocks"


def search(text: str) -> list[tuple[str, Keyword]]:
    """Keywords whose name or explanation holds `text`, those whose name does first; each name once for each block."""
    wanted = text.lower()
    named: list[tuple[str, Keyword]] = []
    told: list[tuple[str, Keyword]] = []
    seen: set[tuple[str, str]] = set()
    for path, keyword in walk(ROOT):
        key = (keyword.name, keyword.doc)
        if key in seen or old_name(path):
            continue
        seen.add(key)
        if wanted in keyword.name.lower():
            named.append((path, keyword))
        elif wanted in " ".join([keyword.doc, *prose(path, keyword.name)]).lower():
            told.append((path, keyword))
    return named + told
