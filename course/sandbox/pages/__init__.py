"""The Hub's pages for people: sign up, access tokens, what an organisation accepts."""

from course.sandbox.pages.routes import PageHeaders, page_routes
from course.sandbox.pages.visit import TOKENS

__all__ = ["TOKENS", "PageHeaders", "page_routes"]
