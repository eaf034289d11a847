"""Pages read as a browser would: tags, attributes, text, and the tree of elements."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = {"meta", "br", "input", "img"}


class Page(HTMLParser):
    """Collects tags, attributes and text; elements are in ``root``."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.builder = ElementTree.TreeBuilder()
        self.feed(text)
        self.root = self.builder.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.builder.start(tag, {name: value or "" for name, value in attributes})
        if tag in VOID:
            self.builder.end(tag)
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.builder.end(tag)

    def handle_data(self, data):
        self.text += data
        if self.open:
            self.builder.data(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def text_of(element):
    """Return the text within, with single spaces; empty for no element."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


def with_class(element, name):
    """Return the first element within that has this class, or None."""
    return next((e for e in element.iter() if name in e.get("class", "").split()), None)


def all_with_class(element, name):
    return [e for e in element.iter() if name in e.get("class", "").split()]
