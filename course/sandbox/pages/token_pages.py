"""Settings > Access Tokens: the list, a new token, its value shown once, refresh and delete.

Source: huggingface/hub-docs docs/hub/security-tokens.md, 2026-08-07. That a value is shown once is documented for
service accounts and observed for personal tokens. Texts and design are the sandbox's own.
"""

from dataclasses import replace

from starlette.responses import Response

from course.masking import mask
from course.sandbox.pages.described import Described
from course.sandbox.pages.token_form import (
    FIELDS,
    TokenForm,
    offered,
    own_repositories,
    prefilled_form,
    problems,
    sent_form,
)
from course.sandbox.pages.visit import TOKENS, Visit
from course.sandbox.tokens import Token

_REPEATED = (
    "That form was sent before, so nothing was done again. A value is shown only once: "
    "if you lost it, refresh the token."
)


def all_tokens(visit: Visit) -> Response:
    """The tokens that a person made; what applications received by OAuth is no part of this page."""
    tokens = [Described(token, visit.world) for token in visit.world.tokens.all() if token.role != "oauth"]
    return visit.show("tokens.html", tokens=tokens[::-1])


def new_token(visit: Visit) -> Response:
    """GET: the form, prefilled as the link says. POST: the new token's value, in this one answer and nowhere else."""
    if not visit.sends:
        form, notes = prefilled_form(visit.request.query_params)
        return _form(visit, form, notes)
    if visit.was_done():
        return visit.go(TOKENS, _REPEATED)
    form = sent_form(visit.form)
    errors = problems(form, visit.world)
    if errors:
        # A name that looks like a token is the one thing that is not given back.
        return _form(visit, replace(form, name=mask(form.name)), [], errors)
    visit.done()
    token = visit.world.tokens.issue(
        None,
        form.role,
        display_name=form.name,
        scopes=form.scopes(visit.world),
        global_permissions=form.global_permissions(),
        can_read_gated=form.opens_gates(),
    )
    return _shown_once(visit, token, "created")


def one_token(visit: Visit) -> Response:
    token = _found(visit)
    return _missing(visit) if token is None else visit.show("token.html", token=Described(token, visit.world))


def refresh_token(visit: Visit) -> Response:
    """GET asks, POST does: a new value, same name and rights; the old value dies at once."""
    token = _found(visit)
    if token is None:
        return _missing(visit)
    if not visit.sends:
        return visit.show("refresh.html", token=Described(token, visit.world))
    if visit.was_done():
        return visit.go(TOKENS, _REPEATED)
    visit.done()
    return _shown_once(visit, visit.world.tokens.refresh(token.id), "refreshed")


def delete_token(visit: Visit) -> Response:
    token = _found(visit)
    if token is None:
        return _missing(visit)
    if not visit.sends:
        return visit.show("delete.html", token=Described(token, visit.world))
    visit.world.tokens.delete(token.id)
    return visit.go(TOKENS, f"{token.display_name} is deleted. Programs that use it get 401 from now on.")


def _form(visit: Visit, form: TokenForm, notes: list[str], errors: dict[str, str] | None = None) -> Response:
    return visit.show(
        "new_token.html",
        errors=errors,
        form=form,
        notes=notes,
        fields=FIELDS,
        boxes={place: offered(place) for place in FIELDS},
        repositories=own_repositories(visit.world),
    )


def _shown_once(visit: Visit, token: Token, done: str) -> Response:
    return visit.show("value.html", token=Described(token, visit.world), value=token.value, done=done)


def _found(visit: Visit) -> Token | None:
    wanted = visit.request.path_params["id"]
    return next((token for token in visit.world.tokens.all() if token.id == wanted and token.role != "oauth"), None)


def _missing(visit: Visit) -> Response:
    return visit.problem(404, "There is no such token", "It may have been deleted. Look at the list of your tokens.")
