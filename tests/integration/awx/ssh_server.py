# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SSH server for tests: `ssh_server.py HOST_KEY AUTHORIZED_KEYS`. It prints its port when it is ready.

It runs commands as its own user. As sshd does, it gives a command a terminal if the client asks for one, and hangs up that
terminal when the connection is lost.
"""

from __future__ import annotations

import asyncio
import os
import sys

import asyncssh


async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Run one command of a client."""
    assert process.command is not None
    command = ["sh", "-c", process.command]
    if process.term_type is not None:
        ours, theirs = os.openpty()
        child = await asyncio.create_subprocess_exec(
            "setsid", "--ctty", "--wait", *command, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        # They are closed with the connection, which hangs the terminal up: its processes get SIGHUP.
        await process.redirect(stdin=os.dup(ours), stdout=ours, send_eof=False)
    else:
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
    status = await child.wait()
    # Until all output has been sent: without that, exit() would drop the rest of it.
    await process.stdout.drain()
    await process.stderr.drain()
    process.exit(status)


async def serve(host_key: str, authorized_keys: str) -> None:
    """Serve until this process is killed."""
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        authorized_client_keys=authorized_keys,
        process_factory=run,
        sftp_factory=True,
        encoding=None,
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
