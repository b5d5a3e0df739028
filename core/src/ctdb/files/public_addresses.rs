//! The public addresses file: what the cluster serves from this node.
//!
//! A line is `ADDR/BITS IFACE[,IFACE…]`; lines that begin with `#` are comments. A missing file
//! means that this node serves none, which is for the caller to say. Whether the interfaces
//! exist is not known here.
//!
//! Entries stay in the order of the file. **ctdbd puts each new one before the others**, so that
//! GET_PUBLIC_IPS tells them last first: the machine has to reverse them.
//!
//! Stricter than what is known of ctdbd: an interface twice in a line, a name Linux would not
//! give to an interface, an address that is no host's, an IPv4 address written as IPv6.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use super::{address_of, from_here, text_of};
use crate::text::{Piece, Problem, Problems, lines};

/// Addresses in a file. (Our limit: CTDB has none.)
pub const ADDRESSES_MAX: usize = 16_384;

/// Bytes of an interface's name.
pub const INTERFACE_NAME_MAX: usize = 15;

const EXPECTED_INTERFACES: &str = "the interfaces it may be served from: `eth0`, `eth0,eth1`";

/// One address and where it may be served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PublicAddress {
    /// The address.
    pub address: IpAddr,
    /// Network bits, 0–32 or 0–128.
    pub bits: u8,
    /// The interfaces that may carry it, in the order of the file: at least one, each once.
    pub interfaces: Vec<String>,
}

/// The addresses of a file, in its order; each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PublicAddresses(Vec<PublicAddress>);

impl PublicAddresses {
    /// Reads a public addresses file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &[u8]) -> Result<Self, Problems> {
        let text = text_of(file)?;
        let mut problems = Problems::new();
        let mut entries = Vec::new();
        let mut seen = BTreeMap::new();
        let said = |line: &Piece<'_>| !line.text.is_empty() && !line.text.starts_with('#');
        for line in lines(&text).map(Piece::trim).filter(said) {
            if entries.len() == ADDRESSES_MAX {
                problems.push(line.problem("too many addresses", format!("at most {ADDRESSES_MAX}")));
                break;
            }
            match entry(line, &mut seen) {
                Ok(entry) => entries.push(entry),
                Err(problem) => problems.push(problem),
            }
        }
        problems.into_result(Self(entries))
    }

    /// The entries in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[PublicAddress] {
        &self.0
    }
}

fn entry(line: Piece<'_>, seen: &mut BTreeMap<IpAddr, usize>) -> Result<PublicAddress, Problem> {
    let mut words = line.words();
    let word = words.next().unwrap_or(line);
    let (address, bits) = address_and_bits(word)?;
    // An entry that is wrong further on still holds its address.
    if let Some(&first) = seen.get(&address) {
        let what = format!("`{address}` stands in line {first} already");
        return Err(word.problem(what, "each address once, with all its interfaces"));
    }
    seen.insert(address, line.line);
    let Some(list) = words.next().filter(|list| !list.text.starts_with('#')) else {
        return Err(word.end().problem("the interface is missing", EXPECTED_INTERFACES));
    };
    if let Some(behind) = words.next() {
        let rest = from_here(line, behind);
        let expected = if behind.text.starts_with('#') {
            "nothing: a comment has a line of its own"
        } else {
            "nothing: several interfaces have a comma between and no blanks"
        };
        return Err(rest.problem(format!("{} behind the interfaces", rest.quoted()), expected));
    }
    let mut interfaces: Vec<String> = Vec::new();
    for name in list.split(',') {
        let name_text = interface(name)?;
        if interfaces.iter().any(|held| held == name_text) {
            return Err(name.problem(format!("{} is named twice", name.quoted()), "each interface once"));
        }
        interfaces.push(name_text.to_string());
    }
    Ok(PublicAddress { address, bits, interfaces })
}

fn address_and_bits(word: Piece<'_>) -> Result<(IpAddr, u8), Problem> {
    let Some((address_piece, bits_piece)) = word.split_once('/') else {
        let address = address_of(word)?;
        let expected = format!("`/` and the network's bits, 0 to {}", bits_max(address));
        return Err(word.end().problem(format!("{} has no network bits", word.quoted()), expected));
    };
    let address = address_of(address_piece)?;
    if address != address.to_canonical() {
        let what = format!("{} is an IPv4 address written as IPv6", address_piece.quoted());
        return Err(address_piece
            .problem(what, "the IPv4 address")
            .or_nearest(Some(address.to_canonical().to_string())));
    }
    Ok((address, bits_of(bits_piece, address)?))
}

