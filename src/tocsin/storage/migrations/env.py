"""Alembic's entry: runs on the connection that `storage/schema.py` hands in."""

from alembic import context

from tocsin.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
