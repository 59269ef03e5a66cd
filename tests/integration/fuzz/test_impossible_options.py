# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module refuses invalid options before it sends a request or creates a registry."""

from __future__ import annotations

import typing as t
import unicodedata
from pathlib import Path

import pytest
import yaml
from forks import Forks, Options
from known_registry import Known, overwrite
from module_fuzz import CANARY, MODULES, check, placed, spec_of

#: What each module needs; with it alone the module does something, or finds nothing.
NEEDED: dict[str, Options] = {
    "expether_device": {"device": "0x8cdf9d000001"},
    "expether_device_action": {"device": "0x8cdf9d000001", "action": "audit"},
    "expether_device_attach": {"devices": ["0x8cdf9d000001"], "state": "detached"},
    "expether_flavor": {"name": "new", "properties": {"devices": [{"type": "GPU"}]}},
    "expether_layout": {"nodes": [{"name": "new", "flavor": "gpu"}]},
    "expether_node": {"name": "new", "flavor": "gpu"},
    "expether_podm": {"name": "new"},
}

Impossible = tuple[str, t.Any, str]

#: Option, value and the sentence's beginning. PLACE is a folder that exists.
CONNECTION: list[Impossible] = [
    ("timeout", 0, "`timeout` must be more than 0"),
    ("timeout", -1, "`timeout` must be more than 0"),
    ("timeout", 1e9, "`timeout` must be more than 0"),
    ("timeout", "nan", "`timeout` must be more than 0"),
    ("timeout", True, "`timeout` is a boolean"),
    ("timeout", "abc", "argument"),  # in Ansible's own words
    ("retries", "inf", "argument"),
    ("retries", -5, "`retries` must be from 0 to 100, not -5."),
    ("retries", 1000, "`retries` must be from 0 to 100, not 1000."),
    ("retries", True, "`retries` is a boolean"),
    ("ca_path", "PLACE/missing", "`ca_path`: PLACE/missing does not exist"),
    ("ca_cert", "PLACE/missing", "`ca_path`: PLACE/missing does not exist"),
    ("client_cert", "PLACE/missing", "`client_cert`: PLACE/missing does not exist"),
    ("client_cert", "PLACE", "`client_cert`: PLACE does not exist, is not a file, or"),
    ("client_key", "PLACE/missing", "`client_key`: PLACE/missing does not exist"),
    ("client_key", False, "`client_key` is a boolean"),
    ("url", "eem.example.com", "`url` is not the URL of an EEM"),
    ("url", "http://eem:99999/eem", "`url` cannot be parsed"),
    ("url", f"http://admin:{CANARY}@eem/eem", "`url` must not contain a user name or password"),
    ("url", "", "`url` is empty"),
    ("url", [], "`url` is a list"),
    ("username", False, "`username` is a boolean"),
    ("password", False, "`password` is a boolean"),
    ("podm", False, "`podm` is a boolean (true or false); quote the name if it is meant."),
    ("podm", "", "`podm` is empty"),
    ("podm", [], "`podm` is a list"),
    ("podm", 1.5, "`podm` is a number with a fraction"),
    ("registry", "", "`registry` is empty"),
    ("registry", False, "`registry` is a boolean"),
    ("registry", "mysql://host/x", "The registry mysql://"),
    ("registry_key_file", "", "`registry_key_file` is empty"),
]


