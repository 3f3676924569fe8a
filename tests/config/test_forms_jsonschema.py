"""The JSON Schema of the YAML form: what is right validates, typical mistakes do not, the committed file is fresh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from hakeep.config.advice import walk
from hakeep.config.diagnostic import Severity
from hakeep.config.files import load
from hakeep.config.forms import jsonschema as form
from hakeep.config.forms.conversion import convert
from hakeep.config.keywords.static import ROOT as LANGUAGE

ROOT = Path(__file__).resolve().parents[2]
CORPUS = sorted((ROOT.parent / "shared" / "corpus").glob("*.conf"))
SAMPLES = sorted((ROOT / "conf").glob("*.conf"))
FILE = ROOT / "conf" / "hakeep.schema.json"

VALIDATOR = jsonschema.Draft202012Validator(form.schema())


def mistakes(text: str) -> list[Any]:
    return list(VALIDATOR.iter_errors(yaml.safe_load(text)))


def test_the_committed_schema_is_fresh() -> None:
    assert FILE.read_text() == form.render(), "run: hakeep schema > conf/hakeep.schema.json"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(FILE.read_text()))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_validate(path: Path) -> None:
    loaded = load(str(path), config_id="first")
    assert mistakes(convert(loaded.config, loaded.sources, "yaml").text) == []


def test_the_yaml_sample_validates() -> None:
    assert mistakes((ROOT / "conf" / "master.yaml").read_text()) == []


@pytest.mark.thorough
@pytest.mark.skipif(not CORPUS, reason="the corpus of real configurations is not here")
def test_what_is_right_in_the_corpus_validates() -> None:
    checked = 0
    for path in CORPUS:
        loaded = load(str(path), config_id="none", environment={})
        if loaded.settings and not any(each.severity is Severity.ERROR for each in loaded.diagnostics):
            assert mistakes(convert(loaded.config, loaded.sources, "yaml").text) == [], path
            checked += 1
    assert checked > len(CORPUS) / 3


INSTANCE = "vrrp_instance: {web: {interface: eth0, virtual_router_id: 51, %s}}"


@pytest.mark.parametrize("text", [
    INSTANCE % "priority: 256",
    INSTANCE % "priority: high",
    INSTANCE % "priorty: 100",
    INSTANCE % "state: Master",
    INSTANCE % "nopreempt: false",
    INSTANCE % "virtual_ipaddress: {a: b}",
    INSTANCE % "virtual_ipaddress: [web.example.org]",
    INSTANCE % "advert_int: 0",
    INSTANCE % "authentication: {auth_type: SECRET}",
    INSTANCE % "authentication: secret",
    INSTANCE % "notify: {script: /x}",
    INSTANCE % "interface: eth0000000000000000",
    "vrrp_instance: {web: {interface: eth0}}",
    "vrrp_instance: web",
    "vrrp_instances: {}",
    "global_defs: [router_id]",
    "global_defs: {vrrp_version: 4}",
    "global_defs: {enable_script_security: 1}",
    "vrrp_script: {chk: {interval: 2}}",
    "virtual_server: {192.0.2.1 80: {protocol: ICMP}}",
    "virtual_server: {192.0.2.1 80: {real_server: {10.0.0.1 80: {TCP_CHECK: {connect_port: 0}}}}}",
    "bfd_instance: {peer: {multiplier: 5}}",
    "[]",
])
def test_typical_mistakes_do_not(text: str) -> None:
    assert mistakes(text)


@pytest.mark.parametrize("text", [
    INSTANCE % "nopreempt: true, vip_fence: off, vip_lease: 5, smtp_alert: no, use_vmac: true, notify: /x",
    INSTANCE % "virtual_ipaddress: 192.0.2.1/24 dev eth0, track_script: [chk weight 3]",
    INSTANCE % "mcast_src_ip: 192.0.2.1, notify: [/x, y], notify_stop: {command: [/x], user: u}",
    "vrrp_script: [{name: a, script: /x}, {name: a, script: /y}]",
    "bfd_instance: {peer: {neighbor_ip: 192.0.2.1}}",
    "global_defs:\n",
])
def test_what_is_right_validates(text: str) -> None:
    assert mistakes(text) == []


def test_every_keyword_is_described() -> None:
    described = json.dumps(form.schema())
    for _, keyword in walk(LANGUAGE):
        assert f'"{keyword.name}": {{"description": ' in described


def test_facts_come_from_the_language() -> None:
    instance = form.schema()["$defs"]["vrrp_instance"]
    vrid = instance["properties"]["virtual_router_id"]
    assert (vrid["minimum"], vrid["maximum"], vrid["examples"]) == (1, 255, [51])
    assert instance["required"] == ["virtual_router_id"]
    assert instance["properties"]["preempt_delay"]["default"] == 0
    told = form.schema()["$defs"]["global_defs"]["properties"]["enable_traps"]["description"]
    assert "hakeep does not act on it" in told
    assert instance["properties"]["native_ipv6"]["deprecated"] is True


def test_defaults_and_examples_validate() -> None:
    definitions = form.schema()["$defs"]
    for name, block in definitions.items():
        for key, described in block["properties"].items():
            bare = {**described, "$defs": definitions}
            validator = jsonschema.Draft202012Validator(bare)
            for sample in [*described.get("examples", ()), *([described["default"]] if "default" in described else [])]:
                assert list(validator.iter_errors(sample)) == [], (name, key, sample)
