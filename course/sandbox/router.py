"""The router: an OpenAI-compatible API in front of the engine."""

from functools import partial

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from course.sandbox.answers import Model
from course.sandbox.chat import ChatRequest, invalid_parameter, openai_error, respond
from course.sandbox.failures import CREDITS_USED_UP, OLD_HOST_GONE
from course.sandbox.permissions import Refusal, refuse_inference
from course.sandbox.world import World

_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def router_app(world: World) -> Starlette:
    """Left out: /v1/responses, embeddings, and the routes of single providers ({provider}/v1/...), which answer 404."""
    routes = [
        ("/v1/models", list_models, ["GET"]),
        ("/v1/models/{org}/{name}", show_model, ["GET"]),
        ("/v1/chat/completions", chat, ["POST"]),
        ("/models/{model_id:path}", old_host, _ANY),
        ("/{path:path}", not_found, _ANY),
    ]
    return Starlette(routes=[Route(path, partial(handler, world), methods=how) for path, handler, how in routes])


async def list_models(world: World, request: Request) -> Response:
    """No token needed. Source: huggingface/hub-docs docs/inference-providers/hub-api.md, 2026-08-22.

    The docs show `data`; "object": "list" is the OpenAI convention.
    """
    return JSONResponse({"object": "list", "data": [model.as_json() for model in world.models.values()]})


async def show_model(world: World, request: Request) -> Response:
    """No token needed. Source as for `list_models`; the body of the 404 is the sandbox's own."""
    model = world.models.get("{org}/{name}".format(**request.path_params))
    if model is None:
        return await not_found(world, request)
    return JSONResponse({"data": model.as_json()})


async def chat(world: World, request: Request) -> Response:
    """Plain or streamed chat. The order of the checks (401, 403, 422, 400, 402) is the sandbox's choice.

    Sources: huggingface/hub-docs docs/inference-providers/tasks/chat-completion.md and pricing.md, 2026-08;
    error bodies: observed, third-party, 2025-08 to 2026-09. The body of the 422 was never seen; it copies 400.
    """
    caller = world.identify(request)
    bill_to = request.headers.get("x-hf-bill-to")
    refusal = caller if isinstance(caller, Refusal) else refuse_inference(caller, world.account, bill_to)
    if refusal is not None:
        return JSONResponse({"error": refusal.message}, refusal.status)
    try:
        asked = ChatRequest.model_validate_json(await request.body())
    except ValidationError as error:
        return invalid_parameter(error)
    model = _find_model(world, asked.model)
    if model is None:
        return _unknown_model(asked.model)
    payer = world.account.payer(bill_to)
    if payer.credit_usd <= 0:
        return JSONResponse({"error": CREDITS_USED_UP}, 402)

    def bill(usage: dict[str, int]) -> None:
        payer.credit_usd -= model.price_usd(usage["prompt_tokens"], usage["completion_tokens"])

    return await respond(request, asked, model.id, world.engine, world.clock.now(), bill)


async def old_host(world: World, request: Request) -> Response:
    """The path of api-inference.huggingface.co, which was shut down. Text: observed, third-party, 2025-12 to 2026-05.

    On the real router this path does not exist; it stands here so that old code can be tried.
    """
    return JSONResponse({"error": OLD_HOST_GONE}, 410)


async def not_found(world: World, request: Request) -> Response:
    """Any other address. The body of the router's 404 was never seen; this one is the sandbox's own."""
    return JSONResponse({"error": "Not Found"}, 404)


def _find_model(world: World, asked: str) -> Model | None:
    model_id, _, suffix = asked.partition(":")
    model = world.models.get(model_id)
    return model if model is not None and model.serves(suffix) else None


def _unknown_model(asked: str) -> Response:
    message = f"The requested model '{asked}' is not supported by any provider you have enabled."
    return openai_error(400, message, "model", "model_not_supported")
