//! A node's files, which are CTDB's own whoever reads them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::options::Options;
use crate::program::Program;
use crate::shell::io;
use crate::switch::{Network, private_address};
use crate::{Error, Result};

/// What a node keeps over a power loss.
pub(crate) const KEPT: [&str; 3] = ["etc", "lib", "log"];

/// Copied from the stock package where it is installed.
const STOCK: &[&str] = &["functions", "notify.sh", "debug-hung-script.sh", "script.options"];

/// Where Debian keeps the scripts that `events/legacy` links to.
const SCRIPTS: &str = "/usr/share/ctdb/events/legacy";

/// The lock that all nodes can always reach, as a node sees it.
pub(crate) const LOCK: &str = "/run/shared/lock";

/// Writes everything a program reads before it starts.
pub(crate) fn write(folder: &Path, program: &Program, options: &Options) -> Result<()> {
    for kept in KEPT {
        make_folder(&folder.join(kept))?;
    }
    for kind in ["volatile", "persistent", "state"] {
        make_folder(&folder.join("lib").join(kind))?;
    }
    let etc = folder.join("etc");
    make_folder(&etc.join("events/notification"))?;
    for name in STOCK {
        let stock = Path::new("/etc/ctdb").join(name);
        if stock.exists() {
            io(&stock, fs::copy(&stock, etc.join(name)))?;
        }
    }
    scripts(&etc, program)?;
    stub(&etc)?;

    let nodes: String = (0..options.programs.len()).map(|node| private_address(node) + "\n").collect();
    let public: String = options
        .addresses()
        .iter()
        .map(|address| format!("{address}/16 {}\n", Network::Public.interface()))
        .collect();
    let tunables: String = options.tunables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    put(&etc.join("ctdb.conf"), &conf(options))?;
    put(&etc.join("nodes"), &nodes)?;
    put(&etc.join("public_addresses"), &public)?;
    put(&etc.join("ctdb.tunables"), &tunables)
}

fn conf(options: &Options) -> String {
    let mut text =
        String::from("[logging]\n\tlocation = file:/var/log/ctdb/log.ctdb\n\tlog level = NOTICE\n");
    if options.lock {
        text += &format!("[cluster]\n\tcluster lock = {LOCK}\n");
    }
    text
}

/// The event scripts a program is meant to run.
pub(crate) fn scripts(etc: &Path, program: &Program) -> Result<()> {
    let legacy = etc.join("events/legacy");
    if legacy.exists() {
        io(&legacy, fs::remove_dir_all(&legacy))?;
    }
    make_folder(&legacy)?;
    for name in program.scripts() {
        let link = legacy.join(format!("{name}.script"));
        io(&link, symlink(format!("{SCRIPTS}/{name}.script"), &link))?;
    }
    Ok(())
}

/// 10.interface wants a packet filter that this kernel may not have; releasing works without.
fn stub(etc: &Path) -> Result<()> {
    let folder = etc.join("stubs");
    make_folder(&folder)?;
    for name in ["iptables", "ip6tables"] {
        let file = folder.join(name);
        put(&file, "#!/bin/sh\nexit 0\n")?;
        io(&file, fs::set_permissions(&file, fs::Permissions::from_mode(0o755)))?;
    }
    Ok(())
}

pub(crate) fn make_folder(path: &Path) -> Result<()> {
    io(path, fs::create_dir_all(path))
}

pub(crate) fn put(path: &Path, text: &str) -> Result<()> {
    io(path, fs::write(path, text))
}

pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|why| Error::new(format!("{}: {why}", path.display())))
}
