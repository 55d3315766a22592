"""The manifest keys of the kind `postgres` that are tables of their own: create, pool, expect."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from startupctl.keys import Keys, table_or_none
from startupctl.queries import QueryExpect
from startupctl.versions import VersionField


class CreateKeys(Keys):
    """How the database is created; the names are those of CREATE DATABASE."""

    owner: str = Field(default="", description="default: the role that creates it")
    template: str = Field(default="template0", description="the database it is a copy of")
    encoding: str = Field(default="", description="as UTF8; default: the template's")
    locale: str = Field(default="", description="as C.UTF-8; default: the template's")


CreateField = Annotated[
    CreateKeys | None, BeforeValidator(table_or_none, json_schema_input_type=CreateKeys | bool | None)
]


class PoolKeys(Keys):
    """The connection pool of the service: what it may take of the server's connections."""

    min: int = Field(default=5, ge=0, description="connections held open")
    max: int = Field(default=20, ge=1, description="connections at most")
    replicas: int = Field(default=1, ge=1, description="instances of the service")
    prove: bool = Field(default=False, description="open `min` connections at once to see that they fit")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"`min` {self.min} is greater than `max` {self.max}")
        return self


class PostgresExpect(Keys):
    """What the server and the database must be."""

    version: VersionField | None = Field(default=None, description="a constraint on the server's version: `>=15`")
    writable: bool | None = Field(default=None, description="true: no standby, not read-only; false: the contrary")
    extensions: tuple[str, ...] = Field(default=(), description="installed in the database")
    schema_name: str | None = Field(default=None, alias="schema", min_length=1, description="exists in the database")
    query: QueryExpect | None = None

    @model_validator(mode="before")
    @classmethod
    def _asserts(cls, keys: Any) -> Any:
        if isinstance(keys, dict) and not any(value is not None and value != [] for value in keys.values()):
            raise ValueError(
                "it asserts nothing; leave `expect` out, or name one of version, writable, extensions, schema, query"
            )
        return keys
