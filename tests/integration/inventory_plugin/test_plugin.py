# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin through ansible-inventory: hosts and their names, EEMs that fail, secrets, and the documented examples."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import trustme
import yaml
from conftest import TESTS, Rack
from eemsim.client import Simulator
from guides import GUIDES, blocks_of
from module_runs import Ansible, call

PLUGIN = TESTS.parent / "plugins" / "inventory" / "expether.py"
NOTHING = {"status": 200, "no_body": True}


def test_a_node_is_a_host_with_all_that_node_info_returns(rack: Rack, registered: Ansible) -> None:
    rack.configure(include_systems=True)
    done = rack.list()
    assert (done.status, done.stderr, rack.requests()) == (0, "", [1, 1])
    nodes = registered.play(call("node_info"))[0]["nodes"]
    rack.requests()
    systems = {card["id"] for eem in rack.eems for card in eem.eesvs()}
    assert {*done.hosts} == {"web1", "db1"} | (systems - {node["id"] for node in nodes})
    for node in nodes:
        assert done.hosts[node["name"]] == {f"expether_{key}": value for key, value in node.items()}
    for system in systems & {*done.hosts}:
        assert done.hosts[system].keys() == done.hosts["web1"].keys()
        assert done.hosts[system]["expether_name"] is None
    # Without EEM: one of the pod managers, as stored.
    rack.configure(source="registry", podms=["RACK2"])
    stored = rack.list()
    assert (stored.status, stored.stderr, rack.requests()) == (0, "", [0, 0])
    assert [*stored.hosts] == ["db1"]
    assert stored.hosts["db1"]["expether_device_ids"] == done.hosts["db1"]["expether_device_ids"]


def test_no_two_nodes_are_one_host_and_none_is_this_machine(rack: Rack, registered: Ansible) -> None:
    registry = {"EXPETHER_REGISTRY": rack.environment["EXPETHER_REGISTRY"]}
    odd = "-{% if %} ../x"
    ssd = {"pci_device": {"type": ["SSD"]}}
    nodes = (("rack1", "localhost"), ("rack2", "WEB1"), ("rack1", odd))
    registered.play(*(call("node", podm=podm, name=name, properties=ssd) for podm, name in nodes), environment=registry)
    rack.configure(groups={"db1": True}, keyed_groups=[{"key": "expether_podm", "prefix": "all", "separator": ""}])
    first = rack.list("--inventory=other,")
    assert {*first.hosts} == {"rack1-web1", "rack1-localhost", "rack2-WEB1", "db1", "____if____.._x"}
    assert first.hosts["____if____.._x"]["expether_name"] == {"__ansible_unsafe": odd}
    assert first.hosts["rack1-web1"]["expether_podm"] == "rack1"
    assert {*first.groups["db1_group"]} == {*first.hosts}
    for node, host in (("web1", "rack1-web1"), ("WEB1", "rack2-WEB1"), ("localhost", "rack1-localhost")):
        assert re.search(rf"Node {node} of pod manager rack\d is the host {host}, because another node", first.words)
    # The name does not pass to the other node when one of the EEMs is away.
    rack.eems[0].fault("drop", method="GET")
    assert {*rack.list().hosts} == {"rack2-WEB1", "db1"}


def test_an_eem_that_fails_does_not_take_the_hosts_of_others_nor_its_own_from_the_cache(rack: Rack) -> None:
    eem, dead = rack.eems
    rack.configure(keyed_groups=[{"key": "expether_podm", "prefix": "podm"}])
    complete = rack.source("complete.expether.yml", require_all=True)
    dead.fault("drop", method="GET", times=2)
    done = rack.list(complete)
    assert done.groups["podm_rack1"] == ["web1"] == [*done.hosts]
    assert done.words.count("Pod manager rack2 could not be asked: ") == 1  # the other source has failed
    assert "complete.expether.yml as an inventory source" in done.words
    eem.fault("drop", method="GET")
    dead.fault("drop", method="GET")
    done = rack.list(environment={"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"})
    assert done.status != 0
    assert "auto' plugin: GET " in done.words and "the connection ended before the answer was complete" in done.words

    rack.cached()
    rack.requests()
    dead.fault("drop", method="GET")
    assert [*rack.list().hosts] == ["web1"]
    assert {*rack.list().hosts} == {"web1", "db1"}  # what failed was not cached
    assert rack.requests() == [1, 2]
    # An EEM that has just started lists nothing.
    dead.reset(devices=[])
    done = rack.list("--flush-cache")
    assert {*done.hosts} == {"web1", "db1"}
    assert "EEM lists no cards, although it had some before." in done.words
    assert {*rack.list().hosts} == {"web1", "db1"}
    assert rack.requests() == [1, 1]


