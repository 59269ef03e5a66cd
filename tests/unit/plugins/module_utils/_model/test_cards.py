# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EEM's records with all that varies in them, and with garbage in them."""

from __future__ import annotations

import contextlib
import re
import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.cards import (
    TYPE_NAMES,
    Eeio,
    Eesv,
    Port,
    RecordError,
    iso_time,
    parse,
    parse_card_id,
    parse_ports,
)
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.fleets import Record, eeio, eesv
from hypothesis import given
from hypothesis import strategies as st

KNOWN_KEYS = (
    "update_time",
    "admin_status",
    "monitoring_status",
    "mac_address",
    "type",
    "eecard_type",
    "power_status",
    "model",
    "serial_number",
    "ee_version",
    "host_model",
    "host_serial_number",
    "max_eeio_count",
    "notification_status0",
    "notification_status1",
    "downstream_ports",
    "eesv_mac_address",
    "eesv_connection_status",
    "pcie_vendor_id",
    "pcie_device_id",
    "pcie_class_code",
    "a_key_of_next_year",
)
LIKELY = (
    "",
    " ",
    "up",
    "down",
    "enabled",
    "Enabled",
    "disabled",
    "40g",
    "0x",
    "0x0",
    "0x30200",
    "-0x1",
    "0x1_0",
    "10de",
    "16",
    "-1",
    "1e3",
    "1700000000123",
    "00:00:00:00:00:00",
    "00:25:5c:0a:00:01",
    "\u0663",
    "nan",
    "unknown",
    "\x00",
)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(LIKELY)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=6,
)
garbage = st.dictionaries(st.sampled_from(KNOWN_KEYS) | st.text(max_size=6), anything, max_size=4)
cores = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["0x00255c0a0001", "00255C0A0001", "00:25:5c:0a:00:01", " 0X00255c0A0001 "]),
        "status": st.sampled_from(["eesv", "eeio", "EEIO", " eesv"]),
        "group_id": st.sampled_from(["17", "4093", "4094", "017", 17, 4093.0, " 3 "]),
    }
)
records = st.builds(lambda other, core: {**other, **core}, garbage, cores)


def without_raw(card: Eesv | Eeio) -> Eesv | Eeio:
    return card._replace(raw={})


# What varies between cards


@pytest.mark.parametrize(
    "given_id", ["0x00255c0a00fe", "0X00255C0A00FE", "00255c0a00FE", "00:25:5c:0A:00:fe", " 0x00255c0a00fe\n"]
)
def test_an_id_in_any_case_with_or_without_0x_is_the_same_card(given_id: str) -> None:
    assert parse({**eesv(0), "id": given_id}).id == "0x00255c0a00fe"


@pytest.mark.parametrize("given_id", ["0x8cdf9d53f236", "8CDF9D53F236", "8c:df:9d:53:f2:36", str(0x8CDF9D53F236)])
def test_an_id_is_found_in_all_the_forms_in_which_a_task_may_hold_it(given_id: str) -> None:
    """The last is what YAML makes of 0x8cdf9d53f236 without quotes."""
    assert parse_card_id(given_id) == "0x8cdf9d53f236"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "node1",
        "0x8cdf9d53f23",
        "0x8cdf9d53f2361",
        "0x8cdf9d53f23g",
        "0x0x8cdf9d53f236",
        "9" * 15,
        "8cdf-9d53-f236",
        "\u0663" * 12,
        "\u0663" * 13,
        "0x8cdf9d53f236\x00",
    ],
)
def test_what_is_no_id_is_none(text: str) -> None:
    assert parse_card_id(text) is None


@given(st.integers(0, 16**12 - 1), st.booleans(), st.booleans(), st.booleans())
def test_every_id_is_read_whatever_its_case(number: int, prefix: bool, upper: bool, colons: bool) -> None:
    digits = f"{number:012x}"
    text = ":".join(re.findall("..", digits)) if colons else digits
    text = f"0x{text}" if prefix else text
    assert parse_card_id(text.upper() if upper else text) == f"0x{digits}"