const fn bits_max(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits_of(piece: Piece<'_>, address: IpAddr) -> Result<u8, Problem> {
    let most = bits_max(address);
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    let plain = !piece.text.is_empty() && piece.text.bytes().all(|byte| byte.is_ascii_digit());
    let bits = piece.text.parse::<u8>().ok().filter(|&bits| plain && bits <= most);
    bits.ok_or_else(|| {
        let what = match piece.text.parse::<Ipv4Addr>() {
            _ if piece.text.is_empty() => "the network bits are missing".into(),
            Ok(_) => format!("{} is a mask, not a number of bits", piece.quoted()),
            Err(_) => format!("{} network bits in an {family} address", piece.quoted()),
        };
        piece.problem(what, format!("0 to {most}")).or_nearest(bits_of_mask(piece.text))
    })
}

/// `24` for `255.255.255.0`.
fn bits_of_mask(text: &str) -> Option<String> {
    let mask = u32::from(text.parse::<Ipv4Addr>().ok()?);
    (mask.leading_ones() + mask.trailing_zeros() == u32::BITS).then(|| mask.leading_ones().to_string())
}

fn interface(name: Piece<'_>) -> Result<&str, Problem> {
    if name.text.is_empty() {
        return Err(name.problem("an interface's name is missing", EXPECTED_INTERFACES));
    }
    if name.text.len() > INTERFACE_NAME_MAX {
        return Err(name.problem(
            format!("{} is too long for an interface's name", name.quoted()),
            format!("at most {INTERFACE_NAME_MAX} characters"),
        ));
    }
    let possible = |byte: u8| byte.is_ascii_graphic() && !b"/:".contains(&byte);
    if !name.text.bytes().all(possible) || matches!(name.text, "." | "..") {
        return Err(name.problem(
            format!("{} cannot be an interface's name", name.quoted()),
            "visible ASCII characters but `/` and `:`",
        ));
    }
    Ok(name.text)
}

/// As a line of the file: `10.0.0.10/24 eth0,eth1`.
impl fmt::Display for PublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, bits, interfaces } = self;
        write!(f, "{address}/{bits} {}", interfaces.join(","))
    }
}

