//! Complaints as people read them.

use super::*;
use alloc::string::ToString;
use proptest::prelude::*;

fn line(text: &str) -> Piece<'_> {
    Piece { text, line: 1, column: 1 }
}

#[test]
fn words_know_their_columns() {
    let text = "\u{e4}\tbc  d\r\n\n x";
    let found: Vec<_> =
        lines(text).flat_map(Piece::words).map(|word| (word.text, word.line, word.column)).collect();
    assert_eq!(found, [("\u{e4}", 1, 1), ("bc", 1, 3), ("d", 1, 7), ("x", 3, 2)]);
}

#[test]
fn pieces_are_cut_and_keep_their_place() {
    let text = line("  name = a,,b # why  ");
    let (name, value) = text.before_comment(&['#', ';']).split_once('=').unwrap();
    assert_eq!((name.trim().text, name.trim().column), ("name", 3));
    let values: Vec<_> = value.trim().split(',').map(|piece| (piece.text, piece.column)).collect();
    assert_eq!(values, [("a", 10), ("", 12), ("b", 13)]);
    assert_eq!(text.trim().end().column, 20);
    assert_eq!(line("").trim().text, "");
    assert_eq!(line(" \t ").trim().text, "");
}

#[test]
fn a_problem_is_shown_in_its_line() {
    let source = "keep 1\n\tkeeqalive\t5s # why\n";
    let word = lines(source).nth(1).unwrap().words().next().unwrap();
    let mut problems = Problems::from(
        word.problem(format!("{} is no word", word.quoted()), "a word")
            .or_nearest(nearest(word.text, ["keepalive", "keep"])),
    );
    let last = lines(source).next().unwrap();
    problems.push(last.end().problem("the unit is missing", "`1s`"));
    assert_eq!(
        problems.render("a.scn", source),
        "\
a.scn:2:2: `keeqalive` is no word
  2 |     keeqalive    5s # why
    |     ^^^^^^^^^
    = expected a word
    = did you mean `keepalive`?

a.scn:1:7: the unit is missing
  1 | keep 1
    |       ^
    = expected `1s`
"
    );
    assert_eq!(
        problems.to_string(),
        "2:2: `keeqalive` is no word (expected a word; did you mean `keepalive`?)\n\
             1:7: the unit is missing (expected `1s`)"
    );
}

#[test]
fn long_lines_are_cut_around_the_span() {
    let source = format!("{} here {}", "a".repeat(50_000), "b".repeat(50_000));
    let word = line(&source).words().nth(1).unwrap();
    let shown = Problems::from(word.problem("no", "yes")).render("f", &source);
    assert_eq!(
        shown,
        format!(
            "f:1:50002: no\n  1 | …{} here {}…\n    | {}^^^^\n    = expected yes\n",
            "a".repeat(29),
            "b".repeat(65),
            " ".repeat(31)
        )
    );
    let whole = Problems::from(line(&source).problem("no", "yes")).render("f", &source);
    assert!(whole.contains(&format!("| {}\n", "^".repeat(100))), "{whole}");
    assert!(line(&source).quoted().chars().count() < 50);
}

#[test]
fn a_terminal_is_shown_no_control_characters() {
    let source = b"a\x1b[2J\xff b\xe2\x80\xae";
    let problem = line("a\x1b").problem(format!("{} no", line("a\x1b\u{202e}").quoted()), "yes");
    let shown = Problems::from(problem).render("f", source);
    assert_eq!(shown, "f:1:1: `a��` no\n  1 | a�[2J� b�\n    | ^^\n    = expected yes\n");
}

#[test]
fn only_the_first_problems_are_shown() {
    let mut problems = Problems::new();
    for line in 1..=25 {
        problems.push(Piece { text: "", line, column: 1 }.problem(format!("no {line}"), "yes"));
    }
    assert_eq!(problems.len(), 25);
    let shown = problems.render("f", "");
    assert!(shown.contains("f:20:1: no 20") && !shown.contains("no 21"), "{shown}");
    assert!(shown.ends_with("\n… and 5 more in f\n"), "{shown}");
    assert!(problems.to_string().ends_with("\n… and 5 more"));
}

#[test]
fn what_a_terminal_would_obey_is_told_without_it() {
    let problem = line("a").problem("\u{1b}[2J is wrong", "\u{202e}b").or_nearest(Some("c\u{7}\td"));
    let told = "1:1: \u{fffd}[2J is wrong (expected \u{fffd}b; did you mean `c\u{fffd} d`?)";
    assert_eq!(problem.to_string(), told);
    let shown = Problems::from(problem).render("f", "a\n");
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}', '\t']), "{shown}");
}

