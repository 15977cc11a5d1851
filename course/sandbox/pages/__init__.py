"""The Hub's pages for people: sign up, access tokens, what an organisation accepts."""

from course.sandbox.pages.routes import page_routes
from course.sandbox.pages.visit import TOKENS

__all__ = ["TOKENS", "page_routes"]
