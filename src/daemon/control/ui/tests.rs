//! What is drawn: whole in both languages, well-formed, with names for those who hear it, and with no markup but ours.

use std::path::PathBuf;
use std::time::Duration;

use crate::daemon::control::ui::page::{self, Notice};
use crate::daemon::control::ui::view::{Said, View};
use crate::daemon::control::ui::{is_page, language, parts};
use crate::daemon::report::login::{Login, State};
use crate::daemon::report::servers::{self, Catalogued, Endpoint, Knowledge, Server, Servers, Verdict};
use crate::daemon::report::{Condition, Date, Requests, SignInDoor, Source, Status, Upstream};
use crate::model::language::Language;
use crate::model::secret::Secret;
use crate::model::time::Wall;
use crate::observe::recent::{ClientUse, Ended};
use crate::phrase::ui;

/// What somebody would send who wants to be more than text.
const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{202e}\u{2066}\0\u{1b}[31m&amp;\u{200b}";

const NOW: i64 = 1_800_000_000;

fn ago(seconds: u64) -> Wall {
    Wall::from_unix_seconds(NOW).minus(Duration::from_secs(seconds))
}

fn date(at: Wall) -> Option<Date> {
    Date::of(Some(at))
}

fn call(word: &str, seconds: u64) -> Ended {
    Ended {
        at: ago(seconds),
        request: "1-1".to_owned(),
        client: word.to_owned(),
        upstream: Some("alibaba".to_owned()),
        server: Some(word.to_owned()),
        method: Some("tools/call".to_owned()),
        name: Some(word.to_owned()),
        http_method: "POST".to_owned(),
        path: format!("/{word}"),
        status: Some(200),
        refused_by: None,
        duration_us: 84_000,
        bytes: 12,
        ending: "complete",
    }
}

fn upstream(word: &str) -> Upstream {
    let now = Wall::from_unix_seconds(NOW);
    let login = Login { state: State::SignedIn, account: Some(word.to_owned()), ..Login::of_nobody() };
    Upstream {
        name: "alibaba".to_owned(),
        mount: "/".to_owned(),
        url: format!("https://{word}"),
        source: Source::Login,
        api_credentials: None,
        serves: true,
        token_ends: date(now.plus(Duration::from_secs(8_000))),
        renewals: 12,
        renewal_failures: 1,
        last_renewal: date(ago(2_800)),
        next_renewal: date(now.plus(Duration::from_secs(5_800))),
        login: Some(Login { application: word.to_owned(), ..login }),
        sign_in: Some(SignInDoor {
            redirect_uri: "http://127.0.0.1:8088/callback".to_owned(),
            application: word.to_owned(),
            site: "CN".to_owned(),
            scope: "/acs/mcp-server".to_owned(),
            api_credentials: None,
        }),
    }
}

fn server(word: &str, verdict: Verdict) -> Server {
    let endpoint = |end: &str| {
        let path = format!("/{word}/{end}");
        Some(Endpoint { url: Some(format!("http://127.0.0.1:8088{path}")), path })
    };
    Server {
        id: word.to_owned(),
        name: word.to_owned(),
        description: word.to_owned(),
        mcp: endpoint("mcp"),
        sse: endpoint("sse"),
        verdict,
        reason: (verdict != Verdict::Allowed).then(|| word.to_owned()),
    }
}

/// Everything at once, with `word` wherever it comes from outside.
fn view(language: Language, word: &str) -> View {
    let now = Wall::from_unix_seconds(NOW);
    let refused = Ended { status: Some(403), refused_by: Some(word.to_owned()), ..call(word, 5) };
    let broken = Ended { status: None, ending: "upstream broke off", duration_us: 3_200_000, ..call(word, 70) };
    let stream =
        Ended { method: None, name: None, http_method: "GET".to_owned(), ending: "client gone", ..call(word, 9) };
    let condition = |name: &str| Condition {
        name: name.to_owned(),
        subject: word.to_owned(),
        reason: word.to_owned(),
        remedy: word.to_owned(),
        since: date(ago(400)),
    };
    let verdicts = [Verdict::Allowed, Verdict::Blocked, Verdict::NotAllowed, Verdict::Undecided, Verdict::OutOfReach];
    let catalogued = |state, servers| Catalogued {
        name: word.to_owned(),
        state,
        problem: Some(word.to_owned()),
        without_cores: None,
        servers,
        nobody: Vec::new(),
    };
    View {
        language,
        now,
        status: Status {
            version: 1,
            time: date(now),
            program: "0.1.0".to_owned(),
            pid: 7,
            uptime: 3_600,
            ready: true,
            listens: vec!["127.0.0.1:8088".to_owned(), word.to_owned()],
            state_dir: PathBuf::from("/var/lib/mcp-proxy"),
            requests: Requests { total: 1_234, active: 2, success: 1_200, error: 34, bytes: 5_000_000 },
            upstreams: vec![
                upstream(word),
                Upstream { source: Source::Command, login: None, sign_in: None, serves: false, ..upstream(word) },
            ],
            conditions: vec![condition("login-expiring"), condition(word)],
        },
        servers: Servers {
            version: servers::VERSION,
            time: date(now),
            upstreams: vec![
                catalogued(Knowledge::Current, verdicts.map(|verdict| server(word, verdict)).to_vec()),
                catalogued(Knowledge::Unlisted, Vec::new()),
                catalogued(Knowledge::Unknown, Vec::new()),
                catalogued(Knowledge::Saved, vec![server(word, Verdict::Allowed)]),
            ],
        },
        streams: 1,
        sees_calls: true,
        calls: vec![refused.clone(), stream, call(word, 20), broken],
        clients: vec![ClientUse { client: word.to_owned(), requests: 1_234, refused: 3, last: refused }],
        form_key: Some(Secret::new("form-key")),
        waiting: Some(3),
        said: Some(Said::Failed { reason: word.to_owned() }),
    }
}

/// Nothing is known and nothing was done; whoever looks may only look.
fn bare(language: Language) -> View {
    let full = view(language, "x");
    let servers = Servers { upstreams: Vec::new(), ..full.servers };
    let status =
        Status { upstreams: Vec::new(), conditions: Vec::new(), listens: Vec::new(), ready: false, ..full.status };
    View {
        status,
        servers,
        sees_calls: false,
        calls: Vec::new(),
        clients: Vec::new(),
        form_key: None,
        waiting: None,
        said: None,
        ..full
    }
}

/// The tags of a page in their order, with their attributes; fails if one is not closed where it should be, or an
/// attribute is not in quotes.
fn tags(html: &str) -> Vec<(String, String)> {
    const VOID: [&str; 5] = ["meta", "link", "img", "input", "br"];
    let (mut found, mut open, mut rest) = (Vec::new(), Vec::<String>::new(), html);
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, more) = after.split_once('>').unwrap_or_else(|| panic!("a tag without an end: {after:.80}"));
        rest = more;
        if tag.starts_with('!') {
            continue;
        }
        assert!(!tag.contains('<'), "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "before: {more:.80}");
            continue;
        }
        let closes_itself = tag.ends_with('/');
        let (name, attributes) = tag.trim_end_matches('/').split_once(' ').unwrap_or((tag.trim_end_matches('/'), ""));
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "<{tag}>");
        let outside_of_quotes: String = attributes.split('"').step_by(2).collect();
        let is_plain = |c: char| c.is_ascii_lowercase() || "-= 0123456789A".contains(c) || c.is_ascii_uppercase();
        assert!(outside_of_quotes.chars().all(is_plain), "<{tag}>");
        assert!(attributes.matches('"').count().is_multiple_of(2), "<{tag}>");
        if !closes_itself && !VOID.contains(&name) {
            open.push(name.to_owned());
        }
        found.push((name.to_owned(), attributes.to_owned()));
    }
    assert!(open.is_empty(), "left open: {open:?}");
    found
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = attributes.split('"');
    while let (Some(before), Some(value)) = (parts.next(), parts.next()) {
        if before.trim().strip_suffix('=').and_then(|words| words.split(' ').next_back()) == Some(name) {
            return Some(value);
        }
    }
    None
}

