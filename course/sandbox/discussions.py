"""Discussions of a repository: what the Hub keeps and tells of one."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from course.sandbox.clock import iso_time


class DiscussionRequest(BaseModel):
    """The body that opens a discussion. Source: huggingface_hub 2.4.0 hf_api.py create_discussion, with its lengths."""

    title: str = Field(min_length=3, max_length=200)
    description: str = ""
    pull_request: bool = Field(default=False, alias="pullRequest")


@dataclass(frozen=True)
class Discussion:
    """One discussion, or a pull request without changes. created_at: seconds on the sandbox's clock.

    Source: what huggingface_hub 2.4.0 reads in hf_api.py and community.py.
    Left out: further comments, changes of status and title, merging, reactions.
    """

    num: int
    title: str
    description: str
    author: str
    created_at: float
    is_pull_request: bool

    def as_row(self, repo_id: str, repo_type: str) -> dict[str, Any]:
        """The discussion in a list."""
        return {
            "num": self.num,
            "title": self.title,
            "author": {"name": self.author},
            "createdAt": iso_time(self.created_at),
            "status": self.status,
            "isPullRequest": self.is_pull_request,
            "repo": {"name": repo_id, "type": repo_type},
        }

    def as_page(self, repo_id: str, repo_type: str) -> dict[str, Any]:
        """The discussion with what was said in it."""
        comment = {"edited": False, "hidden": False, "latest": {"raw": self.description}}
        event = {
            "id": f"{self.num:024x}",
            "type": "comment",
            "author": {"name": self.author},
            "createdAt": iso_time(self.created_at),
            "data": comment,
        }
        page = self.as_row(repo_id, repo_type) | {"events": [event]}
        if self.is_pull_request:
            page |= {"changes": {"base": "refs/heads/main"}, "filesWithConflicts": [], "diff": ""}
        return page

    @property
    def status(self) -> Literal["open", "draft"]:
        """Pull requests opened by a program begin as drafts, says the docstring of create_pull_request."""
        return "draft" if self.is_pull_request else "open"
