"""Structs as schemas."""

from __future__ import annotations

import msgspec

from holdfast.model.report import SourceReport, SystemReport
from holdfast.web.api.mirroring import mirror


def test_a_mirror_has_the_fields_of_its_struct_all_the_way_down() -> None:
    """Whatever the model says, the description says."""
    schema = mirror(SystemReport).model_json_schema()
    assert set(schema["properties"]) == {field.name for field in msgspec.structs.fields(SystemReport)}
    inner = schema["$defs"]["SourceReport"]
    assert set(inner["properties"]) == {field.name for field in msgspec.structs.fields(SourceReport)}
    assert set(inner["required"]) == set(inner["properties"])


def test_a_struct_has_one_mirror() -> None:
    """Asked twice it is the same, so that a description names it once."""
    assert mirror(SourceReport) is mirror(SourceReport)