const LANGUAGES: [Language; 2] = [Language::English, Language::Chinese];

#[test]
fn pages_are_well_formed_and_their_ids_are_unique_and_lead_somewhere() {
    for language in LANGUAGES {
        for view in [view(language, "plain"), view(language, HOSTILE), view(language, ""), bare(language)] {
            for refresh in [false, true] {
                let html = page::whole(&view, refresh);
                let tags = tags(&html);
                let mut ids: Vec<&str> = tags.iter().filter_map(|(_, tag)| attribute(tag, "id")).collect();
                let count = ids.len();
                ids.sort_unstable();
                ids.dedup();
                // Two upstreams of this example have one name.
                assert!(count - ids.len() <= 3, "{count} {}", ids.len());
                for (name, tag) in &tags {
                    for reference in ["aria-labelledby", "aria-describedby", "for"] {
                        for id in attribute(tag, reference).into_iter().flat_map(str::split_whitespace) {
                            assert!(ids.contains(&id), "<{name} {tag}>: {id}");
                        }
                    }
                }
                for landmark in ["header", "main", "footer", "h1"] {
                    assert_eq!(tags.iter().filter(|(name, _)| name == landmark).count(), 1, "{landmark}");
                }
                let levels: Vec<u32> =
                    tags.iter().filter_map(|(name, _)| name.strip_prefix('h')?.parse().ok()).collect();
                assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
                for (_, input) in tags.iter().filter(|(name, tag)| name == "input" && !tag.contains("hidden")) {
                    let id = attribute(input, "id").expect("an id for its label");
                    assert!(tags.iter().any(|(name, tag)| name == "label" && attribute(tag, "for") == Some(id)));
                }
                assert_eq!(html.matches("http-equiv").count(), usize::from(refresh));
            }
        }
    }
}

