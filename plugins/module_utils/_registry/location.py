# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locates the registry and its key file, and opens the registry. Private to the collection."""

from __future__ import annotations

import os
import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry, RegistryError

if t.TYPE_CHECKING:
    from ansible_collections.nec.expether.plugins.module_utils._registry.postgresql import PostgresqlRegistry

ENV_REGISTRY = "EXPETHER_REGISTRY"
ENV_KEY_FILE = "EXPETHER_REGISTRY_KEY_FILE"
GUIDE = "Playbooks and AWX"  # docs/docsite/rst/guide_awx.rst

_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})", re.ASCII)  # what os.path.expandvars replaces


def default_url() -> str:
    """Return the default URL of the registry: below /var/lib for root, else in the state folder of the user.

    :raises RegistryError: the user has no home folder
    """
    if os.geteuid() == 0:
        return "sqlite:////var/lib/expether/registry.sqlite3"
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # the XDG specification requires relative paths to be ignored
        state = os.path.join(os.path.expanduser("~"), ".local", "state")
    if not os.path.isabs(state):
        raise RegistryError(
            f"This user (id {os.geteuid()}) has no home folder on the host where the module runs, so there is no place"
            f" for the registry. Set `registry` or {ENV_REGISTRY} to sqlite:///PATH with an absolute path."
        )
    return f"sqlite:///{os.path.join(state, 'expether', 'registry.sqlite3')}"


def require_lasting_default() -> None:
    """Refuse the default registry for what must be stored, if it is gone when the job ends.

    Only the default one: a registry that the user names is believed to last, because it can be in a volume.

    :raises RegistryError: this process runs in a container that lives only for a job
    """
    # Imported here, because a registry that is named needs no such question.
    from ansible_collections.nec.expether.plugins.module_utils._registry.containers import job_container

    why = job_container(os.environ)
    if why:
        raise RegistryError(
            "This task needs a registry that outlives the job, but none is set, and the default one is a file in this job's"
            f' container ({why}). Set `registry` or {ENV_REGISTRY}. The guide "{GUIDE}" shows where a registry can be.'
        )


def sqlite_path(url: str) -> str:
    """Return the path of an SQLite registry from its URL: `sqlite:///PATH`, or just PATH.

    :raises RegistryError: it is not such a URL, or its path is relative or cannot be expanded
    """
    if "://" not in url:
        return _absolute(url, "registry")
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or not parts.path.strip("/"):
        raise RegistryError(
            f"The registry {_without_secret(url)} is not supported. Set `registry` to sqlite:///PATH with an absolute"
            " path, for example sqlite:////var/lib/expether/registry.sqlite3, or to postgresql://USER@HOST/DATABASE, or to"
            " etcd://HOST1,HOST2/PREFIX."
        )
    # sqlite:////var/lib/x and sqlite:///var/lib/x both mean /var/lib/x.
    path = parts.path.lstrip("/")
    is_relative = path.startswith("~") or path.partition("/")[0] in (".", "..")
    return _absolute(path if is_relative else f"/{path}", "registry")


def _absolute(text: str, option: str) -> str:
    """Return a path, expanded as Ansible expands options of type path.

    :raises RegistryError: it is relative, or a part of it cannot be expanded
    """
    path = os.path.expanduser(os.path.expandvars(text))
    shown = "…" if "@" in text else text
    if _VARIABLE.search(path) or "~" in path.split("/") or (text.startswith("~") and path == text):
        raise RegistryError(
            f"The path {shown} in `{option}` cannot be expanded: a variable or home folder in it does not exist on the"
            " host where the module runs. Use an absolute path."
        )
    if not os.path.isabs(path):
        raise RegistryError(
            f"The path {shown} in `{option}` is relative, but the folder in which a module runs is not always the same."
            " Use an absolute path, or one that begins with ~/."
        )
    return os.path.normpath(f"/{path.lstrip('/')}")


def is_shared(url: str | None) -> bool:
    """Return whether a URL is that of a database, which several hosts can use."""
    return url is not None and (_is_postgresql(url) or _is_etcd(url))


def check_url(url: str) -> None:
    """Check the URL of a registry.

    :raises RegistryError: it is not valid, or contains a password
    """
    if is_shared(url):
        _shown(url)
    else:
        sqlite_path(url)


def _is_postgresql(url: str) -> bool:
    """Return whether a URL is that of a registry in PostgreSQL, valid or not."""
    return url.lower().startswith(("postgres://", "postgresql://"))


def _is_etcd(url: str) -> bool:
    """Return whether a URL is that of a registry in etcd, valid or not."""
    return url.lower().startswith(("etcd://", "etcds://"))


def _shown(url: str) -> str:
    """Return the URL of a database as messages show it.

    :raises RegistryError: as `check_url`
    """
    # Imported here, because most registries are files.
    if _is_postgresql(url):
        from ansible_collections.nec.expether.plugins.module_utils._registry.postgresql_url import shown_url

        return shown_url(url)
    from ansible_collections.nec.expether.plugins.module_utils._registry.etcd_url import parse_etcd

    return parse_etcd(url).shown


def open_registry(url: str | None) -> Registry:
    """Return the registry at a URL. A registry that does not exist is empty; the first write creates it.

    :param url: `None` for the default
    :raises RegistryError: as `check_url`
    :raises MissingLibrary: psycopg or requests is needed, and is not installed or too old
    """
    # Imported here, because only one of them is needed, and without a registry none.
    if url is not None and _is_postgresql(url):
        from ansible_collections.nec.expether.plugins.module_utils._registry.postgresql import PostgresqlRegistry

        return PostgresqlRegistry(url)
    if url is not None and _is_etcd(url):
        from ansible_collections.nec.expether.plugins.module_utils._registry.etcd import EtcdRegistry

        return EtcdRegistry(url)
    from ansible_collections.nec.expether.plugins.module_utils._registry.sqlite import SqliteRegistry

    return SqliteRegistry(sqlite_path(url or default_url()))


def listening_registry(url: str | None) -> PostgresqlRegistry | None:
    """Return the registry at a URL if it announces changes; `None` if it does not.

    :param url: `None` for the default
    :raises ExpetherError: as `open_registry`
    """
    return t.cast("PostgresqlRegistry", open_registry(url)) if url is not None and _is_postgresql(url) else None


def key_path(url: str | None, key_file: str | None) -> str:
    """Return the path of the key file for the passwords.

    :raises RegistryError: as `check_url`, or there is no default beside a registry that is no file
    """
    if not key_file and url is not None and is_shared(url):
        raise RegistryError(
            f"The passwords in the registry {_shown(url)} need a key file. Set `registry_key_file` or {ENV_KEY_FILE} to a"
            " file that is the same on all hosts that use this registry."
        )
    return _absolute(key_file, "registry_key_file") if key_file else f"{sqlite_path(url or default_url())}.key"


def _without_secret(url: str) -> str:
    return f"{url.partition('://')[0]}://…"
