"""What the shell completes: names that the store knows."""

from __future__ import annotations

import pytest

from onward.cli import options

from .conftest import SHOP, Command


def test_names_that_the_store_knows(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(command.folder)
    assert options.stages("") == options.topics("") == []
    command("run", SHOP, "--once")
    assert options.stages("") == ["shop.arrive", "shop.bill", "shop.mail"]
    assert options.stages("shop.b") == ["shop.bill"] and options.stages("b") == ["bill"]
    assert options.topics("shop") == ["shop.bills", "shop.orders"] and options.topics("o") == ["orders"]
    (command.folder / "onward.toml").write_text("nobody = 1")
    assert options.stages("") == []


def test_the_shell_is_answered(command: Command) -> None:
    command("run", SHOP, "--once")
    asked = {"_ONWARD_COMPLETE": "complete_bash", "COMP_WORDS": "onward read ord", "COMP_CWORD": "2"}
    assert command("read", exits=None, **asked).stdout.split() == ["orders"]
