//! Running other programs, and saying what went wrong with them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::{Error, Result};

/// What a program printed and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Exit status; 124 when it took too long, 128 and more when a signal ended it.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Whether it ended well.
    pub fn ok(&self) -> bool {
        self.status == 0
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        let status = output.status.code().unwrap_or_else(|| 128 + signal.unwrap_or(0));
        Self { status, out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// Runs a program to its end, whatever that is.
pub(crate) fn hear(command: &mut Command) -> Result<Said> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|why| Error::new(format!("{} did not start: {why}", name(command))))?;
    Ok(Said::from(output))
}

/// Runs a program that has to end well; what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let said = hear(command)?;
    if said.ok() { Ok(said.out) } else { Err(failed(command, &said)) }
}

/// `ip ARGS`, split at spaces.
pub(crate) fn ip(args: &str) -> Result<String> {
    run(Command::new("ip").args(args.split(' ')))
}

/// Many commands for `ip` in one namespace: one process, in order, up to the first that fails.
pub(crate) fn ip_batch(namespace: &str, lines: &[String]) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(["-n", namespace, "-batch", "-"]);
    let cannot = |why: std::io::Error| Error::new(format!("ip -batch: {why}"));
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(cannot)?;
    let mut text = lines.join("\n");
    text.push('\n');
    // Dropped at the end of the statement: ip reads up to the end of the file.
    child.stdin.take().expect("piped above").write_all(text.as_bytes()).map_err(cannot)?;
    let said = Said::from(child.wait_with_output().map_err(cannot)?);
    if said.ok() { Ok(()) } else { Err(Error::new(format!("in {namespace}: {} ({text})", said.err.trim()))) }
}

/// Whether a program is found on `PATH`.
pub(crate) fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(tool).is_file())
}

/// What went wrong, from a file operation.
pub(crate) fn io<T>(what: &Path, result: std::io::Result<T>) -> Result<T> {
    result.map_err(|why| Error::new(format!("{}: {why}", what.display())))
}

fn failed(command: &Command, said: &Said) -> Error {
    let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
    let line = format!("{} {}", name(command), args.join(" "));
    Error::new(format!("`{line}` ended with status {}: {}{}", said.status, said.err.trim(), said.out.trim()))
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
