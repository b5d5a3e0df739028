//! Where two texts differ, line by line.

/// Lines shown around a difference.
const AROUND: usize = 2;
/// Pairs of lines compared to find the shortest difference; beyond, it is old against new.
const PAIRS_MAX: usize = 4_000_000;

/// A line of one text, of the other, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit<'a> {
    Same(&'a str),
    Gone(&'a str),
    Came(&'a str),
}

/// The lines that differ: `-` only in the old text, `+` only in the new one, a few common lines
/// around them. After `lines_max` lines only the number of those left is told. `None` if the
/// texts agree.
#[must_use]
pub fn difference(old: &str, new: &str, lines_max: usize) -> Option<String> {
    if old == new {
        return None;
    }
    let edits = edits(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let changed: Vec<_> = edits.iter().map(|edit| !matches!(edit, Edit::Same(_))).collect();
    if !changed.contains(&true) {
        return Some("  (the lines agree, their ends do not)\n".to_owned());
    }
    let near = |at: usize| {
        let (first, last) = (at.saturating_sub(AROUND), (at + AROUND + 1).min(changed.len()));
        changed[first..last].contains(&true)
    };
    let (mut text, mut shown, mut left, mut gap) = (String::new(), 0, 0, false);
    for (at, edit) in edits.iter().enumerate() {
        if !near(at) {
            gap = true;
            continue;
        }
        if shown == lines_max {
            left += usize::from(changed[at]);
            continue;
        }
        if std::mem::take(&mut gap) {
            text.push_str("  …\n");
        }
        let (mark, line) = match edit {
            Edit::Same(line) => (' ', line),
            Edit::Gone(line) => ('-', line),
            Edit::Came(line) => ('+', line),
        };
        text.push_str(&format!("  {mark} {line}\n"));
        shown += 1;
    }
    if left > 0 {
        text.push_str(&format!("  … and {left} more lines that differ\n"));
    }
    Some(text)
}

fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Edit<'a>> {
    let before = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    let (mine, yours) = (&old[before..], &new[before..]);
    let after = mine.iter().rev().zip(yours.iter().rev()).take_while(|(one, other)| one == other).count();
    let (mine, yours) = (&mine[..mine.len() - after], &yours[..yours.len() - after]);
    let mut edits: Vec<_> = old[..before].iter().map(|&line| Edit::Same(line)).collect();
    if mine.len().saturating_mul(yours.len()) <= PAIRS_MAX {
        shortest(mine, yours, &mut edits);
    } else {
        edits.extend(mine.iter().map(|&line| Edit::Gone(line)));
        edits.extend(yours.iter().map(|&line| Edit::Came(line)));
    }
    edits.extend(old[old.len() - after..].iter().map(|&line| Edit::Same(line)));
    edits
}

/// By the longest common subsequence.
fn shortest<'a>(old: &[&'a str], new: &[&'a str], edits: &mut Vec<Edit<'a>>) {
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            edits.push(Edit::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            edits.push(Edit::Gone(old[i]));
            i += 1;
        } else {
            edits.push(Edit::Came(new[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_lines_are_shown_among_their_neighbours() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\n";
        let new = "a\nb\nc\nx\ne\nf\ng\nh\ni\nj\n";
        let shown = difference(old, new, 20).unwrap_or_default();
        assert_eq!(shown, "  …\n    b\n    c\n  - d\n  + x\n    e\n    f\n  …\n    h\n    i\n  + j\n");
        assert_eq!(difference(old, old, 20), None);
    }

    #[test]
    fn long_differences_are_cut_and_counted() {
        let (old, new) = ("a\n".repeat(10), "b\n".repeat(10));
        let shown = difference(&old, &new, 3).unwrap_or_default();
        assert_eq!(shown, "  - a\n  - a\n  - a\n  … and 17 more lines that differ\n");
        let (old, new) = ("a\n".repeat(3_000), "b\n".repeat(3_000));
        let shown = difference(&old, &new, 1).unwrap_or_default();
        assert_eq!(shown, "  - a\n  … and 5999 more lines that differ\n");
    }

    #[test]
    fn only_the_end_of_the_last_line_may_differ() {
        assert_eq!(difference("a\n", "a", 9).as_deref(), Some("  (the lines agree, their ends do not)\n"));
    }
}
