# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the simulator in its own process and control it, for tests, the demo and benchmarks.

`tests/` is not a package, so put `tests/simulator` on `sys.path` before the import::

    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "simulator"))
    from eemsim.client import Simulator

    with Simulator(eesv=2, eeio=6) as eem:
        requests.get(eem.url + "/devices", auth=eem.auth)

This module needs `requests`, and the Python that runs the simulator needs `aiohttp`. It imports nothing from the collection.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

PROGRAM = Path(__file__).resolve().parent.parent / "eem_simulator.py"


class Simulator:
    """One simulator process. Use it as a context manager, or call `start()` and `stop()`.

    `fleet` is a list of raw records or the path of a file. Without it, a fleet is generated from `eesv`, `eeio`, `seed`,
    `style` and `no_group`. `username=None` turns authentication off. `tls` is (certificate, key) as paths. `client_ca`
    requires client certificates; control requests then use `verify` and `cert`.
    """

    def __init__(
        self,
        *,
        eesv: int = 4,
        eeio: int = 12,
        seed: int = 1,
        style: str = "plain",
        no_group: int = 0,
        fleet: list[Any] | str | os.PathLike[str] | None = None,
        username: str | None = "admin",
        password: str = "eemeem",
        options: dict[str, Any] | None = None,
        latency_ms: int = 0,
        port: int = 0,
        context: str = "/eem",
        tls: tuple[str, str] | None = None,
        client_ca: str | None = None,
        verify: bool | str = True,
        cert: tuple[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        python: str = sys.executable,
    ) -> None:
        self.username, self.password = username, password
        self.verify, self.cert = verify, cert
        self.url = self.control = self.host = ""
        self.port = self.pid = 0
        self._process: subprocess.Popen[str] | None = None
        self._fleet = fleet
        self._command = [
            python,
            str(PROGRAM),
            "--exit-with-stdin",
            f"--port={port}",
            f"--eesv={eesv}",
            f"--eeio={eeio}",
            f"--seed={seed}",
            f"--fleet-style={style}",
            f"--no-group={no_group}",
            f"--context={context}",
            f"--latency-ms={latency_ms}",
            *arguments,
        ]
        self._command += [f"--option={name}={value}" for name, value in (options or {}).items()]
        if username is not None:
            self._command.append(f"--username={username}")
        if tls:
            self._command += [f"--tls-cert={tls[0]}", f"--tls-key={tls[1]}"]
        if client_ca:
            self._command.append(f"--tls-client-ca={client_ca}")

    # -- the process

    def start(self) -> Simulator:
        """Start the process and wait until it is ready."""
        with tempfile.TemporaryDirectory() as folder:
            command = list(self._command)
            if isinstance(self._fleet, list):
                path = Path(folder, "fleet.json")
                path.write_text(json.dumps({"devices": self._fleet}), encoding="utf-8")
                command.append(f"--fleet={path}")
            elif self._fleet is not None:
                command.append(f"--fleet={self._fleet}")
            # The process ends when its standard input is closed, so it does not outlive a killed test run.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "EEM_SIM_PASSWORD": self.password},
            )
            line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self.stop()
            raise RuntimeError(f"the simulator did not start: {' '.join(command)}")
        ready = json.loads(line)
        self.url, self.control, self.pid = ready["url"], ready["control"], ready["pid"]
        parts = urlsplit(self.url)
        self.host, self.port = parts.hostname or "", parts.port or 0
        return self

    def stop(self) -> int | None:
        """Stop the process and return its exit status."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        return process.returncode

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    # -- the EEM

    @property
    def auth(self) -> tuple[str, str] | None:
        return None if self.username is None else (self.username, self.password)

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Make one REST call as the configured user. `path` is relative to the context, such as `/devices`."""
        headers = {"Accept": "application/json", **kwargs.pop("headers", {})}
        return self._send(method, self.url + path, **{"auth": self.auth, "headers": headers, **kwargs})

    # -- control

    def stats(self) -> dict[str, Any]:
        return self._control("GET", "/stats")

    def reset_stats(self) -> None:
        self._control("DELETE", "/stats")

    def log(self) -> list[dict[str, Any]]:
        return self._list("/log")

    def reset_log(self) -> None:
        self._control("DELETE", "/log")

    def history(self, field: str | None = None, card: str | None = None) -> list[dict[str, Any]]:
        """Actual state changes since the start, optionally of one field or one card only."""
        return [
            each for each in self._list("/history") if field in (None, each["field"]) and card in (None, each["card"])
        ]

    def records(self) -> list[Any]:
        """All actual records, including broken ones."""
        return self._list("/cards")

    def cards(self) -> dict[str, dict[str, Any]]:
        """Actual records by id, without records that have no id."""
        return {record["id"]: record for record in self.records() if isinstance(record, dict) and record.get("id")}

    def eesvs(self) -> list[dict[str, Any]]:
        return [record for record in self.cards().values() if record.get("status") == "eesv"]

    def eeios(self) -> list[dict[str, Any]]:
        return [record for record in self.cards().values() if record.get("status") == "eeio"]

    def card(self, card_id: str) -> dict[str, Any]:
        return self._control("GET", f"/cards/{quote(card_id, safe='')}")

    def patch(self, card_id: str, *, bump: bool = True, link: bool = True, **changes: Any) -> dict[str, Any]:
        """Change keys of a card without the client; None removes a key."""
        return self._control(
            "PATCH",
            f"/cards/{quote(card_id, safe='')}",
            json=changes,
            params={"bump": "yes" if bump else "no", "link": "yes" if link else "no"},
        )

    def put_card(self, record: Any, card_id: str | None = None, *, link: bool = False) -> dict[str, Any]:
        return self._control(
            "PUT",
            f"/cards/{quote(card_id or record['id'], safe='')}",
            json=record,
            params={"link": "yes" if link else "no"},
        )

    def delete_card(self, card_id: str) -> None:
        self._control("DELETE", f"/cards/{quote(card_id, safe='')}")

    def silence(self, card_id: str) -> None:
        """Make a card stop responding on all paths."""
        self.patch(card_id, notification_status0=["down", "down"], notification_status1=["down", "down"])

    def options(self) -> dict[str, str]:
        return self._control("GET", "/options")

    def set_options(self, **changes: Any) -> dict[str, str]:
        return self._control("PATCH", "/options", json=changes)

    def fault(
        self,
        *actions: str | dict[str, Any],
        method: str | None = None,
        path: str | None = None,
        nth: int = 1,
        times: int = 1,
        **fields: Any,
    ) -> int:
        """Order a fault: `fault("drop", after=True, method="PUT", path="group_id$")`, or pass actions as objects.

        `fields` are the keys of actions that are given by name.
        """
        orders = [{"do": action, **fields} if isinstance(action, str) else action for action in actions]
        match = {"method": method, "path": path, "nth": nth}
        return int(self._control("POST", "/faults", json={"match": match, "times": times, "action": orders})["id"])

    def faults(self) -> list[dict[str, Any]]:
        return self._list("/faults")

    def clear_faults(self) -> None:
        self._control("DELETE", "/faults")

    def restart(
        self, down: float = 0.0, starting: float = 0.0, empty: float = 0.0, mode: str = "refuse", shift: float = 0.0
    ) -> None:
        """Restart the EEM now; the phases are in seconds. With `mode="refuse"`, control is also unreachable during `down`.

        `shift` moves every `update_time` by this many seconds.
        """
        order = {"down": down, "starting": starting, "empty": empty, "mode": mode, "shift": shift}
        self._control("POST", "/restart", json=order)

    def reset(self, options: dict[str, Any] | None = None, **fleet: Any) -> None:
        """Restore the initial state, or use another fleet: `devices=[...]`, or eesv, eeio, seed, style, no_group."""
        self._control("POST", "/reset", json={**fleet, **({"options": options} if options else {})})

    def _control(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask(method, path, **kwargs)
        return answer

    def _list(self, path: str) -> list[Any]:
        answer: list[Any] = self._ask("GET", path)
        return answer

    def _ask(self, method: str, path: str, **kwargs: Any) -> Any:
        response = self._send(method, self.control + path, **kwargs)
        if not response.ok:
            raise ValueError(f"{method} /_control{path}: {response.status_code} {response.text}")
        return response.json()

    def _send(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """Use a new connection: open connections would be counted, and would not survive a restart."""
        with requests.Session() as session:
            # Ignore proxies, REQUESTS_CA_BUNDLE and .netrc of the environment.
            session.trust_env = False
            # Without this header, a response keeps its connection open as long as somebody holds a reference to it.
            session.headers["Connection"] = "close"
            return session.request(method, url, **{"timeout": 30, "verify": self.verify, "cert": self.cert, **kwargs})
