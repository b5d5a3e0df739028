//! What clients ask.

use alloc::vec::Vec;

use super::{Held, RespError, number};

/// Arguments of a request. Redis takes as many as fit 31 bits from clients it knows.
pub const ARGUMENTS_MAX: usize = 1024 * 1024;

/// Bytes of a request that are taken, as they come: 1 MiB. (Our limit: Redis takes 512 MiB of one
/// argument, but it has keys to put them under.)
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Bytes in which a line has to end: a request as words, or a count before arguments.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// What keeping an argument costs beside its bytes: where it is, how long, and what an allocator
/// rounds up to.
pub const ARGUMENT_COST: usize = 48;

/// Arguments of a request, and bytes of one argument, of a client that has not said the password
/// it should; Redis' numbers.
const STRANGE_ARGUMENTS_MAX: i64 = 10;
const STRANGE_BULK_MAX: usize = 16_384;

/// A client's requests, in any cut.
///
/// A request is an array of bulk strings, `*1\r\n$4\r\nPING\r\n`, or a line of words as a person
/// would type it, `PING\r\n`. Words may be quoted: `"…"` with `\n`, `\r`, `\t`, `\a`, `\b`, `\xHH`,
/// and `\` before any other character for itself; `'…'` with `\'` alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Requests {
    held: Held,
    /// Of the array that has begun: what is there of it,
    arguments: Vec<Vec<u8>>,
    /// how many arguments are missing, 0 for no array,
    missing: usize,
    /// how long the next one is,
    bulk: Option<usize>,
    /// and how many bytes it has taken.
    taken: usize,
    /// Whether the client is none that is known.
    strange: bool,
    failed: Option<RespError>,
}

impl Requests {
    /// The stream begins.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            held: Held::new(),
            arguments: Vec::new(),
            missing: 0,
            bulk: None,
            taken: 0,
            strange: false,
            failed: None,
        }
    }

    /// The next piece of the stream. Ask for requests until there are none, then feed again: only
    /// what is left of the last one, at most [`REQUEST_BYTES_MAX`], is kept between two pieces.
    pub fn feed(&mut self, input: &[u8]) {
        if self.failed.is_none() {
            self.held.feed(input);
        }
    }

    /// Whether who asks has still to say who it is: it may ask little until then.
    pub const fn strange(&mut self, strange: bool) {
        self.strange = strange;
    }

    /// The next whole request, at least one word; `None` until more is fed. Empty requests are
    /// passed over, as in Redis.
    ///
    /// # Errors
    /// If the stream cannot continue. That is final, the next call says the same: tell the client
    /// and close.
    #[expect(clippy::should_implement_trait, reason = "it has an end that more input undoes, and fails")]
    pub fn next(&mut self) -> Result<Option<Vec<Vec<u8>>>, RespError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let next = self.advance();
        if let Err(error) = next {
            *self = Self { failed: Some(error), ..Self::new() };
        }
        next
    }

    /// Bytes kept of what is not whole yet, as they came.
    #[must_use]
    pub fn held(&self) -> usize {
        self.taken + self.held.left().len()
    }

    /// What they take in memory, roughly: [`ARGUMENT_COST`] more for each argument.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.held() + self.arguments.len() * ARGUMENT_COST
    }

    fn advance(&mut self) -> Result<Option<Vec<Vec<u8>>>, RespError> {
        loop {
            let whole = match self.held.peek() {
                _ if self.missing > 0 => self.argument()?,
                Some(b'*') => self.begin()?,
                Some(_) => self.line()?,
                None => None,
            };
            if whole.is_none() {
                let too_large = self.held() > REQUEST_BYTES_MAX;
                return if too_large { Err(RespError::TooLarge) } else { Ok(None) };
            }
            if self.missing > 0 {
                continue;
            }
            self.taken = 0;
            if !self.arguments.is_empty() {
                return Ok(Some(core::mem::take(&mut self.arguments)));
            }
        }
    }

    /// `*3`, if it is whole.
    fn begin(&mut self) -> Result<Option<()>, RespError> {
        let Some(line) = self.count(RespError::BigMultibulkCount)? else { return Ok(None) };
        let count = number(line).ok_or(RespError::MultibulkLength)?;
        if count > ARGUMENTS_MAX as i64 {
            return Err(RespError::MultibulkLength);
        }
        if self.strange && count > STRANGE_ARGUMENTS_MAX {
            return Err(RespError::StrangeMultibulk);
        }
        self.missing = usize::try_from(count).unwrap_or(0);
        Ok(Some(()))
    }

    /// `$4` and what belongs to it, if that is whole.
    fn argument(&mut self) -> Result<Option<()>, RespError> {
        let length = match self.bulk {
            Some(length) => length,
            None => {
                let first = self.held.peek();
                let Some(line) = self.count(RespError::BigBulkCount)? else { return Ok(None) };
                if let Some(got) = first.filter(|&first| first != b'$') {
                    return Err(RespError::NoBulk { got });
                }
                let length = number(line).and_then(|length| usize::try_from(length).ok());
                let length =
                    length.filter(|&length| length <= REQUEST_BYTES_MAX).ok_or(RespError::BulkLength)?;
                if self.strange && length > STRANGE_BULK_MAX {
                    return Err(RespError::StrangeBulk);
                }
                length
            }
        };
        self.bulk = Some(length);
        // Redis does not look at the two bytes behind either.
        if self.held.left().len() < length + 2 {
            return Ok(None);
        }
        let bytes = self.held.take(length + 2);
        self.arguments.push(bytes[..length].to_vec());
        self.taken += length + 2;
        if self.taken > REQUEST_BYTES_MAX {
            return Err(RespError::TooLarge);
        }
        self.bulk = None;
        self.missing -= 1;
        Ok(Some(()))
    }

    /// What stands behind the mark of a line, which is taken.
    fn count(&mut self, too_long: RespError) -> Result<Option<&[u8]>, RespError> {
        let Some(length) = self.held.find_line() else {
            let long = self.held.left().len() > LINE_BYTES_MAX;
            return if long { Err(too_long) } else { Ok(None) };
        };
        self.taken += length + 2;
        let line = &self.held.take(length + 2)[..length];
        Ok(Some(line.get(1..).unwrap_or_default()))
    }

    /// A request as words, if its line is whole.
    fn line(&mut self) -> Result<Option<()>, RespError> {
        let Some(length) = self.held.find(b'\n') else {
            let long = self.held.left().len() > LINE_BYTES_MAX;
            return if long { Err(RespError::BigInline) } else { Ok(None) };
        };
        if length > REQUEST_BYTES_MAX {
            return Err(RespError::TooLarge);
        }
        let line = &self.held.take(length + 1)[..length];
        self.arguments = words(line.strip_suffix(b"\r").unwrap_or(line))?;
        Ok(Some(()))
    }
}

