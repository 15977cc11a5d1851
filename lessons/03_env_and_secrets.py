# %% [markdown]
# # 03 `.env` and secrets
#
# After this you can
#
# - **load** a token from the environment or from `.env`, and **stop** at once with a useful sentence where there is none;
# - **hide** a token in printed values, logs, notebooks and error texts;
# - **find** tokens in files, outputs and git's history, and **refuse** them before a commit;
# - **replace** a token without a pause, and **revoke** one that leaked.
#
# You should know lesson 01, and `git add` and `git commit`. About 150 minutes: take a break after section 6. Works offline:
# all tokens here are made up, and every file lies in a temporary folder.

# %% [markdown]
# ## 1. Fail fast
#
# A program was started on a new machine, where nobody had set `HF_TOKEN`. **Predict, then run:** does any line
# notice, and what does the Hub answer?

# %%
import requests

from course import check, hint, needs, sandbox, solution  # noqa: F401

hub = sandbox.start()
environ: dict[str, str] = {}  # the new machine: nothing is set
token = environ.get("HF_TOKEN")
sent = {"Authorization": f"Bearer {token}"}
answer = requests.get(f"{hub.url}/api/whoami-v2", headers=sent, timeout=10)
print(answer.status_code, answer.json()["error"])

# %% [markdown]
# None does. The program sent the word *None* as a token, and the Hub took that for a bad one: the message sends you to
# look for a wrong token, where none was set. **Fail fast** means: the first line that needs the token stops, and says
# what is missing, where it looked, and what to do.

# %% [markdown]
# ## 2. Where a token comes from
#
# Not from the code: whoever gets the code gets the token. It comes from the **environment**, the variables that a process is
# started with. For your own machine there is a file that stands in for it:
#
# | file | holds | in git |
# |---|---|---|
# | `.env` | `HF_TOKEN=` and your token, in plain text | **never**: `.gitignore` names it |
# | `.env.example` | the same names with placeholders, for whoever clones | yes |
#
# The package python-dotenv reads such files. Both places may hold a value. The next cell does what most programs do, first with a variable that is set, then
# without. **Predict** the two lines:

# %%
import tempfile
from pathlib import Path

from dotenv import dotenv_values

project = Path(tempfile.mkdtemp())
(project / ".env").write_text("HF_TOKEN=from-the-file\n", encoding="utf-8")
in_file = dotenv_values(project / ".env")
for environ in ({"HF_TOKEN": "from-the-environment"}, {}):
    print({**in_file, **environ}["HF_TOKEN"])  # of two dicts in one, the later wins

# %% [markdown]
# **The environment wins over the file**, so that a server, which has no `.env`, and a test can say something else.

# %% [markdown]
# ### Four traps of python-dotenv
#
# It is a good package, with rules made for settings of all kinds, not for secrets. **Trap 1.** Somebody "switched the token off" with `HF_TOKEN=` in
# a shell, or a CI variable is empty. **Predict:** does the file help out?

# %%
import os
from unittest import mock

from dotenv import find_dotenv, load_dotenv

with mock.patch.dict(os.environ, {"HF_TOKEN": ""}):  # taken back at the end of this block
    load_dotenv(project / ".env")
    print(repr(os.environ["HF_TOKEN"]))

# %% [markdown]
# An empty variable counts as set, so it wins. **Trap 2:** this value has single quotes around it, in which a shell would change nothing, and there is no
# `USER_X`. **Predict:** what is read?

# %%
(project / "trap.env").write_text("PASSWORD='a${USER_X}b'\n", encoding="utf-8")
print(dotenv_values(project / "trap.env")["PASSWORD"])

# %% [markdown]
# `${USER_X}` was replaced by nothing, single quotes or not. A secret may hold any characters, so read it with `interpolate=False`, which leaves `${}` alone.
#
# **Trap 3.** This line was copied from a web page, quotes included. **Predict:** how many characters has the value?

# %%
(project / "trap.env").write_text("QUOTED=\u201cabc\u201d\n", encoding="utf-8")
print(len(dotenv_values(project / "trap.env", interpolate=False)["QUOTED"] or ""))

# %% [markdown]
# Five: the typographic quotes became part of the value; only straight ones are taken off.
#
# **Trap 4.** Without a path, python-dotenv searches. The next cell stands in an empty folder. **Predict:** does it find a file?

# %%
import contextlib

inside = project / "work" / "demo"
inside.mkdir(parents=True, exist_ok=True)
with contextlib.chdir(inside):
    found = Path(find_dotenv(usecwd=True))
    print(found.resolve().relative_to(project.resolve()))

# %% [markdown]
# It walked up and took the `.env` of a folder above. In a script the walk starts at the script's folder, in a notebook at the
# working folder, and goes on to the root of the disk: the file may be a stranger's. So name the file that you mean. (Seen with python-dotenv 1.2.4.)

# %% [markdown]
# ## 3. Load it
#
# `load_token` returns the token in a box, so that nobody prints it by accident. Our first box is plain. You will
# make a better one soon; both have `reveal()`, the one door to the value.

# %%
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Secret:
    """A value in a box: the first version."""

    value: str = field(repr=False)  # print leaves it out

    def reveal(self) -> str:
        return self.value


class NoToken(Exception):
    """There is no token to use. The text says where we looked and what to do next, no value."""


def is_placeholder(value: str) -> bool:
    """Whether `value` is what a template puts in the place of a token; "" is not one."""
    one_sign_only = value != "" and len(set(value.removeprefix("hf_"))) <= 1
    return one_sign_only or any(sign in value for sign in ("...", "<", "your_"))


# %% [markdown]
# ### Exercise 03-1: load the token, or stop   (about 15 lines, 16 minutes)
#
# Write `load_token(environ, dotenv_path)`. It returns a `Secret` with the value of `HF_TOKEN`.
#
# - Look into the mapping `environ` first, then into the file `dotenv_path`, and nowhere else: not into `os.environ`, not into a folder above.
# - White space around a value does not count. A value with nothing else is missing: look into the next place.
# - The file is read with python-dotenv, without `${}`. It may be missing; that is like an empty one.
#   A line `HF_TOKEN` without `=` has no value (`None`): missing.
# - The first value found counts. If `is_placeholder` knows it, raise `NoToken`, whatever the other place holds: somebody set it, and must hear of it. The text
#   names that place and not the other: the word `environment`, or the path of the file. Any other value is returned.
# - No value in either place: raise `NoToken`. A file that cannot be opened, or is not UTF-8, counts as having none. The text names `HF_TOKEN`, the word `environment`, the path, and `.env.example` as
#   the file to copy.
# - No error shows a value or a part of it, nor does a chained error: a `UnicodeDecodeError` carries the whole file. Raise with `from None`. Nothing is printed.
# - Nothing is changed: `environ` stays as it was, and so does `os.environ`.
#
# Example: `load_token({"HF_TOKEN": " "}, path)` with `HF_TOKEN=abc` in the file → a `Secret` whose `reveal()` is `"abc"`.
#
# Check: the cell below, or `make check EX=03-1`.


