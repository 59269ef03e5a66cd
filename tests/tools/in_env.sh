#!/usr/bin/env bash
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prepares an environment inside the checkout, then runs a command in it:
#   tests/tools/in_env.sh demo|dev COMMAND...
#
# - .venv: a virtual environment with the pinned packages of tests/requirements/
#   (demo: for the demo; dev: for all tests and checks)
# - .ansible/collections/ansible_collections/nec/expether: a link to this checkout
# - .ansible/pci.ids: the PCI id list, if the machine has none and it can be downloaded
# Existing parts are reused. Needs no root and changes nothing outside the checkout.
# Environment: PYTHON, the Python to use (3.11 or later); EXPETHER_PCI_IDS, a PCI id list to use.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
state=$root/.ansible
venv=$root/.venv
set_name=${1:?usage: in_env.sh demo|dev COMMAND...}
shift

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

case $set_name in
    demo) files=(core.txt demo.txt) ;;
    dev) files=(core.txt demo.txt pytest.txt checks.txt) ;;
    *) die "in_env.sh: unknown set $set_name; use demo or dev" ;;
esac

# Prints the real path of a Python that is new enough. Runs each candidate, because a name on PATH
# may be a shim of a Python that is not installed.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14; do
        "$candidate" - 2>/dev/null <<'PY' && return
import os, sys
if sys.version_info < (3, 11):
    sys.exit(1)
print(os.path.realpath(sys.executable) if sys.prefix == sys.base_prefix else sys.executable)
PY
        [ -z "${PYTHON:-}" ] || die "PYTHON=$PYTHON does not run, or is older than 3.11."
    done
    die "No Python 3.11 or later was found. Install it, or set PYTHON: make PYTHON=/path/to/python3.11 ..."
}

# Unpacks a Debian package below a folder, without installing it and without root.
unpack_package() { # package, folder
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    local apt=$state/apt
    local -a own=(-o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o Debug::NoLocking=1)
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/deb"
    (
        cd "$apt/deb"
        # Use the machine's package lists. If they are missing or outdated, download separate ones.
        timeout 60 apt-get -qq download "$1" ||
            { timeout 120 apt-get -qq "${own[@]}" update && timeout 60 apt-get -qq "${own[@]}" download "$1"; }
    ) </dev/null >"$apt/log" 2>&1 || return 1
    mkdir -p "$2"
    dpkg-deb -x "$apt"/deb/*.deb "$2" && rm -rf "$apt"
}

# Installs pip into the virtual environment of a Python without ensurepip, such as Debian's without
# python3-venv.
seed_pip() { # python
    local wheels=$state/pip pip
    pip=$(grep -m1 '^pip==' "$root/tests/requirements/seed.txt")
    "$1" -m pip --version >/dev/null 2>&1 && "$1" -m pip --quiet --python "$venv/bin/python" install "$pip" && return
    if unpack_package python3-pip-whl "$wheels"; then
        "$venv/bin/python" "$(echo "$wheels"/usr/share/python-wheels/pip-*.whl)/pip" --quiet install "$pip" && return
    fi
    die "$1 has neither ensurepip nor pip. Install the package python3-venv, or use another Python: make PYTHON=..."
}

make_venv() {
    local python wanted stamp=$venv/.stamp have="" kind="" file
    local -a options=()
    wanted=$(cd "$root/tests/requirements" && cat "${files[@]}" constraints.txt | cksum | tr ' ' '-')
    if [ -x "$venv/bin/python" ] && [ -f "$stamp" ]; then
        have=$(sed -n "s/^$set_name //p" "$stamp")
        kind=$(sed -n 's/^root //p' "$stamp")
        # Create a new one for another PYTHON or a moved checkout.
        [ -z "${PYTHON:-}" ] || [ "$(find_python)" = "$(sed -n 's/^python //p' "$stamp")" ] || kind=other
        "$venv/bin/python" -c '' 2>/dev/null || kind=broken
    fi
    [ "$kind" = "$root" ] && [ "$have" = "$wanted" ] && return
    if [ "$kind" != "$root" ]; then
        python=$(find_python)
        say "Creating .venv with $python"
        rm -rf "$venv"
        "$python" -m venv "$venv" >/dev/null 2>&1 ||
            { rm -rf "$venv" && "$python" -m venv --without-pip "$venv" && seed_pip "$python"; }
        printf 'root %s\npython %s\n' "$root" "$python" >"$stamp"
    fi
    say "Installing the pinned packages for '$set_name' into .venv"
    for file in "${files[@]}"; do options+=(-r "$file"); done
    (
        cd "$root/tests/requirements"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${options[@]}" -c constraints.txt
    ) </dev/null >"$state/log/venv.log" 2>&1 || { tail -n 20 "$state/log/venv.log" >&2; die "Installing the packages failed."; }
    # The larger set includes the smaller one.
    {
        grep -E '^(root|python) ' "$stamp"
        echo "$set_name $wanted"
        [ "$set_name" = demo ] || (cd "$root/tests/requirements" && echo "demo $(cat core.txt demo.txt constraints.txt | cksum | tr ' ' '-')")
    } >"$stamp.new"
    mv "$stamp.new" "$stamp"
}

make_link() {
    local link=$state/collections/ansible_collections/nec/expether
    mkdir -p "${link%/*}"
    # A tool may have created a copy here, which would hide the checkout.
    [ "$(readlink -f "$link")" = "$root" ] && return
    rm -rf "$link"
    ln -s ../../../.. "$link"
}

find_pci_ids() {
    local list fetched=$state/pci.ids
    for list in "${EXPETHER_PCI_IDS:-}" /usr/share/hwdata/pci.ids /usr/share/misc/pci.ids "$fetched/usr/share/misc/pci.ids"; do
        if [ -n "$list" ] && [ -r "$list" ]; then
            export EXPETHER_PCI_IDS=$list
            return
        fi
    done
    unset EXPETHER_PCI_IDS
    # Do not try again for a day, because every attempt without a network takes time.
    if [ -z "$(find "$fetched.missing" -mtime -1 2>/dev/null)" ]; then
        say "Fetching the PCI id list"
        if unpack_package pci.ids "$fetched" && [ -r "$fetched/usr/share/misc/pci.ids" ]; then
            export EXPETHER_PCI_IDS=$fetched/usr/share/misc/pci.ids
            return
        fi
        touch "$fetched.missing"
    fi
    say "There is no PCI id list: vendors and devices are shown by number. Install the package pci.ids or hwdata for their names."
}

mkdir -p "$state/log"
export LC_ALL=C.UTF-8
# Keep other configurations, collections, registries and real EEMs out of this environment.
unset ANSIBLE_COLLECTIONS_PATH ANSIBLE_COLLECTIONS_PATHS PYTHONPATH PYTHONHOME
unset "${!EEM_@}" "${!EXPETHER_REGISTRY@}"
# Several instances may start at the same time in one checkout.
exec 9>"$state/lock"
if command -v flock >/dev/null; then flock 9; fi
make_venv
make_link
find_pci_ids
exec 9>&-

# An empty configuration overrides those of the user and of the machine.
: >>"$state/ansible.cfg"
export ANSIBLE_HOME=$state ANSIBLE_CONFIG=$state/ansible.cfg ANSIBLE_REMOTE_TEMP=$state/tmp
# Make git work even if the checkout belongs to another user, as in some CI systems.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=$root
export XDG_STATE_HOME=$state/state HYPOTHESIS_STORAGE_DIRECTORY=$state/hypothesis
export PATH=$venv/bin:$PATH VIRTUAL_ENV=$venv
if [ $# -gt 0 ]; then exec "$@"; fi
