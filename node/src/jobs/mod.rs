//! Work that finishes later.

pub mod lock;
mod process;
pub mod scripts;
