"""Small projects of real migrators, written into a folder: alembic and Django, and what a manifest says of them."""

from __future__ import annotations

import json
import sys

ENVIRONMENT = """
import os
from alembic import context
from sqlalchemy import create_engine, pool

with create_engine(os.environ["TOOL_URL"], poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = """
import os, time
from alembic import op

revision, down_revision = {number!r}, {before!r}

def upgrade():
    {body}
"""
MANAGE = """
import os, sys
import django
from django.conf import settings
from django.core.management import execute_from_command_line

settings.configure(
    INSTALLED_APPS=["shop"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["TOOL_URL"]}},
)
execute_from_command_line(sys.argv)
"""
DJANGO_MIGRATION = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = {before!r}
    operations = [migrations.RunSQL({sql!r})]
"""
ALEMBIC = {
    "check": [sys.executable, "-m", "alembic", "current", "--check-heads"],
    "up": [sys.executable, "-m", "alembic", "upgrade", "head"],
}
DJANGO = {
    "check": [sys.executable, "manage.py", "migrate", "--check"],
    "up": [sys.executable, "manage.py", "migrate", "--no-color"],
}
RECORD = "CREATE TABLE IF NOT EXISTS ran (name text)"


def executing(*statements):
    """Return the body of a revision that runs these statements."""
    return "\n    ".join(f"op.execute({statement!r})" for statement in statements)


def write_alembic(folder, *bodies):
    """Write an alembic project of one revision for each body: its lines of Python."""
    versions = folder / "alembic" / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\n")
    (folder / "alembic" / "env.py").write_text(ENVIRONMENT)
    for number, body in enumerate(bodies, 1):
        before = str(number - 1) if number > 1 else None
        (versions / f"r{number}.py").write_text(REVISION.format(number=str(number), before=before, body=body))


def write_django(folder, *statements):
    """Write a Django project of one migration for each statement."""
    package = folder / "shop" / "migrations"
    package.mkdir(parents=True, exist_ok=True)
    (folder / "manage.py").write_text(MANAGE)
    for init in (folder / "shop" / "__init__.py", package / "__init__.py"):
        init.write_text("")
    for number, sql in enumerate(statements, 1):
        before = [("shop", f"000{number - 1}_step")] if number > 1 else []
        (package / f"000{number}_step.py").write_text(DJANGO_MIGRATION.format(before=before, sql=sql))


def write_manifest(folder, tool, *, kind="sqlite", **keys):
    """Write a manifest of one database whose migrations are a tool's; a `$` in its words stays one."""
    migrations = {"migrations": {"tool": tool}}
    database = {"kind": kind, "create": True, "timeout": "120s", "attempt_timeout": "60s", **keys, **migrations}
    text = json.dumps({"version": 1, "components": {"database": database}})
    (folder / "startup.yaml").write_text(text.replace("$", "$$"))