#[test]
fn what_comes_from_outside_is_text() {
    for language in LANGUAGES {
        let hostile = view(language, HOSTILE);
        let html = page::whole(&hostile, false);
        let plain = page::whole(&view(language, "plain"), false);
        let names = |html: &str| tags(html).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&html), names(&plain), "no tag comes or goes with what is shown");
        assert_eq!(html.matches("<script").count(), 1, "ours");
        for never in ["onerror=alert(2)>", "\u{202e}", "\u{2066}", "\u{200b}", "\0", "\u{1b}", "alert(1)</"] {
            assert!(!html.contains(never), "{never:?}");
        }
        let paths = html.contains("onerror=") && html.contains("&lt;script&gt;alert(1)&lt;/script&gt;");
        assert!(paths, "it is shown all the same");
    }
    let long = "long ".repeat(20_000);
    assert!(page::whole(&view(Language::English, &long), false).len() < 400_000, "and has an end");
}

#[test]
fn pages_load_nothing_but_themselves_and_hold_no_script_and_no_style_of_their_own() {
    let html = page::whole(&view(Language::English, "plain"), true);
    for (name, attributes) in tags(&html) {
        for loader in ["src", "href", "action"] {
            if let Some(target) = attribute(&attributes, loader) {
                assert!(target.starts_with("/ui") || target.starts_with('#'), "<{name} {attributes}>");
            }
        }
        let is_handler = |word: &str| word.starts_with("on") && word.ends_with('=');
        let own = attributes.split('"').step_by(2).any(|names| names.split(' ').any(is_handler));
        assert!(!own && attribute(&attributes, "style").is_none() && name != "style", "<{name} {attributes}>");
    }
    let css = include_str!("style.css");
    assert!(!css.contains("url(") && !css.contains("@import"));
}