def test_systems_stay_while_their_eem_lists_nothing(rack: Rack, registered: Ansible) -> None:
    """Without nodes: what the registry knows of a pod manager counts, and of another EEM what the cache has."""
    eem = rack.eems[1]
    how = {"url": eem.url, "username": eem.username, "password": eem.password}
    rack.environment["EXPETHER_REGISTRY"] = f"sqlite:///{rack.folder / 'other.sqlite3'}"
    rack.cached(include_systems=True, **how)
    systems = {card["id"] for card in eem.eesvs()}
    assert {*rack.list().hosts} == systems
    environment = {"EXPETHER_REGISTRY": rack.environment["EXPETHER_REGISTRY"]}
    cards = eem.records()
    eem.reset(devices=[])
    done = rack.list("--flush-cache")
    assert {*done.hosts} == systems
    assert "EEM lists no cards, although it had some before." in done.words
    eem.reset(devices=cards)
    registered.play(call("podm", name="rack3", **how), environment=environment)
    eem.reset(devices=[])
    rack.configure(include_systems=True)
    done = rack.list()
    assert done.hosts == {}
    assert "EEM lists no cards, although it had some before." in done.words


def test_a_cache_that_is_damaged_or_cannot_be_written_costs_requests_and_no_host(rack: Rack) -> None:
    rack.cached()
    rack.list()
    first, second = sorted((rack.folder / "cache").iterdir())
    first.write_text("[]", encoding="utf-8")  # not in the form of any version
    second.write_bytes(b"\xff{half")
    rack.requests()
    done = rack.list()
    assert {*done.hosts} == {"web1", "db1"}
    assert done.words.count("The cache of the inventory cannot be read") == 2
    assert {*rack.list().hosts} == {"web1", "db1"}
    assert rack.requests() == [1, 1]


def test_each_failure_is_a_sentence_and_no_secret_is_shown_or_cached(rack: Rack) -> None:
    eem, other = rack.eems
    how = {"url": eem.url, "username": "admin", "retries": 0, "timeout": 5}
    secrets = ["canary-one", "canary-two", "canary-three", "canary-four"]
    other.fault("html", method="GET", nth=2)  # the first source lists all
    other.fault("status", method="GET", nth=3, times=4, **NOTHING)
    cases = {
        "misspelt": ({**how, "passwort": secrets[0]}, "`passwort`: the inventory plugin"),
        "wrong": ({**how, "password": secrets[0]}, "401"),
        "list": ({**how, "password": [secrets[1]]}, "`password[0]`|`password` is a list"),
        "undefined": (
            {**how, "password": f"{secrets[2]}{{{{ nope }}}}"},
            "`password` cannot be decrypted or evaluated.",
        ),
        "in-url": ({"url": f"http://admin:{secrets[3]}@127.0.0.1/eem"}, "contains a user name|contain a user name"),
        "away": ({**how, "url": "http://127.0.0.1:1/eem", "password": "x"}, "127.0.0.1:1/eem"),
        "html": ({"podms": ["rack2"]}, "HTML|not JSON|Is this the URL"),
        "nothing": ({"podms": ["rack2"]}, "EEM lists no cards, although it had some before."),
        "unknown": ({"podms": ["nope"]}, "Pod manager 'nope' is not registered"),
        "twice": ({"podms": ["rack1"], "podm": "rack2"}, "`podms` and `podm` are the same option"),
        "both": ({"podms": ["rack1"], "url": eem.url}, "mutually exclusive"),
        "systems": ({"source": "registry", "include_systems": True}, "`include_systems` requires `source: live`"),
        "lost": (
            {"require_all": True, "registry": f"{rack.folder}/lost"},
            "No pod manager is registered in .*/lost. Reg",
        ),
        "gone": ({"require_all": True, "registry": f"{rack.folder}/lost", "source": "registry"}, "correct `registry`"),
        "number": ({"timeout": 0}, "`timeout` must be more than 0"),
    }
    sources = [rack.source(f"{name}.expether.yml", **options) for name, (options, _why) in cases.items()]
    rack.source("rack.yml")
    rack.cached()
    done = rack.list(*sources, f"--inventory={rack.folder / 'rack.yml'}", "-vvvvv")
    assert {*done.hosts} == {"web1", "db1"}
    text = done.stdout + done.stderr
    for name, (_options, why) in cases.items():
        found = re.search(
            rf"Failed to parse (?:(?!Failed to parse).)*{name}\.expether\.yml.*?(?=Failed to parse|$)", text, re.S
        )
        assert found and re.search(why, " ".join(found[0].split())), (name, found and found[0])
    assert "rack.yml' could not be verified" in done.words
    cached = "".join(path.read_text(encoding="utf-8") for path in (rack.folder / "cache").iterdir())
    assert "web1" in cached and "db1" in cached
    for secret in (*secrets, eem.password, other.password):
        assert secret not in text and secret not in cached


