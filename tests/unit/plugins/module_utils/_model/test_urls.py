# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The normal form of URLs."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.urls import eem_url, split_zone
from hypothesis import example, given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://eem:30500/eem", "http://eem:30500/eem"),
        ("http://eem:30500/eem/", "http://eem:30500/eem"),
        ("http://eem:30500/eem///", "http://eem:30500/eem"),
        ("http://eem:30500//eem", "http://eem:30500/eem"),
        (" HTTPS://EEM.Example.COM.:30500/eem\n", "https://eem.example.com:30500/eem"),
        ("http://eem", "http://eem"),
        ("http://eem/", "http://eem"),
        ("http://eem:/eem", "http://eem/eem"),
        ("http://eem:80/eem", "http://eem/eem"),
        ("https://eem:443/eem", "https://eem/eem"),
        ("https://eem:80/eem", "https://eem:80/eem"),
        ("http://eem/EEM/Lab", "http://eem/EEM/Lab"),
        ("http://eem:030500/eem", "http://eem:30500/eem"),
        # addresses
        ("http://192.0.2.7:30500/eem", "http://192.0.2.7:30500/eem"),
        ("http://[2001:DB8::1]:30500/eem/", "http://[2001:db8::1]:30500/eem"),
        ("http://[2001:0db8:0:0:0:0:0:1]/eem", "http://[2001:db8::1]/eem"),
        ("http://[0:0:0:0:0:0:0:1]:30500/eem", "http://[::1]:30500/eem"),
        ("http://[::192.0.2.7]/eem", "http://[::c000:207]/eem"),
        ("http://[::FFFF:192.0.2.7]:30500/eem", "http://192.0.2.7:30500/eem"),
        ("http://[::ffff:c000:207]:30500/eem", "http://192.0.2.7:30500/eem"),
        # zones
        ("http://[FE80::1%25eth0]:30500/eem", "http://[fe80::1%25eth0]:30500/eem"),
        ("http://[fe80::1%eth0]:30500/eem", "http://[fe80::1%25eth0]:30500/eem"),
        ("https://[fe80:0::1%Eth0.100]/eem", "https://[fe80::1%25Eth0.100]/eem"),
        ("http://[fe80::1%14]:30500/eem", "http://[fe80::1%2514]:30500/eem"),
        ("http://[fe80::1%25]/eem", "http://[fe80::1%2525]/eem"),
        ("http://[fe80::1%2525]/eem", "http://[fe80::1%2525]/eem"),
        ("http://[fe80::1%br-lan]/eem", "http://[fe80::1%25br-lan]/eem"),
        # paths
        ("http://eem/%65em", "http://eem/eem"),
        ("http://eem/a%2fb%c3%a9/%7E", "http://eem/a%2Fb%C3%A9/~"),
        ("http://eem/é", "http://eem/%C3%A9"),
        ("http://eem/a%", "http://eem/a%25"),
        ("http://eem/%2%41", "http://eem/%252A"),
        ("http://eem/x/../eem/.", "http://eem/eem"),
        ("http://eem/x/%2E%2e/./eem", "http://eem/eem"),
        ("http://eem/../../eem", "http://eem/eem"),
        ("http://eem/..", "http://eem"),
        ("http://eem/eem;v=1", "http://eem/eem;v=1"),
    ],
)
def test_a_url_has_one_form(text: str, url: str) -> None:
    assert eem_url(text) == url
    assert eem_url(url) == url


hosts = st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z]{1,5})?", fullmatch=True) | st.just("[2001:db8::1]")
paths = st.lists(st.from_regex(r"[A-Za-z0-9_~-]{1,6}(%2F)?", fullmatch=True), max_size=3).map("/".join)
ports = st.none() | st.integers(0, 65535).filter(lambda port: port not in (80, 443))  # these are left out


@given(st.sampled_from(["http", "https", "HTTP"]), hosts, ports, paths, st.integers(0, 3))
def test_slashes_at_the_end_and_the_case_of_the_host_do_not_matter(
    scheme: str, host: str, port: int | None, path: str, slashes: int
) -> None:
    place = host if port is None else f"{host}:{port}"
    plain = f"{scheme.lower()}://{place}/{path}".rstrip("/")
    assert eem_url(plain) == plain
    assert eem_url(f" {scheme}://{place.upper()}/{path}{'/' * slashes} ") == plain


@given(paths, st.data())
def test_escapes_that_are_not_needed_do_not_matter(path: str, data: st.DataObject) -> None:
    def spelt(char: str) -> str:
        return f"%{ord(char):02x}" if char not in "/%" and data.draw(st.booleans()) else char

    plain = f"http://eem/x/{path}".rstrip("/")
    segments = [segment if "%" in segment else "".join(map(spelt, segment)) for segment in path.split("/")]
    assert eem_url(f"http://eem/%78/{'/'.join(segments)}") == plain


