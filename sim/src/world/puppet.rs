//! Hands of the rehearsal's own: strangers who knock, operators who talk to a local socket.
//!
//! A puppet is one connection with no machine behind it. What it says is given at birth and
//! spoken once the connection opens; what it hears is kept for whoever wants to look.

use std::net::IpAddr;

use standin_core::machine::{Endpoint, How, Machine, Why};

use super::World;
use super::end::{EndRef, Owner};
pub use super::moment::PuppetId;
use super::moment::{HostId, Moment};

/// What became of a puppet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not answered yet.
    Dialling,
    /// Open.
    Open,
    /// No more.
    Closed(Why),
}

/// A connection without a machine.
#[derive(Clone, Debug)]
pub struct Puppet {
    /// How its connection stands.
    pub standing: Standing,
    /// All it has heard so far, up to a megabyte.
    pub heard: Vec<u8>,
    /// Where it runs.
    pub host: HostId,
    /// When it dialled.
    pub born: Moment,
    /// What it says once its connection opens.
    pub says: Vec<u8>,
    /// It hangs up once it has spoken.
    hangs_up: bool,
    pub(super) end: EndRef,
}

impl Puppet {
    /// Whether a daemon holds the other end, and segments pass both ways between them.
    #[must_use]
    pub fn is_heard<M: Machine>(&self, world: &World<M>) -> bool {
        world.is_heard(self.end)
    }
}

const HEARD_MAX: usize = 1 << 20;

impl<M: Machine> World<M> {
    /// Dials from a host as any program there could, and says `says` once through.
    pub fn puppet_dial(
        &mut self,
        host: HostId,
        from: Option<IpAddr>,
        to: &Endpoint,
        says: Vec<u8>,
    ) -> PuppetId {
        let id = PuppetId(self.puppets.len() as u32);
        let end = self.tcp_dial(host, Owner::Puppet(id), from, to);
        let (standing, heard, born) = (Standing::Dialling, Vec::new(), self.now);
        self.puppets.push(Puppet { standing, heard, host, born, says, hangs_up: false, end });
        id
    }

    /// As [`puppet_dial`](Self::puppet_dial), for a program that hangs up once it has spoken.
    pub fn puppet_tell(&mut self, host: HostId, to: &Endpoint, says: Vec<u8>) -> PuppetId {
        let id = self.puppet_dial(host, None, to, says);
        self.puppets[id.0 as usize].hangs_up = true;
        id
    }

    /// Says more on an open connection.
    pub fn puppet_say(&mut self, id: PuppetId, bytes: &[u8]) {
        let end = self.puppets[id.0 as usize].end;
        let mut buffer = self.outbox.buffer();
        buffer.extend_from_slice(bytes);
        self.tcp_send(end, buffer);
    }

    /// Hangs up.
    pub fn puppet_close(&mut self, id: PuppetId) {
        let puppet = &mut self.puppets[id.0 as usize];
        if !matches!(puppet.standing, Standing::Closed(_)) {
            puppet.standing = Standing::Closed(Why::Eof);
            let end = puppet.end;
            self.tcp_close(end, How::Orderly);
        }
    }

    /// A puppet, to look at.
    ///
    /// # Panics
    /// If there is no such puppet.
    #[must_use]
    pub fn puppet(&self, id: PuppetId) -> &Puppet {
        &self.puppets[id.0 as usize]
    }

    /// How many puppets there have been.
    #[must_use]
    pub fn puppet_count(&self) -> u32 {
        self.puppets.len() as u32
    }

    pub(super) fn puppet_opened(&mut self, id: PuppetId) {
        let puppet = &mut self.puppets[id.0 as usize];
        puppet.standing = Standing::Open;
        let (says, hangs_up) = (puppet.says.clone(), puppet.hangs_up);
        if !says.is_empty() {
            self.puppet_say(id, &says);
        }
        if hangs_up {
            self.puppet_close(id);
        }
    }

    pub(super) fn puppet_heard(&mut self, id: PuppetId, bytes: Vec<u8>) {
        let puppet = &mut self.puppets[id.0 as usize];
        let room = HEARD_MAX.saturating_sub(puppet.heard.len()).min(bytes.len());
        puppet.heard.extend_from_slice(&bytes[..room]);
        self.outbox.recycle(bytes);
    }

    pub(super) fn puppet_closed(&mut self, id: PuppetId, why: Why) {
        self.puppets[id.0 as usize].standing = Standing::Closed(why);
    }
}
