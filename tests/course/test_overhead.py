"""The comparison of clients in `make bench` measures, whatever the machine is doing."""

import re

from tests.bench.overhead import lines


def test_each_client_has_a_line_of_ratios() -> None:
    measured = list(lines(rounds=2))

    assert [line.split()[0] for line in measured] == ["requests", "ours", "InferenceClient", "openai"]
    assert re.findall(r"\d+\.\d\d", measured[0]) == ["1.00"] * 4
