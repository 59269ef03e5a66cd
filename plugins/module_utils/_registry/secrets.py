# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encrypts the passwords in the registry with Fernet, whose key is in a separate file. Private to the collection.

The file may have several keys, one in each line, while the key is replaced: the first one encrypts, and all decrypt.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.libraries import need
from ansible_collections.nec.expether.plugins.module_utils._registry.owner_rights import (
    Owner,
    UnsafeFolder,
    make_folder,
    owner_of,
    rights_of,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.private_files import publish, why_not_private
from ansible_collections.nec.expether.plugins.module_utils._registry.store import RegistryError

MISSING: Exception | None = None
try:
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet
except Exception as missing:  # noqa: BLE001  # pylint: disable=broad-exception-caught
    MISSING = missing

GUIDE = "Registries for several controllers"  # docs/docsite/rst/guide_registries.rst
_LONGEST_KEY = 4096  # bytes; a longer file is not a key file


class Secrets:
    """Encrypts and decrypts with the key in a file (mode 0600), which is created when it is first needed.

    :param make: whether the file may be created; not in check mode
    :param stored: returns the tokens in a registry that several hosts use. They need the same key, so that the file is
        not created then, and encrypts nothing if it has another key than the tokens
    :raises MissingLibrary: cryptography is not installed or too old
    """

    def __init__(self, path: str, make: bool, stored: t.Callable[[], t.Iterable[str]] | None = None) -> None:
        need("cryptography", MISSING)
        self._path = path
        self._make = make
        self._stored = stored

    def encrypt(self, password: str) -> str:
        """Return the token of a password.

        :raises RegistryError: the key file cannot be used, or other hosts use another key
        """
        key = self._key()
        if self._stored is not None:
            self._check_shared(key, self._stored())
        if key is None:
            key = self._create() if self._make else Fernet.generate_key()
        return self._fernet(key).encrypt(password.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Return the password of a token.

        :raises RegistryError: the key file does not exist, or contains another key
        """
        return self._decrypted(token)[0]

    def renewed(self, token: str) -> str | None:
        """Return a token of the same password with the first key in the file; `None` if it has that key already.

        :raises RegistryError: as `decrypt`
        """
        password, keys = self._decrypted(token)
        with contextlib.suppress(InvalidToken):
            self._fernet(keys.split()[0]).decrypt(token.encode())
            return None
        return self._fernet(keys).encrypt(password.encode()).decode()

    def _decrypted(self, token: str) -> tuple[str, bytes]:
        """Return the password of a token, and the content of the file."""
        keys = self._key()
        if keys is None:
            raise RegistryError(
                f"The key file {self._path} of the registry's passwords does not exist. Restore it, set `registry_key_file`"
                " to its path, or register the pod managers again with their passwords."
            )
        try:
            return self._fernet(keys).decrypt(token.encode()).decode(), keys
        except InvalidToken:
            raise RegistryError(
                f"The key in {self._path} is not the one that encrypted the registry's passwords. Set `registry_key_file`"
                " to the right file, or register the pod managers again with their passwords."
            ) from None

    def _check_shared(self, key: bytes | None, stored: t.Iterable[str]) -> None:
        if key is None:
            raise RegistryError(
                f"The key file {self._path} does not exist. All hosts that use this registry need the same key file. Copy it"
                f" from another host. If this is the first one, create it: (umask 077; head -c 32 /dev/urandom | base64 | tr"
                f" +/ -_ > {shlex.quote(self._path)})"
            )
        fernet, tokens = self._fernet(key), list(stored)
        for token in tokens:
            with contextlib.suppress(InvalidToken):
                fernet.decrypt(token.encode())
                return
        if tokens:
            raise RegistryError(
                f"The key in {self._path} is not the one that encrypted the passwords that are already in the registry. Set"
                f' `registry_key_file` to the right file. The guide "{GUIDE}" tells what to do if it is lost.'
            )

    def _fernet(self, keys: bytes) -> MultiFernet:
        try:
            return MultiFernet([Fernet(key) for key in keys.split()])
        except ValueError:
            raise RegistryError(
                f"{self._path} is not a key file for the registry's passwords. It must contain 32 bytes in URL-safe"
                " Base64, or several such keys, each in a line of its own."
            ) from None

    def _key(self) -> bytes | None:
        """Return the content of the file; `None` if it does not exist."""
        with self._translate_errors():
            owner = owner_of(self._path)
            with rights_of(owner):
                return self._read(owner)

    def _create(self) -> bytes:
        """Create the file under another name and publish it when it is complete; return its content.

        Two runs that do this at the same time both get the same key.
        """
        folder = os.path.dirname(self._path)
        with self._translate_errors():
            make_folder(folder, 0o700)
            owner = owner_of(self._path)
            with rights_of(owner):
                handle, draft = tempfile.mkstemp(prefix=".key-", dir=folder)  # 0600
                try:
                    with os.fdopen(handle, "wb") as file:
                        file.write(Fernet.generate_key() + b"\n")
                    publish(draft, self._path)
                finally:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(draft)
                key = self._read(owner)
        if key is None:
            raise RegistryError(
                f"The key file {self._path} of the registry's passwords was removed while it was being created."
            )
        return key

    def _read(self, owner: Owner | None) -> bytes | None:
        try:
            os.lstat(self._path)
        except FileNotFoundError:
            return None
        self._check(os.stat(self._path), owner)  # check before opening it, because opening a device may have effects
        # O_NONBLOCK: do not wait if a named pipe has just replaced it.
        handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            self._check(os.fstat(handle), owner)
            return file.read(_LONGEST_KEY).strip()

    def _check(self, status: os.stat_result, owner: Owner | None) -> None:
        problem = why_not_private(self._path, status, owner.uid if owner else None)
        if problem:
            raise RegistryError(f"The key file of the registry's passwords cannot be used: {problem}")

    @contextlib.contextmanager
    def _translate_errors(self) -> t.Iterator[None]:
        """Translate errors of the operating system into `RegistryError`."""
        try:
            yield
        except UnsafeFolder as error:
            raise RegistryError(
                f"The key file {self._path} of the registry's passwords cannot be used: {error}"
            ) from None
        except OSError as error:
            raise RegistryError(
                f"The key file {self._path} of the registry's passwords cannot be used ({error.strerror or error}). Check"
                " that its folder exists, and that this user can read the file."
            ) from None
