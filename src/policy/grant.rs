//! What a client may do.

use std::num::NonZeroU32;
use std::sync::LazyLock;

use crate::policy::message::{Message, Target};
use crate::policy::pattern::{Pattern, Patterns, Unlisted};
use crate::policy::servers::ServerRules;

/// What calls a tool (MCP, server/tools).
pub const TOOL_CALL: &str = "tools/call";
/// What asks for the list of tools.
pub const TOOL_LIST: &str = "tools/list";

/// Methods that a session cannot do without. A list of allowed methods need not name them; a blocked one is blocked.
const HOUSEKEEPING: [&str; 3] = ["initialize", "server/discover", "ping"];
const NOTIFICATIONS: &str = "notifications/";

/// What one client may do. The default is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// Which MCP servers it may use, of all upstreams; beside the lists that each upstream has for everybody.
    pub servers: ServerRules,
    /// Which JSON-RPC methods it may send.
    pub methods: Patterns,
    /// Which tools it may call.
    pub tools: Patterns,
    /// Only tools of which the server says that they change nothing (`readOnlyHint`).
    pub read_only: bool,
    /// How many requests a minute; `None` for any number.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many requests at once; `None` for any number.
    pub concurrent_requests: Option<NonZeroU32>,
    /// The longest body of a request, in bytes; `None` for what holds for everybody.
    pub request_body_limit: Option<u64>,
    /// Whether records of its calls have the names of their arguments; never the values.
    pub log_argument_names: bool,
}

/// Why a message may not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// An entry of `blocked_methods` fits.
    MethodBlocked(Pattern),
    /// No entry of `allowed_methods` fits.
    MethodNotAllowed,
    /// The name of the method is no plain one, so rules cannot be applied to it.
    MethodUnclear,
    /// An entry of `blocked_tools` fits.
    ToolBlocked(Pattern),
    /// No entry of `allowed_tools` fits.
    ToolNotAllowed,
    /// It is not said which tool, or not plainly, so rules cannot be applied to it.
    ToolUnclear,
    /// `read_only` is set, and the server does not say that the tool changes nothing.
    ToolWrites,
    /// `read_only` is set, and it is not known what the server says of the tool.
    ToolUnknown,
}

impl Refusal {
    /// The key of the `[[client]]` that refuses.
    pub fn key(&self) -> &'static str {
        match self {
            Self::MethodBlocked(_) => "blocked_methods",
            Self::MethodNotAllowed | Self::MethodUnclear => "allowed_methods",
            Self::ToolBlocked(_) => "blocked_tools",
            Self::ToolNotAllowed | Self::ToolUnclear => "allowed_tools",
            Self::ToolWrites | Self::ToolUnknown => "read_only",
        }
    }
}

/// What everybody may do of whom nothing else is said.
static EVERYTHING: LazyLock<Grant> = LazyLock::new(Grant::default);

