//! Work that finishes later.

pub mod lock;
pub mod scripts;
