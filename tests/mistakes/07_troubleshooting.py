# Answers to the exercises of 07_troubleshooting. Each block takes the place of the exercise's own cell:
#     # %% 07-2 wrong: name of the mistake that the check must find
#     # %% 07-2 right: another correct way
#     # %% 07-6 todo: an answer that is not complete
# A block is the whole answer, or the one slip that turns our solution into it: lines `# -` are replaced by the
# lines `# +` below them. The matrix in tests/course/test_exercises.py runs them all. What is wrong at the doors of the
# escape room stands in tests/mistakes/escape_room.toml.

# %% 07-1 wrong: no-diagnosis
# -    return conclude(cause, seen)
# +    return cause

# %% 07-1 wrong: no-diagnosis
# -    return conclude(cause, seen)
# +    return conclude(cause, seen) if host else None

# %% 07-1 wrong: wrong-cause
# -    elif status in (400, 422):
# +    elif status == 400:

# %% 07-1 wrong: wrong-cause
# -    elif status >= 500 and status != 504:
# +    elif status in (500, 502):

# %% 07-1 wrong: no-token-taken-for-a-bad-one
# -"token-refused" if "Invalid credentials" in words else "no-token"
# +"token-refused"

# %% 07-1 wrong: credits-taken-for-a-rate-limit
# -    elif status == 429:
# +    elif status in (402, 429):

# %% 07-1 wrong: gate-taken-for-a-permission
# -"gate-closed" if error_code == "GatedRepo" else
# +"gate-closed" if "authorized list" in words else

# %% 07-1 wrong: policy-taken-for-a-permission
# -"organisation-policy" if "organization" in words
# +"organisation-policy" if "organisation" in words

# %% 07-1 wrong: 404-taken-at-its-word
# -"hidden-or-missing" if error_code == "RepoNotFound" else "nothing-there"
# +"nothing-there"

# %% 07-1 wrong: address-not-told-apart
# -        cause = "address-limited" if "your IP" in words else limited
# +        cause = "address-limited" if "your IP" in words and limited == "busy" else limited

# %% 07-1 wrong: waits-for-a-window-that-is-open
# -re.search(r"\br=0\b", headers.get("RateLimit", ""))
# +"RateLimit" in headers

# %% 07-1 wrong: endpoint-not-told-apart
# -(host.endswith(".endpoints.huggingface.cloud") or "loading" in words)
# +"loading" in words

# %% 07-1 wrong: page-taken-for-an-answer
# -    if status == 200 and headers.get("Content-Type", "").startswith("text/html"):
# +    if status == 200 and headers.get("Content-Type") == "text/html":

# %% 07-1 wrong: line-too-wide-or-too-narrow
# -cause = "gate-closed" if error_code == "GatedRepo" else "disabled" if "disabled" in words else policy
# +cause = "disabled" if "disabled" in words else "gate-closed" if error_code == "GatedRepo" else policy

# %% 07-1 wrong: line-too-wide-or-too-narrow
# -host.endswith(".endpoints.huggingface.cloud")
# +".endpoints.huggingface.cloud" in url

# %% 07-1 wrong: line-too-wide-or-too-narrow
# -300 <= status < 400
# +status in (301, 302, 307, 308)

# %% 07-1 wrong: line-too-wide-or-too-narrow
# -status >= 500 and status != 504
# +status in (500, 502, 503)

# %% 07-1 wrong: line-too-wide-or-too-narrow
# -re.search(r"\br=0\b", headers.get("RateLimit", ""))
# +"=0" in headers.get("RateLimit", "")

# %% 07-1 wrong: line-too-wide-or-too-narrow
# -if code == "model_not_supported"
# +if "not supported" in words

# %% 07-1 wrong: more-than-one-line
# -{host}{address.path}: {words}")[:200]
# +{host}{address.path}:\n{words}")[:200]

