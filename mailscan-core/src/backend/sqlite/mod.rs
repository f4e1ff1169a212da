//! The embedded durable backend: queue and store in one SQLite file.
