"""`make decide FILE=...`: a workload file becomes one page that says what to choose, why, and what would reverse it.

The arithmetic is that of lesson 06, in our solution. Prices and speeds come from the dated tables in data/.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from course.dates import day_of, is_old
from course.definitions import solved_names
from course.errors import CourseError
from course.files import is_untouched, marked, write_whole
from course.tables import table
from course.workload_file import Case, read_case

_MARK = "<!-- make decide wrote this: {} -->"
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 sans-serif;max-width:56em;margin:2em auto;padding:0 1em;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #777;padding:.3em .6em;text-align:left}"
    "td{min-width:3em}td:first-child{min-width:6em}td:last-child{white-space:nowrap}"
    "blockquote{border-left:.4em solid #b42318;margin:1em 0;padding:.2em 1em}"
)


class FileInTheWay(CourseError):
    """A report would replace a file that is not ours as we wrote it."""


@dataclass(frozen=True)
class Considered:
    """What is to choose from.

    prices: USD per million text tokens of each API, in the workload's mix. machines: name, USD per hour, and the most
    text tokens per second. left_out: what is no offer, by the reason. sources: all that was used.
    """

    offers: list[Any] = field(default_factory=list)
    prices: list[float] = field(default_factory=list)
    machines: list[tuple[str, float, float]] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    sources: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def decide(file: Path, today: date, folder: Path) -> list[Path]:
    """Write NAME.decision.md and NAME.decision.html for `file` into `folder`; returns both paths.

    today: dates the page, and tells which prices are old. Raises BadWorkload, and FileInTheWay rather than replace a
    file that somebody else wrote or changed.
    """
    text = page(read_case(file), file.name, today)
    paths = [folder / f"{file.stem}.decision{suffix}" for suffix in (".md", ".html")]
    for path in paths:
        if not is_untouched(path, _MARK):
            raise FileInTheWay(
                f"{path} was written or changed by somebody, so it stays. "
                "Rename it, or choose another folder with --out."
            )
    for path, content in zip(paths, (text, as_html(text)), strict=True):
        write_whole(path, marked(content, _MARK))
    return paths


def page(case: Case, name: str, today: date) -> str:
    """The report as Markdown."""
    lesson = _lesson()
    considered = _considered(case, lesson)
    decision = lesson.recommend(_workload(case, lesson), considered.offers)
    return "\n".join(
        [
            *_head(case, name, today, decision, considered),
            *_ways(_workload(case, lesson), decision, considered),
            *_body(case, lesson, decision, considered, today),
        ]
    )


def as_html(markdown: str) -> str:
    """The same page as HTML: one file without script, and without anything to load."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("js-default").render(markdown)  # this preset lets no HTML of a title through
    title = re.sub("<.*?>", "", body.partition("\n")[0])
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    head += f"<title>{title}</title><style>{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}</body></html>\n'


# --- what is to choose from -----------------------------------------------------------------------------------


def _lesson() -> SimpleNamespace:
    return SimpleNamespace(**solved_names("06"))


def _workload(case: Case, lesson: SimpleNamespace) -> Any:
    patience = math.inf if case.rules.patience_seconds is None else case.rules.patience_seconds
    return lesson.Workload(**case.use.model_dump(), privacy=case.rules.privacy, patience_seconds=patience)


def _considered(case: Case, lesson: SimpleNamespace) -> Considered:
    prices, speeds, found = table("prices"), table("throughput"), Considered()
    if case.model.served_by_api:
        credit = next(row for row in prices["credit"] if row["plan"] == case.plan.credit)
        for row in (row for row in prices["api"] if row["size"] == case.model.size):
            price = lesson.ApiPrice(
                row["input_usd_per_million"], row["output_usd_per_million"], credit["usd_per_month"]
            )
            _note(found, prices, row, credit)
            mix = case.use.input_tokens * row["input_usd_per_million"]
            mix += case.use.output_tokens * row["output_usd_per_million"]
            found.prices.append(mix / max(case.use.input_tokens + case.use.output_tokens, 1))
            found.offers.append(lesson.api_offer(f"API, {row['provider']} {row['model']}", price))
    for kind, row, speed in _machines(case, lesson, prices, speeds, found):
        if kind == "market":
            all_in = case.plan.all_in or prices["operations"]["usual"]
            _note(found, prices, prices["operations"])
            found.offers.append(lesson.own_offer(f"own machine, {row['name']}", row["usd_per_hour"] * all_in, speed))
            continue
        for name, least in (("endpoint", 1), ("endpoint that sleeps", 0)):
            plan = lesson.EndpointPlan(row["usd_per_hour"], 1, least, case.plan.start_minutes)
            found.offers.append(lesson.endpoint_offer(f"{name}, {row['name']}", plan, speed))
    if case.device:
        if _memory(case, lesson, users=1) <= case.device.memory_gb:
            found.offers.append(lesson.device_offer("on the device", case.device.tokens_per_second, case.model.users))
        else:
            found.left_out.setdefault("the model does not fit", []).append("the device")
    return found


