"""Attempts, the teacher's rule, and what is shown of progress."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from course import watch
from course.attempts import Attempts, Tried
from course.checks import Verdict
from course.exercises import all_exercises, find_exercise
from course.progress import next_step, show
from course.reveal import BadRule, Rule, read_rule
from tests.course.learners import answer

FIRST, SECOND = all_exercises()[:2]
WRONG = Verdict(FIRST.id, "wrong", None, "Seen:  a\nDue:   b\nRead:  c")


def test_the_same_wrong_code_twice_is_one_attempt(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)

    for code in ("a", "a", "b"):
        attempts.record(WRONG, code)

    assert len(attempts.of(FIRST.id).wrong) == 2


def test_a_stub_is_no_attempt(tmp_path: Path) -> None:
    Attempts(tmp_path).record(Verdict(FIRST.id, "todo"), "stub")

    assert list(tmp_path.iterdir()) == []


def test_success_is_remembered_after_a_later_mistake(tmp_path: Path) -> None:
    Attempts(tmp_path).record(Verdict(FIRST.id, "right"), "good")
    Attempts(tmp_path).record(WRONG, "bad")

    assert Attempts(tmp_path).of(FIRST.id).solved


def test_the_file_holds_no_code(tmp_path: Path) -> None:
    Attempts(tmp_path).record(WRONG, "my_private_words")

    assert "my_private_words" not in (tmp_path / ".progress.jsonl").read_text()


@pytest.mark.parametrize("text", ["{", "[]", '{"id": 3}', "\u0000"])
def test_a_line_that_cannot_be_read_is_passed_over_and_kept(tmp_path: Path, text: str) -> None:
    (tmp_path / ".progress.jsonl").write_text(text + "\n")

    Attempts(tmp_path).record(WRONG, "code")

    assert (tmp_path / ".progress.jsonl").read_text().startswith(text)
    assert len(Attempts(tmp_path).of(FIRST.id).wrong) == 1


@pytest.mark.parametrize("mistake", ["syntax", "unreadable-notebook"])
def test_a_slip_of_the_keyboard_is_no_attempt(tmp_path: Path, mistake: str) -> None:
    Attempts(tmp_path).record(Verdict(FIRST.id, "wrong", mistake, "slip"), "code")

    assert Attempts(tmp_path).of(FIRST.id) == Tried()


def test_watching_counts_success_alone(learners_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(learners_folder, FIRST, "def token_problem(text):\n    return 'half a thought'")
    answer(learners_folder, SECOND, SECOND.source)
    saved = {(1, str(learners_folder / "01_account_setup.ipynb"))}
    monkeypatch.setattr(watch, "watch", lambda *_, **__: [saved, {(1, "notes.txt")}])
    console = Console(file=StringIO(), width=80)

    watch.watch_folder(learners_folder, console)

    assert isinstance(console.file, StringIO)
    assert console.file.getvalue().count("1 right, 1 wrong") == 2  # at the start and after the save
    assert Attempts(learners_folder).of(FIRST.id) == Tried()
    assert Attempts(learners_folder).of(SECOND.id).solved


@pytest.mark.parametrize(
    ("rule", "tried", "opens"),
    [
        ("after 3", Tried(), False),
        ("after 3", Tried(("a", "b")), False),
        ("after 3", Tried(("a", "b", "c")), True),
        ("after 3", Tried((), solved=True), True),
        ("after 1", Tried(("a",)), True),
        ("always", Tried(), True),
        ("never", Tried(("a", "b", "c"), solved=True), False),
    ],
)
def test_a_solution_opens_by_the_teachers_rule(tmp_path: Path, rule: str, tried: Tried, opens: bool) -> None:
    (tmp_path / "teacher.toml").write_text(f'show_solution = "{rule}"')

    refusal = read_rule(tmp_path / "teacher.toml").refusal(FIRST, tried)

    assert (refusal is None) == opens


def test_no_number_of_attempts_opens_the_solution_of_a_riddle() -> None:
    riddle, many = find_exercise("07-6"), ("a", "b", "c", "d")

    refusal = Rule().refusal(riddle, Tried(many))

    assert refusal
    assert "opens when yours is right. A hint" in refusal
    assert Rule().refusal(riddle, Tried(many, solved=True)) is None
    assert [exercise.id for exercise in all_exercises() if exercise.is_riddle] == ["07-6"]


@pytest.mark.parametrize("text", ['show_solution = "sometimes"', "show_solution = 3", "show_solution ="])
def test_a_rule_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "teacher.toml").write_text(text)

    with pytest.raises(BadRule, match=r"teacher\.toml"):
        read_rule(tmp_path / "teacher.toml")


def test_without_a_file_three_attempts_open_a_solution(tmp_path: Path) -> None:
    assert read_rule(tmp_path / "teacher.toml") == Rule(3)


def shown(verdicts: dict[str, Verdict], width: int = 80, explain: bool = False) -> str:
    console = Console(file=StringIO(), width=width, no_color=True, force_terminal=True)
    show(console, [FIRST, SECOND], verdicts, explain)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_progress_reads_well_without_colour() -> None:
    told = shown({FIRST.id: WRONG, SECOND.id: Verdict(SECOND.id, "todo")})

    assert f"✗ wrong  {FIRST.id}" in told
    assert f"· todo   {SECOND.id}" in told
    assert "0 right, 1 wrong, 1 todo" in told
    assert "\x1b[3" not in told


def test_progress_ends_with_the_one_next_step() -> None:
    last = shown({FIRST.id: Verdict(FIRST.id, "right"), SECOND.id: Verdict(SECOND.id, "todo")}).strip().splitlines()[-1]

    assert last.startswith(f"Next: begin {SECOND.id}")


def test_what_is_wrong_comes_before_what_is_open() -> None:
    verdicts = {FIRST.id: Verdict(FIRST.id, "todo"), SECOND.id: Verdict(SECOND.id, "wrong")}

    assert next_step([FIRST, SECOND], verdicts).startswith(f"Next: mend {SECOND.id}")


def test_a_narrow_terminal_breaks_no_line_of_the_message_too_late() -> None:
    assert max(len(line) for line in shown({FIRST.id: WRONG}, width=40).splitlines()) <= 40


def test_an_unreadable_notebook_is_told_once_with_its_own_next_step() -> None:
    verdicts = {e.id: Verdict(e.id, "wrong", "unreadable-notebook", "it is no notebook") for e in (FIRST, SECOND)}

    told = shown(verdicts)

    assert told.count("it is no notebook") == 1
    assert told.strip().endswith("Next: make reset NB=01")


def test_an_explanation_follows_success() -> None:
    told = shown({FIRST.id: Verdict(FIRST.id, "right")}, width=400, explain=True)

    assert find_exercise(FIRST.id).explanation.splitlines()[0] in told
