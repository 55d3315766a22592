"""Migrations on ClickHouse."""
