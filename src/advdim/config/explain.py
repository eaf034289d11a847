"""Turn validation errors into sentences that name the key, the value and what is allowed."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError

from advdim.user_code import PATTERN

# Names stand in those of files, of which a system takes 255 bytes.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
# In words, what a text is to look like.
SHAPES = {
    NAME: "a name begins with a letter or digit and holds letters, digits, '_', '.' and '-' only, "
    "100 at most",
    PATTERN: "code is named as 'package.module:name'",
}


# What a value must be, by pydantic's kind of mistake; braces hold parts of its context.
MUST = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a block of keys and values",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number, written with digits only",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list, in brackets",
    "model_attributes_type": "must be a block of keys and values",
    "model_type": "must be a block of keys and values",
    "string_type": "must be text",
    "too_long": "holds too many values; at most {max_length} are allowed",
    "too_short": "holds too few values; the least is {min_length}",
}


class ConfigError(ValueError):
    """The configuration cannot be run; the message says which key and what is allowed."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a half-sentence that names the nearest known word, or all of them."""
    known = sorted(known)
    for close in close_words(word, known):
        return f"did you mean {close!r}?"
    return f"known are: {', '.join(known)}." if known else "there are none to choose from."


def close_words(word: str, known: Iterable[str]) -> list[str]:
    """Return the known word nearest to one, in a list; an empty one where none is near."""
    return get_close_matches(word, sorted(known), n=1, cutoff=0.5)


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """Return one sentence per mistake; ``prefix`` is put before each key.

    Of a misspelt key only that is said, and not that the key which it was meant to be is missing.
    """
    mistakes = error.errors(include_url=False)
    misspelt = {key: word for mistake in mistakes for key, word in _misspelt(mistake, model)}
    told = [mistake for mistake in mistakes if not _follows(mistake, model, misspelt)]
    told.sort(key=lambda mistake: mistake["type"] != "extra_forbidden")
    return "\n".join(_sentence(mistake, model, prefix) for mistake in told)


def _misspelt(mistake: typing.Any, model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the place of an unknown key, and the known one that it is nearest to."""
    if mistake["type"] == "extra_forbidden":
        location, siblings = _locate(mistake["loc"], model)
        for word in close_words(location[-1], siblings):
            yield tuple(location), word


def _follows(
    mistake: typing.Any, model: type[BaseModel], misspelt: Mapping[tuple[str, ...], str]
) -> bool:
    """Whether a mistake is there only because another key of the same block is misspelt."""
    key = tuple(_locate(mistake["loc"], model)[0])
    for other, word in misspelt.items():
        if other[:-1] != key[:-1] or other == key:
            continue
        # without its kind, a block is taken for one of another kind
        if word in TAGS or (mistake["type"] == "missing" and key[-1] == word):
            return True
    return False


# The keys that say which of several kinds a block is.
TAGS = ("source", "kind")
# Keys that a reader of the papers may look for, and what there is instead.
ELSEWHERE = {
    "epsilon_units": "the sweep's own key 'units' is that of all strengths and thresholds.",
    "units": "the sweep's own key 'units' is that of all strengths and thresholds.",
    "epsilon": "a test attack has a 'threshold'; 'epsilons' of an experiment are training "
    "strengths.",
}


def _sentence(mistake: typing.Any, model: type[BaseModel], prefix: str) -> str:
    location, siblings = _locate(mistake["loc"], model)
    key, value = prefix + ".".join(location), mistake.get("input")
    kind, context = mistake["type"], mistake.get("ctx", {})
    if isinstance(context.get("error"), ConfigError):
        return str(context["error"])
    if kind == "extra_forbidden":
        return f"Config key {key!r} is unknown; {_instead(location[-1], siblings)}"
    if kind == "missing":
        return f"Config key {key!r} is missing."
    if kind == "literal_error":
        return f"Config key {key!r} is {value!r}; allowed are {context['expected']}."
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        field = "kind" if "kind" in str(context["discriminator"]) else "source"
        if kind == "union_tag_not_found":
            for word in close_words(field, map(str, value or ())):
                return f"Config key '{key}.{word}' is unknown; did you mean {field!r}?"
            return f"Config key '{key}.{field}' is missing."
        allowed = context["expected_tags"]
        return f"Config key '{key}.{field}' is {context['tag']!r}; allowed are {allowed}."
    if kind == "string_pattern_mismatch" and context["pattern"] in SHAPES:
        is_value = "" if key.endswith(".[key]") else f" is {value!r}"
        return f"Config key {key.removesuffix('.[key]')!r}{is_value}: {SHAPES[context['pattern']]}."
    said = str(mistake["msg"]).removeprefix("Value error, ").rstrip(".")
    reason = MUST[kind].format(**context) if kind in MUST else said[:1].lower() + said[1:]
    shown = "" if isinstance(value, dict | list) else f" is {_as_yaml(value)}"
    return f"Config key {key!r}{shown}: {reason}."


def _as_yaml(value: object) -> str:
    return "null" if value is None else repr(value)


def _instead(word: str, siblings: set[str]) -> str:
    plural = f"{word}s"
    if word in ELSEWHERE and plural in siblings:
        return f"did you mean {plural!r}?"
    return ELSEWHERE.get(word) or nearest(word, siblings)


def _locate(parts: Iterable[object], model: type[BaseModel]) -> tuple[list[str], set[str]]:
    """Return the key without pydantic's union tags, and the keys known beside its last part."""
    location: list[str] = []
    siblings: set[str] = set()
    here: list[object] = [model]
    for part in parts:
        here = [branch for annotation in here for branch in _branches(annotation)]
        models = [a for a in here if isinstance(a, type) and issubclass(a, BaseModel)]
        containers = [a for a in here if typing.get_origin(a) in {dict, list}]
        tagged = [m for m in models if len(models) > 1 and str(part) in _tags(m)]
        if tagged:
            here = list(tagged)
            continue
        if here and not models and not containers:
            # The branch of a union of plain values.
            continue
        location.append(str(part))
        siblings = {name for m in models for name in m.model_fields}
        fields = [m.model_fields[str(part)] for m in models if str(part) in m.model_fields]
        here = [field.annotation for field in fields]
        here += [m.user for m in models if not fields and hasattr(m, "user")]
        here += [typing.get_args(container)[-1] for container in containers]
    return location, siblings


def _branches(annotation: object) -> list[object]:
    """Unwrap Annotated and unions down to models and containers."""
    if isinstance(annotation, type) or typing.get_origin(annotation) in {dict, list, tuple}:
        return [annotation]
    if typing.get_origin(annotation) is typing.Annotated:
        return _branches(typing.get_args(annotation)[0])
    return [b for argument in typing.get_args(annotation) for b in _branches(argument)]


def _tags(model: type[BaseModel]) -> set[str]:
    """Return the value of ``source`` or ``kind`` by which a union chooses this model."""
    fields = (model.model_fields.get("source"), model.model_fields.get("kind"))
    return {str(tag) for field in fields if field for tag in typing.get_args(field.annotation)}
