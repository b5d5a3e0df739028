//! CTDB packets, bytes ↔ values.
