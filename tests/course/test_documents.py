"""The documents say what is there: lessons, commands, variables, modules, data files, links."""

import re
import tomllib
from pathlib import Path

import pytest

from course import cli, doctor
from course.exercises import ROOT, Lesson, all_exercises, all_lessons

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "data/README.md")
DATA = ROOT / "data"
REPOSITORIES = DATA / "repositories"
_VARIABLE = re.compile(r"\b(?:FULL|NO_COLOR|COURSE_CACHE|LIVE|(?:HF|HUGGING_FACE|OPENAI|TRANSFORMERS)_[A-Z_]*[A-Z])\b")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def for_users() -> str:
    return text("README.md") + text("CONTRIBUTING.md")


# --- README: lessons and output -------------------------------------------------------------------------------


def table_row(lesson: Lesson) -> tuple[str, str, str, str]:
    """Title, link, minutes and offline of a lesson, as its own first cell has them."""
    first = lesson.cells[0].text
    time = re.search(r"About (\d+) (minutes|hours)", first)
    assert time, f"lessons/{lesson.stem}.py: the first cell says 'About 30 minutes'"
    minutes = int(time[1]) * (60 if time[2] == "hours" else 1)
    offline = "yes" if "Works offline" in first else "no"
    return lesson.title, f"notebooks/{lesson.stem}.ipynb", str(minutes), offline


def test_the_table_of_lessons_is_that_of_the_lessons_folder() -> None:
    rows = re.findall(r"^\| \[(.+?)\]\((.+?)\) \| .+? \| (\d+) \| (\w+) \|$", text("README.md"), re.MULTILINE)

    assert rows == [table_row(lesson) for lesson in all_lessons()]


def minutes_of(part: str) -> float:
    """Of "01", a lesson, or of "02-1", an exercise with its share of what is to be read."""
    lesson = next(lesson for lesson in all_lessons() if part.startswith(lesson.number))
    whole = int(table_row(lesson)[2])
    exercises = {exercise.id: exercise.minutes for exercise in lesson.exercises}
    return whole * exercises[part] / sum(exercises.values()) if part in exercises else whole


def test_what_a_teacher_takes_fits_into_the_time() -> None:
    plans = re.findall(r"^\| (\d+) minutes(?: more)? \| ([\d, -]+) \| .+ \|$", text("README.md"), re.MULTILINE)

    assert len(plans) == 4
    for time, parts in plans:
        needed = sum(map(minutes_of, parts.split(", ")))
        assert 0.9 * int(time) <= needed <= int(time), (time, parts, needed)


def test_the_beginning_holds_goal_commands_output_and_lessons() -> None:
    beginning = text("README.md").splitlines()[:30]

    assert "You will be able to" in "\n".join(beginning[:4])
    assert "git clone" in "\n".join(beginning[:15])
    for due in ("make lab", "make test", "python -m course test", "solutions/   exercises:", "| lesson |"):
        assert due in "\n".join(beginning), due


def test_the_expected_output_counts_the_exercises_that_exist() -> None:
    count = len(all_exercises())

    assert f"solutions/   exercises: {count} right, 0 wrong, 0 todo\n" in text("README.md")
    assert f"notebooks/   exercises: 0 right, 0 wrong, {count} todo\n" in text("README.md")


def test_the_python_versions_are_those_that_set_up_accepts() -> None:
    from course.setup_problems import SUPPORTED

    *most, last = (f"{major}.{minor}" for major, minor in SUPPORTED)

    assert f"Python {', '.join(most)} or {last}" in text("README.md")


# --- commands and variables -----------------------------------------------------------------------------------


def make_targets() -> list[str]:
    return re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE)


def commands() -> list[str]:
    """What may follow `python -m course`: typer's commands, and those that run without typer."""
    named = [command.name or getattr(command.callback, "__name__", "") for command in cli.app.registered_commands]
    return sorted({*named, *re.findall(r'command == "(\w+)"', text("course/__main__.py"))})


@pytest.mark.parametrize("target", make_targets())
def test_a_make_target_is_told_to_users(target: str) -> None:
    assert re.search(rf"\bmake {target}\b", for_users())


@pytest.mark.parametrize("command", commands())
def test_a_command_is_told_to_users(command: str) -> None:
    assert re.search(rf"\b(?:make|python -m course) {command}\b", for_users())


