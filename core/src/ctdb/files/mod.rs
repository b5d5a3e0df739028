//! The text files CTDB reads, turned into values.
