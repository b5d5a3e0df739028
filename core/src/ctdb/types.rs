//! Numbers with names.
