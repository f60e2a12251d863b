"""Plans: kept for an hour, and done only while the world is as they saw it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from holdfast.model.records import Digits
from holdfast.service.deeds import Going, Told, digest_of, plain
from holdfast.service.noting import Asker
from holdfast.service.plans import Plan, Plans


@dataclass(frozen=True, kw_only=True)
class _Deed:
    kind: str = "restore"
    source: str = "shop"
    scope: str = "restore:in-place"
    words: str = "restore of rows"
    command: str = "holdfast restore 1234"

    def do(self, going: Going) -> Told:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class _Another(_Deed):
    pass


_TOLD = Told(document={"run": "1", "seconds": 0.5, "undo": None, "items": [{"name": "orders", "rows": 3}]})


def _plan(number: int, **more: float) -> Plan:
    return Plan(
        id=f"{number:04}", deed=_Deed(), asker=Asker(who="anna"), told=_TOLD, digest="", made_at="", **more
    )  # fmt: skip


def test_a_digest_is_the_same_while_the_world_is() -> None:
    """Another run, another duration, a newer snapshot beside it: the same plan."""
    again = replace(_TOLD, document={**_TOLD.document, "run": "2", "seconds": 9, "newest": "other"})
    assert digest_of(_Deed(), again) == digest_of(_Deed(), _TOLD)


def test_a_digest_differs_when_what_would_happen_does() -> None:
    """Other rows, another target, a refusal, another deed."""
    known = digest_of(_Deed(), _TOLD)
    others = [
        digest_of(_Deed(), replace(_TOLD, document={**_TOLD.document, "items": [{"name": "orders", "rows": 4}]})),
        digest_of(_Deed(), replace(_TOLD, document={**_TOLD.document, "target": "elsewhere"})),
        digest_of(_Deed(), replace(_TOLD, refusals=("no",))),
        digest_of(_Deed(kind="undo"), _TOLD),
        digest_of(_Deed(source="other"), _TOLD),
        digest_of(_Deed(words="restore of other rows"), _TOLD),
        digest_of(_Deed(), replace(_TOLD, whole="what is not shown")),
        digest_of(_Another(), _TOLD),
    ]
    assert known not in others


def test_a_plan_is_kept_for_an_hour() -> None:
    """Then it is gone, and nobody does what was seen too long ago."""
    plans = Plans()
    plans.keep(_plan(1))
    plans.keep(_plan(2, until=0.0))
    assert plans.get("0001") is not None
    assert plans.get("0002") is None
    assert plans.get("0003") is None


def test_the_oldest_of_very_many_plans_give_way() -> None:
    """Memory is bounded."""
    plans = Plans()
    for number in range(600):
        plans.keep(_plan(number))
    assert plans.get("0000") is None
    assert plans.get("0599") is not None


def test_private_parts_are_left_out_of_what_is_kept() -> None:
    """Row values do not reach the journal."""
    told = Told(document={"rows": [{"email": "ada@example.org"}], "counts": {"create": 1}}, private=("rows",))
    assert told.public() == {"counts": {"create": 1}}


def test_a_document_is_plain_json() -> None:
    """Numbers stay numbers, whatever digits the database wrote."""
    assert plain({"price": Digits("12.50"), "names": ["a", "b"]}) == {"price": 12.5, "names": ["a", "b"]}
