# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter writes spaces around the colon of a slice, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: E203

"""The registry in etcd, for several controllers. Private to the collection.

Its keys, below the prefix of its URL:

- `registry`: the header, with the schema and the revision. Every transaction that writes changes it, and is carried out only
  if nobody has changed it since it was read. So no two of them write at the same time, and none is carried out twice.
- `documents/KIND/UUID`: a document, as its revision, a space, and its text
- `pending/TOKEN/NUMBER`: a transaction that is larger than one of etcd, in compressed pieces. They are written first; the
  transaction is made when the header refers to them, in one transaction of etcd. Readers read what they contain instead
  of what it replaces. Then the documents are changed, by this run or, if it dies, by the next one that writes. Pieces
  that no header refers to are removed by etcd itself, because they have a lease until then.
- `commits/NUMBER`: the revisions and tokens of the last transactions. A request whose answer is lost is sent again, to
  another member. At most one of them is carried out, and the token tells whether one was.
- `runs/RUN`: a run that has claims, with a lease that ends soon after its process
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import time
import typing as t
import uuid as uuids
import zlib
from base64 import b64decode, b64encode

from ansible_collections.nec.expether.plugins.module_utils._registry.bodies import (
    BackEnd,
    conflict,
    records,
    text_of,
    unknown_outcome,
    upgraded_texts,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.etcd_gateway import (
    ANSWER_SECONDS,
    RECONNECT_SECONDS,
    EtcdError,
    Gateway,
    Json,
    NoMember,
    text64,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.etcd_lease import SECONDS, Lease, is_alive
from ansible_collections.nec.expether.plugins.module_utils._registry.etcd_url import parse_etcd
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    SCHEMA,
    AnyRecord,
    Change,
    RegistryConflict,
    RegistryError,
)

Writes = dict[str, t.Optional[str]]  # values by key, without the prefix; `None` removes a key

_PROGRAM = "nec.expether"
_HEADER = "registry"
_DOCUMENTS = "documents/"
_KEPT = 1000  # how many transactions `commits/` has
# Limits of etcd for one request, at its defaults: 128 operations, 1.5 MiB.
_MOST_OPERATIONS = 120
_MOST_BYTES = 1_000_000
_LARGEST = 1_400_000  # bytes of a document
_PIECE_SECONDS = 600  # the lease of pieces that no header refers to yet
_PAUSE = 0.02  # maximum of the pause in seconds after another run was faster


@dataclasses.dataclass
class _Seen:
    """What was read at one moment.

    :ivar header: `None` if there is no registry
    :ivar version: etcd's revision of the header
    :ivar values: the values of the wanted keys, without the prefix, including what is pending
    :ivar pending: the transaction that the header refers to
    """

    header: Json | None
    version: str
    values: dict[str, str]
    pending: Writes


@dataclasses.dataclass
class _Transaction:
    """A transaction that is tried until its outcome is known.

    :ivar revision: what the last attempt would have got; `NEVER` before the first one
    :ivar is_sent: whether the last attempt may have been carried out
    """

    changes: t.Sequence[Change]
    token: str
    revision: int = NEVER
    is_sent: bool = False


class EtcdRegistry(BackEnd):
    """See `Registry`. The first write creates the header.

    A member that does not answer is replaced by the next one.

    :raises MissingLibrary: requests is not installed or too old
    :raises RegistryError: the URL is not valid, or contains a password
    """

    def __init__(self, url: str) -> None:
        self._url = parse_etcd(url)
        self.path = self._url.shown
        self._gateway = Gateway(self._url, ANSWER_SECONDS)
        self._lease: Lease | None = None
        self._place = ""
        self._runs: set[str] = set()

    def commit(self, changes: t.Sequence[Change]) -> int:
        """Make all changes or none; return the revision of the changed documents."""
        if not changes:
            return NEVER
        transaction = _Transaction(changes, uuids.uuid4().hex)
        deadline = time.monotonic() + RECONNECT_SECONDS
        try:
            while True:
                revision = self._attempt(transaction)
                if revision is not None:
                    return revision
                if time.monotonic() > deadline and not transaction.is_sent:
                    raise RegistryConflict(f"The registry {self.path} is changed by other runs all the time.")
                time.sleep(random.uniform(0.0, _PAUSE))  # noqa: S311
        except RegistryError as error:
            if not transaction.is_sent:
                raise
            raise unknown_outcome(error) from None

    def hold(self, run: str) -> str | None:
        """Hold a lock for a run; return where: in which etcd, and with which lease.

        If the lease has ended, the lock is held with another one, which is another place: another run may have believed
        meanwhile that this run is dead.
        """
        if not self._runs and self._see("locked").header is None:
            self._make()
        while True:
            try:
                self._hold(run)
                return self._place
            except EtcdError as error:
                if "lease not found" not in str(error):
                    raise self._translated("locked", error) from None

    def is_held(self, run: str, place: str) -> bool | None:
        """Return whether the lock of a run is held; `None` if it was held in another etcd, or before this one was restored."""
        answer = self._call("read", "kv/range", {"key": self._key(f"runs/{run}")})[0]
        return bool(answer.get("kvs")) if place.split(" ")[0] == answer["header"]["cluster_id"] else None

    def close(self) -> None:
        """Close the connections, and give up the locks."""
        if self._lease is not None:
            self._lease.close()
            with contextlib.suppress(EtcdError, RegistryError):
                if self._gateway.has_answered:
                    self._gateway.call("locked", "lease/revoke", {"ID": self._lease.id})
            self._lease = None
        self._runs.clear()
        self._gateway.close()

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self, record_type: type[AnyRecord], uuid: str | None) -> list[AnyRecord]:
        folder = f"{_DOCUMENTS}{record_type.kind()}/"
        found = self._see("read", {f"{folder}{uuid or ''}": uuid is None}).values
        try:
            return records(record_type, [(name[len(folder) :], *_parts(found[name])) for name in sorted(found)])
        except (ValueError, RecursionError) as error:
            raise self._damaged(str(error)) from None

    def _see(self, what: str, wanted: t.Mapping[str, bool] | None = None) -> _Seen:
        """Return what the registry has at one moment.

        :param wanted: keys without the prefix, and for each whether it is the beginning of the keys of a folder
        :raises RegistryError: the prefix has keys of something else, or the registry is of a newer version
        """
        token: str | None = None  # of what was pending when it was read last
        while True:
            ranges = [self._range(_HEADER), *(self._range(key, is_folder) for key, is_folder in (wanted or {}).items())]
            if token is not None:
                ranges.append(self._range(f"pending/{token}/", is_folder=True))
            answer = self._call(what, "kv/txn", {"success": [{"request_range": each} for each in ranges]})[0]
            found = [response.get("response_range", {}).get("kvs", []) for response in answer["responses"]]
            if not found[0]:
                self._check_unused(what)
                return _Seen(None, "0", {}, {})
            header = self._header(found[0][0])
            pending = header.get("pending")
            if pending is None or pending["token"] == token:
                break
            token = pending["token"]
        values = {self._name(pair): _text(pair) for pairs in found[1 : 1 + len(wanted or {})] for pair in pairs}
        writes = self._unpacked(found[-1], pending["pieces"]) if pending else {}
        for key, value in writes.items():
            if any(key.startswith(name) if is_folder else key == name for name, is_folder in (wanted or {}).items()):
                values.pop(key, None)
                if value is not None:
                    values[key] = value
        return _Seen(header, found[0][0]["mod_revision"], values, writes)

    def _header(self, pair: Json) -> Json:
        try:
            header = json.loads(_text(pair))
            if header["program"] == _PROGRAM:
                schema, _revision = map(int, (header["schema"], header["revision"]))  # both must be numbers
                self._check_schema(schema)
                return t.cast(Json, header)
        except (ValueError, LookupError, TypeError, RecursionError):
            pass
        raise self._damaged(f"the key {self._url.prefix}{_HEADER} belongs to another program")

    def _check_unused(self, what: str) -> None:
        """Check that there is nothing below the prefix, or a registry that was created a moment ago.

        :raises RegistryError: there are keys of something else
        """
        ranges = [self._range(_HEADER), {**self._range("", is_folder=True), "count_only": True}]
        answer = self._call(what, "kv/txn", {"success": [{"request_range": each} for each in ranges]})[0]
        header, everything = (response.get("response_range", {}) for response in answer["responses"])
        if int(everything.get("count", 0)) and not header.get("kvs"):
            raise self._damaged(f"keys that begin with {self._url.prefix} belong to another program")

    def _unpacked(self, pairs: list[Json], count: int) -> Writes:
        try:
            if len(pairs) != count:
                raise ValueError(f"{len(pairs)} of {count} pieces")
            text = zlib.decompress(b"".join(b64decode(pair["value"]) for pair in pairs))
            return t.cast(Writes, json.loads(text))
        except (ValueError, zlib.error) as error:
            raise self._damaged(f"a transaction is not complete: {error}") from None

    # -- writing -----------------------------------------------------------------------------------------------------

    def _attempt(self, transaction: _Transaction) -> int | None:
        """Try to make a transaction; return its revision, or `None` if it must be tried again.

        :raises RegistryConflict: a document does not have its expected revision
        """
        wanted = _wanted(transaction.changes)
        tried, mark = transaction.revision, _commit_key(transaction.revision)
        seen = self._see("written", {**wanted, mark: False})
        if seen.header is None:
            self._make()
            return None
        latest = int(seen.header["revision"])
        if transaction.is_sent:
            revision, token = _parts(seen.values.get(mark, f"{NEVER} "))
            if (revision, token) == (tried, transaction.token):
                return tried
            if revision > tried:
                raise RegistryError(f"The registry {self.path} was changed {_KEPT} times by other runs meanwhile.")
            # The header has changed since that attempt, so it cannot be carried out any more.
            transaction.is_sent = False
        if seen.pending:
            self._finish(seen)
            return None
        revision = latest + 1
        writes = self._upgraded() if seen.header["schema"] < SCHEMA else {}
        writes |= self._changed(transaction.changes, seen.values, revision)
        for key, value in writes.items():
            if value is not None and len(value) > _LARGEST:
                raise RegistryError(
                    f"The registry {self.path} cannot store {key}: it has {len(value)} bytes, and etcd stores {_LARGEST}."
                )
        transaction.revision = revision
        return revision if self._write(transaction, seen, writes) else None

    def _changed(self, changes: t.Sequence[Change], stored: t.Mapping[str, str], revision: int) -> Writes:
        """Return what changes write, in their order.

        :raises RegistryConflict: a document does not have its expected revision
        """
        now: dict[str, str | None] = dict(stored)
        writes: Writes = {}
        for change in changes:
            key = f"{_DOCUMENTS}{change.kind}/{change.uuid}"
            value = now.get(key)
            if change.expected is not None:
                try:
                    found, text = _parts(value) if value is not None else (NEVER, None)
                except ValueError as error:
                    raise self._damaged(str(error)) from None
                if found != change.expected:
                    raise conflict(change, text, self._podm_text)
            now[key] = writes[key] = None if change.body is None else f"{revision} {text_of(change.body)}"
        return writes

    def _write(self, transaction: _Transaction, seen: _Seen, writes: Writes) -> bool:
        """Make a transaction unless another one was made since; return whether it was made, as far as is known."""
        header = {"program": _PROGRAM, "schema": SCHEMA, "revision": transaction.revision}
        parts = list(_divided(writes))
        if len(parts) > 1:
            token = uuids.uuid4().hex
            pieces = self._store_pieces(token, writes)
            header["pending"] = {"token": token, "pieces": len(pieces)}
            # Written again without a value, the pieces lose their lease.
            operations = [{"request_put": {"key": self._key(key), "ignore_value": True}} for key in pieces]
        else:
            operations = self._operations(writes)
        text = json.dumps(header)
        marks: Writes = {
            _HEADER: text,
            _commit_key(transaction.revision): f"{transaction.revision} {transaction.token}",
        }
        transaction.is_sent = True
        try:
            is_made, was_sent = self._swap("written", seen.version, [*self._operations(marks), *operations])
        except RegistryError as error:
            transaction.is_sent = isinstance(error, NoMember) and error.is_sent
            raise
        transaction.is_sent = not is_made and was_sent
        if is_made and len(parts) > 1:
            # From now on it is made: what cannot be done now, the next run that writes will do.
            with contextlib.suppress(RegistryError):
                self._finish(self._see("written"))
        return is_made

    def _store_pieces(self, token: str, writes: Writes) -> list[str]:
        """Store a transaction in pieces that vanish if it is not made; return their keys."""
        lease = self._call("written", "lease/grant", {"TTL": str(_PIECE_SECONDS)})[0]["ID"]
        content = zlib.compress(json.dumps(writes).encode(), 1)
        keys: list[str] = []
        for start in range(0, len(content), _MOST_BYTES):
            keys.append(f"pending/{token}/{len(keys):04}")
            value = b64encode(content[start : start + _MOST_BYTES]).decode()
            self._call("written", "kv/put", {"key": self._key(keys[-1]), "value": value, "lease": lease})
        return keys

    def _finish(self, seen: _Seen) -> None:
        """Change the documents as a pending transaction says, unless another run has done it meanwhile."""
        if not (seen.header and seen.pending):
            return
        for writes in _divided(seen.pending):
            if not self._swap("written", seen.version, self._operations(writes))[0]:
                return
        pieces = self._range(f"pending/{seen.header['pending']['token']}/", is_folder=True)
        text = json.dumps({key: value for key, value in seen.header.items() if key != "pending"})
        operations = [*self._operations({_HEADER: text}), {"request_delete_range": pieces}]
        self._swap("written", seen.version, operations)

    def _upgraded(self) -> Writes:
        """Return all documents as this version writes them, with their old revisions; damaged ones stay as they are."""
        rows = []
        for key, value in self._see("written", {_DOCUMENTS: True}).values.items():
            kind, _slash, uuid = key[len(_DOCUMENTS) :].partition("/")
            with contextlib.suppress(ValueError):
                rows.append((kind, uuid, *_parts(value)))
        revisions = {(kind, uuid): revision for kind, uuid, revision, _text in rows}
        return {
            f"{_DOCUMENTS}{kind}/{uuid}": f"{revisions[kind, uuid]} {text}" for text, kind, uuid in upgraded_texts(rows)
        }

    def _make(self) -> None:
        """Create the registry, unless there is anything below the prefix."""
        nothing = {**self._range("", is_folder=True), "target": "CREATE", "result": "EQUAL", "create_revision": "0"}
        header = json.dumps({"program": _PROGRAM, "schema": SCHEMA, "revision": NEVER})
        self._call("written", "kv/txn", {"compare": [nothing], "success": self._operations({_HEADER: header})})

    def _podm_text(self, uuid: str) -> str | None:
        key = f"{_DOCUMENTS}pod_managers/{uuid}"
        value = self._see("read", {key: False}).values.get(key)
        return value.partition(" ")[2] if value is not None else None

    # -- locks -------------------------------------------------------------------------------------------------------

    def _hold(self, run: str) -> None:
        if self._lease is None or not is_alive(self._gateway, self._lease.id):
            lease = self._gateway.call("locked", "lease/grant", {"TTL": str(SECONDS)})[0]["ID"]
            runs = {*self._runs, run}
        else:
            lease, runs = self._lease.id, {run} - self._runs
        for name in runs:
            leased = {"key": self._key(f"runs/{name}"), "value": text64(name), "lease": lease}
            cluster = self._gateway.call("locked", "kv/put", leased)[0]["header"]["cluster_id"]
            self._place = f"{cluster} {lease}"
        if self._lease is None:
            self._lease = Lease(self._url, lease)
        self._lease.id = lease
        self._runs |= runs

    # -- requests ----------------------------------------------------------------------------------------------------

    def _call(self, what: str, path: str, body: Json) -> tuple[Json, bool]:
        try:
            return self._gateway.call(what, path, body)
        except EtcdError as error:
            raise self._translated(what, error) from None

    def _swap(self, what: str, version: str, operations: list[Json]) -> tuple[bool, bool]:
        """Carry out operations if the header is still the one that was read.

        Return whether they were carried out, and whether they were sent before to a member that did not answer.
        """
        same = {"key": self._key(_HEADER), "target": "MOD", "result": "EQUAL", "mod_revision": version}
        answer, was_sent = self._call(what, "kv/txn", {"compare": [same], "success": operations})
        return bool(answer.get("succeeded")), was_sent

    def _key(self, name: str) -> str:
        return text64(f"{self._url.prefix}{name}")

    def _name(self, pair: Json) -> str:
        """Return the key of a pair, without the prefix."""
        return b64decode(pair["key"]).decode(errors="replace")[len(self._url.prefix) :]

    def _range(self, name: str, is_folder: bool = False) -> Json:
        """Return a key, or all keys of a folder, whose name ends with a slash."""
        if not is_folder:
            return {"key": self._key(name)}
        begin = f"{self._url.prefix}{name}"
        return {"key": text64(begin), "range_end": text64(f"{begin[:-1]}0")}  # 0 follows the slash

    def _operations(self, writes: Writes) -> list[Json]:
        return [
            {"request_delete_range": {"key": self._key(key)}}
            if value is None
            else {"request_put": {"key": self._key(key), "value": text64(value)}}
            for key, value in writes.items()
        ]

    # -- messages ----------------------------------------------------------------------------------------------------

    def _damaged(self, why: str) -> RegistryError:
        return RegistryError(
            f"The registry {self.path} is damaged or was not created by this collection ({why}). It was not changed."
            " Restore it from a backup, or use another prefix and register the pod managers again."
        )

    def _translated(self, what: str, error: EtcdError) -> RegistryError:
        """Return the `RegistryError` for an error of etcd. Its messages contain no password."""
        if "permission denied" in str(error):
            return RegistryError(
                f"The registry {self.path} cannot be {what}, because the user lacks a right ({error}). It needs a role with:"
                f" etcdctl role grant-permission ROLE readwrite --prefix=true {self._url.prefix}"
            )
        return RegistryError(
            f"The registry {self.path} cannot be {what} ({error}). Check that the user and its password are right"
            " (ETCDCTL_USER, ETCDCTL_PASSWORD), and that etcd has free space (`etcdctl alarm list`)."
        )


def _wanted(changes: t.Sequence[Change]) -> dict[str, bool]:
    """Return the keys of the documents whose revisions are expected, or those of all their kinds if they are many."""
    keys = {f"{_DOCUMENTS}{change.kind}/{change.uuid}" for change in changes if change.expected is not None}
    if len(keys) + 3 <= _MOST_OPERATIONS:
        return dict.fromkeys(keys, False)
    return dict.fromkeys({f"{_DOCUMENTS}{change.kind}/" for change in changes if change.expected is not None}, True)


def _divided(writes: Writes) -> t.Iterator[Writes]:
    """Divide what is written into parts of which each fits in one transaction of etcd, with a few more operations."""
    part: Writes = {}
    size = 0
    for key, value in writes.items():
        more = len(key) + len(value or "")
        if part and (len(part) + 3 > _MOST_OPERATIONS or size + more > _MOST_BYTES):
            yield part
            part, size = {}, 0
        part[key] = value
        size += more
    yield part


def _commit_key(revision: int) -> str:
    return f"commits/{revision % _KEPT:03}"


def _text(pair: Json) -> str:
    return b64decode(pair.get("value", "")).decode(errors="replace")


def _parts(value: str) -> tuple[int, str]:
    """Return the revision and the text of a value.

    :raises ValueError: it is damaged
    """
    revision, _space, text = value.partition(" ")
    return int(revision), text