# %%
def load_token(environ: Mapping[str, str], dotenv_path: Path) -> Secret:
    """HF_TOKEN from `environ`, else from the file at `dotenv_path`. Raises NoToken."""
    # BEGIN SOLUTION
    place, value = "the environment", environ.get("HF_TOKEN", "").strip()
    if not value:
        place = str(dotenv_path)
        with contextlib.suppress(OSError, UnicodeDecodeError):  # then nothing was found
            value = (dotenv_values(dotenv_path, interpolate=False).get("HF_TOKEN") or "").strip()
    if not value:
        raise NoToken(
            f"HF_TOKEN is not set. Looked in: the environment, {dotenv_path}. "
            "Copy .env.example to .env and put your token there."
        )
    if is_placeholder(value):
        raise NoToken(f"HF_TOKEN in {place} is a placeholder. Put your own token there.")
    return Secret(value)
    # END SOLUTION


# %% [markdown] hint="03-1"
# There are two places, and the same three questions about each: is something there, is it a placeholder, else take it. What does
# `dotenv_values` return for `HF_TOKEN` if the file is missing, and what for a line `HF_TOKEN` without an equals sign?

# %% [markdown] hint="03-1"
# Nearly code: `value = environ.get("HF_TOKEN", "").strip()`; if that is empty, `dotenv_values(dotenv_path, interpolate=False).get("HF_TOKEN")`
# inside `try ... except (OSError, UnicodeDecodeError)`, with `or ""` because it may be `None`. Remember in a variable which place it came from. Raise `NoToken`
# after the `try`, not inside the `except`: then nothing is chained.

# %% [markdown] explanation="03-1"
# Why: a program without a token stops in its first second, and its sentence saves a search. `environ` is a parameter, so a test needs no real environment.
#
# One alternative: pydantic-settings does the same with a class of typed settings; python-dotenv's `load_dotenv` changes `os.environ` for every library in the process.
#
# In production: the file is for your own machine. A server gets the variable from its secret store, and a value with
# typographic quotes or a missing end still passes here: `token_problem` of lesson 01 is the next question to ask.

# %%
check("03-1")

# %% [markdown]
# Three machines: nothing set, the example copied and forgotten, and all in order. **Predict** the three lines. (The path is shortened for printing.)

# %%
good, forgotten = project / ".env", project / "forgotten.env"
good.write_text(f"HF_TOKEN={hub.tokens['fine_grained']}\n", encoding="utf-8")
forgotten.write_text("HF_TOKEN=hf_" + 34 * "x" + "\n", encoding="utf-8")
with needs("03-1"):
    for path in (project / "none.env", forgotten, good):
        try:
            print("loaded,", len(load_token({}, path).reveal()), "characters")
        except NoToken as error:
            print("NoToken:", str(error).replace(str(project), "project"))

# %% [markdown]
# ## 4. A box that stays shut
#
# The first version has `repr=False`, so `print` shows nothing. **Predict:** which of these four ways shows the value all the same?

# %%
import json
import pickle
from collections.abc import Callable
from typing import Any


def ways_to_show(secret: Any) -> dict[str, str]:
    """What becomes of a secret on its ways into a log, a file or a message; an error counts as shut."""
    ways: dict[str, Callable[[], str]] = {
        "f-string": lambda: f"{secret}",
        "vars": lambda: str(vars(secret)),  # its attributes, as a dict
        "json": lambda: json.dumps(secret, default=vars),  # default: what to do with foreign objects
        "pickle": lambda: repr(pickle.dumps(secret)),  # Python's way to write objects into a file
    }
    shown = {}
    for name, way in ways.items():
        try:
            shown[name] = way()
        except Exception as error:
            shown[name] = f"refused: {type(error).__name__}"
    return shown


for name, text in ways_to_show(Secret("open-sesame")).items():
    print(f"{name:9}", "SHOWN" if "open-sesame" in text else "shut")

# %% [markdown]
# pydantic, which many programs read their settings with, has a box of its own, `SecretStr`. It hides itself when printed. **Predict:** in the next cell *another* field
# is missing. What does the error text say about the token?

# %%
import pydantic


class Settings(pydantic.BaseModel):
    """Two settings, one of them secret."""

    token: pydantic.SecretStr
    endpoint: str


try:
    Settings.model_validate({"token": "open-sesame"})
except pydantic.ValidationError as problem:
    print(str(problem).splitlines()[2].strip())
for name, text in ways_to_show(pydantic.SecretStr("open-sesame")).items():
    print(f"{name:9}", "SHOWN" if "open-sesame" in text else "shut")

# %% [markdown]
# The neighbour's error quotes the whole input, token included: the box did not exist yet when validation failed. `vars`, `json` with `default=vars`, and
# `pickle` show it as well. `hide_input_in_errors=True` in the model's configuration mends the text; `.errors()` and `.json()` of the error still hold it, unless you ask
# for `errors(include_input=False)`. (Seen with pydantic 2.14.3.)

# %% [markdown]
# ### Exercise 03-2: a box that stays shut   (about 9 lines, 9 minutes)
#
# Write the class `Secret(value)`. It takes the place of the first version.
#
# - `reveal()` returns the value. Nothing else shows it, no attribute without an underscore and no loop either.
# - `repr`, `str`, an f-string with any width (`f"{secret:>20}"`), `%s` and a log line show a text such as `Secret(hidden)`.
# - `vars(secret)` and `json.dumps(secret, default=vars)` show nothing. The given line `__slots__` does that, if the value lives in `_value`.
# - `pickle.dumps(secret)` raises `TypeError`, in every protocol: a pickle is a file, and a file is shared.
# - Two secrets are equal if their values are. The comparison takes the same time wherever they differ (`hmac.compare_digest`), so that nobody can guess a
#   value letter by letter. A secret never equals a plain text, and a value may hold more than ASCII.
#
# Example: `print(Secret("abc"))` → `Secret(hidden)`; `Secret("abc") == "abc"` → `False`.   Check: the cell below, or `make check EX=03-2`.

