//! What CONFIG SET changed, written back into the daemon's file (CONFIG REWRITE).
//!
//! A value is replaced where it stands, a missing line is added at the end, and everything else
//! (comments, order, spelling) is left as it is. The file may have been edited since the start:
//! it is read anew, and one that a daemon could not start from is not touched, nor is a value
//! written that none would read.

use std::fs::{self, Permissions};
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use standin_core::host::FileError;
use tokio::sync::Mutex;
use toml::de::DeTable;

use super::options::{self, Choice, Unsaid};
use super::settings;
use crate::jobs::files;

/// The daemon's file.
#[derive(Debug)]
pub(super) struct Keeper {
    file: PathBuf,
    /// What the file is known to say, by Redis' names; one at a time writes it.
    said: Mutex<Vec<(String, String)>>,
}

impl Keeper {
    /// For a file that a daemon has started from, with these options.
    pub(super) fn new(file: PathBuf, said: Vec<(String, String)>) -> Self {
        Self { file, said: Mutex::new(said) }
    }

    /// Brings the file up to date with those of these options, by Redis' names and in Redis' words,
    /// that have changed since the start or were last brought up to date. The error is for a person
    /// to read; the file is as it was then.
    pub(super) async fn keep(&self, told: &[(String, String)]) -> Result<(), String> {
        let mut said = self.said.lock().await;
        let changed: Vec<_> = told.iter().filter(|option| !said.contains(option)).cloned().collect();
        // A link stays one.
        let file = fs::canonicalize(&self.file).map_err(|error| reason(&error))?;
        let bytes = files::read(&file).await.map_err(|error| error.to_string())?;
        let text = String::from_utf8(bytes).map_err(|_| "the file is no text".to_owned())?;
        // Names in it are below the folder it was asked for in, wherever a link leads.
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let new = rewrite(&text, folder.unwrap_or(Path::new(".")), &changed)?;
        if new == text {
            *said = told.to_vec();
            return Ok(());
        }
        let before = fs::metadata(&file).map_err(|error| reason(&error))?;
        let as_before = |made: &tokio::fs::File| {
            let made = fs::File::from(made.as_fd().try_clone_to_owned()?);
            // Whoever may not give it away keeps it.
            let _ = fchown(&made, None, Some(before.gid()));
            let _ = fchown(&made, Some(before.uid()), None);
            made.set_permissions(Permissions::from_mode(before.mode() & 0o7777))
        };
        let written = files::replace(&file, new.as_bytes(), as_before, drop).await;
        written.map_err(|error: FileError| error.to_string())?;
        *said = told.to_vec();
        tracing::info!(file = %file.display(), "CONFIG REWRITE: brought up to date");
        Ok(())
    }
}

/// The text with these options in it.
fn rewrite(text: &str, folder: &Path, told: &[(String, String)]) -> Result<String, String> {
    let before = settings::parse(text, folder).map_err(|problems| first(&problems))?;
    let table = DeTable::parse(text).map_err(|error| error.message().to_owned())?;
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut added = String::new();
    for (name, value) in told {
        let choice = options::CHOICES.iter().find(|choice| choice.redis == name);
        let choice = choice.ok_or_else(|| format!("{name} has no place in this file"))?;
        let line = table.get_ref().get_key_value(choice.name);
        // A port of 0 is Redis' word for none.
        if matches!(value.as_str(), "" | "0") && matches!(choice.default, Unsaid::Unset { .. }) {
            edits.extend(
                line.map(|(name, value)| (whole(text, name.span().start..value.span().end), String::new())),
            );
            continue;
        }
        let value = toml(choice, value);
        let alone = format!("{} = {value}\n", choice.name);
        let here =
            line.map_or(String::new(), |(_, value)| format!("{} = {}\n", choice.name, &text[value.span()]));
        // As often as it means the same, it is left as it is spelt.
        let meant = settings::parse(&alone, folder).map_err(|problems| {
            problems.iter().next().map_or_else(String::new, |it| {
                format!("{name} cannot be {}: {}, expected {}", value.trim_matches('"'), it.what, it.expected)
            })
        })?;
        if settings::parse(&here, folder).is_ok_and(|meant_here| meant_here == meant) {
            continue;
        }
        match line {
            Some((_, old)) => edits.push((old.span(), value)),
            None => added.push_str(&alone),
        }
    }
    edits.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    let mut new = text.to_owned();
    for (place, value) in edits {
        new.replace_range(place, &value);
    }
    let end = if new.trim_end_matches('\n').ends_with('\r') { "\r\n" } else { "\n" };
    if !added.is_empty() && !new.is_empty() && !new.ends_with('\n') {
        new.push_str(end);
    }
    new.push_str(&added.replace('\n', end));
    let after = settings::parse(&new, folder).map_err(|problems| first(&problems))?;
    assert!(after.dir == before.dir && after.config.port == before.config.port, "only what was told changes");
    Ok(new)
}

