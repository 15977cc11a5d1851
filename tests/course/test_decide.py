"""`make decide`: a workload file becomes one page, old prices are said, and nobody's file is lost."""

import base64
import json
import re
from datetime import date
from pathlib import Path

import pytest

from course import cli
from course.decide import FileInTheWay, as_html, decide
from course.exercises import ROOT
from course.workload_file import BadWorkload, read_case

WORKLOADS = sorted((ROOT / "data" / "workloads").glob("*.toml"))
SUPPORT = ROOT / "data" / "workloads" / "support_chat.toml"
TODAY = date(2026, 11, 24)
CHOICES = {
    "support_chat": "API, novita meta-llama/Llama-3.1-8B-Instruct, at 0.73 USD a month",
    "nightly_batch": "API, novita meta-llama/Llama-3.1-8B-Instruct, at 39.78 USD a month",
    "own_weights": "endpoint that sleeps, gcp nvidia-l4 x1, at 148.22 USD a month",
    "patient_notes": "on the device, at 0.00 USD a month",
}


def written(file: Path, folder: Path, today: date = TODAY) -> tuple[str, str]:
    markdown, page = decide(file, today, folder)
    return markdown.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")


def changed(folder: Path, old: str, new: str) -> Path:
    """The support chat's file with one change, as mine.toml."""
    text = SUPPORT.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = folder / "mine.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


@pytest.mark.parametrize("file", WORKLOADS, ids=lambda path: path.stem)
def test_a_workload_of_ours_becomes_a_page_with_its_choice(file: Path, tmp_path: Path) -> None:
    markdown, page = written(file, tmp_path)

    assert f"**Choose: {CHOICES[file.stem]}.**" in markdown
    assert CHOICES[file.stem] in page
    for part in ("The workload", "The reasons", "What would reverse it", "Where the numbers come from"):
        assert f"## {part}\n" in markdown
        assert f"<h2>{part}</h2>" in page
    assert "Notice" not in markdown


def test_every_price_that_was_used_has_its_date_on_the_page(tmp_path: Path) -> None:
    markdown, _ = written(SUPPORT, tmp_path)

    for used in ("docs/source/support/pricing.md (documented) | 189 | 2026-05-19 |", "AccelMark", "genai-prices"):
        assert used in markdown
    assert "Red Hat" not in markdown


def test_the_best_of_each_way_stands_at_the_top(tmp_path: Path) -> None:
    markdown, _ = written(SUPPORT, tmp_path)

    ways = markdown.partition("|---|---|---|\n")[2].partition("\n\n")[0].splitlines()
    assert ways == [
        "| API | novita meta-llama/Llama-3.1-8B-Instruct | 0.73 |",
        "| endpoint | gcp nvidia-l4 x1 | 659.22 |",
        "| endpoint that sleeps | none: cold start |  |",
        "| own machine | H100 | 9,139.60 |",
    ]
    assert markdown.index("none: cold start") < markdown.index("## The workload")


def test_what_was_assumed_of_a_machine_is_said(tmp_path: Path) -> None:
    plan = "[plan]\nstart_minutes = 7\nall_in = 3\n\n[model]"
    usual, other = written(SUPPORT, tmp_path)[0], written(changed(tmp_path, "[model]", plan), tmp_path)[0]

    assert "planned for 70% of its measured speed and takes 5 minutes to start; one of your own costs 4 times" in usual
    assert "takes 7 minutes to start; one of your own costs 3 times" in other


def test_a_page_without_any_price_of_ours_says_so(tmp_path: Path) -> None:
    markdown, _ = written(ROOT / "data" / "workloads" / "patient_notes.toml", tmp_path)

    assert "no price and no speed of `data/` was needed" in markdown
    assert "| source |" not in markdown


def test_prices_older_than_a_year_raise_a_visible_notice(tmp_path: Path) -> None:
    markdown, page = written(SUPPORT, tmp_path, date(2027, 5, 1))

    notice = "Notice: these numbers are older than a year: "
    assert f"> **{notice}" in markdown
    told = markdown.partition(notice)[2].partition("\n")[0]
    assert "(2026-02-01)" in told
    assert "(2026-04-01)" in told
    assert "(2026-05-19)" not in told, "that one is eleven months old"
    assert page.index("<blockquote>") < page.index("Choose:"), "above everything else"


def test_a_rule_that_no_offer_keeps_is_said(tmp_path: Path) -> None:
    markdown, _ = written(changed(tmp_path, '"anywhere"', '"the device"'), tmp_path)

    assert "**Nothing is allowed.**" in markdown
    assert "not allowed: privacy" in markdown


def test_a_tie_is_said(tmp_path: Path) -> None:
    markdown, _ = written(changed(tmp_path, "input_tokens = 900", "input_tokens = 150"), tmp_path)

    assert "A tie, as close as these numbers are known: " in markdown


def test_the_page_is_one_file_without_script_and_lets_no_html_in(tmp_path: Path) -> None:
    file = changed(tmp_path, "Support chat in office hours", "<script>alert(1)</script> [x](javascript:alert(1))")

    _, page = written(file, tmp_path)

    assert re.findall(r"<script|\ssrc=|\shref=|url\(|@import", page) == []
    assert "&lt;script&gt;alert(1)" in page
    assert as_html("# a & b\n").count("<title>a &amp; b</title>") == 1


def test_a_page_of_ours_is_replaced(tmp_path: Path) -> None:
    written(SUPPORT, tmp_path)

    markdown, _ = written(SUPPORT, tmp_path, date(2026, 12, 1))

    assert "2026-12-01" in markdown


