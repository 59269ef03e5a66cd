# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs expether_registry. Private to the collection."""

from __future__ import annotations

import contextlib
import functools
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import with_defaults
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._registry.claim_records import StoredClaims
from ansible_collections.nec.expether.plugins.module_utils._registry.copying import (
    Content,
    are_one,
    check_written,
    content_of,
    copy_of,
    read_once,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.location import is_shared, key_path, open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.records import Flavor, PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    Record,
    Registry,
    RegistryError,
    now_iso,
    put,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written
from ansible_collections.nec.expether.plugins.module_utils._sync.refusals import credentials_mark

if t.TYPE_CHECKING:
    from ansible_collections.nec.expether.plugins.module_utils._registry.secrets import Secrets

_NOUNS = {"pod_managers": "pod manager", "nodes": "node", "devices": "device", "flavors": "flavor"}
_NAMED: tuple[type[Record], ...] = (PodManager, StoredNode, Flavor)
#: The plain password of each pod manager by UUID.
Passwords = t.Mapping[str, t.Optional[str]]


def run(context: Context) -> Result:
    """Copy another registry or Valence's into this one, or encrypt the passwords in it again."""
    params = context.params
    if len([name for name in ("copy_from", "valence_dump", "reencrypt") if params[name]]) != 1:
        raise InvalidInput("Set exactly one of `copy_from`, `valence_dump` and `reencrypt: true`.")
    context.require_lasting_registry()
    if params["valence_dump"]:
        return _import(context)
    if params["reencrypt"]:
        return until_written(lambda: _reencrypt(context))
    with _of_source():
        source = open_registry(params["copy_from"])
    with contextlib.closing(source):
        return until_written(lambda: _copy(context, source))


def _reencrypt(context: Context) -> Result:
    stop_if_interrupted()
    changes, before, after, kept = [], {}, {}, []
    secrets = functools.cache(context.secrets)  # only passwords need cryptography and a key file
    for podm in context.registry.all(PodManager):
        if podm.password is None:
            continue
        try:
            token = secrets().renewed(podm.password)
        except RegistryError as error:
            error.message = f"Pod manager {podm.name}: {error.message}"
            raise
        if token is None:
            kept.append(podm.name)
        else:
            changes.append(put(_with_token(context, podm, token)))
            before[podm.name], after[podm.name] = "encrypted with an earlier key", "encrypted with the first key"
    if changes and not context.check_mode:
        context.registry.commit(changes)
    return {
        "changed": bool(changes),
        "reencrypted": sorted(after),
        "kept": sorted(kept),
        "diff": {"before": before, "after": after},
    }


def _with_token(context: Context, podm: PodManager, token: str | None) -> PodManager:
    """Return a pod manager with another token of its password. Credentials that its EEM refused stay refused."""
    settings = Settings(podm.url, podm.username, **context.connection.applied(podm.connection))
    renewed = podm._replace(password=token)
    if podm.refused_credentials is not None and podm.refused_credentials == credentials_mark(podm.password, settings):
        return renewed._replace(refused_credentials=credentials_mark(renewed.password, settings))
    return renewed


def _copy(context: Context, source: Registry) -> Result:
    stop_if_interrupted()
    with _of_source():
        content = content_of(source)
        if not any(content.counts().values()):
            raise RegistryError(f"The registry {source.path} has nothing to copy. Check `copy_from`.")
    there = content_of(context.registry)
    if are_one(source, context.registry, content, there):
        raise PlanRefused(
            f"`copy_from` ({source.path}) and `registry` ({context.registry.path}) are the same registry. Set one of them to"
            " another registry."
        )
    with _of_source():
        _refuse_claims(source, content)
        passwords = _passwords(context, lambda: _source_secrets(context), content)
    result = _write(context, content, passwords, there)
    if result["changed"] and not context.check_mode:
        _warn_if_changed(context, source, content)
    return result


def _warn_if_changed(context: Context, source: Registry, content: Content) -> None:
    """Warn if other runs have changed a registry since it was read."""
    try:
        if read_once(source) == content:
            return
    except RegistryError:
        pass  # so that it is not known
    context.warn(
        [
            f"The registry {source.path} may have been changed while it was copied, and the copy may lack that. Stop what uses"
            " it, and copy it again into an empty registry."
        ]
    )


@contextlib.contextmanager
def _of_source() -> t.Iterator[None]:
    """Let messages about the registry that is copied name the options with which it is chosen."""
    try:
        yield
    except RegistryError as error:
        message = error.message.replace("`registry_key_file`", "`copy_from_key_file`")
        error.message = message.replace("`registry`", "`copy_from`")
        raise


def _source_secrets(context: Context) -> Secrets:
    # Imported here, because only passwords need cryptography.
    from ansible_collections.nec.expether.plugins.module_utils._registry.secrets import Secrets

    url, file = context.params["copy_from"], context.params["copy_from_key_file"]
    if not file and is_shared(url):
        raise RegistryError(
            "The passwords in the registry that is copied need a key file. Set `copy_from_key_file` to the file that is used"
            " with it."
        )
    return Secrets(key_path(url, file), make=False)


def _import(context: Context) -> Result:
    # Imported here: this is done once in the life of a registry.
    from ansible_collections.nec.expether.plugins.module_utils._registry.valence import read_dump

    path = context.params["valence_dump"]
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidInput(
            f"The file {path} in `valence_dump` cannot be read ({reason}). Use an absolute path to a file on the host where"
            " the module runs."
        ) from None
    found = read_dump(text, with_defaults({}), now_iso())
    content = Content(found.records)
    for podm in content.of(PodManager).values():
        context.hide(found.passwords[podm.uuid], podm.username)
    result = until_written(lambda: _write(context, content, found.passwords, content_of(context.registry)))
    return {**result, "left_out": context.masked(found.left_out)}


def _write(context: Context, content: Content, passwords: Passwords, there: Content) -> Result:
    """Write what the registry does not have yet; return the result.

    :param passwords: those of the pod managers in `content`
    :param there: what the registry has
    :raises PlanRefused: something would be added to a registry that is not empty, and `merge` is not set; or both do not
        fit together
    """
    registry = context.registry
    # The same task again finds everything there already, and has nothing to merge.
    must_match = any(there.counts().values()) and not context.params["merge"]
    not_empty = PlanRefused(
        f"The registry {registry.path} is not empty: it has {_in_words(there.counts())}. Set `merge: true` to add what it"
        " does not have yet, or use an empty registry."
    )
    try:
        known = _passwords(context, context.secrets, there)
        copy = copy_of(content, there, lambda podm, other: passwords[podm.uuid] == known[other.uuid])
    except (PlanRefused, RegistryError):
        if must_match:
            raise not_empty from None
        raise
    if must_match and copy.records:
        raise not_empty
    _refuse_claims(registry, there)
    records = [
        _with_token(context, record, _encrypted(context, passwords[record.uuid]))
        if isinstance(record, PodManager)
        else record
        for record in copy.records
    ]
    stop_if_interrupted()
    if records and not context.check_mode:
        revision = registry.commit(copy._replace(records=records).changes)
        try:
            check_written(registry, records, revision, context.masked)
            # Another run may have replaced the key file meanwhile.
            for record in records:
                if isinstance(record, PodManager) and record.password is not None:
                    context.secrets().decrypt(record.password)
        except RegistryError as error:
            error.changed = True
            raise
    names = {
        record_type.kind(): sorted(record.name for record in records if isinstance(record, record_type))  # type: ignore[attr-defined]
        for record_type in _NAMED
    }
    after = {**names, "devices": copy.counts[StoredDevice.kind()]["added"]}
    before: Result = {key: [] if isinstance(value, list) else 0 for key, value in after.items()}
    return {"changed": bool(records), "copied": copy.counts, "diff": {"before": before, "after": after}}


def _encrypted(context: Context, password: str | None) -> str | None:
    return None if password is None else context.secrets().encrypt(password)


def _passwords(context: Context, secrets: t.Callable[[], Secrets], content: Content) -> Passwords:
    """Return the passwords of all pod managers.

    :raises RegistryError: the key file is missing, or has another key
    """
    found: dict[str, str | None] = {}
    for podm in content.of(PodManager).values():
        found[podm.uuid] = None if podm.password is None else secrets().decrypt(podm.password)
        context.hide(found[podm.uuid], podm.username)
    return found


def _refuse_claims(registry: Registry, content: Content) -> None:
    """Refuse a registry that a run uses to change cards: it would write its results there after the copy.

    :raises PlanRefused: a run that may still work holds claims
    """
    for podm_id, claims in content.of(StoredClaims).items():
        if not claims.held:
            continue
        _epoch, held = Claims(registry, podm_id, "", 0.0).read(clean=False)
        if held:
            raise PlanRefused(
                f"Other runs use the registry {registry.path}: {comma_list(sorted(set(held.values())))}. Wait until they have"
                " ended, and let no other begin, then run the task again."
            )


def _in_words(counts: t.Mapping[str, int]) -> str:
    found = [f"{count} {_NOUNS[kind]}{'s' * (count != 1)}" for kind, count in counts.items() if count]
    return comma_list(found)
