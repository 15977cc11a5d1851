"""What each door of the escape room asks of its program: by what it does, never by how it is written."""

from collections.abc import Callable

from starlette.requests import Request

from course.escape_room.trial import CHAT, Closed, Trial, require, scripted_answer
from course.escape_room.visit import visit
from course.sandbox import faults
from course.sandbox.discussions import Discussion
from course.sandbox.permissions import CALL_INFERENCE, DISCUSS, READ_CONTENT

Judge = Callable[[Trial], None]


def colleagues_file(trial: Trial) -> None:
    job = "the user's name, for the token in the file, whatever quotes stand around it"
    for number, (opening, closing) in enumerate([("“", "”"), ("", ""), ("‘", "’")]):
        value = trial.issue(f"report_{number}", "read")
        (trial.folder / ".env").write_text(f"HF_TOKEN={opening}{value}{closing}\n", encoding="utf-8")
        run = trial.must_finish(
            job, on_what=f"with another file, HF_TOKEN={opening}the token{closing}" if number else ""
        )
        require(
            run.result == trial.names["owner"] and run.clients() == [f"report_{number}"],
            run.told(),
            job,
        )


def board_of_keys(trial: Trial) -> None:
    owner = ("user", trial.names["owner"])
    reads, calls, writes = (trial.names[f"key_{number}"] for number in (1, 2, 3))
    tokens = {
        reads: trial.issue(reads, "fineGrained", owner, may=(READ_CONTENT,)),
        calls: trial.issue(calls, "fineGrained", owner, may=(CALL_INFERENCE,)),
        writes: trial.issue(writes, "write"),
    }
    run = trial.must_finish("the router's answer", tokens=dict(sorted(tokens.items())))
    require(trial.was_answered(run), run.told(), "the router's answer to QUESTION")
    require(
        writes not in run.clients(),
        f"it was done with {writes}, which can also change every repository of {owner[1]}",
        "the weakest key that can do it: whoever steals it gets chat calls, and no more",
    )
    require(
        run.clients() == [calls],
        f"the keys that were used, in order: {', '.join(run.clients())}",
        "one request with one key: a program knows which token it needs",
    )


def hidden_shelf(trial: Trial) -> None:
    text = "Third shelf from the left.\n"
    trial.add_repository(notes=text)
    owner, shelf, wrong, right = (trial.names[name] for name in ("owner", "shelf", "key_1", "key_2"))
    tokens = {
        wrong: trial.issue(wrong, "fineGrained", ("model", f"{owner}/other-shelf"), may=(READ_CONTENT,)),
        right: trial.issue(right, "fineGrained", ("model", f"{owner}/{shelf}"), may=(READ_CONTENT,)),
    }
    job = f"the text of notes.txt, downloaded from {owner}/{shelf}"
    run = trial.must_finish(job, tokens=dict(sorted(tokens.items())))
    require(run.result == text and right in run.clients(), run.told(), job)


def empty_purse(trial: Trial) -> None:
    account, organisation = trial.hub.account, trial.hub.account.organisation
    account.credit_usd = 0
    token = trial.issue(
        "purse", "fineGrained", ("user", account.name), ("org", organisation.name), may=(CALL_INFERENCE,)
    )
    run = trial.must_finish(f"the router's answer, paid by {organisation.name}", token)
    require(trial.was_answered(run), run.told(), "the router's answer to QUESTION")
    organisation.credit_usd = 0
    run = trial.go(token)
    require(
        len(run.requests) == 1,
        f"when {organisation.name} had no credits left either, {len(run.requests)} requests were sent",
        "one: 402 ends the same way however often it is asked",
    )
    require(run.error is not None and not run.late, f"nobody could pay, and {run.told()}", "an error")


def old_road(trial: Trial) -> None:
    token = trial.issue_caller("clock")
    run = trial.must_finish("the router's answer to QUESTION", token)
    require(trial.was_answered(run), run.told(), "the router's answer to QUESTION")


def house_next_door(trial: Trial) -> None:
    token = trial.issue("card", "read")
    desk = trial.hub.url.removeprefix("http://")

    def at_the_desk(request: Request) -> bool:
        return request.headers["host"] == desk

    trial.hub.fail_next(faults.Redirect("port"), times=9, on="hub", when=at_the_desk)
    run = trial.must_finish("the user's name", token)
    told = any(exchange.status == 200 and exchange.client == "card" for exchange in run.requests)
    require(
        told and run.result == trial.names["owner"], run.told(), "the user's name, as the Hub tells it for the token"
    )
    trial.hub.faults.clear()
    trial.hub.fail_next(faults.Redirect("host"), times=9, on="hub", when=at_the_desk)
    run = trial.go(token)
    strangers = [e for e in run.requests if e.request_headers["host"].startswith("localhost") and e.client == "card"]
    require(
        not strangers,
        "on another day the redirect led to a stranger's address, and your token went along",
        "the token goes to the two addresses that are ours, and to no other",
    )


