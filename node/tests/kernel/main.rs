//! The kernel's side, and the guard, against a real kernel in namespaces of the tests' own.

mod guard;
mod namespace;
mod net;
