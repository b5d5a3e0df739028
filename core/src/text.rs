//! Complaints about text, with line, column and the nearest valid word.
