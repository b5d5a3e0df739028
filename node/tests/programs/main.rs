//! What the daemon runs and serves beside the machine: scripts, the cluster lock, the event
//! socket; each against real processes, and against the stock programs where there are any.

mod eventd;
mod lock;
mod room;
mod scripts;
