# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be remembered between runs: a small store of JSON documents. Private to the collection.

Documents are C(kind/uuid), each with a revision, changed by compare-and-swap, several in one transaction.
EEM is the truth about hardware; nothing here overrides it.
"""

from __future__ import annotations

import os
import re
import typing as t
from datetime import datetime, timezone
from urllib.parse import urlsplit

from ansible_collections.nec.expether.plugins.module_utils._errors import ExpetherError

#: The schema of the documents. A registry with a higher one was written by a newer version of the collection.
SCHEMA = 1

Kind = t.Literal["pod_managers", "urls", "nodes", "devices", "listings", "flavors", "claims"]
Body = dict[str, t.Any]

ENV_REGISTRY = "EXPETHER_REGISTRY"
ENV_KEY_FILE = "EXPETHER_REGISTRY_KEY_FILE"

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"  # of times in documents, in UTC
_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})", re.ASCII)  # what os.path.expandvars replaces

NEVER = 0  # the revision of a document that is not there


class RegistryError(ExpetherError):
    """The registry cannot be opened, read or written, or what is in it cannot be used."""

    kind = "registry"


class RegistryConflict(ExpetherError):
    """Another run has changed a document since it was read; nothing of the transaction was written."""

    kind = "registry_conflict"


class Document(t.NamedTuple):
    """One document as it was read."""

    uuid: str
    revision: int
    body: Body


class Change(t.NamedTuple):
    """One change of a transaction.

    :ivar body: the new body; C(None) removes the document
    :ivar expected: the revision that the document must have, C(NEVER) if it must not be there;
        C(None) for any
    """

    kind: Kind
    uuid: str
    body: Body | None
    expected: int | None


class Registry(t.Protocol):
    """What every back end does. Every method raises C(RegistryError).

    :ivar path: where it is, for messages
    """

    path: str

    def get(self, kind: Kind, uuid: str) -> Document | None:
        """Return a document, or C(None)."""

    def all(self, kind: Kind) -> list[Document]:
        """Return all documents of a kind, in the order of their UUIDs."""

    def commit(self, changes: t.Sequence[Change]) -> int:
        """Make all changes or none; return the revision that the changed documents have now.

        Revisions grow over the whole registry, so that none comes back with a document that was removed and
        made again.

        :raises RegistryConflict: a document has not its expected revision
        """

    def close(self) -> None:
        """Give back what the registry holds."""


def iso_seconds(moment: datetime) -> str:
    """Return a time in UTC as documents and results have it: ISO 8601, seconds. Such texts sort by time."""
    return moment.strftime(TIME_FORMAT)


def now_iso() -> str:
    """Return the time as documents and results have it."""
    return iso_seconds(datetime.now(timezone.utc))


def default_url() -> str:
    """Return where the registry is if nobody says: for root below /var/lib, else in the user's state folder.

    :raises RegistryError: the user has no home
    """
    if os.geteuid() == 0:
        return "sqlite:////var/lib/expether/registry.sqlite3"
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # the XDG specification has relative ones ignored
        state = os.path.join(os.path.expanduser("~"), ".local", "state")
    if not os.path.isabs(state):
        raise RegistryError(
            f"This user (id {os.geteuid()}) has no home folder on the host where the module runs, so that there is no place"
            f" for the registry. Set `registry` or {ENV_REGISTRY} to sqlite:///PATH with an absolute path."
        )
    return f"sqlite:///{os.path.join(state, 'expether', 'registry.sqlite3')}"


def sqlite_path(url: str) -> str:
    """Return the path of an SQLite registry's URL; C(sqlite:///PATH), and a PATH alone.

    :raises RegistryError: it is the URL of something else, or its path is relative or cannot be expanded
    """
    if "://" not in url:
        return _absolute(url, "registry")
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or not parts.path.strip("/"):
        raise RegistryError(
            f"The registry {_without_secret(url)} cannot be used: say sqlite:///PATH with an absolute path, for example"
            " sqlite:////var/lib/expether/registry.sqlite3."
        )
    # sqlite:////var/lib/x and sqlite:///var/lib/x are both taken for /var/lib/x.
    path = parts.path.lstrip("/")
    is_relative = path.startswith("~") or path.partition("/")[0] in (".", "..")
    return _absolute(path if is_relative else f"/{path}", "registry")


def _absolute(text: str, option: str) -> str:
    """Return a path, expanded as Ansible does it with options that are paths.

    :raises RegistryError: it is relative, or has a part that could not be expanded
    """
    path = os.path.expanduser(os.path.expandvars(text))
    shown = "…" if "@" in text else text
    if _VARIABLE.search(path) or "~" in path.split("/") or (text.startswith("~") and path == text):
        raise RegistryError(
            f"The path {shown} in `{option}` cannot be expanded: a variable or home folder in it does not exist on the host"
            " where the module runs. Use an absolute path."
        )
    if not os.path.isabs(path):
        raise RegistryError(
            f"The path {shown} in `{option}` is relative, and the folder in which a module runs is not always the same. Use"
            " an absolute path, or one that begins with ~/."
        )
    return os.path.normpath(f"/{path.lstrip('/')}")


def open_registry(url: str | None) -> Registry:
    """Return the registry at a URL. Nothing is made before the first write: a registry that is not there is empty.

    :param url: C(None) for the default
    :raises RegistryError: the URL is none of a registry
    """
    # Imported here: what needs no registry does not pay for SQLite.
    from ansible_collections.nec.expether.plugins.module_utils._registry_sqlite import SqliteRegistry

    return SqliteRegistry(sqlite_path(url or default_url()))


def key_path(url: str | None, key_file: str | None) -> str:
    """Return the path of the file with the key of the passwords.

    :raises RegistryError: as C(sqlite_path)
    """
    return _absolute(key_file, "registry_key_file") if key_file else f"{sqlite_path(url or default_url())}.key"


def _without_secret(url: str) -> str:
    return f"{url.partition('://')[0]}://…"
