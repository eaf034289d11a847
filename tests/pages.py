"""The pages for readers, and the code and configuration that they print."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "published").glob("*/README.md")),
]


def blocks(language: str) -> list[str]:
    """Return every block in a language that a page prints, in the order of PAGES."""
    pattern = rf"^```{language}\n(.*?)^```"
    return [
        block
        for page in PAGES
        for block in re.findall(pattern, page.read_text(), flags=re.MULTILINE | re.DOTALL)
    ]


def files() -> dict[str, str]:
    """Return the Python files that pages print, by the name in their first line."""
    named = {}
    for block in blocks("python"):
        if name := re.match(r"# (\w+\.py)\n", block):
            assert name[1] not in named, name[1]
            named[name[1]] = block
    return named
