//! TCP and unix streams by number.
