//! The fetcher against servers that stall, lie, bomb and loop.
