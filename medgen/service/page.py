"""The page of the addresses: the OpenAPI description as a page without scripts, so that it needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)
STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
section { border-top: 1px solid #8888; padding: .5rem 0; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top; }
.use { border-left: .3rem solid #c60; padding-left: .7rem; }
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Show what there is."""
    return HTMLResponse(page_of(request.app.openapi()))


@router.get("/docs.css")
async def style() -> Response:
    """Return how the page looks."""
    return Response(STYLE, media_type="text/css")


def page_of(description: dict[str, Any]) -> str:
    """Return a page of an OpenAPI description."""
    info, schemas = description["info"], description.get("components", {}).get("schemas", {})
    sections = [
        _operation(path, method, operation, schemas)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        "<title>medgen</title><link rel='stylesheet' href='docs.css'></head><body><main>"
        f"<h1>medgen {escape(info['version'])}</h1>"
        f"<p class='use'>{escape(info['description'])}</p><p>The same for programs: <a href='openapi.json'>openapi.json</a></p>"
        f"{''.join(sections)}</main></body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    about = escape(operation.get("description", "")).replace("\n\n", "</p><p>")
    parts = [f"<section><h2><code>{method.upper()} {escape(path)}</code></h2><p>{about}</p>"]
    if body := operation.get("requestBody"):
        parts.append(f"<p>Body: {escape(body['description'])}</p>")
    if parameters := operation.get("parameters"):
        rows = [
            (p["name"], f"in the {p['in']}", ", ".join(p["schema"].get("enum", [])) or p["schema"].get("type", ""))
            for p in parameters
        ]
        parts.append(_table(("parameter", "where", "values"), rows))
    answers = [(status, answer["description"], _fields(answer, schemas)) for status, answer in operation["responses"].items()]
    parts.append(_table(("status", "meaning", "body"), answers))
    return "".join(parts) + "</section>"


def _fields(answer: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Return the fields of the JSON of an answer, or the media types of its files."""
    content = answer.get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    schema = schema.get("items", schema)
    known = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    return ", ".join(known.get("properties", {})) or ", ".join(content)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr></thead><tbody>{cells}</tbody></table>"
