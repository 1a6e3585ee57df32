//! Which MCP servers of an upstream may be used: allow and block lists of names, ids and paths.
//!
//! Paths are compared by whole segments, after decoding. What cannot be decided is refused: a path that may be
//! read in two ways, and, where a list has names, an id whose name is not known. A name that stands in a path is
//! the client's word, for an upstream may look at the id alone.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::model::server::{McpServer, ServerPath};

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerRule {
    /// Everything below this path; segments, decoded.
    Path(Vec<String>),
    /// The server with this name or id.
    NameOrId(String),
}

/// The lists of one upstream. Blocked wins; an empty allow list allows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerRules {
    /// Only these may be used, if there are any.
    pub allowed: Vec<ServerRule>,
    /// These may not be used.
    pub blocked: Vec<ServerRule>,
}

/// A refusal, and the rule that causes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// An entry of the block list fits.
    Blocked(ServerRule),
    /// No entry of the allow list fits.
    NotAllowed,
    /// The path can be read in two ways.
    Ambiguous(&'static str),
    /// It is not known which server this is, so the lists cannot be applied.
    Undecided(ServerRule),
}

impl Denied {
    /// The rule, as the audit trail names it.
    pub fn rule(&self) -> String {
        match self {
            Self::Blocked(rule) => format!("blocked_servers has {rule}"),
            Self::NotAllowed => "no entry of allowed_servers fits".to_owned(),
            Self::Ambiguous(why) => format!("the path {why}"),
            Self::Undecided(rule) => format!("not known whether it is {rule}"),
        }
    }
}

impl ServerRule {
    /// Reads an entry: a path if it begins with `/`, else a name or id.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("an entry is empty".to_owned());
        }
        if !text.starts_with('/') {
            return match text.contains(['/', '?', '#', '%']) {
                true => Err(format!("{text:?} is neither a name nor a path; a path begins with \"/\"")),
                false => Ok(Self::NameOrId(text.to_owned())),
            };
        }
        match segments(text) {
            Ok(segments) if segments.is_empty() => {
                Err("\"/\" is every server; leave the list empty for that".to_owned())
            }
            Ok(segments) => Ok(Self::Path(segments)),
            Err(why) => Err(format!("{text:?} {why}")),
        }
    }

    /// True if this entry can only be an id: names have no upper-case letters.
    fn is_surely_an_id(&self) -> bool {
        matches!(self, Self::NameOrId(text) if text.contains(|c: char| c.is_ascii_uppercase()))
    }
}

impl fmt::Display for ServerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(segments) => write!(f, "/{}", segments.join("/")),
            Self::NameOrId(text) => f.write_str(text),
        }
    }
}

impl ServerRules {
    /// True if there is nothing to decide.
    pub fn are_empty(&self) -> bool {
        self.allowed.is_empty() && self.blocked.is_empty()
    }

    /// True if an entry needs the catalogue to be decided.
    pub fn name_servers(&self) -> bool {
        self.allowed.iter().chain(&self.blocked).any(|rule| matches!(rule, ServerRule::NameOrId(_)))
    }

    /// Decides about a request path. `catalogue` is what is known about the upstream's servers.
    ///
    /// # Errors
    /// The refusal.
    pub fn decide(&self, path: &str, catalogue: &[McpServer]) -> Result<(), Denied> {
        if self.are_empty() || path == "/" {
            return Ok(()); // The root is no server: gateways answer it with an error of their own.
        }
        let segments = segments(path).map_err(Denied::Ambiguous)?;
        let decoded = format!("/{}", segments.join("/"));
        let target = Target::of(&segments, &decoded, catalogue);
        for rule in &self.blocked {
            match target.fits(rule) {
                Fit::Yes => return Err(Denied::Blocked(rule.clone())),
                Fit::Unknown => return Err(Denied::Undecided(rule.clone())),
                Fit::No => {}
            }
        }
        if self.allowed.is_empty() {
            return Ok(());
        }
        let mut denied = Denied::NotAllowed;
        for rule in &self.allowed {
            match target.fits(rule) {
                Fit::Yes => return Ok(()),
                Fit::Unknown => denied = Denied::Undecided(rule.clone()),
                Fit::No => {}
            }
        }
        Err(denied)
    }
}