def _machines(
    case: Case, lesson: SimpleNamespace, prices: dict[str, Any], speeds: dict[str, Any], found: Considered
) -> Iterator[tuple[str, dict[str, Any], float]]:
    """Those that hold the model, and whose speed with it somebody measured; the others go to `left_out`."""
    column = "peak" if case.rules.patience_seconds is None else "steady"
    for kind in ("endpoint", "market"):
        for row in prices[kind]:
            measured = [
                anchor
                for anchor in speeds["anchor"]
                if (anchor["hardware"], anchor["model"], anchor["precision"])
                == (row["hardware"], case.model.shape, case.model.precision)
                and anchor[column] > 0
            ]
            if _memory(case, lesson) > row["memory_gb"]:
                found.left_out.setdefault("the model does not fit", []).append(row["name"])
            elif not measured:
                found.left_out.setdefault("nobody measured this model there", []).append(row["name"])
            else:
                best = max(measured, key=lambda anchor: float(anchor[column]))
                _note(found, prices, row)
                _note(found, speeds, best)
                found.machines.append((row["name"], row["usd_per_hour"], best["peak"]))
                yield kind, row, best[column]


def _note(found: Considered, tables: dict[str, Any], *rows: Mapping[str, Any]) -> None:
    found.sources.update({row["source"]: tables["sources"][row["source"]] for row in rows})


def _memory(case: Case, lesson: SimpleNamespace, users: int | None = None) -> float:
    row = next(row for row in table("model_shapes")["shape"] if row["name"] == case.model.shape)
    shape = lesson.Shape(row["layers"], row["kv_heads"], row["head_dim"])
    model = case.model
    gb: float = lesson.memory_gb(row["params"], model.precision, model.context_tokens, users or model.users, shape)
    return gb


# --- the page ---------------------------------------------------------------------------------------------------


def _head(case: Case, name: str, today: date, decision: Any, considered: Considered) -> Iterator[str]:
    yield f"# {case.title}: which way to serve it\n"
    yield f"From `{name}`, {today.isoformat()}.\n"
    old = [source for source in considered.sources.values() if is_old(day_of(source), today)]
    if old:
        dates = "; ".join(f"{source['says']} ({day_of(source)})" for source in old)
        yield f"> **Notice: these numbers are older than a year: {dates}.** Look them up again before you decide.\n"
    if decision.option is None:
        yield "**Nothing is allowed.** Every offer breaks a rule; the table says which.\n"
    else:
        yield f"**Choose: {decision.option}, at {decision.usd_per_month:,.2f} USD a month.**\n"
    if decision.ties:
        yield f"A tie, as close as these numbers are known: {'; '.join(decision.ties)}.\n"


def _ways(workload: Any, decision: Any, considered: Considered) -> Iterator[str]:
    """The best of each way, for whoever reads no further."""
    ways: dict[str, list[tuple[Any, str]]] = {}
    for offer, reason in zip(considered.offers, decision.reasons, strict=True):
        ways.setdefault(offer.name.partition(",")[0], []).append((offer, reason.partition("not allowed: ")[2]))
    yield "| way | its cheapest offer that breaks no rule | USD a month |\n|---|---|---|"
    for way, offers in ways.items():
        allowed = [offer for offer, broken in offers if not broken]
        best = min(allowed, key=lambda offer: float(offer.cost(workload)), default=None)
        told = best.name.removeprefix(f"{way}, ") if best else f"none: {', '.join(sorted({b for _, b in offers}))}"
        yield f"| {way} | {told} | {f'{best.cost(workload):,.2f}' if best else ''} |"
    yield ""


def _body(case: Case, lesson: SimpleNamespace, decision: Any, considered: Considered, today: date) -> Iterator[str]:
    workload, model = _workload(case, lesson), case.model
    millions = (workload.input_tokens + workload.output_tokens) * workload.requests_per_hour
    millions *= workload.hours_per_month / 1e6
    wait = "nobody waits" if math.isinf(workload.patience_seconds) else f"{workload.patience_seconds:g} s"
    yield "## The workload\n"
    yield f"- {workload.requests_per_hour:g} requests an hour, {workload.hours_per_month:g} hours a month"
    yield f"- {millions:,.1f} million text tokens a month, at most {workload.peak_tokens_per_second:,.1f} a second"
    yield f"- {model.shape} in {model.precision}: {_memory(case, lesson):,.1f} GB with {model.users} at the same time"
    yield f"- privacy: {workload.privacy}; how long the first caller may wait for a start: {wait}"
    yield "\n## The reasons\n"
    yield from (f"- {reason}" for reason in decision.reasons)
    yield from (f"- no offer, because {reason}: {', '.join(names)}" for reason, names in considered.left_out.items())
    if considered.machines:
        all_in = case.plan.all_in or table("prices")["operations"]["usual"]
        yield (
            f"- assumed: a machine is planned for {lesson.HEADROOM:.0%} of its measured speed and takes "
            f"{case.plan.start_minutes:g} minutes to start; one of your own costs {all_in:g} times its bare rent"
        )
    if considered.prices and considered.machines:
        price = min(considered.prices)
        yield f"\n## When would a machine pay, against {price:.3f} USD per million text tokens?\n"
        for name, rate, peak in considered.machines:
            found = lesson.break_even(rate, peak, price)
            yield f"- {name}: {found.verdict}; {found.reason} ({found.million_tokens_per_month:,.0f} million a month)"
    yield "\n## What would reverse it\n"
    yield from (f"- {each.change} → {each.option or 'nothing is allowed'}" for each in decision.reversals)
    if not decision.reversals:
        yield "- nothing that was tried: no volume from a hundredth to a hundredfold, and no rule of privacy"
    yield "- a trial on questions of your own, if the model turns out not to be good enough: no number here knows that"
    yield "\n## Where the numbers come from\n"
    if not considered.sources:
        yield "All of them are those of the file: no price and no speed of `data/` was needed.\n"
        return
    yield "| source | age in days | of |\n|---|---|---|"
    for source in considered.sources.values():
        day = day_of(source)
        yield f"| {source['says']} ({source['kind']}) | {(today - day).days} | {day} |"
    yield ""