# %% 07-1 wrong: own-advice
# -    return conclude(cause, seen)
# +    return Diagnosis(cause, "service", "again", "try again", seen)

# %% 07-1 wrong: shows-the-token
# -mask(f"{status} {host}{address.path}: {words}")[:200]
# +f"{status} {host}{address.path}: {words}"[:200]

# %% 07-1 wrong: shows-the-token
# -mask(f"{status} {host}{address.path}: {words}")[:200]
# +f"{status} {host}{address.path}: {mask(words)}"[:200]

# %% 07-1 wrong: shows-the-query
# -{host}{address.path}: {words}")[:200]
# +{host}{address.path}?{address.query}: {words}")[:200]

# %% 07-1 wrong: shows-the-user
# -{host}{address.path}: {words}")[:200]
# +{address.username}@{address.hostname} {address.password} {address.path}: {words}")[:200]

# %% 07-1 wrong: cuts-before-masking
# -mask(f"{status} {host}{address.path}: {words}")[:200]
# +mask(f"{status} {host}{address.path}: {words}"[:184])

# %% 07-1 wrong: says-too-little
# -{host}{address.path}: {words}")[:200]
# +{host}{address.path}")[:200]

# %% 07-1 wrong: stumbles-over-an-address
# -    try:
# -        address = urlsplit(url)
# -    except ValueError:
# -        address = urlsplit("")
# +    address = urlsplit(url)

# %% 07-1 wrong: shows-a-broken-address
# -        address = urlsplit("")
# +        address = urlsplit("//nowhere/" + url)

# %% 07-1 wrong: endless-line
# -{words}")[:200]
# +{words}")

