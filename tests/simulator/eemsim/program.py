# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line, and the server from its ready line to the signal that stops it."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import signal
import ssl
import sys
from pathlib import Path

from aiohttp import web

from .control import CONTROL, Control
from .fleet import Fleet
from .http import MAX_BODY, Front
from .options import OPTIONS
from .runtime import Settings, Simulator

HIGHEST_PORT = 65535


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        prog="eem_simulator.py",
        description="A simulated ExpressEther Manager on loopback, for tests and demonstrations.",
    )
    parse.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parse.add_argument(
        "--port", type=int, default=30500, help="port to listen on (default 30500); 0 selects a free port"
    )
    parse.add_argument("--context", default="/eem", help="path prefix of the REST calls (default /eem)")
    parse.add_argument("--username", help="user name for HTTP Basic; if it is not set, there is no authentication")
    parse.add_argument(
        "--password",
        help="password; it is visible in process lists, so prefer --password-file or "
        "the environment variable EEM_SIM_PASSWORD",
    )
    parse.add_argument("--password-file", help="file with the password on its first line")
    parse.add_argument("--fleet", help='JSON file {"devices": [...]} of raw records, used as they are')
    parse.add_argument("--eesv", type=int, default=4, help="number of EESVs to generate (default 4)")
    parse.add_argument("--eeio", type=int, default=12, help="number of EEIOs to generate (default 12)")
    parse.add_argument("--seed", type=int, default=1, help="the same seed generates the same fleet (default 1)")
    parse.add_argument(
        "--fleet-style",
        choices=("mixed", "plain"),
        default="mixed",
        help="mixed: realistic, large fleets have unusual cards; plain: all healthy and free",
    )
    parse.add_argument(
        "--no-group", type=int, default=0, help="plain fleet: number of EESVs without a group id (default 0)"
    )
    parse.add_argument("--tls-cert", help="PEM certificate chain; enables HTTPS")
    parse.add_argument("--tls-key", help="PEM key of the certificate")
    parse.add_argument("--tls-client-ca", help="PEM CA; clients must present a certificate of this CA")
    parse.add_argument("--latency-ms", type=int, help="milliseconds of delay before every request (default 0)")
    parse.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"one of {', '.join(OPTIONS)}; may be repeated",
    )
    parse.add_argument(
        "--control-anywhere",
        action="store_true",
        help=f"serve {CONTROL} even if not on loopback: everybody who can reach it has full control",
    )
    parse.add_argument("--exit-with-stdin", action="store_true", help="exit when standard input is closed")
    return parse


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings. Raises ValueError or OSError if an argument is invalid."""
    if not 0 <= args.port <= HIGHEST_PORT:
        raise ValueError(f"port {args.port} is not in the range 0 to {HIGHEST_PORT}")
    options = dict(text.partition("=")[::2] for text in args.option)
    if args.latency_ms is not None:
        options["latency_ms"] = str(args.latency_ms)
    made = Fleet(args.eesv, args.eeio, args.seed, args.fleet_style, args.no_group)
    context = args.context.strip("/")
    return Settings(
        fleet=Fleet.load(args.fleet) if args.fleet else made,
        options=options,
        username=args.username,
        password=_password(args),
        context=f"/{context}" if context else "",
        control=args.control_anywhere or _is_loopback(args.host),
    )


def _password(args: argparse.Namespace) -> str:
    if args.password is not None:
        return str(args.password)
    if args.password_file:
        return Path(args.password_file).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    return os.environ.get("EEM_SIM_PASSWORD", "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    if not args.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(args.tls_cert, args.tls_key)
    if args.tls_client_ca:
        context.load_verify_locations(args.tls_client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Server:
    """The listening socket and its connections."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        # "localhost" may have two addresses, which would get two different free ports.
        self._host = "127.0.0.1" if host == "localhost" else host
        self.port = port
        self._tls = tls
        self.app = web.Application(client_max_size=MAX_BODY)
        self._runner = web.AppRunner(self.app, access_log=None, handle_signals=False, shutdown_timeout=0.05)
        self._socket: asyncio.Server | None = None

    async def start(self) -> None:
        await self._runner.setup()
        await self.open()

    async def open(self) -> None:
        server = self._runner.server
        if server is not None:
            loop = asyncio.get_running_loop()
            self._socket = await loop.create_server(server, self._host, self.port, ssl=self._tls, backlog=1024)
            self.port = self._socket.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        server = self._runner.server
        for handler in list(server.connections) if server is not None else []:
            if isinstance(handler.transport, asyncio.WriteTransport):
                handler.transport.abort()

    async def stop(self) -> None:
        self.close()
        await self._runner.cleanup()

    def url(self, path: str) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"


async def serve(args: argparse.Namespace, settings: Settings, tls: ssl.SSLContext | None) -> None:
    server = Server(args.host, args.port, tls)
    simulator = Simulator(settings, server)
    server.app.add_routes(Control(simulator).routes())
    server.app.router.add_route("*", "/{path:.*}", Front(simulator).handle)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start()
    if args.exit_with_stdin:
        loop.add_reader(sys.stdin.fileno(), _until_closed, stop)
    ready = {
        "ready": True,
        "url": server.url(settings.context),
        "pid": os.getpid(),
        "control": server.url(CONTROL) if settings.control else None,
        "eesv": settings.fleet.count("eesv"),
        "eeio": settings.fleet.count("eeio"),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop()


def _until_closed(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        settings = settings_of(args)
        tls = _tls(args)
        asyncio.run(serve(args, settings, tls))
    except (OSError, ValueError) as exc:
        sys.stderr.write(f"eem_simulator.py: {exc}\n")
        return 2
    return 0