#[test]
fn the_chinese_page_says_in_chinese_what_the_program_says() {
    let view = view(Language::Chinese, "x");
    let html = page::whole(&view, false);
    assert!(html.contains("<html lang=\"zh-CN\">") && html.contains("hreflang=\"en\""));
    for phrase in [ui::STANDING, ui::CONDITIONS, ui::CLIENTS, ui::LATENCY, ui::LAST_CALLS, ui::REFUSALS, ui::SERVERS] {
        assert!(html.contains(phrase.text(Language::Chinese)), "{phrase:?}");
        assert!(!html.contains(&format!(">{}<", phrase.text(Language::English))), "{phrase:?}");
    }
}

#[test]
fn the_first_part_answers_who_is_signed_in_until_when_and_what_to_do() {
    let html = page::whole(&view(Language::English, "plain"), false);
    for says in [
        "Signed in",
        "valid for 2 h 13 min, renewed by itself in 1 h 36 min",
        "12 renewed, 1 failed, last 46 min ago",
        "Has no token",
        "The login ends soon",
        "What to do:",
        "1\u{202f}234",
        "Requests under way, 1 of them streams",
        "4.8 MiB",
        "The sign-in did not work: plain",
        "half within 84 ms",
    ] {
        assert!(html.contains(says), "{says}: {html}");
    }
    // Nothing that only listens and nothing that was refused counts as a call that took its time.
    assert!(html.contains("2 calls in 5 min"), "{html}");
}

#[test]
fn who_may_only_look_gets_no_form_and_sees_no_calls() {
    let may = view(Language::English, "plain");
    assert!(page::whole(&may, false).contains("form-key"));
    let looks = View {
        form_key: None,
        waiting: None,
        said: None,
        sees_calls: false,
        calls: Vec::new(),
        clients: Vec::new(),
        ..may
    };
    let html = page::whole(&looks, false);
    assert!(!html.contains("<form") && !html.contains("form-key"), "{html}");
    assert!(html.contains("To sign in, run mcp-proxy login") && html.contains("is shown to root"), "{html}");
}

#[test]
fn a_part_has_a_new_version_when_it_says_something_else() {
    let versions = |view: &View| parts::all(view).iter().map(|part| (part.id, part.version())).collect::<Vec<_>>();
    let one = view(Language::English, "plain");
    assert_eq!(versions(&one), versions(&one.clone()));
    let mut other = one.clone();
    other.status.conditions.clear();
    let (before, after) = (versions(&one), versions(&other));
    let changed: Vec<&str> = before.iter().zip(&after).filter(|(a, b)| a != b).map(|(a, _)| a.0).collect();
    assert_eq!(changed, ["summary", "conditions"]);
}

#[test]
fn notices_are_whole_by_themselves_and_lead_on_only_where_they_should() {
    for language in LANGUAGES {
        let notice = Notice::new(ui::LINK_USED, vec![HOSTILE.to_owned()]);
        let html = notice.page(language);
        tags(&html.replace(['{', '}'], ""));
        assert!(!html.contains("<script") && !html.contains("http-equiv"), "{html}");
        let onward = Some(("https://a.example/?b=c&d=\"e".to_owned(), ui::OPEN));
        let html = Notice { onward, ..notice }.page(language);
        assert!(html.contains("content=\"0;url=https://a.example/?b=c&amp;d=&quot;e\""), "{html}");
    }
}

#[test]
fn the_address_decides_about_the_language_before_the_browser() {
    let mut headers = http::HeaderMap::new();
    assert_eq!(language(&headers, None), Language::English);
    headers.insert("accept-language", http::HeaderValue::from_static("zh-CN,zh;q=0.9"));
    assert_eq!(language(&headers, None), Language::Chinese);
    assert_eq!(language(&headers, Some("lang=en")), Language::English);
    assert_eq!(language(&headers, Some("refresh=10&lang=tlh")), Language::Chinese);
    assert!(is_page("/ui/x") && is_page("/") && !is_page("/uix") && !is_page("/status"));
}
