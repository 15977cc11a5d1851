# Answers to the exercises of 01_account_setup. Each block is a cell that replaces the exercise's own:
#     # %% 01-1 wrong: name of the mistake that the check must find
#     # %% 01-1 right: another correct way
# The matrix in tests/course/test_exercises.py runs them all.

# %% 01-1 wrong: refuses-all
def token_problem(text):
    return "no"

# %% 01-1 wrong: alphabet
import re
def token_problem(text):
    return None if re.fullmatch(r"hf_[A-Za-z]\w{33,}|hf_oauth_.*", text) else "this is not a token"

# %% 01-1 wrong: fixed-length
def token_problem(text):
    return None if text.startswith("hf_") and len(text) == 37 else "a token has 37 characters"

# %% 01-1 wrong: misses-nothing-in-it
def token_problem(text):
    if not text:
        return None
    return None if text.startswith("hf_") and len(text) >= 37 else "wrong"

# %% 01-1 wrong: misses-only-white-space
def token_problem(text):
    if text == "":
        return "empty"
    text = text.strip()
    if text and not text.startswith("hf_"):
        return "prefix"
    return None

# %% 01-1 wrong: misses-a-line-break-after-it
def token_problem(text):
    text = text.strip()
    return None if text.startswith("hf_") and len(text) >= 37 else "wrong"

# %% 01-1 wrong: misses-a-space-inside
def token_problem(text):
    if text != text.strip():
        return "white space around it"
    return None if text.startswith("hf_") and len(text) >= 37 else "wrong"

# %% 01-1 wrong: misses-straight-quotes
def token_problem(text):
    if any(c.isspace() for c in text):
        return "white space"
    text = text.strip("'\"")
    return None if text.startswith("hf_") and len(text) >= 37 else "wrong"

# %% 01-1 wrong: misses-a-typographic-quote
def token_problem(text):
    if any(c.isspace() or c in "'\"" for c in text):
        return "white space or quotes"
    return None if text.startswith("hf_") and len(text) >= 37 else "wrong"

# %% 01-1 wrong: misses-a-row-of-x
def token_problem(text):
    if any(c.isspace() or c in QUOTES for c in text):
        return "white space or quotes"
    return None if text.startswith("hf_") and len(text) >= 37 else "wrong"

# %% 01-1 wrong: misses-a-placeholder-in-words
def token_problem(text):
    if any(c.isspace() or c in QUOTES for c in text) or len(set(text[3:])) == 1:
        return "white space, quotes or a placeholder"
    return None if text.startswith("hf_") and len(text) >= 37 else "wrong"

# %% 01-1 wrong: misses-an-organisation-token
def token_problem(text):
    if any(c.isspace() or c in QUOTES for c in text) or len(set(text[3:])) == 1 or "your_" in text or "..." in text or "<" in text:
        return "white space, quotes or a placeholder"
    return None if text.startswith(("hf_", "api_org_")) and len(text) >= 37 else "wrong"

# %% 01-1 wrong: misses-another-prefix
def token_problem(text):
    if any(c.isspace() or c in QUOTES for c in text) or len(set(text[3:])) == 1 or "your_" in text or "..." in text or "<" in text:
        return "white space, quotes or a placeholder"
    if text.startswith("api_org_"):
        return "organisation"
    return None if len(text) >= 37 else "too short"

# %% 01-1 wrong: misses-its-end-cut-off
def token_problem(text):
    if any(c.isspace() or c in QUOTES for c in text) or len(set(text[3:])) == 1 or "your_" in text or "..." in text or "<" in text:
        return "white space, quotes or a placeholder"
    return None if text.startswith("hf_") else "wrong prefix"

# %% 01-1 wrong: not-a-sentence
def token_problem(text):
    good = text.startswith("hf_") and len(text) >= 37 and "your_" not in text and "..." not in text and "<" not in text and len(set(text[3:])) > 1
    return None if good and not any(c.isspace() or c in QUOTES for c in text) else False