# %% 07-1 right: rules from the top
def diagnose(status, headers, body, url):
    words, code = said(body)
    try:
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path
    except ValueError:
        host = path = ""
    error, limit = headers.get("X-Error-Code"), headers.get("RateLimit", "")
    rules = [
        (status == 200 and "text/html" in headers.get("Content-Type", ""), "not-the-server"),
        (status // 100 == 3, "moved"),
        (status in (400, 422) and code == "model_not_supported", "model-not-served"),
        (status in (400, 422), "bad-request"),
        (status == 401 and "Invalid credentials" in words, "token-refused"),
        (status == 401, "no-token"),
        (status in BY_STATUS, BY_STATUS.get(status)),
        (status == 403 and error == "GatedRepo", "gate-closed"),
        (status == 403 and "disabled" in words, "disabled"),
        (status == 403 and "organization" in words, "organisation-policy"),
        (status == 403, "permission-missing"),
        (status == 404 and error == "RepoNotFound", "hidden-or-missing"),
        (status == 404, "nothing-there"),
        (status == 429 and "your IP" in words, "address-limited"),
        (status == 429 and ";r=0;" in limit.replace(" ", "") + ";", "window-used-up"),
        (status == 429, "busy"),
        (status == 503 and host.endswith(".endpoints.huggingface.cloud"), "starting"),
        (status == 503 and "loading" in words, "starting"),
        (status >= 500, "service-failed"),
        (True, "unknown"),
    ]
    line = f"{status} from {host}, {path}, said: {words}"
    return conclude(next(cause for so, cause in rules if so), mask(line)[:200])


# %% 07-2 wrong: misreads-the-window
# -int(limit[2]), int(limit[3])
# +int(limit[3]), int(limit[2])

# %% 07-2 wrong: strict-about-spaces
# -r'"(\w+)"\s*;\s*r=(\d+)\s*;\s*t=(\d+)'
# +r'"(\w+)";r=(\d+);t=(\d+)'

# %% 07-2 wrong: guesses-a-window
# -            return None
# +            return cls("api", 1000, 300, 1000)

# %% 07-2 wrong: over-the-limit
# -window.remaining <= self.reserve or answer.status_code == 429
# +answer.status_code == 429

# %% 07-2 wrong: lost-answers
# -        return answer
# +        return answer if self._free_at == 0 else requests.Response()

# %% 07-2 wrong: too-slow
# -                self.clock.sleep(wait)
# +                self.clock.sleep(wait + 60)

# %% 07-2 wrong: waits-without-need
# -            if (wait := self._free_at - self.clock.time()) > 0:
# -                self.clock.sleep(wait)
# +            self.clock.sleep(max(0.3, self._free_at - self.clock.time()))

# %% 07-2 wrong: waits-without-need
# -            if window is not None:
# -                full = window.remaining <= self.reserve or answer.status_code == 429
# -                self._free_at = self.clock.time() + window.reset_seconds if full else 0.0
# +            if window is None:
# +                self._free_at = self.clock.time() + 1.0
# +            else:
# +                full = window.remaining <= self.reserve or answer.status_code == 429
# +                self._free_at = self.clock.time() + window.reset_seconds if full else 0.0

# %% 07-2 wrong: waits-from-the-start
# -                self.clock.sleep(wait)
# +                self.clock.sleep(self._told)
# -            if window is not None:
# +            if window is not None:
# +                self._told = window.reset_seconds

# %% 07-2 wrong: no-timeout
# -self.session.get(url, timeout=10)
# +self.session.get(url)

# %% 07-2 wrong: mixes-up-addresses
# -self._kept.get(url, (0.0, None))
# +self._kept.get(urlsplit(url).path, (0.0, None))
# -            self._kept[url] =
# +            self._kept[urlsplit(url).path] =

# %% 07-2 wrong: keeps-for-ever
# -            return kept
# +            self._kept[url] = (self.clock.time() + self.fresh_seconds, kept)
# +            return kept

# %% 07-2 wrong: keeps-failures
# -        if answer.status_code == 200:
# +        if answer.ok:

# %% 07-2 wrong: gives-up-at-once
# -if answer.status_code != 429 or window is None:
# +if answer.status_code != 429 or window is None or window.remaining > 0:

# %% 07-2 wrong: misreads-the-window
# -cls(limit[1],
# +cls("api",

# %% 07-2 right: a second more, to be on the safe side
# -self.clock.time() + window.reset_seconds if
# +self.clock.time() + window.reset_seconds + 1 if

# %% 07-2 wrong: counts-for-itself
# -        self._free_at = 0.0  # no request before
# +        self._free_at, self._left, self._ends = 0.0, None, 0.0
# -                full = window.remaining <= self.reserve or answer.status_code == 429
# +                if self._left is None or self.clock.time() >= self._ends:
# +                    self._left, self._ends = window.remaining + 1, self.clock.time() + window.reset_seconds
# +                self._left -= 1
# +                full = self._left <= self.reserve or answer.status_code == 429

# %% 07-2 wrong: takes-the-reserve
# -window.remaining <= self.reserve or
# +window.remaining == 0 or

# %% 07-2 wrong: no-cache
# -        if answer.status_code == 200:
# +        if answer.status_code == 204:

# %% 07-2 wrong: another-answer
# -            return kept
# +            return requests.Response()

# %% 07-2 wrong: keeps-for-ever
# -kept is not None and self.clock.time() < until:
# +kept is not None:

# %% 07-2 wrong: keeps-failures
# -        if answer.status_code == 200:
# +        if answer.status_code != 429:

# %% 07-2 wrong: gives-up-at-once
# -MAX_TRIES):
# +1):

# %% 07-2 wrong: wrong-wait-after-429
# -                self.clock.sleep(wait)
# +                self.clock.sleep(wait if answers_seen(self) else min(wait, 30))
# -    def get(self, url: str) -> requests.Response:
# +    def get(self, url: str) -> requests.Response:
# +        def answers_seen(pacer):
# +            return pacer._kept

# %% 07-2 wrong: never-gives-up
# -        for _ in range(MAX_TRIES):
# +        for _ in range(10):

# %% 07-2 wrong: repeats-without-a-window
# -            if answer.status_code != 429 or window is None:
# +            if answer.status_code != 429:

# %% 07-2 right: the library reads the headers
class RateWindow:
    def __init__(self, bucket, remaining, reset_seconds, quota=None):
        self.bucket, self.remaining, self.reset_seconds, self.quota = bucket, remaining, reset_seconds, quota

    @classmethod
    def from_headers(cls, headers):
        from huggingface_hub.utils import parse_ratelimit_headers

        told = parse_ratelimit_headers(headers)
        return told and cls(told.resource_type, told.remaining, told.reset_in_seconds, told.limit)


class Pacer:
    def __init__(self, session, clock=time, *, reserve=0, fresh_seconds=3600):
        self.session, self.clock, self.reserve, self.fresh_seconds = session, clock, reserve, fresh_seconds
        self.cache, self.window, self.told_at = {}, None, 0

    def get(self, url):
        if url in self.cache and self.clock.time() - self.cache[url][0] < self.fresh_seconds:
            return self.cache[url][1]
        answer = self.ask(url)
        tries = 1
        while answer.status_code == 429 and RateWindow.from_headers(answer.headers) and tries < MAX_TRIES:
            self.window.remaining = 0
            answer = self.ask(url)
            tries += 1
        if answer.status_code == 200:
            self.cache[url] = (self.clock.time(), answer)
        return answer

    def ask(self, url):
        if self.window and self.window.remaining <= self.reserve:
            ends = self.told_at + self.window.reset_seconds
            if ends > self.clock.time():
                self.clock.sleep(ends - self.clock.time())
        answer = self.session.get(url, timeout=10)
        window = RateWindow.from_headers(answer.headers)
        if window:
            self.window, self.told_at = window, self.clock.time()
        return answer


# %% 07-3 wrong: one-after-the-other
# -        list(pool.map(ask, asked))
# +        for prompt in asked:
# +            ask(prompt)

# %% 07-3 wrong: unbounded
# -max_workers=concurrency
# +max_workers=len(asked) or 1

# %% 07-3 wrong: out-of-order
# -[done.get(prompt) for prompt in prompts]
# +list(reversed(done.values()))

# %% 07-3 wrong: failure-stops-the-others
# -                failures[prompt] = type(error).__name__
# -                return
# +                failures[prompt] = type(error).__name__
# +                done.clear()
# +                return

# %% 07-3 wrong: failure-stops-the-others
# -            except Exception as error:
# +            except (OSError, ValueError) as error:

# %% 07-3 wrong: miscounts
# -failures, len(asked))
# +failures, len(asked) - len(failures))

# %% 07-3 wrong: miscounts
# -            try:
# -                answer = client(prompt)
# -            except
# +            try:
# +                try:
# +                    answer = client(prompt)
# +                except Exception:
# +                    answer = client(prompt)
# +            except

# %% 07-3 wrong: alters-prompts
# -if prompt not in done]
# +if prompt.lower() not in {known.lower() for known in done}]

# %% 07-3 wrong: alters-prompts
# -    done: dict[str, str] = {}
# +    done: dict[str, str] = {}
# +    prompts = [prompt.strip() for prompt in prompts]

# %% 07-3 wrong: forgets-answers
# -if prompt not in done]
# +if not done.get(prompt)]

# %% 07-3 wrong: forgets-answers
# -    failures: dict[str, str] = {}
# +    done = {prompt: answer for prompt, answer in done.items() if prompt in prompts}
# +    beside = journal.with_name("beside")
# +    beside.write_text("".join(json.dumps({"prompt": p, "answer": done[p]}) + "\n" for p in done))
# +    beside.replace(journal)
# +    whole = journal.stat().st_size
# +    failures: dict[str, str] = {}

# %% 07-3 wrong: shows-the-token
# -type(error).__name__
# +repr(error)

# %% 07-3 wrong: hides-failures
# -                failures[prompt] = type(error).__name__
# +

# %% 07-3 wrong: keeps-failures
# -                failures[prompt] = type(error).__name__
# -                return
# +                failures[prompt], answer = type(error).__name__, None

# %% 07-3 wrong: asks-twice
# -if prompt not in done]
# +]

# %% 07-3 wrong: asks-doubles
# -for prompt in dict.fromkeys(prompts) if
# +for prompt in prompts if

# %% 07-3 wrong: known-by-place
def run_batch(prompts, client, concurrency, journal):
    kept = {}
    for line in journal.read_bytes().splitlines(keepends=True) if journal.exists() else []:
        if line.endswith(b"\n"):
            kept.update({int(number): answer for number, answer in json.loads(line).items()})
    failures, asked, lock, known = {}, [], threading.Lock(), dict.fromkeys(prompts)

    def ask(place):
        prompt = list(known)[place]
        asked.append(prompt)
        try:
            answer = client(prompt)
        except Exception as error:
            failures[prompt] = type(error).__name__
            return
        with lock:
            kept[place] = answer
            with journal.open("ab") as file:
                file.write(json.dumps({place: answer}).encode() + b"\n")

    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(ask, [place for place in range(len(known)) if place not in kept]))
    places = {prompt: place for place, prompt in enumerate(known)}
    return BatchResult([kept.get(places[prompt]) for prompt in prompts], failures, len(asked))


