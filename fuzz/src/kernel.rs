//! What only a real host hears: the kernel's news and lists, neighbours' ARP, the guard's socket,
//! names of scripts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use standin_core::host::Fact;
use standin_node::gossip::state;
use standin_node::guard;
use standin_node::jobs::scripts;
use standin_node::net;

use crate::take::Take;

/// The first byte says which.
pub(crate) fn news(bytes: &[u8]) {
    let mut input = Take(bytes);
    match input.byte().map(|kind| kind % 6) {
        Some(0) => datagrams(input),
        Some(4) => {
            let address = IpAddr::from([10, 1, 0, 1]);
            assert!(net::connections_in(input.0, address) <= input.0.len() / 64, "from nowhere");
        }
        Some(5) => {
            let locks = String::from_utf8_lossy(input.0);
            if let Some(pid) = state::holder_in(&locks, 42) {
                assert!(locks.contains(":42") && locks.contains("FLOCK") && locks.contains(&pid.to_string()));
            }
        }
        Some(1) => {
            if let Some((mac, address)) = net::arp_sender(input.0) {
                assert_eq!((&mac[..], &address.octets()[..]), (&input.0[8..14], &input.0[14..18]));
            }
        }
        Some(2) => guarded(&String::from_utf8_lossy(input.0)),
        Some(_) => {
            let name = String::from_utf8_lossy(input.0);
            if let Some(stem) = scripts::stem(&name) {
                assert_eq!(format!("{stem}.script"), name);
            }
        }
        None => {}
    }
}

/// Datagrams of routing news, one behind the other.
fn datagrams(mut input: Take<'_>) {
    let mut all = Vec::new();
    while let Some(datagram) = input.many() {
        all.push(datagram);
    }
    let facts = net::facts_of(&all);
    let mut there = BTreeSet::new();
    for fact in &facts {
        if let Fact::Interface { name, .. } = fact {
            assert!(!name.is_empty() && there.insert(name), "told twice: {facts:?}");
        }
    }
}

/// What a guard was told to hold is what it would tell another.
fn guarded(changes: &str) {
    let mut held = BTreeSet::new();
    guard::apply(&mut held, changes);
    let all: Vec<_> = held.iter().cloned().collect();
    let mut again = BTreeSet::new();
    guard::apply(&mut again, &guard::encode('+', &all));
    assert_eq!(held, again);
    guard::apply(&mut again, &guard::encode('-', &all));
    assert!(again.is_empty());
}
