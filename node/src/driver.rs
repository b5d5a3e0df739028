//! Inputs in, effects out: executes, decides nothing.
