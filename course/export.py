"""Definitions of a lesson or a notebook as one plain file: what a name needs, and nothing else."""

import ast
import linecache
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from course.definitions import Definition, Definitions, adds_to, bound, reads
from course.files import is_untouched, marked, write_whole

_MARK = "# {}: while this is the digest of the lines below, nobody changed them, and we may write them anew."
Statement = tuple[ast.stmt, str]


def laid_over(ours: Definitions, theirs: Definitions, without: Iterable[str]) -> Definitions:
    """`ours` with each statement of `theirs` in the place of ours with that name, except the definitions in `without`.

    What only `theirs` has stands behind the statement that it follows there.
    """
    left_out, place = set(without), -1
    kept: list[tuple[int, Statement]] = []
    places = {name: index for index, (statement, _) in enumerate(ours.statements) for name in bound(statement)}
    for statement, filename in theirs.statements:
        if isinstance(statement, Definition) and statement.name in left_out:
            continue
        place = max((places[name] for name in bound(statement) if name in places), default=place)
        kept.append((place, (statement, filename)))
    replaced = {name for _, (statement, _) in kept for name in bound(statement)}
    remaining = [(at, pair) for at, pair in enumerate(ours.statements) if not bound(pair[0]) <= replaced]
    merged = sorted([*remaining, *kept], key=lambda entry: entry[0])
    return Definitions([pair for _, pair in merged], flags=ours.flags | theirs.flags)


def module_source(found: Definitions, name: str, docstring: str) -> str:
    """The text of a module with `name` and whatever it reads: imports first, laid out by ruff, its digest on top."""
    last = {each: statement for statement, _ in found.statements for each in bound(statement)}
    names = _read_for(found, name, last)
    imports = {line: None for each in names for line in _import_lines(last.get(each), each)}
    needed = {last[each] for each in names if each in last}
    code = [
        _text(*pair)
        for pair in found.statements
        if not isinstance(pair[0], ast.Import | ast.ImportFrom) and (pair[0] in needed or adds_to(pair[0], names))
    ]
    text = "\n\n".join([f'"""{docstring}"""', "\n".join(imports), *code])
    for command in (["check", "--select", "I", "--fix"], ["format"]):
        text = _ruff(command, text)
    return marked(text, _MARK)


def write_untouched(path: Path, text: str) -> bool:
    """Put `text` into `path`, unless a person changed what is there: then False. text: made by module_source."""
    if not is_untouched(path, _MARK):
        return False
    write_whole(path, text)
    return True


def _read_for(found: Definitions, name: str, last: Mapping[str, ast.stmt]) -> set[str]:
    """`name`, what its definition reads, what that reads, and so on."""
    names, new = {name}, {name}
    while new:
        statements = {last[each] for each in new if each in last}
        statements |= {statement for statement, _ in found.statements if adds_to(statement, names)}
        new = {read for statement in statements for read in reads(statement)} - names
        names |= new
    return names


def _import_lines(statement: ast.stmt | None, name: str) -> Iterator[str]:
    """What `statement` has to say to bring `name`, if it is an import."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        for alias in statement.names:
            if (alias.asname or alias.name.partition(".")[0]) == name:
                yield ast.unparse(
                    ast.Import([alias])
                    if isinstance(statement, ast.Import)
                    else ast.ImportFrom(statement.module, [alias], statement.level)
                )


def _text(statement: ast.stmt, filename: str) -> str:
    """The lines of `statement` as its author wrote them, with decorators and the comments right above it."""
    lines = linecache.getlines(filename)
    first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", []))])
    while first > 1 and lines[first - 2].startswith("#"):
        first -= 1
    return "".join(lines[first - 1 : statement.end_lineno])


def _ruff(command: list[str], text: str) -> str:
    ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "120", "--quiet", "-"]
    return subprocess.run(ruff, input=text, capture_output=True, text=True, check=True, encoding="utf-8").stdout