#[test]
fn the_nearest_word_is_a_slip_away() {
    let words = ["keepalive", "KeepaliveLimit", "at", "expect", "leader"];
    for (word, expected) in [
        ("kepalive", Some("keepalive")),
        ("KEEPALIVELIMT", Some("KeepaliveLimit")),
        ("expcet", Some("expect")),
        ("ta", Some("at")),
        ("a", Some("at")),
        ("laeder", Some("leader")),
        ("ledaer!", Some("leader")),
        ("xxpxcx", None),
        ("q", None),
        ("", None),
    ] {
        assert_eq!(nearest(word, words), expected, "{word}");
    }
    assert_eq!(nearest(&"a".repeat(100_000), words), None);
}

#[test]
fn distance_counts_slips() {
    for (from, to, slips) in
        [("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3), ("ca", "abc", 3)]
    {
        assert_eq!(distance(&lower(from), &lower(to)), slips, "{from} {to}");
        assert_eq!(distance(&lower(to), &lower(from)), slips, "{to} {from}");
    }
}

#[test]
fn durations_are_read_exactly() {
    for (text, micros) in [
        ("30s", 30_000_000),
        ("250ms", 250_000),
        ("1.5s", 1_500_000),
        ("2m", 120_000_000),
        ("1h", 3_600_000_000),
        ("150us", 150),
        ("2m30s", 150_000_000),
        ("1h0.5s", 3_600_500_000),
        ("0s", 0),
        ("0.000001s", 1),
        ("1.0000000000000000000000s", 1_000_000),
        ("0.0000000025h", 9),
        ("18446744073709551615us", u64::MAX),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_micros(micros)), "{text}");
    }
}

#[test]
fn what_is_no_duration_says_where() {
    use DurationFault::*;
    for (text, start, end, why) in [
        ("", 0, 0, NumberMissing),
        ("s", 0, 1, NumberMissing),
        (".5s", 0, 1, NumberMissing),
        ("1.s", 2, 3, NumberMissing),
        ("-1s", 0, 1, NumberMissing),
        ("30", 0, 2, UnitMissing),
        ("2m30", 2, 4, UnitMissing),
        ("1.2.3s", 0, 3, UnitMissing),
        ("30sec", 2, 5, UnitUnknown),
        ("30 s", 2, 4, UnitUnknown),
        ("1\u{b5}s", 1, 4, UnitUnknown),
        ("1s2m", 3, 4, UnitOrder),
        ("1s1s", 3, 4, UnitOrder),
        ("1.5m30s", 0, 4, FractionInside),
        ("0.5us", 0, 5, TooFine),
        ("1.0000001s", 0, 10, TooFine),
        ("1.00000000000000000000000000001h", 0, 32, TooFine),
        ("18446744073709551616us", 0, 22, TooLong),
        ("9999999999h", 0, 11, TooLong),
        ("5124095576h30m", 11, 14, TooLong),
    ] {
        assert_eq!(parse_duration(text), Err(DurationError { start, end, why }), "{text}");
    }
    assert_eq!(
        Problems::from(line("2m30").duration().unwrap_err()).render("a.scn", "2m30"),
        "\
a.scn:1:3: `2m30` is not a duration: the unit is missing
  1 | 2m30
    |   ^^
    = expected a number with a unit of h, m, s, ms or us: `30s`, `1.5s`, `250ms`, `2m30s`
"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn durations_read_back_as_printed(micros: u64) {
        let span = Duration::from_micros(micros);
        prop_assert_eq!(parse_duration(&span.to_string()), Ok(span));
    }

    #[test]
    fn no_text_breaks_the_cutting(text in "[0-9.hmsu \\t#=,\u{e4}\\PC]{0,40}") {
        let _ = parse_duration(&text);
        for piece in lines(&text).flat_map(|line| line.before_comment(&['#']).words()) {
            let _ = (piece.duration(), piece.split(',').count(), nearest(piece.text, ["keepalive"]));
        }
    }

    #[test]
    fn no_source_breaks_the_showing(
        source in proptest::collection::vec(any::<u8>(), 0..300),
        line in 1_usize..5, column in 1_usize..300, width in 1_usize..300,
    ) {
        let problem = Problem {
            line, column, width, what: "no".into(), expected: "yes".into(), nearest: None,
        };
        let _ = Problems::from(problem.clone()).render("f", &source);
        let far = Problem { line: usize::MAX, column: usize::MAX, width: usize::MAX, ..problem.clone() };
        let _ = Problems::from(far).render("f", &source);
        let wide = Problem { column: usize::MAX, width: usize::MAX, ..problem };
        let _ = Problems::from(wide).render("f", &source);
    }
}
