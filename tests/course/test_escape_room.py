"""The escape room: every door opens for our program and for no other, in every room; nobody's work is lost."""

import tomllib
from pathlib import Path
from string import Template
from typing import Any

import pytest

from course.attempts import Attempts, Tried
from course.checks import Verdict, run_checks
from course.escape_room import Layout, Room, enter, layout, read_layout, trial
from course.escape_room.doors import JUDGES
from course.escape_room.layout import BadSeed, Door
from course.escape_room.room import knock
from course.exercises import ROOT, find_exercise
from course.learner import from_notebooks
from course.token_shapes import kinds_in
from tests.course.learners import one_notebook

SEEDS = ("course", "another class")
REPAIRS = tomllib.loads((ROOT / "tests/mistakes/escape_room.toml").read_text(encoding="utf-8"))["repairs"]


def doors(seed: str) -> list[Any]:
    return [pytest.param(Layout(seed), door, id=f"{door.key} {Layout(seed).mark}") for door in Layout(seed).doors]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(Layout("course"), tmp_path / "room")


def opened(place: Layout, door: Door, source: str) -> str | None:
    return knock(door, place, source, "door.py").objection


def cell(shown: object) -> str:
    return repr(shown)


# --- doors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "door"), [door for seed in SEEDS for door in doors(seed)])
def test_a_door_opens_for_our_program_and_not_for_the_one_it_came_with(
    place: Layout, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened(place, door, door.mended) is None

    monkeypatch.setattr(trial, "PATIENCE_SECONDS", 0.5 if door.key == "silent_clerk" else 5)
    came = knock(door, place, door.program, "door.py")
    objection = came.objection

    assert objection is not None
    assert [exchange for exchange in came.traffic if exchange.fault] == [], (
        "the traffic names no fault: that is to be found"
    )
    assert objection.startswith("Seen:  ")
    assert "\nDue:   " in objection
    assert kinds_in(objection) == []


@pytest.mark.parametrize("repair", REPAIRS, ids=lambda repair: f"{repair['door']}: {repair['name']}")
def test_a_repair_gets_the_answer_that_it_deserves(repair: dict[str, Any]) -> None:
    place = Layout("course")
    door = next(door for door in place.doors if door.key == repair["door"])
    old, new = (Template(repair[side].lstrip("\n")).substitute(place.names) for side in ("old", "new"))
    assert door.mended.count(old) == 1, "a slip names one place of our program"

    objection = opened(place, door, door.mended.replace(old, new))

    if repair.get("opens"):
        assert objection is None
    else:
        assert repair["says"] in (objection or "it opened")


def test_every_door_has_a_judge_a_repair_that_fails_and_three_hints() -> None:
    keys = {door.key for door in Layout("course").doors}

    assert keys == set(JUDGES)
    assert keys == {repair["door"] for repair in REPAIRS if not repair.get("opens")}
    assert {len(door.hints) for door in Layout("course").doors} == {3}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def main(place)\n    pass", "door.py, line 1"),
        ("x = 1", "no function called main"),
        ("import nothing_of_that_name", "could not be loaded: ModuleNotFoundError"),
        ("def main(place):\n    exit()", "exit() was called"),
        ("def main(place):\n    raise ValueError(place.token)", "main stopped with ValueError: hf_***"),
        ("def main(place):\n    return f'<{place.token[3:]}>'", "main returned '<***>'"),
        ("def main(place):\n    return f'<{place.token[20:28]}>'", "main returned '<***>'"),
    ],
    ids=[
        "no Python",
        "no main",
        "no import",
        "exit",
        "token in an error",
        "most of a token",
        "eight letters of a token",
    ],
)
def test_a_program_that_is_none_is_told_so(source: str, said: str) -> None:
    place = Layout("course")
    door = next(door for door in place.doors if door.key == "old_road")

    assert said in (opened(place, door, source) or "")


