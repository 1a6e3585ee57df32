//! The pages that a browser shows at the redirect URI: self-contained, no script, no external resource, no code
//! and no token on them.

use crate::model::callback::CallbackOutcome;
use crate::model::language::Language;
use crate::phrase::{Phrase, pages};

/// What the page may load: nothing. Its style is inline.
pub(super) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page in words.
struct Page {
    title: Phrase,
    /// The colour of the mark: done, refused, neither.
    tone: &'static str,
    mark: &'static str,
    paragraphs: Vec<Paragraph>,
}

/// A paragraph in the language of the page, or in English: what servers and the daemon say.
enum Paragraph {
    Ours(String),
    Foreign(String),
}

/// The page for an outcome, as HTML.
pub(super) fn for_outcome(outcome: &CallbackOutcome, language: Language) -> String {
    let says = |phrase: Phrase| Paragraph::Ours(phrase.text(language).to_owned());
    let page = match outcome {
        CallbackOutcome::SignedIn => Page {
            title: pages::SIGNED_IN,
            tone: "good",
            mark: "✓",
            paragraphs: vec![says(pages::KEEPS_FRESH), says(pages::CLOSE)],
        },
        CallbackOutcome::NotExpected => Page {
            title: pages::NOT_EXPECTED,
            tone: "plain",
            mark: "?",
            paragraphs: vec![says(pages::NOTHING_CHANGED), says(pages::PASTE_ADDRESS), says(pages::BEGIN_AGAIN)],
        },
        CallbackOutcome::Denied { error, description } => {
            let mut paragraphs = vec![match error.as_str() {
                "access_denied" => says(pages::PERMISSION_REFUSED),
                other => Paragraph::Ours(pages::PAGE_ANSWERED.fill(language, &[("error", &other)])),
            }];
            let quoted = |text: &String| Paragraph::Ours(pages::IT_SAYS.fill(language, &[("text", text)]));
            paragraphs.extend(description.iter().map(quoted));
            paragraphs.push(says(pages::TRY_AGAIN));
            Page { title: pages::NOT_SIGNED_IN, tone: "bad", mark: "✕", paragraphs }
        }
        CallbackOutcome::Failed { reason } => Page {
            title: pages::NOT_SIGNED_IN,
            tone: "bad",
            mark: "✕",
            paragraphs: vec![says(pages::WENT_WRONG), Paragraph::Foreign(reason.clone()), says(pages::TRY_AGAIN)],
        },
    };
    render(&page, language)
}

fn render(page: &Page, language: Language) -> String {
    let Page { title, tone, mark, paragraphs } = page;
    let (title, lang) = (title.text(language), language.tag());
    let paragraph = |paragraph: &Paragraph| match paragraph {
        Paragraph::Ours(text) => format!("<p>{}</p>\n", commands(&escaped(text))),
        // A screen reader then speaks English with an English voice.
        Paragraph::Foreign(text) => format!("<p lang=\"en\" class=\"said\">{}</p>\n", escaped(text)),
    };
    let paragraphs: String = paragraphs.iter().map(paragraph).collect();
    format!(
        r#"<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · mcp-proxy</title>
<style>
:root {{ color-scheme: light dark; --ink: #1c1e21; --soft: #5c6470; --paper: #f6f7f9; --card: #ffffff; --line: #e1e4e8;
  --good: #1a7f47; --bad: #b3261e; --plain: #5c6470; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #eceef1; --soft: #a4acb8; --paper: #15171a; --card: #1f2226;
  --line: #33373d; --good: #4cc38a; --bad: #ff8a80; --plain: #a4acb8; }} }}
body {{ margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; background: var(--paper);
  color: var(--ink); font: 16px/1.6 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }}
main {{ background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 2.2rem 2.4rem;
  box-sizing: border-box; width: min(31rem, 100vw - 2rem); margin: 1rem; }}
h1 {{ font-size: 1.35rem; line-height: 1.3; margin: 0 0 .8rem; display: flex; gap: .65rem; align-items: center; }}
h1 span {{ color: var(--{tone}); font-size: 1.5rem; line-height: 1; }}
p {{ margin: .5rem 0; overflow-wrap: anywhere; }}
p.said {{ border-left: 3px solid var(--line); padding-left: .8rem; color: var(--soft); }}
code {{ font: .92em ui-monospace, "SF Mono", Menlo, Consolas, monospace; background: var(--paper);
  border: 1px solid var(--line); border-radius: 6px; padding: .1em .4em; }}
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

/// What a person types, set apart from the sentence around it. No other words have this text in them.
fn commands(escaped: &str) -> String {
    escaped.replace("mcp-proxy login", "<code>mcp-proxy login</code>")
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
        let page = for_outcome(&outcome, Language::English);
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"), "{page}");
        assert!(!page.contains("<script"));
    }

    #[test]
    fn b2_a_stray_callback_is_not_called_a_success() {
        let page = for_outcome(&CallbackOutcome::NotExpected, Language::English);
        assert!(page.contains("No login is waiting") && !page.to_lowercase().contains("signed in"), "{page}");
    }

    #[test]
    fn pages_load_nothing() {
        for outcome in [CallbackOutcome::SignedIn, CallbackOutcome::NotExpected] {
            let page = for_outcome(&outcome, Language::Chinese);
            for loader in ["src=", "href=", "url(", "@import", "http://", "https://"] {
                assert!(!page.contains(loader), "{loader}");
            }
        }
    }

    #[test]
    fn a_page_is_in_one_language_and_says_which() {
        let failed = CallbackOutcome::Failed { reason: "the cloud said no".into() };
        for (language, lang, title, command) in [
            (Language::English, "en", "Not signed in", "run: <code>mcp-proxy login</code>"),
            (Language::Chinese, "zh-CN", "登录未完成", "请运行：<code>mcp-proxy login</code>"),
        ] {
            let page = for_outcome(&failed, language);
            assert!(page.contains(&format!("<html lang=\"{lang}\">")), "{page}");
            assert!(page.contains(&format!("<title>{title} ·")) && page.contains(command), "{page}");
            assert!(page.contains("<p lang=\"en\" class=\"said\">the cloud said no</p>"), "{page}");
        }
    }
}
