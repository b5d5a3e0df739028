//! Public addresses and interfaces from their words, by the rules of a public addresses file.

use std::net::IpAddr;

use standin_core::ctdb::files::public_addresses::{PublicAddress, PublicAddresses};
use standin_core::ctdb::wire::InterfaceName;
use standin_core::text::{Piece, Problem};

use super::super::verbs::AddressesLine;
use crate::scenario::words::Words;

const INTERFACES: &str = "the interfaces it may be served from: `eth1`, `eth1,eth2`";

/// `10.1.0.10`, `fd01::10`.
pub(super) fn address(words: &mut Words<'_, '_>) -> Result<IpAddr, Problem> {
    const EXPECTED: &str = "a public address: `10.1.0.10`";
    let word = words.take(EXPECTED)?;
    let wrong = || word.problem(format!("{} is not an IP address", word.quoted()), EXPECTED);
    word.text.parse().map_err(|_| wrong())
}

/// `eth1`.
pub(super) fn interface(words: &mut Words<'_, '_>) -> Result<String, Problem> {
    let word = words.take("an interface: `eth1`")?;
    match InterfaceName::new(word.text) {
        Some(_) => Ok(word.text.to_owned()),
        None => {
            Err(word.problem(format!("{} is too long for an interface", word.quoted()), "at most 16 bytes"))
        }
    }
}

/// `10.1.0.10/16 eth1,eth2`.
pub(super) fn two_words(words: &mut Words<'_, '_>) -> Result<PublicAddress, Problem> {
    let address = words.take("an address with its network bits: `10.1.0.10/16`")?;
    // What is wrong with the address comes before what is missing behind it.
    let blank = Piece { text: "eth1", ..address.end() };
    entry(address, blank)?;
    entry(address, words.take(INTERFACES)?)
}

/// A word of a public addresses file: with `@` an entry, anything else as it is.
pub(super) fn line(word: Piece<'_>) -> Result<AddressesLine, Problem> {
    match word.split_once('@') {
        Some((address, interfaces)) => entry(address, interfaces).map(AddressesLine::Entry),
        None => Ok(AddressesLine::Text(word.text.to_owned())),
    }
}

/// What is wrong is said where it stands in the two pieces.
fn entry(address: Piece<'_>, interfaces: Piece<'_>) -> Result<PublicAddress, Problem> {
    let Piece { line, column, .. } = address;
    let file = format!("{} {}", address.text, interfaces.text);
    let behind = address.text.chars().count() + 2;
    let read = PublicAddresses::parse(file.as_bytes()).map_err(|problems| problems.iter().next().cloned());
    match read.as_ref().map(|read| read.entries().first()) {
        Ok(Some(entry)) => Ok(entry.clone()),
        Ok(None) | Err(None) => {
            Err(address.problem(format!("{} is no entry", address.quoted()), "`10.1.0.10/16`"))
        }
        Err(Some(problem)) => {
            let at = problem.column;
            let column = if at < behind { column + at - 1 } else { interfaces.column + at - behind };
            Err(Problem { line, column, ..problem.clone() })
        }
    }
}
