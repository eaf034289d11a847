"""The blocks of a page: found, and filled."""

from __future__ import annotations

import re
from collections.abc import Callable

START, END = r"<!-- (to fill|filled): ([^>]+?) -->\n", "<!-- end -->"
BLOCK = re.compile(rf"{START}(.*?){END}", flags=re.DOTALL)
# A part and its arguments to what stands in the block; None: there is no data for it yet.
Fill = Callable[[str, list[str]], str | None]


class FillError(Exception):
    """A block that cannot be filled as it is written; the message is one sentence."""


def filled(text: str, fill: Fill) -> str:
    """Return the text of a page with every block filled for which there is data.

    Raises FillError for a block without an end, and for one that was filled and has no data now.
    """
    if len(re.findall(START, text)) != len(BLOCK.findall(text)) or text.count(END) != len(
        BLOCK.findall(text)
    ):
        raise FillError(f"Every '<!-- to fill: ... -->' needs an '{END}' of its own.")

    def replace(block: re.Match[str]) -> str:
        state, call, _ = block.groups()
        part, *arguments = call.split()
        content = fill(part, arguments)
        if content is not None:
            return f"<!-- filled: {call} -->\n{content}\n{END}"
        if state == "filled":
            raise FillError(f"The run has no data any more for the block 'filled: {call}'.")
        return block[0]

    return BLOCK.sub(replace, text)
