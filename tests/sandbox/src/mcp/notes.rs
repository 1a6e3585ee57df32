//! `sandbox-notes`: a small server with state, shared by all its sessions.

use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, schemars, tool, tool_router};
use serde::Deserialize;
use serde_json::json;

use crate::cloud::Cloud;
use crate::cloud::counts::bump;
use crate::mcp::shown::shown;
use crate::sync::Guarded;

/// The notes of all sessions, in the order they were added.
pub(crate) type Notebook = Guarded<Vec<String>>;

/// The server of the notes.
#[derive(Clone)]
pub(crate) struct Notes {
    cloud: Cloud,
    notebook: Arc<Notebook>,
    tool_router: ToolRouter<Self>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Note {
    /// What is noted.
    text: String,
}

#[tool_router]
impl Notes {
    pub(crate) fn new(cloud: Cloud, notebook: Arc<Notebook>) -> Self {
        Self { cloud, notebook, tool_router: Self::tool_router() }
    }

    #[tool(description = "Adds a note and returns its URI")]
    async fn add_note(
        &self,
        Parameters(Note { text }): Parameters<Note>,
        context: RequestContext<RoleServer>,
    ) -> String {
        let uri = {
            let mut notes = self.notebook.lock();
            notes.push(text);
            format!("note://{}", notes.len())
        };
        // Clients that do not listen need not know; the note stands all the same.
        let _ = context.peer.notify_resource_list_changed().await;
        uri
    }

    #[tool(description = "Lists all notes")]
    async fn list_notes(&self) -> String {
        self.notebook.lock().join("\n")
    }
}

impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_resources().enable_resources_list_changed().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("sandbox-notes", env!("CARGO_PKG_VERSION")))
            .with_instructions("Notes that are lost at the end")
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = format!("sandbox-notes/{}", request.name);
        self.cloud.count(|counts| bump(&mut counts.mcp_calls, &name));
        self.tool_router.call(ToolCallContext::new(self, request, context)).await
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(shown(&context, self.tool_router.list_all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tool_router.get(name).cloned()
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let count = self.notebook.lock().len();
        let resources =
            (1..=count).map(|number| Resource::new(format!("note://{number}"), format!("note {number}"))).collect();
        Ok(ListResourcesResult::with_all_items(resources))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let number = request.uri.strip_prefix("note://").and_then(|text| text.parse::<usize>().ok());
        let note = number
            .and_then(|number| number.checked_sub(1))
            .and_then(|index| self.notebook.lock().get(index).cloned())
            .ok_or_else(|| ErrorData::resource_not_found("no such note", Some(json!({ "uri": request.uri }))))?;
        Ok(ReadResourceResult::new(vec![ResourceContents::text(note, request.uri)]).into())
    }
}