# %% 07-3 wrong: written-too-late
# -                file.flush()
# +

# %% 07-3 wrong: chokes-on-a-torn-line
# -        if line.endswith(b"\n"):
# +        if line:

# %% 07-3 wrong: chokes-on-a-torn-line
# -    for line in journal.read_bytes().splitlines(keepends=True) if journal.exists() else []:
# -        if line.endswith(b"\n"):
# +    for line in journal.read_text(encoding="utf-8").split("\n") if journal.exists() else []:
# +        if line.endswith("}"):
# -            whole += len(line)
# +            whole += len(line.encode()) + 1
# -json.dumps({"prompt": prompt, "answer": answer}).encode()
# +json.dumps({"prompt": prompt, "answer": answer}, ensure_ascii=False).encode()

# %% 07-3 wrong: forgets-whole-lines
# -    failures: dict[str, str] = {}
# +    if journal.exists() and journal.stat().st_size != whole:
# +        done, whole = {}, 0
# +    failures: dict[str, str] = {}

# %% 07-3 wrong: gone-while-mending
# -    failures: dict[str, str] = {}
# +    journal.write_bytes(journal.read_bytes()[:whole] if journal.exists() else b"")
# +    failures: dict[str, str] = {}

# %% 07-3 wrong: gone-while-mending
# -    failures: dict[str, str] = {}
# +    kept = journal.read_bytes()[:whole] if journal.exists() else b""
# +    journal.unlink(missing_ok=True)
# +    journal.write_bytes(kept)
# +    failures: dict[str, str] = {}

