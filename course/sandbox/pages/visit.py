"""One request to a page: who asks, what the form says, and the ways to answer."""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from course.sandbox.account import Account
from course.sandbox.limits import Usage
from course.sandbox.pages.session import Session, Sessions
from course.sandbox.pages.templates import render
from course.sandbox.world import World

TOKENS = "/settings/tokens"


@dataclass
class Visit:
    """What a page's handler is given. form: the fields of a POST, each of which may occur more than once."""

    world: World
    sessions: Sessions
    session: Session
    request: Request
    form: QueryParams

    @property
    def account(self) -> Account:
        return self.world.account

    @property
    def sends(self) -> bool:
        return self.request.method == "POST"

    def show(
        self, template: str, status: int = 200, errors: Mapping[str, str] | None = None, **values: object
    ) -> Response:
        """A page. errors: name of a field -> what is wrong with it; the page then has status 422."""
        html = render(
            template,
            errors=errors or {},
            account=self.account,
            session=self.session,
            notice=self.session.take_notice(),
            now=self.world.clock.now(),
            hub=_origin(self.request),
            once=secrets.token_urlsafe(12),
            **values,
        )
        return HTMLResponse(html, 422 if errors else status)

    def go(self, path: str, notice: str = "") -> Response:
        """Lead the browser to another page of ours, with a GET."""
        self.session.notice = notice
        return RedirectResponse(path, 303)

    def problem(self, status: int, title: str, next_step: str) -> Response:
        return self.show("problem.html", status, title=title, next_step=next_step)

    def was_done(self) -> bool:
        """Was this very form sent and obeyed before, as a reload does? It must not act or show a value again."""
        return self.form.get("once", "") in self.session.spent

    def done(self) -> None:
        self.session.spent.add(self.form.get("once", ""))


Page = Callable[[Visit], Response]


def endpoint(world: World, sessions: Sessions, page: Page, is_open: bool) -> Callable[[Request], Awaitable[Response]]:
    """What all pages have in common: session, rate limit, protection of forms, signing in first unless `is_open`."""

    async def answer(request: Request) -> Response:
        form = QueryParams((await request.body()).decode("latin-1")) if request.method == "POST" else QueryParams()
        visit = Visit(world, sessions, sessions.of(request), request, form)
        usage = world.count(request, is_user=visit.session.signed_in)
        response = _too_many(visit, usage) if usage.exceeded else _answered(visit, page, is_open)
        sessions.send(visit.session, request, response)
        response.headers.update(usage.headers())
        return response

    return answer


def _answered(visit: Visit, page: Page, is_open: bool) -> Response:
    if visit.sends and not _is_own_form(visit):
        return visit.problem(
            403,
            "This form was not sent from this page",
            "Nothing was changed. Open the page again and send its form from there.",
        )
    if visit.session.signed_in or is_open:
        return page(visit)
    if not visit.sends:
        visit.session.wanted = str(visit.request.url.replace(scheme="", netloc=""))
    return visit.go("/login")


def _is_own_form(visit: Visit) -> bool:
    """Two proofs: the key that only our pages of this session hold, and the origin, which browsers always name."""
    origin = visit.request.headers.get("origin")
    own_key = hmac.compare_digest(visit.form.get("form_key", "").encode(), visit.session.form_key.encode())
    return own_key and origin in (None, _origin(visit.request))


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _too_many(visit: Visit, usage: Usage) -> Response:
    return visit.problem(
        429,
        "Too many pages",
        f"You asked for more than {usage.quota} pages within {usage.window_seconds // 60} minutes. "
        f"The count begins anew in {usage.reset_seconds} s.",
    )
