"""Signing up, in and out: a pretence. There is one user, no password, and nothing is sent."""

import hmac

from starlette.responses import Response

from course.masking import mask
from course.sandbox.pages.visit import TOKENS, Visit

_LONGEST_ADDRESS = 254


def home(visit: Visit) -> Response:
    return visit.show("home.html")


def join(visit: Visit) -> Response:
    """Sign up with any address. The user stays the sandbox's own, so that what belongs to it keeps its place.

    The address is used for the pretended mail of this browser alone; whoami goes on naming the account's.
    Left out: the choice of a user name, passwords, tests that one is human.
    """
    if not visit.sends:
        return visit.show("join.html", email="")
    email = visit.form.get("email", "").strip()
    problem = _address_problem(email)
    if problem:
        return visit.show("join.html", email=mask(email), errors={"email": problem})
    visit.session = visit.sessions.sign_in(visit.session)
    visit.session.email = email
    return visit.go("/mail", "You are signed up and signed in. One step is left: confirm your address.")


def log_in(visit: Visit) -> Response:
    if not visit.sends:
        return visit.show("login.html")
    visit.session = visit.sessions.sign_in(visit.session)
    return _on_to_what_was_wanted(visit, f"You are signed in as {visit.account.name}.")


def log_out(visit: Visit) -> Response:
    visit.sessions.end(visit.session)
    visit.session = visit.sessions.of(visit.request)
    return visit.go("/", "You are signed out. Your tokens go on working.")


def mail(visit: Visit) -> Response:
    """The mail that was not sent, with its link."""
    return visit.show("mail.html", address=visit.session.email or visit.account.email)


def verify(visit: Visit) -> Response:
    """The link in the mail: from now on whoami says "emailVerified": true."""
    code = visit.request.path_params["code"]
    if not hmac.compare_digest(code.encode(), visit.session.mail_code.encode()):
        return visit.problem(404, "This link is not the one in your mail", "Open the mail again and follow its link.")
    visit.account.email_verified = True
    return _on_to_what_was_wanted(visit, "Your address is confirmed.")


def _on_to_what_was_wanted(visit: Visit, notice: str) -> Response:
    wanted, visit.session.wanted = visit.session.wanted, ""
    return visit.go(wanted or TOKENS, notice)


def _address_problem(email: str) -> str | None:
    name, _, host = email.partition("@")
    if not name or not host or any(letter.isspace() for letter in email):
        return "Enter an address with an @, such as you@example.test. Nothing is sent to it."
    if len(email) > _LONGEST_ADDRESS:
        return f"Enter an address of at most {_LONGEST_ADDRESS} characters. This one has {len(email)}."
    return None