@given(st.text() | st.integers().map(str))
def test_what_reads_as_an_id_is_in_its_own_form_already_when_read_again(text: str) -> None:
    found = parse_card_id(text)
    assert found is None or (re.fullmatch("0x[0-9a-f]{12}", found) and parse_card_id(found) == found)


@pytest.mark.parametrize(
    ("given_time", "shown"),
    [
        ("1521089295162", "2018-03-15T04:48:15.162Z"),
        (1521089295162, "2018-03-15T04:48:15.162Z"),
        (1.521089295162e12, "2018-03-15T04:48:15.162Z"),
        ("0", "1970-01-01T00:00:00.000Z"),
        ("1521089295000", "2018-03-15T04:48:15.000Z"),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("9" * 40, None),
        ([], None),
    ],
)
def test_a_time_may_be_a_string_or_a_number(given_time: t.Any, shown: str | None) -> None:
    record = eesv(0)
    record["update_time"] = given_time
    assert iso_time(parse(record).update_time) == shown
    assert iso_time(given_time) == shown


@given(anything)
def test_a_time_is_iso_8601_in_utc_or_none(value: t.Any) -> None:
    shown = iso_time(value)
    assert shown is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown)


def test_the_update_time_is_kept_as_eem_said_it_for_conditional_changes() -> None:
    assert parse({**eesv(0), "update_time": 1637078931495}).update_time == "1637078931495"
    assert parse({**eesv(0), "update_time": "1637078931495"}).update_time == "1637078931495"


@pytest.mark.parametrize("missing", [None, "", "  ", []])
def test_a_key_that_is_missing_empty_or_null_is_none(missing: t.Any) -> None:
    keys = (
        "update_time",
        "mac_address",
        "type",
        "eecard_type",
        "power_status",
        "model",
        "serial_number",
        "ee_version",
        "host_model",
        "host_serial_number",
        "admin_status",
        "monitoring_status",
        "pcie_vendor_id",
        "pcie_device_id",
        "pcie_class_code",
        "eesv_mac_address",
    )
    for record in (eesv(0), eeio(0)):
        said = parse({**record, **dict.fromkeys(keys, missing)})
        bare = parse({key: value for key, value in record.items() if key not in keys})
        assert without_raw(said) == without_raw(bare)
        assert (said.update_time, said.mac_address, said.card_type, said.model, said.enabled) == (None,) * 5


def test_an_old_card_says_little_and_is_read_all_the_same() -> None:
    record = {
        "id": "0x00255c0b0001",
        "status": "eeio",
        "type": "1g",
        "update_time": "1436158125000",
        "group_id": "4093",
        "notification_status0": ["up", "down"],
        "notification_status1": ["down", "down"],
    }
    card = parse(record)
    assert isinstance(card, Eeio)
    assert card.populated is None
    assert (card.id, card.group_id, card.card_type, card.reachable) == ("0x00255c0b0001", "4093", "1g", True)
    assert (card.type, card.class_code, card.vendor_id, card.pci_device_id, card.enabled, card.eesv_id) == (None,) * 6


def test_a_bare_card_is_read() -> None:
    card = parse({"id": "0x00255c0a0001", "status": "eesv", "group_id": "4094"})
    assert isinstance(card, Eesv)
    assert (card.reachable, card.ports_up, card.enabled, card.update_time, card.max_devices) == (
        None,
        None,
        None,
        None,
        8,
    )


def test_an_unknown_key_is_kept() -> None:
    new = {"a_key_of_next_year": [{"deep": ["1"]}]}
    assert parse({**eesv(0), **new}).raw["a_key_of_next_year"] == [{"deep": ["1"]}]


