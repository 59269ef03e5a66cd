# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords in the registry: Fernet of C(cryptography), its key in a file of its own. Private to the collection."""

from __future__ import annotations

import contextlib
import os
import tempfile

from ansible_collections.nec.expether.plugins.module_utils._libraries import need
from ansible_collections.nec.expether.plugins.module_utils._registry import RegistryError, give_to_owner

MISSING: Exception | None = None
try:
    from cryptography.fernet import Fernet, InvalidToken
except Exception as missing:  # noqa: BLE001  # pylint: disable=broad-exception-caught
    MISSING = missing


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
        return self._fernet().encrypt(password.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Return a token's password.

        :raises RegistryError: there is no key, or another one
        """
        if not os.path.lexists(self._path):
            raise RegistryError(
                f"The key file {self._path} of the registry's passwords is gone. Restore it, name it in"
                " registry_key_file, or register the pod managers again with their passwords."
            )
        try:
            return self._fernet().decrypt(token.encode()).decode()
        except InvalidToken:
            raise RegistryError(
                f"The key in {self._path} is not the one that the registry's passwords were encrypted with. Name the"
                " right file in registry_key_file, or register the pod managers again with their passwords."
            ) from None

    def _fernet(self) -> Fernet:
        try:
            if not os.path.lexists(self._path):
                if not self._make:
                    return Fernet(Fernet.generate_key())
                self._create()
            if os.stat(self._path).st_mode & 0o007:
                raise RegistryError(
                    f"The key file {self._path} can be read by everybody: take that right away (chmod 600)."
                )
            with open(self._path, "rb") as file:
                key = file.read().strip()
        except OSError as error:
            raise RegistryError(
                f"The key file {self._path} of the registry's passwords cannot be used ({error.strerror or error})."
            ) from None
        try:
            return Fernet(key)
        except ValueError:
            raise RegistryError(
                f"{self._path} holds no key of the registry's passwords: 32 bytes in URL-safe Base64 are expected."
            ) from None

    def _create(self) -> None:
        """Make the file beside its place and link it there: of two runs at once both use the same key."""
        folder = os.path.dirname(self._path)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=".key-", dir=folder)  # 0600
        try:
            with os.fdopen(handle, "wb") as file:
                give_to_owner(file.fileno(), folder)
                file.write(Fernet.generate_key() + b"\n")
            with contextlib.suppress(FileExistsError):
                os.link(draft, self._path)
        finally:
            os.unlink(draft)
