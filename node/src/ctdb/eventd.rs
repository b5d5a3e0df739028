//! The event daemon's socket: `ctdb event` and `ctdb scriptstatus` ask here.
