"""What users start in containers: names that are pinned, an environment that the program reads, commands that work.

Containers are not started here. What stands in the files is checked, and the loader is run as they have it, its
environment being theirs with the addresses of servers that tests start.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from cli.conftest import Command, until
from cli.test_orders import portfolios, said
from onward.settings import _fields, resolve
from onward_apps.orders.settings import Settings
from servers import free_port
from servers.nats import own
from servers.s3 import KEY, S3, SECRET

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SAMPLE = (ROOT / "compose.env.sample").read_text()
SECRETS = {"POSTGRES_PASSWORD": "pgs3cret", "NATS_PASSWORD": "natss3cret", "S3_KEY": KEY, "S3_SECRET": "s3s3cret99"}
PINNED = re.compile(r"[a-z/]+:\S*\d\S*")
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def services(**given: str) -> dict[str, Any]:
    """The services as `docker compose` reads them with this environment."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if name in given:
            return given[name]
        assert kind == "-", f"{name}: {rest}"
        return rest

    return yaml.safe_load(VARIABLE.sub(value, COMPOSE))["services"]


def loader() -> dict[str, str]:
    return {name: str(value) for name, value in services(**SECRETS)["loader"]["environment"].items()}


def of_image(instruction: str) -> str:
    """What the last line of that instruction says, joined."""
    return re.findall(rf"^{instruction} ((?:.*\\\n)*.*)", DOCKERFILE, re.MULTILINE)[-1].replace("\\\n", " ")


def listed(text: str) -> list[str]:
    return yaml.safe_load(text)


# what stands in the files


