//! One value of a TOML file, and what can be wrong with it.

use std::ops::{Range, RangeInclusive};

use standin_core::text::{Piece, nearest, parse_duration};
use standin_core::time::Duration;
use toml::de::DeValue;

/// A value, and how it is written.
#[derive(Debug)]
pub(super) struct Value<'a> {
    pub(super) value: &'a DeValue<'a>,
    pub(super) written: &'a str,
}

/// Why a value is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) nearest: Option<String>,
    /// Which bytes of a text are to blame; all of it otherwise.
    pub(super) part: Option<Range<usize>>,
}

impl Wrong {
    pub(super) fn says(what: impl Into<String>) -> Self {
        Self { what: what.into(), nearest: None, part: None }
    }

    pub(super) fn within(self, part: Range<usize>) -> Self {
        Self { part: Some(part), ..self }
    }

    fn meant(self, nearest: impl Into<String>) -> Self {
        Self { nearest: Some(nearest.into()), ..self }
    }
}

impl<'a> Value<'a> {
    /// As it is written, for a sentence.
    pub(super) fn quoted(&self) -> String {
        let text = self.value.as_str().unwrap_or(self.written);
        let text = text.lines().next().unwrap_or_default();
        Piece { text, line: 1, column: 1 }.quoted()
    }

    fn is_no(&self, kind: &str) -> Wrong {
        let is = match self.value {
            DeValue::String(_) => "text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a section",
        };
        Wrong::says(format!("{} is {is}, not {kind}", self.quoted()))
    }

    pub(super) fn text(&self) -> Result<&'a str, Wrong> {
        self.value.as_str().ok_or_else(|| {
            let plain = matches!(self.value, DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_));
            let wrong = self.is_no("text in quotes");
            if plain { wrong.meant(format!("\"{}\"", self.written)) } else { wrong }
        })
    }

    pub(super) fn yes_no(&self) -> Result<bool, Wrong> {
        match self.value {
            DeValue::Boolean(yes) => Ok(*yes),
            DeValue::String(text) => {
                let wrong = self.is_no("true or false");
                let text = text.to_ascii_lowercase();
                Err(match text.as_str() {
                    "yes" | "true" | "on" | "1" => wrong.meant("true"),
                    "no" | "false" | "off" | "0" => wrong.meant("false"),
                    _ => wrong,
                })
            }
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => Err(self.is_no("true or false")),
        }
    }

    pub(super) fn number(&self, within: RangeInclusive<u64>) -> Result<u64, Wrong> {
        let Some(number) = self.value.as_integer() else {
            let wrong = self.is_no("a whole number");
            let bare = self.value.as_str().filter(|text| text.parse::<u64>().is_ok());
            return Err(match bare {
                Some(text) => wrong.meant(text),
                None => wrong,
            });
        };
        let number = u64::from_str_radix(number.as_str(), number.radix()).ok();
        number.filter(|number| within.contains(number)).ok_or_else(|| {
            let (least, most) = within.into_inner();
            Wrong::says(format!("{} is not from {least} to {most}", self.quoted()))
        })
    }

    pub(super) fn duration(&self) -> Result<Duration, Wrong> {
        // Redis counts most of its times in milliseconds, and some in seconds.
        if let DeValue::Integer(_) = self.value {
            let ms = format!("\"{}ms\"", self.written);
            return Err(Wrong::says(format!("{} has no unit", self.quoted())).meant(ms));
        }
        let text = self.text()?;
        parse_duration(text).map_err(|wrong| {
            Wrong::says(format!("{} is not a duration: {}", self.quoted(), wrong.why))
                .within(wrong.start..wrong.end)
        })
    }
}

/// One of a few words.
pub(super) fn word(value: &Value<'_>, words: &[&'static str]) -> Result<&'static str, Wrong> {
    let text = value.text()?;
    words.iter().copied().find(|&word| word == text).ok_or_else(|| {
        let wrong = Wrong::says(format!("{} is none of them", value.quoted()));
        match nearest(text, words.iter().copied()) {
            Some(word) => wrong.meant(format!("\"{word}\"")),
            None => wrong,
        }
    })
}
