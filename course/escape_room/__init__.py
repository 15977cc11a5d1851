"""The escape room at the end of lesson 07: ten programs that fail, ten doors, ten words.

>>> from course import escape_room
>>> room = escape_room.enter()  # doctest: +SKIP
"""

from course.escape_room.layout import Layout, read_layout
from course.escape_room.room import Room, enter

__all__ = ["Layout", "Room", "enter", "read_layout"]