def test_a_password_comes_from_a_template_or_a_vault_and_the_certificate_is_verified(
    rack: Rack, tmp_path: Path
) -> None:
    ca = trustme.CA()
    server = ca.issue_cert("127.0.0.1")
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server.private_key_pem.write_to_path(str(tmp_path / "server.key"))
    server.cert_chain_pems[0].write_to_path(str(tmp_path / "server.pem"))
    (tmp_path / "vault").write_text("vault-secret", encoding="utf-8")
    files = (str(tmp_path / "server.pem"), str(tmp_path / "server.key"))
    with Simulator(eesv=1, eeio=1, seed=300, password="[0123]", tls=files, verify=str(tmp_path / "ca.pem")) as secure:
        how = {"url": secure.url, "username": "{{ eem_user }}", "retries": 0, "include_systems": True}
        # Its own process: what the controller imports would change how later tests see warnings of modules.
        vault = [sys.executable, "-m", "ansible", "vault", "encrypt", "--vault-password-file", str(tmp_path / "vault")]
        done = subprocess.run(vault, input=secure.password, check=True, capture_output=True, text=True)
        encrypted = done.stdout
        sources = [
            rack.source(
                "template.expether.yml",
                **how,
                ca_path=f"{{{{ lookup('file', '{tmp_path}/ca.pem') }}}}",  # the text in place of a path
                password="{{ lookup('env', 'P') }}",
            ),
            rack.source("vault.expether.yml", **how, validate_certs="{{ false }}"),
            rack.source("no-authority.expether.yml", **how, password=secure.password),
        ]
        indented = "\n".join(f"  {line}" for line in encrypted.splitlines())
        with (tmp_path / "vault.expether.yml").open("a", encoding="utf-8") as file:
            file.write(f"password: !vault |\n{indented}\n")
        extra = ("-e", "eem_user=admin", f"--vault-password-file={tmp_path / 'vault'}", "-vvvvv")
        rack.configure(podms=[])
        done = rack.list(*sources, *extra, environment={"P": secure.password})
        assert [*done.hosts] == [secure.eesvs()[0]["id"]]
        assert secure.stats()["requests"] == 2, done.stderr
    failed = {*re.findall(r"Unable to parse \S*/(\S+) as an inventory source", done.words)}
    assert failed == {"no-authority.expether.yml"}
    assert "[0123]" not in done.stdout + done.stderr