def of_its_own(module: str) -> list[Impossible]:
    """Return invalid values for the options that only this module has."""
    found: list[Impossible] = []
    for name, option in spec_of(module).items():
        kind = option.get("type", "str")
        if name in {case[0] for case in CONNECTION} or name in ("description", "location"):
            continue
        if option.get("elements") == "dict":
            found += [(name, value, name) for value in (False, "", 0.5, {}, [None], ["a"], [[]], [{}])]
            continue
        if kind in ("str", "path", "list") and not option.get("choices"):
            found += [
                (name, False, f"`{name}` is a boolean"),
                (name, "", f"`{name}` is empty"),
                (name, " ", f"`{name}` is empty"),
                (name, 0.5, f"`{name}` is a number with a fraction"),
                (name, {}, name if kind == "list" else f"`{name}` is a dictionary"),
            ]
        if kind in ("str", "path") and not option.get("choices"):
            found += [(name, [], f"`{name}` is a list"), (name, ["a"], f"`{name}` is a list")]
            found += [(name, None, f"`{name}` is null")] if option.get("required") else []
        if kind == "list" and not option.get("choices"):
            found += [
                (name, [None], f"`{name}[0]` is null"),
                (name, ["a", ""], f"`{name}[1]` is empty"),
                (name, [False], f"`{name}[0]` is a boolean"),
                (name, [[]], f"`{name}[0]` is a list"),
            ]
        if kind in ("int", "float"):
            found += [
                (name, True, f"`{name}` is a boolean"),
                (name, -1, f"`{name}` must be"),
                (name, 1e9, f"`{name}` must be"),
            ]
        if option.get("choices"):
            found += [(name, value, name) for value in ("", [""], "nonsense", 0)]
        if kind in ("bool", "dict"):
            found += [(name, value, name) for value in ("", [], "nonsense")]
        if option.get("default") is not None:
            found.append((name, None, name))  # null is no default
    return found


def refused(forks: Forks, folder: Path, module: str, options: Options, **environment: str) -> str:
    """Run a module that must refuse its options before it makes a file; return the message."""
    place = folder / "place"
    place.mkdir()
    given = {**NEEDED.get(module, {}), **options}
    home = {
        "EXPETHER_REGISTRY": f"sqlite:///{folder}/registry.sqlite3",
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder),
    }
    result = check(forks.run(module, placed(given, place), {**home, **environment}))
    assert result["failed"] and result["failure"]["kind"] in ("invalid", "registry"), result
    assert result["changed"] is False
    assert [path.name for path in folder.rglob("*")] == ["place"], "a registry was made"
    return str(result["msg"]).replace(str(place), "PLACE")


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(("option", "value", "said"), CONNECTION)
def test_how_to_reach_an_eem_is_checked_by_every_module(
    forks: Forks, tmp_path: Path, module: str, option: str, value: t.Any, said: str
) -> None:
    if option == "podm" and value == [] and "podm" not in spec_of(module):
        pytest.skip("podm is another name of a list")
    message = refused(forks, tmp_path, module, {option: value})
    assert message.startswith(said) and (said != "argument" or option in message)


@pytest.mark.parametrize(
    ("module", "option", "value", "said"), [(module, *case) for module in MODULES for case in of_its_own(module)]
)
def test_what_a_module_alone_takes_is_checked_too(
    forks: Forks, tmp_path: Path, module: str, option: str, value: t.Any, said: str
) -> None:
    message = refused(forks, tmp_path, module, {option: value})
    assert said in message if said == option else message.startswith(said)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"username": "admin"}, "`username` is set without `password`."),
        ({"password": CANARY}, "`password` is set without `username`."),
        ({"username": "", "password": CANARY}, "`password` is set without `username`."),
        ({"client_key": __file__}, "`client_key` is set without `client_cert`."),
    ],
)
def test_half_of_a_pair_is_refused_by_every_module(
    forks: Forks, tmp_path: Path, module: str, options: Options, said: str
) -> None:
    assert refused(forks, tmp_path, module, {"url": "http://127.0.0.1:1/eem", **options}).startswith(said)


@pytest.mark.parametrize("module", [module for module in MODULES if module.endswith("_info")])
@pytest.mark.parametrize(
    ("variable", "said"), [("EXPETHER_REGISTRY", "The registry mysql://"), ("EEM_URL", "`url` is not the URL")]
)
def test_the_environment_is_checked_where_it_is_used(
    forks: Forks, tmp_path: Path, module: str, variable: str, said: str
) -> None:
    if variable == "EEM_URL" and module in ("expether_podm_info", "expether_flavor_info"):
        pytest.skip("no URL is used")
    assert refused(forks, tmp_path, module, {}, **{variable: "mysql://h/x"}).startswith(said)