def test_no_make_target_or_command_is_told_that_does_not_exist() -> None:
    told = "\n".join(map(text, DOCUMENTS))

    assert set(re.findall(r"`make ([a-z-]+)", told)) - set(make_targets()) == set()
    assert set(re.findall(r"python -m course ([a-z-]+)", told)) - set(commands()) == set()


def variables() -> list[str]:
    """Every variable of the libraries or of ours that Makefile, program, lessons or .env.example name."""
    files = [
        ROOT / "Makefile",
        ROOT / ".env.example",
        *(ROOT / "course").rglob("*.py"),
        *(ROOT / "lessons").glob("*.py"),
    ]
    return sorted({name for path in files for name in _VARIABLE.findall(path.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("variable", variables())
def test_an_environment_variable_is_told_to_users(variable: str) -> None:
    assert re.search(rf"\b{variable}\b", for_users())


def test_the_variables_of_the_first_two_kinds_are_those_of_the_doctor() -> None:
    kinds = text("README.md").partition("## Variables\n")[2].split("\n- ")[1:3]

    assert [tuple(_VARIABLE.findall(kind)) for kind in kinds] == [doctor._TOKEN_VARIABLES, doctor._BEHAVIOUR_VARIABLES]


# --- modules --------------------------------------------------------------------------------------------------


def modules() -> list[str]:
    return sorted(path.relative_to(ROOT / "course").as_posix() for path in (ROOT / "course").rglob("*.py"))


def test_the_rooms_are_the_modules() -> None:
    told = re.findall(r"^\| `([\w/]+\.py)` \| \S.* \|$", text("ARCHITECTURE.md"), re.MULTILINE)

    assert sorted(told) == modules()


# --- data -----------------------------------------------------------------------------------------------------


def blocks() -> dict[str, str]:
    """The blocks of data/README.md: path -> what is said about it."""
    parts = re.split(r"^## `(.+)`\n", text("data/README.md"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def files_of(block: str) -> list[Path]:
    """The files that a block speaks of; the folder's block leaves out the table that has its own."""
    path = DATA / block
    if path.is_file():
        return [path]
    return [
        file for file in sorted(path.rglob("*")) if file.is_file() and file.relative_to(DATA).as_posix() not in blocks()
    ]


def rows(block: str) -> int:
    path = DATA / block
    if path.is_dir():
        return len(files_of(block))
    if path.suffix == ".txt":
        return len(path.read_text(encoding="utf-8").splitlines()) - 1  # without its comment
    if path.suffix == ".json":
        return len(all_lessons())
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    lists = [value for value in content.values() if isinstance(value, list | dict)]
    return len(lists[0]) if len(lists) == 1 else len(content)


def test_every_data_file_has_a_block() -> None:
    described = {file for block in blocks() for file in files_of(block)}
    there = {path for path in DATA.rglob("*") if path.is_file()} - {DATA / "README.md"}

    assert {path.relative_to(DATA).as_posix() for path in described ^ there} == set()


@pytest.mark.parametrize("block", blocks())
def test_a_block_says_row_columns_source_date_rebuild_and_the_true_size(block: str) -> None:
    said = blocks()[block]

    for due in ("A row is", "Columns", "Source:", "Taken:", "Rebuild:"):
        assert due in said, f"data/README.md, {block}: {due}"
    size = re.search(r"^- Size: (\d+) \w+, under (\d+) kB\.$", said, re.MULTILINE)
    assert size, f"data/README.md, {block}: '- Size: 3 rows, under 2 kB.'"
    assert int(size[1]) == rows(block)
    assert sum(file.stat().st_size for file in files_of(block)) < int(size[2]) * 1000


def test_every_sample_repository_is_named() -> None:
    table = tomllib.loads((REPOSITORIES / "repositories.toml").read_text(encoding="utf-8"))
    named = set(re.findall(r"`repositories/((?:datasets/|spaces/)?[\w-]+/[\w-]+)/`", text("data/README.md")))

    assert named == {name for name, row in table.items() if "folder" not in row}
    assert [name for name, row in table.items() if "folder" in row and f"`{name}`" not in text("data/README.md")] == []


# --- links ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_path_that_is_named_exists(name: str) -> None:
    named = re.findall(r"`((?:course|data|deployment|tests)/[\w./-]+)`", text(name))

    assert [path for path in named if "_name." not in path and not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_link_leads_to_a_file(name: str) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", text(name))

    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []
