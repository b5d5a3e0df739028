//! The text files CTDB reads, turned into values.
//!
//! Four files, read whole: [`ctdb_conf`] (how a daemon is set up) and, a line an entry, [`nodes`]
//! (who belongs to the cluster), [`tunables`] (its values), [`public_addresses`] (what it serves). A
//! comment has a line of its
//! own in each, except that a nodes file has none at all: a `#` there is a deleted node. Files
//! are read strictly and reported completely, see [`crate::text`].

pub mod ctdb_conf;
pub mod nodes;
pub mod public_addresses;
pub mod tunables;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString as _};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::text::{Piece, Problem};

/// A larger file is none of ours, whatever is in it. (Our limit: CTDB has none.)
pub const FILE_BYTES_MAX: usize = 1 << 20;

const EXPECTED_ADDRESS: &str = "an IPv4 or IPv6 address, as `10.0.0.1` or `fd00::1`";

/// The text of a file that is not too large to be one; what is not UTF-8 becomes U+FFFD, which
/// is right nowhere but in a comment.
fn text_of(file: &[u8]) -> Result<Cow<'_, str>, Problem> {
    if file.len() > FILE_BYTES_MAX {
        let start = Piece { text: "", line: 1, column: 1 };
        let what = format!("the file has {} bytes", file.len());
        return Err(start.problem(what, format!("at most {FILE_BYTES_MAX} bytes")));
    }
    Ok(String::from_utf8_lossy(file))
}

/// The address `piece` is, if it is one host's.
fn address_of(piece: Piece<'_>) -> Result<IpAddr, Problem> {
    let address: IpAddr = piece.text.parse().map_err(|_| no_address(piece))?;
    if !is_host(address) {
        return Err(
            piece.problem(format!("{} is not the address of one host", piece.quoted()), EXPECTED_ADDRESS)
        );
    }
    Ok(address)
}

/// Whether `address` could be one host's.
fn is_host(address: IpAddr) -> bool {
    let address = address.to_canonical();
    !address.is_unspecified() && !address.is_multicast()
}

/// Why `piece` is not an address, as well as can be guessed.
fn no_address(piece: Piece<'_>) -> Problem {
    if piece.text.is_empty() {
        return piece.problem("the address is missing", EXPECTED_ADDRESS);
    }
    let word = piece.quoted();
    if let Some((address, behind)) = with_port(piece) {
        return behind
            .problem(format!("{word} has a port"), "the address alone")
            .or_nearest(Some(address.to_string()));
    }
    if let Some((address, behind)) = piece.split_once('/')
        && address.text.parse::<IpAddr>().is_ok()
    {
        return with_mark(piece, behind)
            .problem(format!("{word} has a prefix length"), "the address alone")
            .or_nearest(Some(address.text));
    }
    if let Some((address, behind)) = piece.split_once('%')
        && address.text.parse::<Ipv6Addr>().is_ok()
    {
        return with_mark(piece, behind).problem(format!("{word} has a zone"), "an address that needs none");
    }
    if piece.text.contains('.') && piece.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return no_ipv4(piece);
    }
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if piece.text.bytes().all(named) && piece.text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return piece.problem(
            format!("{word} is a name, not an address"),
            format!("{EXPECTED_ADDRESS}; names are not looked up"),
        );
    }
    piece.problem(format!("{word} is not an IP address"), EXPECTED_ADDRESS)
}

/// Digits and points that are still no address.
fn no_ipv4(piece: Piece<'_>) -> Problem {
    let numbers = piece.split('.').count();
    if numbers != 4 || piece.split('.').any(|number| number.text.is_empty()) {
        return piece.problem(
            format!("{} is not an IPv4 address", piece.quoted()),
            "four numbers with points between",
        );
    }
    let Some(number) = piece.split('.').find(|number| number.text.parse::<Ipv4Part>().is_err()) else {
        return piece.problem(format!("{} is not an IP address", piece.quoted()), EXPECTED_ADDRESS);
    };
    number.problem(
        format!("{} in {} is not part of an address", number.quoted(), piece.quoted()),
        "a number from 0 to 255 without leading zeros",
    )
}

/// One of the four numbers of an IPv4 address.
struct Ipv4Part;

impl core::str::FromStr for Ipv4Part {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let plain = text.len() == 1 || !text.starts_with('0');
        if plain && text.parse::<u8>().is_ok() { Ok(Self) } else { Err(()) }
    }
}

/// `10.0.0.1:4379`, `[fd00::1]:4379` or `[fd00::1]`: the address, and what is too much.
fn with_port(piece: Piece<'_>) -> Option<(IpAddr, Piece<'_>)> {
    if let Some((address, behind)) = piece.split_once(':')
        && let Ok(address) = address.text.parse::<Ipv4Addr>()
    {
        return Some((address.into(), with_mark(piece, behind)));
    }
    let (address, _) = piece.text.strip_prefix('[')?.split_once(']')?;
    Some((address.parse::<Ipv6Addr>().ok()?.into(), piece))
}

/// `behind` with the one-byte mark before it.
fn with_mark<'a>(piece: Piece<'a>, behind: Piece<'a>) -> Piece<'a> {
    piece.part(piece.text.len() - behind.text.len() - 1, piece.text.len())
}

/// From the beginning of `word`, a part of `line`, to the end of the line.
fn from_here<'a>(line: Piece<'a>, word: Piece<'a>) -> Piece<'a> {
    let skipped = word.column - line.column;
    let start = line.text.char_indices().nth(skipped).map_or(line.text.len(), |(at, _)| at);
    line.part(start, line.text.len())
}