@pytest.mark.parametrize(
    ("class_code", "digits", "name"),
    [
        ("0x10802", "010802", "SSD"),
        ("0x10000", "010000", "SSD"),
        ("0x20000", "020000", "NIC"),
        ("0x28000", "028000", "NIC"),
        ("0x30000", "030000", "GPU"),
        ("0x30200", "030200", "GPU"),
        ("0x03", "000003", "Unknown"),
        ("0x40300", "040300", "Multi"),
        ("0x60400", "060400", "SWITCH"),
        ("0xc0330", "0c0330", "USB"),
        ("0xC0330", "0c0330", "USB"),
        ("0x120000", "120000", "ACS"),
        ("0x50000", "050000", "Unknown"),
        ("0x80000", "080000", "Unknown"),
        ("0xff0000", "ff0000", "Unknown"),
        ("0x0", "000000", "Unknown"),
        ("0x130000", "130000", "Unknown"),
        ("30200", "030200", "GPU"),
        ("0x030200", "030200", "GPU"),
        (" 0x30200 ", "030200", "GPU"),
        (None, None, None),
        ("", None, None),
        ("n/a", None, None),
        ("0x", None, None),
        ("-0x30200", None, None),
        ("0x1000000", None, None),
        ({}, None, None),
    ],
)
def test_the_type_follows_from_the_class_code(class_code: t.Any, digits: str | None, name: str | None) -> None:
    card = parse({**eeio(0), "pcie_class_code": class_code})
    assert isinstance(card, Eeio)
    assert (card.class_code, card.type) == (digits, name)


@pytest.mark.parametrize(
    ("vendor", "device", "shown"),
    [
        ("0x10de", "0x1db6", ("10de", "1db6")),
        ("0x10DE", "0X1DB6", ("10de", "1db6")),
        ("0x5", "0xa", ("0005", "000a")),
        ("10de", "1db6", ("10de", "1db6")),
        ("0x0", "0x0", (None, None)),
        ("", None, (None, None)),
        ("0x10de0", "card", (None, None)),
    ],
)
def test_pci_ids_come_without_leading_zeros_and_are_shown_with_four_digits(
    vendor: t.Any, device: t.Any, shown: tuple[str | None, str | None]
) -> None:
    card = parse({**eeio(0), "pcie_vendor_id": vendor, "pcie_device_id": device})
    assert isinstance(card, Eeio)
    assert (card.vendor_id, card.pci_device_id) == shown


IDS: dict[str, t.Any] = {"pcie_vendor_id": None, "pcie_device_id": None, "pcie_class_code": None}
REAL = {"pcie_vendor_id": "0x10de", "pcie_device_id": "0x1db6", "pcie_class_code": "0x30200"}


