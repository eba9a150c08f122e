"""The one door for configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct

from onward import App
from onward.config import Config, assigned
from onward.errors import Refused, SettingError


class Settings(Struct):
    colour: str = "blue"
    count: int = 1


def _app(name: str) -> App:
    app = App(name)
    app.settings(Settings)
    return app


def test_the_store_of_the_last_word() -> None:
    said = Config({"store": "sqlite:///file.db"}, {"ONWARD_STORE": "sqlite:///environment.db"})
    assert said.store("sqlite:///given.db") == "sqlite:///given.db"
    assert said.store() == said.demo_store() == "sqlite:///environment.db"
    assert Config({"store": "sqlite:///file.db"}, {}).store() == "sqlite:///file.db"
    assert Config({"store": "sqlite:///file.db"}, {}).demo_store() == "sqlite:///onward-demo/store.db"
    assert Config({}, {}).store() == "sqlite:///onward.db"


def test_settings_in_their_order() -> None:
    file = {"apps": {"shop": {"colour": "red", "count": 2}}}
    config = Config(file, {"SHOP_COUNT": "3"})
    assert config.settings(_app("shop")) == Settings("red", 3)
    assert config.settings(_app("shop"), {"count": "4"}) == Settings("red", 4)
    assert Config({}, {}).settings(App("bare")) is None
    with pytest.raises(SettingError, match="has no settings"):
        Config({}, {}).settings(App("bare"), {"x": "1"})


def test_set_goes_to_the_apps_that_have_the_field() -> None:
    apps = [_app("shop"), _app("mill"), App("bare")]
    assert assigned(["colour=red=er", "mill.count=2"], apps) == {
        "shop": {"colour": "red=er"},
        "mill": {"colour": "red=er", "count": "2"},
        "bare": {},
    }
    with pytest.raises(Refused, match="no app has a setting 'size'; there are colour, count"):
        assigned(["size=1"], apps)
    with pytest.raises(Refused, match="write --set field=value"):
        assigned(["colour"], apps)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stroe = 'x'", "nobody knows 'stroe'"),
        ("store = 1", "store is wrong"),
        ("apps = 1", "apps is wrong"),
        ("[apps]\nmill = 1", r"mill in \[apps\] is wrong; write a table \[apps.mill\]"),
        ("=", "onward.toml"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "onward.toml").write_text(text)
    with pytest.raises(SettingError, match=told):
        Config.read(tmp_path, {})


def test_what_is_set_of_an_app_without_settings_is_told() -> None:
    config, app = Config({"apps": {"bare": {"size": 1}}}, {}), App("bare")
    with pytest.raises(SettingError, match=r"onward.toml: app bare has no settings, so no size"):
        config.settings(app)
    [told] = config.look(app)
    assert (told.field, told.origin, told.fault) == ("size", "onward.toml", "app bare has no settings")


def test_who_and_how_loud() -> None:
    assert Config({}, {"ONWARD_USER": "kim"}).user() == "kim"
    assert Config({}, {}).user()
    assert Config({}, {}).log_level() == "info" and Config({}, {"ONWARD_LOG": "DEBUG"}).log_level() == "debug"
    with pytest.raises(SettingError):
        Config({}, {"ONWARD_LOG": "loud"}).log_level()
