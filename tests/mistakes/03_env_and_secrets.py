# Answers to the exercises of 03_env_and_secrets, in the form that tests/mistakes/01_account_setup.py explains.

# %% 03-1 wrong: environment-ignored
def load_token(environ, dotenv_path):
    value = (dotenv_values(dotenv_path, interpolate=False).get("HF_TOKEN") or "").strip()
    if not value:
        raise NoToken(f"HF_TOKEN: environment, {dotenv_path}, .env.example")
    return Secret(value)


# %% 03-1 wrong: no-secret
# -    return Secret(value)
# +    return value

# %% 03-1 wrong: file-ignored
# -            value = (dotenv_values(dotenv_path, interpolate=False).get("HF_TOKEN") or "").strip()
# +            pass

# %% 03-1 wrong: file-wins
def load_token(environ, dotenv_path):
    value = {**environ, **dotenv_values(dotenv_path, interpolate=False)}.get("HF_TOKEN")
    if not value:
        raise NoToken(f"HF_TOKEN: environment, {dotenv_path}, .env.example")
    return Secret(value.strip())


# %% 03-1 wrong: blank-wins
def load_token(environ, dotenv_path):
    value = {**dotenv_values(dotenv_path, interpolate=False), **environ}.get("HF_TOKEN")
    if not value:
        raise NoToken(f"HF_TOKEN: environment, {dotenv_path}, .env.example")
    return Secret(value.strip())


# %% 03-1 wrong: blank-wins
# -environ.get("HF_TOKEN", "").strip()
# +environ.get("HF_TOKEN", "")

# %% 03-1 wrong: not-stripped
# -environ.get("HF_TOKEN", "").strip()
# +environ.get("HF_TOKEN", "")
# -    if not value:
# -        place = str(dotenv_path)
# +    if not value.strip():
# +        place = str(dotenv_path)

# %% 03-1 wrong: not-stripped
# - or "").strip()
# + or "")

# %% 03-1 wrong: interpolates
# -dotenv_values(dotenv_path, interpolate=False)
# +dotenv_values(dotenv_path)

# %% 03-1 wrong: placeholder-taken
# -    if is_placeholder(value):
# -        raise NoToken(f"HF_TOKEN in {place} is a placeholder. Put your own token there.")

# %% 03-1 wrong: placeholder-unnamed
# -HF_TOKEN in {place} is a placeholder. Put your own token there.
# +HF_TOKEN is a placeholder.

# %% 03-1 wrong: placeholder-skipped
# -    if not value:
# -        place = str(dotenv_path)
# +    if not value or is_placeholder(value):
# +        place = f"the environment or {dotenv_path}"

# %% 03-1 wrong: no-stop
# -    if not value:
# -        raise NoToken(
# -            f"HF_TOKEN is not set. Looked in: the environment, {dotenv_path}. "
# -            "Copy .env.example to .env and put your token there."
# -        )
# -    if is_placeholder(value):
# +    if value and is_placeholder(value):

# %% 03-1 wrong: no-stop
# -(dotenv_values(dotenv_path, interpolate=False).get("HF_TOKEN") or "").strip()
# +dotenv_values(dotenv_path, interpolate=False)["HF_TOKEN"].strip()

# %% 03-1 wrong: says-too-little
# -Looked in: the environment, {dotenv_path}. "
# +"

# %% 03-1 wrong: unreadable-file
# -OSError, UnicodeDecodeError
# +OSError

# %% 03-1 wrong: error-holds-value
# -        with contextlib.suppress(OSError, UnicodeDecodeError):  # then nothing was found
# -            value = (dotenv_values(dotenv_path, interpolate=False).get("HF_TOKEN") or "").strip()
# +        try:
# +            value = (dotenv_values(dotenv_path, interpolate=False).get("HF_TOKEN") or "").strip()
# +        except (OSError, UnicodeDecodeError):
# +            raise NoToken(f"HF_TOKEN: environment, {dotenv_path} is no text, see .env.example")

# %% 03-1 wrong: error-holds-value
# -HF_TOKEN in {place} is a placeholder.
# +HF_TOKEN in {place} is {value}, a placeholder.

# %% 03-1 wrong: reads-os-environ
# -environ.get("HF_TOKEN", "").strip()
# +(environ.get("HF_TOKEN") or __import__("os").environ.get("HF_TOKEN", "")).strip()

# %% 03-1 wrong: searches-upward
# -dotenv_values(dotenv_path, interpolate=False)
# +dotenv_values(next((p for p in (dotenv_path, dotenv_path.parent.parent / dotenv_path.name) if p.exists()), dotenv_path), interpolate=False)

# %% 03-1 wrong: changes-environment
# -            value = (dotenv_values(
# +            load_dotenv(dotenv_path, interpolate=False)
# +            value = (dotenv_values(

# %% 03-1 wrong: changes-environment
# -    place, value = "the environment", environ.get("HF_TOKEN", "").strip()
# +    place, value = "the environment", (environ.pop("HF_TOKEN", "") if isinstance(environ, dict) else environ.get("HF_TOKEN", "")).strip()

# %% 03-1 wrong: placeholder-unnamed
# -HF_TOKEN in {place} is a placeholder
# +HF_TOKEN in the environment or {dotenv_path} is a placeholder

# %% 03-1 wrong: error-holds-value
# -HF_TOKEN in {place} is a placeholder
# +HF_TOKEN in {place} is a placeholder ({value[:5]})

# %% 03-1 wrong: unreadable-file
# -OSError, UnicodeDecodeError
# +UnicodeDecodeError

# %% 03-1 wrong: says-too-little
# -        with contextlib.suppress(OSError, UnicodeDecodeError):  # then nothing was found
# -            value = (dotenv_values(dotenv_path, interpolate=False).get("HF_TOKEN") or "").strip()
# +        try:
# +            value = (dotenv_values(dotenv_path, interpolate=False).get("HF_TOKEN") or "").strip()
# +        except (OSError, UnicodeDecodeError):
# +            raise NoToken("bad file") from None

