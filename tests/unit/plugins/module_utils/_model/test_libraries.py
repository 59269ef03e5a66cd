# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user is told to do about a missing library."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.libraries import OLDEST, how_to_install


@pytest.mark.parametrize("library", OLDEST)
def test_a_python_that_refuses_pip_is_not_told_to_use_it(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Debian 12 and later, outside and inside a virtual environment."""
    pip = f"{sys.executable} -m pip install"
    monkeypatch.setattr(sysconfig, "get_path", lambda dummy: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert pip in how_to_install(library)
    (tmp_path / "EXTERNALLY-MANAGED").write_text("[externally-managed]", encoding="ascii")
    said = how_to_install(library)
    assert "-m pip" not in said
    assert said.startswith(f"{sys.executable} belongs to the distribution, which refuses pip: ")
    assert said.endswith(f"to the Python of a virtual environment with {library}.")
    # hwdata is not packaged for Python.
    assert ("install the package python3-" in said) == (library != "hwdata")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert pip in how_to_install(library)
