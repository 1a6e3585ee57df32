//! `sandbox-tools`: one tool for each thing a relay can get wrong.

use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::{InputResponses, ToolCallContext};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ElicitRequest, ElicitRequestParams,
    ElicitationSchema, GetPromptRequestParams, GetPromptResponse, Implementation, InputRequest, InputRequiredResult,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, schemars, tool, tool_router};
use serde::Deserialize;

use crate::cloud::Cloud;
use crate::cloud::counts::bump;
use crate::mcp::resources;
use crate::mcp::shown::shown;

/// The largest answer of `large`.
const LARGEST: usize = 256 << 20;

/// The server of the tools.
#[derive(Clone)]
pub(crate) struct Tools {
    cloud: Cloud,
    tool_router: ToolRouter<Self>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Echo {
    /// What comes back.
    text: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Progress {
    /// How many notices are sent.
    steps: u32,
    /// How long it takes in all.
    seconds: f64,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Large {
    /// Length of the text.
    bytes: usize,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Question {
    /// What the client or its user is asked.
    question: String,
}

/// Counts a call that is dropped before its end: the client cancelled it or went away.
struct UntilDone {
    cloud: Cloud,
    done: bool,
}

impl Drop for UntilDone {
    fn drop(&mut self) {
        if !self.done {
            self.cloud.count(|counts| counts.mcp_cancellations += 1);
        }
    }
}

#[tool_router]
impl Tools {
    pub(crate) fn new(cloud: Cloud) -> Self {
        Self { cloud, tool_router: Self::tool_router() }
    }

    #[tool(description = "Returns its text")]
    async fn echo(&self, Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }

    #[tool(description = "Reports progress for a while; can be cancelled")]
    async fn progress(
        &self,
        Parameters(Progress { steps, seconds }): Parameters<Progress>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let gap = Duration::try_from_secs_f64(seconds / f64::from(steps.max(1)))
            .map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
        let mut until_done = UntilDone { cloud: self.cloud.clone(), done: false };
        let token = context.meta.get_progress_token();
        for step in 1..=steps {
            tokio::select! {
                () = tokio::time::sleep(gap) => {}
                () = context.ct.cancelled() => {
                    return Ok(CallToolResult::error(vec![ContentBlock::text("cancelled")]));
                }
            }
            if let Some(token) = &token {
                let notice = ProgressNotificationParam::new(token.clone(), f64::from(step))
                    .with_total(f64::from(steps))
                    .with_message(format!("step {step} of {steps}"));
                // A peer that is gone shows in the token of the next turn.
                let _ = context.peer.notify_progress(notice).await;
            }
        }
        until_done.done = true;
        Ok(CallToolResult::success(vec![ContentBlock::text(format!("{steps} steps"))]))
    }

    #[tool(description = "Returns a text of so many bytes")]
    async fn large(&self, Parameters(Large { bytes }): Parameters<Large>) -> Result<String, ErrorData> {
        if bytes > LARGEST {
            return Err(ErrorData::invalid_params("more than 256 MiB", None));
        }
        Ok("0123456789abcdef".chars().cycle().take(bytes).collect())
    }

    #[tool(description = "Always fails, as a tool")]
    async fn fail(&self) -> CallToolResult {
        CallToolResult::error(vec![ContentBlock::text("this tool always fails")])
    }

    #[tool(description = "Asks the client's model (sampling/createMessage)")]
    #[expect(deprecated, reason = "sampling is deprecated, but clients will use it for years")]
    async fn sample(
        &self,
        Parameters(Question { question }): Parameters<Question>,
        InputResponses(responses): InputResponses,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        use rmcp::model::{CreateMessageRequest, CreateMessageRequestParams, SamplingMessage};
        let params = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(question)], 64);
        if is_stateless(&context) {
            let request = InputRequest::CreateMessage(CreateMessageRequest::new(params));
            return Ok(ask_or_answer(request, responses));
        }
        let answer = context.peer.create_message(params).await.map_err(peer_failed)?;
        let text = serde_json::to_string(&answer.message).unwrap_or_default();
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }

    #[tool(description = "Asks the user to fill in a form (elicitation/create)")]
    async fn elicit(
        &self,
        Parameters(Question { question }): Parameters<Question>,
        InputResponses(responses): InputResponses,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let requested_schema = ElicitationSchema::builder()
            .required_string("answer")
            .build()
            .map_err(|why| ErrorData::internal_error(why, None))?;
        let params = ElicitRequestParams::FormElicitationParams { meta: None, message: question, requested_schema };
        if is_stateless(&context) {
            let request = InputRequest::Elicitation(ElicitRequest::new(params));
            return Ok(ask_or_answer(request, responses));
        }
        let answer = context.peer.create_elicitation(params).await.map_err(peer_failed)?;
        let text = serde_json::to_string(&answer).unwrap_or_default();
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

/// From 2026-07-28 on there are no requests from the server: it asks in its answer.
fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

/// The first round asks; the second one shows what the client answered.
fn ask_or_answer(request: InputRequest, responses: Option<rmcp::model::InputResponses>) -> CallToolResponse {
    match responses {
        None => {
            let requests = [("question".to_owned(), request)].into_iter().collect();
            InputRequiredResult::from_input_requests(requests).into()
        }
        Some(responses) => {
            let answer = responses.get("question").map(ToString::to_string).unwrap_or_default();
            CallToolResult::success(vec![ContentBlock::text(answer)]).into()
        }
    }
}

fn peer_failed(error: rmcp::ServiceError) -> ErrorData {
    ErrorData::internal_error(format!("the client did not answer: {error}"), None)
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("sandbox-tools", env!("CARGO_PKG_VERSION")))
            .with_instructions("Tools for testing a relay")
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = format!("sandbox-tools/{}", request.name);
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
        Ok(resources::list())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&request.uri)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(resources::prompts())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        resources::prompt(&request)
    }
}