#: Environment variable, value and the sentence about it.
VARIABLES = [
    ("EEM_TIMEOUT", "abc", "must be a number, not 'abc'."),
    ("EEM_TIMEOUT", "nan", "must be more than 0"),
    ("EEM_RETRIES", "1e400", "must be"),
    ("EEM_RETRIES", "inf", "must be a whole number"),
    ("EEM_RETRIES", "2.5", "must be a whole number"),
    ("EEM_RETRIES", "-1", "must be from 0 to 100"),
    ("EEM_VALIDATE_CERTS", "maybe", "must be true or false, not 'maybe'."),
    ("EEM_CONDITIONAL_UPDATES", "2", "must be true or false"),
    ("EEM_CA_PATH", "/nonexistent", ": /nonexistent does not exist"),
    ("EEM_CA_PATH", "-----BEGIN CERTIFICATE-----", "is not the PEM text of certificates"),
    ("EEM_CLIENT_CERT", "-----BEGIN CERTIFICATE-----", "is the text of a certificate"),
    ("EEM_CLIENT_KEY", "/dev", ": /dev does not exist, is not a file"),
]


@pytest.mark.parametrize("module", MODULES)
def test_the_environment_is_checked_by_every_module(forks: Forks, tmp_path: Path, module: str) -> None:
    for place, (variable, value, said) in enumerate(VARIABLES):
        folder = tmp_path / str(place)
        folder.mkdir()
        message = refused(forks, folder, module, {}, **{variable: value})
        assert message.startswith(f"The environment variable {variable}") and said in message


@pytest.mark.parametrize("module", ["expether_device_info", "expether_system_info", "expether_node_info"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"username": "nobody"}, "`username` is set without `password`."),
        ({"username": "", "password": CANARY}, "`password` is set"),
    ],
)
def test_half_of_a_pair_is_no_failure_of_the_eems_that_are_registered(
    known: Known, module: str, options: Options, said: str
) -> None:
    with known.copy() as folder:
        known.eem.reset_log()
        result = check(known.run(module, options, folder))
    assert result["failed"] and result["msg"].startswith(said), result
    assert known.eem.log() == []


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_asked_of_an_eem_before_its_options_are_checked(known: Known, module: str) -> None:
    for options in ({"timeout": 0}, {"retries": 1000}, {"ca_path": "/nonexistent"}, {"podm": False}):
        with known.copy() as folder:
            known.eem.reset_log()
            assert check(known.run(module, {**NEEDED.get(module, {}), **options}, folder))["failed"], options
        assert known.eem.log() == []


# -- an empty list never means all

EMPTY: dict[str, tuple[str, Options]] = {
    "expether_device_info": ("devices", {"devices": []}),
    "expether_system_info": ("systems", {"system": []}),
    "expether_node_info": ("nodes", {"name": []}),
    "expether_flavor_info": ("flavors", {"name": []}),
    "expether_podm_info": ("podms", {"name": []}),
    "expether_sync": ("podms", {"podms": []}),
    "expether_device_attach": ("devices", {"devices": [], "state": "detached"}),
}


@pytest.mark.parametrize("module", EMPTY)
def test_an_empty_list_means_nothing_and_null_means_all(known: Known, module: str) -> None:
    key, options = EMPTY[module]
    with known.copy() as folder:
        result = check(known.run(module, {"podm": "rack1", **options} if "url" in spec_of(module) else options, folder))
        assert (result["changed"], result[key]) == (False, [])
        if module == "expether_sync":
            assert "`podms` is an empty list: no pod manager was synchronised." in str(result["warnings"])
        if module != "expether_device_attach":
            everything, null = (check(known.run(module, given, folder)) for given in ({}, dict.fromkeys(options)))
            assert len(null[key]) == len(everything[key]) > 0


@pytest.mark.parametrize("options", [{"type": []}, {"state": []}])
def test_an_empty_list_of_conditions_is_met_by_no_device(known: Known, options: Options) -> None:
    with known.copy() as folder:
        assert check(known.run("expether_device_info", options, folder))["devices"] == []