# %%
import hmac
from typing import NoReturn


class Secret:
    """A value that shows itself only to those who ask with reveal()."""

    __slots__ = ("_value",)  # without a __dict__ there is nothing for vars() to show

    def __init__(self, value: str) -> None:
        # BEGIN SOLUTION
        self._value = value
        # END SOLUTION

    def reveal(self) -> str:
        # BEGIN SOLUTION
        return self._value
        # END SOLUTION

    def __repr__(self) -> str:
        # BEGIN SOLUTION
        return "Secret(hidden)"
        # END SOLUTION

    def __format__(self, spec: str) -> str:
        # BEGIN SOLUTION
        return format(repr(self), spec)
        # END SOLUTION

    def __eq__(self, other: object) -> bool:
        # BEGIN SOLUTION
        if not isinstance(other, Secret):
            return False
        return hmac.compare_digest(self._value.encode(), other.reveal().encode())
        # END SOLUTION

    def __reduce_ex__(self, protocol: object) -> NoReturn:  # pickle and copy ask this
        # BEGIN SOLUTION
        raise TypeError("a Secret cannot be pickled or copied: hand it on, or load it again")
        # END SOLUTION


# %% [markdown] hint="03-2"
# Six methods, each one or two lines. Which of them does `print` ask? `str()` falls back on `__repr__`, but a width in an f-string
# goes to `__format__`, and the one that Python gives you refuses every width.

# %% [markdown] hint="03-2"
# Nearly code: `__format__` can format the *text*: `format(repr(self), spec)`. `hmac.compare_digest` takes bytes (a text only if it is ASCII), so `.encode()` both
# values, after an `isinstance(other, Secret)`. `__reduce_ex__` is what `pickle` asks: one `raise TypeError("...")`, with a sentence that does not hold the value.

# %% [markdown] explanation="03-2"
# Why: most leaks are accidents: a value printed, logged or stored with others. A box turns them into `Secret(hidden)`, and `reveal()` is a word that you can search for.
#
# One alternative: pydantic's `SecretStr`, if you know its gaps; or a `dataclass` with `repr=False`, which leaves `vars` and `pickle` open.
#
# In production: it is no lock. `secret._value`, a debugger and a memory dump see it, and what `reveal()` returned is a plain text again: call it at the last moment,
# in the line that sends. An environment may hold bytes that are no UTF-8: then `.encode()` raises an error that carries the value. Defining `__eq__` alone also makes it unhashable: it cannot be a key of a `dict`, which is as well.

# %%
check("03-2")

# %% [markdown]
# The same four ways as before. Then add a fifth to `ways_to_show`, e.g. `"copy": lambda: copy.copy(secret).reveal()` (with `import copy`), and run both cells again.

# %%
with needs("03-2"):
    for name, text in ways_to_show(Secret("open-sesame")).items():
        print(f"{name:9}", "SHOWN" if "open-sesame" in text else "shut")

# %% [markdown]
# ## 5. Without a file of your own: `hf auth login`
#
# The official client can keep the token for you. `hf auth login` opens a browser by default; with `--token` it takes a value, which then stands in the history of
# your shell. The next cell does that in a home of its own, against the sandbox. **Predict:** is the stored token encrypted?

# %%
import subprocess
import sys

home = Path(tempfile.mkdtemp())
ours = ("HF_", "HUGGING_FACE_")
clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
at_sandbox = {**clean, "HF_HOME": str(home), "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_UPDATE_CHECK": "1"}