@given(st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address), st.sampled_from(["", "%25eth0", "%2514"]))
def test_an_ipv6_address_has_one_form(ip: ipaddress.IPv6Address, zone: str) -> None:
    assert eem_url(f"http://[{ip.exploded.upper()}{zone}]/eem") == eem_url(f"http://[{ip.compressed}{zone}]/eem")


@given(st.text() | st.text(alphabet="htp:/eAm35[]@%.f \t\\\u00e9").map(lambda text: f"http://h{text}"))
@example("http://eem/eem/ /")
@example("http://eem/eem/\x1f/")
@example("http://eem/\ud800")
@example("http://x[::1]/eem")
@example("http://[::1]x/eem")
@example("http://[v1.x]/eem")
@example("http://./eem")
@example("http://%65em/eem")
@example("http://[]/eem")
def test_the_form_of_a_url_does_not_change_when_it_is_read_again(text: str) -> None:
    try:
        url = eem_url(text)
    except InvalidInput:
        return
    assert eem_url(url) == url
    assert url.startswith(("http://", "https://"))
    assert not url.endswith("/")


@given(st.text(alphabet="0123456789abcdef:.%eth[]").map(lambda text: f"http://[fe80::{text}]:30500/eem"))
def test_the_form_of_an_address_does_not_change_when_it_is_read_again(text: str) -> None:
    try:
        url = eem_url(text)
    except InvalidInput:
        return
    assert eem_url(url) == url
    bare, zone = split_zone(url)
    assert eem_url(bare) == bare and "%" not in bare
    assert zone is None or url == bare.replace("]", f"%25{zone}]")


@pytest.mark.parametrize(
    ("url", "bare", "zone"),
    [
        ("http://[fe80::1%25eth0]:30500/eem", "http://[fe80::1]:30500/eem", "eth0"),
        ("https://[fe80::1%2525]/a%25b", "https://[fe80::1]/a%25b", "25"),
        ("http://[fe80::1]/a%25b", "http://[fe80::1]/a%25b", None),
        ("http://eem/eem", "http://eem/eem", None),
    ],
)
def test_the_zone_of_a_url(url: str, bare: str, zone: str | None) -> None:
    assert split_zone(url) == (bare, zone)


@pytest.mark.parametrize("zone", ["%", "%25%20", "%25a%2Db", "%25eth0:1", "%25%C3%A9"])
def test_a_zone_that_cannot_be_an_interface_is_refused(zone: str) -> None:
    with pytest.raises(InvalidInput, match=r"zone of the IPv6 address|cannot be parsed"):
        eem_url(f"http://[fe80::1{zone}]:30500/eem")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "eem",
        "eem:30500",
        "eem:30500/eem",
        "/eem",
        "ftp://eem/eem",
        "http:///eem",
        "http://",
        "http://./eem",
        "http://:30500/eem",
        "http://eem:port/eem",
        "http://eem:70000/eem",
        "http://eem%2e/eem",
        "http://[2001:db8::1/eem",
        "http://[2001:db8::1]x/eem",
        "http://x[2001:db8::1]/eem",
        "http://[192.0.2.7]/eem",
        "http://[v1.x]/eem",
        "http://2001:db8::1/eem",
        "http://eem/eem?x=1",
        "http://eem/eem#x",
    ],
)
def test_what_is_no_url_of_an_eem_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match="it must look like http://HOST:30500/eem"):
        eem_url(text)


SECRET = "S3cretPw"


@pytest.mark.parametrize(
    "text",
    [
        f"http://admin:{SECRET}@eem:30500/eem",
        f"HTTPS://admin:{SECRET}@eem/eem/",
        f"http://:{SECRET}@eem/eem",
        f"http://{SECRET}@eem/eem",
        f"http://admin:{SECRET}@eem:port/eem",
        f"http://admin:{SECRET}@[eem/eem",
        f"ftp://admin:{SECRET}@eem/eem",
        f"//admin:{SECRET}@eem/eem",
        # without the scheme, or with a slip in it
        f"admin:{SECRET}@eem:30500/eem",
        f"http:/admin:{SECRET}@eem:30500/eem",
        f"http:admin:{SECRET}@eem:30500/eem",
        f"http:\\\\admin:{SECRET}@eem:30500/eem",
        f"http//admin:{SECRET}@eem:30500/eem",
        f"ht tp://admin:{SECRET}@eem:30500/eem",
        # with what has a meaning in URLs in the password
        f"http://admin:1/{SECRET}@eem:30500/eem",
        f"http://admin:1#{SECRET}@eem:30500/eem",
        f"http://admin:1?{SECRET}@eem:30500/eem",
        f"http://admin:#{SECRET}@eem:30500/eem",
        f"http://admin:/{SECRET}@eem:30500/eem",
        f"http://admin:@{SECRET}@eem:30500/eem",
        # where some services take it
        f"http://eem:30500/eem?password={SECRET}",
        f"http://eem:30500/eem#{SECRET}",
    ],
)
def test_a_url_with_credentials_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        eem_url(text)
    assert SECRET not in str(caught.value.as_failure())
    assert SECRET not in repr(caught.value)
