"""Finding apps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from onward import load
from onward.errors import AppNotFound, DeclarationError

ONE = "from onward import App\napp = App('one')\nsame = app\n"
TWO = "from onward import App\nfirst = App('one')\nsecond = App('two')\n"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    monkeypatch.chdir(tmp_path)


def _file(text: str, name: str = "prog.py") -> str:
    Path(name).write_text(text)
    return name


def test_the_only_app_of_a_file() -> None:
    assert load.app(_file(ONE)).name == "one"
    assert sys.path[0] == str(Path.cwd())


def test_one_of_several_by_variable_or_by_name() -> None:
    name = _file(TWO)
    assert load.app(f"{name}:second").name == "two"
    assert load.app(f"{name}:one").name == "one"
    with pytest.raises(AppNotFound, match=r"has the apps one, two; say which, as prog.py:NAME"):
        load.app(name)
    with pytest.raises(AppNotFound, match="has no app 'third'"):
        load.app(f"{name}:third")


def test_a_file_is_loaded_once() -> None:
    name = _file(TWO)
    assert load.app(f"{name}:first") is load.app(f"./{name}:first")


def test_a_file_with_the_name_of_a_module_in_use() -> None:
    before = sys.modules["json"]
    assert load.app(_file(ONE, "json.py")).name == "one"
    assert sys.modules["json"] is before


def test_by_module_and_attribute() -> None:
    Path("pack").mkdir()
    _file("class there:\n    " + ONE.replace("\n", "\n    "), "pack/mod.py")
    assert load.app("pack.mod:there.app").name == "one"
    with pytest.raises(AppNotFound, match=r"no module 'pack.other'"):
        load.app("pack.other:app")
    with pytest.raises(AppNotFound, match=r"module pack.mod has no 'here'"):
        load.app("pack.mod:here")
    with pytest.raises(AppNotFound, match="is a type, not an App"):
        load.app("pack.mod:there")


def test_by_installed_name() -> None:
    assert "orders" in load.installed()
    assert load.app("orders").name == "orders"
    _file(ONE, "order.py")
    with pytest.raises(AppNotFound, match=r"no app 'order' is installed .*there is a file order.py here"):
        load.app("order")


def test_a_file_that_breaks_shows_where() -> None:
    name = _file("def f():\n    return undefined\nf()\n")
    with pytest.raises(AppNotFound) as caught:
        load.app(name)
    *frames, last = str(caught.value).splitlines()
    assert last.startswith("prog.py cannot be loaded: NameError: name 'undefined' is not defined (")
    assert last.endswith("prog.py:2)") and any("line 3" in frame for frame in frames)
    with pytest.raises(AppNotFound, match=r"wrong.py cannot be loaded: SyntaxError: .*wrong.py:1\)"):
        load.app(_file("def\n", "wrong.py"))
    with pytest.raises(AppNotFound, match=r"needs.py cannot be loaded: ModuleNotFoundError"):
        load.app(_file("import nowhere_to_be_found\n", "needs.py"))
    with pytest.raises(AppNotFound, match=r"no file absent.py"):
        load.app("absent.py")


def test_names_and_faults() -> None:
    with pytest.raises(AppNotFound, match="has the name of a command"):
        load.app(_file("from onward import App\napp = App('status')\n"))
    with pytest.raises(DeclarationError):
        load.app(_file("from onward import App\napp = App('Bad Name')\n", "bad.py"))
    with pytest.raises(AppNotFound, match="two different apps are called 'one'"):
        load.apps([_file(ONE, "x.py"), _file(ONE, "y.py")])
    assert [app.name for app in load.apps(["x.py", "x.py:same"])] == ["one"]
