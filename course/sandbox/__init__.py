"""Hugging Face in a box: a Hub and a router on this machine, for the real clients, unchanged.

>>> from course import sandbox
>>> hub = sandbox.start()
>>> hub.stop()
"""

from course.sandbox import faults
from course.sandbox.server import Sandbox, start
from course.sandbox.sockets import PortInUse

__all__ = ["PortInUse", "Sandbox", "faults", "start"]
