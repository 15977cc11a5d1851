# %% [markdown]
# # 02 The right token
#
# After this you can
#
# - **name** the kinds of token that exist, and those that exist only in guides;
# - **read** from an answer of the Hub what a token may do;
# - **choose** the smallest token for a job, which is sometimes none;
# - **link** to the page that creates it, with the boxes already ticked;
# - **audit** the tokens of a team.
#
# You should know what a token is and how it travels (lesson 01). About 95 minutes. Works offline: a sandbox on this
# machine plays Hugging Face, and its tokens open nothing anywhere else.

# %% [markdown]
# ## 1. Which kinds exist
#
# A guide offers you four kinds: Read, Write, Inference, Fine-grained. The Hub itself can tell you the kind of a token that
# you hold. **Predict, then run:** which of the four kinds will you see below?

# %%
import json
from typing import Any

import requests

from course import check, hint, needs, sandbox, solution, table  # noqa: F401

hub = sandbox.start()


def ask_whoami(token: str) -> dict[str, Any]:
    """What the Hub says about `token`."""
    answer = requests.get(f"{hub.url}/api/whoami-v2", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


for name in ("read", "write", "fine_grained"):
    print(ask_whoami(hub.tokens[name])["auth"]["accessToken"]["role"])

# %% [markdown]
# Three kinds, and no "Inference". There are a few more that programs get for a while:
#
# | guides say | true? | what it is |
# |---|---|---|
# | Read | exists | reads **everything that you can read**: your private repositories and those of your organisations |
# | Write | exists | the same, and writes wherever you can write |
# | Fine-grained | exists | only what was ticked, only where it was ticked. Recommended for production |
# | Inference, Serverless | **no such kind** | one permission of a fine-grained token: "Make calls to Inference Providers" |
# | organisation token | **gone** since 2024 | its prefix was `api_org_` |
# | a token from "Sign in with HF" | exists | an OAuth token, prefix `hf_oauth_`. It expires |
#
# Read and Write are called the **classic** kinds. In 2024 Hugging Face announced a plan to retire them some day; as of 2026-08 both are still documented.
#
# Source: hub-docs, `docs/hub/security-tokens.md` (2026-08-07), `docs/hub/oauth.md` and `docs/inference-providers/index.md`
# (2026-08-22); Hugging Face blog, `space-secrets-disclosure.md`, 2024-05.

# %% [markdown]
# A whole answer, once: first for the Read token, then the part `auth` for one from "Sign in with HF". **Predict:** which
# part of the first answer will be missing from the second?

# %%
print(json.dumps(ask_whoami(hub.tokens["read"]), indent=1))
print(json.dumps(ask_whoami(hub.tokens["oauth"])["auth"], indent=1))

# %% [markdown]
# `accessToken`, and `role` with it. (That shape is the sandbox's guess: no page documents what whoami says about an OAuth token.) Now teach a program to tell them apart.

# %%
from collections.abc import Mapping
from enum import StrEnum


class TokenKind(StrEnum):
    FINE_GRAINED = "fineGrained"
    READ = "read"
    WRITE = "write"
    OAUTH = "oauth"
    UNKNOWN = "unknown"


# %% [markdown]
# ### Exercise 02-1: which kind is it?   (about 9 lines, 7 minutes)
#
# Write `token_kind(whoami)`. It gets the whole answer of whoami, already parsed, and returns a `TokenKind`.
#
# - `auth.accessToken.role` is `"fineGrained"`, `"read"` or `"write"`: return that kind, whatever `auth.type` says. Another role is `UNKNOWN`, also `"oauth"`, which is no role.
# - `accessToken` is missing, `null` or empty (`{}`), and `auth.type` is `"oauth"`: `OAUTH`.
# - Everything else is `UNKNOWN`. It never raises for a dict: `auth` and `accessToken` may be missing, `null` or empty, every other field missing or `null`.
#   The answer about a CI run has no `auth` at all.
#
# Example: `token_kind({"auth": {"accessToken": {"role": "read"}}})` → `TokenKind.READ`; `token_kind({})` → `TokenKind.UNKNOWN`.
# Check: the cell below, or `make check EX=02-1`.


# %%
def token_kind(whoami: Mapping[str, Any]) -> TokenKind:
    """The kind of the token that an answer of whoami is about. Never raises: what it does not know is UNKNOWN."""
    # BEGIN SOLUTION
    auth = whoami.get("auth") or {}
    access = auth.get("accessToken") or {}
    if not access:
        return TokenKind.OAUTH if auth.get("type") == "oauth" else TokenKind.UNKNOWN
    role = access.get("role")
    if role not in (TokenKind.FINE_GRAINED, TokenKind.READ, TokenKind.WRITE):
        return TokenKind.UNKNOWN
    return TokenKind(role)
    # END SOLUTION


# %% [markdown] hint="02-1"
# Two levels may be missing, or may be there and hold `null`, which Python reads as `None`. What does `{}.get("auth", {})` give you, and
# what does `{"auth": None}.get("auth", {})`?

# %% [markdown] hint="02-1"
# Nearly code: `auth = whoami.get("auth") or {}`; `access = auth.get("accessToken") or {}`; without `access` look at `auth.get("type")`; with it, look
# whether `access.get("role")` is one of three, before you call `TokenKind(...)`: that raises for a word it does not know.

# %% [markdown] explanation="02-1"
# Why: `or {}` treats a missing field and a `null` alike; a default in `get` covers only the first. A role of next year then
# reads as "unknown", and the caller can decide to be careful.
#
# One alternative: a pydantic model with optional fields; better when you need many of them.
#
# In production: never guess the kind from the prefix. `hf_` is the same for all three, and only the server knows what was ticked.

# %%
check("02-1")

# %% [markdown]
# **Predict** the four lines, then run. Which of them would you not give to a program on a server?

# %%
with needs("02-1"):
    for name in ("read", "write", "fine_grained", "oauth"):
        print(f"{name:<13} {token_kind(ask_whoami(hub.tokens[name]))}")

# %% [markdown]
# ## 2. What each kind opens
#
# Five doors; five tokens, and none. The doors: a public file, your private model, a private model of your organisation (its name is
# `workshop`), a **gated** file (its owner asks who you are first; you were let in when you accepted the licence), and a chat call, which costs money.
# The token `no_inference` is fine-grained, with neither the permission to chat nor the switch that opens gates.
#
# **Predict:** for the row `read`, which of the five will say 200? Write your guess down, then run.

# %%
DOORS = {
    "public": f"{hub.url}/sandbox/haiku/resolve/main/README.md",
    "private": f"{hub.url}/learner/private-notes/resolve/main/README.md",
    "organisation": f"{hub.url}/workshop/private-model/resolve/main/README.md",
    "gated": f"{hub.url}/sandbox/gated-model/resolve/main/README.md",
    "chat": f"{hub.router}/v1/chat/completions",
}


def knock(door: str, token: str | None) -> requests.Response:
    """Try one door with `token`, or with none."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if door != "chat":
        return requests.get(DOORS[door], headers=headers, timeout=10)
    question = {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "What is a token?"}]}
    return requests.post(DOORS[door], headers=headers, json=question, timeout=10)


print(f"{'':<13}", *(f"{door:<13}" for door in DOORS))
for name in ("none", "read", "write", "fine_grained", "no_inference", "revoked"):
    print(f"{name:<13}", *(f"{knock(door, hub.tokens.get(name)).status_code:<13}" for door in DOORS))

# %% [markdown]
# Surprised? `read` is called the safe kind in many guides, and it opens all five. It even spends your credit: the docs say that a Read token
# is meant for inference, too; no table of rights confirms it. Of the four good tokens only the two fine-grained ones are refused anywhere.
#
# The Hub answers 401 to a bad token even at the public door: sending a bad one is worse than sending none.

# %% [markdown]
# ## 3. Read a refusal
#
# The same number has several causes, so look at the text too. The next cell collects seven refusals. For each, ask **whose turn it
# is now**: mine (another token), that of whoever owns the thing (let me in), or that of my organisation's administrator?

# %%
import textwrap


def tell(name: str, door: str, policy: str = "allow_all") -> None:
    """Knock, and print the status with the text; under a policy of the organisation if one is given."""
    hub.account.organisation.policy = policy  # type: ignore[assignment]
    answer = knock(door, hub.tokens.get(name))
    hub.account.organisation.policy = "allow_all"
    said = "come in" if answer.ok else answer.json()["error"]
    print(textwrap.fill(f"{answer.status_code} {name} at {door}: {said}", width=100, subsequent_indent="    "))


DOORS["gated, not granted"] = f"{hub.url}/sandbox/gated-other/resolve/main/README.md"
tell("none", "private")
tell("revoked", "public")
tell("no_inference", "chat")
tell("no_inference", "gated")
tell("read", "gated, not granted")
tell("read", "organisation", policy="only_fine_grained")
tell("pending", "organisation", policy="approval")  # a fine-grained token that waits for an administrator

# %% [markdown]
# | status | the text speaks of | cause | whose turn |
# |---|---|---|---|
# | 401 | username or password | no token arrived | mine: send one |
# | 401 | invalid credentials | the token is wrong, deleted or revoked | mine: make a new one |
# | 403 | sufficient permissions | a box is not ticked | mine: tick it |
# | 403 | gated repositories in your settings | the token's switch for gates is off | mine: turn it on |
# | 403 | the authorized list | the gate has not let me in | the owner's, after I asked |
# | 403 | organization token policy | the organisation wants another kind, or must approve mine | the administrator's, or mine: make a fine-grained one |
# | 404 | not found | it does not exist, **or** it is private and this token may not see it | mine: check name and token |
#
# An organisation with a Team or Enterprise plan chooses: all kinds (the default), only fine-grained, or only fine-grained that an
# administrator approved. Source: hub-docs, `docs/hub/enterprise-tokens-management.md`, 2026-08-22. The text for a Read token under "only
# fine-grained" is our own; the page gives the status alone. The other texts are documented or were observed (third-party, 2025-05 to 2026-09).
#
# **Try it:** predict, then call `tell("no_inference", "organisation")`. Which line of the table is it, and why does the Hub not say 403?

# %% [markdown]
# (The last line of the table: a 403 would tell you that the private model exists.)
#
# ## 4. What a fine-grained token may do
#
# Its answer from whoami lists its rights. Run, then answer: may this token read `learner/private-notes`? May it write there?

# %%
print(json.dumps(ask_whoami(hub.tokens["fine_grained"])["auth"]["accessToken"]["fineGrained"], indent=1))

# %% [markdown]
# - `scoped`: permissions on one **entity**: a user, an organisation, or one repository (model, dataset, or Space: an app that the Hub runs). What is ticked for a
#   user or an organisation holds for all their repositories.
# - `global`: permissions without an entity. Two exist: `discussion.write`, for the repositories of **others**, and `post.write`. Older
#   answers also have the inference permission here.
# - `canReadGatedRepos`: a switch. It opens gates whose licence you have accepted, no others.
#
# These are the permissions that we know. The ids were observed in answers of whoami; we found no official list (2026-11).
# **Predict, then run:** how many of them can cost you money?

# %%
PERMISSIONS = [permission for group in table("permissions")["groups"] for permission in group["permissions"]]
print(f"{'id, as whoami says it':<32} {'at worst':<9} {'label on the page':<46} where")
for each in PERMISSIONS:
    print(f"{each['id']:<32} {each['power']:<9} {each['label']:<46} {', '.join(each['on'])}")

# %% [markdown]
# The two classic kinds have no list: they open whatever **you** can open. The docs name reading, writing and inference; the rest of
# `CLASSIC` is inferred from that sentence. Its size says why such a token is a bad one to lose. **Predict** the two numbers.
#
# Skim the rest of the cell. `fine_grained` turns an answer into tidy sets, so that you can think about rights and not about missing fields.

# %%
from dataclasses import dataclass

GATED = "canReadGatedRepos"
CLASSIC = {
    kind: {permission["id"] for permission in PERMISSIONS if kind in permission["held_by"]}
    for kind in (TokenKind.READ, TokenKind.WRITE)
}


@dataclass(frozen=True)
class Entity:
    """kind: "user", "org", "model", "dataset", "space", or "global" for everybody's repositories."""

    kind: str
    name: str  # "learner", "workshop", "learner/private-notes"

    @property
    def owner(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class FineGrained:
    """What a fine-grained token lists. scoped: (entity, permission) pairs; everywhere: its `global` permissions."""

    gated: bool
    everywhere: frozenset[str]
    scoped: frozenset[tuple[Entity, str]]


def fine_grained(whoami: Mapping[str, Any]) -> FineGrained:
    """The list in an answer about a fine-grained token; what is missing or null counts as not held."""
    rights = whoami["auth"]["accessToken"].get("fineGrained") or {}
    scoped = set()
    for scope in rights.get("scoped") or []:
        where = scope.get("entity") or {}
        entity = Entity(where.get("type", ""), where.get("name", ""))
        scoped |= {(entity, permission) for permission in scope.get("permissions") or []}
    return FineGrained(rights.get(GATED) is True, frozenset(rights.get("global") or []), frozenset(scoped))


def is_mine(whoami: Mapping[str, Any], entity: Entity) -> bool:
    """Whether the entity belongs to the user of this answer, or to one of the user's organisations."""
    organisations = [org.get("name") for org in whoami.get("orgs") or []]
    return entity.owner in [whoami.get("name"), *organisations]


print(
    f"of {len(PERMISSIONS)} permissions Read holds {len(CLASSIC[TokenKind.READ])}, Write {len(CLASSIC[TokenKind.WRITE])}"
)

# %% [markdown]
# ### Exercise 02-2: may it?   (about 14 lines, 18 minutes)
#
# Write `can(whoami, permission, entity)`: does this token bring `permission` on `entity`? Public things need no token and are not asked here. By kind:
#
# - **Fine-grained** (use `fine_grained`), one of these is enough:
#   - it is scoped to this very entity: kind **and** name are equal;
#   - the entity is a repository (model, dataset, Space), and it is scoped to the `user` or the `org` that owns it;
#   - it is in `everywhere`, and reaches the entity: `discussion.write` there means what is **not** yours (`is_mine`), every other permission what is.
# - For all three places: `repo.write` includes `repo.content.read`.
# - **Read and Write**: the permission is in `CLASSIC` and the entity is yours. `discussion.write` needs no ownership: a Write token may take part anywhere.
# - **OAuth and unknown**: false, because the answer does not say.
# - `GATED` is no permission but a switch, whatever the entity: for fine-grained tokens `gated` decides; Read and Write always have it.
#
# Example: with the token above, `can(..., "repo.content.read", Entity("model", "learner/private-notes"))` → `True`, and `"repo.write"` → `False`.
# Check: the cell below, or `make check EX=02-2`.


# %%
def can(whoami: Mapping[str, Any], permission: str, entity: Entity) -> bool:
    """Whether the token of this whoami answer holds `permission` on `entity`; False where the answer does not say."""
    # BEGIN SOLUTION
    kind, mine = token_kind(whoami), is_mine(whoami, entity)
    if kind in CLASSIC:
        held_by_kind = permission in CLASSIC[kind] and (mine or permission == "discussion.write")
        return permission == GATED or held_by_kind
    if kind != TokenKind.FINE_GRAINED:
        return False
    rights = fine_grained(whoami)
    if permission == GATED:
        return rights.gated
    places = {entity}
    if entity.kind not in ("user", "org"):
        places |= {Entity("user", entity.owner), Entity("org", entity.owner)}
    held = {each for place, each in rights.scoped if place in places}
    held |= {each for each in rights.everywhere if mine != (each == "discussion.write")}
    return permission in held or (permission == "repo.content.read" and "repo.write" in held)
    # END SOLUTION


# %% [markdown] hint="02-2"
# First split by kind. For a fine-grained token, collect everything that is held on this entity into one set, then ask the set. Which
# entities cover `Entity("model", "learner/private-notes")`? There are three.

# %% [markdown] hint="02-2"
# Nearly code: `places = {entity}`, and for a repository also `Entity("user", entity.owner)` and `Entity("org", entity.owner)`; `held` = the permissions of `rights.scoped` whose
# entity is in `places`, and those of `rights.everywhere` that reach it. Then `permission in held`, or `"repo.write" in held` when reading is asked.

# %% [markdown] explanation="02-2"
# Why: compare whole entities, never parts of names. `"learner/private-notes".startswith("learner/private")` is true, and a model and a dataset may share a name.
# "Not said" counts as "no": a program that finds out early can say which box to tick.
#
# One alternative: ask the Hub for each thing (`huggingface_hub` has `auth_check`). It is right about everything, and costs a request each.
#
# In production: the organisation's policy is not in this answer. A token that "can" may still get 403 there. And to judge danger, turn it round: count an unknown
# permission as the worst one.

# %%
check("02-2")

# %% [markdown]
# `can` is a claim, the server decides. The cell compares the two, for two tokens and two doors. **Predict** whether they agree.

# %%
PRIVATE = Entity("model", "learner/private-notes")
with needs("02-2"):
    for name in ("fine_grained", "no_inference"):
        mine = ask_whoami(hub.tokens[name])
        print(name, "reads ", can(mine, "repo.content.read", PRIVATE), knock("private", hub.tokens[name]).status_code)
        chats = can(mine, "inference.serverless.write", Entity("user", "learner"))
        print(name, "chats ", chats, knock("chat", hub.tokens[name]).status_code)

# %% [markdown]
# ## 5. The smallest token that does the job
#
# **Least privilege**: a token that is stolen does what it may do, for the thief. So it should be able to do one job. And
# **one token for each program**: then you can delete one without stopping the others. (Both are advice of hub-docs, `docs/hub/security-tokens.md`, 2026-08-07.)
#
# Twelve jobs wait below. **Predict** for each: no token, or which permission? Two of them need a token, and yet none should be stored.

# %%
JOBS = table("token_needs")["jobs"]
for row in JOBS:
    print(f"{row['name']:<17} {row['runs_in']:<12} {row['asks']}")

# %% [markdown]
# The two:
#
# - **CI** (machines that test and publish code). A secret stored in a CI system leaks with it. With *Trusted Publishers* the run proves who it is, and the Hub gives it a token for **one
#   repository** that lives 60 minutes. Nothing is stored. (hub-docs, `docs/hub/trusted-publishers.md`, 2026-08-22.)
# - **Visitors.** With *Sign in with HF* each visitor brings a token of their own (OAuth scope `inference-api`) and pays for it. Yours is not involved.
#   (hub-docs, `docs/hub/oauth.md`, 2026-08-22.)

# %% [markdown]
# How a program can say "job" and "token": skim the cell, you need `Need`, `Job` and `TokenRequest`. **Predict:** what does the job `sync` need twice?

# %%
from typing import Literal

Place = Literal["own machine", "server", "ci", "visitors"]


@dataclass(frozen=True)
class Need:
    """One thing that a program does. access: how the repository is kept; it matters for reading alone."""

    permission: str
    entity: Entity
    access: Literal["public", "private", "gated"] = "private"


@dataclass(frozen=True)
class Job:
    name: str
    needs: frozenset[Need]
    runs_in: Place


@dataclass(frozen=True)
class TokenRequest:
    """What to ask for. kind: "none", "fine-grained", "trusted publisher" or "sign in".

    grants, can_read_gated: only for a fine-grained token. name: the program's, so that one can be deleted alone.
    """

    kind: str
    name: str = ""
    grants: frozenset[Need] = frozenset()
    can_read_gated: bool = False


def as_need(row: Mapping[str, str]) -> Need:
    """One need, from a row of data/token_needs.toml."""
    access: Any = row.get("access", "private")
    return Need(row["does"], Entity(row["on"], row["name"]), access)


def as_job(row: Mapping[str, Any]) -> Job:
    """One job, from a row of data/token_needs.toml."""
    return Job(row["name"], frozenset(map(as_need, row["needs"])), row["runs_in"])


for each in sorted(as_job(JOBS[4]).needs, key=lambda each: each.permission):
    print(each)

# %% [markdown]
# ### Exercise 02-3: the least that does it   (about 16 lines, 14 minutes)
#
# Write `smallest_token(job)`. It gets a `Job` and returns a `TokenRequest`. First drop what needs no permission:
#
# 1. Reading (`repo.content.read`) what is **public** needs nothing.
# 2. Reading what is **gated** needs no permission either, but the switch: `can_read_gated=True`.
# 3. Reading an entity on which the job also has `repo.write` is included there (a gate still asks for the switch).
#
# Then decide, the first row that applies:
#
# | situation | kind |
# |---|---|
# | nothing remains, and no gate | `"none"` |
# | it runs for visitors | `"sign in"` |
# | it runs in CI, no gate, and all that remains is one `repo.write` on a model, dataset or Space | `"trusted publisher"` |
# | otherwise | `"fine-grained"`, with exactly what remains as `grants`, and the job's name as `name` |
#
# The first three kinds leave the other fields of `TokenRequest` at their defaults.
#
# Example: the job `chat-proxy` → `TokenRequest("fine-grained", "chat-proxy", frozenset({Need("inference.serverless.write", Entity("user", "learner"))}))`.
# Check: the cell below, or `make check EX=02-3`.


# %%
def smallest_token(job: Job) -> TokenRequest:
    """The least that lets `job` run, often less than a token."""
    # BEGIN SOLUTION
    reading = {each for each in job.needs if each.permission == "repo.content.read"}
    gated = any(each.access == "gated" for each in reading)
    written = {each.entity for each in job.needs if each.permission == "repo.write"}
    free = {each for each in reading if each.access in ("public", "gated") or each.entity in written}
    grants = job.needs - free
    if not grants and not gated:
        return TokenRequest("none")
    if job.runs_in == "visitors":
        return TokenRequest("sign in")
    repositories = ("model", "dataset", "space")
    writes_one = [g.permission for g in grants if g.entity.kind in repositories] == ["repo.write"] and len(grants) == 1
    if job.runs_in == "ci" and not gated and writes_one:
        return TokenRequest("trusted publisher")
    return TokenRequest("fine-grained", job.name, grants, gated)
    # END SOLUTION


# %% [markdown] hint="02-3"
# Two questions in this order: which needs remain, and is there a gate? Answer both before the table. What must be true of a set with
# exactly one element for the third row?

# %% [markdown] hint="02-3"
# Nearly code: `grants = job.needs - free`, where `free` holds the reads whose `access` is public or gated, and those whose entity is also written. `gated = any(...)` over all
# reads. For the CI row: `len(grants) == 1`, then look at that one's `permission` and `entity.kind`.

# %% [markdown] explanation="02-3"
# Why: the decision starts from what the program does, never from the list of boxes. A box that nobody needed is a box that a thief can use.
#
# One alternative: begin with no permission, run the program, and tick what the 403s ask for. It works, and finds only what that run touched.
#
# In production: needs change. Write them down beside the program, as the table does, and compare them with the token from time to time: the last exercise does.

# %%
check("02-3")

# %% [markdown]
# All twelve. Compare with your guesses: where did you give more?

# %%
with needs("02-3"):
    for row in JOBS:
        request = smallest_token(as_job(row))
        boxes = [f"{grant.permission} on {grant.entity.name}" for grant in request.grants]
        boxes += ["the gated switch"] * request.can_read_gated
        print(f"{row['name']:<17} {request.kind:<18} {', '.join(sorted(boxes))}")

# %% [markdown]
# ## 6. A link with the boxes ticked
#
# The page that creates tokens reads its address: `/settings/tokens/new?tokenType=fineGrained&ownUserPermissions=inference.serverless.write`
# opens with that box ticked (hub-docs, `docs/inference-providers/index.md`, 2026-08-22). So a README can link to the right token, if its permissions are on
# the user.
#
# **Try it** in the sandbox: run the cell and open the address. Sign up (nothing is sent), and see what is ticked.

# %%
print(f"{hub.settings_url}/new?tokenType=fineGrained&ownUserPermissions=inference.serverless.write")

# %% [markdown]
# ### Exercise 02-4: the link   (about 8 lines, 9 minutes)
#
# Write `new_token_url(request, hub_url)`. It returns the address for a `TokenRequest` of the kind `"fine-grained"`:
# `hub_url`, then `/settings/tokens/new?` and these parameters, in this order:
#
# - `tokenType=fineGrained`
# - `ownUserPermissions=<id>` once for each id that is granted on the **user**, sorted by id
# - `canReadGatedRepos=true` if the switch is on (observed, third-party; repeating the parameter above is our reading, too)
#
# There is no known parameter for grants on organisations and repositories, nor for global ones: they are left out, and the person ticks them
# on the page. A `hub_url` may end with `/`. Any other kind raises `ValueError`: there is no token to create.
#
# Example: for `chat-proxy` it is the address above.   Check: the cell below, or `make check EX=02-4`.

# %%
from urllib.parse import urlencode


def new_token_url(request: TokenRequest, hub_url: str) -> str:
    """The address that creates this token, as far as an address can say it. Raises ValueError for other kinds."""
    # BEGIN SOLUTION
    if request.kind != "fine-grained":
        raise ValueError(f"no page creates the kind {request.kind!r}: only a fine-grained token is made there")
    own = sorted({grant.permission for grant in request.grants if grant.entity.kind == "user"})
    pairs = [("tokenType", "fineGrained"), *(("ownUserPermissions", permission) for permission in own)]
    if request.can_read_gated:
        pairs.append(("canReadGatedRepos", "true"))
    return f"{hub_url.rstrip('/')}/settings/tokens/new?{urlencode(pairs)}"
    # END SOLUTION


# %% [markdown] hint="02-4"
# `urlencode` takes a dict or a list of pairs. Which of the two can hold the same name twice?

# %% [markdown] hint="02-4"
# Nearly code: `pairs = [("tokenType", "fineGrained")]`, then one `("ownUserPermissions", id)` for each id in the sorted set of those with `entity.kind == "user"`, then
# `("canReadGatedRepos", "true")` if needed; `hub_url.rstrip("/") + "/settings/tokens/new?" + urlencode(pairs)`.

# %% [markdown] explanation="02-4"
# Why: a link is the shortest instruction there is. What it cannot tick it leaves open, so nobody gets more than was asked for.
#
# One alternative: tell the reader the boxes in a table. You need it anyway for those that the link cannot tick.
#
# In production: such a link holds no secret, so it may stand in a public README. The token itself never goes into an address.

# %%
check("02-4")

# %% [markdown]
# Make the token for one of these jobs in your browser. **Predict** which boxes are ticked when you open the address, and
# which are left for you.

# %%
with needs("02-3"), needs("02-4"):
    for row in JOBS:
        request = smallest_token(as_job(row))
        if row["name"] in ("chat-proxy", "gated-download", "upload"):
            left = [
                f"{grant.permission} on {grant.entity.name}" for grant in request.grants if grant.entity.kind != "user"
            ]
            print(f"{row['name']}: left to tick: {', '.join(left) or 'nothing'}\n    {new_token_url(request, hub.url)}")

# %% [markdown]
# ## 7. Age
#
# Guides tell you to set an expiry date. Personal tokens have none: they live "until revoked" (hub-docs, `docs/hub/trusted-publishers.md`, as of 2026-08-22). If
# the page that you see offers a date, choose the shortest that your program can live with. As long as there is none, you watch the age yourself: whoami tells `createdAt`.
#
# **Predict:** which of these three is the oldest, by how much?

# %%
from datetime import UTC, date, datetime

TODAY = datetime.fromtimestamp(hub.clock.start, UTC).date()  # the sandbox has its own calendar
for name in ("read", "write", "fine_grained"):
    created = datetime.fromisoformat(ask_whoami(hub.tokens[name])["auth"]["accessToken"]["createdAt"]).date()
    print(f"{name:<13} {created}  {(TODAY - created).days} days")

# %% [markdown]
# ## 8. An audit
#
# A small team has four tokens and four programs. Skim the code, look at the two lists. **Predict:** what would you change first?

# %%
Severity = Literal["high", "medium", "low"]
WRITE_IN_SERVER = "classic write token in a server"
TOO_BROAD = "too broad for its use"
SHARED = "shared"
UNUSED = "unused"
OLD = "old"


@dataclass(frozen=True)
class TokenRecord:
    """What the team wrote down about one token; never its value."""

    name: str
    kind: TokenKind
    created: date
    grants: frozenset[Need] = frozenset()
    can_read_gated: bool = False


@dataclass(frozen=True)
class Use:
    """One program, the name of the token that it uses, and what it needs."""

    application: str
    token: str
    needs: frozenset[Need]
    runs_in: Place


@dataclass(frozen=True)
class Finding:
    token: str
    problem: str
    severity: Severity
    reason: str
    next_step: str


INVENTORY = table("token_inventory")
TOKENS = [
    TokenRecord(
        row["name"], TokenKind(row["kind"]), row["created"], frozenset(map(as_need, row["grants"])), row["gated"]
    )
    for row in INVENTORY["tokens"]
]
USES = [
    Use(row["application"], row["token"], frozenset(map(as_need, row["needs"])), row["runs_in"])
    for row in INVENTORY["uses"]
]
for record in TOKENS:
    held = [f"{grant.permission} on {grant.entity.name}" for grant in record.grants] + ["gated"] * record.can_read_gated
    print(f"token {record.name:<15} {record.kind:<12} {record.created}  {', '.join(sorted(held))}")
for use in USES:
    needed = ", ".join(f"{each.permission} on {each.entity.name}" for each in use.needs)
    print(f"{use.application:<15} on a {use.runs_in} uses {use.token!r} and needs {needed}")

# %% [markdown]
# ### Exercise 02-5: audit the tokens   (about 30 lines, 25 minutes)
#
# Write `audit(tokens, uses, today)`. It returns one `Finding` for each problem of each token:
#
# | problem | severity | when |
# |---|---|---|
# | `WRITE_IN_SERVER` | high | the kind is Write, and a program that uses it runs in a `"server"` |
# | `TOO_BROAD` | medium | somebody uses it, and it is Read or Write; or it is fine-grained, and holds a grant that none of its programs needs, or its switch for gated repositories is on and none of them reads (`repo.content.read`) a gated one |
# | `SHARED` | medium | two or more different programs use it |
# | `UNUSED` | medium | no program uses it |
# | `OLD` | low | created more than 180 days before `today` |
#
# - Keep it simple: a grant is needed if one of its programs has a need with the same permission on the same entity. `access` does not matter for that, and `smallest_token` is not asked.
# - OAuth and unknown kinds are never too broad: what they may do is not in such a list.
# - The list is ordered: highest severity first, inside of that by the token's name.
# - `reason` says what was seen: for `SHARED` the programs, each once, for `OLD` the age in days, for `TOO_BROAD` the kind (read, write) or each permission that nobody needs (for the switch: `gated`).
# - `next_step` says what to do, a different sentence for each problem.
#
# Example: an unused token gives `Finding("old-laptop", UNUSED, "medium", "no program uses it", "delete it")`, in your words.
# Check: the cell below, or `make check EX=02-5`.

# %%
from collections.abc import Iterator, Sequence

SEVERITIES: dict[str, Severity] = {
    WRITE_IN_SERVER: "high",
    TOO_BROAD: "medium",
    SHARED: "medium",
    UNUSED: "medium",
    OLD: "low",
}


def audit(tokens: Sequence[TokenRecord], uses: Sequence[Use], today: date) -> list[Finding]:
    """What should change about these tokens, the most dangerous first."""

    # BEGIN SOLUTION
    def beyond(token: TokenRecord, needs: set[Need]) -> list[str]:
        if token.kind != TokenKind.FINE_GRAINED:
            return [f"the kind {token.kind}"] if token.kind in CLASSIC else []
        wanted = {(need.permission, need.entity) for need in needs}
        unneeded = {grant.permission for grant in token.grants if (grant.permission, grant.entity) not in wanted}
        at_gates = [need for need in needs if need.permission == "repo.content.read" and need.access == "gated"]
        return sorted(unneeded) + ["the switch for gated repositories"] * (token.can_read_gated and not at_gates)

    def problems(token: TokenRecord, used: list[Use]) -> Iterator[tuple[str, str, str]]:
        programs = sorted({use.application for use in used})
        age_days = (today - token.created).days
        if not used:
            yield UNUSED, "no program uses it", "delete it"
        if token.kind == TokenKind.WRITE and any(use.runs_in == "server" for use in used):
            yield (
                WRITE_IN_SERVER,
                f"used by {', '.join(programs)}",
                "replace it by fine-grained tokens today, then delete it",
            )
        too_much = beyond(token, {need for use in used for need in use.needs})
        if used and too_much:
            yield (
                TOO_BROAD,
                f"nobody needs {', '.join(too_much)}",
                "make the smallest token, deploy it, delete this one",
            )
        if len(programs) > 1:
            yield SHARED, f"used by {', '.join(programs)}", "give each program a token of its own"
        if age_days > 180:
            yield OLD, f"{age_days} days old", "refresh it and deploy the new value"

    findings = [
        Finding(token.name, problem, SEVERITIES[problem], reason, step)
        for token in tokens
        for problem, reason, step in problems(token, [use for use in uses if use.token == token.name])
    ]
    order = ["high", "medium", "low"]
    return sorted(findings, key=lambda finding: (order.index(finding.severity), finding.token))
    # END SOLUTION


# %% [markdown] hint="02-5"
# Work on one token at a time: collect its uses, then ask the five rows one after the other. A token can have several problems, so no `elif`.
# Which two facts about a grant decide whether it is needed?

# %% [markdown] hint="02-5"
# Nearly code: `mine = [use for use in uses if use.token == token.name]`; `wanted = {(need.permission, need.entity) for use in mine for need in use.needs}`; a grant is too much if its pair is
# not in `wanted`. Collect `Finding(...)` in a list, and sort it with `key=lambda f: (["high", "medium", "low"].index(f.severity), f.token)`.

# %% [markdown] explanation="02-5"
# Why: each row can be acted on alone, and the worst comes first. The age is a day count, so the same audit tomorrow may say more.
#
# One alternative: one function for each row and a list of them; then a team can add its own rule.
#
# In production: nobody keeps such a list by hand for long. Name each token after its program, and the list is the settings page. Organisations with a Team or Enterprise plan see
# the tokens of their members there.

# %%
check("02-5")

# %% [markdown]
# The audit of the team above. **Predict** which token has the most findings.

# %%
with needs("02-5"):
    for finding in audit(TOKENS, USES, TODAY):
        print(
            f"{finding.severity:<7} {finding.token:<15} {finding.problem}: {finding.reason}\n{'':<8}-> {finding.next_step}"
        )

# %% [markdown]
# ## What you can do now
#
# - **Name** the kinds: fine-grained, Read, Write, and OAuth tokens that expire. "Inference" is a permission.
# - **Read** `auth.accessToken`, and a 401, 403 or 404 by its text.
# - **Choose** the smallest token: none for public things, nothing stored in CI, one for each program.
# - **Link** to `/settings/tokens/new` with the boxes ticked.
# - **Audit**: too broad, shared, unused, old.
#
# See your progress with `make check NB=02`.