@pytest.mark.parametrize("theirs", ["mine", "\nmy note", None], ids=["another file", "with a note", "changed inside"])
def test_a_page_that_somebody_wrote_or_changed_stays(theirs: str | None, tmp_path: Path) -> None:
    page = tmp_path / "support_chat.decision.html"
    if theirs != "mine":
        written(SUPPORT, tmp_path)
        text = page.read_text(encoding="utf-8")
        theirs = text + theirs if theirs else text.replace("Choose", "Do not choose")
    page.write_text(theirs, encoding="utf-8")
    beside = tmp_path / "support_chat.decision.md"
    before = beside.read_text(encoding="utf-8") if beside.exists() else None

    with pytest.raises(FileInTheWay, match=r"support_chat\.decision\.html .* stays.*--out"):
        decide(SUPPORT, date(2026, 12, 1), tmp_path)

    assert page.read_text(encoding="utf-8") == theirs
    assert (beside.read_text(encoding="utf-8") if beside.exists() else None) == before, "both or none"


MISTAKES = {
    "a value out of range": ("hours_per_day = 10", "hours_per_day = 25", ["use.hours_per_day", "24", "25"]),
    "a text for a number": ("input_tokens = 900", 'input_tokens = "many"', ["use.input_tokens", "number", "'many'"]),
    "a number that is none": ("busiest = 3", "busiest = nan", ["use.busiest", "nan"]),
    "a missing key": ("output_tokens = 300\n", "", ["use.output_tokens is missing"]),
    "a number in quotes": ("input_tokens = 900", 'input_tokens = "900"', ["use.input_tokens", "number", "'900'"]),
    "a yes for a number": ("requests_per_hour = 120", "requests_per_hour = true", ["use.requests_per_hour", "number"]),
    "a number below 0": ("input_tokens = 900", "input_tokens = -1", ["use.input_tokens", "0", "-1"]),
    "a word for yes or no": (
        "served_by_api = true",
        'served_by_api = "yes"',
        ["model.served_by_api", "boolean", "'yes'"],
    ),
    "a misspelt key": ("busiest = 3", "bussiest = 3", ["use.bussiest is no key", "did you mean use.busiest?"]),
    "a key in no section": ("[use]", "busiest = 3\n[use]", ["busiest is no key", "did you mean use.busiest?"]),
    "a key from nowhere": ("[use]", "[use]\nzzz = 3", ["use.zzz is no key of a workload file (there: 3)"]),
    "an unknown rule": ('"anywhere"', '"at home"', ["rules.privacy", "our machines"]),
    "an unknown shape": ('"Llama-3-8B"', '"Llama-9"', ["model.shape", "'Llama-9'", "Llama-3.1-70B"]),
    "an unknown size": ('size = "8B"', 'size = "9B"', ["model.size", "'9B'", "70B"]),
    "an unknown plan": ("[model]", '[plan]\ncredit = "Gold"\n\n[model]', ["plan.credit", "'Gold'", "PRO"]),
    "no TOML": ("[rules]", "[rules", ["not TOML", "line"]),
}


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file or directory"), (b"\xff\xfe\x00", "no text in UTF-8")],
    ids=["absent", "not text"],
)
def test_a_file_that_cannot_be_read_is_told_with_the_reason(content: bytes | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    if content:
        path.write_bytes(content)

    with pytest.raises(BadWorkload, match=rf"mine\.toml cannot be read: .*{why}.*data/workloads/ has files to copy"):
        read_case(path)


def test_a_mark_that_an_editor_puts_first_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SUPPORT.read_bytes())

    assert read_case(path) == read_case(SUPPORT)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_file_key_and_what_is_due(name: str, tmp_path: Path) -> None:
    old, new, told = MISTAKES[name]

    with pytest.raises(BadWorkload) as error:
        read_case(changed(tmp_path, old, new))

    assert [part for part in ["mine.toml", *told] if part not in str(error.value)] == []


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadWorkload) as error:
        read_case(changed(tmp_path, "input_tokens = 900\noutput_tokens = 300", "input_tokens = -1"))

    assert "use.input_tokens" in str(error.value)
    assert "use.output_tokens" in str(error.value)


def test_the_command_says_what_it_wrote_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["course", "decide", str(SUPPORT), "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="0"):
        cli.run()
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {tmp_path / 'support_chat.decision.md'}",
        f"wrote {tmp_path / 'support_chat.decision.html'}",
    ]

    monkeypatch.setattr("sys.argv", ["course", "decide", str(tmp_path / "none.toml")])
    assert cli.run() == 2
    assert "none.toml cannot be read" in capsys.readouterr().err


def test_stored_pictures_are_small_and_say_what_they_show() -> None:
    notebook = json.loads(next((ROOT / "solutions").glob("06_*.ipynb")).read_text(encoding="utf-8"))
    shown = [output["data"] for cell in notebook["cells"] for output in cell.get("outputs", []) if "data" in output]
    pictures = [data for data in shown if "image/png" in data]

    assert len(pictures) == 3
    for data in pictures:
        assert len(base64.b64decode("".join(data["image/png"]))) < 60_000
        assert re.search(r"\d", "".join(data["text/plain"])), "a sentence with a number"


def test_what_this_machine_measured_is_not_stored() -> None:
    notebook = json.loads(next((ROOT / "solutions").glob("06_*.ipynb")).read_text(encoding="utf-8"))
    measured = [cell for cell in notebook["cells"] if "".join(cell["source"]).startswith("# NBVAL_IGNORE_OUTPUT")]

    assert measured
    assert all(cell["outputs"] == [] for cell in measured)
