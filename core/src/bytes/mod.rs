//! A bounds-checked cursor, its mirror, and framing.