@pytest.mark.parametrize(
    ("link", "changes", "populated"),
    [
        ("up", REAL, True),
        ("UP", REAL, True),
        (None, REAL, True),
        ("", REAL, True),
        ("unknown", REAL, True),
        ("down", REAL, False),
        ("Down", REAL, False),
        ("up", IDS, None),
        ("up", {**IDS, "type": "10g"}, True),
        ("up", {**IDS, "type": "1g"}, True),
        ("down", {**IDS, "type": "10g"}, False),
        (None, {**IDS, "type": "10g"}, None),
        ("down", IDS, False),
        (None, IDS, None),
        ("", IDS, None),
        ("unknown", IDS, None),
        (["up"], IDS, None),
        ("up", dict.fromkeys(IDS, ""), None),
        ("up", {**dict.fromkeys(IDS, ""), "type": "10g"}, True),
        ("up", {**dict.fromkeys(IDS, "0x0"), "type": "10g"}, False),
        ("down", dict.fromkeys(IDS, ""), False),
        (None, dict.fromkeys(IDS, ""), None),
        (None, dict.fromkeys(IDS, " "), None),
        ("up", dict.fromkeys(IDS, "0x0"), False),
        ("down", dict.fromkeys(IDS, "0x0"), False),
        (None, dict.fromkeys(IDS, "0x0"), False),
        (None, dict.fromkeys(IDS, "0x0000"), False),
        (None, dict.fromkeys(IDS, 0), False),
        (None, {**REAL, "pcie_vendor_id": "0x0"}, False),
        (None, {**REAL, "pcie_device_id": "0"}, False),
        (None, {**IDS, "pcie_vendor_id": "0x0"}, False),
        (None, {**IDS, "pcie_vendor_id": "0x10de"}, True),
        (None, {**IDS, "pcie_class_code": "0x60400"}, True),
        (None, {**IDS, "pcie_class_code": "0x0"}, None),
        (None, {**REAL, "pcie_class_code": "0x0"}, True),
        (None, {**REAL, "pcie_class_code": "0x60400"}, True),
        (None, dict.fromkeys(IDS, "n/a"), None),
    ],
)
def test_a_slot_is_populated_unless_its_link_is_down_or_its_ids_are_zero(
    link: t.Any, changes: dict[str, t.Any], populated: bool | None
) -> None:
    card = parse({**eeio(0), "pcie_connection_status": link, **changes})
    assert isinstance(card, Eeio)
    assert card.populated is populated
    if not populated:
        assert (card.type, card.vendor_id, card.pci_device_id, card.class_code) == (None,) * 4


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "pcie_connection_status": st.sampled_from(["up", "down", "", None, "lost"]),
            **dict.fromkeys(IDS, st.sampled_from(["", None, "0x0", "0", "0x10de", "0x30200", "junk"])),
        },
    )
)
def test_what_may_be_an_empty_slot_has_no_type_and_no_ids_and_what_has_some_is_populated(
    slot: dict[str, t.Any],
) -> None:
    card = parse({**eeio(0, kind="no ids"), **slot})
    assert isinstance(card, Eeio)
    shown = (card.type, card.vendor_id, card.pci_device_id, card.class_code)
    assert card.populated is True or shown == (None,) * 4
    assert "0000" not in shown[1:3]
    if slot.get("pcie_connection_status") == "down":
        assert card.populated is False


@pytest.mark.parametrize(
    ("status", "connected"),
    [
        ("up", True),
        (" UP ", True),
        ("down", False),
        ("", None),
        (None, None),
        ("unknown", None),
        (["up"], None),
        (True, None),
    ],
)
def test_a_device_is_connected_if_its_card_reports_the_link_up(status: t.Any, connected: bool | None) -> None:
    card = parse({**eeio(0), "eesv_connection_status": status})
    assert isinstance(card, Eeio)
    assert card.connected is connected


def test_the_paths_of_a_device_are_shown_as_reported() -> None:
    def paths(**raw: t.Any) -> tuple[str, str]:
        card = parse({**eeio(0), **raw})
        assert isinstance(card, Eeio)
        return card.paths

    assert paths(path_status0="up", path_status1=" down\n") == ("up", "down")
    assert paths(path_status1=["up"]) == ("not reported", "not reported")
    assert "\x1b" not in paths(path_status0="up\x1b[31m" * 99)[0] and len(paths(path_status0="up" * 99)[0]) < 40


@pytest.mark.parametrize(("state", "off"), [("off", True), ("OFF", True), ("on", False), ("", False), (None, False)])
def test_a_system_is_off_if_its_card_reports_that(state: str | None, off: bool) -> None:
    card = parse({**eesv(0), "power_status": state})
    assert isinstance(card, Eesv)
    assert card.is_off is off


@pytest.mark.parametrize(
    ("first", "second", "ports_up"),
    [
        (["up", "up"], ["down", "down"], 1),
        (["down", "down"], ["up", "up"], 1),
        (["down", "up"], ["down", "down"], 1),
        (["down", "down"], ["down", "up"], 1),
        (["up", "down"], ["down", "up"], 2),
        (["down", "down"], ["down", "down"], 0),
        ("up", "down", 1),
        (["down"], "up", 1),
        (["up"], None, 1),
        (None, ["down"], 0),
        (None, None, None),
        ([], [], None),
        ([], ["up"], 1),
        ("", "", None),
    ],
)
def test_a_card_answers_if_any_status_of_either_port_is_up(first: t.Any, second: t.Any, ports_up: int | None) -> None:
    for record in (eesv(0), eeio(0)):
        card = parse({**record, "notification_status0": first, "notification_status1": second})
        assert card.ports_up == ports_up
        assert card.reachable == (None if ports_up is None else ports_up > 0)


