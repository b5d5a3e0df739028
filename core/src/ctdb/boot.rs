//! From birth to a number of our own: read the nodes file, find the address that is ours.

use core::net::{IpAddr, SocketAddr};

use super::cx::Cx;
use super::files::nodes::Nodes;
use super::files::public_addresses::PublicAddresses;
use super::kernel::Kernel;
use super::links::BUS;
use super::notice::StartRefusal;
use super::plant;
use super::state::State;
use super::types::Pnn;
use crate::host::FileError;
use crate::machine::{Effect, Endpoint, Why};

/// How far the start has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Boot {
    /// Nothing has happened yet.
    Unborn,
    /// The nodes file is being read.
    Reading,
    /// Listening on this node's address was asked for.
    Trying(Pnn),
    /// We know who we are.
    Done,
}

/// What the next step of the start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Wait for the answer.
    Wait,
    /// We are this node.
    Up(Pnn, IpAddr),
    /// It cannot be.
    Refused(StartRefusal),
}

/// The nodes file is here: adopt it, and listen on the configured address or the first one.
pub(super) fn nodes_read(
    boot: &mut Boot,
    cx: &mut Cx<'_>,
    state: &mut State,
    read: &Result<alloc::vec::Vec<u8>, FileError>,
) -> Step {
    let Ok(text) = read else { return Step::Refused(StartRefusal::NoNodesFile) };
    let file = match Nodes::parse(text) {
        Ok(file) => file,
        Err(problems) => {
            let line = problems.iter().next().map_or(0, |problem| problem.line as u32);
            return Step::Refused(StartRefusal::BadNodesFile { problems: problems.len() as u32, line });
        }
    };
    state.adopt(plant::read(cx.config.plants, file));
    match cx.config.listen {
        Some(address) => match state.find(address) {
            Some(pnn) => attempt(boot, cx, state, pnn),
            None => Step::Refused(StartRefusal::NotANode { address }),
        },
        None => attempt_from(boot, cx, state, Pnn(0)),
    }
}

/// The public addresses file is here; no file means no addresses.
pub(super) fn read_addresses(
    read: &Result<alloc::vec::Vec<u8>, FileError>,
    kernel: &Kernel,
) -> Result<PublicAddresses, StartRefusal> {
    let text = match read {
        Ok(text) => text.as_slice(),
        Err(FileError::Missing) => return Ok(PublicAddresses::default()),
        Err(_) => return Err(StartRefusal::NoAddressesFile),
    };
    let file = PublicAddresses::parse(text).map_err(|problems| {
        let line = problems.iter().next().map_or(0, |problem| problem.line as u32);
        StartRefusal::BadAddressesFile { problems: problems.len() as u32, line }
    })?;
    for entry in file.entries() {
        if !entry.interfaces.iter().all(|name| kernel.has_interface(name)) {
            return Err(StartRefusal::NoInterface { address: entry.address });
        }
    }
    Ok(file)
}

/// The driver's answer to our wish to listen.
pub(super) fn port_answer(boot: &mut Boot, cx: &mut Cx<'_>, state: &State, answer: Result<(), Why>) -> Step {
    let Boot::Trying(pnn) = *boot else { return Step::Wait };
    let Some(address) = state.node(pnn).and_then(|node| node.address) else { return Step::Wait };
    match answer {
        Ok(()) => {
            *boot = Boot::Done;
            Step::Up(pnn, address)
        }
        Err(why) if cx.config.listen.is_some() => Step::Refused(StartRefusal::CannotListen { address, why }),
        Err(_) => attempt_from(boot, cx, state, Pnn(pnn.0 + 1)),
    }
}

/// Tries the first address from a number on; ctdbd takes the first it can bind, in file order.
fn attempt_from(boot: &mut Boot, cx: &mut Cx<'_>, state: &State, first: Pnn) -> Step {
    let mut left = state.all().skip_while(|pnn| *pnn < first);
    match left.find(|&pnn| state.node(pnn).is_some_and(|node| node.address.is_some())) {
        Some(pnn) => attempt(boot, cx, state, pnn),
        None => Step::Refused(StartRefusal::NoOwnAddress),
    }
}

fn attempt(boot: &mut Boot, cx: &mut Cx<'_>, state: &State, pnn: Pnn) -> Step {
    let address =
        state.node(pnn).and_then(|node| node.address).expect("only lines with an address are tried");
    *boot = Boot::Trying(pnn);
    let on = Endpoint::Tcp(SocketAddr::new(address, cx.config.port));
    cx.push(Effect::Listen { port: BUS, on });
    Step::Wait
}
