"""The description of the API, OpenAPI 3.1: what every route answers, and what it needs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from fastapi.routing import APIRoute

from holdfast.web.api.once import Once
from holdfast.web.api.problems import Problem
from holdfast.web.api.routes import answer
from holdfast.web.security.identity import open_to_all

router = APIRouter()
_OPEN = open_to_all("it describes the product, not the data")
PATH = "/api/openapi.json"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_REFUSALS = {
    "400": "Not a request", "401": "Nobody known asks", "403": "No right to that", "404": "There is no such thing",
    "409": "Not now: it is being done, or the world changed", "413": "Too large", "421": "Another host",
    "422": "Not as it should be", "429": "Too often", "500": "It failed", "502": "The source does not answer",
    "503": "The repository does not answer", "507": "The repository is full",
}  # fmt: skip
_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "description": "The same key with the same request is answered again, not done again.",
}  # fmt: skip
_ABOUT = (
    "Every error is application/problem+json with the codes of the command line. What takes long answers 202 with a"
    " run. POST honours Idempotency-Key for 24 hours. Old contracts wait and answer complete."
)


@router.get(PATH, include_in_schema=False, dependencies=[Depends(_OPEN)])
def openapi(request: Request) -> Response:
    """This description."""
    return answer(document(request.app))


def document(app: FastAPI) -> dict[str, Any]:
    """The description of ``app``, made once."""
    if not app.openapi_schema:
        made = get_openapi(
            title="holdfast", version=app.version, openapi_version="3.1.0", description=_ABOUT, routes=app.routes
        )
        _complete(made, scopes(app), once(app))
        app.openapi_schema = made
    return app.openapi_schema


def scopes(app: FastAPI) -> dict[tuple[str, str], str]:
    """The one scope of every route that has one, by method and path."""
    return {
        (method, route.path): scope
        for router in app.state.routers
        for route in router.routes
        if isinstance(route, APIRoute) and (scope := scope_of(route))
        for method in route.methods or ()
    }


def once(app: FastAPI) -> frozenset[str]:
    """Paths whose POSTs honour Idempotency-Key."""
    return frozenset(
        route.path for router in app.state.routers for route in router.routes if isinstance(route, Once)
    )


def scope_of(route: APIRoute) -> str:
    """What it asks of whoever calls; "" when it is open to all."""
    for each in route.dependant.dependencies:
        if found := getattr(each.call, "scope", ""):
            return str(found)
    return ""


def _complete(made: dict[str, Any], known: dict[tuple[str, str], str], keyed: frozenset[str]) -> None:
    components = made.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["responses"] = {
        f"Problem{status}": {"description": what, "content": _PROBLEM} for status, what in _REFUSALS.items()
    }
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "holdfast token add NAME --scope SCOPE"}
    }
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _complete_operation(operation, known.get((method.upper(), path), ""))
            if method == "post" and path in keyed:
                operation.setdefault("parameters", []).append(_KEY)


def _complete_operation(operation: dict[str, Any], scope: str) -> None:
    answers = operation["responses"]
    if "HTTPValidationError" in str(answers.get("422", "")):
        del answers["422"]
    for status in _REFUSALS:
        answers.setdefault(status, {"$ref": f"#/components/responses/Problem{status}"})
    if scope:
        operation["security"] = [{"token": []}]
        operation["x-scope"] = scope
    operation["responses"] = dict(sorted(answers.items()))


