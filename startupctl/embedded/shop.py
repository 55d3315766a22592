"""The shop of `examples/shop`: where it lies, and its app as a server."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from startupctl.embedded.process import PLAIN_ENVIRONMENT, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

INSTALLED = Path(__file__).with_name("shop")  # where the wheel puts it
CHECKED_OUT = Path(__file__).parents[2] / "examples" / "shop"


def copy_shop(folder: Path) -> Path:
    """Copy the example below `folder` and return the copy."""
    source = INSTALLED if INSTALLED.is_dir() else CHECKED_OUT
    return Path(shutil.copytree(source, folder / "shop", ignore=shutil.ignore_patterns("__pycache__")))


class ShopApp(Server):
    """The app of the shop; its health check is a component of the manifest."""

    name = "app"

    def argv(self) -> list[str]:
        """Return the command line; the program lies in the copy of the example."""
        return [sys.executable, str(self.folder / "shop" / "app.py")]

    def environment(self) -> Mapping[str, str]:
        """Return the environment with the port."""
        return {**PLAIN_ENVIRONMENT, "PORT": str(self.port)}

    def url(self) -> str:
        """Return the root of the app."""
        return f"http://{self.host}:{self.port}"