# %% 07-3 right: writes another file and puts it in its place
# -    failures: dict[str, str] = {}
# +    kept = journal.read_bytes()[:whole] if journal.exists() else b""
# +    beside = journal.with_name("beside")
# +    beside.write_bytes(kept)
# +    beside.replace(journal)
# +    failures: dict[str, str] = {}
# -        file.truncate(whole)  # cuts half a line off, and touches nothing in front of it
# +

# %% 07-3 wrong: glued-to-the-torn-line
# -        file.truncate(whole)  # cuts half a line off, and touches nothing in front of it
# +
# -            row = json.loads(line)
# +            try:
# +                row = json.loads(line)
# +            except ValueError:
# +                continue

# %% 07-3 wrong: mixed-lines
# -            with writing:
# -                file.write(json.dumps({"prompt": prompt, "answer": answer}).encode() + b"\n")
# -                file.flush()
# -                done[prompt] = answer
# +            for piece in (json.dumps({"prompt": prompt, "answer": answer}), "\n"):
# +                file.write(piece.encode())
# +                file.flush()
# +                time.sleep(0)
# +            done[prompt] = answer

# %% 07-3 wrong: trusts-a-torn-line
def run_batch(prompts, client, concurrency, journal):
    done, lock, failures, asked = {}, threading.Lock(), {}, []
    if journal.exists() and not journal.read_bytes().endswith(b"\n"):
        journal.write_bytes(journal.read_bytes() + b"\n")
    for line in journal.read_bytes().split(b"\n") if journal.exists() else []:
        prompt, _, answer = line.decode("utf-8", "replace").partition("\t")
        if answer:
            done[prompt] = json.loads(answer) if answer.endswith('"') and len(answer) > 1 else answer

    def ask(prompt):
        asked.append(prompt)
        try:
            answer = client(prompt)
        except Exception as error:
            failures[prompt] = type(error).__name__
            return
        with lock, journal.open("ab") as file:
            file.write(f"{prompt}\t{json.dumps(answer)}\n".encode())
            done[prompt] = answer

    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(ask, [prompt for prompt in dict.fromkeys(prompts) if prompt not in done]))
    return BatchResult([done.get(prompt) for prompt in prompts], failures, len(asked))