@pytest.mark.parametrize(
    ("admin", "monitoring", "enabled"),
    [
        ("enabled", "enabled", True),
        ("disabled", "enabled", False),
        ("enabled", "disabled", False),
        ("disabled", "disabled", False),
        ("enabled", None, True),
        (None, "disabled", False),
        (None, None, None),
        ("", "", None),
        ("Enabled", " enabled", True),
        ("unknown", "enabled", False),
    ],
)
def test_a_card_may_be_changed_only_if_both_statuses_are_enabled(
    admin: t.Any, monitoring: t.Any, enabled: bool | None
) -> None:
    for record in (eesv(0), eeio(0)):
        assert parse({**record, "admin_status": admin, "monitoring_status": monitoring}).enabled is enabled


@pytest.mark.parametrize(
    ("count", "card_type", "most"),
    [
        ("16", "40g", 16),
        ("8", "40g", 8),
        (8, "40g", 8),
        ("0", "40g", 0),
        (None, "40g", 16),
        (None, "10g", 8),
        (None, "1g", 8),
        (None, None, 8),
        ("", "40g", 16),
        ("many", "40g", 16),
        ("-1", "10g", 8),
        ("9" * 5000, "40g", 16),
    ],
)
def test_a_system_takes_as_many_devices_as_it_says_or_as_cards_of_its_type_do(
    count: t.Any, card_type: t.Any, most: int
) -> None:
    card = parse({**eesv(0), "max_eeio_count": count, "type": card_type})
    assert isinstance(card, Eesv)
    assert card.max_devices == most


def test_the_card_type_is_read_from_either_key() -> None:
    record = {key: value for key, value in eesv(0).items() if key not in ("type", "max_eeio_count")}
    for said in ({"type": "40g"}, {"eecard_type": "40g"}, {"type": "", "eecard_type": "40g"}):
        card = parse({**record, **said})
        assert isinstance(card, Eesv)
        assert (card.card_type, card.max_devices) == ("40g", 16)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("00:25:5c:0a:00:07", "0x00255c0a0007"),
        ("00:25:5C:0A:00:07", "0x00255c0a0007"),
        ("00:00:00:00:00:00", None),
        ("", None),
        (None, None),
        ("00:25:5c", None),
    ],
)
def test_the_other_end_of_a_device_is_none_if_its_mac_address_is_all_zeros(said: t.Any, shown: str | None) -> None:
    card = parse({**eeio(0), "eesv_mac_address": said})
    assert isinstance(card, Eeio)
    assert card.eesv_id == shown


@pytest.mark.parametrize(
    ("said", "shown"), [("17", "17"), (17, "17"), (17.0, "17"), ("017", "17"), (" 17 ", "17"), ("0", "0")]
)
def test_a_group_id_may_be_a_string_or_a_number(said: t.Any, shown: str) -> None:
    assert parse({**eeio(0), "group_id": said}).group_id == shown


# What no record may lack


@pytest.mark.parametrize("key", ["id", "status", "group_id"])
@pytest.mark.parametrize(
    "value", [None, "", " ", "x", [], ["17"], {}, {"id": "17"}, True, -1, "1.5", "\u0661\u0667", "1" * 5000]
)
def test_a_record_without_a_usable_id_status_or_group_id_is_a_typed_error(key: str, value: t.Any) -> None:
    bad = {**eeio(0), key: value}
    missing = {name: item for name, item in eeio(0).items() if name != key}
    for record in (bad, missing):
        with pytest.raises(RecordError) as caught:
            parse(record)
        assert caught.value.kind == "bad_record"
        assert key in caught.value.message
        assert len(caught.value.message) < 300
        if key != "id":
            assert eeio(0)["id"] in caught.value.message


@pytest.mark.parametrize("record", [None, [], "0x00255c0a0001", 17, True, [eesv(0)]])
def test_what_is_no_object_is_a_typed_error(record: t.Any) -> None:
    with pytest.raises(RecordError, match="is not an object"):
        parse(record)