def test_every_image_is_pinned_and_named_without_a_host() -> None:
    images = [service["image"] for service in services(**SECRETS).values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(images) == 6 and all(PINNED.fullmatch(image) for image in images)


def test_what_is_referred_to_is_there() -> None:
    whole = yaml.safe_load(COMPOSE)
    for service in whole["services"].values():
        assert set(service.get("depends_on", {})) <= set(whole["services"])
        assert {volume.partition(":")[0] for volume in service.get("volumes", ())} <= set(whole["volumes"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    waited = whole["services"]["loader"]["depends_on"]
    assert all("healthcheck" in whole["services"][name] for name in waited)
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        assert all((ROOT / name).exists() for name in sources.split())
        assert all(f"!{name}" in (ROOT / ".dockerignore").read_text().split() for name in sources.split())


def test_the_extras_of_the_image_are_there() -> None:
    (extras,) = re.findall(r"'\.\[(.+?)\]'", DOCKERFILE)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= set(known)


def test_the_sample_names_every_variable_and_no_other() -> None:
    named = {name for name, *_ in VARIABLE.findall(COMPOSE)}
    assert set(re.findall(r"^#?(\w+)=", SAMPLE, re.MULTILINE)) == named
    for name, kind, default in VARIABLE.findall(COMPOSE):
        assert f"#{name}={default}\n" in SAMPLE if kind == "-" else f"\n{name}=\n" in SAMPLE


def test_without_a_password_nothing_starts() -> None:
    for name in SECRETS:
        with pytest.raises(AssertionError, match=f"{name}: say it in .env"):
            services(**{other: value for other, value in SECRETS.items() if other != name})


def test_the_loader_is_given_every_setting_and_reads_them() -> None:
    environment = loader()
    assert set(environment) == {env for *_, env in _fields(Settings)}
    settings, _ = resolve("orders", Settings, environment=environment)
    assert settings.source.url == f"s3://lake/data?endpoint=http%3A%2F%2Fs3%3A9000&key={KEY}&secret=s3s3cret99"
    assert str(settings.nats) == "nats://loader:***@nats:4222"
    assert settings.target.kind == "postgres" and settings.run_as_service and settings.notifications
    assert not any(secret in str(settings) for secret in ("pgs3cret", "natss3cret", "s3s3cret99"))


def test_no_secret_and_no_root_in_the_image() -> None:
    instructions = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    assert not re.search(r"passw|secret|token|netrc|\.env", "\n".join(instructions), re.IGNORECASE)
    assert of_image("USER") == "10001"
    assert (ROOT / ".dockerignore").read_text().splitlines()[0] == "*"
    ours = services(**SECRETS)["loader"]
    assert ours["read_only"] and ours["cap_drop"] == ["ALL"]


# the commands, as they stand there


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(of_image("ENV")))


def started(command: Command, environment: dict[str, str], health: int) -> subprocess.Popen[str]:
    """The container's process: entry point and command of the image, with another port for its health."""
    entry = [*listed(of_image("ENTRYPOINT")), *listed(of_image("CMD"))]
    assert entry[0] == "onward"
    arguments = [part.replace("127.0.0.1:8080", f"127.0.0.1:{health}") for part in entry[1:]]
    return command.start(*arguments, **environment)


def healthy(health: int) -> bool:
    (check,) = re.findall(r"^ +CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    program, *arguments = listed(check)
    assert program == "python"
    asked = [part.replace("127.0.0.1:8080", f"127.0.0.1:{health}") for part in arguments]
    return subprocess.run([sys.executable, *asked], stderr=subprocess.DEVNULL, timeout=30).returncode == 0


def test_the_image_starts_is_healthy_and_ends_when_it_is_stopped(command: Command) -> None:
    health, metrics = free_port(), free_port()
    made = image_environment()
    assert made["ONWARD_STORE"] == f"sqlite:///{of_image('WORKDIR')}/store.db" and made["METRICS"] == "0.0.0.0:9000"
    process = started(command, {"METRICS": f"0.0.0.0:{metrics}"}, health)
    until(lambda: healthy(health))
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and said(out)[-1] == "Terminating..."
    assert not healthy(health)


def test_the_loader_of_compose_delivers_between_real_servers(command: Command, postgres: str, s3: S3) -> None:
    """Its environment is that of the file; only addresses, the bucket's name and PostgreSQL's user are the tests'."""
    environment, health = loader(), free_port()
    _, _, database = postgres.rpartition("/")
    at = psycopg.conninfo.conninfo_to_dict(postgres)
    s3.put("data/dbo/entity_3/LOAD00000001.csv", portfolios(1, 2, 3))
    with own("--user", "loader", "--pass", SECRETS["NATS_PASSWORD"]) as nats:
        nats.start()
        changes = {
            "NATS": ("nats:4222", f"127.0.0.1:{nats.port}"),
            "METRICS": ("0.0.0.0:9000", f"0.0.0.0:{free_port()}"),
            "TARGET": (
                "user=loader password=pgs3cret host=postgres port=5432 dbname=paper_engine",
                f"user={at['user']} password=pgs3cret host={at['host']} port={at['port']} dbname={database}",
            ),
        }
        for name, (theirs, ours) in changes.items():
            assert theirs in environment[name]
            environment[name] = environment[name].replace(theirs, ours)
        for theirs, ours in (("http://s3:9000", s3.endpoint), ("=lake", f"={s3.bucket}"), ("s3s3cret99", SECRET)):
            assert theirs in environment["SOURCE"]
            environment["SOURCE"] = environment["SOURCE"].replace(theirs, ours)
        process = started(command, environment | {"MIN_SLEEP": "0", "MAX_SLEEP": "0"}, health)
        told = "SELECT count(*) FROM paper_engine.loader_deliveries WHERE notified_at IS NOT NULL"
        until(lambda: _asked(postgres, told) == 1, 60)
        assert healthy(health)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert _asked(postgres, "SELECT count(*) FROM paper_engine.entity_3") == 3
    assert "Delivery 1: messages published." in said(out)
    assert not any(secret in out for secret in (*SECRETS.values(), SECRET) if secret != KEY)


def _asked(url: str, statement: str) -> Any:
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(statement).fetchone()[0]  # type: ignore[index]
    except psycopg.errors.UndefinedTable:
        return None
