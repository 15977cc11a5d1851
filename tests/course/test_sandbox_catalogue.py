"""The catalogue of permissions: what data/permissions.toml says, as values."""

from course.sandbox.catalogue import catalogue, find_permission, permissions


def test_every_permission_stands_once_and_is_whole() -> None:
    told = [permission for group in catalogue() for permission in group.permissions]

    assert len({permission.id for permission in told}) == len(told)
    for permission in told:
        assert permission.label, permission
        assert permission.on, permission
        assert set(permission.on) <= {"repo", "user", "org", "global"}, permission
        assert permission.power in ("reads", "changes", "spends"), permission
        assert permission.source in ("docs", "scanner", "observed"), permission


def test_a_permission_knows_its_group() -> None:
    assert all(permission.group == group.name for group in catalogue() for permission in group.permissions)
    assert permissions()["job.write"].group == "Jobs"


def test_an_unknown_permission_is_none() -> None:
    assert find_permission("kernel.write") is None