def test_the_documented_sources_work(rack: Rack, tmp_path: Path) -> None:
    tree = ast.parse(PLUGIN.read_text(encoding="utf-8"))
    examples = next(
        ast.literal_eval(line.value)
        for line in tree.body
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "EXAMPLES"
    )
    pages = [
        block.text for page in GUIDES for block in blocks_of(page) if block.text.startswith("plugin: nec.expether.")
    ]
    example = yaml.safe_load(examples)
    # The lines in its last comment replace `podms`.
    variant = "".join(re.findall(r"^# ([a-z_]+: .*\n)", examples, re.MULTILINE))
    with_url = {**{key: value for key, value in example.items() if key != "podms"}, **yaml.safe_load(variant)}
    contents = [*map(yaml.safe_load, pages), example, with_url]
    assert len(pages) >= 3 and "url" in with_url
    sources = []
    for place, content in enumerate(contents):
        options = {**content, **({"url": rack.eems[0].url} if "url" in content else {})}
        sources.append(rack.source(f"{place}.expether.yml", **options))
    rack.configure(podms=[])
    done = rack.list(*sources, environment={"EEM_PASSWORD": rack.eems[0].password})
    assert (done.status, done.stderr) == (0, "")
    assert {"web1", "db1"} < {*done.hosts}
    assert done.hosts["web1"]["ansible_host"] == "web1.example.com"
    assert done.groups["gpu"] == ["web1", "db1"] or {*done.groups["gpu"]} == {"web1", "db1"}


def test_the_environment_is_used_as_documented(rack: Rack, registered: Ansible, tmp_path: Path) -> None:
    """The file, then files of this host, then what is registered, then the rest; and `EEM_PODM` before `EEM_URL`."""
    eem, other = rack.eems
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    text = ca.cert_pem.bytes().decode()
    server = ca.issue_cert("127.0.0.1")
    server.private_key_pem.write_to_path(str(tmp_path / "server.key"))
    server.cert_chain_pems[0].write_to_path(str(tmp_path / "server.pem"))
    files = (str(tmp_path / "server.pem"), str(tmp_path / "server.key"))
    rack.configure(include_systems=True)
    login = {"EEM_USERNAME": "admin", "EEM_PASSWORD": eem.password}

    def hosts(about: str, **environment: str) -> set[str]:
        done = rack.list(environment={**login, **environment})
        assert done.status == 0, about
        return {host["expether_podm"] or "none" for host in done.hosts.values()}

    assert hosts("an empty variable", EEM_PODM="", EEM_URL="") == {"rack1", "rack2"}
    assert hosts("the pod manager first", EEM_PODM="RACK2", EEM_URL=eem.url) == {"rack2"}
    rack.configure(url=eem.url)
    assert hosts("the file's URL first", EEM_PODM="rack2", EEM_URL=other.url) == {"rack1"}
    rack.configure(source="registry")
    assert hosts("stored", EEM_PODM="rack2") == {"rack2"}
    with Simulator(eesv=1, eeio=1, seed=300, password="third", tls=files, verify=str(tmp_path / "ca.pem")) as secure:
        registry = {"EXPETHER_REGISTRY": rack.environment["EXPETHER_REGISTRY"]}
        way = {"username": "admin", "password": "third", "retries": 0, "timeout": 5, "ca_path": text}
        registered.play(call("podm", name="rack3", url=secure.url, **way), environment=registry)
        stranger = trustme.CA().cert_pem.bytes().decode()
        rack.configure(include_systems=True)
        third = {"EEM_PODM": "rack3", "EEM_TIMEOUT": "0.001", "EEM_RETRIES": "9"}
        assert hosts("what is registered before the rest", **third) == {"rack3"}
        assert hosts("no verification", **third, EEM_CA_PATH=stranger, EEM_VALIDATE_CERTS="no") == {"rack3"}
        rack.configure(include_systems=True, ca_cert=str(tmp_path / "ca.pem"), validate_certs=True)
        assert hosts("the file before this host", **third, EEM_CA_PATH=stranger, EEM_VALIDATE_CERTS="no") == {"rack3"}
        rack.configure(include_systems=True, url=secure.url, ca_path=text, retries=0)
        done = rack.list(rack.source("b.expether.yml", podm="rack3"), environment={**login, "EEM_CA_PATH": stranger})
        assert not done.hosts
        failures = re.findall(r"auto' plugin: GET \S+ (EEM does not accept|the TLS connection failed)", done.words)
        assert failures == ["EEM does not accept", "the TLS connection failed"], done.words