def two_letters(trial: Trial) -> None:
    repository, title = trial.add_repository(), trial.names["title"]
    owner = trial.names["owner"]
    token = trial.issue("office", "fineGrained", ("user", owner), may=(READ_CONTENT, DISCUSS))
    for number, (what, fault) in enumerate(
        [("its answer was lost", faults.ShortBody(after=20)), ("the first request never arrived", faults.Reset())],
        start=1,
    ):
        repository.discussions[:] = [
            Discussion(num, "Who has the ladder?", "", owner, trial.hub.clock.now(), False)
            for num in range(1, number + 1)
        ]
        trial.hub.fail_next(fault, on="hub", when=lambda request: request.method == "POST")
        run = trial.go(token)
        numbers = [place for place, each in enumerate(repository.discussions, start=1) if each.title == title]
        require(
            len(numbers) == 1,
            f"{what}; now there are {len(numbers)} discussions with that title, and {run.told()}",
            "one discussion: a POST that may have arrived is not sent again before somebody has looked",
        )
        require(
            run.result == numbers[0] and not run.late,
            f"{what}; the discussion is there with the number {numbers[0]}, and {run.told()}",
            f"{numbers[0]}",
        )


def half_a_story(trial: Trial) -> None:
    token = trial.issue_caller("teller")
    trial.hub.fail_next(faults.CutClose(after=5), on="router")
    whole = "the router's whole answer to QUESTION"
    run = trial.must_finish(whole, token)
    require(trial.was_answered(run), run.told(), whole)
    streams = [e.answer_headers.get("content-type", "").startswith("text/event-stream") for e in run.requests]
    require(all(streams), "the answer came in one piece: nothing was streamed", "the answer, read as a stream")
    trial.hub.fail_next(faults.CutClose(after=5), times=20, on="router")
    run = trial.go(token)
    require(run.error is not None, f"every stream broke off, and {run.told()}", "an error: a part is no answer")
    require(
        len(run.requests) <= 3 and not run.late,
        f"every stream broke off, and {len(run.requests)} requests were sent",
        "three at most: each is paid",
    )


def silent_clerk(trial: Trial) -> None:
    token = trial.issue_caller("clerk")
    trial.hub.fail_next(faults.Hang(), on="router")
    run = trial.must_finish("the router's answer, from a second request", token)
    require(trial.was_answered(run), run.told(), "the router's answer to QUESTION")
    trial.hub.fail_next(faults.Hang(), times=9, on="router")
    run = trial.go(token)
    require(
        run.error is not None and not run.late and len(run.requests) == 2,
        f"the router stayed silent; {len(run.requests)} requests were sent, and {run.told()}",
        "two requests, then an error",
    )


def ticket_window(trial: Trial) -> None:
    page, host, question = (trial.names[name] for name in ("page", "page_host", "question"))
    token = trial.issue_caller("window")
    app = trial.must_finish("an app", token).result
    ours, error, _ = trial.call(lambda: visit(app, page, question))
    if error is not None or ours is None:
        raise Closed(f"the app stopped with {type(error).__name__}", "an app that answers a browser")
    require(ours.allowed, f"the browser of {page} kept the answer: {ours.told}", f"two answers that name {page}")
    require(
        any(exchange.path == CHAT and exchange.status == 200 for exchange in trial.hub.requests)
        and scripted_answer(question) in ours.text,
        "the page got an answer that is not the router's",
        "what the router answers to the question",
    )
    others, _, _ = trial.call(
        lambda: [visit(app, page, question) for page in (f"https://evil-{host}", f"https://{host}.evil.test")]
    )
    require(
        not any(other.allowed for other in others or ()),
        "a page of somebody else could read the answer too",
        f"{page} alone: your token pays for whoever is let in",
    )


JUDGES: dict[str, Judge] = {
    judge.__name__: judge
    for judge in (colleagues_file, board_of_keys, hidden_shelf, empty_purse, old_road, house_next_door, two_letters,
                  half_a_story, silent_clerk, ticket_window)
}  # fmt: skip
