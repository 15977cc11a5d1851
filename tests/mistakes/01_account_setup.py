# Answers to the exercises of 01_account_setup. Each block takes the place of the exercise's own cell:
#     # %% 01-2 wrong: name of the mistake that the check must find
#     # %% 01-2 right: another correct way
# A block is the whole answer, or the one slip that turns our solution into it: lines `# -` are replaced by the
# lines `# +` below them. The matrix in tests/course/test_exercises.py runs them all.

# %% 01-1 wrong: refuses-all
def token_problem(text):
    return "no"


# %% 01-1 wrong: alphabet
# -    if len(text) < 37:
# +    if len(text) < 37 or not text[3:].isalnum():

# %% 01-1 wrong: fixed-length
# -    if len(text) < 37:
# +    if len(text) != 37:

# %% 01-1 wrong: misses-nothing-in-it
# -    if not text.strip():
# -        return "there is nothing here; copy the token again"
# +    if not text:
# +        return None

# %% 01-1 wrong: misses-only-white-space
def token_problem(text):
    if text == "":
        return "empty"
    text = text.strip()
    if text and not text.startswith("hf_"):
        return "prefix"
    return None


# %% 01-1 wrong: misses-a-line-break-after-it
# -    if any(character.isspace() for character in text):
# +    if " " in text:

# %% 01-1 wrong: misses-a-space-inside
# -    if any(character.isspace() for character in text):
# +    if text != text.strip():

# %% 01-1 wrong: misses-a-tab-after-it
# -    if any(character.isspace() for character in text):
# +    if " " in text or "\n" in text:

# %% 01-1 wrong: misses-straight-quotes
def token_problem(text):
    if any(c.isspace() for c in text):
        return "white space"
    text = text.strip("'\"")
    return None if text.startswith("hf_") and len(text) >= 37 else "wrong"


# %% 01-1 wrong: misses-a-typographic-quote
# -    if any(quote in text for quote in QUOTES):
# +    if "'" in text or '"' in text or "`" in text:

# %% 01-1 wrong: misses-a-backtick
# -    if any(quote in text for quote in QUOTES):
# +    if any(quote in text for quote in QUOTES if quote != "`"):

# %% 01-1 wrong: misses-a-row-of-x
# -    if same_all_over or any(sign in text for sign in ("...", "<", "your_")):
# +    if any(sign in text for sign in ("...", "<", "your_")):

# %% 01-1 wrong: misses-a-row-of-zeros
# -len(set(text[3:])) == 1
# +set(text[3:]) == {"x"}

# %% 01-1 wrong: misses-a-placeholder-in-words
# -    if same_all_over or any(sign in text for sign in ("...", "<", "your_")):
# +    if same_all_over or any(sign in text for sign in ("...", "<")):

# %% 01-1 wrong: misses-three-dots
# -    if same_all_over or any(sign in text for sign in ("...", "<", "your_")):
# +    if same_all_over or any(sign in text for sign in ("<", "your_")):

# %% 01-1 wrong: misses-an-angle-bracket
def token_problem(text):
    if not text.strip() or any(c.isspace() or c in "'\u201d`" for c in text):
        return "nothing, white space or quotes"
    if len(set(text[3:])) == 1 or "your_" in text or "..." in text:
        return "placeholder"
    if text.startswith("api_org_"):
        return "organisation"
    if "hf_" not in text and not text.startswith("hf_"):
        return "prefix"
    return "short" if len(text) < 37 else None


# %% 01-1 wrong: misses-an-organisation-token
# -    if text.startswith("api_org_"):
# -        return "this is an organisation token; make a personal one"
# -    if not text.startswith("hf_"):
# +    if not text.startswith(("hf_", "api_org_")):

# %% 01-1 wrong: misses-another-prefix
# -    if not text.startswith("hf_"):
# -        return "a user token starts with hf_; copy it from Settings > Access Tokens"

# %% 01-1 wrong: misses-its-end-cut-off
# -    if len(text) < 37:
# -        return f"only {len(text)} characters, a token has 37; copy all of it"

# %% 01-1 wrong: misses-its-last-character-cut-off
# -    if len(text) < 37:
# +    if len(text) < 36:

# %% 01-1 wrong: not-a-sentence
# -        return "there are quotes in it; copy the value without them"
# +        return False

# %% 01-1 wrong: quotes-the-text
# -        return "there are quotes in it; copy the value without them"
# +        return f"{text} has quotes in it"

# %% 01-1 wrong: quotes-the-text
# -f"only {len(text)} characters
# +f"{text[-4:]} is its end

