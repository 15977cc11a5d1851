"""The card of data/tiny-gpt2/, every number in it from the model's metrics.json."""

import math
from string import Template
from typing import Any

_CARD = Template(
    """\
---
license: apache-2.0
language: [en, zh]
library_name: transformers
pipeline_tag: text-generation
---
# tiny-gpt2

A language model of the shape of GPT-2, small enough to lie in a git repository: $parameters parameters. It shows how a model is
downloaded, run and exported. What it writes sounds like the course it was trained on, and need not be true.

**It is not** an assistant, and no smaller edition of OpenAI's GPT-2: it shares the architecture, no weights. It knows no facts
and no chat; beyond its $context tokens it reads nothing.

## Data

$paragraphs paragraphs ($characters characters, $tokens tokens): the prose of the lessons and of the README of this course in English, and `data/tokens.zh.txt`
in Chinese, written for this purpose. Nobody else's text. Licence of text and weights: Apache 2.0.

SHA-256 of the sorted paragraphs, joined by NUL: `$sha256`. The lessons go on changing; the model stays as it is until
somebody runs `make tiny-model`.

## Training

`make tiny-model` (`course/tiny_model.py`), on $date: $steps steps of $batch windows of $context tokens, each Chinese line read $chinese times as often, in $seconds s on a CPU (threads: $threads). $layers layers, $heads heads,
width $width, $vocabulary entries in the vocabulary (byte-level BPE, made of the same text). torch $torch, transformers $transformers, tokenizers $tokenizers. Seed $seed:
the same text, seed, machine and torch give the same bytes, as a test sees in a very small run; another machine rounds otherwise.

The weights are stored as float16 and computed with as float32.

## Loss

| text | nats per token |
|---|---|
| $sample paragraphs that it was trained on | $trained_on |
| $sample paragraphs that it never saw (one in $held_out) | $unseen |

Computed with the stored weights; `evaluation.json` holds both texts. With so little text a model learns much of it by heart.
Without any knowledge the loss would be $ignorance.
"""  # noqa: E501 - the lines of the card
)


def card(numbers: dict[str, Any]) -> str:
    """The text of README.md. numbers: the content of metrics.json. Raises KeyError where one is missing."""
    loss, text = numbers["loss_nats_per_token"], numbers["text"]
    return _CARD.substitute(
        numbers["settings"] | numbers["versions"],
        date=numbers["date"],
        seconds=numbers["seconds"],
        parameters=f"{numbers['parameters']:,}",
        trained_on=f"{loss['trained_on']:.3f}",
        unseen=f"{loss['held_out']:.3f}",
        ignorance=f"{math.log(numbers['settings']['vocabulary']):.1f}",
        **{name: f"{value:,}" if isinstance(value, int) else value for name, value in text.items()},
    )
