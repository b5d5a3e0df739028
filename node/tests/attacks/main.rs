//! What is done to a daemon: by strangers on its ports, by its files, its scripts, its disk, by a
//! second daemon, by signals, and by somebody who has its address already.

mod after;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../common/mod.rs"]
mod common;
mod life;
mod port;
mod scripts;
mod site;
mod stranger;
mod twice;
mod wrong;
