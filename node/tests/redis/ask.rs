//! A client of a few lines, for looking often.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// What a node answers to one command, an array's elements a line each; `None` if it does not.
pub(crate) fn ask(address: &str, command: &str) -> Option<String> {
    let address: SocketAddr = address.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    reply(&mut BufReader::new(stream))
}

/// The same for commands of one client.
pub(crate) fn ask_all(address: &str, commands: &[String]) -> Option<Vec<String>> {
    let mut stream = TcpStream::connect_timeout(&address.parse().ok()?, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(format!("{}\r\n", commands.join("\r\n")).as_bytes()).ok()?;
    let mut stream = BufReader::new(stream);
    commands.iter().map(|_| reply(&mut stream)).collect()
}

fn reply(from: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    let line = line.trim_end();
    let (mark, rest) = line.split_at_checked(1)?;
    match mark {
        "+" | ":" => Some(rest.into()),
        "-" => Some(line.into()),
        "$" => {
            let Ok(length) = rest.parse::<usize>() else { return Some(String::new()) };
            let mut bytes = vec![0; length + 2];
            from.read_exact(&mut bytes).ok()?;
            bytes.truncate(length);
            String::from_utf8(bytes).ok()
        }
        "*" => {
            let all: Option<Vec<String>> = (0..rest.parse().ok()?).map(|_: u32| reply(from)).collect();
            Some(all?.join("\n"))
        }
        _ => None,
    }
}

/// A line of `CLUSTER NODES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: String,
    /// `10.0.0.1:6379`
    pub(crate) address: String,
    pub(crate) flags: Vec<String>,
    pub(crate) master: Option<String>,
    pub(crate) epoch: u64,
    pub(crate) connected: bool,
    pub(crate) slots: Vec<String>,
}

impl Line {
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|it| it == flag)
    }

    /// How many slots it serves.
    pub(crate) fn count(&self) -> u32 {
        let ranges = self.slots.iter().filter(|range| !range.starts_with('['));
        let count = |range: &String| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            last.parse::<u32>().expect("a slot") + 1 - first.parse::<u32>().expect("a slot")
        };
        ranges.map(count).sum()
    }

    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(words.len() >= 8, "no line of CLUSTER NODES: {line}");
        Self {
            id: words[0].into(),
            address: words[1].split('@').next().unwrap_or_default().into(),
            flags: words[2].split(',').map(Into::into).collect(),
            master: (words[3] != "-").then(|| words[3].into()),
            epoch: words[6].parse().expect("an epoch"),
            connected: words[7] == "connected",
            slots: words[8..].iter().map(|&word| word.into()).collect(),
        }
    }
}

/// What `CLUSTER NODES` says at an address, nothing if it does not answer.
pub(crate) fn nodes(address: &str) -> Vec<Line> {
    let text = ask(address, "CLUSTER NODES").unwrap_or_default();
    if text.starts_with('-') { Vec::new() } else { text.lines().map(Line::read).collect() }
}