def test_a_part_of_a_token_in_an_address_is_not_shown() -> None:
    place = Layout("course")
    door = next(door for door in place.doors if door.key == "old_road")
    source = "import requests\n\ndef main(place):\n    requests.get(place.hub + '/api/' + place.token[3:], timeout=2)\n"

    came = knock(door, place, source, "door.py")

    assert [exchange.path for exchange in came.traffic] == ["/api/***"]


# --- the words ------------------------------------------------------------------------------------------------


def verdict_on(answer: str, folder: Path) -> Verdict:
    exercise = find_exercise("07-6")
    return run_checks([exercise], from_notebooks(one_notebook(folder, exercise, answer)))[exercise.id]


def typed(words: dict[int, str]) -> str:
    return f"def code_words():\n    return {words!r}\n"


def test_some_of_the_words_are_todo_and_those_that_are_missing_are_named(tmp_path: Path) -> None:
    words = {door.number: door.word for door in Layout("course").doors if door.number not in (4, 9)}

    some = verdict_on(typed(words), tmp_path / "some")
    none = verdict_on(typed({1: "..."}), tmp_path / "none")
    attempts = Attempts(tmp_path)
    attempts.record(some, "some")

    assert (some.state, none.state) == ("todo", "todo")
    assert some.message == "8 of 10 words, and they are right; still to come: door 4, 9."
    assert none.message == "No word yet: knock at a door."
    assert attempts.of("07-6") == Tried()


def test_a_slip_in_one_of_few_words_is_named_by_its_door(tmp_path: Path) -> None:
    verdict = verdict_on(typed({2: "careful", 7: "log"}), tmp_path / "slip")

    assert (verdict.state, verdict.mistake) == ("wrong", "another-word")
    assert "door 7 of room" in (verdict.message or "")


