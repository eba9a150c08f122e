"""Writes the pages of the reference that are made from the code: `make reference`.

The Python pages come from signatures and docstrings, which are read without importing anything; the page of commands
from what each command knows of itself. A test looks whether the pages are what this makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import griffe
import typer
from griffe import DocstringSectionKind as Kind

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"

MODULES = ["onward", "onward.errors", "onward.testing", "onward.service", "onward.events"]
PACKAGES = ["onward.connect", "onward.observers", "onward.conformance"]
"""Of these each module that says by `__all__` what is public has a page."""

GIVEN = [
    "record.Outgoing", "review.Decision", "rate.Rate", "open_table.Change", "client_table.ClientTable",
    "together.Together", "would.DryRun", "would.SourceWould", "would.StageWould", "would.TopicWould", "would.Reason",
    "would.Shown", "events.Withheld", "clock.HandClock",
]  # fmt: skip
"""Classes that nobody imports, as calls give them."""

NOT_PUBLIC = "For Onward itself"
"""So begins the docstring of what is not private and all the same not for users."""

NOT_MADE = ("Declared by", "Given by")
"""So begins the docstring of a class that calls make, so that how it is made is nobody's business."""

VALUES = ("Struct", "NamedTuple", "_Reasoned", "Event")
MADE_BY = "Made from the docstrings by `make reference`; to change it, change them."


