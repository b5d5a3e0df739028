//! `ctdb.conf` and `ctdb.tunables` as a start finds them, with everything wrong named by file, line
//! and column. (The machine reads the tunables again when it is told to.)

use std::fs;
use std::io;
use std::path::Path;

use standin_core::ctdb::config::{Config, Fixes};
use standin_core::ctdb::files::ctdb_conf::{self, CtdbConf, LogLevel, LogLocation};
use standin_core::ctdb::files::tunables;
use standin_core::ctdb::wire::DebugLevel;

use super::place::Place;
use super::{check, loudness};
use crate::jobs::scripts::Setting;

/// What a daemon goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The machine's part.
    pub config: Config,
    /// Where `ctdb.conf` wants the log.
    pub log: Option<LogLocation>,
    /// How scripts are run.
    pub scripts: Setting,
    /// Whether the daemon comes before what is not real-time.
    pub realtime: bool,
    /// What is odd in the files, a line each.
    pub warnings: Vec<String>,
}

/// Looks whether the base is a folder at all.
///
/// # Errors
/// If not, a line that says so.
pub fn look(place: &Place) -> Result<(), String> {
    check::base(&place.base)
}

/// Reads the files, those of the machine included, to know before it does what is wrong. Only the
/// nodes file has to be there.
///
/// # Errors
/// Everything that keeps a daemon from starting, a line each: `file:line:column: what (expected …)`.
pub fn read(place: &Place, strict: bool) -> Result<Settings, String> {
    let mut config = Config::default();
    let below = |name: &str| place.base.join(name).to_string_lossy().into_owned().into_boxed_str();
    config.nodes_file = below("nodes");
    config.public_addresses_file = below("public_addresses");
    config.tunables_file = below("ctdb.tunables");
    config.events = below("events/legacy");
    config.notify = below("notify.sh");
    config.socket = place.socket.to_string_lossy().into_owned().into_boxed_str();
    config.test_mode = place.test_mode;
    config.fixes = if strict { Fixes::NONE } else { Fixes::ALL };
    let mut wrong = Vec::new();
    match samba_version() {
        Ok(version) => config.version = version.unwrap_or(config.version),
        Err(what) => wrong.push(what),
    }
    let mut warnings = Vec::new();

    let path = place.base.join("ctdb.conf");
    let text = content(&path)?;
    let reading = ctdb_conf::read(&text);
    let told = |problem| format!("{}:{problem}", path.display());
    warnings.extend(reading.warnings.iter().map(told));
    let text = String::from_utf8_lossy(&text);
    let conf = match reading.into_conf() {
        Ok(conf) => {
            config.adopt(&conf);
            wrong.extend(missing_folders(&path, &text, &conf));
            conf
        }
        Err(problems) => {
            wrong.push(check::lines(&path, &problems));
            CtdbConf::default()
        }
    };

    let path = place.base.join("ctdb.tunables");
    let (tunables, problems) = tunables::parse_lenient(&content(&path)?);
    config.tunables = tunables;
    warnings.extend(problems.iter().map(|problem| format!("{}:{problem}", path.display())));

    let nodes = check::nodes(place, &config, &text).map_err(|what| wrong.push(what));
    wrong.extend(check::public_addresses(place).err());
    wrong.extend(check::sockets(place).err());
    // Whether an address is taken matters where everything else is right.
    if let Ok(nodes) = nodes.as_ref()
        && wrong.is_empty()
    {
        wrong.extend(check::own_address(place, &config, nodes, &text).err());
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }

    let level = conf.script_log_level.map_or(DebugLevel::ERROR, |LogLevel(level)| DebugLevel(level.into()));
    let scripts = Setting {
        environment: environment(place),
        debug_script: conf.event_debug_script.map(|name| place.base.join(name)),
        level: loudness(level),
    };
    // As ctdbd: a test has none.
    let realtime = !place.test_mode && conf.realtime_scheduling.unwrap_or(true);
    Ok(Settings { config, log: conf.log_location, scripts, realtime, warnings })
}

/// What scripts find besides the daemon's own variables.
fn environment(place: &Place) -> Vec<(String, String)> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    vec![("CTDB_BASE".into(), text(&place.base)), ("CTDB_SOCKET".into(), text(&place.socket))]
}

/// `CTDB_TEST_SAMBA_VERSION`: major << 16 | minor, for keepalives.
fn samba_version() -> Result<Option<u32>, String> {
    let Some(text) = std::env::var_os("CTDB_TEST_SAMBA_VERSION") else { return Ok(None) };
    let number = text.to_str().and_then(|text| text.parse().ok());
    let wrong = || {
        let text = text.display();
        format!(
            "CTDB_TEST_SAMBA_VERSION: `{text}` is no version (expected a whole number, as 262161 for 4.17)"
        )
    };
    number.map(Some).ok_or_else(wrong)
}

/// Directories that are named have to be there, as with ctdbd.
fn missing_folders(file: &Path, text: &str, conf: &CtdbConf) -> Vec<String> {
    let named = [
        ("volatile database directory", &conf.volatile_database_directory),
        ("persistent database directory", &conf.persistent_database_directory),
        ("state database directory", &conf.state_database_directory),
    ];
    let missing = named.into_iter().filter_map(|(option, folder)| {
        let folder = folder.as_deref().filter(|folder| !Path::new(folder).is_dir())?;
        let at = check::located(file, check::place_of(text, option));
        Some(format!("{at}: {option}: {folder} is no folder (expected one that is there)"))
    });
    missing.collect()
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    match fs::read(path) {
        Ok(content) => Ok(content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