# %% 03-1 wrong: file-first
# -    place, value = "the environment", environ.get("HF_TOKEN", "").strip()
# +    try:
# +        dotenv_values(dotenv_path)
# +    except UnicodeDecodeError:
# +        raise NoToken(f"HF_TOKEN environment {dotenv_path} .env.example") from None
# +    place, value = "the environment", environ.get("HF_TOKEN", "").strip()

# %% 03-1 wrong: refuses-value
# -    if is_placeholder(value):
# +    if is_placeholder(value) or not value.startswith("hf_"):

# %% 03-1 wrong: placeholder-taken
# -    if is_placeholder(value):
# +    if set(value[3:]) == {"x"} or "..." in value or "<" in value or "hf_your" in value:

# %% 03-1 wrong: other-variable
# -environ.get("HF_TOKEN", "").strip()
# +(environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN", "")).strip()

# %% 03-1 wrong: reads-by-hand
# -            value = (dotenv_values(dotenv_path, interpolate=False).get("HF_TOKEN") or "").strip()
# +            for line in dotenv_path.read_text(encoding="utf-8").splitlines():
# +                if line.startswith("HF_TOKEN="):
# +                    value = line[9:].strip().strip("'\"").strip()

# %% 03-1 wrong: prints-secret
# -    return Secret(value)
# +    print("loaded", value)
# +    return Secret(value)

# %% 03-1 right: a loop over two places
def load_token(environ, dotenv_path):
    def from_file():
        try:
            return dotenv_values(dotenv_path, interpolate=False).get("HF_TOKEN")
        except (OSError, ValueError):
            return None
    problem = f"HF_TOKEN is neither in the environment nor in {dotenv_path}; copy .env.example"
    for place, look in (("environment", lambda: environ.get("HF_TOKEN")), (dotenv_path, from_file)):
        value = (look() or "").strip()
        if value and is_placeholder(value):
            problem = f"a placeholder in {place}"
            break
        if value:
            return Secret(value)
    raise NoToken(problem)


# %% 03-1 right: stream
import io
def load_token(environ, dotenv_path):
    value = environ["HF_TOKEN"].strip() if "HF_TOKEN" in environ else ""
    where = "environment"
    if value == "":
        where = dotenv_path
        try:
            text = Path(dotenv_path).read_bytes().decode()
        except (OSError, UnicodeError):
            text = ""
        value = dotenv_values(stream=io.StringIO(text), interpolate=False).get("HF_TOKEN")
        value = value.strip() if value else ""
    if not value:
        raise NoToken(f"HF_TOKEN missing: environment, {dotenv_path}; see .env.example") from None
    if is_placeholder(value):
        raise NoToken(f"placeholder in {where}")
    return Secret(value)


# %% 03-1 right: exceptions from None
def load_token(environ, dotenv_path):
    try:
        value = environ["HF_TOKEN"].strip()
        if not value:
            raise KeyError
        place = "environment"
    except KeyError:
        try:
            value = dotenv_values(dotenv_path, interpolate=False)["HF_TOKEN"].strip()
            if not value:
                raise KeyError("HF_TOKEN")
            place = dotenv_path
        except (KeyError, AttributeError, OSError, UnicodeDecodeError):
            raise NoToken(f"no HF_TOKEN: environment, {dotenv_path}, .env.example") from None
    if is_placeholder(value):
        raise NoToken(f"a placeholder in {place}")
    return Secret(value)


# %% 03-2 wrong: reveal-wrong
# -        self._value = value
# +        Secret.kept = value
# -        return self._value
# +        return Secret.kept
# -self._value.encode()
# +self.reveal().encode()

# %% 03-2 wrong: printed
# -        return "Secret(hidden)"
# +        return f"Secret({self._value[:7]}...)"

# %% 03-2 wrong: printed
# -        return format(repr(self), spec)
# +        return format(self._value, spec)

# %% 03-2 wrong: no-width
class Secret:
    __slots__ = ("_value",)
    def __init__(self, value):
        self._value = value
    def reveal(self):
        return self._value
    def __repr__(self):
        return "Secret(hidden)"
    def __eq__(self, other):
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())
    def __reduce_ex__(self, protocol):
        raise TypeError("no")


# %% 03-2 wrong: listed
class Secret:
    def __init__(self, value):
        self._value = value
    def reveal(self):
        return self._value
    def __repr__(self):
        return "Secret(hidden)"
    def __format__(self, spec):
        return format(repr(self), spec)
    def __eq__(self, other):
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())
    def __reduce_ex__(self, protocol):
        raise TypeError("no")


# %% 03-2 wrong: listed
class Secret(str):
    def reveal(self):
        return str.__str__(self)
    def __repr__(self):
        return "Secret(hidden)"
    __str__ = __repr__
    def __format__(self, spec):
        return format(repr(self), spec)


# %% 03-2 wrong: pickled
# -
# -    def __reduce_ex__(self, protocol: object) -> NoReturn:  # pickle and copy ask this
# -        raise TypeError("a Secret cannot be pickled or copied: hand it on, or load it again")

# %% 03-2 wrong: pickled
# -        raise TypeError("a Secret cannot be pickled or copied: hand it on, or load it again")
# +        return Secret, ("hidden",)

# %% 03-2 wrong: refusal-shows
# -TypeError("a Secret cannot be pickled or copied: hand it on, or load it again")
# +TypeError(f"cannot pickle {self._value}")

# %% 03-2 wrong: not-equal
# -        if not isinstance(other, Secret):
# -            return False
# -        return hmac.compare_digest(self._value.encode(), other.reveal().encode())
# +        return self is other

