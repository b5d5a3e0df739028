//! What can be known to be wrong before a daemon leaves its caller: the files that the machine
//! reads itself, later and in the background, and the places where others may be already.
//!
//! A complaint is one line, `file:line:column: what (expected …)`, without line and column where
//! a whole file or folder is meant.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::net::if_::if_nametoindex;
use socket2::{Domain, Socket, Type};
use standin_core::ctdb::config::Config;
use standin_core::ctdb::files::nodes::Nodes;
use standin_core::ctdb::files::public_addresses::PublicAddresses;
use standin_core::text::Problems;

use super::place::Place;

/// Bytes a unix socket's path may have.
const SOCKET_PATH_MAX: usize = 107;

/// Where an option's value stands in a `ctdb.conf`: line and column, from 1. The last one counts,
/// as it does for whoever reads the file.
pub(super) fn place_of(conf: &str, option: &str) -> Option<(usize, usize)> {
    let found = conf.lines().enumerate().filter_map(|(at, line)| {
        let (name, value) = line.split_once('=')?;
        let same = name.split_whitespace().eq(option.split_whitespace());
        let blanks = value.chars().take_while(|letter| letter.is_whitespace()).count();
        same.then(|| (at + 1, name.chars().count() + 1 + blanks + 1))
    });
    found.last()
}

/// The nodes file: there, readable, right, and with the address that `ctdb.conf` names.
pub(super) fn nodes(place: &Place, config: &Config, conf: &str) -> Result<Nodes, String> {
    let path = place.base.join("nodes");
    let file = fs::read(&path).map_err(|error| {
        format!("{}: {error} (expected a file with the address of each node on a line)", path.display())
    })?;
    let nodes = Nodes::parse(&file).map_err(|problems| lines(&path, &problems))?;
    if let Some(address) = config.listen.filter(|&address| nodes.find(address).is_none()) {
        let at = located(&place.base.join("ctdb.conf"), place_of(conf, "node address"));
        let path = path.display();
        return Err(format!("{at}: {address} is none of the nodes (expected an address of {path})"));
    }
    Ok(nodes)
}

/// The public addresses file, if there is one: right, and outside of test mode with interfaces
/// that are there.
pub(super) fn public_addresses(place: &Place) -> Result<(), String> {
    let path = place.base.join("public_addresses");
    let file = match fs::read(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{}: {error} (expected a file, or none)", path.display())),
    };
    let addresses = PublicAddresses::parse(&file).map_err(|problems| lines(&path, &problems))?;
    if place.test_mode {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&file);
    let said = text.lines().enumerate().filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    let mut missing = Vec::new();
    for ((at, line), entry) in said.zip(addresses.entries()) {
        for name in &entry.interfaces {
            if if_nametoindex(name.as_str()).is_err() {
                let list = line.trim_end().rfind([' ', '\t']).map_or(0, |blank| blank + 1);
                let byte = list + line[list..].find(name.as_str()).unwrap_or(0);
                let column = line[..byte].chars().count() + 1;
                let here = located(&path, Some((at + 1, column)));
                missing.push(format!("{here}: no interface `{name}` (expected one of this host's)"));
            }
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
}

/// Whether this node's address can be listened on, as the machine will: the configured one, or
/// the first of the nodes file that can.
pub(super) fn own_address(place: &Place, config: &Config, nodes: &Nodes, conf: &str) -> Result<(), String> {
    let mut taken = None;
    let tried = nodes.iter().filter_map(|(_, address)| address);
    for address in tried.filter(|address| config.listen.is_none_or(|own| own.to_canonical() == *address)) {
        match bind(address, config.port) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken = Some(address),
            Err(_) => {}
        }
    }
    if let Some(address) = taken {
        let at = SocketAddr::new(address, config.port);
        return Err(format!("another daemon runs here: it listens on {at}"));
    }
    Err(match config.listen {
        Some(address) => {
            let at = located(&place.base.join("ctdb.conf"), place_of(conf, "node address"));
            format!("{at}: {address} cannot be listened on (expected an address of this host)")
        }
        None => {
            let path = place.base.join("nodes");
            format!("{}: none of its addresses is ours (expected one of this host's)", path.display())
        }
    })
}

/// The sockets: paths the system can take, and nobody answers there.
pub(super) fn sockets(place: &Place) -> Result<(), String> {
    for path in [&place.socket, &place.event_socket] {
        let length = path.as_os_str().len();
        if length > SOCKET_PATH_MAX {
            let path = path.display();
            return Err(format!(
                "{path}: {length} bytes are too long for a socket (expected at most {SOCKET_PATH_MAX})"
            ));
        }
    }
    if UnixStream::connect(&place.socket).is_ok() {
        return Err(format!("another daemon runs here: it answers on {}", place.socket.display()));
    }
    Ok(())
}

/// The base: a folder that is there.
pub(super) fn base(base: &Path) -> Result<(), String> {
    let expected = "expected the folder of ctdb.conf, nodes and public_addresses";
    match fs::metadata(base) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("{}: no folder ({expected})", base.display())),
        Err(error) => Err(format!("{}: {error} ({expected})", base.display())),
    }
}

fn bind(address: IpAddr, port: u16) -> io::Result<()> {
    let at = SocketAddr::new(address, port);
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())
}

/// `file:line:column`, or the file alone.
pub(super) fn located(path: &Path, at: Option<(usize, usize)>) -> String {
    match at {
        Some((line, column)) => format!("{}:{line}:{column}", path.display()),
        None => path.display().to_string(),
    }
}

/// All problems of a file, a line each.
pub(super) fn lines(path: &Path, problems: &Problems) -> String {
    let mut told: Vec<_> = problems.iter().map(|problem| format!("{}:{problem}", path.display())).collect();
    let more = problems.len() - told.len();
    if more > 0 {
        told.push(format!("{}: {more} more mistakes", path.display()));
    }
    told.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_options_name() {
        let conf = "[cluster]\n\tnode  address = 10.0.0.1\n# node address = no\nleader timeout=5\n";
        assert_eq!(place_of(conf, "node address"), Some((2, 18)));
        assert_eq!(place_of(conf, "leader timeout"), Some((4, 16)));
        assert_eq!(place_of(conf, "cluster lock"), None);
    }
}
