"""PgBouncer for tests: a pool before a PostgreSQL server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from servers import folder, free_port, installed, listening, unprivileged

_SETTINGS = """[databases]
* = host={host} port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
"""


@contextmanager
def pooled(url: str, mode: str) -> Iterator[str]:
    """The URL by which a database is reached through a pool of this mode."""
    program = installed(_program, "pgbouncer")
    place, port, given = folder("pgbouncer"), free_port(), conninfo_to_dict(url)
    settings = place / "settings.ini"
    settings.write_text(_SETTINGS.format(host=given["host"], server=given["port"], port=port, mode=mode))
    settings.chmod(0o644)
    process = subprocess.Popen(unprivileged([program, "-q", settings]), stderr=subprocess.DEVNULL)
    try:
        listening(port, process, "pgbouncer")
        yield f"postgresql://postgres@127.0.0.1:{port}/{given['dbname']}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(place, ignore_errors=True)


def _program() -> Path | None:
    found = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    return Path(found) if found else None
