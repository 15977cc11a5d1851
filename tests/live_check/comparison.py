"""Does the sandbox still answer as Hugging Face does? Both are asked the same, answers compared.

Never part of the tests: it needs a token and a network. It only reads, and asks each question once; a chat call of one
text token is added if a person says so. What comes back about an account is compared by its shape, and never shown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import httpx2

from course import sandbox
from course.definitions import solved_names
from course.errors import CourseError
from course.masking import mask
from tests.live_check.answer_shapes import ABSENT, Difference, differences, personal_texts, shape

FOLDER = "live-checks"
_CHAT = {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
_KINDS = {"read": "read", "write": "write", "fineGrained": "fine_grained"}  # role in whoami -> token of the sandbox
_HEAD = """\
# Live check of {now:%Y-%m-%d %H:%M} UTC

{place.hub} and {place.router}, asked with a token of the kind {role}: {compared} of {asked} answers compared.
Values of the account are not shown. "{absent}": nothing is there.
"""

Who = Literal["yours", "nobody", "invalid"]


class LiveCheckError(CourseError):
    """The check could not be made; the text says why and what to do next."""


@dataclass(frozen=True)
class Place:
    """Where to ask: the Hub, the router, and a public model with a file config.json."""

    hub: str
    router: str
    model: str


@dataclass(frozen=True)
class Question:
    """One request. side: attribute of Place. path: may hold {model}. whole: False for a file."""

    name: str
    side: Literal["hub", "router"]
    path: str
    who: Who = "nobody"
    body: dict[str, Any] | None = None
    whole: bool = True


@dataclass(frozen=True)
class Report:
    """What came out. role: kind of the token. skipped: questions whose answer was an overload or a breakdown."""

    place: Place
    role: str
    asked: int
    skipped: list[str]
    found: list[Difference]

    @property
    def contradictions(self) -> list[Difference]:
        """What the sandbox says otherwise; that it leaves something out is none."""
        return [one for one in self.found if one.ours != ABSENT]


REAL = Place("https://huggingface.co", "https://router.huggingface.co", "openai-community/gpt2")
QUESTIONS = (
    Question("whoami", "hub", "/api/whoami-v2", "yours"),
    Question("whoami without a token", "hub", "/api/whoami-v2"),
    Question("whoami, invalid token", "hub", "/api/whoami-v2", "invalid"),
    Question("a public model", "hub", "/api/models/{model}"),
    Question("a public file", "hub", "/{model}/resolve/main/config.json", whole=False),
    Question("the router's models", "router", "/v1/models"),
    Question("chat without a token", "router", "/v1/chat/completions", body=_CHAT),
    Question("chat, invalid token", "router", "/v1/chat/completions", "invalid", _CHAT),
)
CHAT = Question("chat", "router", "/v1/chat/completions", "yours", _CHAT)


def live_check(
    token: str | None, now: datetime, folder: Path, place: Place = REAL, chat: bool = False
) -> tuple[Report, Path]:
    """Ask `place` and a sandbox, and write the report into `folder`, beside earlier ones. Raises LiveCheckError.

    now: in UTC. chat: whether the one question that costs something is asked, too.
    """
    report = compare(_plausible(token), place, chat)
    return report, _write_beside(folder, f"{now:%Y-%m-%d_%H%M%S}", as_markdown(report, now))


def compare(token: str, place: Place, chat: bool, transport: httpx2.BaseTransport | None = None) -> Report:
    """Each question once to `place`, through `transport`, and once to a sandbox. Raises LiveCheckError."""
    questions = [*QUESTIONS, CHAT] if chat else list(QUESTIONS)
    theirs = ask(place, questions, token, transport)
    if theirs[0].status_code == 401:
        raise LiveCheckError("The Hub refused the token (401).\n  next: copy it again, or make a new one")
    role = _role(theirs[0])
    with sandbox.start() as hub:
        ours = ask(Place(hub.url, hub.router, "sandbox/haiku"), questions, hub.tokens[_KINDS.get(role, "fine_grained")])
    names = [personal_texts(_json(answers[0])) for answers in (ours, theirs)]
    skipped: list[str] = []
    found: list[Difference] = []
    for question, *answers in zip(questions, ours, theirs, strict=True):
        if answers[1].status_code == 429 or answers[1].status_code >= 500:
            skipped.append(f"{question.name}: {answers[1].status_code}")
            continue
        shapes = [shape(answer, private, question.whole) for answer, private in zip(answers, names, strict=True)]
        found += differences(question.name, *shapes)
    return Report(place, role, len(questions), skipped, found)


def ask(
    place: Place, questions: Sequence[Question], token: str, transport: httpx2.BaseTransport | None = None
) -> list[httpx2.Response]:
    """The answers of `place`, redirects as they are. Raises LiveCheckError where nobody answers."""
    tokens = {"yours": token, "invalid": "hf_" + 34 * "x"}
    answers = []
    with httpx2.Client(transport=transport, timeout=30, headers={"User-Agent": "token-course live-check"}) as client:
        for question in questions:
            url = getattr(place, question.side) + question.path.format(model=place.model)
            headers = {"Authorization": f"Bearer {tokens[question.who]}"} if question.who in tokens else {}
            method = "POST" if question.body else "GET"
            try:
                answers.append(client.request(method, url, headers=headers, json=question.body))
            except httpx2.HTTPError as error:  # it holds the request, and so the token: nothing of it goes on
                what = f"{getattr(place, question.side)} did not answer ({type(error).__name__})"
                raise LiveCheckError(f"{what}.\n  next: the network, a proxy; `make doctor` names it") from None
    return answers


def as_markdown(report: Report, now: datetime) -> str:
    """The report to keep: what the sandbox says otherwise, what it leaves out, what could not be compared."""
    left_out = [one for one in report.found if one.ours == ABSENT]
    compared = report.asked - len(report.skipped)
    head = _HEAD.format(
        now=now, place=report.place, role=report.role, compared=compared, asked=report.asked, absent=ABSENT
    )
    parts = [head, *_section("The sandbox says otherwise", report.contradictions)]
    parts += _section("The sandbox leaves out", left_out)
    if report.skipped:
        parts.append(
            f"Not compared, as the service was busy or broken: {', '.join(report.skipped)}. Ask again later.\n"
        )
    return mask("\n".join(parts))


def _section(title: str, rows: list[Difference]) -> Iterator[str]:
    yield f"## {title}: {len(rows) or 'nothing'}\n"
    if rows:
        yield "| question | field | sandbox | service |\n|---|---|---|---|"
        yield "\n".join("| " + " | ".join(map(_cell, vars(row).values())) + " |" for row in rows) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").split())


def _write_beside(folder: Path, name: str, text: str) -> Path:
    """Write `text` to `name`.md, or with a number behind where that is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    path, number = folder / f"{name}.md", 2
    while True:
        try:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
            return path
        except FileExistsError:
            path, number = folder / f"{name}-{number}.md", number + 1


def _plausible(token: str | None) -> str:
    """`token`, if exercise 01-1 finds nothing against it."""
    problem = solved_names("01")["token_problem"](token or "")
    if problem or token is None:
        step = "put one into the variable HF_TOKEN or into .env: a fine-grained one without any permission is enough"
        raise LiveCheckError(f"HF_TOKEN holds no token: {problem}.\n  next: {step}")
    return token


def _json(answer: httpx2.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _role(whoami: httpx2.Response) -> str:
    """The role, if it is one that we know: any other text may be somebody's."""
    try:
        role = _json(whoami)["auth"]["accessToken"]["role"]
    except (LookupError, TypeError):
        return "unknown"
    return role if role in _KINDS else "unknown"
