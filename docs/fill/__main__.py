"""Fill the pages from the published run: ``python -m docs.fill``, from the root."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.fill.agreement import disagreements
from docs.fill.blocks import FillError
from docs.fill.pages import fill_pages, pages_of, unused_pictures
from docs.fill.published import Published

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Fill all pages, draw their pictures, and remove those that no page shows any more."""
    run = Published.of(ROOT / "config/presets/cifar10.yaml", ROOT)
    if wrong := disagreements(run):
        sys.exit("\n".join([*wrong, "Run 'make figures' first."]))
    try:
        texts = fill_pages(ROOT, run, pages_of(ROOT, run))
    except FillError as error:
        sys.exit(str(error))
    for page, text in texts.items():
        if page.read_text() != text:
            page.write_text(text)
            print(f"filled {page.relative_to(ROOT)}")
    for path in unused_pictures(ROOT):
        path.unlink()
        print(f"removed {path.relative_to(ROOT)}, which no page shows")


if __name__ == "__main__":
    main()
