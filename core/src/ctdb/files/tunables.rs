//! The tunables file: a `Name=value` a line.
//!
//! Values are integers in C notation (`10`, `0x0a`, `012`), blanks around the `=` do not count,
//! lines that begin with `#` or `;` are comments, there are no sections. A name set twice has
//! the last value. Obsolete tunables are refused, although the wire still takes them.
//!
//! ctdbd 4.17 starts with what it could set of a wrong file. A daemon that wants to do the same
//! uses [`parse_lenient`] and logs the problems; everything else uses [`parse`].

use alloc::format;

use super::{from_here, text_of};
use crate::ctdb::tunables::{self, TUNABLES, Tunables};
use crate::text::{Piece, Problem, Problems, lines};

const EXPECTED_LINE: &str = "`Name=value`";
const EXPECTED_VALUE: &str = "a number from 0 to 4294967295";

/// Reads a tunables file; what it does not name has its default.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(file: &[u8]) -> Result<Tunables, Problems> {
    let (tunables, problems) = parse_lenient(file);
    problems.into_result(tunables)
}

/// Reads a tunables file: what could be set, and everything that could not. A wrong line leaves
/// its tunable at its default.
#[must_use]
pub fn parse_lenient(file: &[u8]) -> (Tunables, Problems) {
    parse_again(file, &Tunables::default())
}

/// Reads a tunables file again: a wrong line leaves its tunable as it was, a wrong file all of them.
#[must_use]
pub fn parse_again(file: &[u8], was: &Tunables) -> (Tunables, Problems) {
    let mut tunables = Tunables::default();
    let text = match text_of(file) {
        Ok(text) => text,
        Err(problem) => return (was.clone(), problem.into()),
    };
    let mut problems = Problems::new();
    let said = |line: &Piece<'_>| !line.text.is_empty() && !line.text.starts_with(['#', ';']);
    for line in lines(&text).map(Piece::trim).filter(said) {
        let wrong = match assignment(line) {
            Ok((name, value)) => match (known(name), number(value)) {
                (Ok(name), Ok(value)) => {
                    let set = tunables.set(name, value);
                    assert!(set == Ok(tunables::SetOutcome::Set), "{name} was known");
                    continue;
                }
                (name, value) => [name.err(), value.err()],
            },
            Err(problem) => [Some(problem), None],
        };
        wrong.into_iter().flatten().for_each(|problem| problems.push(problem));
        let meant = line.text.split(|c: char| c == '=' || c.is_whitespace()).next().unwrap_or_default();
        if let Some(old) = was.get(meant) {
            // An obsolete one has no value to keep.
            let _obsolete = tunables.set(meant, old);
        }
    }
    (tunables, problems)
}

fn assignment(line: Piece<'_>) -> Result<(Piece<'_>, Piece<'_>), Problem> {
    if line.text.starts_with('[') {
        return Err(line
            .problem(format!("{} is a section, there are none in this file", line.quoted()), EXPECTED_LINE));
    }
    let Some((name, value)) = line.split_once('=') else {
        let mut words = line.words();
        let name = words.next().unwrap_or(line);
        let meant = tunables::position(name.text)
            .zip(words.next().filter(|value| words.next().is_none() && number(*value).is_ok()))
            .map(|(at, value)| format!("{}={}", TUNABLES[at].name, value.text));
        return Err(line.problem("the `=` is missing", EXPECTED_LINE).or_nearest(meant));
    };
    let (name, value) = (name.trim(), value.trim());
    if name.text.is_empty() {
        return Err(line.problem("the name is missing", EXPECTED_LINE));
    }
    if value.text.is_empty() {
        return Err(line.end().problem("the value is missing", EXPECTED_VALUE));
    }
    Ok((name, value))
}

