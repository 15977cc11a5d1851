"""Hugging Face in a box: a Hub and a router on this machine, for the real clients, unchanged.

>>> from course import sandbox
>>> hub = sandbox.start()
>>> hub.stop()
"""

from course.sandbox import faults
from course.sandbox.server import PortInUse, Sandbox, start

__all__ = ["PortInUse", "Sandbox", "faults", "start"]
