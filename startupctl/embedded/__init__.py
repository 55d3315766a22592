"""Servers for a demonstration and for tests, from wheels: PostgreSQL, Valkey, the ClickHouse engine."""
