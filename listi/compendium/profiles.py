"""Profiles: YAML files of parameters, and the `name=value` of the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from ..files import as_path
from .parameters import check, check_settings

_FOLDER = Path(__file__).with_name("profile_files")


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-4 and 010 are the numbers that they look like and yes, 1_000 and 1:30 are texts."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - as PyYAML declares it

    def construct_mapping(self, node, deep=False):
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{repeated[0]}: given twice; once is allowed")
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|false|True|False", "tfTF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", "-+.0123456789"),
    ("null", r"null|~|", ["n", "~", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))
# PyYAML itself reads 010 in base 8.
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def parse(text: str) -> object:
    """Read YAML text; ValueError if it is not YAML or has a name twice."""
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from error


def profile(name: str | Path = "demo") -> dict[str, object]:
    """Read a profile; parameters that a file does not name are those of "demo".

    Parameters
    ----------
    name : str or path
        "demo", "paper" or a YAML file.

    Raises
    ------
    ValueError
        If there is no such profile or a parameter in it is refused.
    """
    names = profiles()
    if str(name) in names:
        return check(_read((_FOLDER / f"{name}.yaml").read_text("utf-8"), str(name)))
    path = as_path(name)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        raise ValueError(f"profile: {str(name)!r} is not allowed; it must be {', '.join(names)} or a .yaml file")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"profile: {path} cannot be read: {error}") from error
    return resolve("demo", _read(text, str(path)))


def profiles() -> list[str]:
    """Return the names of the profiles that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def _read(text: str, source: str) -> dict[str, object]:
    try:
        values = parse(text)
        if not isinstance(values, dict):
            raise ValueError("not a YAML mapping of parameter names to values")
        return check_settings(values)
    except ValueError as error:
        raise ValueError(f"profile {source}: {error}") from error


def resolve(name: str | Path = "demo", changes: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return the parameters of a profile with some changed, all checked.

    Raises
    ------
    ValueError
        If a parameter is refused.
    """
    return check({**profile(name), **check_settings(changes or {})})


def assignment(text: str) -> tuple[str, object]:
    """Read the `name=value` of `--set`, the value as YAML.

    Raises
    ------
    ValueError
        If it has no `=` or the parameter is refused.
    """
    name, value = plain_assignment(text)
    return name, check_settings({name: value})[name]


def plain_assignment(text: str) -> tuple[str, object]:
    """Read `name=value`, the value as YAML, whatever the name.

    Raises
    ------
    ValueError
        If it has no `=`.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set: {text!r} is not allowed; it must be name=value")
    try:
        return name.strip(), parse(value) if value.strip() else ""
    except ValueError:
        return name.strip(), value  # not YAML; as a text it may still be allowed
