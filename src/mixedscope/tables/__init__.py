"""The stored tables: columns, writing, reading."""
