"""The JSON Schema of a document, made from the models."""

from __future__ import annotations

from typing import Any

from batchmill.ir.models import IR_VERSION, Workflow
from batchmill.ir.models.settable import allow_templates

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_ID = f"urn:batchmill:workflow:{IR_VERSION}"


def json_schema() -> dict[str, Any]:
    """The schema as a new dictionary, JSON Schema draft 2020-12.

    It covers the keys one by one: types, ranges, descriptions, allowed keys. Relations between keys (ids,
    edges, references, contradictions) are only found by the checks.
    """
    made = allow_templates(Workflow.model_json_schema(by_alias=True, mode="validation"))
    head = {"$schema": DRAFT, "$id": SCHEMA_ID, "title": "batchmill workflow"}
    return {**head, **{key: value for key, value in made.items() if key != "title"}}
