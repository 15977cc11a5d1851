"""A browser at an app: what a page of some origin is allowed to read of its answers."""

from dataclasses import dataclass

from starlette.testclient import TestClient


@dataclass(frozen=True)
class Visit:
    """What a browser makes of an app. allowed: whether the page gets the answer. told: both answers, in a line."""

    allowed: bool
    text: str
    told: str


def visit(app: object, origin: str, question: str) -> Visit:
    """A page of `origin` asks: first the browser's preflight, then the question."""
    asks = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    body = {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": question}]}
    visitor = TestClient(app, raise_server_exceptions=False)  # type: ignore[arg-type]
    answers = (
        visitor.options("/api/chat", headers=asks),
        visitor.post("/api/chat", headers={"Origin": origin}, json=body),
    )
    names = [each.headers.get("access-control-allow-origin", "nobody") for each in answers]
    return Visit(
        all(each.status_code == 200 for each in answers) and all(name in (origin, "*") for name in names),
        answers[1].text,
        ", ".join(
            f"{each.request.method} with Origin: {origin} -> {each.status_code}, allows {name}"
            for each, name in zip(answers, names, strict=True)
        ),
    )
