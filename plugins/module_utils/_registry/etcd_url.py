# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503

"""URLs of registries in etcd, without an HTTP library, and etcdctl's environment variables. Private to the collection."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry.database_urls import parameters_of
from ansible_collections.nec.expether.plugins.module_utils._registry.private_files import why_not_private
from ansible_collections.nec.expether.plugins.module_utils._registry.store import RegistryError

_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"
# etcd[s]://[USER@]HOST[:PORT][,HOST[:PORT]...]/PREFIX[?PARAMETERS]
_URL = re.compile(
    rf"(?P<scheme>etcds?)://(?:(?P<user>[A-Za-z0-9._-]+)@)?(?P<hosts>{_HOST}(?:,{_HOST})*)"
    r"(?P<prefix>(?:/[A-Za-z0-9._-]+)*)/?(?:\?(?P<query>.+))?"
)
_PARAMETERS = ("ca", "cert", "key", "passfile")
_SECRETS = ("password", "passwd", "token")
_LONGEST_PASSWORD = 4096  # bytes; a longer file is not a password file


class EtcdUrl(t.NamedTuple):
    """Where a registry in etcd is, and how to get there.

    :ivar shown: the URL as messages show it, without parameters
    :ivar endpoints: the URLs of the members' clients
    :ivar prefix: of all keys of the registry; begins and ends with a slash
    :ivar ca: the file with the certificates of authorities; `None` for those that the HTTP library brings
    :ivar cert: the file with the certificate of this client
    :ivar key: the file with its key
    :ivar user: `None` if etcd asks for none
    :ivar passfile: the file with the password of the user
    """

    shown: str
    endpoints: tuple[str, ...]
    prefix: str
    ca: str | None
    cert: str | None
    key: str | None
    user: str | None
    passfile: str | None

    def password(self) -> str:
        """Return the password of the user, from the file or else the environment.

        :raises RegistryError: there is none, or the file cannot be used
        """
        if self.passfile is not None:
            return _content(self.passfile)
        user, sign, password = os.environ.get("ETCDCTL_USER", "").partition(":")
        if "ETCDCTL_PASSWORD" in os.environ:
            return os.environ["ETCDCTL_PASSWORD"]
        if sign and user == self.user:
            return password
        raise RegistryError(
            f"The registry {self.shown} needs the password of user {self.user}. Put it into a file and its path into the"
            " parameter passfile of the URL, or into the environment variable ETCDCTL_PASSWORD."
        )


def parse_etcd(url: str) -> EtcdUrl:
    """Return the parts of a URL. What it does not have comes from the environment variables of etcdctl.

    :raises RegistryError: it contains a password, or it has another form
    """
    query = url.partition("?")[2]
    instead = "a file and its path into the parameter passfile, or into the environment variable ETCDCTL_PASSWORD"
    given = parameters_of(url, _SECRETS, instead)
    match, parameters = _URL.fullmatch(url), dict(given)
    if not match or bool(query) > bool(given):
        raise _invalid("it does not have this form")
    if not match["prefix"]:
        raise _invalid("it has no PREFIX")
    if any(int(port) > 65535 for port in re.findall(r":(\d+)(?:,|\Z)", match["hosts"])):
        raise _invalid("a PORT is above 65535")
    for name, path in given:
        if name not in _PARAMETERS:
            # A text that is not a name is not repeated: it may be part of a password with a question mark.
            raise _invalid(f"it has an unknown parameter{f', {name[:20]}' if name.isidentifier() else ''}")
        if not os.path.isabs(path):
            raise _invalid(f"{name} is not an absolute path")
        if match["scheme"] == "etcd" and name != "passfile":
            raise _invalid(f"{name} is for etcds://")
    if len(parameters) < len(given):
        raise _invalid("it has a parameter twice")
    is_tls = match["scheme"] == "etcds"
    cert = parameters.get("cert") or _environment("ETCDCTL_CERT", is_tls)
    return EtcdUrl(
        shown=url.partition("?")[0],
        endpoints=tuple(_endpoint(host, is_tls) for host in match["hosts"].split(",")),
        prefix=f"{match['prefix']}/",
        ca=parameters.get("ca") or _environment("ETCDCTL_CACERT", is_tls),
        cert=cert,
        key=parameters.get("key") or (_environment("ETCDCTL_KEY", is_tls) if cert else None),
        user=match["user"] or os.environ.get("ETCDCTL_USER", "").partition(":")[0] or None,
        passfile=parameters.get("passfile"),
    )


def _invalid(why: str) -> RegistryError:
    return RegistryError(
        f"The URL of the registry is not valid ({why}). Set `registry` to etcd://HOST1:PORT,HOST2:PORT/PREFIX, or with TLS to"
        " etcds://USER@HOST1:PORT,HOST2:PORT/PREFIX?ca=FILE&cert=FILE&key=FILE&passfile=FILE, where all parameters are"
        " optional, and FILE is an absolute path."
    )


def _endpoint(host: str, is_tls: bool) -> str:
    port = "" if re.search(r":\d+\Z", host) else ":2379"
    return f"http{'s' * is_tls}://{host}{port}"


def _environment(name: str, is_tls: bool) -> str | None:
    return (os.environ.get(name) or None) if is_tls else None


def _content(path: str) -> str:
    """Return the only line of a password file.

    :raises RegistryError: the file cannot be used
    """
    try:
        problem = why_not_private(path, os.stat(path))
        if problem:
            raise RegistryError(f"The password file of the registry cannot be used: {problem}")
        with open(path, "rb") as file:
            return file.read(_LONGEST_PASSWORD).decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not valid UTF-8"
        raise RegistryError(f"The password file {path} of the registry cannot be used ({reason}).") from None
