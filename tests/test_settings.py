"""Settings: the last word wins, secrets stay masked, and what is wrong says where it came from."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct
from msgspec import field as msgspec_field

from onward import App, Secret
from onward.errors import SettingError
from onward.settings import MASK, masked, read_file, resolve


class Settings(Struct):
    url: str
    limit: int = 10
    ratio: float | None = None
    on: bool = False
    token: Secret = Secret("default token")
    tags: list[str] = msgspec_field(default_factory=list)
    home: Annotated[str, Meta(extra={"env": "APP_HOME"})] = "/default"


@dataclass
class Data:
    url: str
    limit: int = 10
    home: str = field(default="/default", metadata={"env": "APP_HOME"})
    tags: list[str] = field(default_factory=list)


def found(class_: type = Settings, **more: Any) -> Any:
    return resolve("my-app", class_, **{"environment": {}, **more})[0]


FILE = {"apps": {"my-app": {"url": "file", "limit": 1}}}


def test_the_last_word_wins() -> None:
    environment = {"MY_APP_URL": "environment", "MY_APP_LIMIT": "2"}
    assert found(given={"url": "x"}).limit == 10
    assert found(file=FILE).limit == 1
    assert found(file=FILE, environment=environment).limit == 2
    assert found(file=FILE, environment=environment, given={"limit": "3"}).limit == 3
    assert found(file=FILE, environment=environment).url == "environment"


def test_each_says_where_it_came_from() -> None:
    _, listed = resolve("my-app", Settings, file=FILE, environment={"APP_HOME": "/here"}, given={"on": "true"})
    assert {setting.field: (setting.value, setting.origin) for setting in listed if setting.field != "token"} == {
        "url": ("file", "onward.toml [apps.my-app]"),
        "limit": (1, "onward.toml [apps.my-app]"),
        "ratio": (None, "default"),
        "on": (True, "--set"),
        "tags": ([], "default"),
        "home": ("/here", "environment APP_HOME"),
    }


def test_a_dataclass_will_do() -> None:
    made = found(Data, given={"url": "x", "limit": "3"}, environment={"APP_HOME": "/here"})
    assert made == Data("x", 3, "/here", [])
    assert found(Data, given={"url": "x"}).tags is not found(Data, given={"url": "x"}).tags


@pytest.mark.parametrize(
    ("field_", "text", "value"),
    [
        ("limit", "7", 7),
        ("ratio", "0.5", 0.5),
        ("on", "yes", True),
        ("on", "ON", True),
        ("on", "0", False),
        ("on", "false", False),
        ("url", "007", "007"),
        ("url", "true", "true"),
    ],
)
def test_text_becomes_the_fields_type(field_: str, text: str, value: Any) -> None:
    assert getattr(found(given={"url": "x", field_: text}), field_) == value


def test_a_value_may_name_where_it_is(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    environment = {"ELSEWHERE": "from there"}
    given = {"url": "env:ELSEWHERE", "token": f"file:{secret}"}
    made = found(given=given, environment=environment)
    assert made.url == "from there"
    assert made.token.reveal() == "from a file"


def test_a_name_that_leads_nowhere(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="NOWHERE"):
        found(given={"url": "env:NOWHERE"})
    with pytest.raises(SettingError, match="absent"):
        found(given={"url": f"file:{tmp_path}/absent"})


def test_what_is_missing_says_how_to_give_it() -> None:
    with pytest.raises(SettingError, match=r"--set url=.*MY_APP_URL.*\[apps\.my-app\]"):
        found()


def test_what_is_unknown_is_refused() -> None:
    with pytest.raises(SettingError, match="'urll'; it has home, limit"):
        found(given={"urll": "x"})
    with pytest.raises(SettingError, match=r"onward\.toml.*'urll'"):
        found(file={"apps": {"my-app": {"urll": "x"}}})


def test_what_cannot_be_read_says_where_it_came_from() -> None:
    with pytest.raises(SettingError, match="'limit' from environment MY_APP_LIMIT"):
        found(environment={"MY_APP_LIMIT": "many", "MY_APP_URL": "x"})
    with pytest.raises(SettingError, match=r"'limit' from onward\.toml"):
        found(file={"apps": {"my-app": {"limit": [1], "url": "x"}}})


def test_other_apps_settings_are_not_looked_at() -> None:
    assert found(file={"apps": {"other": {"urll": 1}, **FILE["apps"]}, "store": "x"}).url == "file"


def test_a_class_that_is_none() -> None:
    with pytest.raises(SettingError, match="no settings class"):
        found(int)


def test_secrets_are_masked_wherever_they_are_shown() -> None:
    secret = Secret("open sesame")
    assert f"{secret} {secret!r} {[secret]} {secret:>5}" == f"{MASK} {MASK} [{MASK}]   {MASK}"
    assert secret.reveal() == "open sesame"
    assert masked("he said open sesame, twice: open sesame") == f"he said {MASK}, twice: {MASK}"
    assert secret == Secret("open sesame") != Secret("open up")
    assert bool(secret) and not Secret("")
    assert MASK in repr(found(given={"url": "x", "token": "hidden away"}))
    assert masked("hidden away") == MASK


def test_short_secrets_do_not_mask_half_the_text() -> None:
    Secret("a")
    assert masked("banana") == "banana"


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    Secret("correct horse")
    Secret("correct horse battery")
    Secret("correct horse battery staple")
    assert masked("correct horse battery staple") == MASK


def test_the_file(tmp_path: Path) -> None:
    path = tmp_path / "onward.toml"
    assert read_file(path) == {}
    path.write_text('[apps.my-app]\nurl = "x"\n')
    assert read_file(path) == {"apps": {"my-app": {"url": "x"}}}
    path.write_text("[apps\n")
    with pytest.raises(SettingError, match=r"onward\.toml"):
        read_file(path)


def test_what_the_app_returns_is_filled_when_it_runs() -> None:
    app = App("my-app")
    settings = app.settings(Settings)
    with pytest.raises(SettingError, match="not known before"):
        settings.limit  # noqa: B018
    app.configure(found(given={"url": "x"}))
    assert settings.limit == 10