# %% 01-1 wrong: misses-a-tab-after-it
def token_problem(text):
    if not text.strip() or any(c in " \n" or c in "'\u201d`" for c in text):
        return "nothing, white space or quotes"
    if len(set(text[3:])) == 1 or "your_" in text or "..." in text or "<" in text:
        return "placeholder"
    if text.startswith("api_org_"):
        return "organisation"
    if not text.startswith("hf_"):
        return "prefix"
    return "short" if len(text) < 37 else None

# %% 01-1 wrong: misses-a-backtick
def token_problem(text):
    if not text.strip() or any(c.isspace() or c in "'\u201d" for c in text):
        return "nothing, white space or quotes"
    if len(set(text[3:])) == 1 or "your_" in text or "..." in text or "<" in text:
        return "placeholder"
    if text.startswith("api_org_"):
        return "organisation"
    if not text.startswith("hf_"):
        return "prefix"
    return "short" if len(text) < 37 else None

# %% 01-1 wrong: misses-a-row-of-zeros
def token_problem(text):
    if not text.strip() or any(c.isspace() or c in "'\u201d`" for c in text):
        return "nothing, white space or quotes"
    if "xxxx" in text or "your_" in text or "..." in text or "<" in text:
        return "placeholder"
    if text.startswith("api_org_"):
        return "organisation"
    if not text.startswith("hf_"):
        return "prefix"
    return "short" if len(text) < 37 else None

# %% 01-1 wrong: misses-three-dots
def token_problem(text):
    if not text.strip() or any(c.isspace() or c in "'\u201d`" for c in text):
        return "nothing, white space or quotes"
    if len(set(text[3:])) == 1 or "your_" in text or "<" in text:
        return "placeholder"
    if text.startswith("api_org_"):
        return "organisation"
    if not text.startswith("hf_"):
        return "prefix"
    return "short" if len(text) < 37 else None

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

# %% 01-1 wrong: misses-its-last-character-cut-off
def token_problem(text):
    if not text.strip() or any(c.isspace() or c in "'\u201d`" for c in text):
        return "nothing, white space or quotes"
    if len(set(text[3:])) == 1 or "your_" in text or "..." in text or "<" in text:
        return "placeholder"
    if text.startswith("api_org_"):
        return "organisation"
    if not text.startswith("hf_"):
        return "prefix"
    return "short" if len(text) < 36 else None

# %% 01-1 wrong: quotes-the-text
def token_problem(text):
    good = text.startswith("hf_") and len(text) >= 37 and "your_" not in text and "..." not in text and "<" not in text and len(set(text[3:])) > 1
    return None if good and not any(c.isspace() or c in QUOTES for c in text) else f"{text} is not a token"

# %% 01-1 wrong: one-sentence-for-two
def token_problem(text):
    good = text.startswith("hf_") and len(text) >= 37 and "your_" not in text and "..." not in text and "<" not in text and len(set(text[3:])) > 1
    return None if good and not any(c.isspace() or c in QUOTES for c in text) else "this is not a token"

# %% 01-1 wrong: quotes-the-text
def token_problem(text):
    good = text.startswith("hf_") and len(text) >= 37 and "your_" not in text and "..." not in text and "<" not in text and len(set(text[3:])) > 1
    return None if good and not any(c.isspace() or c in QUOTES for c in text) else f"it ends in {text[-4:]}"

# %% 01-1 wrong: wrong-order
def token_problem(text):
    if not text.strip():
        return "nothing"
    if any(c.isspace() for c in text):
        return "white space"
    if text.startswith("api_org_"):
        return "organisation"
    if len(text) < 37:
        return "cut short"
    if any(c in QUOTES for c in text):
        return "quotes"
    if len(set(text[3:])) == 1 or "your_" in text or "..." in text or "<" in text:
        return "placeholder"
    return None if text.startswith("hf_") else "prefix"

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
class BearerAuth(AuthBase):
    def __init__(self, token):
        self.token = token
    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"

# %% 01-2 wrong: no-bearer
class BearerAuth(AuthBase):
    def __init__(self, token):
        self.token = token
    def __call__(self, request):
        request.headers["Authorization"] = self.token
        return request