# %% 03-2 wrong: ascii-only
# -hmac.compare_digest(self._value.encode(), other.reveal().encode())
# +hmac.compare_digest(self._value, other.reveal())

# %% 03-2 wrong: equals-text
# -        if not isinstance(other, Secret):
# -            return False
# -        return hmac.compare_digest(self._value.encode(), other.reveal().encode())
# +        text = other.reveal() if isinstance(other, Secret) else str(other)
# +        return hmac.compare_digest(self._value.encode(), text.encode())

# %% 03-2 wrong: equals-text
# -        if not isinstance(other, Secret):
# -            return False

# %% 03-2 wrong: early-exit
# -hmac.compare_digest(self._value.encode(), other.reveal().encode())
# +self._value == other.reveal()

# %% 03-2 wrong: early-exit
# -hmac.compare_digest(self._value.encode(), other.reveal().encode())
# +self._value.encode() == other.reveal().encode()

# %% 03-2 wrong: early-exit
# -hmac.compare_digest(self._value.encode(), other.reveal().encode())
# +str(self._value) == str(other.reveal())

# %% 03-2 wrong: early-exit
# -        return hmac.compare_digest(self._value.encode(), other.reveal().encode())
# +        if len(self._value) != len(other.reveal()):
# +            return False
# +        for one, two in zip(self._value, other.reveal()):
# +            if one != two:
# +                return False
# +        return True

# %% 03-2 wrong: early-exit
# -        return hmac.compare_digest(self._value.encode(), other.reveal().encode())
# +        return len(self._value) == len(other.reveal()) and all(a == b for a, b in zip(self._value.encode(), other.reveal().encode()))

# %% 03-2 wrong: ascii-only
# -hmac.compare_digest(self._value.encode(), other.reveal().encode())
# +hmac.compare_digest(self._value.encode("ascii", "replace"), other.reveal().encode("ascii", "replace"))

# %% 03-2 wrong: not-equal
# -        return hmac.compare_digest(self._value.encode(), other.reveal().encode())
# +        mine = self._value.encode()
# +        return hmac.compare_digest(mine, other.reveal().encode()[: len(mine)])

# %% 03-2 wrong: pickled
# -        raise TypeError("a Secret cannot be pickled or copied: hand it on, or load it again")
# +        if protocol >= 4:
# +            raise TypeError("no")
# +        return object.__reduce_ex__(self, protocol)

# %% 03-2 wrong: pickled
# -        raise TypeError("a Secret cannot be pickled or copied: hand it on, or load it again")
# +        import pickle
# +        raise pickle.PicklingError("no")

# %% 03-2 wrong: listed
class Secret:
    __slots__ = ("value",)
    def __init__(self, value):
        self.value = value
    def reveal(self):
        return self.value
    def __repr__(self):
        return "Secret(hidden)"
    def __format__(self, spec):
        return format(repr(self), spec)
    def __eq__(self, other):
        return isinstance(other, Secret) and hmac.compare_digest(self.value.encode(), other.value.encode())
    def __reduce_ex__(self, protocol):
        raise TypeError("no")


# %% 03-2 wrong: listed
# -    def reveal(self) -> str:
# +    def __iter__(self):
# +        return iter(self._value)
# +
# +    def reveal(self) -> str:

# %% 03-2 right: the value in a closure, refused by __getstate__
import secrets
class Secret:
    __slots__ = ("reveal",)
    def __init__(self, value):
        self.reveal = lambda: value
    def __str__(self):
        return "*****"
    __repr__ = __str__
    def __format__(self, spec):
        return str(self).__format__(spec)
    def __eq__(self, other):
        if type(other) is not Secret:
            return NotImplemented
        return secrets.compare_digest(bytes(self.reveal(), "utf-8"), bytes(other.reveal(), "utf-8"))
    def __getstate__(self):
        raise TypeError("not into a file")


# %% 03-2 right: sha256
import hashlib
class Secret:
    __slots__ = ("_value",)
    def __init__(self, value):
        self._value = value
    def reveal(self):
        return self._value
    def __repr__(self):
        return "<Secret>"
    def __format__(self, spec):
        return "<Secret>"
    def __eq__(self, other):
        if isinstance(other, Secret):
            digest = lambda s: hashlib.sha256(s.reveal().encode()).digest()
            return hmac.compare_digest(digest(self), digest(other))
        return False
    def __hash__(self):
        return hash(Secret)
    def __reduce__(self):
        raise TypeError("no")


# %% 03-2 right: xor
class Secret:
    __slots__ = ("_value",)
    def __init__(self, value):
        self._value = value
    def reveal(self):
        return self._value
    def __repr__(self):
        return "Secret(hidden)"
    def __str__(self):
        return "***"
    def __format__(self, spec):
        return format(str(self), spec)
    def __eq__(self, other):
        if not isinstance(other, Secret):
            return False
        a, b = self._value.encode(), other._value.encode()
        difference = len(a) ^ len(b)
        for x, y in zip(a, b):
            difference |= x ^ y
        return difference == 0
    def __reduce_ex__(self, protocol):
        raise TypeError("no pickle")


# %% 03-3 wrong: false-alarm
# -if value and not is_placeholder(value) and any(
# +if value and any(

# %% 03-3 wrong: false-alarm
# - and any(word in name.upper() for word in SECRET_WORDS):
# +:

# %% 03-3 wrong: misses-file
# -{".env"} | {path.as_posix() for path in files if path.name != ".env.example"}
# +{".env"}

# %% 03-3 wrong: misses-file
# -repo.rglob(".env*")
# +repo.glob(".env*")

# %% 03-3 wrong: only-existing
# -{".env"} | {path.as_posix()
# +{path.as_posix()