/// As a public addresses file.
impl fmt::Display for PublicAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn complaints(file: &str) -> String {
        PublicAddresses::parse(file.as_bytes()).unwrap_err().render("public_addresses", file)
    }

    #[test]
    fn entries_keep_the_order_of_the_file() {
        let file = "# ours\n\n 10.0.0.11/24\teth1,eth0 \r\nfd00::10/64 br0.5\n10.0.0.10/32 eth0@if7\n";
        let found = PublicAddresses::parse(file.as_bytes()).unwrap();
        assert_eq!(found.to_string(), "10.0.0.11/24 eth1,eth0\nfd00::10/64 br0.5\n10.0.0.10/32 eth0@if7\n");
        assert_eq!(found.entries()[0].interfaces, ["eth1", "eth0"]);
        assert_eq!(found.entries()[1].bits, 64);
        assert_eq!(PublicAddresses::parse(b""), Ok(PublicAddresses::default()));
        assert_eq!(PublicAddresses::parse(b"#10.0.0.1/24"), Ok(PublicAddresses::default()));
    }

    #[test]
    fn all_that_is_wrong_is_told_in_one_go() {
        assert_eq!(
            complaints(
                "\
10.0.0.10/24 eth0
10.0.0.11/33 eth0
10.0.0.12/24
10.0.0.10/16 eth1
10.0.0.13/24 eth0,,eth1
10.0.0.14/24 a_very_long_interface
10.0.0.15/255.255.255.0 eth0
10.0.0.16/24 eth0, eth1
"
            ),
            "\
public_addresses:2:11: `33` network bits in an IPv4 address
  2 | 10.0.0.11/33 eth0
    |           ^^
    = expected 0 to 32

public_addresses:3:13: the interface is missing
  3 | 10.0.0.12/24
    |             ^
    = expected the interfaces it may be served from: `eth0`, `eth0,eth1`

public_addresses:4:1: `10.0.0.10` stands in line 1 already
  4 | 10.0.0.10/16 eth1
    | ^^^^^^^^^^^^
    = expected each address once, with all its interfaces

public_addresses:5:19: an interface's name is missing
  5 | 10.0.0.13/24 eth0,,eth1
    |                   ^
    = expected the interfaces it may be served from: `eth0`, `eth0,eth1`

public_addresses:6:14: `a_very_long_interface` is too long for an interface's name
  6 | 10.0.0.14/24 a_very_long_interface
    |              ^^^^^^^^^^^^^^^^^^^^^
    = expected at most 15 characters

public_addresses:7:11: `255.255.255.0` is a mask, not a number of bits
  7 | 10.0.0.15/255.255.255.0 eth0
    |           ^^^^^^^^^^^^^
    = expected 0 to 32
    = did you mean `24`?

public_addresses:8:20: `eth1` behind the interfaces
  8 | 10.0.0.16/24 eth0, eth1
    |                    ^^^^
    = expected nothing: several interfaces have a comma between and no blanks
"
        );
    }

    #[test]
    fn each_mistake_has_its_own_words() {
        for (file, first) in [
            ("10.0.0.1 eth0", "1:9: `10.0.0.1` has no network bits"),
            ("10.0.0.1/ eth0", "1:10: the network bits are missing"),
            ("10.0.0.1/+8 eth0", "1:10: `+8` network bits in an IPv4 address"),
            ("fd00::1/129 eth0", "1:9: `129` network bits in an IPv6 address"),
            ("fd00::1/999 eth0", "1:9: `999` network bits in an IPv6 address"),
            ("10.0.0.1/24/8 eth0", "1:10: `24/8` network bits in an IPv4 address"),
            ("10.0.0.1/255.0.255.0 eth0", "1:10: `255.0.255.0` is a mask, not a number of bits"),
            ("host/24 eth0", "1:1: `host` is a name, not an address"),
            ("10.0.0.256/24 eth0", "1:8: `256` in `10.0.0.256` is not part of an address"),
            ("/24 eth0", "1:1: the address is missing"),
            ("0.0.0.0/24 eth0", "1:1: `0.0.0.0` is not the address of one host"),
            ("::ffff:10.0.0.1/120 eth0", "1:1: `::ffff:10.0.0.1` is an IPv4 address written as IPv6"),
            ("10.0.0.1/24 eth0 # one", "1:18: `# one` behind the interfaces"),
            ("10.0.0.1/24 # one", "1:12: the interface is missing"),
            ("10.0.0.1/24 eth0,eth0", "1:18: `eth0` is named twice"),
            ("10.0.0.1/24 eth0:1", "1:13: `eth0:1` cannot be an interface's name"),
            ("10.0.0.1/24 ..", "1:13: `..` cannot be an interface's name"),
            ("10.0.0.1/24 b\u{fc}ro", "1:13: `b\u{fc}ro` cannot be an interface's name"),
            ("fd00::1/64 a\n#\nfd00:0::1/64 b", "3:1: `fd00::1` stands in line 1 already"),
            ("eth0 10.0.0.1/24", "1:1: `eth0` is a name, not an address"),
        ] {
            let problems = PublicAddresses::parse(file.as_bytes()).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems}");
            assert!(problems.to_string().starts_with(&format!("{first} (")), "{problems}");
        }
    }

    fn any_entry() -> impl Strategy<Value = PublicAddress> {
        let interfaces = proptest::collection::btree_set("[a-z][a-z0-9.@_-]{0,14}", 1..4);
        (any::<IpAddr>(), 0_u8..=128, interfaces).prop_map(|(address, bits, interfaces)| PublicAddress {
            address,
            bits: bits.min(bits_max(address)),
            interfaces: interfaces.into_iter().collect(),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn entries_read_back_as_printed(entries in proptest::collection::vec(any_entry(), 0..6)) {
            let sent = PublicAddresses(entries);
            match PublicAddresses::parse(sent.to_string().as_bytes()) {
                Ok(read) => prop_assert_eq!(read, sent),
                Err(problems) => {
                    let ours = ["already", "one host", "written as IPv6"];
                    let known = |what: &str| ours.iter().any(|end| what.ends_with(end));
                    prop_assert!(problems.iter().all(|problem| known(&problem.what)), "{}", problems);
                }
            }
        }

        #[test]
        fn no_file_breaks_the_reading(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = PublicAddresses::parse(&file).map_err(|problems| problems.render("public_addresses", &file));
        }

        #[test]
        fn no_likely_file_breaks_the_reading(file in "((10.0.0.1|fd00::1)?/?[0-9.]{0,4}[ #]?[a-z,:. ]{0,20}\n){0,6}") {
            let _ = PublicAddresses::parse(file.as_bytes())
                .map_err(|problems| problems.render("public_addresses", &file));
        }
    }
}
