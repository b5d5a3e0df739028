//! Replies, written.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use super::Resp;

/// Appends replies to a buffer, as the client understands them. What an array or a map counts is
/// written behind it, by whoever writes it.
#[derive(Debug)]
pub struct Out<'a> {
    out: &'a mut Vec<u8>,
    resp: Resp,
}

impl<'a> Out<'a> {
    /// Appends to `out`.
    #[must_use]
    pub const fn new(out: &'a mut Vec<u8>, resp: Resp) -> Self {
        Self { out, resp }
    }

    /// What the client understands.
    #[must_use]
    pub const fn resp(&self) -> Resp {
        self.resp
    }

    /// What it understands from here on: the answer to `HELLO 3` is RESP3 already.
    pub const fn set_resp(&mut self, resp: Resp) {
        self.resp = resp;
    }

    /// `+OK`: one word or a few; line ends become blanks.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', format_args!("{text}"));
    }

    /// `-ERR …`; line ends become blanks.
    pub fn error(&mut self, text: impl fmt::Display) {
        self.line(b'-', format_args!("ERR {text}"));
    }

    /// An error with a code of its own before the text: `-MOVED 7 10.0.0.1:7000`.
    pub fn error_code(&mut self, text: impl fmt::Display) {
        self.line(b'-', format_args!("{text}"));
    }

    /// `:7`
    pub fn integer(&mut self, value: i64) {
        self.line(b':', format_args!("{value}"));
    }

    /// `$2`, and two bytes of any content.
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.line(b'$', format_args!("{}", bytes.len()));
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Nothing: `_`, in RESP2 `$-1`.
    pub fn null(&mut self) {
        match self.resp {
            Resp::Two => self.out.extend_from_slice(b"$-1\r\n"),
            Resp::Three => self.out.extend_from_slice(b"_\r\n"),
        }
    }

    /// `*2`: two replies follow.
    pub fn array(&mut self, count: usize) {
        self.line(b'*', format_args!("{count}"));
    }

    /// `~2`: two replies follow, whose order means nothing; in RESP2 `*2`.
    pub fn set(&mut self, count: usize) {
        let mark = if self.resp == Resp::Three { b'~' } else { b'*' };
        self.line(mark, format_args!("{count}"));
    }

    /// `%2`: two keys and their values follow, in turn; in RESP2 `*4`.
    pub fn map(&mut self, pairs: usize) {
        match self.resp {
            Resp::Two => self.array(2 * pairs),
            Resp::Three => self.line(b'%', format_args!("{pairs}")),
        }
    }

    /// A text for people: `=6`, `txt:` and two bytes; in RESP2 `$2`.
    pub fn verbatim(&mut self, text: &str) {
        if self.resp == Resp::Two {
            return self.bulk(text);
        }
        self.line(b'=', format_args!("{}", text.len() + 4));
        self.out.extend_from_slice(b"txt:");
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn line(&mut self, mark: u8, text: fmt::Arguments<'_>) {
        struct Line<'a>(&'a mut Vec<u8>);
        impl fmt::Write for Line<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0
                    .extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
                Ok(())
            }
        }
        self.out.push(mark);
        let written = Line(self.out).write_fmt(text);
        assert!(written.is_ok(), "a buffer takes what is written to it");
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn said(resp: Resp, say: impl FnOnce(&mut Out<'_>)) -> String {
        let mut bytes = Vec::new();
        say(&mut Out::new(&mut bytes, resp));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn replies_are_written_as_each_version_has_them() {
        let all = |out: &mut Out<'_>| {
            out.simple("OK");
            out.error("unknown command 'a\r\nb'");
            out.error_code("MOVED 7 10.0.0.1:7000");
            out.integer(-7);
            out.bulk("a\r\nb");
            out.null();
            out.array(0);
            out.map(2);
            out.verbatim("x\n");
        };
        let same = "+OK\r\n-ERR unknown command 'a  b'\r\n-MOVED 7 10.0.0.1:7000\r\n:-7\r\n$4\r\na\r\nb\r\n";
        assert_eq!(said(Resp::Two, all), String::from(same) + "$-1\r\n*0\r\n*4\r\n$2\r\nx\n\r\n");
        assert_eq!(said(Resp::Three, all), String::from(same) + "_\r\n*0\r\n%2\r\n=6\r\ntxt:x\n\r\n");
    }

    #[test]
    fn a_client_may_change_its_mind() {
        let text = said(Resp::Two, |out| {
            out.set_resp(Resp::Three);
            out.null();
            assert_eq!(out.resp(), Resp::Three);
        });
        assert_eq!(text, "_\r\n");
    }
}
