"""Read the definitions of a notebook without running its other statements."""

import __future__

import ast
import linecache
import symtable
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import CodeType, ModuleType
from typing import Any, NoReturn

from course.cells import BrokenCell, parse_cell
from course.exercises import Lesson, find_lesson, solved
from course.limit import Stop

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass
class Definitions:
    """What the cells of one notebook define, as syntax trees with the file name of their cell, in order."""

    statements: list[tuple[ast.stmt, str]] = field(default_factory=list)
    broken: list[BrokenCell] = field(default_factory=list)
    flags: int = 0

    def defining(self, name: str) -> Definition | None:
        """The last definition of `name`: the one that counts when the notebook runs."""
        found = [s for s, _ in self.statements if isinstance(s, Definition) and s.name == name]
        return found[-1] if found else None


@cache
def lesson_definitions(lesson: Lesson) -> "Definitions":
    """The definitions of a lesson, solved. Read once: a kernel asks for them at every check."""
    cells = [solved(cell.text) if cell.is_code else "" for cell in lesson.cells]
    return definitions(cells, f"lesson {lesson.stem}")


def definitions(cells: Iterable[str], label: str) -> Definitions:
    """Imports, functions, classes and UPPER_CASE constants of `cells`, and the assignments that those read."""
    found = Definitions()
    statements: list[tuple[ast.stmt, str]] = []
    for number, source in enumerate(cells, start=1):
        filename = f"{label}, cell {number}"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        try:
            tree = parse_cell(source, filename)
        except SyntaxError as error:
            found.broken.append(BrokenCell(number, error.lineno or 1, error.msg, source))
            continue
        statements += [(statement, filename) for statement in tree.body]
    found.flags = _future_flags(statement for statement, _ in statements)
    kept = _kept(statement for statement, _ in statements)
    found.statements = [pair for pair in statements if pair[0] in kept]
    return found


def execute(found: Definitions, namespace: dict[str, Any], without: Iterable[str] = ()) -> dict[str, str]:
    """Run `found` in `namespace`; leave out the definitions of the names in `without`.

    Returns the names that could not be made, with the reason: a constant that needs a missing variable must not
    keep a learner from checking a function that does not use it.
    """
    left_out, failed = set(without), {}
    for statement, filename in found.statements:
        if isinstance(statement, Definition) and statement.name in left_out:
            continue
        if _starts_sandbox(statement):  # nothing would ever stop it
            namespace.update(dict.fromkeys(bound(statement), SandboxOfTheNotebook()))
            continue
        try:
            exec(_code(statement, filename, found.flags), namespace)  # noqa: S102 - running the learner's own definitions is what this module is for
        except Stop:
            raise
        except BaseException as error:  # exit() in a constant, too
            failed.update(dict.fromkeys(bound(statement), f"{type(error).__name__}: {error}"))
    return failed


class SandboxOfTheNotebook:
    """Stands for `hub = sandbox.start()` where definitions are read: a check has a sandbox of its own."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NameError(
            f"a check has no sandbox of the notebook (.{name}): use what the function is given, such as an address"
        )


@lru_cache(maxsize=2000)
def _starts_sandbox(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    return isinstance(value, ast.Call) and ast.unparse(value.func) == "sandbox.start"


def beyond(theirs: Definitions, ours: Definitions, names: Iterable[str]) -> Definitions:
    """The statements of `theirs` that make another thing than `ours` made: those that define one of `names`, those
    that are written differently, and those that read what these define. Making a lesson's classes twice takes longer
    than many a check."""
    if theirs.flags != ours.flags:
        return theirs
    given, new = {_written(statement) for statement, _ in ours.statements}, set(names)
    kept = []
    for statement, filename in theirs.statements:
        if _written(statement) not in given or new & (bound(statement) | reads(statement)):
            new |= bound(statement)
            kept.append((statement, filename))
    return Definitions(kept, theirs.broken, theirs.flags)


@lru_cache(maxsize=2000)
def _written(statement: ast.stmt) -> str:
    return ast.dump(statement)


@lru_cache(maxsize=2000)
def _code(statement: ast.stmt, filename: str, flags: int) -> CodeType:
    code: CodeType = compile(ast.Module([statement], []), filename, "exec", flags=flags, dont_inherit=True)
    return code


def new_namespace(name: str) -> dict[str, Any]:
    """An empty module's namespace; registered, because dataclasses look their module up."""
    module = ModuleType(name)
    sys.modules[name] = module
    return vars(module)


def solved_names(number: str) -> dict[str, Any]:
    """The names of the lesson `number` ("04") as we solve it, in a namespace of their own."""
    lesson = find_lesson(number)
    names = new_namespace(f"solved_{lesson.stem}")
    execute(lesson_definitions(lesson), names)
    return names


def is_stub(function: ast.AST) -> bool:
    """Whether a function's body is the stub's `raise NotImplementedError("Exercise ...")`, under a docstring or not."""
    body = [node for node in getattr(function, "body", []) if not _is_text(node)]
    return len(body) == 1 and ast.unparse(body[0]).startswith("raise NotImplementedError('Exercise ")


def bodies(node: Definition) -> list[ast.AST]:
    """What a learner writes of `node`: the function itself, or the methods of a class."""
    if isinstance(node, ast.ClassDef):
        return [inner for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [node]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _kept(statements: Iterable[ast.stmt]) -> set[ast.stmt]:
    every = list(statements)
    kept = {s for s in every if isinstance(s, ast.Import | ast.ImportFrom | Definition) or _is_constant(s)}
    defined = {name for statement in kept if isinstance(statement, Definition) for name in bound(statement)}
    kept |= {statement for statement in every if adds_to(statement, defined)}
    read: set[str] = set()
    new = kept
    while True:
        read |= {name for statement in new for name in reads(statement)}
        more = {s for s in every if _is_plain(s) and s not in kept and read & bound(s)}
        if not more:
            return kept
        kept, new = kept | more, more


@lru_cache(maxsize=2000)
def reads(statement: ast.stmt) -> frozenset[str]:
    """The names that `statement` looks up in its module: a parameter or local of the same name is none."""
    return frozenset(_module_names(symtable.symtable(ast.unparse(statement), "cell", "exec"), is_module=True))


def _module_names(table: symtable.SymbolTable, is_module: bool = False) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_module or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _module_names(child)


def _is_constant(statement: ast.stmt) -> bool:
    return _is_plain(statement) and any(name.isupper() for name in bound(statement))


@lru_cache(maxsize=2000)
def _is_plain(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return False
    return not any(isinstance(node, ast.Await) for node in ast.walk(statement))


def adds_to(statement: ast.stmt, definitions: set[str]) -> bool:
    """Whether `statement` is `Name.attribute = ...` for a name in `definitions`: a class written in two cells."""
    return isinstance(statement, ast.Assign) and all(
        isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in definitions
        for target in statement.targets
    )


@lru_cache(maxsize=2000)
def bound(statement: ast.stmt) -> frozenset[str]:
    """The names that `statement` gives a value in its module."""
    if isinstance(statement, Definition):
        return frozenset({statement.name})
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return frozenset(alias.asname or alias.name.split(".")[0] for alias in statement.names)
    return frozenset(_names(statement, ast.Store))


def _names(node: ast.AST, context: type[ast.expr_context]) -> Iterator[str]:
    return (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, context))


def _future_flags(statements: Iterable[ast.stmt]) -> int:
    flags = 0
    for statement in statements:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                flags |= getattr(__future__, alias.name).compiler_flag
    return flags
