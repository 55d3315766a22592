"""Run every benchmark, or those that are named: `python bench version check`; fails when a budget is exceeded."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FIGURES = sorted(file.stem for file in HERE.glob("*.py") if file.stem not in ("__main__", "measure"))

chosen = sys.argv[1:] or FIGURES
failed = [name for name in chosen if subprocess.run([sys.executable, HERE / f"{name}.py"], check=False).returncode]
if failed:
    sys.exit(f"over budget or broken: {', '.join(failed)}")