/// A line's words, without their quotes.
fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, RespError> {
    let mut words = Vec::new();
    let mut left = line;
    loop {
        left = left.trim_ascii_start();
        if left.is_empty() {
            return Ok(words);
        }
        words.push(word(&mut left)?);
    }
}

/// Takes the word that `left` begins with.
fn word(left: &mut &[u8]) -> Result<Vec<u8>, RespError> {
    let mut word = Vec::new();
    loop {
        let (byte, rest) = match *left {
            [] => return Ok(word),
            [byte, rest @ ..] => (*byte, rest),
        };
        match byte {
            byte if byte.is_ascii_whitespace() => return Ok(word),
            b'"' | b'\'' => {
                *left = quoted(byte, rest, &mut word)?;
                return match left.first() {
                    Some(behind) if !behind.is_ascii_whitespace() => Err(RespError::UnbalancedQuotes),
                    _ => Ok(word),
                };
            }
            byte => word.push(byte),
        }
        *left = rest;
    }
}

/// Appends what stands up to the closing quote; what is behind that.
fn quoted<'a>(quote: u8, mut left: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], RespError> {
    loop {
        let (byte, rest) = match *left {
            [] => return Err(RespError::UnbalancedQuotes),
            [byte, ref rest @ ..] if byte == quote => return Ok(rest),
            [b'\\', b'\'', ref rest @ ..] if quote == b'\'' => (b'\'', rest),
            [b'\\', b'x', a, b, ref rest @ ..]
                if quote == b'"' && a.is_ascii_hexdigit() && b.is_ascii_hexdigit() =>
            {
                (hex(a) << 4 | hex(b), rest)
            }
            [b'\\', byte, ref rest @ ..] if quote == b'"' => (escaped(byte), rest),
            [byte, ref rest @ ..] => (byte, rest),
        };
        word.push(byte);
        left = rest;
    }
}