def test_a_null_beside_what_it_excludes_is_as_if_not_given(known: Known) -> None:
    way: Options = {"url": known.eem.url, "username": known.eem.username, "password": known.eem.password}
    with known.copy() as folder:
        assert check(known.run("expether_device_info", {"podm": None, **way}, folder))["devices"]
        assert check(known.run("expether_node", {"name": "train", "flavor": None, "properties": None}, folder))["node"]


# -- what an info module returns can be given back


@pytest.mark.parametrize("empty", [None, ""], ids=["null", "as Jinja makes of null before ansible-core 2.19"])
@pytest.mark.parametrize("words", [None, "", "in hall 2"])
def test_what_the_info_modules_return_can_be_given_back(known: Known, empty: str | None, words: str | None) -> None:
    keys = ("name", "url", "username", "description", "location")
    with known.copy() as folder:
        texts = {"description": words, "location": words}
        check(known.run("expether_podm", {"name": "rack1", **texts}, folder))
        check(known.run("expether_flavor", {"name": "gpu", "description": words}, folder))
        (podm,) = check(known.run("expether_podm_info", {}, folder))["podms"]
        (flavor,) = check(known.run("expether_flavor_info", {}, folder))["flavors"]
        assert podm["description"] == podm["location"] == flavor["description"] == (words or None)
        again = {key: podm[key] for key in keys} | podm["connection"]
        again = {key: empty if value is None else value for key, value in again.items()}
        assert check(known.run("expether_podm", again, folder))["changed"] is False
        again = {key: flavor[key] for key in ("name", "description", "properties")}
        again = {key: empty if value is None else value for key, value in again.items()}
        assert check(known.run("expether_flavor", again, folder))["changed"] is False


def test_an_empty_text_takes_words_away(known: Known) -> None:
    with known.copy() as folder:
        for module, name in (("expether_podm", "rack1"), ("expether_flavor", "gpu")):
            key = module.removeprefix("expether_")
            assert check(known.run(module, {"name": name, "description": "words"}, folder))["changed"]
            assert check(known.run(module, {"name": name, "description": None}, folder))[key]["description"] == "words"
            result = check(known.run(module, {"name": name, "description": ""}, folder))
            assert (result["changed"], result[key]["description"]) == (True, None)


# -- names and ids


@pytest.mark.parametrize("text", ["0x10de", "0403", "1533", "10"])
@pytest.mark.parametrize("key", ["vendor_id", "pci_device_id", "device_id"])
def test_a_number_is_refused_where_a_pci_id_is_wanted_and_not_stored(known: Known, key: str, text: str) -> None:
    properties = {"devices": [{"type": "GPU", key: yaml.safe_load(text)}]}
    with known.copy() as folder:
        for module, more in (("expether_flavor", {"name": "new"}), ("expether_node", {"name": "new", "podm": "rack1"})):
            result = check(known.run(module, {**more, "properties": properties}, folder))
            assert result["failed"] and f"properties.devices[0].{key} is the number" in result["msg"]
            assert "in quotes" in result["msg"]
        properties["devices"][0][key] = text  # quoted: hex digits as they are
        flavor = check(known.run("expether_flavor", {"name": "new", "properties": properties}, folder))["flavor"]
        id_ = text.removeprefix("0x").zfill(4)
        assert flavor["properties"] == {
            "devices": [{"type": "GPU", key if key == "vendor_id" else "pci_device_id": id_}]
        }
        assert len(check(known.run("expether_flavor_info", {}, folder))["flavors"]) == 2


def test_a_flavor_with_a_number_that_was_stored_once_is_used_shown_and_repaired(known: Known) -> None:
    uuid, body = next((uuid, body) for kind, uuid, body in known.documents if kind == "flavors")
    entry = {"type": "GPU", "vendor_id": 1533, "device_id": "0x1DB6", "model": None}
    with known.copy() as folder:
        overwrite(folder, "flavors", uuid, {**body, "description": "", "properties": {"devices": [entry]}})
        (flavor,) = check(known.run("expether_flavor_info", {}, folder))["flavors"]
        normal = {"type": "GPU", "vendor_id": "1533", "pci_device_id": "1db6"}
        assert flavor["properties"] == {"devices": [normal]} and flavor["description"] is None
        again = {key: flavor[key] for key in ("name", "properties", "description")}
        assert not check(known.run("expether_flavor", again, folder))["changed"]
        result = check(known.run("expether_node", {"name": "new", "podm": "rack1", "flavor": "gpu"}, folder))
        assert "1 GPU 1533:1db6" in result["msg"]
        repaired = {**again, "properties": {"devices": [{"type": "GPU", "vendor_id": "10de"}]}}
        assert check(known.run("expether_flavor", repaired, folder))["changed"]


