//! CLIENT TRACKING: clients that cache what they read want to be told when it changes. Nothing is
//! read from a node that stores no keys, so there is nothing to tell; it agrees to all of it, so
//! that such clients can ask it where to go. One that holds registers refuses.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::super::machine::Gossip;
use super::super::resp::{ARGUMENT_COST, is, number};
use super::Call;

/// Bytes of prefixes that a client may have followed. (Ours: Redis has no limit.)
const PREFIX_BYTES_MAX: usize = 64 << 10;

/// Of which keys a client wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Choice {
    /// Those it read;
    Read,
    /// those it read and said so before (`CACHING YES`),
    OptIn,
    /// or did not say no to (`CACHING NO`);
    OptOut,
    /// those that begin so, read or not.
    Broadcast,
}

/// What prefixes take in memory, roughly.
fn weight<'a>(prefixes: impl Iterator<Item = &'a Vec<u8>>) -> usize {
    prefixes.map(|prefix| prefix.len() + ARGUMENT_COST).sum()
}

/// How a client is told what changed.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Tracking {
    choice: Choice,
    /// Not of what it changes itself.
    no_loop: bool,
    /// CACHING was said, and holds for the next request.
    caching: bool,
    /// The client that is told instead; 0: nobody else.
    redirect: u64,
    prefixes: BTreeSet<Vec<u8>>,
}

impl Tracking {
    pub(super) fn bytes(&self) -> usize {
        weight(self.prefixes.iter())
    }

    /// The letters of it in CLIENT LIST.
    pub(super) fn letters(&self) -> &'static str {
        if self.choice == Choice::Broadcast { "tB" } else { "t" }
    }

    pub(super) const fn redirect(&self) -> u64 {
        self.redirect
    }

    /// A request was run that is not CLIENT's own.
    pub(super) const fn passed(&mut self) {
        self.caching = false;
    }
}

/// What a client asks for.
#[derive(Default)]
struct Wish {
    redirect: Option<u64>,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
    prefixes: Vec<Vec<u8>>,
}

impl Wish {
    /// `None`: it was refused.
    fn read(machine: &Gossip, call: &mut Call<'_>) -> Option<Self> {
        let words = call.words;
        let mut wish = Self::default();
        let mut options = words[3..].iter();
        while let Some(option) = options.next() {
            if is(option, "bcast") {
                wish.broadcast = true;
            } else if is(option, "optin") {
                wish.opt_in = true;
            } else if is(option, "optout") {
                wish.opt_out = true;
            } else if is(option, "noloop") {
                wish.no_loop = true;
            } else if is(option, "prefix")
                && let Some(prefix) = options.next()
            {
                wish.prefixes.push(prefix.clone());
            } else if is(option, "redirect")
                && let Some(to) = options.next()
            {
                if wish.redirect.is_some() {
                    call.error("A client can only redirect to a single other client");
                    return None;
                }
                let Some(to) = number(to) else {
                    call.not_an_integer();
                    return None;
                };
                let to = u64::try_from(to).unwrap_or_default();
                if !machine.clients.all.values().any(|client| client.id == to) {
                    call.error("The client ID you want redirect to does not exist");
                    return None;
                }
                wish.redirect = Some(to);
            } else {
                call.syntax_error();
                return None;
            }
        }
        Some(wish)
    }

    const fn choice(&self) -> Choice {
        match (self.broadcast, self.opt_in, self.opt_out) {
            (true, ..) => Choice::Broadcast,
            (_, true, _) => Choice::OptIn,
            (.., true) => Choice::OptOut,
            _ => Choice::Read,
        }
    }

    /// Why it cannot be, in Redis' order of questions.
    fn refusal(&self, known: Option<&Tracking>) -> Option<&'static str> {
        if !self.broadcast && !self.prefixes.is_empty() {
            return Some("PREFIX option requires BCAST mode to be enabled");
        }
        let known = known.map(|known| known.choice);
        if known.is_some_and(|known| (known == Choice::Broadcast) != self.broadcast) {
            return Some(
                "You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            );
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Some("OPTIN and OPTOUT are not compatible with BCAST");
        }
        if self.opt_in && self.opt_out {
            return Some("You can't specify both OPTIN mode and OPTOUT mode");
        }
        if self.opt_in && known == Some(Choice::OptOut) || self.opt_out && known == Some(Choice::OptIn) {
            return Some(
                "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            );
        }
        None
    }

    /// A prefix that begins like another. (A client is not to be told of a key twice.)
    fn collision<'a>(
        &'a self,
        known: Option<&'a BTreeSet<Vec<u8>>>,
    ) -> Option<(&'a [u8], &'a [u8], &'static str)> {
        let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
        for (at, prefix) in self.prefixes.iter().enumerate() {
            if let Some(other) = known.and_then(|known| known.iter().find(|other| overlap(prefix, other))) {
                return Some((prefix, other, "an existing prefix"));
            }
            if let Some(other) = self.prefixes[at + 1..].iter().find(|other| overlap(prefix, other)) {
                return Some((prefix, other, "another provided prefix"));
            }
        }
        None
    }
}