/// The tunable in use that is called `name`.
fn known(name: Piece<'_>) -> Result<&'static str, Problem> {
    let Some(at) = tunables::position(name.text) else {
        return Err(name
            .problem(format!("{} is not a tunable", name.quoted()), "the name of a tunable")
            .or_nearest(tunables::nearest(name.text)));
    };
    let tunable = TUNABLES[at];
    if !tunable.obsolete {
        return Ok(tunable.name);
    }
    Err(name.problem(format!("{} is obsolete, it decides nothing", name.quoted()), heir(tunable.name)))
}

/// What replaces an obsolete tunable, if anything does.
fn heir(obsolete: &str) -> &'static str {
    match obsolete {
        "DeterministicIPs" | "LCP2PublicIPs" => {
            "`IPAllocAlgorithm`: 0 for deterministic, 1 for not deterministic, 2 for LCP2"
        }
        "DisableIPFailover" => "`disabled` in section `[failover]` of ctdb.conf",
        _ => "no such line: nothing has taken its place",
    }
}

/// A number in C notation.
fn number(value: Piece<'_>) -> Result<u32, Problem> {
    if let Some(comment) = value.words().skip(1).find(|word| word.text.starts_with(['#', ';'])) {
        return Err(from_here(value, comment).problem(
            format!("{} behind the value", from_here(value, comment).quoted()),
            "nothing: a comment has a line of its own",
        ));
    }
    let (digits, radix, notation) = match value.text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&value.text[2..], 16, "hexadecimal digits behind `0x`"),
        [b'0', _, ..] => (&value.text[1..], 8, "octal digits behind a leading `0`"),
        _ => (value.text, 10, EXPECTED_VALUE),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(no_number(value, notation));
    }
    u32::from_str_radix(digits, radix)
        .map_err(|_| value.problem(format!("{} is too large", value.quoted()), EXPECTED_VALUE))
}