def test_a_card_may_be_named_by_the_number_that_yaml_makes_of_its_id(known: Known) -> None:
    device = next(card for card in sorted(known.cards) if known.cards[card]["status"] == "eeio")
    number = int(device, 16)
    assert len(str(number)) >= 13
    with known.copy() as folder:
        for given in (number, [number], [number, device], str(number)):
            found = check(known.run("expether_device_info", {"podm": "rack1", "devices": given}, folder))["devices"]
            assert [one["device_id"] for one in found] == [device]
        led = check(known.run("expether_device", {"podm": "rack1", "device": number, "uid_led": True}, folder))
        assert led["device"]["uid_led"] == "on"
        detached = {"podm": "rack1", "devices": number, "state": "detached"}
        assert check(known.run("expether_device_attach", detached, folder))["devices"][0]["device_id"] == device


@pytest.mark.parametrize("form", ["number", "no 0x", "upper case", "MAC address"])
def test_every_option_that_names_a_card_takes_its_id_in_each_form(known: Known, form: str) -> None:
    eesvs, eeios = (
        [card for card in sorted(known.cards) if known.cards[card]["status"] == kind] for kind in ("eesv", "eeio")
    )

    def written(card: str) -> t.Any:
        digits = card.removeprefix("0x")
        pairs = (digits[place : place + 2] for place in range(0, 12, 2))
        return {"number": int(card, 16), "no 0x": digits, "upper case": card.upper(), "MAC address": ":".join(pairs)}[
            form
        ]

    with known.copy() as folder:

        def ran(module: str, **options: t.Any) -> dict[str, t.Any]:
            result = check(known.run(f"expether_{module}", {"podm": "rack1", **options}, folder))
            assert not result.get("failed"), result
            return result

        taken = {body["index"] for kind, _uuid, body in known.documents if kind == "nodes"}
        free = next(card for card in eesvs if card not in taken)
        for option in ("node_index", "system", "index"):
            assert ran("node", name="new", state="managed", **{option: written(free)})["node"]["id"] == free
        for source in ("live", "registry"):
            assert [node["id"] for node in ran("node_info", name=[written(free)], source=source)["nodes"]] == [free]
        for option in ("system", "systems"):
            assert [system["id"] for system in ran("system_info", **{option: [written(free)]})["systems"]] == [free]
        stray = eeios[-1]
        for option in ("devices", "device", "resource_id"):
            assert (
                ran("device_attach", state="absent", **{option: [written(stray)]})["devices"][0]["device_id"] == stray
            )
        attached = ran("device_attach", state="present", node=written(free), device=[written(stray)])["devices"]
        assert [device["node_id"] for device in attached] == [free]
        for option in ("devices", "device"):
            for source in ("live", "registry"):
                found = ran("device_info", source=source, **{option: written(stray)})["devices"]
                assert [device["device_id"] for device in found] == [stray]
        assert stray in [device["device_id"] for device in ran("device_info", node=written(free))["devices"]]
        for card in (free, stray):
            assert ran("device", device=written(card))["device"]["device_id"] == card
            assert ran("device_action", device=written(card), action="audit")["device"]["device_id"] == card
        assert ran("node", name=written(free), state="absent")["node"]["id"] == free


@pytest.mark.parametrize("name", [None, False, True])
@pytest.mark.parametrize("module", ["expether_node", "expether_flavor", "expether_podm"])
def test_a_boolean_or_null_is_no_name_of_a_new_thing(forks: Forks, tmp_path: Path, module: str, name: t.Any) -> None:
    message = refused(forks, tmp_path, module, {"name": name, "state": "present"})
    assert "name" in message and ("boolean" in message or name is None)


