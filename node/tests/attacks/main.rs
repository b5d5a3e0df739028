//! What is done to a daemon: by strangers on its ports, by its files, its scripts, its disk, by a
//! second daemon, by signals, and by somebody who has its address already.

mod after;
mod crowd;
mod guarded;
mod life;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../kernel/namespace.rs"]
mod namespace;
mod port;
mod scripts;
mod site;
mod stranger;
mod syslog;
mod twice;
mod wrong;
