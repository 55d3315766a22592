"""JSON Schemas of the documents, as other programs may rely on them."""

from __future__ import annotations

TEXT = {"type": "string"}
MAYBE_TEXT = {"type": ["string", "null"]}
NAMES = {"type": "array", "items": TEXT}
COUNT = {"type": "integer", "minimum": 0}
SECONDS = {"type": "number", "minimum": 0}
MAYBE_SECONDS = {"type": ["number", "null"], "minimum": 0}
PRIORITY = {"enum": ["CRITICAL", "HIGH", "MEDIUM", "LOW"]}


def exactly(**properties):
    """Return the schema of an object with these keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


DIAGNOSIS = exactly(
    code={"type": "string", "pattern": "^[A-Z]{2,4}[0-9]{3}$"},
    name={"type": "string", "pattern": "^[a-z0-9-]+$"},
    **{
        "class": {
            "enum": [
                "waiting",
                "resolving",
                "warming",
                "silent",
                "transient",
                "contention",
                "permanent",
                "fixable",
                "note",
            ]
        }
    },
    summary=TEXT,
    cause=TEXT,
    hint=TEXT,
    phase={"enum": ["resolve", "connect", "tls", "greet", "auth", "query", None]},
    signal={"type": ["string", "null"], "minLength": 1},
)
COMPONENT = exactly(
    kind=TEXT,
    target=TEXT,
    priority=PRIORITY,
    effective_priority=PRIORITY,
    status={"enum": ["SUCCESS", "DEGRADED", "FAILED", "SKIPPED", "CANCELLED"]},
    usable={"type": "boolean"},
    depends_on=NAMES,
    started=MAYBE_SECONDS,
    duration=MAYBE_SECONDS,
    attempts=COUNT,
    polls=COUNT,
    retries=COUNT,
    facts={"type": "object"},
    warnings={"type": "array", "items": exactly(code=TEXT, text=TEXT)},
    impaired_by=NAMES,
    skipped_because=MAYBE_TEXT,
    diagnosis={"anyOf": [{"type": "null"}, DIAGNOSIS]},
    breaker=exactly(state={"enum": ["closed", "open", "half-open"]}, retry_after=MAYBE_SECONDS),
)
REPORT = exactly(
    schema={"const": "startupctl.report/1"},
    tool_version=TEXT,
    manifest=TEXT,
    profile=MAYBE_TEXT,
    command=TEXT,
    started_at={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
    duration=SECONDS,
    verdict={"enum": ["READY", "DEGRADED", "FAILED"]},
    exit_code={"type": "integer", "minimum": 0, "maximum": 255},
    summary=exactly(total=COUNT, success=COUNT, degraded=COUNT, failed=COUNT, skipped=COUNT, cancelled=COUNT),
    critical_path=NAMES,
    components={"type": "object", "additionalProperties": COMPONENT},
)
PROBLEMS = exactly(
    schema={"const": "startupctl.problems/1"},
    problems={
        "type": "array",
        "items": exactly(
            file=MAYBE_TEXT,
            line={"type": ["integer", "null"], "minimum": 1},
            column={"type": ["integer", "null"], "minimum": 1},
            where=TEXT,
            what={"type": "string", "minLength": 1},
            hint=TEXT,
        ),
    },
)
