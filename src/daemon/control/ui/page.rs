//! The whole page, and what is said instead of it. Nothing of it is loaded from elsewhere; without JavaScript it is all
//! there, and can be loaded again.

use crate::daemon::control::ui::html::{escaped, name, text};
use crate::daemon::control::ui::parts::{self, Part};
use crate::daemon::control::ui::view::View;
use crate::model::language::Language;
use crate::phrase::{Phrase, ui};

/// How often the page loads itself again, if somebody without JavaScript wants that, in seconds.
pub(super) const REFRESH: u64 = 10;

/// The page. It loads itself again if `refresh`, for those without JavaScript.
pub(super) fn whole(view: &View, refresh: bool) -> String {
    let parts = parts::all(view);
    let (summary, rest): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|part| part.id == "summary");
    let summary = summary.first().map(|part| part.html.as_str()).unwrap_or_default();
    let sections: String = rest.iter().map(|part| section(part)).collect();
    let language = view.language.tag();
    let again = match refresh {
        true => format!("<noscript><meta http-equiv=\"refresh\" content=\"{REFRESH}\"></noscript>\n"),
        false => String::new(),
    };
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n{again}<title>{summary} · mcp-proxy</title>\n\
         <link rel=\"icon\" href=\"/ui/icon.svg\" type=\"image/svg+xml\">\n\
         <link rel=\"stylesheet\" href=\"/ui/style.css\">\n<script src=\"/ui/live.js\" defer></script>\n</head>\n\
         <body data-live=\"{live}\" data-lost=\"{lost}\" data-paused=\"{paused}\" data-pause=\"{pause}\" \
         data-resume=\"{resume}\" data-copied=\"{copied}\">\n\
         <a class=\"skip\" href=\"#conditions\">{skip}</a>\n{header}<main id=\"main\">\n\
         <p id=\"summary\" class=\"heard\" role=\"status\">{summary}</p>\n{sections}</main>\n\
         <footer><p>{foot}</p></footer>\n</body>\n</html>\n",
        live = view.say(ui::LIVE),
        lost = view.say(ui::LOST),
        paused = view.say(ui::PAUSED),
        pause = view.say(ui::PAUSE),
        resume = view.say(ui::RESUME),
        copied = view.say(ui::COPIED),
        skip = view.say(ui::SKIP),
        header = header(view, refresh),
        foot = view.say(ui::FOOT),
    )
}

fn section(part: &Part) -> String {
    let Part { id, html } = part;
    let version = part.version();
    format!("<section id=\"{id}\" aria-labelledby=\"h-{id}\" data-version=\"{version}\">\n{html}</section>\n")
}

fn header(view: &View, refresh: bool) -> String {
    let listens: Vec<String> = view.status.listens.iter().map(|listens| name(listens)).collect();
    let listens = if listens.is_empty() { view.say(ui::NOWHERE) } else { listens.join(", ") };
    let uptime = view.length(std::time::Duration::from_secs(view.status.uptime));
    let running = view.fill(ui::RUNNING, &[("version", &view.status.program), ("uptime", &uptime)]);
    let (other, called) = match view.language {
        Language::English => (Language::Chinese, "中文"),
        Language::Chinese => (Language::English, "English"),
    };
    let own = view.language.tag();
    let by_itself = match refresh {
        true => format!("<a href=\"/ui?lang={own}\">{}</a>", view.say(ui::RELOAD_BY_HAND)),
        false => format!(
            "<a href=\"/ui?lang={own}\">{}</a> <a href=\"/ui?lang={own}&amp;refresh={REFRESH}\">{}</a>",
            view.say(ui::RELOAD),
            view.fill(ui::RELOAD_EVERY, &[("n", &REFRESH)])
        ),
    };
    format!(
        "<header>\n<div class=\"bar\">\n<h1><img src=\"/ui/icon.svg\" alt=\"\" width=\"24\" height=\"24\">mcp-proxy</h1>\n\
         <p class=\"meta\">{listens}<span class=\"wide\"> · {running}</span></p>\n\
         <div class=\"tools\"><span id=\"live\" role=\"status\"></span>\
         <button type=\"button\" id=\"pause\" class=\"link\" hidden>{pause}</button><noscript>{by_itself}</noscript>\
         <a href=\"/ui?lang={tag}\" lang=\"{tag}\" hreflang=\"{tag}\">{called}</a></div>\n</div>\n</header>\n",
        pause = view.say(ui::PAUSE),
        tag = other.tag(),
    )
}

/// A page of few words. It loads nothing, its style is inline, and it is whole without the daemon.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The heading.
    pub title: Phrase,
    /// What is said below it, already in the language of the page. Foreign text is allowed.
    pub paragraphs: Vec<String>,
    /// Where the browser goes by itself, and what the link there is called.
    pub onward: Option<(String, Phrase)>,
}

impl Notice {
    /// What such a page may load: nothing.
    pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /// A page without a way on.
    pub fn new(title: Phrase, paragraphs: Vec<String>) -> Self {
        Self { title, paragraphs, onward: None }
    }

    /// The page.
    pub fn page(&self, language: Language) -> String {
        let title = text(self.title.text(language));
        let paragraphs: String = self.paragraphs.iter().map(|words| format!("<p>{}</p>\n", text(words))).collect();
        let (at_once, link) = match &self.onward {
            Some((url, called)) => {
                let url = escaped(url);
                (
                    format!("<meta http-equiv=\"refresh\" content=\"0;url={url}\">\n"),
                    format!("<p><a href=\"{url}\">{}</a></p>\n", text(called.text(language))),
                )
            }
            None => (String::new(), String::new()),
        };
        format!(
            "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{at_once}\
             <title>{title} · mcp-proxy</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{NOTICE_STYLE}</style>\n</head>\n\
             <body>\n<main>\n<h1>{title}</h1>\n{paragraphs}{link}</main>\n</body>\n</html>\n",
            language.tag(),
        )
    }
}

const NOTICE_STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #f6f7f9; --card: #fff; --line: #e1e4e8; --accent: #1f5fbf; }
@media (prefers-color-scheme: dark) { :root { --ink: #eceef1; --paper: #15171a; --card: #1f2226; --line: #33373d;
  --accent: #8ab4f8; } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
main { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 2.2rem 2.4rem;
  max-width: 32rem; margin: 1rem; }
h1 { font-size: 1.35rem; margin: 0 0 .6rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
a { color: var(--accent); }
";
