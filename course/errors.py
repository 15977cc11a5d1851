"""The one ancestor of every error whose text tells a person what happened and what to do next."""


class CourseError(Exception):
    """Shown as its text alone, without a traceback: what happened, where, and the next step."""
