"""Structs of the model as schemas of the API: what they are is written down once."""

from __future__ import annotations

import types
import typing
from typing import Any, Union

import msgspec
from pydantic import BaseModel, create_model

_made: dict[type, type[BaseModel]] = {}


def mirror(struct: type[msgspec.Struct]) -> type[BaseModel]:
    """A model with the fields of ``struct``, all of them there; for describing answers, not for reading requests."""
    if struct not in _made:
        hints = typing.get_type_hints(struct)
        fields: dict[str, Any] = {
            field.name: (_mirrored(hints[field.name]), ...) for field in msgspec.structs.fields(struct)
        }
        _made[struct] = create_model(struct.__name__, __doc__=struct.__doc__, **fields)
    return _made[struct]


def _mirrored(kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return mirror(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is None:
        return kind
    inner = tuple(_mirrored(each) for each in arguments)
    if origin in (Union, types.UnionType):
        return Union[inner]  # noqa: UP007 - made at run time
    return origin[inner]
