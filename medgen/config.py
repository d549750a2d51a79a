"""Validated, frozen settings; a strict TOML reader; `--set a.b=c`."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator, model_validator

from medgen.errors import ConfigError, did_you_mean
from medgen.files import short_digest

NAMED_FILE = re.compile(r"(?P<before>file:|hf:|[\w.:-]+@)(?P<path>.+)", re.ASCII)  # settings that name a file or a folder


MOST = 65_536  # of a whole number whose setting states no limit of its own: sizes of layers and the like
SEEDS = 2**63  # seeds lie below


class Settings(BaseModel):
    """Base of all settings: frozen; an unknown key, a number that is not finite and a whole number above its limit are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _bounded(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what would fill the memory or never end."""
        field = cls.model_fields[info.field_name or ""]
        if not any(hasattr(limit, "le") or hasattr(limit, "lt") for limit in field.metadata):
            numbers = value if isinstance(value, tuple) else (value,)
            if any(isinstance(number, int) and abs(number) > MOST for number in numbers):
                raise ValueError(f"expected at most {MOST:,}")
        return value

    @model_validator(mode="before")
    @classmethod
    def _over_defaults(cls, values: Any) -> Any:
        """Lay a section that is given in part over its default, which may differ from the defaults of the section's own class."""
        if not isinstance(values, Mapping):
            return values
        whole = dict(values)
        for name, field in cls.model_fields.items():
            if isinstance(field.default, Settings) and isinstance(whole.get(name), Mapping):
                whole[name] = {**field.default.model_dump(), **whole[name]}
        return whole

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str = "settings") -> Self:
        """Validate `values`; `where` names them in errors.

        Raises
        ------
        ConfigError : on an unknown key (with the nearest known one) or a value out of range.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError(_explain(cls, error, where)) from None

    def digest(self) -> str:
        """Return a hash of what differs from the defaults, the same on every machine: a new setting leaves it as it is."""
        return short_digest(json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True))


def _fields(model: type[BaseModel], path: Iterable[Any]) -> dict[str, Any]:
    """Return the fields of the settings class at `path` below `model`."""
    for key in path:
        annotation = model.model_fields[key].annotation if key in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return {}
        model = annotation
    return dict(model.model_fields)


def _explain(model: type[BaseModel], error: ValidationError, where: str) -> str:
    """Turn the first pydantic finding into one helpful line."""
    first = error.errors()[0]
    *parents, last = first["loc"] or ("",)
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown setting '{name}'; {did_you_mean(str(last), _fields(model, parents))}"
    if first["type"] == "missing":
        return f"{where}: '{name}' is missing"
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error" and isinstance(first["input"], Mapping):  # settings of a section that do not go together
        return f"{where}: '{name}': {reason}" if name else f"{where}: {reason}"
    return f"{where}: '{name}' is {first['input']!r}: {reason[0].lower()}{reason[1:]}"


def read_toml(path: Path) -> dict[str, Any]:
    """Read a recipe.

    Raises
    ------
    ConfigError : if the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # an editor may begin it with a byte order mark
    except OSError as error:
        raise ConfigError(f"cannot read the recipe '{path}': {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}' is not valid TOML: {error}") from None


def with_whole_paths(values: Any, folder: Path) -> Any:
    """Return the settings of a file in `folder`: files that they name are looked for from there, not from the working folder."""
    return _with_paths(values, lambda path: os.path.abspath(folder / Path(path).expanduser()))  # noqa: PTH100


def with_paths_from(values: Any, folder: Path) -> Any:
    """Return settings as a file in `folder` holds them: what `with_whole_paths` makes whole again, also where both have moved."""
    return _with_paths(values, lambda path: Path(os.path.relpath(Path(path).expanduser(), folder)).as_posix())


def _with_paths(values: Any, change: Callable[[str], str]) -> Any:
    if isinstance(values, Mapping):
        return {key: _with_paths(value, change) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_with_paths(value, change) for value in values]
    named = NAMED_FILE.fullmatch(values) if isinstance(values, str) else None
    return named["before"] + change(named["path"]) if named else values


def merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values with others laid over them, section by section."""
    result = dict(values)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def override(values: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Return `values` with each ``a.b=c`` laid over it; c is read as a TOML value, else as a string.

    Raises
    ------
    ConfigError : if an assignment has no ``=`` or goes below a plain value.
    """
    result = deepcopy(dict(values))
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"--set got '{assignment}'; expected key=value, for example train.epochs=10")
        *parents, last = key.strip().split(".")
        node = result
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f"--set {assignment}: '{parent}' is a plain value, not a section")
        node[last] = _toml_value(text.strip())
    return result


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def to_toml(values: Mapping[str, Any], prefix: str = "") -> str:
    """Write nested plain values as TOML; None is left out, as TOML has none, and stray bytes of file names become escapes."""
    flat = [
        f"{key} = {_toml_text(value)}" for key, value in values.items() if value is not None and not isinstance(value, Mapping)
    ]
    sections = [
        f"\n[{prefix}{key}]\n{to_toml(value, f'{prefix}{key}.')}" for key, value in values.items() if isinstance(value, Mapping)
    ]
    return "\n".join(flat) + ("\n" if flat else "") + "".join(sections)


def _toml_text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_text(item) for item in value) + "]"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):  # no TOML holds stray bytes
        value = value.encode(errors="backslashreplace").decode()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's other values are TOML too
