//! In ctdbd's place.

pub mod eventd;
