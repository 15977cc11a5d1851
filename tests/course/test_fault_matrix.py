"""The fault matrix in data/ is what the clients do, and it says what lesson 04 reads from it."""

import tomllib

import pytest

from tests.fault_matrix import CLIENTS, FILE, as_toml, matrix

rows = {row["fault"]: row for row in tomllib.loads(FILE.read_text(encoding="utf-8"))["faults"]}


def test_the_stored_matrix_is_what_the_clients_do() -> None:
    assert as_toml(matrix()) == FILE.read_text(encoding="utf-8"), "run `make faults` and look at what changed"


def test_every_client_has_a_cell_in_every_row() -> None:
    assert all(set(row) == {"fault", *CLIENTS} for row in rows.values())


@pytest.mark.parametrize("fault", rows)
def test_the_finished_client_ends_with_an_answer_or_an_error_of_its_own(fault: str) -> None:
    end = rows[fault]["ours"].rpartition(", ")[2]

    assert end in {"answer", "InvalidToken", "OutOfCredits", "NotPermitted", "ModelNotServed", "BadRequest",
                   "RateLimited", "ServiceUnavailable", "BadAnswer"}  # fmt: skip


def test_the_libraries_do_what_the_lesson_reads_from_the_table() -> None:
    for library in ("InferenceClient", "openai"):
        assert rows["stream, cut unseen"][library] == "1, 0.0 s, answer"
        assert rows["stream, login page"][library] == "1, 0.0 s, answer"
        assert rows["redirect"][library].startswith("2, ")
        assert rows["stream, error first"][library].startswith("1, ")
    assert all(row["InferenceClient"].startswith("1, ") for name, row in rows.items() if "redirect" not in name)
    assert rows["429, RateLimit t=20"]["openai"] == "2, 0.5 s, answer"
