//! Where two traces of one seed part.

use super::Line;

/// The first line at which two traces differ, with a few lines before it; `None` if they agree.
#[must_use]
pub fn first_difference(one: &[Line], other: &[Line]) -> Option<String> {
    let same = one.iter().zip(other).take_while(|(left, right)| left == right).count();
    if same == one.len() && same == other.len() {
        return None;
    }
    let mut text = format!("the traces agree for {same} lines, then differ:\n");
    for line in &one[same.saturating_sub(3)..same] {
        text.push_str(&format!("      {line}\n"));
    }
    for (run, lines) in [("1st", one), ("2nd", other)] {
        match lines.get(same) {
            Some(line) => text.push_str(&format!("  {run} {line}  [{:016x}]\n", line.hash)),
            None => text.push_str(&format!("  {run} (ended)\n")),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::moment::Moment;

    fn line(at: u64, kind: &str) -> Line {
        let (columns, text) = (String::new(), String::new());
        Line { at: Moment(at), host: None, columns, kind: kind.to_owned(), text, hash: at }
    }

    #[test]
    fn the_first_difference_is_shown_with_what_came_before() {
        let one = [line(1, "a"), line(2, "b")];
        let other = [line(1, "a"), line(3, "b")];
        let shown = first_difference(&one, &other).unwrap_or_default();
        assert!(
            shown.contains("agree for 1 lines") && shown.contains("0.000002") && shown.contains("0.000003")
        );
        assert_eq!(first_difference(&one, &one), None);
        assert!(first_difference(&one, &one[..1]).unwrap_or_default().contains("(ended)"));
    }
}