COMPOSED, DECOMPOSED = "caf\u00e9", "CAFE\u0301"


def test_a_name_composed_and_decomposed_is_one_name(known: Known) -> None:
    way: Options = {"username": known.eem.username, "password": known.eem.password}
    gpu = {"devices": [{"type": "GPU"}]}
    for one, other in ((COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)):
        with known.copy() as folder:
            for module, options in (
                ("expether_podm", {"name": "rack1", "state": "absent", "cascade": True}),
                ("expether_podm", {"name": one, "url": known.eem.url, **way}),
                ("expether_flavor", {"name": one, "properties": gpu}),
                ("expether_node", {"podm": other, "name": one, "flavor": other}),
            ):
                result = check(known.run(module, options, folder))
                assert result["changed"], result
            assert (
                unicodedata.is_normalized("NFC", result["node"]["name"])
                and result["node"]["podm"] == result["node"]["name"]
            )
            for module, options in (
                ("expether_podm", {"name": other}),
                ("expether_flavor", {"name": other, "properties": gpu}),
                ("expether_node", {"podm": other, "name": other, "flavor": other}),
            ):
                assert not check(known.run(module, options, folder))["changed"]
            node = result["node"]["uuid"]
            for name in (one, other):
                for module, key, options in (
                    ("expether_podm_info", "podms", {"name": name}),
                    ("expether_flavor_info", "flavors", {"name": [name]}),
                    ("expether_node_info", "nodes", {"podm": name, "name": name}),
                    ("expether_system_info", "systems", {"system": name}),
                    ("expether_device_info", "devices", {"node": name}),
                    ("expether_device_info", "devices", {"node": name, "source": "registry", "podm": name}),
                    ("expether_device_info", "devices", {"node": node, "source": "registry"}),
                    ("expether_sync", "podms", {"podms": [name]}),
                ):
                    assert len(check(known.run(module, options, folder))[key]) == 1, (module, options)


def test_a_name_that_was_stored_decomposed_is_found(known: Known) -> None:
    with known.copy() as folder:
        for kind, uuid, body in known.documents:
            if kind in ("pod_managers", "flavors", "nodes"):
                overwrite(folder, kind, uuid, {**body, "name": "cafe\u0301"})
        for module, options in (
            ("expether_podm", {"name": COMPOSED}),
            ("expether_flavor", {"name": COMPOSED}),
            ("expether_node", {"podm": COMPOSED, "name": COMPOSED, "flavor": COMPOSED}),
        ):
            assert not check(known.run(module, options, folder))["changed"]


def test_an_integer_is_its_text_where_a_name_is_wanted(known: Known) -> None:
    with known.copy() as folder:
        flavor: Options = {"name": 5, "properties": {"devices": [{"type": "GPU"}]}}
        assert check(known.run("expether_flavor", flavor, folder))["flavor"]["name"] == "5"
        assert not check(known.run("expether_flavor", {**flavor, "name": "5"}, folder))["changed"]
        assert len(check(known.run("expether_flavor_info", {"name": 5}, folder))["flavors"]) == 1


@pytest.mark.parametrize("names", ["gpu,rack1", "gpu, rack1", [" gpu"], ["gpu"]])
def test_names_in_one_text_may_have_spaces_between_them(known: Known, names: t.Any) -> None:
    with known.copy() as folder:
        found = check(known.run("expether_flavor_info", {"name": names}, folder))["flavors"]
        assert len(found) == (0 if names == [" gpu"] else 1)
        found = check(known.run("expether_podm_info", {"name": names}, folder))["podms"]
        assert len(found) == (1 if isinstance(names, str) else 0)


def test_the_registry_lists_the_devices_of_the_url_that_is_set_and_not_of_all(known: Known) -> None:
    with known.copy() as folder:
        options: Options = {"source": "registry", "url": known.eem.url, "username": "admin", "password": "x"}
        assert len(check(known.run("expether_device_info", options, folder))["devices"]) == 6
        options["url"] = "http://127.0.0.1:1/eem"
        assert check(known.run("expether_device_info", options, folder))["devices"] == []