def pages() -> dict[str, str]:
    """The text of each page, by its path in docs/reference."""
    package = _loaded()
    modules = [package[name.partition(".")[2]] if "." in name else package for name in MODULES]
    for name in PACKAGES:
        parts = package[name.partition(".")[2]].modules.values()
        modules += [module for module in parts if module.exports is not None]
    found = {f"python/{module.path}.md": _page(module) for module in modules}
    found |= {"python/README.md": _index(modules), "commands.md": _commands()}
    return {name: re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n" for name, lines in found.items()}


def faults() -> list[str]:
    """What is public and says too little of itself: no docstring, or an argument that none describes."""
    package = _loaded()
    found = []
    for module in [package, *(package[name.partition(".")[2]] for name in MODULES[1:])]:
        for one in _public(module):
            found += _silent(one, "")
            for part in _members(one) if one.is_class else ():
                found += _silent(part, one.docstring.value if one.docstring else "")
    return found


def _loaded() -> griffe.Module:
    loader = griffe.GriffeLoader(search_paths=[ROOT / "src"], docstring_parser="google")
    package = loader.load("onward")
    loader.resolve_aliases(implicit=False, external=False)
    assert isinstance(package, griffe.Module)
    return package


# the pages of modules


def _index(modules: Iterable[griffe.Module]) -> Iterator[str]:
    yield from ["# The Python reference", "", MADE_BY, ""]
    yield from ["| module | what it is |", "|---|---|"]
    for module in modules:
        yield f"| [{module.path}]({module.path}.md) | {_first_sentence(module)} |"
    yield from ["", "How it all goes together is told in [program.md](../program.md)."]


def _page(module: griffe.Module) -> Iterator[str]:
    yield from [f"# {module.path}", "", MADE_BY, ""]
    yield from _text(module)
    for one in _public(module):
        yield from _described(one)
    if module.path == "onward":
        yield from ["", "# What calls give", "", "Nobody imports these; calls give them, or take them.", ""]
        for name in GIVEN:
            one = module[name]
            assert isinstance(one, griffe.Object)
            yield from _described(one)


def _public(module: griffe.Module) -> list[griffe.Object]:
    """What a module is for: what `__all__` names, in its order, else what it has without an underscore."""
    if module.exports is not None:
        found = [module[str(name)] for name in module.exports]
    else:
        found = [one for name, one in module.members.items() if not name.startswith("_") and not one.is_alias]
    return [one for one in map(_itself, found) if (one.is_class or one.is_function) and not _hidden(one)]


def _itself(one: Any) -> Any:
    """What an imported name stands for; None where it is of another package."""
    try:
        return one.final_target if isinstance(one, griffe.Alias) else one
    except griffe.AliasResolutionError:
        return None


def _described(one: griffe.Object) -> Iterator[str]:
    yield from ["", f"## {one.name}", ""]
    yield from ["```python", *_signature(one), "```", ""]
    yield from _text(one)
    for base in one.bases if one.is_class else ():  # type: ignore[attr-defined]
        yield from _asked(one.module.members.get(str(base)))
    for member in _members(one) if one.is_class else ():
        yield from ["", f"### {one.name}.{member.name}", ""]
        if member.is_function:
            yield from ["```python", *_signature(member), "```", ""]
        yield from _text(member)


def _asked(part: Any) -> Iterator[str]:
    """What a part of a suite of tests asks for, a line for each test."""
    part = _itself(part)
    tests = [name for name in part.members if name.startswith("test_")] if part is not None else []
    if tests:
        yield from ["", f"### {part.name}", ""]
        yield from _text(part)
        yield from (f"- {name.removeprefix('test_').replace('_', ' ')}" for name in tests)


def _members(class_: griffe.Object) -> list[griffe.Object]:
    """The methods and properties of a class that are for who uses it, in the order of the code."""
    there = [one for name, one in class_.members.items() if not name.startswith("_") and not one.is_alias]
    called = [one for one in there if one.is_function or "property" in one.labels]
    return [one for one in called if one.docstring and not _hidden(one)]  # type: ignore[misc]


def _hidden(one: Any) -> bool:
    return one.docstring is not None and one.docstring.value.startswith(NOT_PUBLIC)


def _silent(one: griffe.Object, told: str) -> Iterator[str]:
    """What of a signature its docstring does not mention by name, nor that of its class or base (`told`)."""
    if one.docstring is None:
        yield f"{one.path} has no docstring"
        return
    told += one.docstring.value
    made: Any = one
    if one.is_class and one.docstring.value.startswith(NOT_MADE):
        return
    if one.is_class:
        for base in one.bases:  # type: ignore[attr-defined]
            found = _itself(one.module.members.get(str(base)))
            told += found.docstring.value if found is not None and found.docstring else ""
        if (made := one.members.get("__init__")) is not None and made.docstring:
            told += made.docstring.value
    shown = "" if one.is_attribute else " ".join(_signature(one))
    for parameter in getattr(made, "parameters", ()):
        if parameter.name in shown and not re.search(rf"\b{parameter.name}\b", told) and parameter.name != "self":
            yield f"{one.path}: its docstring does not say what {parameter.name} is"


# signatures


def _signature(one: griffe.Object) -> list[str]:
    """As it is called: of a class what makes it."""
    if one.is_class:
        bases = [name for base in one.bases if (name := str(base).partition("[")[0]) not in ("Generic", "Protocol")]  # type: ignore[attr-defined]
        if any(base.endswith(VALUES) for base in bases) or "dataclass" in one.labels:
            return _laid_out(one.name, [_field(field) for field in _fields(one)], "")
        made = one.members.get("__init__")
        told = one.docstring.value if one.docstring else ""
        if made is None or told.startswith(NOT_MADE) or one.module.name == "errors":
            return [f"class {one.name}({', '.join(bases)})" if bases else f"class {one.name}"]
        return _laid_out(one.name, _parameters(made), "")
    gives = getattr(one, "returns", None)
    head = "async def " if "async" in one.labels else "def "
    return _laid_out(head + one.name, _parameters(one), f" -> {gives}" if gives is not None else "")


def _laid_out(name: str, parts: list[str], gives: str) -> list[str]:
    line = f"{name}({', '.join(parts)}){gives}"
    return [line] if len(line) <= 100 else [f"{name}(", *(f"    {part}," for part in parts), f"){gives}"]


def _fields(class_: griffe.Object) -> Iterator[Any]:
    for base in class_.bases:  # type: ignore[attr-defined]
        if str(base).startswith("_"):  # a private base, whose fields are part of it
            yield from _fields(class_.module[str(base)])  # type: ignore[arg-type]
    for name, one in class_.members.items():
        if one.is_attribute and "property" not in one.labels and not name.startswith("_"):
            yield one


def _field(one: Any) -> str:
    given = "" if one.value is None else f" = {_quoted(one.value)}"
    return f"{one.name}: {one.annotation}{given}"


def _parameters(function: Any) -> list[str]:
    found: list[str] = []
    starred = False
    previous = None
    for one in function.parameters:
        if one.name in ("self", "cls"):
            continue
        kind = one.kind.value
        if previous == "positional-only" and kind != "positional-only":
            found.append("/")
        if kind == "keyword-only" and not starred:
            found.append("*")
        starred = starred or kind in ("keyword-only", "variadic positional")
        mark = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        annotated = f": {one.annotation}" if one.annotation is not None else ""
        shown = "" if mark or one.default is None else f" = {_value(one.default, function)}"
        found.append(f"{mark}{one.name}{annotated}{shown}")
        previous = kind
    return found


def _value(default: Any, function: Any) -> str:
    """A default; a name of the module's as the value that it has there."""
    named = function.module.members.get(str(default))
    here = named is not None and not named.is_alias and named.is_attribute
    return _quoted(named.value if here else default)


def _quoted(value: Any) -> str:
    return str(value).replace("'", '"')


# docstrings


def _text(one: griffe.Object) -> Iterator[str]:
    sections = list(one.docstring.parsed) if one.docstring else []
    made: Any = one.members.get("__init__") if one.is_class else None
    if made is not None and made.docstring:
        sections += made.docstring.parsed
    for section in sections:
        yield from _section(section)


def _section(section: griffe.DocstringSection) -> Iterator[str]:
    if section.kind is Kind.text:
        yield from [*section.value.splitlines(), ""]
    elif section.kind is Kind.parameters:
        yield from [*(f"- `{part.name}`: {_one_line(part.description)}" for part in section.value), ""]
    elif section.kind is Kind.raises:
        raised = (f"- {_codes(part.annotation)}: {_one_line(part.description)}" for part in section.value)
        yield from ["Raises:", "", *raised, ""]
    else:
        raise ValueError(f"a docstring has a section of {section.kind}, for which there is no form")


def _codes(annotation: Any) -> str:
    return ", ".join(f"`{name.strip()}`" for name in str(annotation).strip("()").split(","))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _first_sentence(one: griffe.Object) -> str:
    assert one.docstring is not None, one.path
    return one.docstring.value.partition("\n\n")[0].replace("\n", " ").rstrip(".:")


# the page of commands


def _commands() -> Iterator[str]:
    from onward.cli.program import program

    top = typer.main.get_command(program)
    yield from [
        "# Commands",
        "",
        "Made from what the commands say of themselves, by `make reference`. What they print,",
    ]
    yield from ["the forms of JSON and the exit codes are told in [command-line.md](command-line.md).", ""]
    yield from _command(top, typer.Context(top, info_name="onward"))


def _command(command: Any, context: Any) -> Iterator[str]:
    yield from [f"## {context.command_path}", ""]
    yield from ["```", " ".join([context.command_path, *command.collect_usage_pieces(context)]), "```", ""]
    yield from [" ".join(part.split()) + "\n" for part in (command.help or "").split("\n\n") if part]
    told = [record for part in command.params if (record := part.get_help_record(context)) is not None]
    if told:
        yield from [*(f"- `{name.strip()}`: {_one_line(help_) or 'to give.'}" for name, help_ in told), ""]
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        found = command.get_command(context, name)
        yield from _command(found, typer.Context(found, info_name=name, parent=context))


def _write() -> None:
    made = pages()
    for path in REFERENCE.glob("python/*.md"):
        if f"python/{path.name}" not in made:
            path.unlink()
    for name, text in made.items():
        path = REFERENCE / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    _write()
    for fault in faults():
        print(fault)