impl Grant {
    /// The grant of who is no client of the configuration.
    pub fn everything() -> &'static Self {
        &EVERYTHING
    }

    /// True if messages must be read to be decided about.
    pub fn reads_messages(&self) -> bool {
        !self.methods.are_empty() || self.restricts_tools()
    }

    /// True if there are tools that may not be called, so that lists of tools must be cut.
    pub fn cuts_tool_lists(&self) -> bool {
        self.restricts_tools() || self.decide_method(TOOL_CALL).is_err()
    }

    fn restricts_tools(&self) -> bool {
        self.read_only || !self.tools.are_empty()
    }

    /// Decides about one message. `is_read_only`: what the server says of a tool, if that is known.
    ///
    /// # Errors
    /// The refusal.
    pub fn decide(
        &self,
        message: &Message<'_>,
        is_read_only: impl FnOnce(&str) -> Option<bool>,
    ) -> Result<(), Refusal> {
        // An answer to what the server asked calls nothing.
        let Some(method) = message.method() else { return Ok(()) };
        self.decide_method(method)?;
        // What a server that does not look at case would take for a call.
        if !method.eq_ignore_ascii_case(TOOL_CALL) || !self.restricts_tools() {
            return Ok(());
        }
        match message.name() {
            Target::Text(name) if method == TOOL_CALL => self.decide_tool(name, is_read_only),
            _ => Err(Refusal::ToolUnclear),
        }
    }

    /// Whether a tool may be called. `is_read_only`: what the server says of it.
    pub fn lets_call(&self, tool: &str, is_read_only: bool) -> bool {
        self.decide_method(TOOL_CALL).is_ok() && self.decide_tool(tool, |_| Some(is_read_only)).is_ok()
    }

    fn decide_method(&self, method: &str) -> Result<(), Refusal> {
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Refusal::MethodUnclear);
        }
        match self.methods.decide(method) {
            Ok(()) => Ok(()),
            Err(Unlisted::Blocked(pattern)) => Err(Refusal::MethodBlocked(pattern)),
            Err(Unlisted::NotAllowed) if HOUSEKEEPING.contains(&method) || method.starts_with(NOTIFICATIONS) => Ok(()),
            Err(Unlisted::NotAllowed) => Err(Refusal::MethodNotAllowed),
        }
    }

    fn decide_tool(&self, name: &str, is_read_only: impl FnOnce(&str) -> Option<bool>) -> Result<(), Refusal> {
        if !self.restricts_tools() {
            return Ok(());
        }
        if name.is_empty() || name.trim() != name || name.chars().any(char::is_control) {
            return Err(Refusal::ToolUnclear);
        }
        self.tools.decide(name).map_err(|unlisted| match unlisted {
            Unlisted::Blocked(pattern) => Refusal::ToolBlocked(pattern),
            Unlisted::NotAllowed => Refusal::ToolNotAllowed,
        })?;
        match self.read_only.then(|| is_read_only(name)) {
            None | Some(Some(true)) => Ok(()),
            Some(Some(false)) => Err(Refusal::ToolWrites),
            Some(None) => Err(Refusal::ToolUnknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::message;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
    }

    fn methods(allowed: &[&str], blocked: &[&str]) -> Grant {
        let methods = Patterns { allowed: patterns(allowed), blocked: patterns(blocked) };
        Grant { methods, ..Grant::default() }
    }

    fn tools(allowed: &[&str], blocked: &[&str]) -> Grant {
        let tools = Patterns { allowed: patterns(allowed), blocked: patterns(blocked) };
        Grant { tools, ..Grant::default() }
    }

    #[track_caller]
    fn decided(grant: &Grant, message: &str) -> Result<(), Refusal> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,{message}}}"#);
        let messages = message::read(text.as_bytes()).unwrap();
        let known = |name: &str| match name {
            "reads" => Some(true),
            "writes" => Some(false),
            _ => None,
        };
        grant.decide(&messages.list()[0], known)
    }

    fn call(name: &str) -> String {
        format!(r#""method":"tools/call","params":{{"name":{name:?}}}"#)
    }

    #[test]
    fn method_rules_hold_for_every_method_and_spare_what_a_session_needs() {
        let grant = methods(&["tools/*"], &["tools/call", "notifications/roots/*"]);
        for (method, expected) in [
            ("tools/list", Ok(())),
            ("initialize", Ok(())),
            ("server/discover", Ok(())),
            ("ping", Ok(())),
            ("notifications/initialized", Ok(())),
            ("resources/read", Err(Refusal::MethodNotAllowed)),
            ("Initialize", Err(Refusal::MethodNotAllowed)),
            ("tools/call", Err(Refusal::MethodBlocked(Pattern::parse("tools/call").unwrap()))),
            ("tools/Call", Err(Refusal::MethodBlocked(Pattern::parse("tools/call").unwrap()))),
            (
                "notifications/roots/list_changed",
                Err(Refusal::MethodBlocked(Pattern::parse("notifications/roots/*").unwrap())),
            ),
            ("tools/list ", Err(Refusal::MethodUnclear)),
            ("tools/l\u{131}st", Err(Refusal::MethodUnclear)),
            ("", Err(Refusal::MethodUnclear)),
        ] {
            assert_eq!(decided(&grant, &format!(r#""method":"{method}""#)), expected, "{method}");
        }
        assert_eq!(decided(&grant, r#""result":{}"#), Ok(()), "an answer calls nothing");
        assert!(grant.cuts_tool_lists() && !methods(&["tools/*"], &[]).cuts_tool_lists());
    }

    #[test]
    fn tool_rules_hold_for_calls_alone() {
        let grant = tools(&["get-*"], &["get-secret"]);
        for (message, expected) in [
            (call("get-x"), Ok(())),
            (call("put-x"), Err(Refusal::ToolNotAllowed)),
            (call("GET-SECRET"), Err(Refusal::ToolBlocked(patterns(&["get-secret"])[0].clone()))),
            (r#""method":"prompts/get","params":{"name":"get-secret"}"#.to_owned(), Ok(())),
            (r#""method":"tools/call""#.to_owned(), Err(Refusal::ToolUnclear)),
            (r#""method":"tools/call","params":["get-x"]"#.to_owned(), Err(Refusal::ToolUnclear)),
            (r#""method":"tools/call","params":{"name":7}"#.to_owned(), Err(Refusal::ToolUnclear)),
            (r#""method":"Tools/Call","params":{"name":"get-x"}"#.to_owned(), Err(Refusal::ToolUnclear)),
            (r#""method":"tools/call","params":{"name":"get-x "}"#.to_owned(), Err(Refusal::ToolUnclear)),
            (r#""method":"tools/call","params":{"name":"get-x\u0000"}"#.to_owned(), Err(Refusal::ToolUnclear)),
            (r#""method":"tools\/call","params":{"n\u0061me":"put-x"}"#.to_owned(), Err(Refusal::ToolNotAllowed)),
        ] {
            assert_eq!(decided(&grant, &message), expected, "{message}");
        }
    }

    #[test]
    fn read_only_lets_pass_what_is_known_to_change_nothing() {
        let grant = Grant { read_only: true, ..Grant::default() };
        assert!(grant.reads_messages() && grant.cuts_tool_lists());
        assert_eq!(decided(&grant, &call("reads")), Ok(()));
        assert_eq!(decided(&grant, &call("writes")), Err(Refusal::ToolWrites));
        assert_eq!(decided(&grant, &call("new")), Err(Refusal::ToolUnknown));
        assert!(grant.lets_call("x", true) && !grant.lets_call("x", false));
    }

    #[test]
    fn what_has_no_rules_reads_nothing() {
        let free = Grant::default();
        assert!(!free.reads_messages() && !free.cuts_tool_lists());
        assert!(!Grant { requests_per_minute: NonZeroU32::new(1), ..free }.reads_messages());
    }
}
