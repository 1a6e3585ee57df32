//! Which tools a client is shown: those that the policy of its token lets it call.

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::{ListToolsResult, Tool};
use rmcp::service::RequestContext;

use crate::gateway::policy::Policy;

/// The list for the request of this context, which came with the parts of its HTTP request.
pub(crate) fn shown(context: &RequestContext<RoleServer>, mut tools: Vec<Tool>) -> ListToolsResult {
    let policy = context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get::<Policy>());
    if let Some(policy) = policy {
        tools.retain(|tool| policy.allows(&tool.name));
    }
    ListToolsResult::with_all_items(tools)
}