const fn escaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        byte => byte,
    }
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).map_or(0, |value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::check::few;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec;
    use proptest::prelude::*;

    /// What a stream asks, and how it ends.
    fn read(requests: &mut Requests, input: &[u8]) -> (Vec<Vec<String>>, Option<RespError>) {
        let text = |word: Vec<u8>| String::from_utf8_lossy(&word).into_owned();
        requests.feed(input);
        let mut asked = Vec::new();
        loop {
            match requests.next() {
                Ok(Some(words)) => asked.push(words.into_iter().map(text).collect()),
                Ok(None) => return (asked, None),
                Err(error) => return (asked, Some(error)),
            }
        }
    }

    #[track_caller]
    fn asks(input: &str, expected: &[&[&str]]) {
        let (asked, error) = read(&mut Requests::new(), input.as_bytes());
        assert_eq!(error, None);
        assert_eq!(asked, expected);
    }

    #[track_caller]
    fn fails(input: impl AsRef<[u8]>, error: RespError) {
        let mut requests = Requests::new();
        assert_eq!(read(&mut requests, input.as_ref()), (vec![], Some(error)));
        assert_eq!(read(&mut requests, b"PING\r\n"), (vec![], Some(error)));
        assert_eq!(requests.held(), 0);
    }

    #[test]
    fn requests_are_arrays_or_lines() {
        asks("*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\nPING\r\n", &[&["ECHO", "a\r\n"], &["PING"]]);
        asks("*-1\r\n*0\r\n\r\n  \r\nPING\n", &[&["PING"]]);
        asks("*1\r\n$4\r\nPINGxxPING\r\n", &[&["PING"], &["PING"]]);
        asks("*1\r\n$0\r\n\r\n", &[&[""]]);
        asks("*1\r\n$4\r\nPIN", &[]);
        asks("x\0y z\r\n", &[&["x\0y", "z"]]);
    }

    #[test]
    fn words_may_be_quoted() {
        asks("  ECHO \"a\\x41\\n\\q\" \r\n", &[&["ECHO", "aA\nq"]]);
        asks("ECHO 'a\\'b\\n' \"\" a'b c'\t\"\\xZZ\"\n", &[&["ECHO", "a'b\\n", "", "ab c", "xZZ"]]);
        for line in ["ECHO \"a", "ECHO \"a\"b", "ECHO a\"b\"c", "'a\\'", "\"a\\\""] {
            fails(format!("{line}\r\n"), RespError::UnbalancedQuotes);
        }
    }

    #[test]
    fn what_redis_refuses_is_refused_in_its_words() {
        for count in ["x", "+1", "01", " 1", "", "1048577", "99999999999999999999", "1\n$4"] {
            fails(format!("*{count}\r\nPING\r\n"), RespError::MultibulkLength);
        }
        for length in ["x", "-1", "", "+4", "1048577"] {
            fails(format!("*1\r\n${length}\r\n"), RespError::BulkLength);
        }
        fails("*1\r\n:3\r\n", RespError::NoBulk { got: b':' });
        fails("*1\r\n\r\n", RespError::NoBulk { got: b'\r' });
        let long = "1".repeat(LINE_BYTES_MAX + 1);
        fails(&long, RespError::BigInline);
        fails(format!("*{long}"), RespError::BigMultibulkCount);
        fails(format!("*1\r\n${long}"), RespError::BigBulkCount);
    }

    #[test]
    fn a_request_is_only_so_large() {
        let half = "x".repeat(REQUEST_BYTES_MAX / 2);
        let most = format!("$524288\r\n{half}\r\n");
        fails(format!("*3\r\n{most}{most}"), RespError::TooLarge);
        fails(format!("*3\r\n{most}$524289\r\n{half}"), RespError::TooLarge);
        fails("a ".repeat(REQUEST_BYTES_MAX) + "\r\n", RespError::TooLarge);
        // Several in one piece may be.
        let one = format!("*1\r\n{most}");
        assert_eq!(read(&mut Requests::new(), one.repeat(5).as_bytes()).0.len(), 5);
        let mut empty = Requests::new();
        assert_eq!(read(&mut empty, "*0\r\n".repeat(REQUEST_BYTES_MAX).as_bytes()), (vec![], None));
        assert_eq!(empty.held(), 0);
        // Many arguments, one byte at a time.
        let mut many = Requests::new();
        let mut last = Ok(None);
        for &byte in b"*1048576\r\n".iter().chain(b"$0\r\n\r\n".iter().cycle().take(REQUEST_BYTES_MAX)) {
            many.feed(&[byte]);
            last = many.next();
            assert!(many.held() <= REQUEST_BYTES_MAX);
        }
        assert_eq!(last, Err(RespError::TooLarge));
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn any_cut_asks_the_same(
            words in proptest::collection::vec(proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..20), 1..4), 0..5),
            cuts in proptest::collection::vec(1_usize..12, 1..20),
        ) {
            let mut stream = Vec::new();
            for request in &words {
                stream.extend_from_slice(format!("*{}\r\n", request.len()).as_bytes());
                for word in request {
                    stream.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                    stream.extend_from_slice(word);
                    stream.extend_from_slice(b"\r\n");
                }
            }
            let mut requests = Requests::new();
            let mut asked = Vec::new();
            let mut left = &stream[..];
            for cut in cuts.iter().cycle() {
                if left.is_empty() { break }
                let (piece, rest) = left.split_at(left.len().min(*cut));
                requests.feed(piece);
                while let Some(words) = requests.next().unwrap() { asked.push(words) }
                left = rest;
            }
            prop_assert_eq!(asked, words);
            prop_assert_eq!(requests.held(), 0);
        }

        #[test]
        fn any_bytes_are_requests_or_an_error_in_any_cut(
            stream in "([*$][0-9]{0,2}|[a-z \"'\\\\\n]{0,4}|\r\n|\\PC){0,60}",
            cut in 1_usize..9,
        ) {
            let whole = read(&mut Requests::new(), stream.as_bytes());
            let mut requests = Requests::new();
            let mut asked = Vec::new();
            let mut error = None;
            for piece in stream.as_bytes().chunks(cut) {
                let (more, last) = read(&mut requests, piece);
                asked.extend(more);
                error = last;
            }
            prop_assert_eq!((asked, error), whole);
        }
    }
}
