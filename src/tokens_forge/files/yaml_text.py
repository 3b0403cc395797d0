"""Changing a key or a list of a YAML text that somebody else wrote, with every other character left as it is.

Keys of the root that hold a text are changed where they stand or appended; an item is added after the last one of a
list. PyYAML says where things are: a round trip through any YAML library would write the whole file in its own way.
Nothing here touches the disk or knows a tool; whoever calls compares what the text says before and after.
"""

import re
from collections.abc import Mapping

import msgspec
import yaml
from yaml.error import MarkedYAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tokens_forge.core.errors import ForgeError

Path = tuple[str, ...]
"""A key of the root, or nothing for the root itself."""

Item = Mapping[str, str | bool]

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/@+-]*(?::[A-Za-z0-9._/@+-]+)*")


def value(text: str) -> object:
    """Return what a text says; None of an empty one. Raises ForgeError, with the parser's reason, for no YAML."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ForgeError(f"it is not YAML that can be read ({_reason(error)}): mend it first") from error


def raw(text: str, path: Path) -> str | None:
    """Return the value of a key of the root as it is written; None when there is none."""
    node = _at(_root(text), path)
    return None if node is None else text[node.start_mark.index : node.end_mark.index]


def put(text: str, path: Path, new: str) -> str:
    """Return `text` with the text `new` as the value of a key of the root. Raises ForgeError over another kind."""
    return put_raw(text, path, written(new))


def put_raw(text: str, path: Path, new: str) -> str:
    """Do as `put` does, with a value that is written already."""
    root = _root(text)
    node = _at(root, path)
    if node is None:
        _check_block(root)
        return f"{_ended(text)}{path[0]}: {new}{_line_end(text)}"
    if not isinstance(node, ScalarNode) or node.style in {"|", ">"}:
        raise ForgeError(f"`{path[0]}` is no text on one line there: mend it first")
    start, end = node.start_mark.index, node.end_mark.index
    return text[:start] + ("" if text[start - 1].isspace() else " ") + new + text[end:]


def drop(text: str, path: Path) -> str:
    """Return `text` without a key of the root, which is there, and its value."""
    key, node = _pair(_root(text), path)
    return text[: _line_start(text, key.start_mark.index)] + text[_line_after(text, _end(node)) :]


def add(text: str, path: Path, item: Item) -> str:
    """Return `text` with an item more in the list at `path`; the list is made. Raises ForgeError over another kind."""
    root = _root(text)
    node = _at(root, path)
    if node is None:
        _check_block(root)
        head = f"{path[0]}:{_line_end(text)}" if path else ""
        return f"{_ended(text)}{head}{_block(item, '  ' if path else '', _line_end(text))}"
    if isinstance(node, SequenceNode) and node.value and not node.flow_style:
        at = _line_after(text, _end(node.value[-1]))
        block = _block(item, " " * node.start_mark.column, _line_end(text))
        return (_ended(text[:at]) if at == len(text) else text[:at]) + block + text[at:]
    if not _is_empty(node):
        raise ForgeError(f"`{'.'.join(path) or 'the whole'}` is no list with one item a line there: mend it first")
    # An empty list, `[]` or nothing at all, becomes one with an item a line.
    start, end = node.start_mark.index, node.end_mark.index
    head = text[:start].rstrip(" ")
    rest = text[end:].partition("\n")[2]
    return f"{_ended(head)}{_block(item, '  ' if path else '', _line_end(text))}{rest}"


def remove(text: str, path: Path, index: int) -> str:
    """Return `text` without an item of the list at `path`; a list that has no other becomes ``[]``."""
    node = _at(_root(text), path)
    assert isinstance(node, SequenceNode), "the item is there"
    if node.flow_style:
        raise ForgeError(f"`{'.'.join(path) or 'the whole'}` is written on one line by now: take the item out by hand")
    item = node.value[index]
    start, end = _line_start(text, item.start_mark.index), _line_after(text, _end(item))
    if len(node.value) > 1:
        return text[:start] + text[end:]
    kept = text[:start] + text[end:]
    if not path:
        return f"{_ended(kept)}[]{_line_end(text)}"
    key, _ = _pair(_root(text), path)
    after = text.index(":", key.end_mark.index) + 1
    return f"{text[:after]} []{text[after:start]}{text[end:]}"


def written(new: str | bool) -> str:
    """Return a text, or yes or no, as YAML has it: plain where that is safe, else quoted as in JSON."""
    if isinstance(new, bool):
        return "true" if new else "false"
    plain = _PLAIN.fullmatch(new) is not None and value(new) == new
    return new if plain else msgspec.json.encode(new).decode().replace("\x7f", "\\x7f")


def _block(item: Item, indent: str, end: str) -> str:
    lines = [f"{name}: {written(one)}" for name, one in item.items()]
    return f"{indent}- " + f"{end}{indent}  ".join(lines) + end


def _root(text: str) -> Node | None:
    value(text)
    return yaml.SafeLoader(text).get_single_node()


def _at(root: Node | None, path: Path) -> Node | None:
    if not path:
        return root
    if root is None or _is_empty(root):
        return None
    if not isinstance(root, MappingNode):
        raise ForgeError("it holds no keys: mend it first")
    found = [node for key, node in root.value if key.value == path[0]]
    return found[-1] if found else None


def _pair(root: Node | None, path: Path) -> tuple[Node, Node]:
    assert isinstance(root, MappingNode), "the key is there"
    return [pair for pair in root.value if pair[0].value == path[0]][-1]


def _check_block(root: Node | None) -> None:
    if root is not None and getattr(root, "flow_style", False):
        raise ForgeError("it is written in braces or brackets: write one key or item a line first")


def _is_empty(node: Node) -> bool:
    """Say whether a node is an empty list or nothing at all."""
    return not node.value and not (isinstance(node, ScalarNode) and node.style)


def _end(node: Node) -> int:
    """Return where a node's last character is: what follows a block, comments too, is not its own."""
    if isinstance(node, MappingNode) and node.value and not node.flow_style:
        return _end(node.value[-1][1])
    if isinstance(node, SequenceNode) and node.value and not node.flow_style:
        return _end(node.value[-1])
    return node.end_mark.index


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_after(text: str, at: int) -> int:
    """Return where the line after the one at `at` begins; `at` itself where it begins a line."""
    if at and text[at - 1] == "\n":
        return at
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + _line_end(text)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _reason(error: Exception) -> str:
    """Return what the parser says and where, without the words of the text: they may be secrets."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return type(error).__name__
