//! The tunables by name, with their defaults.
