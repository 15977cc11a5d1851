"""A hands-on course on Hugging Face access tokens: its checks, its sandbox, its notebooks.

In a notebook: `from course import check, hint, needs, sandbox, solution`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from course import sandbox
    from course.notebook import check, hint, needs, solution
    from course.tables import table

__all__ = ["check", "hint", "needs", "sandbox", "solution", "table"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: set-up runs on a bare Python, and a check must not wait for the sandbox.
    from importlib import import_module

    if name == "sandbox":
        return import_module("course.sandbox")
    if name == "table":
        return import_module("course.tables").table
    if name in __all__:
        return getattr(import_module("course.notebook"), name)
    raise AttributeError(f"module 'course' has no attribute {name!r}")
