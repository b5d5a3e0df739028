//! What the stock tool and a client write to a node's clients' port.

use standin_core::gossip::slots::key_slot;

/// Commands of one client, written one behind the other without waiting for answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Commands {
    bytes: Vec<u8>,
}

impl Commands {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Then this, in words.
    pub(super) fn then<W: AsRef<str>>(mut self, words: &[W]) -> Self {
        self.bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words.iter().map(AsRef::as_ref) {
            self.bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
        self
    }

    /// Then this, with a blank between the words.
    pub(super) fn say(self, line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        self.then(&words)
    }

    /// All of them.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// A key of a slot: the first of `k0`, `k1`, … that falls into it.
pub(super) fn key_of(slot: u16) -> String {
    let keys = (0_u32..).map(|number| format!("k{number}"));
    keys.into_iter().find(|key| key_slot(key.as_bytes()) == slot).unwrap_or_default()
}

/// How many of a client's commands were done, by what it heard.
pub(super) fn acknowledged(heard: &[u8]) -> u64 {
    heard.windows(5).filter(|window| window == b"+OK\r\n").count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_words() {
        let said = Commands::new().say("CLUSTER MYID").then(&["PING"]).into_bytes();
        assert_eq!(said, b"*2\r\n$7\r\nCLUSTER\r\n$4\r\nMYID\r\n*1\r\n$4\r\nPING\r\n");
    }

    #[test]
    fn every_slot_has_a_key() {
        for slot in [0, 1, 5_461, 16_383] {
            assert_eq!(key_slot(key_of(slot).as_bytes()), slot);
        }
        assert_eq!(acknowledged(b"+OK\r\n-MOVED 1 a:1\r\n+OK\r\n"), 2);
    }
}
