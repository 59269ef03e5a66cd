# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords in the registry: Fernet of C(cryptography), its key in a file of its own. Private to the collection."""

from __future__ import annotations

import contextlib
import os
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
    from cryptography.fernet import Fernet, InvalidToken
except Exception as missing:  # noqa: BLE001  # pylint: disable=broad-exception-caught
    MISSING = missing

_LONGEST_KEY = 4096  # bytes; more is no key


class Secrets:
    """Encrypts and decrypts with the key in a file (mode 0600), which is made when it is first needed.

    :param make: whether the file may be made; not in check mode
    :raises MissingLibrary: cryptography is not installed, or too old
    """

    def __init__(self, path: str, make: bool) -> None:
        need("cryptography", MISSING)
        self._path = path
        self._make = make

    def encrypt(self, password: str) -> str:
        """Return a password's token."""
        key = self._key()
        if key is None:
            key = self._create() if self._make else Fernet.generate_key()
        return self._fernet(key).encrypt(password.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Return a token's password.

        :raises RegistryError: there is no key, or another one
        """
        key = self._key()
        if key is None:
            raise RegistryError(
                f"The key file {self._path} of the registry's passwords is gone. Restore it, name it in"
                " registry_key_file, or register the pod managers again with their passwords."
            )
        try:
            return self._fernet(key).decrypt(token.encode()).decode()
        except InvalidToken:
            raise RegistryError(
                f"The key in {self._path} is not the one that the registry's passwords were encrypted with. Name the"
                " right file in registry_key_file, or register the pod managers again with their passwords."
            ) from None

    def _fernet(self, key: bytes) -> Fernet:
        try:
            return Fernet(key)
        except ValueError:
            raise RegistryError(
                f"{self._path} holds no key of the registry's passwords: 32 bytes in URL-safe Base64 are expected."
            ) from None

    def _key(self) -> bytes | None:
        """Return what the file holds; C(None) if it does not exist."""
        with self._translate_errors():
            owner = owner_of(self._path)
            with rights_of(owner):
                return self._read(owner)

    def _create(self) -> bytes:
        """Make the file beside its place and put it there when it is complete; return what it holds.

        Of two runs at once both use the same key.
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
            raise RegistryError(f"The key file {self._path} of the registry's passwords was removed while it was made.")
        return key

    def _read(self, owner: Owner | None) -> bytes | None:
        try:
            os.lstat(self._path)
        except FileNotFoundError:
            return None
        self._check(os.stat(self._path), owner)  # opening a device may do something
        # Does not wait if another file has just taken its place.
        handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            self._check(os.fstat(handle), owner)
            return file.read(_LONGEST_KEY).strip()

    def _check(self, found: os.stat_result, owner: Owner | None) -> None:
        problem = why_not_private(self._path, found, owner.uid if owner else None)
        if problem:
            raise RegistryError(f"The key file of the registry's passwords cannot be used: {problem}")

    @contextlib.contextmanager
    def _translate_errors(self) -> t.Iterator[None]:
        """Turn the system's errors into sentences."""
        try:
            yield
        except UnsafeFolder as error:
            raise RegistryError(f"The key file {self._path} of the registry's passwords cannot be used: {error}") from None
        except OSError as error:
            raise RegistryError(
                f"The key file {self._path} of the registry's passwords cannot be used ({error.strerror or error})."
            ) from None