# %% 01-1 wrong: one-sentence-for-two
# -    if text.startswith("api_org_"):
# -        return "this is an organisation token; make a personal one"

# %% 01-1 wrong: wrong-order
# -    same_all_over =
# +    if text.startswith("hf_") and len(text) < 37:
# +        return f"only {len(text)} characters, a token has 37; copy all of it"
# +    same_all_over =

# %% 01-1 wrong: endless
def token_problem(text):
    while True:
        try:
            text = text + "x" if len(text) < 10 else text[:5]
        except Exception:
            continue


# %% 01-1 right: a table of rules and one loop
RULES = [
    ("nothing here", lambda t: not t.strip()),
    ("white space in it", lambda t: len(t.split()) != 1 or t != t.strip()),
    ("quotes in it", lambda t: set(t) & set(QUOTES)),
    ("a placeholder", lambda t: len(set(t[3:])) < 2 or any(s in t for s in ("...", "<", "your_"))),
    ("an organisation's token", lambda t: t[:8] == "api_org_"),
    ("not the prefix hf_", lambda t: t[:3] != "hf_"),
    ("cut short", lambda t: len(t) < 37),
]
def token_problem(text):
    return next((sentence for sentence, rule in RULES if rule(text)), None)


# %% 01-2 wrong: no-auth-base
class BearerAuth:
    def __init__(self, token):
        self.token = token
    def __call__(self, request):
        request.headers["Authorization"] = "Bearer " + self.token
        return request


# %% 01-2 wrong: no-return
# -        return request
# +        pass

# %% 01-2 wrong: no-bearer
# -f"Bearer {self._token}"
# +self._token

# %% 01-2 wrong: old-header-stays
# -request.headers["Authorization"] = f"Bearer {self._token}"
# +request.headers.setdefault("Authorization", f"Bearer {self._token}")

# %% 01-2 wrong: drops-headers
# -request.headers["Authorization"] = f"Bearer {self._token}"
# +request.headers = {"Authorization": f"Bearer {self._token}"}

# %% 01-2 wrong: shared-token
# -self._token = token
# +BearerAuth._token = token

# %% 01-2 wrong: shows-token
from dataclasses import dataclass
@dataclass
class BearerAuth(AuthBase):
    token: str
    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


# %% 01-2 wrong: shows-token
# -return "BearerAuth(hidden)"
# +return f"BearerAuth(...{self._token[-4:]})"

# %% 01-2 right: a dataclass that hides its field
from dataclasses import dataclass, field
@dataclass(frozen=True)
class BearerAuth(AuthBase):
    token: str = field(repr=False)
    def __call__(self, request):
        request.headers.update({"authorization": " ".join(["Bearer", self.token])})
        return request


# %% 01-2 right: without a repr of its own
class BearerAuth(AuthBase):
    def __init__(self, token):
        self.token = token
    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


# %% 01-3 wrong: wrong-identity
# -role=access.get("role", "unknown")
# +role=body.get("type", "unknown")

# %% 01-3 wrong: wrong-identity
# -email_verified=body.get("emailVerified")
# +email_verified=body.get("emailVerified") or None

# %% 01-3 wrong: token-not-sent
# -auth=BearerAuth(token)
# +headers={"Authorization": f"Bearer {token}"}

# %% 01-3 wrong: token-in-address
# -requests.get(url,
# +requests.get(url, params={"token": token},

# %% 01-3 wrong: another-address
# -f"{hub_url}/api/whoami-v2"
# +"http://hub.test/api/whoami-v2"

# %% 01-3 wrong: no-timeout
# -timeout=(5, 10),

# %% 01-3 wrong: strict-parser
# -(body.get("auth") or {}).get("accessToken") or {}
# +body["auth"]["accessToken"]

# %% 01-3 wrong: 401-not-told-apart
# -    if answer.status_code == 401:
# -        raise InvalidToken("the Hub refused the token (401): copy it again, or make a new one")

# %% 01-3 wrong: status-ignored
# -        body = answer.json() if answer.status_code == 200 else {}
# +        body = answer.json()
# -    if answer.status_code != 200:
# -        raise HubUnreachable(f"the Hub answered {answer.status_code}, not 200")
# -    if not isinstance(body, dict) or "name" not in body:
# -        raise HubUnreachable("the answer is not that of a Hub")

# %% 01-3 wrong: network-error-escapes
# -    except requests.RequestException as error:
# -        raise HubUnreachable(f"no answer from the Hub: {type(error).__name__}") from None

# %% 01-3 wrong: not-json-escapes
# -        body = answer.json() if answer.status_code == 200 else {}
# +        body = None
# -    if not isinstance(body, dict) or "name" not in body:
# -        raise HubUnreachable("the answer is not that of a Hub")
# +    body = answer.json()