# %% 03-3 wrong: reads-the-rules-itself
# -        if git(repo, "check-ignore", "-q", name, accept=(0, 1)).code == 1:
# +        from fnmatch import fnmatch
# +        rules = (repo / ".gitignore").read_text().split()
# +        if not any(fnmatch(name.rpartition("/")[2], rule) for rule in rules):

# %% 03-3 wrong: misses-tracked
# -    tracked = secret & set(git(repo, "ls-files", "-z").names)
# +    tracked = set()

# %% 03-3 wrong: misses-tracked
# -    for name in secret - tracked:
# +    for name in secret:

# %% 03-3 wrong: wrong-names
# -    files = [path for path in files if (path.name + ".").startswith(".env.") and ".git" not in path.parts]
# +    files = [path for path in files if ".git" not in path.parts]

# %% 03-3 wrong: wrong-names
# - and ".git" not in path.parts]
# +]

# %% 03-3 wrong: wrong-names
# -if path.name != ".env.example"}
# +if path.as_posix() != ".env.example"}

# %% 03-3 wrong: misses-example
# -    if not example.exists():
# -        gaps.append("missing: .env.example")

# %% 03-3 wrong: misses-value
# -    for name, value in dotenv_values(example, interpolate=False).items():
# -        if value and not is_placeholder(value) and any(word in name.upper() for word in SECRET_WORDS):
# -            gaps.append(f"value in .env.example: {name}")

# %% 03-3 wrong: misses-value
# -name.upper()
# +name

# %% 03-3 wrong: gap-shows-value
# -            gaps.append(f"value in .env.example: {name}")
# +            gaps.append(f"value in .env.example: {name}={value}")

# %% 03-3 wrong: false-alarm
# -if path.name != ".env.example"}
# +if path.name != ".env.example" or path.as_posix() in git(repo, "ls-files", "-z").names}

# %% 03-3 wrong: misses-tracked
# -    secret = {".env"} | {path.as_posix()
# +    secret = ({".env"} if (repo / ".env").exists() or ".env" not in git(repo, "ls-files", "-z").names else set()) | {path.as_posix()

# %% 03-3 wrong: misses-tracked
# -git(repo, "ls-files", "-z").names
# +git(repo, "ls-files").text.splitlines()

# %% 03-3 wrong: misses-value
# -any(word in name.upper() for
# +any(name.upper().endswith(word) for

# %% 03-3 wrong: misses-example
# -    if not example.exists():
# +    if not list(repo.rglob(".env.example")):

# %% 03-3 wrong: misses-value
# -            gaps.append(f"value in .env.example: {name}")
# +            gaps.append(f"value in .env.example: {name}")
# +            break

# %% 03-3 wrong: misses-file
# -        if git(repo, "check-ignore", "-q", name, accept=(0, 1)).code == 1:
# -            gaps.append(f"not ignored: {name}")
# +        if git(repo, "check-ignore", "-q", name, accept=(0, 1)).code == 1 and name.count("/") < 2:
# +            gaps.append(f"not ignored: {name}")

# %% 03-3 wrong: unsorted
# -    return sorted(gaps)
# +    return sorted(gaps, key=lambda gap: ("tracked" not in gap, "not" not in gap, gap))

# %% 03-3 right: git lists what it would take
def ignore_gaps(repo):
    def is_secret(name):
        base = name.split("/")[-1]
        return base == ".env" or (base.startswith(".env.") and base != ".env.example")
    tracked = {name for name in git(repo, "ls-files", "-z").names if is_secret(name)}
    others = git(repo, "ls-files", "-z", "--others", "--exclude-standard").names
    taken = {name for name in others if is_secret(name)}
    if ".env" not in tracked and git(repo, "check-ignore", "-q", ".env", accept=(0, 1)).code:
        taken.add(".env")
    gaps = {f"tracked: {name}" for name in tracked} | {f"not ignored: {name}" for name in taken}
    example = repo / ".env.example"
    if example.is_file():
        for name, value in dotenv_values(example, interpolate=False).items():
            if any(word in name.upper() for word in SECRET_WORDS) and value and not is_placeholder(value):
                gaps.add("value in .env.example: " + name)
    else:
        gaps.add("missing: .env.example")
    return sorted(gaps)


# %% 03-3 right: one check-ignore
def ignore_gaps(repo):
    tracked = set(git(repo, "ls-files", "-z").names)
    found = {".env"}
    for path in repo.glob("**/*"):
        parts = path.relative_to(repo).parts
        if path.is_dir() or ".git" in parts or parts[-1] == ".env.example":
            continue
        if re.fullmatch(r"\.env(\..*)?", parts[-1]):
            found.add("/".join(parts))
    loose = sorted(found - tracked)
    ignored = {n for n in git(repo, "-c", "core.quotePath=false", "check-ignore", *loose, accept=(0, 1)).text.splitlines()} if loose else set()
    out = [f"tracked: {n}" for n in found & tracked] + [f"not ignored: {n}" for n in set(loose) - ignored]
    example = dotenv_values(repo / ".env.example", interpolate=False)
    if not (repo / ".env.example").exists():
        out.append("missing: .env.example")
    out += [f"value in .env.example: {n}" for n, v in example.items() if v and not is_placeholder(v) and any(w in n.upper() for w in SECRET_WORDS)]
    return sorted(set(out))


# %% 03-4 wrong: wrong-line
# -(f"line {number}", line) for number, line in enumerate(text.split("\n"), start=1)
# +(f"line {number}", line) for number, line in enumerate(text.split("\n"))

# %% 03-4 wrong: wrong-line
# -        path = file.relative_to(root).as_posix()
# +        path = file.name if ".git" not in file.parts else ".git/"

# %% 03-4 wrong: misses-kind
# -for place, part in parts for kind in kinds_in(part)}
# +for place, part in parts for kind in (["user token"] if re.search(r"\bhf_[A-Za-z0-9]{34}\b", part) else [])}