def hf(environment: dict[str, str], *arguments: str) -> str:
    """What the command `hf` prints, run in `environment`."""
    program = str(Path(sys.executable).with_name("hf"))
    command = [program, *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return ran.stdout.strip()


hf(at_sandbox, "auth", "login", "--token", hub.tokens["read"])
for name in ("token", "stored_tokens"):
    text = (home / name).read_text(encoding="utf-8")
    print(f"{name}: {len(text)} characters, the token in plain text: {hub.tokens['read'] in text}")

# %% [markdown]
# Plain text, readable by you alone (mode 0600 on Linux and macOS), in `~/.cache/huggingface` unless `HF_HOME` says otherwise. So it is no safer than `.env` against
# programs that you start. But it lies **outside the project**, where no `git add` and no upload of the folder takes it along.
#
# Now three places may hold a token: the file (`read`), `HF_TOKEN` (`write`), and its old name `HUGGING_FACE_HUB_TOKEN` (`oauth`). `hf auth token` prints the one that the library would use, to the
# screen: never where others watch. **Predict** the name in each line:

# %%
old_name, new_name = {"HUGGING_FACE_HUB_TOKEN": hub.tokens["oauth"]}, {"HF_TOKEN": hub.tokens["write"]}
names = {value: name for name, value in hub.tokens.items()}
for what, variables in {
    "file alone": {},
    "old variable too": old_name,
    "HF_TOKEN as well": old_name | new_name,
    "HF_TOKEN is a space": old_name | {"HF_TOKEN": " "},
}.items():
    print(f"{what:20}", names.get(hf(at_sandbox | variables, "auth", "token"), "none"))

# %% [markdown]
# `HF_TOKEN` wins over the old variable, and both over the file. A space is a trap: it hides the old variable *and* counts as nothing, so the file is used. An
# explicit `token=...` in the code beats them all; `token=False` sends none.
#
# Source: huggingface_hub 2.4.0, `utils/_auth.py`; CI systems and Colab have further places. The library itself never reads `.env`: your program does.

# %% [markdown]
# ### A first program
#
# Load, stop if there is nothing, then use a model. `pipeline` **downloads** the model and runs it here. This one is the course's own (`data/tiny-gpt2/`, 3 MB, trained on the prose of these lessons), in
# a private repository. The program is a process of its own, because `transformers` brings torch along, which takes seconds; and it drops the token before the model writes a word.
#
# The token comes from your `load_token`: first from a file that is not there, then from `good`. **Predict:** how much does the first try download? Does the second fail at `del`? And which files are fetched *without* the token?

# %%
PROGRAM = """
import os
from transformers import pipeline

generate = pipeline("text-generation", model="learner/private-tiny-gpt2")  # it finds HF_TOKEN by itself
del os.environ["HF_TOKEN"]
print(generate("A token is", max_new_tokens=12)[0]["generated_text"])
"""


def first_program(token: Secret) -> str:
    """What the program prints, or the last line of its error."""
    mine = {"HF_TOKEN": token.reveal(), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    ran = subprocess.run(command, env=at_sandbox | mine, capture_output=True, text=True, check=False)
    return ran.stdout.strip() or ran.stderr.strip().rpartition("\n")[2]


with needs("03-1"):
    for path in (project / "none.env", good):
        hub.forget()
        try:
            print(first_program(load_token({}, path)))
        except NoToken as error:
            print("NoToken:", str(error).replace(str(project), "project"))
        fetched = [
            seen for seen in hub.requests if (seen.method, seen.status) == ("GET", 200) and "/api/" not in seen.path
        ]
        for seen in fetched:
            carries = "with the token" if "authorization" in seen.request_headers else "without"
            print(f"  {seen.path.rpartition('/')[2][:24]:24} {carries}")

# %% [markdown]
# The first try stopped before it had loaded or sent anything. In the second, the small files came from the Hub, with the token. The long name is that of the weights: the Hub asked for the token, then sent the client on
# to its store of large files, and the library did not take the token along to another server.
#
# After that nobody asked for it again: **a token is for the download, not for running a model.** The next run finds the files in `HF_HOME` and could do without a network.

# %% [markdown]
# ## 6. What git takes
#
# `git add .` takes every file that no rule keeps out. The course builds a small repository for you, with leaks planted in it (fakes, made up
# when the cell runs). **Predict:** `.gitignore` has one line, `.env`. Which of these would git take: `.env`, `.env.local`, `service/.env`?

# %%
from course.git import git
from course.sample_repository import build

repo = build(Path(tempfile.mkdtemp()))
print(git(repo, "status", "--short", "--ignored").text)
for name in (".env", ".env.local", "service/.env"):
    said = git(repo, "check-ignore", name, accept=(0, 1))
    print(f"{name:12}", "ignored" if said.code == 0 else "git would take it")

# %% [markdown]
# A rule without a slash holds in every folder below, and it means that name alone: `.env.local` goes through. `git check-ignore` knows all the rules, so ask
# it (0: ignored, 1: not) instead of reading `.gitignore` yourself.
#
# **A file that git already tracks stays tracked, whatever `.gitignore` says.** **Predict:** `.env` is ignored here; can the next line read it?

# %%
print(len((repo / ".env").read_text(encoding="utf-8")), "characters of .env were read")

# %% [markdown]
# ### Editors with AI agents
#
# It can: ignoring hides nothing from programs. Some guides say: put the token into `.env`, so that the agent in your editor can use it. Turn that round: **keep agents away from
# secrets.** What an agent reads goes to a model's provider, and may come back in code, commits or logs.
#
# | file or setting | what it does, and does not do |
# |---|---|
# | `.gitignore` | speaks to git. An agent with a shell reads the file all the same |
# | Cursor | leaves `.env*` out by default, but not in its terminal and not for MCP tools (programs that an agent may call) |
# | `.aiexclude` (Gemini), `.aiignore` (JetBrains) | keep files from their own tool, from no other |
# | `.claudeignore` | is not an enforced feature; deny rules for reading, or a sandbox, are |
#
# So: a token outside the folder (`hf auth login`, or a secret store, a service that hands secrets to programs), with the fewest rights, and a fresh one if an agent
# has seen it. (Our advice. What the tools do is third-party knowledge, which we did not try; they change, so look into the manual of yours.)

# %% [markdown]
# ### Exercise 03-3: gaps around the secret files   (about 15 lines, 18 minutes)
#
# Write `ignore_gaps(repo)`. It returns a sorted list of texts, one for each gap in the git repository at the folder `repo`. Names of files are
# relative to `repo`, with `/`:
#
# | gap | text |
# |---|---|
# | a secret file is tracked | `"tracked: service/.env"` |
# | a secret file is not tracked, and git would take it | `"not ignored: .env.local"` |
# | there is no `.env.example` in `repo` | `"missing: .env.example"` |
# | a variable there has a value that should be secret | `"value in .env.example: HF_TOKEN"` |
#
# - A secret file is `.env` in `repo`, **whether it exists or not**, and every existing file, in any folder but `.git`, whose name is `.env` or starts with `.env.`, except `.env.example`.
#   (A folder is no file: some people call their virtual environment `.env`.)
# - Git is asked with the given `git`: `git(repo, "ls-files", "-z").names` is the list of tracked files; `git(repo, "check-ignore", "-q", name, accept=(0, 1)).code` is 1 if git would take it.
# - A value should be secret if the variable's name contains a word of `SECRET_WORDS`, in capitals or not, and the value is neither empty nor a placeholder.
#
# Example: the sample repository → `["not ignored: .env.local", "value in .env.example: HF_TOKEN"]`.
# Check: the cell below, or `make check EX=03-3`.

# %%
SECRET_WORDS = ("TOKEN", "KEY", "SECRET", "PASSWORD")


def ignore_gaps(repo: Path) -> list[str]:
    """The gaps through which secrets get into the repository at `repo`, sorted; never a value."""
    # BEGIN SOLUTION
    files = [path.relative_to(repo) for path in repo.rglob(".env*") if path.is_file()]
    files = [path for path in files if (path.name + ".").startswith(".env.") and ".git" not in path.parts]
    secret = {".env"} | {path.as_posix() for path in files if path.name != ".env.example"}
    tracked = secret & set(git(repo, "ls-files", "-z").names)
    gaps = [f"tracked: {name}" for name in tracked]
    for name in secret - tracked:
        if git(repo, "check-ignore", "-q", name, accept=(0, 1)).code == 1:
            gaps.append(f"not ignored: {name}")
    example = repo / ".env.example"
    if not example.exists():
        gaps.append("missing: .env.example")
    for name, value in dotenv_values(example, interpolate=False).items():
        if value and not is_placeholder(value) and any(word in name.upper() for word in SECRET_WORDS):
            gaps.append(f"value in .env.example: {name}")
    return sorted(gaps)
    # END SOLUTION


# %% [markdown] hint="03-3"
# First make the set of secret files, then ask git about each. Which of git's two answers has to come first, if a file is tracked *and* a rule names it? And what
# does `dotenv_values` return for a file that is not there?

# %% [markdown] hint="03-3"
# Nearly code: `{".env"}` united with the names of `repo.rglob(".env*")` that are files, as `path.relative_to(repo).as_posix()`; drop those below `.git`, `.env.example` and names such as `.envrc`.
# Then `tracked = secret & set(git(repo, "ls-files", "-z").names)`, and `check-ignore` for the others only. Last, `dotenv_values(repo / ".env.example", interpolate=False).items()`.

# %% [markdown] explanation="03-3"
# Why: git answers for all its rules: nested files, exceptions with `!`, rules of a parent folder. Whoever reads `.gitignore` by hand gets one of them wrong.
#
# One alternative: `git ls-files --others --exclude-standard` lists in one call all that `git add .` would take.
#
# In production: our `git` leaves your personal rules (`core.excludesFile`) out on purpose, because your colleagues do not have them. A file that is tracked needs `git rm --cached`, and its
# token a new value: it is in the history.

# %%
check("03-3")

# %% [markdown]
# Mend the sample repository, one line for each gap, and look again. **Predict** what remains after each step.

# %%
with needs("03-3"):
    print(ignore_gaps(repo))
    (repo / ".gitignore").write_text(".env\n.env.*\n!.env.example\n", encoding="utf-8")
    print(ignore_gaps(repo))
    (repo / ".env.example").write_text("HF_TOKEN=hf_" + 34 * "x" + "\n", encoding="utf-8")
    print(ignore_gaps(repo))

# %% [markdown]
# ## 7. Find what is already there
#
# Scanners look for the shape of tokens. Below is the rule that gitleaks has for Hugging Face (as of 2026-08), and the shapes that this
# course looks for. In words: `hf_` at the beginning of a word, 34 letters, and behind them a quote, a backtick, a semicolon, white space, `\n` or `\r` as written in
# code, or the end. **Predict:** which of the six texts does gitleaks' rule miss?

# %%
import re

from course.sample_repository import fake_token
from course.token_shapes import SHAPES, cell_text, kinds_in

GITLEAKS = re.compile(r"""\b(hf_(?i:[a-z]{34}))(?:[\x60'"\s;]|\\[nr]|$)""")
plain, digits = fake_token("A"), fake_token("A1")
texts = {
    "alone in a line": plain,
    "with digits": digits,
    "before a comma": f"login({plain}, 3)",
    "after \\n in a notebook": json.dumps({"text": f"token:\n{plain}"}),
    "as password in a URL": f"https://learner:{plain}@hub.test/demo",
    "an OAuth token": fake_token("A", "hf_oauth_", 60),
}
print(list(SHAPES))
for name, text in texts.items():
    print(f"{name:24}", "found " if GITLEAKS.search(text) else "MISSED", kinds_in(text))

# %% [markdown]
# Five of six. A scanner helps, and its silence proves nothing. `kinds_in(text)` is ours: it names the kinds and never a value.
#
# **Notebooks** hide tokens well: they keep what a cell printed. The sample repository has one; its author never printed a token. **Predict:** where is it?

# %%
notebook = json.loads((repo / "explore.ipynb").read_text(encoding="utf-8"))
for number, cell in enumerate(notebook["cells"], start=1):
    source = "".join(cell["source"])
    print(f"cell {number}, source: {kinds_in(source)}, all of it: {kinds_in(cell_text(cell))}")

# %% [markdown]
# A traceback quoted the header. `cell_text(cell)` gathers every text of a cell: source, outputs, tracebacks, without the
# colour codes that stand in front of words. And **git's history**: an earlier commit put a token into `config.py`, a later
# one took it out. **Predict:** what does the next cell print?

# %%
from collections.abc import Iterator

HISTORY = (
    "-c core.quotePath=false log "  # names as they are, not as "t\\303\\244st.py"
    "--all -p -m "  # the commits of every branch, with their changes, those of merges too
    "--unified=0 --no-renames --no-color "  # no lines around, a moved file as a new one, no colours
    "--format=%x00%h --abbrev=7"  # a commit begins with a zero byte and its 7 digits
)


def added_lines(repo: Path) -> Iterator[tuple[str, str, str]]:
    """Every line that a commit of any branch added: (commit in 7 digits, path, line). Needs repo/.git."""
    log = git(repo, *HISTORY.split())
    commit = path = ""
    for line in log.text.split("\n"):
        if line.startswith("\0"):
            commit = line[1:]
        elif line.startswith("+++ b/"):
            path = line.removeprefix("+++ b/").rstrip("\t")
        elif line.startswith("+"):
            yield commit, path, line[1:]


print((repo / "config.py").read_text(encoding="utf-8"))
for commit, name, line in added_lines(repo):
    if name == "config.py" and kinds_in(line):
        print(commit, kinds_in(line))

# %% [markdown]
# Out of the file, and in the history all the same: whoever clones the repository gets both.

# %% [markdown]
# ### Exercise 03-4: find the tokens   (about 25 lines, 25 minutes)
#
# Write `find_tokens(root)`. It returns a sorted list of `Leak`, each once, never with a value. Begin with the files; the history is three lines more.
#
# **Files:** all below the folder `root`, except in `root/.git`.
#
# - `path` is relative to `root`, with `/`; `kind` is a name from `kinds_in`; `place` is `"line 3"`, in a notebook (`.ipynb`) `"cell 2"`, counted from 1; `commit` is `""`.
# - Read the first `MAX_BYTES` bytes only: a log may be larger than your memory.
# - A zero byte in the first 8,000: the file is binary, pass it over. Bytes that are no UTF-8 are replaced.
# - `cell_text(cell)` is the text of a cell. A notebook that is no JSON, or has no list of `cells`, is read line by line as a text file.
#
# **History:** if `root/.git` exists (it may be a file: `git worktree` makes such folders), every line that `added_lines(root)` gives, with its path and commit, and the place `"history"`.
#
# Example: in the sample repository, `Leak("ci.log", "line 1", "CI token", "")` is one of them.
# Check: the cell below, or `make check EX=03-4`.

# %%
MAX_BYTES = 5_000_000


@dataclass(frozen=True, order=True)
class Leak:
    """A token somewhere. commit: 7 digits if it is in the history, else ""."""

    path: str
    place: str
    kind: str
    commit: str = ""


def find_tokens(root: Path) -> list[Leak]:
    """Where tokens are, in the files below `root` and in its git history, sorted; never a value."""
    # BEGIN SOLUTION
    leaks = set()
    for file in root.rglob("*"):
        path = file.relative_to(root).as_posix()
        if path.startswith(".git/") or not file.is_file():
            continue
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES)
        if b"\0" in content[:8000]:
            continue
        text = content.decode("utf-8", errors="replace")
        parts = [(f"line {number}", line) for number, line in enumerate(text.split("\n"), start=1)]
        if file.suffix == ".ipynb":
            with contextlib.suppress(ValueError, KeyError, TypeError):
                cells = json.loads(text)["cells"]
                parts = [(f"cell {number}", cell_text(cell)) for number, cell in enumerate(cells, start=1)]
        leaks |= {Leak(path, place, kind) for place, part in parts for kind in kinds_in(part)}
    if (root / ".git").exists():
        for commit, path, line in added_lines(root):
            leaks |= {Leak(path, "history", kind, commit) for kind in kinds_in(line)}
    return sorted(leaks)
    # END SOLUTION


# %% [markdown] hint="03-4"
# Three sources, one result: turn each into pairs of (place, text), and ask `kinds_in` about the text. How do you read a part of a file only? Which kind of
# opening gives bytes, so that nothing has to be decoded before you know that it is text?

# %% [markdown] hint="03-4"
# Nearly code: for each file of `root.rglob("*")`, `content = stream.read(MAX_BYTES)` from `file.open("rb")`; `if b"\0" in content[:8000]: continue`; `text = content.decode("utf-8",
# errors="replace")`. For `.ipynb` try `json.loads(text)["cells"]` and `cell_text(cell)`; on `ValueError`, `KeyError` or `TypeError` fall back on lines. Collect in a `set`, add the history, `sorted(...)`.

# %% [markdown] explanation="03-4"
# Why: the places matter more than the pattern. A search through the raw file of a notebook fails at `\n` and at colours, and one through the working folder never sees yesterday's commit.
#
# One alternative: gitleaks and TruffleHog do this for a hundred kinds of secrets; TruffleHog also asks the Hub whether a token still works. Use one, and know what its rule misses.
#
# In production: history also means tags, stashes, forks, caches, and commits that no branch reaches any more. Base64, a zip file and a picture hide a token from all of this. So
# a find is a reason to revoke, and no find is no proof.

# %%
check("03-4")

# %% [markdown]
# All that was planted, in one list. **Predict** how many lines have a commit.

# %%
with needs("03-4"):
    for leak in find_tokens(repo):
        print(f"{leak.path:14} {leak.place:8} {leak.kind:12} {leak.commit}")

# %% [markdown]
# `.env` and `.env.local` are where a token may be, once git ignores both; the other eight are leaks.
#
# Nobody remembers to run such a search. So let git do it: `make protect` puts a hook in place that looks at what you *stage*, and refuses the commit.
# **Try it** now, in a terminal at the top of this course:
#
# ```sh
# make protect
# .venv/bin/python -c "from course.sample_repository import fake_token; print(fake_token('A'))" > try.txt
# git add try.txt
# git commit -m "Try"      # Not committed: ... try.txt, line 1: user token
# git rm -f try.txt        # the end of the trial; the hook stays, and looks at your notebooks
# ```
#
# `make protect UNDO=1` takes the hook away again.
#
# Hugging Face, too, scans what is pushed to the Hub and writes to the owner (hub-docs, `docs/hub/security-secrets.md`, 2026-08): after the fact.

# %% [markdown]
# ## 8. Logs
#
# A log line is built from a message, arguments, perhaps a traceback and a stack. A `logging.Filter` sees each record and may change it. **Predict:** the filter
# sits on the logger `app`. Does it see what the logger `app.hub` writes?

# %%
import logging


class Shout(logging.Filter):
    """Turns messages into capitals: easy to see whether it was there."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = str(record.msg).upper()
        return True


def try_filter(on: str) -> None:
    """Log one line through app.hub, with the filter on the logger or on the handler."""
    handler = logging.StreamHandler(sys.stdout)
    app = logging.Logger("app")
    child = logging.Logger("app.hub")
    child.parent = app
    app.addHandler(handler)
    (app if on == "logger" else handler).addFilter(Shout())
    child.warning(f"filter on the {on}")


try_filter("logger")
try_filter("handler")

# %% [markdown]
# A logger's filter does not see what its children write; a **handler's** filter sees all that is written there. So put it on every handler.

# %% [markdown]
# ### Exercise 03-5: a filter that leaves no token in a log   (about 20 lines, 18 minutes)
#
# Write the class `RedactingFilter(*secrets)`, a `logging.Filter` for handlers. `secrets` are `Secret` objects: the configured values, of whatever shape, perhaps none.
#
# - `redact(text)` returns `text` with each of these replaced by `***`: every configured value, longer ones first (one may begin another) and an empty one never; then
#   everything that `LOOKS_SECRET` matches. The rest stays as it is.
# - `filter(record)` lets every record through (it returns `True`), and leaves no secret in it, whatever a formatter looks at:
#     - `record.msg` becomes the finished message, redacted, and `record.args` becomes `()`. If the arguments do not fit, `getMessage()` raises: then redact message and
#       arguments as one text (`f"{record.msg} {record.args}"`), and raise nothing.
#     - `record.exc_text` becomes the finished traceback, with its chained errors, redacted, and `record.exc_info`, the error itself, becomes `None`.
#       `logging.Formatter().formatException(record.exc_info)` makes that text; a formatter writes `exc_text` if it is set.
#     - `record.stack_info`, the finished text of the stack (`stack_info=True` in a log call), is redacted.
# - A record goes to every handler: another one may have formatted its traceback into `record.exc_text` before, or have such a filter, too.
#
# Example: `handler.addFilter(RedactingFilter(token))`; then `log.warning("sent %s", token.reveal())` writes `sent ***`.
# Check: the cell below, or `make check EX=03-5`.

# %%
LOOKS_SECRET = re.compile(
    r"""(?x)                                     # x: blanks and comments in here do not count
      (?i:(?<=bearer\ )|(?<=basic\ )) [^\s'"]+   # behind these words (i: in capitals or not): a header
    | (?:hf_|api_org_) [A-Za-z0-9._-]{8,}        # tokens; wider than their shape: that costs little
    | (?<=://) [^/\s@]+ (?=@)                    # between :// and @: user and password in an address
    | (?<=token=) [^&\s'"]+                      # behind token=
    """
)


class RedactingFilter(logging.Filter):
    """For handlers: takes `secrets`, and whatever looks like one, out of every record."""

    def __init__(self, *secrets: Secret) -> None:
        # BEGIN SOLUTION
        super().__init__()
        some = [secret for secret in secrets if secret.reveal()]  # "" is between any two letters
        self._secrets = sorted(some, key=lambda secret: len(secret.reveal()), reverse=True)
        # END SOLUTION

    def redact(self, text: str) -> str:
        """`text` with *** in the place of each secret."""
        # BEGIN SOLUTION
        for secret in self._secrets:
            text = text.replace(secret.reveal(), "***")
        return LOOKS_SECRET.sub("***", text)
        # END SOLUTION

    def filter(self, record: logging.LogRecord) -> bool:
        # BEGIN SOLUTION
        try:
            line = record.getMessage()
        except Exception:  # the arguments do not fit
            line = f"{record.msg} {record.args}"
        record.msg, record.args = self.redact(line), ()
        if record.exc_info:
            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        if record.exc_text:
            record.exc_text = self.redact(record.exc_text)
        if record.stack_info:
            record.stack_info = self.redact(record.stack_info)
        return True
        # END SOLUTION


# %% [markdown] hint="03-5"
# A record keeps message and arguments apart until somebody formats it. Which method of the record puts them together, and what must become of `args` after you have done
# that? A formatter writes `exc_text` if it is set: who could set it, before the formatter does?

# %% [markdown] hint="03-5"
# Nearly code: keep the secrets with a value, `sorted(..., key=lambda secret: len(secret.reveal()), reverse=True)`. `record.getMessage()` in a `try`; then `record.msg = self.redact(line)`
# and `record.args = ()`. If `record.exc_info`: `record.exc_text = self.redact(logging.Formatter().formatException(record.exc_info))`,
# then `record.exc_info = None`. If `record.stack_info`: redact that text. `return True`.

# %% [markdown] explanation="03-5"
# Why: libraries log too, and they know nothing of your token. The filter sits where all lines come by, and replaces the finished text, so it does not matter which part held the secret.
#
# One alternative: a formatter that redacts its own result. Shorter, but each handler needs it, and one that sends records elsewhere (JSON, an error collector) never asks it.
#
# In production: a record may carry further fields (`extra=`), and `print` goes past all of this. Without a filter, a call whose arguments do not fit prints them to standard error. And mask
# wider than you search: a word too many costs nothing.

# %%
check("03-5")

# %% [markdown]
# One log, four ways to leak. **Predict** what is left of each line.

# %%
with needs("03-5"):
    log, to_screen = logging.Logger("app"), logging.StreamHandler(sys.stdout)
    log.addHandler(to_screen)
    to_screen.addFilter(RedactingFilter(Secret("open-sesame")))
    log.warning("sent %s", plain)
    log.warning("cloning https://learner:%s@hub.test/demo", "pw")
    log.warning({"door": "open-sesame"})
    try:
        raise ValueError(f"Invalid header value 'Bearer {plain}'")
    except ValueError as error:
        log.warning("failed", exc_info=(type(error), error, None))

# %% [markdown]
# ## 9. Replace a token without a pause
#
# Personal tokens do not expire (hub-docs, `docs/hub/trusted-publishers.md`, 2026-08-22), so somebody has to replace them. *Refresh* on the page gives a new value and kills the old one at once: whoever still uses it stops. Without a
# pause it goes like this: **create B, deploy B, verify B, watch that A is unused, delete A.** The given classes stand for the page (in reality you click; we know of no documented
# way to ask when a token was last used) and for the place where your application reads its token. A `Protocol` lists methods without code (`...`): any object that has
# them will do.

# %%
from typing import Protocol


@dataclass(frozen=True)
class Entry:
    """One token: its name on the page, and its value."""

    name: str
    value: Secret


class Page(Protocol):
    """What one can do with tokens, by hand or by a program. Times are seconds on one clock."""

    def create(self) -> Entry: ...
    def whoami(self, value: Secret) -> str: ...  # the user's name; raises if the value is refused
    def last_used(self, name: str) -> float | None: ...  # None: never
    def delete(self, name: str) -> None: ...
    def now(self) -> float: ...
    def wait(self, seconds: float) -> None: ...


class Store(Protocol):
    """Where the application reads its token."""

    def read(self) -> Entry: ...
    def write(self, entry: Entry) -> None: ...


class StillInUse(Exception):
    """The old token was used after the new one was deployed; both still work.

    The text names the old one, and holds no value.
    """


# %% [markdown]
# ### Exercise 03-6: rotate   (about 15 lines, 18 minutes)
#
# Write `rotate(hub, store)`, with `hub` a `Page` and `store` a `Store`. It replaces the token A that `store.read()` returns, and returns the name of the new one, B. (`whoami` takes a value;
# `last_used` and `delete` take a name.)
#
# 1. `hub.create()` makes B.
# 2. `store.write(B)` deploys it.
# 3. `hub.whoami(...)` verifies its value. Note the time, `hub.now()`.
# 4. `hub.wait(QUIET_SECONDS)`, then look at `hub.last_used(...)` of A. Was it used at the noted time or later, somebody still holds A: raise `StillInUse` with A's name, and delete nothing; B stays in the store.
# 5. `hub.delete(...)` A.
#
# Any step may fail, before or after it has done its work. Its error goes on to the caller, and **what the store holds works, whenever it stops**:
#
# - If 2 or 3 fails, put A back into the store, then delete B, so that no unused token lies around.
# - If even putting A back fails, delete neither: the store may hold the one or the other.
#
# Example: after `rotate(page, store)`, `store.read().name` is the new name.   Check: the cell below, or `make check EX=03-6`.

# %%
QUIET_SECONDS = 24 * 3600


def rotate(hub: Page, store: Store) -> str:
    """Replace the token in `store` by a new one, without a moment in which it holds none that works."""
    # BEGIN SOLUTION
    old, new = store.read(), hub.create()
    try:
        store.write(new)
        hub.whoami(new.value)
    except Exception:
        store.write(old)  # if this fails, the line below is not reached
        hub.delete(new.name)
        raise
    deployed = hub.now()
    hub.wait(QUIET_SECONDS)
    used = hub.last_used(old.name)
    if used is not None and used >= deployed:
        raise StillInUse(f"{old.name} was used after {new.name} was deployed: find who holds it, then delete it")
    hub.delete(old.name)
    return new.name
    # END SOLUTION


# %% [markdown] hint="03-6"
# Which two lines may fail before anybody depends on B? Those belong into one `try`. In the `except`, the order of the two lines decides what
# happens if the first of them fails, too.

# %% [markdown] hint="03-6"
# Nearly code: `old, new = store.read(), hub.create()`; `try:` write, whoami; `except Exception:` write `old` back, delete `new.name`, `raise` (alone: it hands the same error on). Then `deployed = hub.now()`,
# `hub.wait(...)`, `used = hub.last_used(old.name)`; `if used is not None and used >= deployed: raise StillInUse(...)`; delete the old one.

# %% [markdown] explanation="03-6"
# Why: at every moment two tokens work or the store holds the one that does. Deleting is the only step that cannot be taken back, so it comes last, and only after somebody has looked.
#
# One alternative: a secret store with versions, which keeps A as the previous version; the order stays the same.
#
# In production: a day may be too short for a job that runs once a week. `last_used` is only as good as whoever records it; a log of your own calls, with the *name* of the token, tells
# the same. And for CI there is a way without rotation: Trusted Publishers give each run a token of 60 minutes.

# %%
check("03-6")

# %% [markdown]
# Against the sandbox, whose clock can be moved: `SandboxPage` is a `Page` for it, `Shelf` a `Store` in memory. The program's first token is `app-1`. The second round has
# a forgotten program that still uses the old token. **Predict** both results.


# %%
from course.rotation import SandboxPage, Shelf

with needs("03-6"):
    page = SandboxPage(hub, lambda name, value: Entry(name, Secret(value)))
    shelf = Shelf(page.create())
    print("now in use:", rotate(page, shelf))
    page.forgotten = shelf.read().value
    try:
        rotate(page, shelf)
    except StillInUse as error:
        print("StillInUse:", error)

# %% [markdown]
# ## 10. When it has leaked
#
# A token was in a commit, pushed an hour ago. The order counts:
#
# 1. **Revoke**, at once: refresh or delete it on the page. You have no access, or it is somebody else's? *Anybody* may report it, see below.
# 2. **Replace** it where it was used.
# 3. **Clean** the history (`git filter-repo`), if it is worth it: forks, caches and bots keep what they have. A deleted commit is no reason to skip step 1.
# 4. **Look** at what was done with it: uploads, settings, bills. And ask how it got out.
#
# It happens to the big ones: Hugging Face revoked tokens after the leak of Spaces' secrets (2024-05), and recommended to rotate all after the intrusion of 2026-07. Source: its blog, `space-secrets-disclosure.md`,
# `security-incident-july-2026.md`; for step 1 hub-docs, `docs/hub/security-tokens.md`, 2026-08-07. The order is our advice.

# %% [markdown]
# ### Exercise 03-7: kill a leaked token   (about 10 lines, 7 minutes)
#
# `POST /api/credentials/revoke` with the JSON `{"credentials": ["..."]}` needs no account. The answer is always 202, whether the value was a token or not, so that nobody can try
# values out. The owner gets one e-mail.
#
# Write `revoke_leaked(hub_url, token)`, with `token` a `Secret`. It returns nothing.
#
# - One request with `requests`, with a time-out, without redirects and without a second try. The value is in the body alone: not in the address, not in a header.
# - Any answer but 202, or none, raises `NotRevoked`: the caller must go to the page at once. Nothing secret in the error, nothing chained (`from None`), nothing printed.
#
# Example: `revoke_leaked(hub.url, Secret(hub.tokens["write"]))`.   Check: the cell below, or `make check EX=03-7`.


# %%
class NotRevoked(Exception):
    """Nobody knows whether the report arrived: act as if the token still works. The text says why."""


def revoke_leaked(hub_url: str, token: Secret) -> None:
    """Report `token` to the Hub at `hub_url` as leaked; then it works nowhere. Raises NotRevoked."""
    # BEGIN SOLUTION
    reported = {"credentials": [token.reveal()]}
    try:
        answer = requests.post(f"{hub_url}/api/credentials/revoke", json=reported, timeout=10, allow_redirects=False)
        said = str(answer.status_code)
    except requests.RequestException as error:
        said = type(error).__name__
    if said != "202":
        raise NotRevoked(f"the Hub did not take the report ({said}): delete the token on Settings > Access Tokens now")
    # END SOLUTION


# %% [markdown] hint="03-7"
# Which argument of `requests.post` puts a `dict` into the body as JSON? And where could the value appear in an error of `requests`, which holds the request that was sent?

# %% [markdown] hint="03-7"
# Nearly code: `requests.post(f"{hub_url}/api/credentials/revoke", json={"credentials": [token.reveal()]}, timeout=10, allow_redirects=False)` in a `try`; keep only the status code, or the
# name of the error's class; raise `NotRevoked` after the `try`, where nothing is chained.

# %% [markdown] explanation="03-7"
# Why: minutes count, and the finder of a leak is seldom its owner. The error speaks up, because a report that did not arrive is worse than none: everybody believes that it is done.
#
# One alternative: the page, if the token is yours: *refresh* keeps the name and the rights.
#
# In production: report every value you find, even doubtful ones: it costs nothing. After a 202 check your own token with whoami; 202 alone promises nothing. `netrc` may add a header of
# its own (lesson 01): a session with `trust_env = False` sends none.

# %%
check("03-7")

# %% [markdown]
# **Predict** the two status codes: the same question, before and after.

# %%
with needs("03-7"):
    leaked = Secret(hub.tokens["write"])
    asked = {"Authorization": f"Bearer {leaked.reveal()}"}
    print(requests.get(f"{hub.url}/api/whoami-v2", headers=asked, timeout=10).status_code)
    revoke_leaked(hub.url, leaked)
    print(requests.get(f"{hub.url}/api/whoami-v2", headers=asked, timeout=10).status_code)

# %%
hub.stop()

# %% [markdown]
# ## What you can do now
#
# - **Load** a token, environment before file, and **stop** with a sentence that helps.
# - **Hide** it: a box with one door, a filter on every handler, nothing printed in a notebook.
# - **Find** tokens in files, outputs and history, and **refuse** them with `make protect`.
# - **Replace** a token in five steps, and **revoke** a leaked one first of all.
#
# See your progress with `make check NB=03`.
