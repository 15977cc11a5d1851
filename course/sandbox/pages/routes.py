"""The addresses of the pages, and the headers that they all carry."""

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course.sandbox.pages import organisation, sign_in, token_pages
from course.sandbox.pages.session import Sessions
from course.sandbox.pages.templates import FOLDER
from course.sandbox.pages.visit import TOKENS, Page, endpoint
from course.sandbox.world import World

_GET, _POST, _FORM = ["GET"], ["POST"], ["GET", "POST"]
_LARGEST_FORM_BYTES = 65_536
# Nothing inline, nothing from elsewhere, no frame around it.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    # Not "no-referrer": with it, browsers hide the origin of a form from its own server.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def page_routes(world: World) -> list[BaseRoute]:
    """Paths are those of huggingface.co where known (/join, /login, /settings/tokens...), else the sandbox's own.

    Pages count against the bucket "pages"; style and script do not, and planned faults do not hit them.
    Left out: every other page; those answer like an unknown address of the API.
    """
    sessions = Sessions()
    pages: list[tuple[str, Page, list[str], bool]] = [
        ("/", sign_in.home, _GET, True),
        ("/join", sign_in.join, _FORM, True),
        ("/login", sign_in.log_in, _FORM, True),
        ("/logout", sign_in.log_out, _POST, True),
        ("/mail", sign_in.mail, _GET, False),
        ("/verify/{code}", sign_in.verify, _GET, False),
        ("/settings", lambda visit: visit.go(TOKENS), _GET, False),
        (TOKENS, token_pages.all_tokens, _GET, False),
        (f"{TOKENS}/new", token_pages.new_token, _FORM, False),
        (f"{TOKENS}/{{id}}", token_pages.one_token, _GET, False),
        (f"{TOKENS}/{{id}}/refresh", token_pages.refresh_token, _FORM, False),
        (f"{TOKENS}/{{id}}/delete", token_pages.delete_token, _FORM, False),
        ("/organizations/{name}/settings/tokens", organisation.organisation, _FORM, False),
        ("/organizations/{name}/settings/tokens/decide", organisation.decide, _POST, False),
    ]
    guarded = [Middleware(PageHeaders), Middleware(RequestBodyLimitMiddleware, max_body_size=_LARGEST_FORM_BYTES)]
    routes: list[BaseRoute] = [
        Route(path, endpoint(world, sessions, page, is_open), methods=methods, middleware=guarded)
        for path, page, methods, is_open in pages
    ]
    static = StaticFiles(directory=FOLDER.parent / "static")
    return [*routes, Mount("/static", static, middleware=[Middleware(PageHeaders)])]


class PageHeaders:
    """Puts the headers of all pages on every answer of `app`. more_policy: what its scripts may do besides."""

    def __init__(self, app: ASGIApp, more_policy: str = "") -> None:
        self._app = app
        self._headers = _HEADERS | {"Content-Security-Policy": _POLICY + more_policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)