enum Fit {
    Yes,
    No,
    Unknown,
}

/// What a path stands for.
struct Target<'a> {
    segments: &'a [String],
    said: Option<ServerPath<'a>>,
    known: Option<&'a McpServer>,
}

impl<'a> Target<'a> {
    fn of(segments: &'a [String], decoded: &'a str, catalogue: &'a [McpServer]) -> Self {
        let said = ServerPath::parse(decoded);
        // The id that a server is listed with comes first: no other server's path can claim it.
        let known = said.and_then(|said| {
            let listed = catalogue.iter().find(|server| server.id == said.id);
            listed.or_else(|| catalogue.iter().find(|server| server.has_id(said.id)))
        });
        Self { segments, said, known }
    }

    fn fits(&self, rule: &ServerRule) -> Fit {
        let text = match rule {
            ServerRule::Path(prefix) => {
                return if self.segments.starts_with(prefix) { Fit::Yes } else { Fit::No };
            }
            ServerRule::NameOrId(text) => text,
        };
        match (self.said, self.known) {
            (Some(said), _) if said.id == text => Fit::Yes,
            (_, Some(known)) => {
                if known.name == *text || known.id == *text {
                    Fit::Yes
                } else {
                    Fit::No
                }
            }
            (Some(_), None) if rule.is_surely_an_id() => Fit::No,
            _ => Fit::Unknown,
        }
    }
}

/// The decoded segments of a path.
///
/// # Errors
/// When the path can be read in two ways: what one program takes for one segment is two to another.
fn segments(path: &str) -> Result<Vec<String>, &'static str> {
    let inner = path.strip_prefix('/').ok_or("does not begin with \"/\"")?;
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    inner.strip_suffix('/').unwrap_or(inner).split('/').map(segment).collect()
}

