"""Gives each request the fault that is planned for it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from course.sandbox.failures import login_page, redirect, status_answer
from course.sandbox.faults import Fault, LoginPage, Pass, Redirect, Side, Status
from course.sandbox.limits import bucket_of
from course.sandbox.tokens import Token
from course.sandbox.world import World


def around(world: World, side: Side, app: ASGIApp) -> ASGIApp:
    """Wrap one side of the sandbox: planned faults come before, or instead of, what `app` would do."""

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        client = world.client_name(request)
        fault = world.faults.take(side, client, request)
        scope["state"]["note"](client=client, fault=None if isinstance(fault, Pass) else str(fault))
        answer = _whole_answer(world, side, fault, request)
        if answer is not None:
            await answer(scope, receive, send)
        elif isinstance(fault, Pass):
            await app(scope, receive, send)
        else:
            await world.wire.play(fault, app, scope, receive, send)

    return faulty


def _whole_answer(world: World, side: Side, fault: Fault, request: Request) -> Response | None:
    """The answer of a fault that needs no broken connection. On the Hub it is counted like any other.

    X-Request-Id is the number of the request in `Sandbox.requests`, such as "sandbox-3".
    Source: the header that huggingface_hub 2.4.0 (errors.py) and openai 3.54.0 (_exceptions.py) put into their errors.
    Left out: the id on answers that did not fail.
    """
    bucket = bucket_of(request.url.path) if side == "hub" else "api"
    match fault:
        case Status():
            answer = status_answer(fault, side, bucket, world.clock.now())
        case Redirect():
            answer = redirect(fault, request.url, world.elsewhere_port)
        case LoginPage():
            answer = login_page(fault)
        case _:
            return None
    answer.headers["X-Request-Id"] = f"sandbox-{request.state.number}"
    if side == "hub":
        for name, value in world.count(request, isinstance(world.identify(request), Token)).headers().items():
            answer.headers.setdefault(name, value)
    return answer