def test_an_error_shows_no_control_characters_of_what_was_received() -> None:
    with pytest.raises(RecordError) as caught:
        parse({**eesv(0), "id": "\x1b[31mred\n\x07"})
    assert caught.value.message.isprintable()


# Whatever comes


def assert_is_typed(card: Eesv | Eeio) -> None:
    """Every value of a card is of the type that it is declared with."""
    assert re.fullmatch("0x[0-9a-f]{12}", card.id)
    assert re.fullmatch("[0-9]+", card.group_id)
    texts: list[t.Any] = [
        card.update_time,
        card.card_type,
        card.mac_address,
        card.model,
        card.serial_number,
        card.power_state,
    ]
    assert card.enabled in (True, False, None)
    assert card.ports_up in (0, 1, 2, None)
    if isinstance(card, Eesv):
        texts += [card.ee_version, card.host_model, card.host_serial_number]
        assert isinstance(card.max_devices, int)
        assert card.max_devices >= 0
    else:
        for value, digits in ((card.vendor_id, 4), (card.pci_device_id, 4), (card.class_code, 6)):
            assert value is None or re.fullmatch(f"[0-9a-f]{{{digits}}}", value)
        assert card.type in (None, *TYPE_NAMES)
        assert card.eesv_id is None or re.fullmatch("0x[0-9a-f]{12}", card.eesv_id)
    assert all(text is None or (isinstance(text, str) and text.strip() == text != "") for text in texts)


@given(records)
def test_a_record_with_its_three_keys_is_read_whatever_else_is_in_it(record: Record) -> None:
    assert_is_typed(parse(record))


@given(anything | records | garbage)
def test_whatever_comes_is_a_card_or_a_typed_error(value: t.Any) -> None:
    try:
        parse(value)
    except RecordError as error:
        assert error.message.endswith(".")
        assert isinstance(error, ExpetherError)


@given(records)
def test_a_card_is_the_same_when_its_three_keys_come_as_they_were_read(record: Record) -> None:
    card = parse(record)
    status = "eesv" if isinstance(card, Eesv) else "eeio"
    again = parse({**record, "id": card.id, "status": status, "group_id": card.group_id})
    assert without_raw(again) == without_raw(card)


@given(records)
def test_reading_changes_nothing_in_what_it_was_given(record: Record) -> None:
    before = repr(record)
    parse(record)
    assert repr(record) == before


def test_a_deep_pile_of_lists_is_a_card_or_a_typed_error() -> None:
    pile: list[t.Any] = []
    for dummy in range(3000):
        pile = [pile]
    for key in ("id", "a_key_of_next_year", "notification_status0"):
        with contextlib.suppress(RecordError):
            parse({**eesv(0), key: pile})


def a_port(name: t.Any, **other: t.Any) -> Record:
    return {
        "downstream_port_id": name,
        "eeio_connection_status": "down",
        "eeio_mac_address": "8c:df:9d:51:29:30",
        **other,
    }


def ports_of(ports: t.Any) -> dict[str, Port]:
    system = parse(eesv(0, downstream_ports=ports))
    assert isinstance(system, Eesv)
    return parse_ports(system)


def test_ports_are_told_by_their_ids_with_what_they_remember() -> None:
    nothing = a_port(1, eeio_mac_address="00:00:00:00:00:00", eeio_connection_status="up")
    assert ports_of([a_port("0"), nothing, a_port("2", eeio_mac_address=None, eeio_connection_status="")]) == {
        "0": Port("down", "0x8cdf9d512930"),
        "1": Port("up", None),
        "2": Port(None, None),
    }


def test_a_ports_connection_is_understood_in_any_case() -> None:
    assert ports_of([a_port("0", eeio_connection_status="DOWN")])["0"].link_state == "down"


@pytest.mark.parametrize("ports", [None, "", {}, [], [None, "0", 3, {}, {"downstream_port_id": []}]])
def test_ports_that_are_none_are_left_out(ports: t.Any) -> None:
    assert ports_of(ports) == {}