# %% 01-2 wrong: old-header-stays
class BearerAuth(AuthBase):
    def __init__(self, token):
        self.token = token
    def __call__(self, request):
        request.headers.setdefault("Authorization", f"Bearer {self.token}")
        return request

# %% 01-2 wrong: drops-headers
class BearerAuth(AuthBase):
    def __init__(self, token):
        self.token = token
    def __call__(self, request):
        request.headers = {"Authorization": f"Bearer {self.token}"}
        return request

# %% 01-2 wrong: shows-token
from dataclasses import dataclass
@dataclass
class BearerAuth(AuthBase):
    token: str
    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request

# %% 01-2 wrong: shows-token
class BearerAuth(AuthBase):
    def __init__(self, token):
        self.token = token
    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request
    def __repr__(self):
        return f"BearerAuth(...{self.token[-4:]})"

# %% 01-2 wrong: shared-token
class BearerAuth(AuthBase):
    def __init__(self, token):
        BearerAuth.token = token
    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request

# %% 01-2 right: a dataclass that hides its field
from dataclasses import dataclass, field
@dataclass(frozen=True)
class BearerAuth(AuthBase):
    token: str = field(repr=False)
    def __call__(self, request):
        request.headers.update({"authorization": " ".join(["Bearer", self.token])})
        return request

# %% 01-3 wrong: wrong-identity
def who_am_i(token, hub_url):
    body = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10).json()
    return Identity(body["name"], body["type"])

# %% 01-3 wrong: token-not-sent
def who_am_i(token, hub_url):
    headers = {"Authorization": f"Bearer {token}"}
    body = requests.get(f"{hub_url}/api/whoami-v2", headers=headers, timeout=10).json()
    access = body["auth"]["accessToken"]
    return Identity(body["name"], access["role"], access["displayName"], body["emailVerified"])

# %% 01-3 wrong: token-in-address
def who_am_i(token, hub_url):
    body = requests.get(f"{hub_url}/api/whoami-v2", params={"token": token}, auth=BearerAuth(token), timeout=10).json()
    access = body["auth"]["accessToken"]
    return Identity(body["name"], access["role"], access["displayName"], body["emailVerified"])

# %% 01-3 wrong: no-timeout
def who_am_i(token, hub_url):
    body = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token)).json()
    access = body["auth"]["accessToken"]
    return Identity(body["name"], access["role"], access["displayName"], body["emailVerified"])

# %% 01-3 wrong: strict-parser
def who_am_i(token, hub_url):
    body = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10).json()
    access = body["auth"]["accessToken"]
    return Identity(body["name"], access["role"], access["displayName"], body["emailVerified"])

