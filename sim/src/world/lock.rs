//! Locks on storage that the hosts share, with a file lock's semantics.
//!
//! - Taking does not wait for a holder: the lock is held or busy. It is busy for its own holder
//!   too; the second process of a host is just another process.
//! - A holder that dies or lets go frees the lock, once the storage hears of it: cut off, it
//!   keeps holding until the storage revokes its lease or the way back is open.
//! - A holder that is cut off does not learn that its lock is gone; it is told once it is back.
//! - Whoever asks while the storage is silent waits, and gives up after [`Locks::patience`]. If
//!   the storage speaks again before that, they are answered in the order they asked.

use std::collections::BTreeMap;

use standin_core::host::LockNews;
use standin_core::time::Duration;

use super::moment::{HostId, Moment};

/// All locks of the world, by name.
#[derive(Clone, Debug)]
pub struct Locks {
    /// How long a host waits for silent storage.
    pub patience: Duration,
    held: BTreeMap<String, Holder>,
    /// In the order they asked.
    waiting: Vec<Waiting>,
    /// Who believes to hold what it has lost, and cannot be told yet.
    unaware: Vec<(HostId, String)>,
    /// How a host reaches the storage, where that is not well.
    trouble: BTreeMap<HostId, Storage>,
    stalled: bool,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    host: HostId,
    /// It let go or died, but the storage has not heard of it.
    gone: bool,
}

#[derive(Clone, Debug)]
struct Waiting {
    host: HostId,
    name: String,
    until: Moment,
}

/// How a host reaches the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// It answers.
    Fine,
    /// No answer, no error.
    Silent,
    /// Errors at once.
    Failing,
}

/// What comes of trying to take a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Taken.
    Held,
    /// Somebody holds it.
    Busy,
    /// No answer yet. [`Locks::give_up`] wants to be called at this time, if nothing comes first.
    Stalled(Moment),
    /// The storage cannot be used.
    Failed,
}

/// Something a host must be told of its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whom to tell.
    pub host: HostId,
    /// The lock's name.
    pub name: String,
    /// What.
    pub news: LockNews,
}