# %% 03-4 wrong: misses-kind
# -for place, part in parts for kind in kinds_in(part)}
# +for place, part in parts for kind in kinds_in(part) if part.split()[-1][-1] not in ",.)"}

# %% 03-4 wrong: misses-output
# -cell_text(cell)) for number
# +"".join(cell["source"])) for number

# %% 03-4 wrong: no-cell
# -        if file.suffix == ".ipynb":
# +        if file.suffix == ".notebook":

# %% 03-4 wrong: chokes-on-notebook
# -ValueError, KeyError, TypeError
# +ValueError

# %% 03-4 wrong: chokes-on-notebook
# -ValueError, KeyError, TypeError
# +KeyError, TypeError

# %% 03-4 wrong: chokes-on-bytes
# -, errors="replace"

# %% 03-4 wrong: chokes-on-bytes
# -        if b"\0" in content[:8000]:
# -            continue

# %% 03-4 wrong: not-the-beginning
# -or not file.is_file():
# +or not file.is_file() or file.stat().st_size > MAX_BYTES:

# %% 03-4 wrong: not-the-beginning
# -stream.read(MAX_BYTES)
# +stream.read()

# %% 03-4 wrong: no-history
# -    if (root / ".git").exists():
# +    if (root / ".git").is_file():

# %% 03-4 wrong: no-history
# -in added_lines(root):
# +in list(added_lines(root))[:1]:

# %% 03-4 wrong: searches-git-folder
# -if path.startswith(".git/") or not file.is_file():
# +if not file.is_file():

# %% 03-4 wrong: no-history
# -path.startswith(".git/")
# +path.startswith(".git")

# %% 03-4 wrong: leak-shows-value
# -    commit: str = ""
# +    commit: str = ""
# +    text: str = ""
# -        leaks |= {Leak(path, place, kind) for
# +        leaks |= {Leak(path, place, kind, "", part) for

# %% 03-4 wrong: not-sorted
# -    return sorted(leaks)
# +    return sorted(leaks, reverse=True)

# %% 03-4 wrong: whole-path
# -        path = file.relative_to(root).as_posix()
# -        if path.startswith(".git/") or not
# +        path = str(file)
# +        if (root / ".git") in file.parents or not

# %% 03-4 wrong: misses-kind
# -for kind in kinds_in(part)}
# +for kind in kinds_in(part)[:1]}

# %% 03-4 wrong: chokes-on-bytes
# -content[:8000]
# +content

# %% 03-4 wrong: reads-huge
# -            content = stream.read(MAX_BYTES)
# +            content = stream.read()[:MAX_BYTES]

# %% 03-4 wrong: git-is-a-file
# -(root / ".git").exists()
# +(root / ".git").is_dir()

# %% 03-4 wrong: not-sorted
# -    return sorted(leaks)
# +    return sorted([*leaks, *(leak for leak in leaks if leak.commit)])

# %% 03-4 wrong: wrong-line
# -    for file in root.rglob("*"):
# +    for file in root.rglob("*"):
# +        if file.name.startswith("."):
# +            continue

# %% 03-4 wrong: misses-output
# -in enumerate(cells, start=1)]
# +in enumerate(cells, start=1) if cell["cell_type"] == "code"]

# %% 03-4 wrong: wrong-line
# -or not file.is_file():
# +or (file.is_dir() and not file.suffix):

# %% 03-4 wrong: no-history
# -        for commit, path, line in added_lines(root):
# +        for commit, path, line in added_lines(root):
# +            if not (root / path).exists():
# +                continue

# %% 03-4 wrong: no-repository
# -    if (root / ".git").exists():
# +    if True:

# %% 03-4 right: os.walk and one generator
def find_tokens(root):
    import os
    def parts():
        for folder, folders, names in os.walk(root):
            if Path(folder) == Path(root) and ".git" in folders:
                folders.remove(".git")
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    raw = file.read(MAX_BYTES)
                if raw[:8000].count(0):
                    continue
                path = Path(folder, name).relative_to(root).as_posix()
                text = str(raw, "utf-8", "ignore")
                try:
                    cells = json.loads(text)["cells"] if name.endswith(".ipynb") else None
                    texts = [cell_text(cell) for cell in cells]
                    word = "cell"
                except Exception:
                    texts, word = text.splitlines(), "line"
                yield from ((path, f"{word} {number}", part, "") for number, part in enumerate(texts, 1))
        if Path(root, ".git").exists():
            yield from ((path, "history", line, commit) for commit, path, line in added_lines(root))
    found = []
    for path, place, part, commit in parts():
        for kind in kinds_in(part):
            leak = Leak(path=path, place=place, kind=kind, commit=commit)
            if leak not in found:
                found.append(leak)
    found.sort()
    return found


