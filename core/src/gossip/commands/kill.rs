//! CLIENT KILL: an operator ends clients' streams.

use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::{is, number};
use super::clients::{Kind, end_text};
use super::{Call, Client};
use crate::machine::LinkId;

/// Whom to end: whoever is all that is said.
#[derive(Default)]
struct Wanted<'a> {
    id: Option<u64>,
    kind: Option<Kind>,
    /// Their end, and ours.
    remote: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    /// The one who asks too.
    me: bool,
}

impl Wanted<'_> {
    fn is(&self, client: &Client) -> bool {
        let at = |said: Option<&[u8]>, end| said.is_none_or(|said| said == end_text(end).as_bytes());
        self.id.is_none_or(|id| id == client.id)
            && self.kind.is_none_or(|kind| kind.is(client))
            && at(self.remote, &client.remote)
            && at(self.local, &client.local)
    }
}

/// `CLIENT KILL address`, or `CLIENT KILL option value …`: ID, TYPE, USER, ADDR, LADDR, SKIPME.
pub(super) fn kill(machine: &mut Gossip, call: &mut Call<'_>) {
    let words = call.words;
    if let [_, _, address] = words {
        let killed = end(machine, call, &Wanted { remote: Some(address), me: true, ..Wanted::default() });
        return if killed == 0 { call.error("No such client") } else { call.ok() };
    }
    let mut wanted = Wanted::default();
    for pair in words[2..].chunks(2) {
        let [option, value] = pair else { return call.syntax_error() };
        if is(option, "id") {
            wanted.id = number(value).and_then(|id| u64::try_from(id).ok()).filter(|&id| id > 0);
            if wanted.id.is_none() {
                return call.error("client-id should be greater than 0");
            }
        } else if is(option, "type") {
            wanted.kind = Kind::read(value);
            if wanted.kind.is_none() {
                return Kind::unknown(call, value);
            }
        } else if is(option, "user") {
            if value != b"default" {
                let user = super::shown(value);
                return call.error(format_args!("No such user '{user}'"));
            }
        } else if is(option, "addr") {
            wanted.remote = Some(value);
        } else if is(option, "laddr") {
            wanted.local = Some(value);
        } else if is(option, "skipme") {
            wanted.me = match value {
                _ if is(value, "yes") => false,
                _ if is(value, "no") => true,
                _ => return call.syntax_error(),
            };
        } else {
            return call.syntax_error();
        }
    }
    let killed = end(machine, call, &wanted);
    call.reply().integer(killed as i64);
}

/// How many were ended; the one who asks is, once it has its answer.
fn end(machine: &mut Gossip, call: &Call<'_>, wanted: &Wanted<'_>) -> usize {
    let all = machine.clients.all.iter();
    let meant = all.filter(|&(&link, client)| wanted.is(client) && (wanted.me || link != call.link));
    let meant: Vec<LinkId> = meant.map(|(&link, _)| link).collect();
    for &link in &meant {
        if link == call.link {
            machine.clients.leaving = Some(link);
        } else {
            machine.end_client(link);
        }
    }
    meant.len()
}
