//! Text becomes roff, the language of man pages: single strings, and the Markdown that the documents are written in.

/// Text that means nothing to roff, on one line or more.
pub(crate) fn text(plain: &str) -> String {
    let lines = plain.lines().map(|line| {
        let escaped: String = line.chars().map(character).collect();
        // A line that begins so would be a request.
        if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn character(c: char) -> String {
    match c {
        '\\' => "\\e".to_owned(),
        '-' => "\\-".to_owned(),
        '\'' => "\\(aq".to_owned(),
        '~' => "\\(ti".to_owned(),
        '^' => "\\(ha".to_owned(),
        '`' => "\\(ga".to_owned(),
        c if c.is_ascii() => c.to_string(),
        c => format!("\\[u{:04X}]", c as u32),
    }
}

/// Text in bold face.
pub(crate) fn bold(plain: &str) -> String {
    format!("\\fB{}\\fR", text(plain))
}

/// The first line of a page.
pub(crate) fn title(name: &str, section: u8) -> String {
    format!(
        ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH {name} {section} \"\" \"mcp-proxy {}\"\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// The heading of a section.
pub(crate) fn section(heading: &str) -> String {
    format!(".SH \"{}\"\n", heading.to_uppercase())
}

/// A paragraph that begins with a term and goes on indented.
pub(crate) fn entry(term: &str, body: &str) -> String {
    format!(".TP\n{term}\n{body}\n")
}

/// A document, or a part of one. Of Markdown it knows what the documents use: headings, paragraphs, fenced blocks,
/// lists, tables whose first column is a term, and the marks within a line.
pub(crate) fn markdown(document: &str) -> String {
    let (mut out, mut lines) = (String::new(), document.lines().peekable());
    let mut in_paragraph = false;
    while let Some(line) = lines.next() {
        let begins = !in_paragraph;
        in_paragraph = false;
        if let Some(heading) = line.strip_prefix("### ") {
            out += &format!(".SS \"{}\"\n", text(heading));
        } else if let Some(heading) = line.strip_prefix("## ") {
            out += &section(&text(heading));
        } else if line.starts_with("```") {
            out += ".PP\n.RS 4\n.nf\n";
            for code in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                out += &format!("{}\n", text(code));
            }
            out += ".fi\n.RE\n";
        } else if let Some(item) = line.strip_prefix("- ") {
            out += &format!(".IP \\(bu 2\n{}\n", inline(item));
            in_paragraph = true;
        } else if let Some(row) = line.strip_prefix("| ") {
            let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
            let ruler = lines.next_if(|next| next.starts_with("|--"));
            if ruler.is_none() {
                let (term, rest) = cells.split_first().unwrap_or((&"", &[]));
                out += &entry(&format!("\\fB{}\\fR", inline(&term.replace('`', ""))), &inline(&rest.join(". ")));
            }
        } else if !line.is_empty() {
            if begins {
                out += ".PP\n";
            }
            out += &format!("{}\n", inline(line.trim_start()));
            in_paragraph = true;
        }
    }
    out
}

/// The marks within a line: code and strong words become bold, a link its text.
fn inline(line: &str) -> String {
    let mut out = String::new();
    for (index, part) in line.replace("**", "`").split('`').enumerate() {
        if index % 2 == 1 {
            out += &bold(part);
            continue;
        }
        let mut rest = part;
        while let Some((before, linked)) = rest.split_once('[') {
            let Some((label, target)) = linked.split_once("](") else { break };
            out += &text(&format!("{before}{label}"));
            rest = target.split_once(')').map_or("", |(_, after)| after);
        }
        // A dot in the middle of a line is a dot.
        out += text(rest).strip_prefix("\\&").unwrap_or(&text(rest));
    }
    if out.starts_with('.') { format!("\\&{out}") } else { out }
}

#[test]
fn what_roff_would_obey_is_only_text() {
    assert_eq!(text(".PP\n\\fBx\n'a-b"), "\\&.PP\n\\efBx\n\\(aqa\\-b");
    assert_eq!(text("…"), "\\[u2026]");
}

#[test]
fn markdown_becomes_a_page() {
    let page = markdown("## Two words\n\nA `code` and [a link](x.md).\nMore.\n\n```sh\n.x\n```\n\n- one\n  two\n");
    let expected = ".SH \"TWO WORDS\"\n.PP\nA \\fBcode\\fR and a link.\nMore.\n.PP\n.RS 4\n.nf\n\\&.x\n.fi\n.RE\n\
                    .IP \\(bu 2\none\ntwo\n";
    assert_eq!(page, expected);
    assert_eq!(markdown("| Code | Meaning |\n|---|---|\n| `64` | No. |\n"), ".TP\n\\fB64\\fR\nNo.\n");
}
