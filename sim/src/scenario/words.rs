//! The words of one statement, taken one by one. What is wrong is said at the exact word.

use standin_core::text::{Piece, Problem, nearest};
use standin_core::time::Duration;

use crate::world::fault::Who;
use crate::world::moment::{HostId, Net};

/// The longest time a scenario may name: a leap year.
pub const SPAN_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);

/// Words not yet taken.
#[derive(Clone, Debug)]
pub struct Words<'s, 't> {
    words: &'s [Piece<'t>],
    next: usize,
    hosts: u32,
}

impl<'s, 't> Words<'s, 't> {
    /// The words of a statement about a cluster of so many hosts.
    ///
    /// # Panics
    /// If there are no words: a statement has at least one.
    #[must_use]
    pub fn new(words: &'s [Piece<'t>], hosts: u32) -> Self {
        assert!(!words.is_empty(), "a statement has words");
        Self { words, next: 0, hosts }
    }

    /// The next word, left where it is.
    #[must_use]
    pub fn peek(&self) -> Option<Piece<'t>> {
        self.words.get(self.next).copied()
    }

    /// The words not yet taken.
    #[must_use]
    pub fn rest(&self) -> &'s [Piece<'t>] {
        &self.words[self.next..]
    }

    /// How many hosts there are.
    #[must_use]
    pub const fn hosts(&self) -> u32 {
        self.hosts
    }

    /// That a word is missing behind those taken so far.
    #[must_use]
    pub fn missing(&self, expected: impl Into<String>) -> Problem {
        let last = self.words[self.next.saturating_sub(1)];
        last.end().problem("a word is missing here", expected)
    }

    /// Takes the next word.
    ///
    /// # Errors
    /// If there is none.
    pub fn take(&mut self, expected: &str) -> Result<Piece<'t>, Problem> {
        let word = self.peek().ok_or_else(|| self.missing(expected))?;
        self.next += 1;
        Ok(word)
    }

    /// Takes the next word if it is this one.
    pub fn take_if(&mut self, text: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.text == text);
        self.next += usize::from(found);
        found
    }

    /// Takes this word.
    ///
    /// # Errors
    /// If it is not the next.
    pub fn literal(&mut self, text: &'static str) -> Result<(), Problem> {
        let expected = format!("`{text}`");
        let word = self.take(&expected)?;
        if word.text == text {
            return Ok(());
        }
        Err(word
            .problem(format!("{} does not belong here", word.quoted()), expected)
            .or_nearest(nearest(word.text, [text])))
    }

    /// Takes a host: `n3`.
    ///
    /// # Errors
    /// If the next word names no host of the cluster.
    pub fn host(&mut self) -> Result<HostId, Problem> {
        let expected = hosts_in_words(self.hosts);
        let word = self.take(&expected)?;
        host(word, self.hosts)
    }

    /// Takes a host or `all`.
    ///
    /// # Errors
    /// If the next word is neither.
    pub fn who(&mut self) -> Result<Who, Problem> {
        let expected = format!("{}, or `all`", hosts_in_words(self.hosts));
        let word = self.take(&expected)?;
        if word.text == "all" {
            return Ok(Who::All);
        }
        host(word, self.hosts).map(Who::One).map_err(|problem| {
            let nearest = problem.nearest.or_else(|| nearest(word.text, ["all"]).map(str::to_owned));
            Problem { expected, nearest, ..problem }
        })
    }

    /// Takes a network, if one is named; otherwise it is the private one.
    ///
    /// # Errors
    /// If the next word is a network misspelt.
    pub fn net(&mut self) -> Result<Net, Problem> {
        if self.take_if("public") {
            return Ok(Net::Public);
        }
        if self.take_if("private") {
            return Ok(Net::Private);
        }
        let Some(word) = self.peek() else { return Ok(Net::Private) };
        match nearest(word.text, ["private", "public"]) {
            None => Ok(Net::Private),
            meant => Err(word
                .problem(format!("{} is not a network", word.quoted()), "`private` or `public`")
                .or_nearest(meant)),
        }
    }

    /// Takes a span of time.
    ///
    /// # Errors
    /// If the next word is none, or too long.
    pub fn span(&mut self) -> Result<Duration, Problem> {
        let word = self.take("a time: `5s`, `250ms`")?;
        span(word)
    }

    /// Takes a whole number of this range.
    ///
    /// # Errors
    /// If the next word is none.
    pub fn number(&mut self, from: u64, to: u64) -> Result<u64, Problem> {
        let expected = format!("a whole number from {from} to {to}");
        let word = self.take(&expected)?;
        let plain = word.text.bytes().all(|byte| byte.is_ascii_digit());
        match word.text.parse() {
            Ok(number) if plain && (from..=to).contains(&number) => Ok(number),
            _ if plain && !word.text.is_empty() => {
                Err(word.problem(format!("{} is out of range", word.quoted()), expected))
            }
            _ => Err(word.problem(format!("{} is not a number", word.quoted()), expected)),
        }
    }

    /// Takes a word of a table, and answers what it stands for. `what` says what it is: `a flag`.
    ///
    /// # Errors
    /// If the next word is not in the table.
    pub fn one_of<T: Copy>(&mut self, what: &str, table: &[(T, &'static str)]) -> Result<T, Problem> {
        let word = self.take(&listed(what, table))?;
        one_of(word, what, table)
    }

    /// There must be no more words.
    ///
    /// # Errors
    /// If there are.
    pub fn end(&self) -> Result<(), Problem> {
        match self.peek() {
            None => Ok(()),
            Some(word) => {
                Err(word.problem(format!("{} is one word too many", word.quoted()), "the end of the line"))
            }
        }
    }
}

/// What a word of a table stands for.
///
/// # Errors
/// If the word is not in the table.
pub fn one_of<T: Copy>(word: Piece<'_>, what: &str, table: &[(T, &'static str)]) -> Result<T, Problem> {
    let found = table.iter().find(|(_, name)| *name == word.text);
    found.map(|(value, _)| *value).ok_or_else(|| {
        word.problem(format!("{} is not {what}", word.quoted()), listed(what, table))
            .or_nearest(nearest(word.text, table.iter().map(|(_, name)| *name)))
    })
}