fn no_number(value: Piece<'_>, notation: &str) -> Problem {
    let word = value.quoted();
    let problem = |what| value.problem(what, notation);
    let alone = value.text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if value.duration().is_ok() && alone.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.problem(format!("{word} has a unit"), "the number alone").or_nearest(Some(alone));
    }
    if value.text.strip_prefix('-').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
        return problem(format!("{word} is negative"));
    }
    problem(format!("{word} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctdb::tunables::Tunable;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn changed(file: &str) -> Vec<(&'static str, u32)> {
        parse(file.as_bytes()).unwrap().changed().collect()
    }

    #[test]
    fn names_get_their_values() {
        assert_eq!(changed(""), []);
        assert_eq!(
            changed(
                "# quick\n; very\n\n  KeepaliveInterval=0x1\r\nkeepalivelimit =\t010\n\
                 RecoveryBanPeriod = 0XfF\nMonitorInterval=4294967295\nMonitorTimeoutCount=7\n\
                 MonitorTimeoutCount=9\nEnableBans=0\nIPAllocAlgorithm=2"
            ),
            [
                ("KeepaliveInterval", 1),
                ("KeepaliveLimit", 8),
                ("MonitorInterval", u32::MAX),
                ("MonitorTimeoutCount", 9),
                ("RecoveryBanPeriod", 255),
                ("EnableBans", 0),
            ]
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_in_one_go() {
        let file = "\
[tunables]
KeepAliveIntervall=5
MonitorInterval = 20s
LCP2PublicIPs=1
RecoverTimeout 30
ElectionTimeout=
EnableBans=0 # never
KeepaliveLimit=4
";
        let (tunables, problems) = parse_lenient(file.as_bytes());
        assert!(tunables.changed().eq([("KeepaliveLimit", 4)]));
        assert_eq!(parse(file.as_bytes()), Err(problems.clone()));
        assert_eq!(
            problems.render("ctdb.tunables", file),
            "\
ctdb.tunables:1:1: `[tunables]` is a section, there are none in this file
  1 | [tunables]
    | ^^^^^^^^^^
    = expected `Name=value`

ctdb.tunables:2:1: `KeepAliveIntervall` is not a tunable
  2 | KeepAliveIntervall=5
    | ^^^^^^^^^^^^^^^^^^
    = expected the name of a tunable
    = did you mean `KeepaliveInterval`?

ctdb.tunables:3:19: `20s` has a unit
  3 | MonitorInterval = 20s
    |                   ^^^
    = expected the number alone
    = did you mean `20`?

ctdb.tunables:4:1: `LCP2PublicIPs` is obsolete, it decides nothing
  4 | LCP2PublicIPs=1
    | ^^^^^^^^^^^^^
    = expected `IPAllocAlgorithm`: 0 for deterministic, 1 for not deterministic, 2 for LCP2

ctdb.tunables:5:1: the `=` is missing
  5 | RecoverTimeout 30
    | ^^^^^^^^^^^^^^^^^
    = expected `Name=value`
    = did you mean `RecoverTimeout=30`?

ctdb.tunables:6:17: the value is missing
  6 | ElectionTimeout=
    |                 ^
    = expected a number from 0 to 4294967295

ctdb.tunables:7:14: `# never` behind the value
  7 | EnableBans=0 # never
    |              ^^^^^^^
    = expected nothing: a comment has a line of its own
"
        );
    }

    #[test]
    fn each_mistake_has_its_own_words() {
        for (file, expected) in [
            ("EnableBans=-1", &["1:12: `-1` is negative"][..]),
            ("EnableBans=+1", &["1:12: `+1` is not a number"]),
            ("EnableBans=4294967296", &["1:12: `4294967296` is too large"]),
            ("EnableBans=0x100000000", &["1:12: `0x100000000` is too large"]),
            ("EnableBans=0x", &["1:12: `0x` is not a number"]),
            ("EnableBans=0x+1", &["1:12: `0x+1` is not a number"]),
            ("EnableBans=09", &["1:12: `09` is not a number"]),
            ("EnableBans=yes", &["1:12: `yes` is not a number"]),
            ("EnableBans=1 2", &["1:12: `1 2` is not a number"]),
            ("EnableBans==1", &["1:12: `=1` is not a number"]),
            ("=1", &["1:1: the name is missing"]),
            ("EnableBans", &["1:1: the `=` is missing"]),
            ("Bogus=x", &["1:1: `Bogus` is not a tunable", "1:7: `x` is not a number"]),
            ("DisableIPFailover=1", &["1:1: `DisableIPFailover` is obsolete, it decides nothing"]),
        ] {
            let (tunables, problems) = parse_lenient(file.as_bytes());
            assert_eq!(tunables, Tunables::default());
            let found: Vec<_> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(found.len(), expected.len(), "{problems}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(&format!("{expected} (")), "{found}");
            }
        }
    }

    #[test]
    fn read_again_a_wrong_line_leaves_its_tunable_as_it_was() {
        let (was, _) = parse_lenient(b"KeepaliveLimit=7\nMonitorInterval=9\nRecoverInterval=3\n");
        for line in ["KeepaliveLimit=7x", "keepalivelimit 8", "KeepaliveLimit=", "KeepaliveLimit"] {
            let (read, problems) = parse_again(format!("{line}\nMonitorInterval=4\n").as_bytes(), &was);
            assert_eq!(problems.iter().count(), 1, "{line}");
            let of = |name| read.get(name).unwrap();
            assert_eq!((of("KeepaliveLimit"), of("MonitorInterval")), (7, 4), "{line}");
            assert_eq!(of("RecoverInterval"), Tunables::default().get("RecoverInterval").unwrap());
        }
        assert_eq!(parse_again(&b"MonitorInterval=4\n".repeat(1 << 16), &was).0, was);
    }

    #[test]
    fn obsolete_tunables_are_told_their_heirs() {
        for tunable in TUNABLES.iter().filter(|tunable| tunable.obsolete) {
            let problems = parse(format!("{}=1", tunable.name).as_bytes()).unwrap_err();
            assert!(problems.to_string().contains("is obsolete"), "{problems}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_value_of_any_tunable_is_read(at in 0..tunables::COUNT, value: u32) {
            let Tunable { name, obsolete, .. } = TUNABLES[at];
            for value_text in [format!("{value}"), format!("{value:#x}"), format!("0{value:o}")] {
                let (read, problems) = parse_lenient(format!("{name}={value_text}").as_bytes());
                prop_assert_eq!(problems.is_empty(), !obsolete);
                prop_assert!(obsolete || read.get(name) == Some(value));
            }
        }

        #[test]
        fn no_file_breaks_the_reading(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _: String = parse_lenient(&file).1.render("ctdb.tunables", &file);
        }

        #[test]
        fn no_likely_file_breaks_the_reading(file in "((EnableBans|x| )?[=;#\\[ ]?[0-9a-fx+-]{0,12}s?\n){0,6}") {
            let _ = parse_lenient(file.as_bytes()).1.render("ctdb.tunables", &file);
        }
    }
}
