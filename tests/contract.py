"""The ledger's public contract as the README prints it, made from `core/entries.py`.

python tests/contract.py          # prints the section; a test says when the README's is not this
"""

import ast
import inspect
from collections.abc import Iterator

from tokens_forge.core import entries

BEGIN, END = "<!-- ledger fields -->", "<!-- end of ledger fields -->"

KINDS = (
    "Opened",
    "Configured",
    "Routed",
    "Held",
    "Settled",
    "Voided",
    "Refused",
    "Adjusted",
    "Cooled",
    "Recovered",
    "Tasked",
    "Renamed",
)
WITHIN = (
    "PassedOver",
    "Cause",
    "Beside",
    "HoldBasis",
    "WindowHeld",
    "Counted",
    "LotMoved",
    "CardUsed",
    "ChargeLine",
    "Trail",
    "Limit",
    "Previous",
)
LISTS = (
    "Role",
    "RouteClass",
    "Outcome",
    "Certainty",
    "Reason",
    "RefusedReason",
    "AdjustedReason",
    "UsageSource",
    "HoldKind",
    "BesideKind",
    "CacheLife",
    "PreviousKind",
    "TaskAction",
    "NamedScope",
)

_JSON = {"str": "text", "int": "number", "float": "number", "bool": "true/false", "Raw": "object"}


def section() -> str:
    """Return the README's tables of fields, from the records' own docstrings."""
    module = ast.parse(inspect.getsource(entries))
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    parts = [BEGIN, ""]
    for name in KINDS:
        parts += [f"**`{name.lower()}`** {_first(classes[name])}", "", *_table(classes[name]), ""]
    parts += ["**Objects within entries**", ""]
    for name in WITHIN:
        parts += [f"`{name}`: {_first(classes[name])}", "", *_table(classes[name]), ""]
    parts += ["**Closed lists**", ""]
    parts += [f"- {name}: {_words(module, name)}" for name in LISTS]
    return "\n".join([*parts, "", END])


def _first(node: ast.ClassDef) -> str:
    return (ast.get_docstring(node) or "").splitlines()[0]


def _table(node: ast.ClassDef) -> Iterator[str]:
    yield "| field | JSON | meaning |"
    yield "|---|---|---|"
    for field, doc in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant):
            name = ast.unparse(field.target).removeprefix("usage_").removeprefix("route_")
            name = name if name == "class" else ast.unparse(field.target)
            meaning = " ".join(str(doc.value.value).split()).replace("``", "`").replace("|", "\\|")
            yield f"| `{name}` | {_json(ast.unparse(field.annotation))} | {meaning} |"


def _json(annotation: str) -> str:
    if annotation.startswith("tuple["):
        inner = annotation.removeprefix("tuple[").removesuffix(", ...]")
        return f"list of {_json(inner)}"
    if annotation.startswith("dict["):
        return "object"
    plain = annotation.removesuffix(" | None").removeprefix("msgspec.")
    if plain in WITHIN:
        return f"`{plain}`"
    return _JSON.get(plain, "text")


def _words(module: ast.Module, name: str) -> str:
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return " ".join(f"`{word.value}`" for word in ast.walk(node.value) if isinstance(word, ast.Constant))
    raise LookupError(name)


if __name__ == "__main__":
    print(section())  # noqa: T201 - to be pasted into the README