fn segment(raw: &str) -> Result<String, &'static str> {
    let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| "is not UTF-8 after decoding")?;
    match decoded.as_ref() {
        "" => Err("has an empty segment"),
        "." | ".." => Err("has a dot segment"),
        text if text.contains(['/', '\\']) => Err("has an encoded slash or a backslash"),
        text if text.contains([';', '%', '?', '#']) => Err("has a character that some programs read as a separator"),
        text if text.chars().any(char::is_control) => Err("has a control character"),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allowed: &[&str], blocked: &[&str]) -> ServerRules {
        let parse = |list: &[&str]| list.iter().map(|text| ServerRule::parse(text).unwrap()).collect();
        ServerRules { allowed: parse(allowed), blocked: parse(blocked) }
    }

    fn server(name: &str, id: &str) -> McpServer {
        let (id, name, description) = (id.into(), name.into(), String::new());
        McpServer { id, name, description, mcp_path: None, sse_path: None, out_of_reach: None }
    }

    fn path(name: &str, id: &str) -> String {
        format!("/accounts/12/custom/{name}/id/{id}/mcp")
    }

    #[test]
    fn d3_paths_are_compared_by_whole_segments_and_tricks_are_refused() {
        let rules = rules(&["/accounts/12/custom/ro/mcp"], &[]);
        assert_eq!(rules.decide("/accounts/12/custom/ro/mcp", &[]), Ok(()));
        assert_eq!(rules.decide("/accounts/12/custom/ro/mcp/", &[]), Ok(()));
        assert_eq!(rules.decide("/accounts/12/custom/r%6F/mcp/x", &[]), Ok(()));
        assert_eq!(rules.decide("/accounts/12/custom/ro/mcp-admin", &[]), Err(Denied::NotAllowed));
        for trick in [
            "ro/mcp/%2e%2e/%2e%2e/admin/mcp",
            "ro/mcp/..%2f..%2fadmin/mcp",
            "ro/mcp/../../admin/mcp",
            "ro/mcp/./x",
            "ro/mcp//x",
            "ro/mcp//",
            "ro/mcp/%5c..%5cadmin",
            "ro/mcp/..;/admin",
            "ro/mcp/%252e%252e/admin",
            "ro/mcp/%00",
            "ro/mcp/%ff",
        ] {
            let decision = rules.decide(&format!("/accounts/12/custom/{trick}"), &[]);
            assert!(matches!(decision, Err(Denied::Ambiguous(_))), "{trick}: {decision:?}");
        }
    }

    #[test]
    fn d4_a_blocked_name_blocks_every_server_of_that_name_and_what_is_unknown() {
        let rules = rules(&[], &["ram"]);
        let catalogue = [server("ram", "A1"), server("ram", "A2"), server("ecs", "B1")];
        let of = |name, id| rules.decide(&path(name, id), &catalogue);
        let blocked = Err(Denied::Blocked(ServerRule::NameOrId("ram".into())));
        let undecided = Err(Denied::Undecided(ServerRule::NameOrId("ram".into())));
        assert_eq!(of("ram", "A1"), blocked);
        assert_eq!(of("ram", "A2"), blocked);
        assert_eq!(of("harmless", "A2"), blocked, "the name in the path is the client's word");
        assert_eq!(of("ecs", "B1"), Ok(()));
        assert_eq!(of("new", "C1"), undecided);
        assert_eq!(rules.decide("/mcp", &catalogue), undecided);
        assert_eq!(rules.decide("/", &catalogue), Ok(()));
        assert!(matches!(rules.decide("//", &catalogue), Err(Denied::Ambiguous(_))), "an empty segment is none");
    }

    #[test]
    fn d4_a_server_that_is_served_under_another_id_than_it_is_listed_with_is_known_by_both() {
        let served_as = |listed: McpServer, id: &str| McpServer { mcp_path: Some(format!("/id/{id}/mcp")), ..listed };
        let catalogue = [served_as(server("claims", "x1"), "a1"), served_as(server("ram", "a1"), "p1")];
        for entry in ["ram", "a1"] {
            let rules = rules(&[], &[entry]);
            let blocked = Err(Denied::Blocked(ServerRule::NameOrId(entry.into())));
            assert_eq!(rules.decide("/id/p1/mcp", &catalogue), blocked, "{entry}");
            assert_eq!(rules.decide("/id/a1/mcp", &catalogue), blocked, "{entry}");
        }
        assert_eq!(rules(&[], &["claims"]).decide("/id/p1/mcp", &catalogue), Ok(()));
    }

    #[test]
    fn allowed_names_need_the_catalogue_and_ids_do_not() {
        let by_name = rules(&["ecs"], &[]);
        let catalogue = [server("ecs", "b1"), server("ram", "a1")];
        assert_eq!(by_name.decide(&path("ecs", "b1"), &catalogue), Ok(()));
        assert_eq!(by_name.decide(&path("ecs", "a1"), &catalogue), Err(Denied::NotAllowed));
        assert!(matches!(by_name.decide(&path("ecs", "b1"), &[]), Err(Denied::Undecided(_))));
        let by_id = rules(&["aB3dE5"], &[]);
        assert_eq!(by_id.decide(&path("whatever", "aB3dE5"), &[]), Ok(()));
        assert_eq!(by_id.decide(&path("whatever", "other"), &[]), Err(Denied::NotAllowed));
    }

    #[test]
    fn blocked_wins_over_allowed() {
        let rules = rules(&["/accounts/12"], &["/accounts/12/custom/ram"]);
        assert_eq!(rules.decide(&path("ecs", "x"), &[]), Ok(()));
        assert!(matches!(rules.decide(&path("ram", "x"), &[]), Err(Denied::Blocked(_))));
    }

    #[test]
    fn entries_that_mean_nothing_are_named() {
        for (text, says) in [("", "empty"), ("/", "every server"), ("a/b", "begins with"), ("/a/../b", "dot segment")] {
            assert!(ServerRule::parse(text).unwrap_err().contains(says), "{text}");
        }
    }
}