/// As the system says it.
fn reason(error: &std::io::Error) -> String {
    let errno = error.raw_os_error().map(Errno::from_raw);
    errno.map_or_else(|| error.to_string(), |errno| errno.desc().into())
}

/// The first thing that is wrong.
fn first(problems: &standin_core::text::Problems) -> String {
    problems.iter().next().map_or_else(String::new, ToString::to_string)
}

/// A line's own bytes, its end too if nothing else is in it.
fn whole(text: &str, place: Range<usize>) -> Range<usize> {
    let start = text[..place.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[place.end..].find('\n').map_or(text.len(), |at| place.end + at + 1);
    let rest = [&text[start..place.start], &text[place.end..end]];
    if rest.iter().all(|rest| rest.trim().is_empty()) { start..end } else { place }
}

/// A value of Redis' as our files have it.
fn toml(choice: &Choice, value: &str) -> String {
    match (choice.name, value) {
        ("node-timeout", _) => match value.strip_suffix("000") {
            Some(seconds) if !seconds.is_empty() => format!("\"{seconds}s\""),
            _ => format!("\"{value}ms\""),
        },
        ("repl-ping-period", _) => format!("\"{value}s\""),
        ("preferred-endpoint", "unknown-endpoint") => "\"unknown\"".into(),
        // Nothing in a hostname or a word would have to be escaped.
        ("announce-hostname", _) => format!("\"{value}\""),
        (_, "yes") => "true".into(),
        (_, "no") => "false".into(),
        _ if value.bytes().all(|byte| byte.is_ascii_digit()) => value.into(),
        _ => format!("\"{value}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(changed: &[(&str, &str)]) -> Vec<(String, String)> {
        let usual = [
            ("cluster-node-timeout", "15000"),
            ("cluster-replica-validity-factor", "10"),
            ("repl-ping-replica-period", "10"),
            ("cluster-require-full-coverage", "yes"),
            ("cluster-preferred-endpoint-type", "ip"),
            ("cluster-announce-hostname", ""),
        ];
        let now = |name: &str, usual: &str| {
            let found = changed.iter().find(|(changed, _)| *changed == name);
            found.map_or(usual, |(_, value)| value).to_owned()
        };
        usual.map(|(name, value)| (name.to_owned(), now(name, value))).into()
    }

    fn written(text: &str, changed: &[(&str, &str)]) -> Result<String, String> {
        rewrite(text, Path::new("/"), &told(changed))
    }

    #[test]
    fn values_are_replaced_where_they_stand_and_the_rest_is_left() {
        let text = "# mine\nport = 7000 # its\r\n\"node-timeout\" = \"15000ms\"# as told\n\nrequire-full-coverage=true";
        assert_eq!(written(text, &[]).unwrap(), text, "what means the same stays as it is spelt");
        assert_eq!(
            written(
                text,
                &[
                    ("cluster-node-timeout", "20000"),
                    ("cluster-require-full-coverage", "no"),
                    ("repl-ping-replica-period", "3"),
                    ("cluster-preferred-endpoint-type", "unknown-endpoint"),
                    ("cluster-announce-hostname", "yes"),
                ]
            )
            .unwrap(),
            "# mine\nport = 7000 # its\r\n\"node-timeout\" = \"20s\"# as told\n\nrequire-full-coverage=false\n\
             repl-ping-period = \"3s\"\npreferred-endpoint = \"unknown\"\nannounce-hostname = \"yes\"\n"
        );
        assert_eq!(written("", &[("cluster-node-timeout", "1500")]).unwrap(), "node-timeout = \"1500ms\"\n");
        assert_eq!(
            written("port = 1\r\n", &[("cluster-node-timeout", "1500")]).unwrap(),
            "port = 1\r\nnode-timeout = \"1500ms\"\r\n"
        );
    }

    #[test]
    fn what_is_set_no_longer_loses_its_line() {
        let text = "announce-hostname = \"a\"\nport = 1\n";
        assert_eq!(written(text, &[]).unwrap(), "port = 1\n");
        assert_eq!(written("port = 1\nannounce-hostname = \"a\" # why", &[]).unwrap(), "port = 1\n # why");
        assert_eq!(written(text, &[("cluster-announce-hostname", "a")]).unwrap(), text);
    }

    #[test]
    fn every_option_of_the_template_can_be_written() {
        let text = options::template();
        assert_eq!(written(&text, &[]).unwrap(), text);
        let changed = written(&text, &[("cluster-node-timeout", "30000")]).unwrap();
        assert_eq!(changed, text.replace("\nnode-timeout = \"15s\"", "\nnode-timeout = \"30s\""));
    }

    #[test]
    fn nothing_is_written_that_no_daemon_would_start_from() {
        for (text, changed, says) in [
            ("port = \n", ("", ""), "1:8: "),
            ("", ("cluster-node-timeout", "0"), "`0ms` is too short"),
            ("node-timeout = \"1s\"", ("cluster-node-timeout", "9223372036854775807"), "is not a duration"),
            ("", ("cluster-replica-validity-factor", "2147483647"), "2147483647"),
        ] {
            let refused = written(text, &[changed]).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }

    #[test]
    fn the_file_keeps_its_name_and_mode_and_is_whole_or_as_before() {
        let folder = std::env::temp_dir().join(format!("standin-keeping-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let (file, link) = (folder.join("w.toml"), folder.join("link.toml"));
        fs::write(&file, "port = 7000\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let keep = |file: &Path, changed: &[(&str, &str)]| {
            runtime.block_on(Keeper::new(file.into(), told(&[])).keep(&told(changed)))
        };
        assert_eq!(keep(&link, &[("cluster-node-timeout", "5000")]), Ok(()));
        assert_eq!(fs::read_to_string(&file).unwrap(), "port = 7000\nnode-timeout = \"5s\"\n");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        // The place of the new one is taken.
        fs::create_dir(folder.join("w.toml.standind-new")).unwrap();
        assert!(keep(&file, &[("cluster-node-timeout", "6000")]).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "port = 7000\nnode-timeout = \"5s\"\n");
        fs::remove_file(&file).unwrap();
        assert!(keep(&file, &[]).unwrap_err().starts_with("No such file or directory"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_was_not_changed_at_run_time_is_the_operators() {
        let folder = std::env::temp_dir().join(format!("standin-kept-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("there/state")).unwrap();
        fs::create_dir_all(folder.join("here/state")).unwrap();
        let (file, link) = (folder.join("there/w.toml"), folder.join("here/w.toml"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        // Below the link, and not below where it leads.
        fs::remove_dir(folder.join("there/state")).unwrap();
        let text = "dir = \"state\"\nrepl-ping-period = \"1.5s\"\n";
        fs::write(&file, text).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let keeper = Keeper::new(link, told(&[("repl-ping-replica-period", "1")]));
        let keep = |changed: &[(&str, &str)]| runtime.block_on(keeper.keep(&told(changed)));
        let told_so = [("repl-ping-replica-period", "1"), ("cluster-node-timeout", "5000")];
        assert_eq!(keep(&told_so), Ok(()));
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{text}node-timeout = \"5s\"\n"));
        // Edited for the next start: only what changes from here on is written over it.
        fs::write(&file, "dir = \"state\"\nnode-timeout = \"9s\"\n").unwrap();
        assert_eq!(keep(&told_so), Ok(()));
        assert_eq!(fs::read_to_string(&file).unwrap(), "dir = \"state\"\nnode-timeout = \"9s\"\n");
        assert_eq!(keep(&[("repl-ping-replica-period", "1")]), Ok(()));
        assert_eq!(fs::read_to_string(&file).unwrap(), "dir = \"state\"\nnode-timeout = \"15s\"\n");
        fs::remove_dir_all(&folder).unwrap();
    }
}