/// `CLIENT TRACKING ON|OFF [REDIRECT id] [PREFIX prefix …] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]`
pub(super) fn tracking(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(wish) = Wish::read(machine, call) else { return };
    let on = is(call.word(2), "on");
    if !on && !is(call.word(2), "off") {
        return call.syntax_error();
    }
    let keeps_data = machine.keeps_data();
    let Some(client) = machine.clients.all.get_mut(&call.link) else { return };
    if !on {
        client.tracking = None;
        return call.ok();
    }
    if keeps_data {
        return call.error("CLIENT TRACKING is not offered by a standin node that keeps registers");
    }
    if let Some(why) = wish.refusal(client.tracking.as_ref()) {
        return call.error(why);
    }
    let known = client.tracking.as_ref().map(|known| &known.prefixes);
    if weight(wish.prefixes.iter()) + known.map_or(0, |known| weight(known.iter())) > PREFIX_BYTES_MAX {
        return call.error("too many prefixes for one client");
    }
    if let Some((prefix, other, what)) = wish.collision(known) {
        let (prefix, other) = (super::shown(prefix), super::shown(other));
        return call.error(format_args!(
            "Prefix '{prefix}' overlaps with {what} '{other}'. Prefixes for a single client must not overlap."
        ));
    }
    let (choice, no_loop, redirect) = (wish.choice(), wish.no_loop, wish.redirect.unwrap_or_default());
    let mut prefixes = client.tracking.take().map(|known| known.prefixes).unwrap_or_default();
    if wish.broadcast && wish.prefixes.is_empty() {
        prefixes.insert(Vec::new());
    }
    prefixes.extend(wish.prefixes);
    client.tracking = Some(Tracking { choice, no_loop, caching: false, redirect, prefixes });
    call.ok();
}

/// `CLIENT CACHING YES|NO`: whether the next request's keys are to be followed.
pub(super) fn caching(machine: &mut Gossip, call: &mut Call<'_>) {
    let Some(client) = machine.clients.all.get_mut(&call.link) else { return };
    let Some(tracking) = &mut client.tracking else {
        return call.error(
            "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
             enabled",
        );
    };
    let (fits, mode) = match call.word(2) {
        word if is(word, "yes") => {
            (tracking.choice == Choice::OptIn, "YES is only valid when tracking is enabled in OPTIN")
        }
        word if is(word, "no") => {
            (tracking.choice == Choice::OptOut, "NO is only valid when tracking is enabled in OPTOUT")
        }
        _ => return call.syntax_error(),
    };
    if !fits {
        return call.error(format_args!("CLIENT CACHING {mode} mode."));
    }
    tracking.caching = true;
    call.ok();
}

/// The client that is told instead; 0: nobody, -1: nothing is tracked.
pub(super) fn getredir(machine: &mut Gossip, call: &mut Call<'_>) {
    let tracking = machine.clients.all.get(&call.link).and_then(|client| client.tracking.as_ref());
    let redirect = tracking.map_or(-1, |tracking| tracking.redirect as i64);
    call.reply().integer(redirect);
}

pub(super) fn trackinginfo(machine: &mut Gossip, call: &mut Call<'_>) {
    let tracking = machine.clients.all.get(&call.link).and_then(|client| client.tracking.as_ref());
    let mut flags = Vec::new();
    match tracking {
        None => flags.push("off"),
        Some(tracking) => {
            flags.push("on");
            let (mode, said) = match tracking.choice {
                Choice::Read => (None, ""),
                Choice::OptIn => (Some("optin"), "caching-yes"),
                Choice::OptOut => (Some("optout"), "caching-no"),
                Choice::Broadcast => (Some("bcast"), ""),
            };
            flags.extend(mode);
            flags.extend(tracking.caching.then_some(said));
            flags.extend(tracking.no_loop.then_some("noloop"));
        }
    }
    let mut reply = call.reply();
    reply.map(3);
    reply.bulk("flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag));
    reply.bulk("redirect");
    reply.integer(tracking.map_or(-1, |tracking| tracking.redirect as i64));
    reply.bulk("prefixes");
    let none = BTreeSet::new();
    let prefixes = tracking.map_or(&none, |tracking| &tracking.prefixes);
    reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| reply.bulk(prefix));
}
