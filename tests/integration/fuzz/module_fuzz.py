# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arbitrary values for the options of every module, from the module's own argument spec; and checks for the output of every run."""

from __future__ import annotations

import importlib
import os
import typing as t
from pathlib import Path

from forks import Json, Options, Report
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("expether_*.py"))
CANARY = "Canary-of-a-passw0rd"
PLACE = "PLACE"  # stands for the folder of the run in values that are paths

#: The same few examples each time; with FUZZ=N in the environment N times as many, and others each time.
FUZZ = int(os.environ.get("FUZZ") or 0)


def fuzzed(examples: int) -> settings:
    """Return Hypothesis settings with this number of examples."""
    return settings(
        max_examples=examples * max(1, FUZZ),
        derandomize=not FUZZ,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def check(report: Report, secrets: t.Iterable[str] = (CANARY,)) -> dict[str, Json]:
    """Return the result, after checking that it is useful: no traceback, no secret, a readable message."""
    everything = report.out + report.err
    assert report.status is not None, "it took too long"
    assert "Traceback" not in everything, everything[-3000:]
    result = report.result
    assert "exception" not in result, ascii(result)
    for secret in secrets:
        assert secret not in everything, everything[-3000:]
    if result.get("failed"):
        message = result["msg"]
        assert report.status == 1, report.status
        assert isinstance(message, str) and len(message.split()) > 2, ascii(message)
        assert "object at 0x" not in message, ascii(message)
        if "failure" in result:
            assert message.rstrip().endswith((".", ")", "?")), ascii(message)
            assert set(result["failure"]) >= {"kind", "code", "http_status", "message", "url"}
    else:
        assert report.status == 0, (report.status, report.err)
        assert isinstance(result["changed"], bool)
    return result


def spec_of(module: str) -> dict[str, dict[str, Json]]:
    """Return the argument spec of a module."""
    found = importlib.import_module(f"ansible_collections.nec.expether.plugins.modules.{module}")
    return t.cast("dict[str, dict[str, Json]]", found.SPEC.options)


# -- values

NASTY = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "x\udfff",
    "\n",
    "a\nb",
    "\u202eabc",
    "{{ 1 }}",
    "%s",
    "'",
    '"',
    "null",
    "None",
    "~",
    "..",
    "-1",
    "0",
    "1e309",
    "nan",
    "0x",
    "true",
    "no",
    "\u0663\u0663",
    "ß",
    "x" * 300,
    "a,b",
    "[]",
    "{}",
    "\x7f",
    "00000000-0000-0000-0000-000000000000",
    "0x8cdf9d000000",
    "8c:df:9d:00:00:00",
    "9" * 14,
)
texts = st.sampled_from(NASTY) | st.text(st.characters(categories=None), max_size=8)
numbers = st.integers(-2, 40) | st.integers() | st.sampled_from([2**63, -(2**64), 10**400]) | st.floats()
scalars = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
_kinds = st.sampled_from(["GPU", "gpu", "SSD", "NIC", "Unknown"]) | scalars
_devices = st.fixed_dictionaries(
    {},
    optional={
        "type": _kinds,
        "count": st.sampled_from([1, 2, "3", 4096, 4097]) | anything,
        "vendor_id": anything,
        "device_id": st.sampled_from(["10de", 1533, "0x1"]) | anything,
        "model": anything,
        "of_next_year": anything,
    },
)
properties = st.fixed_dictionaries(
    {},
    optional={
        "pci_device": st.fixed_dictionaries({"type": st.lists(_kinds, max_size=3) | anything}) | anything,
        "devices": st.lists(_devices, max_size=3) | anything,
        "memory": anything,
    },
)


def value_of(
    name: str, option: t.Mapping[str, Json], known: t.Sequence[str], urls: t.Sequence[str]
) -> st.SearchStrategy[Json]:
    """Return values for an option: some that may be meant, some of its type, and some of any.

    Values of paths, and of what is written to, stay below the folder of the run.
    """
    kind = option.get("type", "str")
    if kind == "path" or name == "registry":
        below = texts.map(lambda text: f"{PLACE}/{text.replace('/', '_').replace('..', '_')}")
        urlish = below.map(lambda text: f"sqlite:///{text}") | st.sampled_from(
            ["sqlite://", "etcd://h/p", "http://h", "a://@"]
        )
        return (
            below
            | (urlish if name == "registry" else below)
            | st.sampled_from(["\x00", f"{PLACE}/\ud800", f"{PLACE}/a/b/c"])
        )
    if name == "url":
        return (
            st.sampled_from(urls)
            | texts.map(lambda text: f"http://127.0.0.1:1/{text}")
            | st.sampled_from(
                [
                    "http://",
                    "http://[",
                    "http://[::1",
                    "http://[]/",
                    "http://127.0.0.1:99999/",
                    "http://127.0.0.1:x",
                    "ftp://a",
                    "http://\ud800/",
                    "http://a b/",
                    "http://127.0.0.1:1\x00/",
                    "http:///eem",
                    "//",
                    "http://.",
                    "http://" + "a" * 80,
                    "http://xn--/",
                    f"http://u:{CANARY}@127.0.0.1:1/",
                    "http://127.0.0.1:1/eem?a#b",
                ]
            )
        )
    if name == "password":
        return st.just(CANARY) | texts.map(lambda text: CANARY + text)
    meant = {
        "bool": st.booleans(),
        "int": st.integers(-1, 4),
        "float": st.sampled_from([0, 0.5, 2, 5.0, "3", 1e9, "nan", "inf", -1]),
        "dict": properties,
        "list": st.lists(st.sampled_from(known) | texts, max_size=3),
    }.get(kind, st.sampled_from(known) | texts)
    if option.get("choices"):
        meant = st.sampled_from(option["choices"])
        meant = st.lists(meant, max_size=3) if kind == "list" else meant
    # Numbers that no C number holds fail in Ansible's own conversion of options, before the module has begun.
    any_value = anything.filter(lambda value: _largest(value) < 2**63) if kind in ("int", "float") else anything
    return meant | meant | meant | any_value


def _largest(value: Json) -> float:
    """Return the largest number in a value, or in a text."""
    if isinstance(value, (list, dict)):
        return max((_largest(item) for item in (value.values() if isinstance(value, dict) else value)), default=0)
    return abs(value) if isinstance(value, int) else 0


def options_of(module: str, known: t.Sequence[str], urls: t.Sequence[str]) -> st.SearchStrategy[Options]:
    """Return options for a module: those that it must have, any of the others, and now and then one that it has not."""
    spec = spec_of(module)
    values = {name: value_of(name, option, known, urls) for name, option in spec.items()}
    needed = {name: value for name, value in values.items() if spec[name].get("required")}
    other = {name: value for name, value in values.items() if name not in needed}
    chosen = st.lists(st.sampled_from(sorted(other)), max_size=4, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({**needed, **{name: other[name] for name in names}})
    )
    return (
        chosen | chosen | chosen | st.builds(lambda found, name, value: {**found, name: value}, chosen, texts, anything)
    )


def placed(value: Json, place: Path) -> Json:
    """Return a value with the folder in it wherever it stands for one."""
    if isinstance(value, str):
        return value.replace(PLACE, str(place))
    if isinstance(value, list):
        return [placed(item, place) for item in value]
    return {key: placed(item, place) for key, item in value.items()} if isinstance(value, dict) else value
