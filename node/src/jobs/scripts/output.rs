//! What a script prints, and its end: followed together, because a script that has ended may
//! leave children behind that keep its pipe open.

use std::io::{self, PipeReader};
use std::process::ExitStatus;

use tokio::net::unix::pipe::Receiver;

use super::super::process::Process;

/// Bytes kept of what one script prints: the last ones.
pub const OUTPUT_MAX: usize = 64 * 1024;

/// Bytes taken at most after a script's end: somebody it left behind may go on printing.
const DRAIN_MAX: usize = 1024 * 1024;

const PIECE: usize = 16 * 1024;

/// The end of what was printed.
#[derive(Debug, Default)]
pub(super) struct Tail {
    kept: Vec<u8>,
    left_out: u64,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        if self.kept.len() >= 2 * OUTPUT_MAX {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let excess = self.kept.len().saturating_sub(OUTPUT_MAX);
        self.kept.drain(..excess);
        self.left_out += excess as u64;
    }

    /// At most [`OUTPUT_MAX`] bytes, and before them a line that counts what is not there.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.cut();
        if self.left_out == 0 {
            return self.kept;
        }
        let mut text = format!("[{} bytes left out]\n", self.left_out).into_bytes();
        text.append(&mut self.kept);
        text
    }
}

/// The reading end of a script's output.
#[derive(Debug)]
pub(super) struct Output(Receiver);

impl Output {
    pub(super) fn new(reader: PipeReader) -> io::Result<Self> {
        Ok(Self(Receiver::from_owned_fd(reader.into())?))
    }

    /// Takes what is printed until the process ends. May be given up and called again.
    pub(super) async fn follow(&self, process: &mut Process, tail: &mut Tail) -> io::Result<ExitStatus> {
        let mut open = true;
        loop {
            tokio::select! {
                status = process.wait() => {
                    let mut taken = 0;
                    while open && taken < DRAIN_MAX {
                        match self.take(tail) {
                            Some(0) | None => break,
                            Some(bytes) => taken += bytes,
                        }
                    }
                    return status;
                }
                ready = self.0.readable(), if open => open = ready.is_ok() && self.take(tail).is_some(),
            }
        }
    }

    /// How many bytes there were just now; none at all after the last writer is gone.
    fn take(&self, tail: &mut Tail) -> Option<usize> {
        let mut piece = [0; PIECE];
        match self.0.try_read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                tail.push(&piece[..length]);
                Some(length)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_keeps_the_last_bytes_and_counts_the_others() {
        let mut tail = Tail::default();
        for _ in 0..50 {
            tail.push(&[b'x'; 4096]);
        }
        tail.push(b"end");
        let text = tail.finish();
        let left_out = 50 * 4096 + 3 - OUTPUT_MAX;
        let head = format!("[{left_out} bytes left out]\n");
        assert!(text.starts_with(head.as_bytes()) && text.ends_with(b"xend"));
        assert_eq!(text.len(), head.len() + OUTPUT_MAX);
    }

    #[test]
    fn what_fits_is_kept_as_it_is() {
        let mut tail = Tail::default();
        tail.push(&[b'x'; OUTPUT_MAX]);
        assert_eq!(tail.finish().len(), OUTPUT_MAX);
    }
}
