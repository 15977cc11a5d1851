"""The permissions that a fine-grained token can hold: data/permissions.toml as values."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

TABLE = Path(__file__).parents[2] / "data" / "permissions.toml"

Power = Literal["reads", "changes", "spends"]


@dataclass(frozen=True)
class Permission:
    """One permission. id: as whoami names it. power: the worst that somebody can do with it.

    on: where it can be ticked, of "repo" (models, datasets, Spaces), "user", "org" and "global" (everybody's).
    quoted: the label is the text of Hugging Face's page, not ours. source: "docs", "scanner" or "observed".
    """

    id: str
    label: str
    group: str
    on: tuple[str, ...]
    power: Power
    source: str
    quoted: bool = False


@dataclass(frozen=True)
class Group:
    """Permissions that stand together on the page, in its order."""

    name: str
    permissions: tuple[Permission, ...]


@cache
def catalogue() -> tuple[Group, ...]:
    """All groups, in the order of the table; its head explains the columns and names their sources."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["groups"]
    return tuple(
        Group(row["name"], tuple(_permission(row["name"], cells) for cells in row["permissions"])) for row in rows
    )


def permissions() -> dict[str, Permission]:
    """Every permission of the catalogue, by id."""
    return {permission.id: permission for group in catalogue() for permission in group.permissions}


def find_permission(permission_id: str) -> Permission | None:
    """The permission with this id. None for others: the Hub adds ids without notice, and nobody should crash on one."""
    return permissions().get(permission_id)


def _permission(group: str, cells: dict[str, Any]) -> Permission:
    return Permission(group=group, **cells | {"on": tuple(cells["on"])})  # an unknown column fails here, by name