# %% 07-3 right: futures, and a newline in front of each line
def run_batch(prompts, client, concurrency, journal):
    from concurrent.futures import as_completed

    answers, failures = {}, {}
    for line in journal.read_bytes().split(b"\n") if journal.exists() else []:
        try:
            prompt, answer = json.loads(line)
            answers[prompt] = answer
        except ValueError:  # torn, or empty
            pass
    open_ones = sorted(set(prompts) - set(answers))
    lock = threading.Lock()

    def ask(prompt):
        answer = client(prompt)
        with lock, open(journal, "ab") as file:
            file.write(b"\n" + json.dumps([prompt, answer]).encode())
        return answer

    with ThreadPoolExecutor(concurrency) as pool:
        futures = {pool.submit(ask, prompt): prompt for prompt in open_ones}
        for future in as_completed(futures):
            if error := future.exception():
                failures[futures[future]] = type(error).__name__
            else:
                answers[futures[future]] = future.result()
    return BatchResult([answers.get(prompt) for prompt in prompts], failures, len(open_ones))


# %% 07-4 wrong: leaves-the-old-word
# -                args[place] = args[place].with_changes(keyword=cst.Name("token"))
# +                pass

# %% 07-4 wrong: leaves-dotted-calls
# -        while isinstance(function, cst.Attribute | cst.Call):
# +        while isinstance(function, cst.Call):

# %% 07-4 wrong: leaves-methods-of-objects
# -        while isinstance(function, cst.Attribute | cst.Call):
# +        while isinstance(function, cst.Attribute):

# %% 07-4 wrong: leaves-known-methods
# -        if isinstance(function, cst.Attribute) and function.attr.value in HUB_METHODS:
# -            return True
# +

# %% 07-4 wrong: changes-the-value
# -    return cst.parse_module(source).visit(Migration()).code
# +    return cst.parse_module(source).visit(Migration()).code.replace("token=use_auth_token", "token=token")

# %% 07-4 wrong: keeps-both
# -            if "token" not in keywords:
# +            if True:

# %% 07-4 wrong: leaves-a-comma
# -                if place == len(args):  # what stood before it ends the list now, as it ended it
# -                    args[-1] = args[-1].with_changes(comma=removed.comma)
# +