impl Locks {
    /// Free locks on healthy storage; a host waits ten seconds for an answer.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            patience: Duration::from_secs(10),
            held: BTreeMap::new(),
            waiting: Vec::new(),
            unaware: Vec::new(),
            trouble: BTreeMap::new(),
            stalled: false,
        }
    }

    /// A host tries to take a lock. If it waits for this one already, it now waits anew.
    pub fn take(&mut self, name: &str, host: HostId, now: Moment) -> Taken {
        self.waiting.retain(|waiting| waiting.host != host || waiting.name != name);
        match self.storage(host) {
            Storage::Fine if self.held.contains_key(name) => Taken::Busy,
            Storage::Fine => {
                self.held.insert(name.to_owned(), Holder { host, gone: false });
                Taken::Held
            }
            Storage::Silent => {
                let until = now + self.patience;
                self.waiting.push(Waiting { host, name: name.to_owned(), until });
                Taken::Stalled(until)
            }
            Storage::Failing => Taken::Failed,
        }
    }

    /// A host gives its attempt to take a lock up; what it holds it keeps.
    pub fn withdraw(&mut self, name: &str, host: HostId) {
        self.waiting.retain(|waiting| waiting.host != host || waiting.name != name);
    }

    /// A host lets go of a lock. Another attempt of its own to take it goes on.
    pub fn release(&mut self, name: &str, host: HostId) {
        self.unaware.retain(|(unaware, of)| *unaware != host || of != name);
        if let Some(holder) = self.held.get_mut(name).filter(|holder| holder.host == host) {
            holder.gone = true;
        }
        self.hear_of_the_gone();
    }

    /// Every process of a host is dead: all it held or waited for is let go.
    pub fn died(&mut self, host: HostId) {
        self.waiting.retain(|waiting| waiting.host != host);
        self.unaware.retain(|(unaware, _)| *unaware != host);
        for holder in self.held.values_mut().filter(|holder| holder.host == host) {
            holder.gone = true;
        }
        self.hear_of_the_gone();
    }

    /// Those whose patience is over by `now` give up.
    pub fn give_up(&mut self, now: Moment) -> Vec<News> {
        let over = self.waiting.extract_if(.., |waiting| waiting.until <= now);
        over.map(|Waiting { host, name, .. }| News { host, name, news: LockNews::TimedOut }).collect()
    }

    /// Fault, or its end: how a host reaches the storage.
    pub fn set_storage(&mut self, host: HostId, storage: Storage) -> Vec<News> {
        if storage == Storage::Fine {
            self.trouble.remove(&host);
        } else {
            self.trouble.insert(host, storage);
        }
        self.settle()
    }

    /// Fault, or its end: the storage is silent for everybody.
    pub fn set_stalled(&mut self, stalled: bool) -> Vec<News> {
        self.stalled = stalled;
        self.settle()
    }

    /// Fault: the lock vanishes under its holder. Says who must be told now.
    pub fn lose(&mut self, name: &str) -> Vec<News> {
        if let Some(holder) = self.held.remove(name).filter(|holder| !holder.gone) {
            self.unaware.push((holder.host, name.to_owned()));
        }
        self.settle()
    }

    /// Fault: every lock vanishes under its holder. Says who must be told now.
    pub fn lose_all(&mut self) -> Vec<News> {
        let lost = std::mem::take(&mut self.held).into_iter().filter(|(_, holder)| !holder.gone);
        self.unaware.extend(lost.map(|(name, holder)| (holder.host, name)));
        self.settle()
    }

    /// The storage revokes all a host holds: its lease ran out. Says who must be told now.
    pub fn revoke(&mut self, host: HostId) -> Vec<News> {
        for (name, holder) in self.held.extract_if(.., |_, holder| holder.host == host) {
            if !holder.gone {
                self.unaware.push((host, name));
            }
        }
        self.settle()
    }

    /// Who holds a lock, as the storage sees it.
    #[must_use]
    pub fn holder(&self, name: &str) -> Option<HostId> {
        self.held.get(name).map(|holder| holder.host)
    }

    /// Which living hosts believe to hold a lock: more than one after a loss nobody noticed.
    pub fn believers(&self, name: &str) -> impl Iterator<Item = HostId> {
        let holder = self.held.get(name).filter(|holder| !holder.gone).map(|holder| holder.host);
        let unaware = self.unaware.iter().filter(move |(_, of)| of == name).map(|&(host, _)| host);
        holder.into_iter().chain(unaware)
    }

    fn storage(&self, host: HostId) -> Storage {
        match self.trouble.get(&host) {
            Some(Storage::Failing) => Storage::Failing,
            _ if self.stalled => Storage::Silent,
            other => other.copied().unwrap_or(Storage::Fine),
        }
    }

    /// What the reachable can be told after a change: first who let go, then who lost, then the
    /// answers to those who wait.
    fn settle(&mut self) -> Vec<News> {
        self.hear_of_the_gone();
        let mut all = Vec::new();
        for (host, name) in std::mem::take(&mut self.unaware) {
            if self.storage(host) == Storage::Fine {
                all.push(News { host, name, news: LockNews::Lost });
            } else {
                self.unaware.push((host, name));
            }
        }
        for Waiting { host, name, until } in std::mem::take(&mut self.waiting) {
            let news = match self.storage(host) {
                Storage::Silent => {
                    self.waiting.push(Waiting { host, name, until });
                    continue;
                }
                Storage::Failing => LockNews::Failed,
                Storage::Fine if self.held.contains_key(&name) => LockNews::Busy,
                Storage::Fine => {
                    self.held.insert(name.clone(), Holder { host, gone: false });
                    LockNews::Held
                }
            };
            all.push(News { host, name, news });
        }
        all
    }

    /// Frees what its holder let go, where the storage can hear it.
    fn hear_of_the_gone(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        held.retain(|_, holder| !holder.gone || self.storage(holder.host) != Storage::Fine);
        self.held = held;
    }
}

impl Default for Locks {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
