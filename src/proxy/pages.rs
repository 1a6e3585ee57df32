//! The pages that a browser shows at the redirect URI: self-contained, no script, no external resource, no code
//! and no token on them.

use crate::model::callback::CallbackOutcome;

/// What the page may load: nothing. Its style is inline.
pub(super) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page in words.
struct Page {
    title: &'static str,
    /// The colour of the mark: done, refused, neither.
    tone: &'static str,
    mark: &'static str,
    paragraphs: Vec<String>,
}

/// The page for an outcome, as HTML.
pub(super) fn for_outcome(outcome: &CallbackOutcome) -> String {
    render(&match outcome {
        CallbackOutcome::SignedIn => Page {
            title: "Signed in",
            tone: "good",
            mark: "✓",
            paragraphs: vec![
                "mcp-proxy is signed in and keeps the login fresh by itself.".to_owned(),
                "You can close this page.".to_owned(),
            ],
        },
        CallbackOutcome::NotExpected => Page {
            title: "No login is waiting",
            tone: "plain",
            mark: "?",
            paragraphs: vec![
                "mcp-proxy did not expect this answer here, and nothing was changed.".to_owned(),
                "If a terminal asks for the authorization code, copy the whole address of this page and paste it there."
                    .to_owned(),
                "Otherwise begin again with: mcp-proxy login".to_owned(),
            ],
        },
        CallbackOutcome::Denied { error, description } => {
            let mut paragraphs = vec![match error.as_str() {
                "access_denied" => "The permission was refused, so mcp-proxy is not signed in.".to_owned(),
                other => format!("The sign-in page answered {other}, so mcp-proxy is not signed in."),
            }];
            paragraphs.extend(description.iter().map(|text| format!("It says: {text}")));
            paragraphs.push("To try again, run: mcp-proxy login".to_owned());
            Page { title: "Not signed in", tone: "bad", mark: "✕", paragraphs }
        }
        CallbackOutcome::Failed { reason } => Page {
            title: "Not signed in",
            tone: "bad",
            mark: "✕",
            paragraphs: vec![reason.clone(), "To try again, run: mcp-proxy login".to_owned()],
        },
    })
}

fn render(page: &Page) -> String {
    let Page { title, tone, mark, paragraphs } = page;
    let paragraphs: String = paragraphs.iter().map(|text| format!("<p>{}</p>\n", escaped(text))).collect();
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · mcp-proxy</title>
<style>
:root {{ color-scheme: light dark; --ink: #1c1e21; --soft: #5c6470; --paper: #f6f7f9; --card: #ffffff; --line: #e1e4e8;
  --good: #1a7f47; --bad: #b3261e; --plain: #5c6470; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #eceef1; --soft: #a4acb8; --paper: #15171a; --card: #1f2226;
  --line: #33373d; --good: #4cc38a; --bad: #ff8a80; --plain: #a4acb8; }} }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }}
main {{ background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 2.2rem 2.4rem;
  max-width: 30rem; margin: 1rem; }}
h1 {{ font-size: 1.35rem; margin: 0 0 .6rem; display: flex; gap: .65rem; align-items: center; }}
h1 span {{ color: var(--{tone}); font-size: 1.5rem; line-height: 1; }}
p {{ margin: .5rem 0; overflow-wrap: anywhere; }}
footer {{ margin-top: 1.4rem; color: var(--soft); font-size: .85rem; }}
</style>
</head>
<body>
<main>
<h1><span aria-hidden="true">{mark}</span>{title}</h1>
{paragraphs}<footer>mcp-proxy</footer>
</main>
</body>
</html>
"#
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_words_are_text_not_markup() {
        let outcome = CallbackOutcome::Denied {
            error: "access_denied".into(),
            description: Some("<script>alert('x')</script>".into()),
        };
        let page = for_outcome(&outcome);
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"), "{page}");
        assert!(!page.contains("<script"));
    }

    #[test]
    fn b2_a_stray_callback_is_not_called_a_success() {
        let page = for_outcome(&CallbackOutcome::NotExpected);
        assert!(page.contains("No login is waiting") && !page.to_lowercase().contains("signed in"), "{page}");
    }

    #[test]
    fn pages_load_nothing() {
        for outcome in [CallbackOutcome::SignedIn, CallbackOutcome::NotExpected] {
            let page = for_outcome(&outcome);
            for loader in ["src=", "href=", "url(", "@import", "http://", "https://"] {
                assert!(!page.contains(loader), "{loader}");
            }
        }
    }
}
