"""Migrations on Redis."""
