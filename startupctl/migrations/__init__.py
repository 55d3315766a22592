"""Migrations: files, ledger, lock, runner; knows databases only as Session."""
