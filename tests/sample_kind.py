"""A kind for tests of the manifest: one field of every shape."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from startupctl.addresses import Url
from startupctl.check import Check
from startupctl.fields import Bytes, Port, Seconds, Secret


class Inner(BaseModel):
    """A table."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    word: str = ""
    token: Secret | None = None
    level: int = Field(default=1, ge=1, le=9)

    @model_validator(mode="after")
    def _no_curse(self) -> Self:
        if self.word == "curse":
            raise ValueError(f"`word` is {self.word}, said {self.token.reveal() if self.token else 'nobody'}")
        return self


class Sample(Check):
    """A field of every shape."""

    database: ClassVar[bool] = False

    text: str = ""
    number: int = 0
    share: float = 0.5
    flag: bool = False
    wait: Seconds = 0.0
    size: Bytes = 0
    port: Port = 80
    mode: Literal["plain", "fancy"] = "plain"
    secret: Secret | None = None
    url: Url | None = None
    anything: Any = None
    words: list[str] = Field(default_factory=list)
    table: dict[str, str] = Field(default_factory=dict)
    args: dict[str, Any] = Field(default_factory=dict)
    inner: Inner = Inner()
    either: bool | Inner = False
    mixed: str | int | None = None
    name_of: str = Field(default="", alias="name", max_length=5, pattern="^[a-z]*$")
    some: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)

    @property
    def target(self) -> str:
        return "sample"


class Needy(Check):
    """A database with a required secret."""

    database: ClassVar[bool] = True

    url: Url

    @property
    def target(self) -> str:
        return str(self.url)