@pytest.mark.parametrize("seed", ["another class", "autumn"])
def test_our_solution_opens_no_other_room(seed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOM_SEED", seed)

    pasted = verdict_on(find_exercise("07-6").source, tmp_path / "pasted")
    looked_up = verdict_on(
        "def code_words():\n    return {door.number: door.word for door in escape_room.read_layout().doors}\n",
        tmp_path / "looked_up",
    )
    honest = verdict_on(typed({door.number: door.word for door in Layout(seed).doors}), tmp_path / "honest")

    assert (pasted.state, looked_up.state, honest.state) == ("wrong", "wrong", "right")
    assert looked_up.mistake == "looks-the-words-up"


# --- seeds ----------------------------------------------------------------------------------------------------


def test_the_same_seed_is_the_same_room_and_another_one_is_not() -> None:
    here, again, there = Layout("autumn"), Layout("autumn"), Layout("spring")

    assert here.doors == again.doors
    assert here.mark != there.mark
    assert [door.key for door in here.doors] != [door.key for door in there.doors]
    assert [door.word for door in here.doors] != [door.word for door in there.doors]
    assert here.names != there.names


def test_the_room_of_the_course_never_changes() -> None:
    sentence = " ".join(door.word for door in Layout("course").doors)

    assert sentence == "any careful heron keeps three wooden logs beyond our bakery"


def test_the_words_stand_in_no_file_that_a_learner_opens() -> None:
    place = Layout("course")
    rare = [door.word for door in place.doors if len(door.word) > 5]

    shown = (ROOT / "notebooks/07_troubleshooting.ipynb").read_text(encoding="utf-8")

    assert [word for word in rare if word in shown] == []
    assert [word for word in rare for door in place.doors if word in door.program] == []


def test_the_seed_comes_from_the_variable_or_the_teacher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rules = tmp_path / "teacher.toml"
    monkeypatch.setattr(layout, "RULES", rules)
    monkeypatch.delenv("ROOM_SEED", raising=False)
    seeds = [read_layout().seed]
    rules.write_text('room_seed = "autumn"\n')
    seeds.append(read_layout().seed)
    monkeypatch.setenv("ROOM_SEED", "spring")
    seeds.append(read_layout().seed)

    assert seeds == ["course", "autumn", "spring"]


def test_a_seed_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(layout, "RULES", tmp_path / "teacher.toml")
    monkeypatch.delenv("ROOM_SEED", raising=False)
    (tmp_path / "teacher.toml").write_text("room_seed = 7\n")

    with pytest.raises(BadSeed, match=r"room_seed is 7; write any text"):
        read_layout()


# --- the room -------------------------------------------------------------------------------------------------


def place_of(room: Room, key: str) -> tuple[int, Path]:
    door = next(door for door in room.layout.doors if door.key == key)
    return door.number, room.folder / f"door_{door.number:02}.py"


def test_entering_again_touches_nothing(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, mine = place_of(room, "old_road")
    mine.write_text("# mine")

    Room(room.layout, room.folder)
    monkeypatch.setenv("ROOM_SEED", "another class")
    elsewhere = enter(tmp_path)

    assert mine.read_text() == "# mine"
    assert elsewhere.folder not in (room.folder, mine.parent)


def test_a_knock_shows_the_traffic_and_what_was_due(room: Room) -> None:
    number, _ = place_of(room, "old_road")

    shown = cell(room.knock(number))

    assert f"Door {number}, The talking clock, stays shut" in shown
    assert "POST /models/openai/gpt-oss-20B, Authorization: Bearer hf_*** -> 410" in shown
    assert "Due:   the router's answer to QUESTION" in shown


def test_a_knock_shows_what_an_app_sent_as_well(room: Room) -> None:
    number, _ = place_of(room, "ticket_window")

    shown = cell(room.knock(number))

    assert "request 1: POST /v1/chat/completions, Authorization: Bearer hf_*** -> 200" in shown


def test_an_open_door_says_its_word_and_its_cause_and_stays_open(room: Room) -> None:
    number, program = place_of(room, "old_road")
    door = room.layout.door(number)
    program.write_text(door.mended)

    shown = cell(room.knock(number))
    program.write_text("broken again")
    room.knock(number)

    assert f"is open. Its word: {door.word}" in shown
    assert door.cause in shown
    assert "1 of 10 doors open, 10 points" in repr(Room(room.layout, room.folder))
    assert door.word in repr(room)


def test_hints_cost_points_once_and_are_free_behind_an_open_door(room: Room) -> None:
    number, program = place_of(room, "old_road")

    shown = [cell(Room(room.layout, room.folder).hint(number)) for _ in range(4)]
    program.write_text(room.layout.door(number).mended)
    room.knock(number)
    room.hint(number)

    assert [line.partition("; ")[2].split("\n")[0] for line in shown] == [
        "now 7 points",
        "now 4 points",
        "now 1 point",
        "now 1 point",
    ]
    assert "1 of 10 doors open, 1 point\n" in repr(room)


def test_our_program_costs_all_the_points(room: Room) -> None:
    number, program = place_of(room, "old_road")
    assert room.layout.door(number).mended in cell(room.mended(number))
    program.write_text(room.layout.door(number).mended)
    room.knock(number)

    assert "1 of 10 doors open, 0 points" in repr(room)


def test_a_fresh_program_leaves_the_old_one_aside(room: Room) -> None:
    number, program = place_of(room, "old_road")
    for text in ("# mine", "# mine too"):
        program.write_text(text)
        room.fresh(number)

    assert program.read_text() == room.layout.door(number).program
    assert [path.read_text() for path in sorted(room.folder.glob("*_mine_*.py"))] == ["# mine", "# mine too"]


def test_half_a_line_in_the_log_is_passed_over(room: Room) -> None:
    (room.folder / ".room.jsonl").write_text('{"door": "old_road", "what": "hi')

    assert "0 of 10 doors open" in repr(room)


def test_what_a_person_can_mend_is_a_card_and_no_traceback(room: Room) -> None:
    _, program = place_of(room, "old_road")
    program.unlink()

    assert "the room has the doors 1 to 10" in cell(room.knock(11))
    assert "gives it back" in cell(room.knock(place_of(room, "old_road")[0]))