/// `a flag: ok, stopped, banned`.
fn listed<T>(what: &str, table: &[(T, &'static str)]) -> String {
    let names: Vec<_> = table.iter().map(|(_, name)| *name).collect();
    format!("{what}: {}", names.join(", "))
}

/// The hosts there are, for a sentence: ``a host: `n0` to `n2` ``.
#[must_use]
pub fn hosts_in_words(hosts: u32) -> String {
    match hosts {
        0 | 1 => "the only host, `n0`".to_owned(),
        _ => format!("a host: `n0` to `n{}`", hosts - 1),
    }
}

/// A host by its word: `n3`.
///
/// # Errors
/// If the word names no host of a cluster of so many.
pub fn host(word: Piece<'_>, hosts: u32) -> Result<HostId, Problem> {
    let digits = word.text.strip_prefix('n').unwrap_or_default();
    let shaped = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    if !shaped {
        let named = word.text.parse::<u32>().ok().filter(|number| *number < hosts);
        return Err(word
            .problem(format!("{} is not a host", word.quoted()), hosts_in_words(hosts))
            .or_nearest(named.map(|number| format!("n{number}"))));
    }
    match digits.parse::<u32>() {
        Ok(number) if number < hosts => Ok(HostId(number)),
        _ => Err(word.problem(format!("there is no host {}", word.quoted()), hosts_in_words(hosts))),
    }
}

/// A span of time by its word, at most [`SPAN_MAX`].
///
/// # Errors
/// If the word is none, or too long.
pub fn span(word: Piece<'_>) -> Result<Duration, Problem> {
    let span = word.duration()?;
    if span > SPAN_MAX {
        return Err(word.problem(format!("{} is too long", word.quoted()), "at most `8784h`, a year"));
    }
    Ok(span)
}
