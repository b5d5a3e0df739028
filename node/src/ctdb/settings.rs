//! `ctdb.conf` and `ctdb.tunables`: read once at the start, with everything wrong named by file,
//! line and column.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use standin_core::ctdb::config::{Config, Fixes};
use standin_core::ctdb::files::ctdb_conf::{self, CtdbConf, LogLocation};
use standin_core::ctdb::files::tunables;

use super::place::Place;

/// What a daemon goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The machine's part.
    pub config: Config,
    /// Where `ctdb.conf` wants the log.
    pub log_file: Option<PathBuf>,
    /// What is run when a script hangs.
    pub debug_script: Option<PathBuf>,
    /// What is odd in the files, a line each.
    pub warnings: Vec<String>,
}

/// Reads the files; one that is not there says nothing.
///
/// # Errors
/// What keeps a daemon from starting, a line each, each beginning with file, line and column.
pub fn read(place: &Place, strict: bool) -> Result<Settings, String> {
    let mut config = Config::default();
    let below = |name: &str| place.base.join(name).to_string_lossy().into_owned().into_boxed_str();
    config.nodes_file = below("nodes");
    config.public_addresses_file = below("public_addresses");
    config.events = below("events/legacy");
    config.notify = below("notify.sh");
    config.socket = place.socket.to_string_lossy().into_owned().into_boxed_str();
    config.test_mode = place.test_mode;
    config.fixes = if strict { Fixes::NONE } else { Fixes::ALL };
    if let Some(version) = samba_version()? {
        config.version = version;
    }
    let mut warnings = Vec::new();

    let path = place.base.join("ctdb.conf");
    let reading = ctdb_conf::read(&content(&path)?);
    let told = |problem| format!("{}:{problem}", path.display());
    warnings.extend(reading.warnings.iter().map(told));
    let conf = reading.into_conf().map_err(|problems| lines(&path, problems.iter()))?;
    config.adopt(&conf);
    check_folders(&path, &conf)?;

    let path = place.base.join("ctdb.tunables");
    let (tunables, problems) = tunables::parse_lenient(&content(&path)?);
    config.tunables = tunables;
    warnings.extend(problems.iter().map(|problem| format!("{}:{problem}", path.display())));

    let log_file = match conf.log_location {
        Some(LogLocation::File(path)) => Some(PathBuf::from(path)),
        Some(LogLocation::Syslog(_)) => {
            warnings.push("logging to syslog is not there yet: standard error it is".into());
            None
        }
        None => None,
    };
    let debug_script = conf.event_debug_script.map(|name| place.base.join(name));
    Ok(Settings { config, log_file, debug_script, warnings })
}

/// `CTDB_TEST_SAMBA_VERSION`: major << 16 | minor, for keepalives.
fn samba_version() -> Result<Option<u32>, String> {
    let Some(text) = std::env::var_os("CTDB_TEST_SAMBA_VERSION") else { return Ok(None) };
    let number = text.to_str().and_then(|text| text.parse().ok());
    let wrong = || format!("CTDB_TEST_SAMBA_VERSION is {}, not a whole number", text.display());
    number.map(Some).ok_or_else(wrong)
}

/// Directories that are named have to be there, as with ctdbd.
fn check_folders(file: &Path, conf: &CtdbConf) -> Result<(), String> {
    let named = [
        ("volatile database directory", &conf.volatile_database_directory),
        ("persistent database directory", &conf.persistent_database_directory),
        ("state database directory", &conf.state_database_directory),
    ];
    for (option, folder) in named {
        if let Some(folder) = folder.as_deref().filter(|folder| !Path::new(folder).is_dir()) {
            return Err(format!("{}: {option}: {folder} is no directory", file.display()));
        }
    }
    Ok(())
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    match fs::read(path) {
        Ok(content) => Ok(content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn lines<'p>(path: &Path, problems: impl Iterator<Item = &'p standin_core::text::Problem>) -> String {
    let told: Vec<_> = problems.map(|problem| format!("{}:{problem}", path.display())).collect();
    told.join("\n")
}
