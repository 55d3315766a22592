"""The kind `command`: a program, run without a shell, whose exit code and output decide."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from startupctl.check import Check, Facts, Unhealthy
from startupctl.child import STDOUT, Child
from startupctl.diagnoses import COMPONENT_TIMEOUT
from startupctl.diagnosis import Code, Diagnosis
from startupctl.fields import Argv
from startupctl.processes import FAILED, end_in_words, end_of, not_started, running
from startupctl.threads import in_thread

if TYPE_CHECKING:
    from startupctl.check import Run


class Command(Check):
    """A program ends with the exit code that is expected, and says what is expected."""

    foreign: ClassVar[bool] = True
    codes: ClassVar[tuple[Code, ...]] = (FAILED,)

    argv: Argv = Field(description="the program and its arguments; there is no shell")
    exit_code: int = Field(default=0, ge=0, le=255, description="the exit code that means ready")
    stdout: re.Pattern[str] | None = Field(default=None, description="found somewhere in the last 64 KiB of its output")

    @property
    def target(self) -> str:
        """The program without its arguments: they may hold secrets."""
        return self.argv[0] + (" ..." if self.argv[1:] else "")

    async def check(self, run: Run) -> Facts:
        """Run the program in the folder of the manifest; it is killed when time is up or the run is cancelled."""
        seconds = run.left()
        try:
            async with running(self.argv, run.folder) as child:
                await end_of(child, seconds)
        except TimeoutError:
            raise Unhealthy(Diagnosis(COMPONENT_TIMEOUT, {"seconds": seconds}, said=child.last_lines())) from None
        except OSError as error:
            raise Unhealthy(await in_thread(not_started, self.argv, run.folder, "argv", error)) from error
        return self._judged(child, run)

    def _judged(self, child: Child, run: Run) -> Facts:
        facts: Facts = {"exit_code": child.exit_code}
        what = ""
        if child.exit_code != self.exit_code:
            what = f"{end_in_words(child.exit_code)}, expected exit code {self.exit_code}"
        elif self.stdout and not self.stdout.search(child.text(STDOUT)):
            what = f"printed nothing that matches `{self.stdout.pattern}`"
        if what:
            known = {"program": self.argv[0], "what": what, "folder": str(run.folder.absolute())}
            raise Unhealthy(Diagnosis(FAILED, known, said=child.last_lines()), facts)
        return facts