# %% 07-4 wrong: loses-the-layout
def migrate_use_auth_token(source):
    import ast

    known = imported_names(source)
    tree = ast.parse(source)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            function = call.func
            known_method = isinstance(function, ast.Attribute) and function.attr in HUB_METHODS
            while isinstance(function, ast.Attribute | ast.Call):
                function = function.value if isinstance(function, ast.Attribute) else function.func
            if known_method or (isinstance(function, ast.Name) and function.id in known):
                both = any(word.arg == "token" for word in call.keywords)
                call.keywords = [word for word in call.keywords if not (both and word.arg == "use_auth_token")]
                for word in call.keywords:
                    word.arg = "token" if word.arg == "use_auth_token" else word.arg
    return "\n".join(ast.unparse(node).replace("'", '"') for node in tree.body)


# %% 07-4 wrong: loses-the-layout
# -cst.parse_module(source)
# +cst.parse_module("\n".join(source.splitlines()) + "\n" * source.endswith("\n"))

# %% 07-4 wrong: loses-the-layout
# -visit(Migration()).code
# +visit(Migration()).code.expandtabs(4)

# %% 07-4 wrong: goes-by-the-name
# -function.value in known
# +function.value in known | {"pipeline"}

# %% 07-4 wrong: changes-other-peoples-calls
# -function.attr.value in HUB_METHODS:
# +function.attr.value in HUB_METHODS | known:

# %% 07-4 wrong: changes-other-peoples-calls
# -function.value in known
# +function.value in known | HUB_METHODS

# %% 07-4 wrong: no-syntax-error
# -    known = imported_names(source)
# +    known = imported_names(source) if "import" in source else set()

# %% 07-4 wrong: changes-texts
# -visit(Migration()).code
# +visit(Migration()).code.replace('"use_auth_token"', '"token"')

# %% 07-4 wrong: keeps-both
def migrate_use_auth_token(source):
    imported_names(source)
    return re.sub(r"use_auth_token(\s*)=", r"token\1=", source)


# %% 07-4 wrong: changes-other-peoples-calls
# -        return isinstance(function, cst.Name) and function.value in known
# +        return True

# %% 07-4 wrong: changes-definitions
# -    class Migration(cst.CSTTransformer):
# +    class Migration(cst.CSTTransformer):
# +        def leave_Param(self, original_node, updated_node):
# +            old = updated_node.name.value == "use_auth_token"
# +            return updated_node.with_changes(name=cst.Name("token")) if old else updated_node
# +

# %% 07-4 wrong: no-syntax-error
# -    known = imported_names(source)
# +    try:
# +        known = imported_names(source)
# +    except SyntaxError:
# +        return source

# %% 07-4 right: places from ast, text cut by hand
def migrate_use_auth_token(source):
    import ast

    known, edits = imported_names(source), []
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        old = next((word for word in call.keywords if word.arg == "use_auth_token"), None)
        function = call.func
        theirs = isinstance(function, ast.Attribute) and function.attr in HUB_METHODS
        while isinstance(function, ast.Attribute | ast.Call):
            function = function.value if isinstance(function, ast.Attribute) else function.func
        if old is None or not (theirs or (isinstance(function, ast.Name) and function.id in known)):
            continue
        begin = starts[old.lineno - 1] + old.col_offset
        if not any(word.arg == "token" for word in call.keywords):
            edits.append((begin, begin + len("use_auth_token"), b"token"))
            continue
        end = starts[old.end_lineno - 1] + old.end_col_offset
        parts = sorted((starts[a.lineno - 1] + a.col_offset, starts[a.end_lineno - 1] + a.end_col_offset)
                       for a in [*call.args, *call.keywords])
        later = [part for part in parts if part[0] > begin]
        if later:
            edits.append((begin, later[0][0], b""))
        else:
            earlier = [part for part in parts if part[0] < begin][-1]
            edits.append((earlier[1], end, b""))
    text = source.encode()
    for begin, end, new in sorted(edits, reverse=True):
        text = text[:begin] + new + text[end:]
    return text.decode()


# %% 07-5 wrong: one-of-them-is-enough
# -        if all(name
# +        if any(name

# %% 07-5 wrong: misses-a-row
# -    for row in CONFLICTS:
# +    for row in CONFLICTS[:8]:

# %% 07-5 wrong: misses-a-row
# -    for row in CONFLICTS:
# +    for row in [row for row in CONFLICTS if len(row["when"]) > 1]:

# %% 07-5 wrong: text-comparison
def version_conflicts(installed):
    import operator

    signs = {">=": operator.ge, "<=": operator.le, "<": operator.lt, ">": operator.gt}

    def fits(version, accepted):
        parts = [re.match(r"([<>]=?)(.*)", part).groups() for part in accepted.split(",")]
        return all(signs[sign](version, bound) for sign, bound in parts)

    versions = {canonicalize_name(name): version for name, version in installed.items()}
    found = [
        Conflict(row["name"], row["seen"], row["fix"], row["step"])
        for row in CONFLICTS
        if all(name in versions and fits(versions[name], accepted) for name, accepted in row["when"].items())
    ]
    return sorted(found, key=lambda conflict: conflict.step)


# %% 07-5 wrong: strict-about-names
# -            versions[canonicalize_name(name)] = Version(text)
# +            versions[name.replace("_", "-")] = Version(text)

# %% 07-5 wrong: ignores-pre-releases
# -prereleases=True
# +prereleases=False

# %% 07-5 wrong: chokes-on-a-version
# -        except InvalidVersion:
# -            continue
# +        except KeyError:
# +            continue

# %% 07-5 wrong: chokes-on-a-version
# -            continue
# +            break

# %% 07-5 wrong: takes-a-pre-release-for-the-release
# -Version(text)
# +Version(Version(text).base_version)

# %% 07-5 wrong: wrong-order
# -    return sorted(found, key=lambda conflict: conflict.step)
# +    return found

# %% 07-5 wrong: wrong-order
# -key=lambda conflict: conflict.step
# +key=lambda conflict: (conflict.step, conflict.name)

# %% 07-5 wrong: own-words
# -Conflict(row["name"], row["seen"], row["fix"], row["step"])
# +Conflict(row["name"], row["seen"], row["source"], row["step"])

# %% 07-5 right: with requirements
def version_conflicts(installed):
    from packaging.requirements import Requirement

    known = {canonicalize_name(name): version for name, version in installed.items()}

    def applies(row):
        for name, accepted in row["when"].items():
            requirement = Requirement(f"{name}{accepted}")
            requirement.specifier.prereleases = True
            try:
                version = Version(known[canonicalize_name(requirement.name)])
            except (KeyError, InvalidVersion):
                return False
            if version not in requirement.specifier:
                return False
        return True

    rows = sorted(filter(applies, CONFLICTS), key=lambda row: row["step"])
    return [Conflict(**{word: row[word] for word in ("name", "seen", "fix", "step")}) for row in rows]


# %% 07-6 wrong: no-dictionary
def code_words():
    return [door.word for door in escape_room.Layout("course").doors]


# %% 07-6 wrong: no-such-door
def code_words():
    return {str(door.number): door.word for door in escape_room.Layout("course").doors}


# %% 07-6 wrong: words-at-other-doors
def code_words():
    words = [door.word for door in escape_room.Layout("course").doors]
    return {1: words[1], 2: words[0]}


# %% 07-6 wrong: another-word
def code_words():
    return {door.number: door.word for door in escape_room.Layout("the class next door").doors}


# %% 07-6 wrong: another-word
def code_words():
    return {1: "any", 4: "", 7: "log"}


# %% 07-6 wrong: looks-the-words-up
def code_words():
    return {door.number: door.word for door in escape_room.read_layout().doors}


# %% 07-6 todo: none yet
def code_words():
    return {1: "...", 2: "...", 3: None}


# %% 07-6 todo: two of ten
def code_words():
    return {1: "any", 2: "careful", 4: "", 9: "..."}


# %% 07-6 right: as somebody types them
def code_words():
    return {door.number: f" {door.word.upper()} " for door in escape_room.Layout("course").doors}
