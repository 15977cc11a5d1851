"""The token of whoever runs a command, for the few that ask the real Hugging Face."""

import os

from dotenv import dotenv_values

from course.exercises import ROOT


def own_token() -> str | None:
    """HF_TOKEN of the environment, else of .env beside README.md; None if neither has one."""
    return os.environ.get("HF_TOKEN") or dotenv_values(ROOT / ".env", interpolate=False).get("HF_TOKEN")
