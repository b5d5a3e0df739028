//! What must survive a power loss, and what waits until it would.
//!
//! A promise (a vote, an epoch of our own) is saved before anything that follows from it is
//! sent. So while such a saving is under way, everything waits; the rest is saved in passing.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::nodes_conf::{Line, NodesConf};
use super::super::notice::Notice;
use super::super::table::{Ix, Node};
use super::super::types::NodeFlags;
use super::{Gossip, Out, Todo, Wake};
use crate::host::{FileError, Job};
use crate::machine::{Effect, How, JobId, LinkId};
use crate::time::{Duration, Instant};

/// How long what is not urgent waits, and a saving that failed before it is tried again.
const LATER: Duration = Duration::from_secs(1);

/// The state of the state file.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Saver {
    /// The saving under way.
    writing: Option<JobId>,
    next: u64,
    /// There is more to save.
    dirty: bool,
    /// It has waited long enough.
    pub(super) due: bool,
    /// So many savings must end well before anything is sent: the one under way, the next.
    wanted: Wanted,
    held: Vec<(LinkId, Vec<u8>)>,
    failed: bool,
    pub(super) stopping: bool,
    /// Variables of the file we do not know.
    pub(super) kept_vars: Vec<(Box<str>, Box<str>)>,
}

/// Which saving is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Wanted {
    #[default]
    None,
    /// The one under way.
    This,
    /// The one after it.
    Next,
}

impl Saver {
    /// For a job of ours.
    const fn number(&mut self) -> JobId {
        self.next += 1;
        JobId(self.next)
    }

    /// A stream is no more: nothing waits for it.
    pub(super) fn drop_held(&mut self, link: LinkId) {
        self.held.retain(|&(to, _)| to != link);
    }
}

impl Gossip {
    /// The end of an input: saves what is to be saved, sends what may be sent.
    pub(super) fn flush(&mut self, now: Instant, out: Out<'_>) {
        let todo = core::mem::take(&mut self.todo);
        if todo.intersects(Todo::SAVE | Todo::SYNC) {
            self.saver.dirty = true;
        }
        if todo.contains(Todo::SYNC) {
            self.saver.wanted = Wanted::Next;
            self.saver.due |= !self.saver.failed;
        } else if self.saver.dirty && self.timers.at(Wake::Save).is_none() {
            self.timers.set(Wake::Save, now + LATER);
        }
        self.save(out);
        if self.saver.wanted == Wanted::None {
            for (link, bytes) in self.staged.drain(..) {
                // Nothing to say is the end, see `hang_up`.
                out.push(match bytes.is_empty() {
                    true => Effect::Close { link, how: How::Orderly },
                    false => Effect::Send { link, bytes },
                });
            }
        } else {
            self.saver.held.append(&mut self.staged);
        }
    }

    fn save(&mut self, out: Out<'_>) {
        let saver = &mut self.saver;
        if !saver.dirty || saver.writing.is_some() || !saver.due {
            return;
        }
        saver.dirty = false;
        saver.due = false;
        self.timers.cancel(Wake::Save);
        if saver.wanted == Wanted::Next {
            saver.wanted = Wanted::This;
        }
        let job = saver.number();
        saver.writing = Some(job);
        let content = self.to_save().print().into_bytes();
        let name = self.config.state_file.as_ref().into();
        out.push(Effect::Start { job, what: Job::WriteFile { name, content } });
    }

    pub(super) fn saved(&mut self, now: Instant, out: Out<'_>, job: JobId, wrote: Result<(), FileError>) {
        if self.saver.writing != Some(job) {
            return;
        }
        self.saver.writing = None;
        if let Err(error) = wrote {
            if !core::mem::replace(&mut self.saver.failed, true) {
                out.notice(Notice::SaveFailed { error });
            }
            self.saver.dirty = true;
            if self.saver.wanted == Wanted::This {
                self.saver.wanted = Wanted::Next;
            }
            if self.saver.stopping {
                return self.exit(out, 1);
            }
            self.saver.due = false;
            self.timers.set(Wake::Save, now + LATER);
            return;
        }
        if core::mem::replace(&mut self.saver.failed, false) {
            out.notice(Notice::SaveRecovered);
        }
        if self.saver.wanted == Wanted::This {
            self.saver.wanted = Wanted::None;
            let held = core::mem::take(&mut self.saver.held);
            self.staged.splice(0..0, held);
        }
        if self.saver.stopping && !self.saver.dirty {
            self.exit(out, 0);
        }
    }

    /// Whether what is said waits until a promise is saved.
    pub(in super::super) fn is_saving(&self) -> bool {
        self.saver.wanted != Wanted::None
    }

    /// Writes the state file at once (`CLUSTER SAVECONFIG`); it is durable once the answer leaves.
    pub(in super::super) fn save_now(&mut self) {
        self.todo |= Todo::SYNC;
    }

    /// Has these settings written into the file they came from; the answer names the job.
    pub(in super::super) fn keep_settings(&mut self, out: Out<'_>, settings: Vec<(String, String)>) -> JobId {
        let job = self.saver.number();
        out.push(Effect::Start { job, what: Job::KeepSettings { settings } });
        job
    }

    /// What is saved.
    fn to_save(&self) -> NodesConf {
        let known = self.table.iter().filter(|(_, node)| !node.in_handshake());
        NodesConf {
            nodes: known.map(|(at, node)| self.describe(at, node)).collect(),
            current_epoch: self.current_epoch,
            last_vote_epoch: self.last_vote,
            unknown_vars: self.saver.kept_vars.clone(),
        }
    }

    /// A node's line, as `CLUSTER NODES` and the state file have it.
    pub(in super::super) fn describe(&self, at: Ix, node: &Node) -> Line {
        let ms = |at: Option<Instant>| at.map_or(0, |at| self.wall_ms(at));
        let open = |slots: &super::BTreeMap<u16, Ix>| {
            let named = slots.iter().map(|(&slot, &other)| (slot, self.table.get(other).id));
            if at == Ix::ME { named.collect() } else { Vec::new() }
        };
        let master = node.master.filter(|_| !node.is_master());
        Line {
            id: node.id,
            ip: node.address.ip,
            port: node.address.port,
            bus_port: node.address.bus_port,
            hostname: node.hostname.clone(),
            aux: node.aux.clone(),
            flags: node.flags & shown(),
            master: master.map(|master| self.table.get(master).id),
            ping_sent: ms(node.ping_sent.get()),
            pong_received: ms(self.table.pong_received(at).get()),
            epoch: master.map_or(node.epoch, |master| self.table.get(master).epoch),
            connected: at == Ix::ME || node.has_link(),
            slots: node.slots().clone(),
            migrating: open(&self.migrating),
            importing: open(&self.importing),
        }
    }
}

/// The flags that have a word.
fn shown() -> NodeFlags {
    NodeFlags::WORDS.iter().map(|&(flag, _)| flag).collect()
}
