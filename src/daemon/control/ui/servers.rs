//! The MCP servers, with the addresses that clients are given.

use crate::daemon::control::ui::html::{name, text};
use crate::daemon::control::ui::traffic::{nothing, table};
use crate::daemon::control::ui::view::View;
use crate::daemon::report::servers::{Catalogued, Endpoint, Knowledge, Server, Verdict};
use crate::phrase::{Phrase, ui};

/// How many servers of an upstream are shown: the list may have thousands.
const MOST: usize = 100;

/// The part.
pub(super) fn draw(view: &View) -> String {
    let mut out = view.heading("servers", ui::SERVERS);
    let several = view.servers.upstreams.len() > 1;
    let mut button = 0;
    for upstream in &view.servers.upstreams {
        if several {
            let heading = view.fill(ui::SERVERS_OF, &[("upstream", &upstream.name)]);
            out += &format!("<h3>{heading}</h3>\n");
        }
        out += &of_upstream(view, upstream, &mut button);
    }
    out
}

fn of_upstream(view: &View, upstream: &Catalogued, button: &mut usize) -> String {
    let mut out = String::new();
    match (upstream.state, upstream.servers.is_empty()) {
        (Knowledge::Unlisted, _) => return unlisted(view, upstream, button),
        (Knowledge::Unknown, _) => out += &nothing(view, ui::LIST_UNKNOWN),
        (Knowledge::Saved, _) => out += &nothing(view, ui::LIST_SAVED),
        (Knowledge::Current, true) => out += &nothing(view, ui::LIST_EMPTY),
        (Knowledge::Current, false) => {}
    }
    if let Some(problem) = &upstream.problem {
        out += &format!("<p class=\"meta\" lang=\"en\">{}</p>\n", text(problem));
    }
    if upstream.servers.is_empty() {
        return out;
    }
    let rows: String = upstream.servers.iter().take(MOST).map(|server| row(view, server, button)).collect();
    out += &table(view, "servers", &[(ui::NAME, ""), (ui::VERDICT, ""), (ui::ADDRESS, "")], &rows);
    let more = upstream.servers.len().saturating_sub(MOST);
    if more > 0 {
        let words = view.fill(ui::MORE_SERVERS, &[("n", &more), ("command", &"mcp-proxy servers")]);
        out += &format!("<p class=\"meta\">{words}</p>\n");
    }
    out
}

/// Of an upstream whose servers nobody lists: where it is mounted.
fn unlisted(view: &View, upstream: &Catalogued, button: &mut usize) -> String {
    let mount = view.status.upstreams.iter().find(|known| known.name == upstream.name).map(|known| &known.mount);
    // Neither a path nor one that is said to be for TLS.
    let is_plain_port = |listens: &&String| listens.contains(':') && !listens.contains(['/', ' ']);
    let address = view.status.listens.iter().find(is_plain_port);
    let shown = match (mount, address) {
        (Some(mount), Some(address)) => {
            let url = format!("http://{address}{mount}");
            copyable(view, &upstream.name, &Endpoint { path: mount.clone(), url: Some(url) }, button)
        }
        _ => String::new(),
    };
    format!("<p class=\"meta\">{}</p>\n{shown}", view.say(ui::LIST_UNLISTED))
}

fn row(view: &View, server: &Server, button: &mut usize) -> String {
    let Server { id, name: called, description, mcp, sse, verdict, reason } = server;
    let (class, word) = verdict_in_words(*verdict);
    let reason = reason
        .as_ref()
        .map_or_else(String::new, |reason| format!("<span class=\"meta\" lang=\"en\">{}</span>", text(reason)));
    let passes = *verdict == Verdict::Allowed;
    let addresses: String = [mcp, sse]
        .into_iter()
        .flatten()
        .map(|endpoint| if passes { copyable(view, called, endpoint, button) } else { String::new() })
        .collect();
    format!(
        "<tr><th scope=\"row\">{} <code class=\"meta\">{}</code><span class=\"meta about\">{}</span></th>\
         <td><span class=\"chip {class}\">{}</span>{reason}</td><td>{}</td></tr>\n",
        name(called),
        text(id),
        name(description),
        view.say(word),
        if addresses.is_empty() { "-".to_owned() } else { addresses },
    )
}

/// An address, and a button that copies it where there is JavaScript. What is not shown whole cannot be copied.
fn copyable(view: &View, called: &str, endpoint: &Endpoint, button: &mut usize) -> String {
    let url = endpoint.url.as_deref().unwrap_or(&endpoint.path);
    let shown = text(url);
    let copy = if shown.ends_with('…') {
        String::new()
    } else {
        *button += 1;
        format!(
            "<button type=\"button\" class=\"copy\" id=\"copy-{button}\" data-copy=\"{shown}\" hidden>\
             <span class=\"now\">{copy}</span><span class=\"heard\"> {of}: {shown}</span></button>",
            copy = view.say(ui::COPY),
            of = view.fill(ui::ADDRESS_OF, &[("name", &called)]),
        )
    };
    format!("<div class=\"address\"><code class=\"long\">{shown}</code>{copy}</div>")
}

fn verdict_in_words(verdict: Verdict) -> (&'static str, Phrase) {
    match verdict {
        Verdict::Allowed => ("good", ui::ALLOWED),
        Verdict::Blocked => ("bad", ui::BLOCKED),
        Verdict::NotAllowed => ("bad", ui::NOT_ALLOWED),
        Verdict::Undecided => ("bad", ui::UNDECIDED),
        Verdict::OutOfReach => ("bad", ui::OUT_OF_REACH),
    }
}