# %% 01-3 wrong: 401-not-told-apart
def who_am_i(token, hub_url):
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10)
        answer.raise_for_status()
        body = answer.json()
    except requests.RequestException as error:
        raise HubUnreachable("no answer") from None
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: status-ignored
def who_am_i(token, hub_url):
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10)
        body = answer.json()
    except requests.RequestException as error:
        raise HubUnreachable("no answer") from None
    if answer.status_code == 401:
        raise InvalidToken("refused")
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body.get("name"), access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: network-error-escapes
def who_am_i(token, hub_url):
    answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10)
    if answer.status_code == 401:
        raise InvalidToken("refused")
    if answer.status_code != 200:
        raise HubUnreachable("no answer")
    body = answer.json()
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: not-json-escapes
def who_am_i(token, hub_url):
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10)
    except requests.RequestException:
        raise HubUnreachable("no answer") from None
    if answer.status_code == 401:
        raise InvalidToken("refused")
    if answer.status_code != 200:
        raise HubUnreachable("no answer")
    body = answer.json()
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: follows-redirect
def who_am_i(token, hub_url):
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10)
        body = answer.json()
    except requests.RequestException:
        raise HubUnreachable("no answer") from None
    if answer.status_code == 401:
        raise InvalidToken("refused")
    if answer.status_code != 200:
        raise HubUnreachable("no answer")
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: redirect-accepted
def who_am_i(token, hub_url):
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10, allow_redirects=False)
        body = answer.json() if answer.status_code == 200 else {"name": ""}
    except requests.RequestException:
        raise HubUnreachable("no answer") from None
    if answer.status_code == 401:
        raise InvalidToken("refused")
    if answer.status_code >= 400:
        raise HubUnreachable("no answer")
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: token-in-error
def who_am_i(token, hub_url):
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10, allow_redirects=False)
        body = answer.json() if answer.status_code == 200 else {}
    except requests.RequestException as error:
        raise HubUnreachable(f"no answer: {error}") from None
    if answer.status_code == 401:
        raise InvalidToken("refused")
    if answer.status_code != 200:
        raise HubUnreachable("no answer")
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: chained-error
def who_am_i(token, hub_url):
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10, allow_redirects=False)
        body = answer.json() if answer.status_code == 200 else {}
    except requests.RequestException as error:
        raise HubUnreachable("no answer") from error
    if answer.status_code == 401:
        raise InvalidToken("refused")
    if answer.status_code != 200:
        raise HubUnreachable("no answer")
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: broken-token-shown
def who_am_i(token, hub_url):
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10, allow_redirects=False)
        body = answer.json() if answer.status_code == 200 else {}
    except requests.RequestException:
        raise HubUnreachable("no answer") from None
    if answer.status_code == 401:
        raise InvalidToken("refused")
    if answer.status_code != 200:
        raise HubUnreachable("no answer")
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: error-tells-token
def who_am_i(token, hub_url):
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10, allow_redirects=False)
        body = answer.json() if answer.status_code == 200 else {}
    except requests.RequestException:
        raise HubUnreachable("no answer") from None
    except ValueError:
        raise InvalidToken("a line break in it") from None
    if answer.status_code == 401:
        raise InvalidToken(f"the Hub refused {token}")
    if answer.status_code != 200:
        raise HubUnreachable("no answer")
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: error-tells-token
def who_am_i(token, hub_url):
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10, allow_redirects=False)
        body = answer.json() if answer.status_code == 200 else {}
    except requests.RequestException:
        raise HubUnreachable("no answer") from None
    except ValueError:
        raise InvalidToken("a line break in it") from None
    if answer.status_code == 401:
        raise InvalidToken("refused", answer)
    if answer.status_code != 200:
        raise HubUnreachable("no answer")
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: another-address
def who_am_i(token, hub_url):
    hub_url = "http://hub.test"
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10, allow_redirects=False)
        body = answer.json() if answer.status_code == 200 else {}
    except requests.RequestException:
        raise HubUnreachable("no answer") from None
    except ValueError:
        raise InvalidToken("a line break in it") from None
    if answer.status_code == 401:
        raise InvalidToken("refused")
    if answer.status_code != 200:
        raise HubUnreachable("no answer")
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

# %% 01-3 wrong: prints-token
def who_am_i(token, hub_url):
    try:
        answer = requests.get(f"{hub_url}/api/whoami-v2", auth=BearerAuth(token), timeout=10, allow_redirects=False)
        body = answer.json() if answer.status_code == 200 else {}
    except requests.RequestException:
        raise HubUnreachable("no answer") from None
    except ValueError:
        raise InvalidToken("a line break in it") from None
    print("asking with", token)
    if answer.status_code == 401:
        raise InvalidToken("refused")
    if answer.status_code != 200:
        raise HubUnreachable("no answer")
    access = body.get("auth", {}).get("accessToken", {})
    return Identity(body["name"], access.get("role", "unknown"), access.get("displayName", ""), body.get("emailVerified"))

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
def setup_steps(identity_or_error, env):
    if token_problem(env["HF_TOKEN"]):
        return [SET_TOKEN, CALL_WHOAMI]
    return []

# %% 01-4 wrong: empty-token
def setup_steps(identity_or_error, env):
    if "HF_TOKEN" not in env:
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    return [SET_TOKEN, CALL_WHOAMI]

# %% 01-4 wrong: blank-token
def setup_steps(identity_or_error, env):
    if not env.get("HF_TOKEN"):
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    return [SET_TOKEN, CALL_WHOAMI]

