from tests.support.stores import clock, database_url, heads_path, postgresql_server, store

__all__ = ["clock", "database_url", "heads_path", "postgresql_server", "store"]