# %% 01-3 wrong: follows-redirect
# -, allow_redirects=False

# %% 01-3 wrong: redirect-accepted
# -        body = answer.json() if answer.status_code == 200 else {}
# +        body = answer.json() if answer.status_code == 200 else {"name": ""}
# -!= 200:
# +>= 400:

# %% 01-3 wrong: token-in-error
# -{type(error).__name__}
# +{error}

# %% 01-3 wrong: chained-error
# -{type(error).__name__}") from None
# +{type(error).__name__}") from error

# %% 01-3 wrong: broken-token-shown
# -    except ValueError:  # from Python's own http.client, which refuses to send a line break, and quotes the token
# -        raise InvalidToken("the token cannot be sent: it holds a character that no header can carry") from None

# %% 01-3 wrong: error-tells-token
# -InvalidToken("the Hub refused the token (401): copy it again, or make a new one"
# +InvalidToken(f"refused: {token}"

# %% 01-3 wrong: error-tells-token
# -the Hub refused the token (401): copy it again, or make a new one")
# +the Hub refused the token (401): copy it again, or make a new one", answer)

# %% 01-3 wrong: prints-token
# -    return Identity(
# +    print("asked with", token)
# +    return Identity(

# %% 01-3 right: a session, and the error raised outside the handler
def who_am_i(token, hub_url):
    problem = None
    with requests.Session() as session:
        session.auth = BearerAuth(token.strip())
        try:
            answer = session.request("GET", hub_url + "/api/whoami-v2", timeout=(3, 5), allow_redirects=False)
            answer.raise_for_status()
            body = answer.json() if answer.status_code == 200 else None
        except requests.HTTPError as error:
            refused = error.response.status_code == 401
            problem = InvalidToken("refused") if refused else HubUnreachable("no usable answer")
        except (requests.RequestException, ValueError):
            problem = HubUnreachable("no answer")
    if problem is None and body is None:
        problem = HubUnreachable("a redirect")
    if problem:
        raise problem
    token_info = (body.get("auth") or {}).get("accessToken") or {}
    known = {"role": token_info.get("role"), "token_name": token_info.get("displayName"), "email_verified": body.get("emailVerified")}
    return Identity(body["name"], **{key: value for key, value in known.items() if value is not None})


# %% 01-4 wrong: missing-token
# -env.get("HF_TOKEN", "")
# +env["HF_TOKEN"]

# %% 01-4 wrong: empty-token
# -if not token.strip():
# +if "HF_TOKEN" not in env:

# %% 01-4 wrong: blank-token
# -if not token.strip():
# +if not token:

# %% 01-4 wrong: placeholder-taken
# -    if token_problem(token):
# -        return [SET_TOKEN, CALL_WHOAMI]

# %% 01-4 wrong: refused-token
# -    if isinstance(identity_or_error, InvalidToken):
# -        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]

# %% 01-4 wrong: no-answer
# -isinstance(identity_or_error, InvalidToken)
# +isinstance(identity_or_error, Exception)

# %% 01-4 wrong: unverified
# -    if identity_or_error.email_verified is False:
# -        return [VERIFY_EMAIL]

# %% 01-4 wrong: unknown-is-no
# -identity_or_error.email_verified is False
# +not identity_or_error.email_verified

# %% 01-4 wrong: never-ready
# -    return []
# +    return [CALL_WHOAMI]

# %% 01-4 wrong: answer-first
# -    token = env
# +    if isinstance(identity_or_error, Identity):
# +        return [VERIFY_EMAIL] if identity_or_error.email_verified is False else []
# +    token = env

# %% 01-4 wrong: answer-before-text
# -token_problem(token)
# +token_problem(token.strip())

# %% 01-4 wrong: reads-os-environ
# -env.get("HF_TOKEN", "")
# +env.get("HF_TOKEN") or __import__("os").environ.get("HF_TOKEN", "")

# %% 01-4 wrong: changes-env
# -env.get("HF_TOKEN", "")
# +env.setdefault("HF_TOKEN", "")

# %% 01-4 right: match on the outcome
def setup_steps(identity_or_error, env):
    token = (env.get("HF_TOKEN") or "").strip()
    begin = [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    if not token:
        return begin
    if token_problem(env["HF_TOKEN"]) is not None:
        return begin[1:]
    match identity_or_error:
        case InvalidToken():
            return begin
        case Identity(email_verified=False):
            return [VERIFY_EMAIL]
        case Identity():
            return []
        case _:
            return begin[2:]
