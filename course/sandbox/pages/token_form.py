"""The form "Create new token": read from a prefilled link or from what was sent, judged, made a token's rights."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.datastructures import QueryParams

from course.masking import mask
from course.sandbox.catalogue import Permission, catalogue, find_permission
from course.sandbox.tokens import Role, Scope
from course.sandbox.world import World

KINDS: dict[str, Role] = {"fineGrained": "fineGrained", "read": "read", "write": "write"}
# Where permissions are ticked, and the name of the field there. The first two stand in links and in a form body that
# third parties published; the others are the sandbox's own.
FIELDS = {
    "user": "ownUserPermissions",
    "global": "globalPermissions",
    "org": "orgPermissions",
    "repo": "repositoryPermissions",
}
_PREFILLED = ("user", "global")
_LONGEST_NAME = 64


@dataclass(frozen=True)
class TokenForm:
    """The fields as they stand on the page.

    ticked: place, as in `FIELDS` -> permission ids. repositories: keys such as "datasets/learner/colours".
    """

    kind: str = "fineGrained"
    name: str = ""
    ticked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    repositories: tuple[str, ...] = ()
    can_read_gated: bool = False

    @property
    def role(self) -> Role:
        return KINDS[self.kind]

    def scopes(self, world: World) -> tuple[Scope, ...]:
        """What a fine-grained token may do where; the other kinds have no scopes."""
        if self.role != "fineGrained":
            return ()
        user, organisation = world.account.name, world.account.organisation.name
        named = [Scope("user", user, self._ticked("user")), Scope("org", organisation, self._ticked("org"))]
        chosen = (world.repositories[key] for key in self.repositories)
        named += [Scope(repository.kind, repository.id, self._ticked("repo")) for repository in chosen]
        return tuple(scope for scope in named if scope.permissions)

    def global_permissions(self) -> tuple[str, ...]:
        return self._ticked("global") if self.role == "fineGrained" else ()

    def opens_gates(self) -> bool:
        return self.can_read_gated and self.role == "fineGrained"

    def _ticked(self, place: str) -> tuple[str, ...]:
        return self.ticked.get(place, ())


def offered(place: str) -> list[tuple[str, list[Permission]]]:
    """The boxes that can be ticked in this place, by the name of their group."""
    groups = [(group.name, [one for one in group.permissions if place in one.on]) for group in catalogue()]
    return [(name, boxes) for name, boxes in groups if boxes]


def own_repositories(world: World) -> list[str]:
    """The keys of all that belongs to the user and the organisation."""
    owners = (world.account.name, world.account.organisation.name)
    return sorted(repository.key for repository in world.repositories.values() if repository.owner in owners)


def sent_form(fields: QueryParams) -> TokenForm:
    """The form as it was sent, whatever it holds."""
    return TokenForm(
        kind=fields.get("tokenType", ""),
        name=" ".join(fields.get("displayName", "").split()),
        ticked={place: tuple(dict.fromkeys(fields.getlist(name))) for place, name in FIELDS.items()},
        repositories=tuple(dict.fromkeys(fields.getlist("repositories"))),
        can_read_gated=fields.get("canReadGatedRepos") == "true",
    )


def prefilled_form(query: QueryParams) -> tuple[TokenForm, list[str]]:
    """The form that a link asks for, and a note on each thing in the link that this page does not know.

    Source: the link with tokenType and ownUserPermissions: huggingface/hub-docs, 2026-08; canReadGatedRepos and
    globalPermissions: third-party, 2026. What the real page does with unknown values was not seen; here they tick
    nothing. Left out: prefilled names, organisations and repositories.
    """
    notes = []
    kind = query.get("tokenType", "fineGrained")
    if kind not in KINDS:
        notes.append(f"It asks for the kind {_quoted(kind)}. There are {', '.join(KINDS)}; choose one below.")
        kind = "fineGrained"
    ticked = {}
    for place in _PREFILLED:
        wanted = dict.fromkeys(query.getlist(FIELDS[place]))
        ticked[place] = tuple(permission for permission in wanted if _fits(permission, place))
        notes += [
            f"It asks for the permission {_quoted(permission)}, which cannot be given here. No box was ticked for it."
            for permission in wanted
            if permission not in ticked[place]
        ]
    gated = query.get("canReadGatedRepos", "false")
    if gated not in ("true", "false"):
        notes.append(f"It says {_quoted(gated)} for gated repositories, which is neither true nor false.")
    known = {"tokenType", "canReadGatedRepos", *(FIELDS[place] for place in _PREFILLED)}
    notes += [f"It also says {_quoted(name)}, which this page does not know." for name in query if name not in known]
    if kind != "fineGrained" and (any(ticked.values()) or gated == "true"):
        notes.append(f"A {kind} token has no permissions to choose. Choose fine-grained to see those of the link.")
    return TokenForm(kind, ticked=ticked, can_read_gated=gated == "true"), notes


def problems(form: TokenForm, world: World) -> dict[str, str]:
    """Name of a field -> what is wrong with it and what to do, in the order of the page.

    That names are unique and have at most 64 characters is the sandbox's own rule.
    """
    found = {"tokenType": _kind_problem(form), "displayName": _name_problem(form.name, world)}
    if form.kind == "fineGrained":
        found |= {FIELDS[place]: _ticked_problem(ids, place) for place, ids in form.ticked.items()}
        found["repositories"] = _repositories_problem(form, world)
    return {name: problem for name, problem in found.items() if problem}


def _kind_problem(form: TokenForm) -> str | None:
    return None if form.kind in KINDS else "Choose one of the three kinds."


def _name_problem(name: str, world: World) -> str | None:
    if not name:
        return "Enter a name. Name the token after the one program that will use it."
    if mask(name) != name:
        return "This looks like a token's value. A name is seen by others: enter the name of a program."
    if len(name) > _LONGEST_NAME:
        return f"Enter at most {_LONGEST_NAME} characters. This name has {len(name)}."
    if not name.isprintable():
        return "Enter a name of letters, digits and signs. This one holds a character that nobody can see."
    if any(name.casefold() == token.display_name.casefold() for token in world.tokens.all()):
        return f"You have a token named {name} already. Enter another name, so that you can tell them apart."
    return None


def _ticked_problem(ids: Iterable[str], place: str) -> str | None:
    strange = [permission for permission in ids if not _fits(permission, place)]
    return (
        f"{_quoted(strange[0])} is no permission that can be given here. Tick boxes of this page." if strange else None
    )


def _repositories_problem(form: TokenForm, world: World) -> str | None:
    strange = set(form.repositories) - set(own_repositories(world))
    if strange:
        return f"You have no repository {_quoted(min(strange))}. Choose from the list."
    permissions = form.ticked.get("repo", ())
    if permissions and not form.repositories:
        return "Choose at least one repository, or untick what the token may do there."
    if form.repositories and not permissions:
        return "Tick what the token may do in these repositories, or untick them."
    return None


def _fits(permission_id: str, place: str) -> bool:
    permission = find_permission(permission_id)
    return permission is not None and place in permission.on


def _quoted(text: str) -> str:
    """Something that a link or form said: cut short, and without a token that somebody put there."""
    shown = mask(text)
    return f'"{shown[:60]}..."' if len(shown) > 60 else f'"{shown}"'
