"""What the sandbox knows about one browser. It is kept here; the browser holds a random cookie and nothing else."""

import secrets
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

_MOST = 200


def _random() -> str:
    return secrets.token_urlsafe(24)


@dataclass
class Session:
    """One browser's stay. Nothing secret is in its repr.

    form_key: proves that a form comes from a page of this session. mail_code: the ending of the link in the mail.
    email: what was typed at sign-up, for the pretended mail alone. wanted: the page to go to after signing in.
    notice: said at the top of the next page, once. spent: forms that were sent already.
    """

    id: str = field(default_factory=_random, repr=False)
    form_key: str = field(default_factory=_random, repr=False)
    mail_code: str = field(default_factory=_random, repr=False)
    signed_in: bool = False
    email: str = ""
    wanted: str = ""
    notice: str = ""
    spent: set[str] = field(default_factory=set, repr=False)

    def take_notice(self) -> str:
        said, self.notice = self.notice, ""
        return said


class Sessions:
    """The sessions of one sandbox, the newest 200. A cookie that is not known starts a new one."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def of(self, request: Request) -> Session:
        return self._sessions.get(request.cookies.get(_cookie(request), "")) or self._begun(Session())

    def sign_in(self, old: Session) -> Session:
        """A new session for what `old` began: an id from before signing in is worth nothing afterwards."""
        self.end(old)
        return self._begun(Session(signed_in=True, email=old.email, wanted=old.wanted))

    def end(self, session: Session) -> None:
        self._sessions.pop(session.id, None)

    def send(self, session: Session, request: Request, response: Response) -> None:
        """Scripts cannot read the cookie, and forms of other sites do not carry it.

        Lax, not strict: a link in a notebook on another address of this machine must find who is signed in.
        """
        if request.cookies.get(_cookie(request)) != session.id:
            response.set_cookie(_cookie(request), session.id, httponly=True, samesite="lax")

    def _begun(self, session: Session) -> Session:
        self._sessions[session.id] = session
        if len(self._sessions) > _MOST:
            self._sessions.pop(next(iter(self._sessions)), None)
        return session


def _cookie(request: Request) -> str:
    """Named after the port: a browser shows cookies of 127.0.0.1 to every server there, whatever its port."""
    return f"sandbox-session-{request.url.port}"
