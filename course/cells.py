"""The cells of a notebook file: read, and parsed as a kernel would."""

import ast
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from course.errors import CourseError
from course.exercises import Exercise

_HARMLESS_CELL_MAGICS = ("%%time", "%%timeit", "%%capture")


class UnreadableNotebook(CourseError):
    """The file is not a notebook; the text names it, what is wrong and the next step."""


@dataclass(frozen=True)
class BrokenCell:
    """A cell that is not Python. number counts from 1; line is the line inside it."""

    number: int
    line: int
    reason: str
    source: str

    def defines(self, exercise: Exercise) -> bool:
        """Whether this cell was meant to define `exercise`."""
        return re.search(rf"^\s*(?:async\s+)?(?:def|class)\s+{exercise.name}\b", self.source, re.MULTILINE) is not None


def read_cells(path: Path) -> list[str]:
    """The sources of all cells, "" for those without code, so that positions stay those of the notebook.

    Raises UnreadableNotebook.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8-sig"))["cells"]
        return ["".join(cell["source"]) if cell["cell_type"] == "code" else "" for cell in cells]
    except FileNotFoundError:
        raise UnreadableNotebook(f"{path} does not exist. `make build` puts a blank notebook there.") from None
    except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        where = f" ({error})" if isinstance(error, ValueError) else ""
        raise UnreadableNotebook(
            f"{path} is not a notebook{where}. "
            f"`make reset NB={path.stem[:2]}` keeps a copy of it and puts a blank one there."
        ) from None


# Most cells of a notebook are the same at the next check, so what was read of them is kept.
@lru_cache(maxsize=500)
def parse_cell(source: str, filename: str = "cell") -> ast.Module:
    """The syntax tree of a cell; magics count as `pass`. Raises SyntaxError where a kernel would."""
    try:
        return _compiled(source, filename)
    except SyntaxError:
        return _compiled(_without_magics(source), filename)
    except (ValueError, RecursionError) as error:  # a lone surrogate, a thousand brackets
        raise SyntaxError(str(error)) from None


def _compiled(source: str, filename: str) -> ast.Module:
    tree = ast.parse(source, filename)
    # Parsing alone accepts a `return` outside a function, which no kernel would run.
    compile(tree, filename, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return tree


def _without_magics(source: str) -> str:
    # IPython's own reading; imported only here, because most cells do without and a check must not wait for it.
    from IPython.core.inputtransformer2 import TransformerManager

    first, _, rest = source.lstrip().partition("\n")
    body = "pass\n" + rest if first.startswith(_HARMLESS_CELL_MAGICS) else source
    return str(TransformerManager().transform_cell(body))
