"""A consistent copy of a store on PostgreSQL while workers run: `pg_dump` of its schema."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from onward.errors import Refused, StoreAway
from onward.part import whole, why_not
from onward.settings import masked
from onward.url import shown

PROGRAM = "pg_dump"
ARGUMENTS = ("--format=custom", "--schema=onward", "--no-owner", "--no-privileges")


def backup(url: str, to: Path) -> str:
    """Writes a copy of the store as it was at one moment, on disk when this returns; gives how it is brought back.

    Workers go on meanwhile; only what they would drop of it stays until it is done. It is an archive for `pg_restore`,
    and appears under its name when it is whole, or not at all.

    Raises:
        Refused: there is something of this name already, it cannot be written, or `pg_dump` is not there or too old.
        StoreAway: the server went away meanwhile.
    """
    to = to.absolute()
    program = shutil.which(PROGRAM)
    if program is None:
        raise Refused(
            f"a backup of a PostgreSQL store takes {PROGRAM}, which is not on the path; install PostgreSQL's client "
            f"programs, or where they are: {PROGRAM} {' '.join(ARGUMENTS)} --file={to} --dbname={shown(url)}"
        )
    given = conninfo_to_dict(url)
    environment = dict(os.environ)
    if (password := given.pop("password", None)) is not None:
        environment["PGPASSWORD"] = str(password)  # which others of this machine cannot see, as they can a command line
    with whole(to) as part:
        try:
            part.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise Refused(f"{to} cannot be made: {why_not(to)}") from error
        command = [program, *ARGUMENTS, "--no-password", f"--file={part}", f"--dbname={make_conninfo(**given)}"]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
        )
        if done.returncode != 0:
            said = masked("; ".join(line.strip() for line in done.stderr.splitlines() if line.strip()))
            if "version mismatch" in said or "o space left" in said:
                raise Refused(f"{PROGRAM} did not write {to}: {said}")
            raise StoreAway(f"{PROGRAM} did not write {to}: {said}")
    return f"bring it back by pg_restore --no-owner --dbname=DATABASE {to}"
