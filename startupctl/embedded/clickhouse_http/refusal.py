"""Errors as a ClickHouse server tells them: number, name, text, HTTP status."""

from __future__ import annotations

import re

# exceptionCodeToHTTPStatus in ClickHouse's src/Server/HTTP/exceptionCodeToHTTPStatus.cpp; all others are 500
STATUS_NAMES = {
    400: "BAD_ARGUMENTS SYNTAX_ERROR INCORRECT_DATA TYPE_MISMATCH DUPLICATE_COLUMN ILLEGAL_COLUMN THERE_IS_NO_COLUMN "
    "TOO_DEEP_AST TOO_BIG_AST CANNOT_PARSE_TEXT CANNOT_PARSE_QUOTED_STRING CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME "
    "CANNOT_PARSE_NUMBER CANNOT_PARSE_UUID CANNOT_PARSE_INPUT_ASSERTION_FAILED CANNOT_PARSE_ESCAPE_SEQUENCE "
    "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE CANNOT_COMPILE_REGEXP",
    401: "REQUIRED_PASSWORD",
    403: "UNKNOWN_USER WRONG_PASSWORD AUTHENTICATION_FAILED ACCESS_DENIED SET_NON_GRANTED_ROLE",
    404: "UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE UNKNOWN_DATABASE "
    "UNKNOWN_SETTING UNKNOWN_FORMAT UNKNOWN_AGGREGATE_FUNCTION UNKNOWN_DATABASE_ENGINE UNKNOWN_TYPE_OF_QUERY UNKNOWN_ROLE",
    408: "TIMEOUT_EXCEEDED",
    413: "QUERY_IS_TOO_LARGE",
    501: "NOT_IMPLEMENTED",
    503: "SOCKET_TIMEOUT CANNOT_OPEN_FILE CANNOT_SCHEDULE_TASK",
}
STATUS_OF = {name: status for status, names in STATUS_NAMES.items() for name in names.split()}
UNKNOWN_EXCEPTION = 1002


class Refusal(Exception):
    """A query that is answered with an error."""

    def __init__(self, code: int, name: str, text: str) -> None:
        """Keep number and name as in ClickHouse's list of error codes."""
        self.code, self.name = code, name
        super().__init__(text)

    @classmethod
    def of(cls, code: int, name: str, text: str) -> Refusal:
        """Return a refusal of ours in the server's words."""
        return cls(code, name, f"Code: {code}. DB::Exception: {text}. ({name})")

    @classmethod
    def from_engine(cls, error: RuntimeError) -> Refusal:
        """Read the engine's exception, which carries number and name in its text only."""
        text = str(error).strip()
        code = re.search(r"Code: (\d+)", text)
        names = re.findall(r"\(([A-Z_0-9]{4,})\)", text)
        return cls(int(code[1]) if code else UNKNOWN_EXCEPTION, names[-1] if names else "", text)

    @property
    def status(self) -> int:
        """The HTTP status a server answers with."""
        return STATUS_OF.get(self.name, 500)
