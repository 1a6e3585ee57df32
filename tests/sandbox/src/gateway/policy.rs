//! The tool calls of one request under the policy of its token.

use http::StatusCode;
use serde_json::Value;

use crate::cloud::Cloud;
use crate::cloud::safety::{Safety, Verdict};
use crate::gateway::servers::Entry;
use crate::wire::head::Head;

/// The policy of a token, for the tools of one server.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    safety: Safety,
    product: String,
}

impl Policy {
    /// The policy of the request's token; `None` when it has none.
    pub(crate) fn of(cloud: &Cloud, head: &Head, server: &Entry) -> Option<Self> {
        let (_, token) = head.text("authorization")?.split_once(' ')?;
        let safety = cloud.state.grants.lock().access_token(token)?.safety.clone()?;
        let product = server.product.map_or_else(|| server.name.clone(), str::to_owned);
        Some(Self { safety, product })
    }

    /// Whether a tool may be called, and so is shown in the list.
    pub(crate) fn allows(&self, tool: &str) -> bool {
        self.safety.judge(&self.product, tool) == Verdict::Allowed
    }

    /// Refuses a body, single or batched, that calls a tool that may not be called.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(), (StatusCode, &'static str)> {
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        let messages = parsed.as_array().map_or(std::slice::from_ref(&parsed), Vec::as_slice);
        for call in messages.iter().filter(|message| message["method"] == "tools/call") {
            let tool = call["params"]["name"].as_str().unwrap_or_default();
            match self.safety.judge(&self.product, tool) {
                Verdict::Allowed => {}
                Verdict::NotListed => {
                    return Err((StatusCode::FORBIDDEN, "Access denied by the tool policy of the token"));
                }
                Verdict::Denied => {
                    return Err((StatusCode::FORBIDDEN, "Access denied by the safety policy of the token"));
                }
            }
        }
        Ok(())
    }
}