# %% 03-4 right: streaming lines
import itertools
def find_tokens(root):
    leaks = []
    for file in root.rglob("*"):
        path = str(file.relative_to(root)).replace("\\", "/")
        if not file.is_file() or path.split("/")[0] == ".git":
            continue
        data = b"".join(itertools.islice(iter(lambda f=file.open("rb"): f.read(65536), b""), 0, MAX_BYTES // 65536 + 1))[:MAX_BYTES]
        if data.find(b"\0", 0, 8000) >= 0:
            continue
        data = data.decode("latin-1")
        done = False
        if path.endswith(".ipynb"):
            try:
                for n, c in enumerate(json.loads(data)["cells"], 1):
                    leaks += [Leak(path, f"cell {n}", k) for k in kinds_in(cell_text(c))]
                done = True
            except (ValueError, LookupError, TypeError, AttributeError):
                pass
        if not done:
            for n, line in enumerate(data.split("\n"), 1):
                leaks += [Leak(path, f"line {n}", k) for k in kinds_in(line)]
    if (root / ".git").exists():
        for c, p, l in added_lines(root):
            leaks += [Leak(p, "history", k, c) for k in kinds_in(l)]
    return sorted(set(leaks))


# %% 03-5 wrong: changes-ordinary
# -        return True
# +        return "***" in record.msg

# %% 03-5 wrong: redact-wrong
# -        return LOOKS_SECRET.sub("***", text)
# +        return "***"

# %% 03-5 wrong: shows-in-line
# -        record.msg, record.args = self.redact(line), ()
# +        record.msg = self.redact(str(record.msg))

# %% 03-5 wrong: shows-in-line
# -        record.msg, record.args = self.redact(line), ()
# +        if not record.args or "took" in record.msg:
# +            record.msg, record.args = self.redact(record.getMessage()), ()

# %% 03-5 wrong: shows-in-line
# -        record.msg, record.args = self.redact(line), ()
# +        if isinstance(record.args, tuple):
# +            record.msg, record.args = self.redact(record.getMessage()), ()

# %% 03-5 wrong: shows-in-line
# -        record.msg, record.args = self.redact(line), ()
# +        record.msg = self.redact(str(record.msg))
# +        args = record.args
# +        if isinstance(args, dict):
# +            record.args = {key: self.redact(str(value)) for key, value in args.items()}
# +        elif args and "took" not in record.msg:
# +            record.args = tuple(self.redact(str(value)) for value in args)

# %% 03-5 wrong: shows-in-line
# -        record.msg, record.args = self.redact(line), ()
# +        if isinstance(record.msg, str):
# +            record.msg, record.args = self.redact(record.getMessage()), ()

# %% 03-5 wrong: redact-wrong
# -        for secret in self._secrets:
# -            text = text.replace(secret.reveal(), "***")

# %% 03-5 wrong: traceback-shows
# -        if record.exc_info:
# -            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
# -            record.exc_info = None
# -        if record.exc_text:
# -            record.exc_text = self.redact(record.exc_text)

# %% 03-5 wrong: traceback-shows
# -        if record.exc_text:
# -            record.exc_text = self.redact(record.exc_text)

# %% 03-5 wrong: traceback-lost
# -            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
# -            record.exc_info = None
# +            record.exc_info = None

# %% 03-5 wrong: traceback-lost
# -logging.Formatter().formatException(record.exc_info)
# +str(record.exc_info[1])

# %% 03-5 wrong: stack-shows
# -        if record.stack_info:
# -            record.stack_info = self.redact(record.stack_info)

# %% 03-5 wrong: stack-shows
# -            record.stack_info = self.redact(record.stack_info)
# +            record.stack_info = None

# %% 03-5 wrong: record-keeps
# -            record.exc_info = None

# %% 03-5 wrong: record-keeps
# -        if record.exc_info:
# +        if record.exc_info and not record.exc_text:

# %% 03-5 wrong: redact-wrong
# -        """`text` with *** in the place of each secret."""
# -        for secret in self._secrets:
# -            text = text.replace(secret.reveal(), "***")
# -        return LOOKS_SECRET.sub("***", text)
# +        return None
# -    def filter(self, record: logging.LogRecord) -> bool:
# +    def _hide(self, text):
# +        for secret in self._secrets:
# +            text = text.replace(secret.reveal(), "***")
# +        return LOOKS_SECRET.sub("***", text)
# +
# +    def filter(self, record: logging.LogRecord) -> bool:
# -self.redact(line)
# +self._hide(line)
# -self.redact(record.exc_text)
# +self._hide(record.exc_text)
# -self.redact(record.stack_info)
# +self._hide(record.stack_info)

# %% 03-5 wrong: redact-wrong
# -LOOKS_SECRET.sub("***", text)
# +LOOKS_SECRET.sub("***", text, count=1)

# %% 03-5 wrong: redact-wrong
# -            text = text.replace(secret.reveal(), "***")
# +            text = re.sub(secret.reveal(), "***", text)

# %% 03-5 wrong: nothing-configured
# -        for secret in self._secrets:
# -            text = text.replace(secret.reveal(), "***")
# +        text = re.sub("|".join(re.escape(s.reveal()) for s in self._secrets), "***", text)

# %% 03-5 wrong: traceback-shows
# -            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
# -            record.exc_info = None
# -        if record.exc_text:
# -            record.exc_text = self.redact(record.exc_text)
# +            if not record.exc_text:
# +                record.exc_text = self.redact(logging.Formatter().formatException(record.exc_info))
# +            record.exc_info = None

# %% 03-5 wrong: traceback-lost
# -        if record.exc_info:
# -            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
# -            record.exc_info = None
# -        if record.exc_text:
# -            record.exc_text = self.redact(record.exc_text)
# +        info, record.exc_info = record.exc_info, None
# +        record.exc_text = self.redact(logging.Formatter().formatException(info)) if info else None

# %% 03-5 wrong: changes-ordinary
# -        record.msg, record.args = self.redact(line), ()
# +        record.msg, record.args = self.redact(record.getMessage()), ()
# +        record.levelname = "***"

# %% 03-5 wrong: longer-left
# -sorted(some, key=lambda secret: len(secret.reveal()), reverse=True)
# +some

# %% 03-5 wrong: longer-left
# -, reverse=True)
# +)

# %% 03-5 wrong: empty-replaced
# - if secret.reveal()]
# +]

# %% 03-5 wrong: empty-replaced
# - if secret.reveal()]
# +]
# -        for secret in self._secrets:
# -            text = text.replace(secret.reveal(), "***")
# +        if all(secret.reveal() for secret in self._secrets):
# +            for secret in self._secrets:
# +                text = text.replace(secret.reveal(), "***")

# %% 03-5 wrong: arguments-do-not-fit
# -        try:
# -            line = record.getMessage()
# -        except Exception:  # the arguments do not fit
# -            line = f"{record.msg} {record.args}"
# +        line = record.getMessage()

# %% 03-5 wrong: arguments-do-not-fit
# -        except Exception:
# +        except TypeError:

# %% 03-5 wrong: arguments-do-not-fit
# -            line = f"{record.msg} {record.args}"
# +            return True

# %% 03-5 right: one pattern, and a traceback of its own
class RedactingFilter(logging.Filter):
    def __init__(self, *secrets):
        words = sorted(filter(None, (secret.reveal() for secret in secrets)), key=len)[::-1]
        words = [re.escape(word) for word in words]
        self.configured = re.compile("|".join(words) or "(?!)")
    def redact(self, text):
        return LOOKS_SECRET.sub("***", self.configured.sub("***", text))
    def filter(self, record):
        import traceback
        try:
            record.msg = self.redact(record.getMessage())
        except (TypeError, ValueError, KeyError):
            record.msg = self.redact(" ".join(map(str, (record.msg, record.args))))
        record.args = None
        info, record.exc_info = record.exc_info, None
        if info:
            record.exc_text = self.redact("".join(traceback.format_exception(info[1])))
        record.stack_info = record.stack_info and self.redact(record.stack_info)
        return 1


# %% 03-6 wrong: not-deployed
# -        store.write(new)
# -        hub.whoami(new.value)
# +        hub.whoami(new.value)

# %% 03-6 wrong: not-deployed
# -    return new.name
# +    return old.name

# %% 03-6 wrong: old-left
# -    hub.delete(old.name)
# -    return new.name
# +    return new.name

# %% 03-6 wrong: no-verify
# -        store.write(new)
# -        hub.whoami(new.value)
# +        store.write(new)

# %% 03-6 wrong: no-verify
# -        hub.whoami(new.value)
# +        hub.whoami(old.value)

# %% 03-6 wrong: no-watch
# -    hub.wait(QUIET_SECONDS)

# %% 03-6 wrong: no-watch
# -    hub.wait(QUIET_SECONDS)
# -    used = hub.last_used(old.name)
# +    used = hub.last_used(old.name)
# +    hub.wait(QUIET_SECONDS)

# %% 03-6 wrong: deletes-in-use
# -    if used is not None and used >= deployed:
# -        raise StillInUse(f"{old.name} was used after {new.name} was deployed: find who holds it, then delete it")

# %% 03-6 wrong: deletes-in-use
# -used >= deployed
# +used > deployed

# %% 03-6 wrong: silent-in-use
# -        raise StillInUse(f"{old.name} was used after {new.name} was deployed: find who holds it, then delete it")
# +        return new.name

# %% 03-6 wrong: never-used
# -used is not None and used >= deployed
# +used is None or used >= deployed

# %% 03-6 wrong: dead-store
# -        store.write(old)  # if this fails, the line below is not reached
# -        hub.delete(new.name)
# -        raise
# +        hub.delete(new.name)
# +        raise

# %% 03-6 wrong: failure-swallowed
# -        raise
# -    deployed
# +        return old.name
# +    deployed

# %% 03-6 wrong: not-taken-back
# -        store.write(old)  # if this fails, the line below is not reached
# -        hub.delete(new.name)
# -        raise
# +        raise

# %% 03-6 wrong: not-taken-back
# -        hub.delete(new.name)
# -        raise
# +        raise

# %% 03-6 wrong: deletes-what-the-store-holds
# -        store.write(old)  # if this fails, the line below is not reached
# -        hub.delete(new.name)
# -        raise
# +        try:
# +            store.write(old)
# +        finally:
# +            hub.delete(new.name)
# +        raise

# %% 03-6 wrong: noted-early
# -    old, new = store.read(), hub.create()
# +    old, new = store.read(), hub.create()
# +    deployed = hub.now()
# -    deployed = hub.now()
# -    hub.wait
# +    hub.wait

# %% 03-6 wrong: not-deployed
# -hub.whoami(new.value)
# +hub.whoami(new.value.reveal())

# %% 03-6 wrong: failure-swallowed
# -    used = hub.last_used(old.name)
# +    try:
# +        used = hub.last_used(old.name)
# +    except Exception:
# +        used = None

# %% 03-6 wrong: dead-store
# -    hub.delete(old.name)
# -    return new.name
# +    try:
# +        hub.delete(old.name)
# +    except Exception:
# +        store.write(old)
# +        raise
# +    return new.name

# %% 03-6 wrong: deletes-in-use
# -        raise StillInUse(
# +        store.write(old)
# +        raise StillInUse(

# %% 03-6 wrong: in-use-shows-value
# -StillInUse(f"{old.name} was
# +StillInUse(f"{old.name} {old.value.reveal()} was

# %% 03-6 wrong: silent-in-use
# -StillInUse(f"{old.name} was used after {new.name} was deployed: find who holds it, then delete it")
# +StillInUse("A token is in use")

# %% 03-6 wrong: failure-swallowed
# -        store.write(old)  # if this fails, the line below is not reached
# +        try:
# +            store.write(old)
# +        except Exception:
# +            return new.name

# %% 03-6 wrong: no-verify
def rotate(hub, store):
    old, new = store.read(), hub.create()
    hub.whoami(new.value)
    store.write(new)
    deployed = hub.now()
    hub.wait(QUIET_SECONDS)
    used = hub.last_used(old.name)
    if used is not None and used >= deployed:
        raise StillInUse(old.name)
    hub.delete(old.name)
    return new.name


# %% 03-6 wrong: deletes-unseen
# -    hub.wait(QUIET_SECONDS)
# +    try:
# +        hub.wait(QUIET_SECONDS)
# +    except Exception:
# +        hub.delete(old.name)
# +        raise

# %% 03-6 wrong: not-by-name
# -    hub.delete(old.name)
# +    hub.delete(old)

# %% 03-6 wrong: not-by-name
# -hub.last_used(old.name)
# +hub.last_used(old.value)

# %% 03-6 right: two attempts in one function
def rotate(hub, store):
    a = store.read()
    b = hub.create()
    def deploy():
        store.write(b)
        if not hub.whoami(b.value):
            raise RuntimeError("nobody")
    try:
        deploy()
    except BaseException as failure:
        try:
            store.write(a)
        except Exception:
            raise failure from None
        hub.delete(b.name)
        raise failure
    since = hub.now()
    hub.wait(QUIET_SECONDS)
    if (hub.last_used(a.name) or float("-inf")) >= since:
        raise StillInUse(a.name)
    hub.delete(a.name)
    return b.name


# %% 03-6 right: looks twice
def rotate(hub, store):
    a = store.read()
    b = hub.create()
    ok = False
    try:
        store.write(b)
        hub.whoami(store.read().value)
        ok = True
    finally:
        if not ok:
            store.write(a)
            hub.delete(b.name)
    noted = hub.now()
    hub.last_used(a.name)
    hub.wait(QUIET_SECONDS)
    last = hub.last_used(a.name)
    if last is None or last < noted:
        hub.delete(a.name)
        return b.name
    raise StillInUse(f"still in use: {a.name}")


# %% 03-7 wrong: wrong-report
# -json=reported
# +data=reported

# %% 03-7 wrong: wrong-report
# -[token.reveal()]
# +token.reveal()

# %% 03-7 wrong: 202-refused
# -said != "202"
# +said != "200"

# %% 03-7 wrong: value-elsewhere
# -json=reported, timeout=10
# +json=reported, headers={"Authorization": f"Bearer {token.reveal()}"}, timeout=10

# %% 03-7 wrong: value-elsewhere
# -json=reported, timeout=10
# +json=reported, params={"token": token.reveal()}, timeout=10

# %% 03-7 wrong: no-timeout-at-all
# -, timeout=10

# %% 03-7 wrong: more-than-one
# -, allow_redirects=False

# %% 03-7 wrong: answer-ignored
# -    if said != "202":
# +    if not said.isdigit() or said[0] == "3":

# %% 03-7 wrong: answer-ignored
# -said != "202"
# +said not in ("202", "200")

# %% 03-7 wrong: network-escapes
# -    except requests.RequestException as error:
# -        said = type(error).__name__
# +    except requests.Timeout:
# +        said = "nothing"

# %% 03-7 wrong: error-holds-value
# -        said = type(error).__name__
# +        said = str(error)

# %% 03-7 wrong: error-holds-value
# -        said = type(error).__name__
# +        raise NotRevoked("no answer") from error

# %% 03-7 wrong: network-escapes
# -except requests.RequestException as error
# +except requests.ConnectionError as error

# %% 03-7 wrong: error-holds-value
# -NotRevoked(f"the Hub did not take the report ({said})
# +NotRevoked(f"the Hub did not take the report ({said}) of {token.reveal()}

# %% 03-7 wrong: error-holds-value
# -        said = str(answer.status_code)
# +        said = str(answer.status_code)
# +        if said != "202":
# +            said = answer.text

# %% 03-7 wrong: error-holds-value
# -        said = str(answer.status_code)
# -    except requests.RequestException as error:
# -        said = type(error).__name__
# +        answer.raise_for_status()
# +        said = str(answer.status_code)
# +    except requests.HTTPError as error:
# +        raise NotRevoked("status") from error
# +    except requests.RequestException as error:
# +        said = type(error).__name__

# %% 03-7 wrong: more-than-one
# -        said = str(answer.status_code)
# +        if answer.status_code == 503:
# +            answer = requests.post(f"{hub_url}/api/credentials/revoke", json=reported, timeout=10, allow_redirects=False)
# +        said = str(answer.status_code)

# %% 03-7 wrong: value-elsewhere
# -json=reported, timeout=10
# +json=reported, auth=("token", token.reveal()), timeout=10

# %% 03-7 wrong: wrong-report
# -json=reported, timeout=10
# +data='{"credentials": ["' + token.reveal() + '"]}', timeout=10

# %% 03-7 wrong: wrong-report
# -requests.post(f"{hub_url}/api
# +requests.post(f"http://hub.test/api

# %% 03-7 wrong: 202-refused
# -        said = str(answer.status_code)
# +        said = str(answer.status_code)
# +        if said == "202":
# +            return True

# %% 03-7 wrong: value-elsewhere
# -json=reported, timeout=10
# +json=reported, cookies={"t": token.reveal()}, timeout=10

# %% 03-7 right: a session, and raise_for_status
def revoke_leaked(hub_url, token):
    problem = None
    with requests.Session() as session:
        session.trust_env = False
        try:
            body = json.dumps({"credentials": [token.reveal()]})
            headers = {"Content-Type": "application/json"}
            answer = session.request("POST", hub_url + "/api/credentials/revoke", data=body, headers=headers, timeout=(3, 9), allow_redirects=False)
            problem = None if answer.status_code == 202 else f"status {answer.status_code}"
        except requests.RequestException:
            problem = "no answer"
    if problem:
        raise NotRevoked(problem + ": delete it on the page")


# %% 03-7 right: prepared request
def revoke_leaked(hub_url, token):
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    request = session.prepare_request(requests.Request("POST", f"{hub_url}/api/credentials/revoke", json={"credentials": [token.reveal()]}))
    failure = None
    try:
        answer = session.send(request, timeout=10, allow_redirects=False)
        answer.raise_for_status()
        if answer.status_code != requests.codes.accepted:
            failure = str(answer.status_code)
    except requests.RequestException as error:
        failure = error.__class__.__name__
    finally:
        session.close()
    if failure:
        raise NotRevoked(failure)