# %% 01-4 wrong: placeholder-taken
def setup_steps(identity_or_error, env):
    if not env.get("HF_TOKEN", "").strip():
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    return [CALL_WHOAMI]

# %% 01-4 wrong: refused-token
def setup_steps(identity_or_error, env):
    if not env.get("HF_TOKEN", "").strip():
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    if token_problem(env["HF_TOKEN"]):
        return [SET_TOKEN, CALL_WHOAMI]
    if isinstance(identity_or_error, Exception):
        return [CALL_WHOAMI]
    return []

# %% 01-4 wrong: no-answer
def setup_steps(identity_or_error, env):
    if not env.get("HF_TOKEN", "").strip() or isinstance(identity_or_error, Exception):
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    if token_problem(env["HF_TOKEN"]):
        return [SET_TOKEN, CALL_WHOAMI]
    return [CALL_WHOAMI] if identity_or_error is None else []

# %% 01-4 wrong: unverified
def setup_steps(identity_or_error, env):
    if not env.get("HF_TOKEN", "").strip() or isinstance(identity_or_error, InvalidToken):
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    if token_problem(env["HF_TOKEN"]):
        return [SET_TOKEN, CALL_WHOAMI]
    return [] if isinstance(identity_or_error, Identity) else [CALL_WHOAMI]

# %% 01-4 wrong: unknown-is-no
def setup_steps(identity_or_error, env):
    if not env.get("HF_TOKEN", "").strip() or isinstance(identity_or_error, InvalidToken):
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    if token_problem(env["HF_TOKEN"]):
        return [SET_TOKEN, CALL_WHOAMI]
    if not isinstance(identity_or_error, Identity):
        return [CALL_WHOAMI]
    return [] if identity_or_error.email_verified else [VERIFY_EMAIL]

# %% 01-4 wrong: never-ready
def setup_steps(identity_or_error, env):
    if not env.get("HF_TOKEN", "").strip() or isinstance(identity_or_error, InvalidToken):
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    if token_problem(env["HF_TOKEN"]):
        return [SET_TOKEN, CALL_WHOAMI]
    return [VERIFY_EMAIL] if isinstance(identity_or_error, Identity) else [CALL_WHOAMI]

# %% 01-4 wrong: answer-first
def setup_steps(identity_or_error, env):
    if isinstance(identity_or_error, Identity):
        return [VERIFY_EMAIL] if identity_or_error.email_verified is False else []
    if not env.get("HF_TOKEN", "").strip() or isinstance(identity_or_error, InvalidToken):
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    return [SET_TOKEN, CALL_WHOAMI] if token_problem(env["HF_TOKEN"]) else [CALL_WHOAMI]

# %% 01-4 wrong: reads-os-environ
import os
def setup_steps(identity_or_error, env):
    token = env.get("HF_TOKEN") or os.environ.get("HF_TOKEN", "")
    if not token.strip() or isinstance(identity_or_error, InvalidToken):
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    if token_problem(token):
        return [SET_TOKEN, CALL_WHOAMI]
    if not isinstance(identity_or_error, Identity):
        return [CALL_WHOAMI]
    return [VERIFY_EMAIL] if identity_or_error.email_verified is False else []

# %% 01-4 wrong: answer-before-text
def setup_steps(identity_or_error, env):
    token = env.get("HF_TOKEN", "").strip()
    if not token or isinstance(identity_or_error, InvalidToken):
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    if token_problem(token):
        return [SET_TOKEN, CALL_WHOAMI]
    if not isinstance(identity_or_error, Identity):
        return [CALL_WHOAMI]
    return [VERIFY_EMAIL] if identity_or_error.email_verified is False else []

# %% 01-4 wrong: changes-env
def setup_steps(identity_or_error, env):
    env.setdefault("HF_TOKEN", "")
    if not env["HF_TOKEN"].strip():
        return [CREATE_TOKEN, SET_TOKEN, CALL_WHOAMI]
    return [CALL_WHOAMI]

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

# %% 01-2 right: without a repr of its own
class BearerAuth(AuthBase):
    def __init__(self, token):
        self.token = token
    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request
