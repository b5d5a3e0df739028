//! Notices as log lines.
