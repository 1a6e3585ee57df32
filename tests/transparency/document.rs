//! `docs/TRANSPARENCY.md` shows the list that the cases are held to.

use std::fmt::Write as _;

use crate::changes::{BESIDE_HEADERS, Change, TO_CLIENT, TO_UPSTREAM};

fn table(changes: &[Change]) -> String {
    changes.iter().fold("| Header | | Why |\n|---|---|---|\n".to_owned(), |mut table, change| {
        let _ = writeln!(table, "| `{}` | {} | {} |", change.header, change.what.in_words(), change.why);
        table
    })
}

#[test]
fn the_document_shows_what_the_cases_are_held_to() {
    let document = include_str!("../../docs/TRANSPARENCY.md");
    let beside = BESIDE_HEADERS.iter().fold("| | Why |\n|---|---|\n".to_owned(), |mut table, (what, why)| {
        let _ = writeln!(table, "| {what} | {why} |");
        table
    });
    for (heading, table) in
        [("Request headers", table(TO_UPSTREAM)), ("Answer headers", table(TO_CLIENT)), ("Beside headers", beside)]
    {
        let section = document.split(&format!("\n## {heading}\n")).nth(1).expect(heading);
        let section = section.split("\n## ").next().unwrap();
        let shown = &section[section.find("| ").expect("a table")..];
        let shown = shown.split("\n\n").next().unwrap().trim_end();
        assert_eq!(shown, table.trim_end(), "{heading}");
    }
}
