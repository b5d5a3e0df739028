//! What servers say.

use alloc::vec::Vec;

use super::requests::LINE_BYTES_MAX;
use super::{Held, RespError, number};

/// Bytes of one reply or command that are taken: 64 MiB. (Our limit: Redis has 512 MiB for one
/// bulk.) A master sends what its clients wrote, however large, and all of it counts.
pub const REPLY_BYTES_MAX: usize = 64 << 20;

/// Arrays in arrays.
pub const DEPTH_MAX: usize = 8;

/// Values in one reply, those in arrays included.
pub const VALUES_MAX: usize = 1024 * 1024;

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Value {
    /// `+…`
    Simple(Vec<u8>),
    /// `-…`
    Error(Vec<u8>),
    /// `:…`
    Integer(i64),
    /// `$…`; `=…` too, without its `txt:`.
    Bulk(Vec<u8>),
    /// `$-1`, `*-1`, `_`
    Null,
    /// `*…`; `%…` too, keys and values in turn.
    Array(Vec<Self>),
}

/// A server's replies and a master's commands, in any cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Replies {
    held: Held,
    /// The arrays that have begun, the outermost first.
    open: Vec<Open>,
    /// The bulk that has begun.
    bulk: Option<Bulk>,
    /// Bytes and values of the reply that has begun.
    taken: usize,
    values: usize,
    consumed: u64,
    failed: Option<RespError>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Open {
    missing: usize,
    values: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Bulk {
    length: usize,
    /// Bytes before what is said.
    skipped: usize,
}

/// A value, or the beginning of one.
enum Part {
    Whole(Value),
    Array(usize),
    Missing,
}

impl Replies {
    /// The stream begins.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            held: Held::new(),
            open: Vec::new(),
            bulk: None,
            taken: 0,
            values: 0,
            consumed: 0,
            failed: None,
        }
    }

    /// The next piece of the stream. Take what is whole, then feed again: only what is left of
    /// the last reply, at most [`REPLY_BYTES_MAX`], is kept between two pieces.
    pub fn feed(&mut self, input: &[u8]) {
        if self.failed.is_none() {
            self.held.feed(input);
        }
    }

    /// The next whole reply; `None` until more is fed. Empty lines before it, a master's signs of
    /// life, are passed over.
    ///
    /// # Errors
    /// If the stream cannot continue. That is final, the next call says the same.
    #[expect(clippy::should_implement_trait, reason = "it has an end that more input undoes, and fails")]
    pub fn next(&mut self) -> Result<Option<Value>, RespError> {
        self.or_fail(Self::advance)
    }

    /// The next line without its end, empty ones passed over: what begins a transfer, `$4711` or
    /// `$EOF:…`, and is no reply.
    ///
    /// # Errors
    /// If the stream cannot continue. That is final, the next call says the same.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, RespError> {
        self.or_fail(|replies| {
            assert!(replies.between(), "within a reply there are no lines");
            replies.pass_over_empty();
            let Some(length) = replies.held.find(b'\n') else {
                let long = replies.held.left().len() > LINE_BYTES_MAX;
                return if long { Err(RespError::TooLarge) } else { Ok(None) };
            };
            let line = &replies.held.take(length + 1)[..length];
            replies.consumed += length as u64 + 1;
            Ok(Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
        })
    }

    /// Takes up to `most` bytes as they are: a transfer's.
    ///
    /// # Panics
    /// If a reply has begun and is not whole.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        assert!(self.between(), "within a reply there are no bytes of anything else");
        let count = self.held.left().len().min(most);
        self.consumed += count as u64;
        self.held.take(count).to_vec()
    }

    /// Bytes handed out so far, by whichever way: what a replica's offset counts. Those of a
    /// reply count when it is whole.
    #[must_use]
    pub const fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Bytes kept of what is not whole yet.
    #[must_use]
    pub fn held(&self) -> usize {
        self.taken + self.held.left().len()
    }

    fn or_fail<T>(
        &mut self,
        next: impl FnOnce(&mut Self) -> Result<Option<T>, RespError>,
    ) -> Result<Option<T>, RespError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let next = next(self);
        if let Err(error) = next {
            *self = Self { failed: Some(error), consumed: self.consumed, ..Self::new() };
        }
        next
    }

    /// Whether no reply has begun.
    const fn between(&self) -> bool {
        self.open.is_empty() && self.bulk.is_none()
    }

    fn pass_over_empty(&mut self) {
        loop {
            let empty = match self.held.left() {
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                _ => return,
            };
            self.held.take(empty);
            self.consumed += empty as u64;
        }
    }

    fn advance(&mut self) -> Result<Option<Value>, RespError> {
        loop {
            if self.between() {
                self.pass_over_empty();
            }
            let value = match self.part()? {
                Part::Whole(value) => self.close(value),
                Part::Array(0) => self.close(Value::Array(Vec::new())),
                Part::Array(missing) if self.open.len() < DEPTH_MAX => {
                    self.open.push(Open { missing, values: Vec::new() });
                    None
                }
                Part::Array(_) => return Err(RespError::TooDeep),
                Part::Missing => {
                    let too_large = self.held() > REPLY_BYTES_MAX;
                    return if too_large { Err(RespError::TooLarge) } else { Ok(None) };
                }
            };
            if self.taken > REPLY_BYTES_MAX {
                return Err(RespError::TooLarge);
            }
            if let Some(value) = value {
                self.consumed += self.taken as u64;
                (self.taken, self.values) = (0, 0);
                return Ok(Some(value));
            }
        }
    }

    /// Puts a value where it belongs; the outermost one if that is whole with it.
    fn close(&mut self, mut value: Value) -> Option<Value> {
        while let Some(array) = self.open.last_mut() {
            array.values.push(value);
            array.missing -= 1;
            if array.missing > 0 {
                return None;
            }
            value = Value::Array(self.open.pop()?.values);
        }
        Some(value)
    }

    /// The next value without what belongs into it.
    fn part(&mut self) -> Result<Part, RespError> {
        if let Some(bulk) = self.bulk {
            return Ok(self.bulk(bulk));
        }
        let Some(length) = self.held.find_line() else {
            // A line says its kind and a number, or a few words.
            let long = self.held.left().len() > LINE_BYTES_MAX;
            return if long { Err(RespError::TooLarge) } else { Ok(Part::Missing) };
        };
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(RespError::TooDeep);
        }
        self.taken += length + 2;
        let line = &self.held.take(length + 2)[..length];
        let Some((&mark, text)) = line.split_first() else { return Err(RespError::NoReply { got: b'\r' }) };
        let value = || number(text).ok_or(RespError::BadNumber);
        let count = |most: usize| match value()? {
            -1 => Ok(None),
            count => match usize::try_from(count) {
                Ok(count) if count <= most => Ok(Some(count)),
                Ok(_) => Err(RespError::TooLarge),
                Err(_) => Err(RespError::BadNumber),
            },
        };
        let null = Part::Whole(Value::Null);
        Ok(match mark {
            b'+' => Part::Whole(Value::Simple(text.to_vec())),
            b'-' => Part::Whole(Value::Error(text.to_vec())),
            b':' => Part::Whole(Value::Integer(value()?)),
            b'_' => null,
            b'*' => count(VALUES_MAX)?.map_or(null, Part::Array),
            b'%' => count(VALUES_MAX / 2)?.map_or(null, |pairs| Part::Array(2 * pairs)),
            b'$' | b'=' => match count(REPLY_BYTES_MAX)? {
                Some(length) => {
                    let skipped = if mark == b'=' { 4.min(length) } else { 0 };
                    self.bulk(Bulk { length, skipped })
                }
                None => null,
            },
            got => return Err(RespError::NoReply { got }),
        })
    }

    fn bulk(&mut self, bulk: Bulk) -> Part {
        let Bulk { length, skipped } = bulk;
        if self.held.left().len() < length + 2 {
            self.bulk = Some(bulk);
            return Part::Missing;
        }
        self.bulk = None;
        self.taken += length + 2;
        Part::Whole(Value::Bulk(self.held.take(length + 2)[skipped..length].to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Out, Resp};
    use super::*;
    use crate::bytes::check::few;
    use alloc::format;
    use alloc::vec;
    use proptest::prelude::*;

    fn read(replies: &mut Replies, input: &[u8]) -> (Vec<Value>, Option<RespError>) {
        replies.feed(input);
        let mut said = Vec::new();
        loop {
            match replies.next() {
                Ok(Some(value)) => said.push(value),
                Ok(None) => return (said, None),
                Err(error) => return (said, Some(error)),
            }
        }
    }

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.into())
    }

    #[test]
    fn each_kind_of_reply_is_read() {
        let text = "+OK\r\n-ERR no\r\n:-7\r\n$2\r\nab\r\n$-1\r\n*-1\r\n_\r\n*2\r\n*1\r\n:1\r\n*0\r\n%1\r\n+k\r\n=6\r\ntxt:ab\r\n$0\r\n\r\n";
        let said = [
            Value::Simple("OK".into()),
            Value::Error("ERR no".into()),
            Value::Integer(-7),
            bulk("ab"),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Array(vec![Value::Array(vec![Value::Integer(1)]), Value::Array(vec![])]),
            Value::Array(vec![Value::Simple("k".into()), bulk("ab")]),
            bulk(""),
        ];
        let mut replies = Replies::new();
        assert_eq!(read(&mut replies, text.as_bytes()), (said.to_vec(), None));
        assert_eq!((replies.consumed(), replies.held()), (text.len() as u64, 0));
    }

    #[test]
    fn a_master_is_followed_from_its_greeting_into_its_stream() {
        let mut replies = Replies::new();
        let greeting = b"\n+FULLRESYNC d931 56\r\n";
        assert_eq!(read(&mut replies, greeting).0, [Value::Simple("FULLRESYNC d931 56".into())]);
        replies.feed(b"\n\n$5");
        assert_eq!(replies.next_line(), Ok(None));
        replies.feed(b"\r\nREDI");
        assert_eq!(replies.next_line(), Ok(Some(b"$5".to_vec())));
        assert_eq!(replies.take(5), b"REDI");
        assert_eq!(replies.take(1), b"");
        let before = replies.consumed();
        let (ping, half) = ("*1\r\n$4\r\nPING\r\n", "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1");
        replies.feed(format!("S{ping}{half}").as_bytes());
        assert_eq!(replies.take(1), b"S");
        assert_eq!(replies.next(), Ok(Some(Value::Array(vec![bulk("PING")]))));
        assert_eq!(replies.consumed() - before, 1 + ping.len() as u64);
        assert_eq!(replies.next(), Ok(None));
        assert_eq!((replies.consumed() - before, replies.held()), (1 + ping.len() as u64, half.len()));
        assert_eq!(read(&mut replies, b"\r\n*\r\n").0.len(), 1);
        assert_eq!(replies.consumed() - before, (1 + ping.len() + half.len() + 5) as u64);
    }

    #[test]
    fn a_line_ends_where_it_ends_whoever_looked_before() {
        let mut replies = Replies::new();
        replies.feed(b"$5\nREDIS");
        assert_eq!(replies.next(), Ok(None));
        assert_eq!(replies.next_line(), Ok(Some(b"$5".to_vec())));
    }

    #[test]
    fn what_is_no_reply_is_final() {
        for (text, error) in [
            ("PING\r\n", RespError::NoReply { got: b'P' }),
            ("*1\r\n\r\n", RespError::NoReply { got: b'\r' }),
            (":1x\r\n", RespError::BadNumber),
            ("$-2\r\n", RespError::BadNumber),
            ("$67108865\r\n", RespError::TooLarge),
            ("*1048577\r\n", RespError::TooLarge),
            (&"*1\r\n".repeat(DEPTH_MAX + 1), RespError::TooDeep),
            (&"+".repeat(LINE_BYTES_MAX + 1), RespError::TooLarge),
        ] {
            let mut replies = Replies::new();
            assert_eq!(read(&mut replies, text.as_bytes()), (vec![], Some(error)), "{text}");
            assert_eq!(read(&mut replies, b"+OK\r\n"), (vec![], Some(error)));
            assert_eq!((replies.next_line(), replies.held()), (Err(error), 0));
        }
        let deep = "*1\r\n".repeat(DEPTH_MAX);
        assert_eq!(read(&mut Replies::new(), (deep + ":1\r\n").as_bytes()).0.len(), 1);
        let many = "*1048576\r\n".repeat(2) + &":1\r\n".repeat(VALUES_MAX);
        assert_eq!(read(&mut Replies::new(), many.as_bytes()).1, Some(RespError::TooDeep));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            "[ -~]{0,12}".prop_map(|text| Value::Simple(text.into())),
            "[ -~]{0,12}".prop_map(|text| Value::Error(text.into())),
            any::<i64>().prop_map(Value::Integer),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bulk),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 20, 4, |inner| proptest::collection::vec(inner, 0..4).prop_map(Value::Array))
    }

    fn write(out: &mut Out<'_>, value: &Value) {
        let text = |text: &[u8]| alloc::string::String::from_utf8(text.to_vec()).unwrap();
        match value {
            Value::Simple(line) => out.simple(&text(line)),
            Value::Error(line) => out.error_code(text(line)),
            Value::Integer(number) => out.integer(*number),
            Value::Bulk(bytes) => out.bulk(bytes),
            Value::Null => out.null(),
            Value::Array(values) => {
                out.array(values.len());
                values.iter().for_each(|value| write(out, value));
            }
        }
    }

    proptest! {
        #![proptest_config(few())]

        #[test]
        fn what_is_written_reads_the_same_in_any_cut(
            values in proptest::collection::vec(any_value(), 0..4),
            three: bool,
            cut in 1_usize..12,
        ) {
            let resp = if three { Resp::Three } else { Resp::Two };
            let mut stream = Vec::new();
            values.iter().for_each(|value| write(&mut Out::new(&mut stream, resp), value));
            let mut replies = Replies::new();
            let said: Vec<_> = stream.chunks(cut).flat_map(|piece| read(&mut replies, piece).0).collect();
            prop_assert_eq!(said, values);
            prop_assert_eq!((replies.consumed(), replies.held()), (stream.len() as u64, 0));
        }

        #[test]
        fn any_bytes_are_replies_or_an_error(
            stream in "([*$:+=%_-][0-9]{0,2}|\r\n|\\PC){0,60}",
            cut in 1_usize..9,
        ) {
            let whole = read(&mut Replies::new(), stream.as_bytes());
            let mut replies = Replies::new();
            let mut said = Vec::new();
            let mut error = None;
            for piece in stream.as_bytes().chunks(cut) {
                let (more, last) = read(&mut replies, piece);
                said.extend(more);
                error = last;
            }
            prop_assert_eq!((said, error), whole);
        }
    }
}
