//! The resources and prompts of `sandbox-tools`.

use rmcp::ErrorData;
use rmcp::model::{
    GetPromptRequestParams, GetPromptResponse, GetPromptResult, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, Prompt, PromptArgument, PromptMessage, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, ResourceTemplate, Role,
};
use serde_json::json;

const README: &str = "sandbox://readme";
const SQUARE: &str = "sandbox://square/";

pub(crate) fn list() -> ListResourcesResult {
    let readme = Resource::new(README, "readme").with_mime_type("text/plain");
    ListResourcesResult::with_all_items(vec![readme])
}

pub(crate) fn templates() -> ListResourceTemplatesResult {
    let square =
        ResourceTemplate::new(format!("{SQUARE}{{number}}"), "square").with_description("The square of a number");
    ListResourceTemplatesResult::with_all_items(vec![square])
}

pub(crate) fn read(uri: &str) -> Result<ReadResourceResponse, ErrorData> {
    let square = || {
        let number: u32 = uri.strip_prefix(SQUARE)?.parse().ok()?;
        Some((u64::from(number) * u64::from(number)).to_string())
    };
    let text = match uri {
        README => "A stand-in for the cloud. Nothing here is real.".to_owned(),
        _ => square().ok_or_else(|| ErrorData::resource_not_found("no such resource", Some(json!({ "uri": uri }))))?,
    };
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri)]).into())
}

pub(crate) fn prompts() -> ListPromptsResult {
    let topic = PromptArgument::new("topic").with_required(true);
    let prompt = Prompt::new("explain", Some("Explain a topic"), Some(vec![topic]));
    ListPromptsResult::with_all_items(vec![prompt])
}

pub(crate) fn prompt(request: &GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    if request.name != "explain" {
        return Err(ErrorData::invalid_params("no such prompt", None));
    }
    let topic = request
        .arguments
        .as_ref()
        .and_then(|arguments| arguments.get("topic"))
        .and_then(|topic| topic.as_str())
        .ok_or_else(|| ErrorData::invalid_params("topic is missing", None))?;
    let message = PromptMessage::new_text(Role::User, format!("Please explain {topic}."));
    Ok(GetPromptResult::new(vec![message]).into())
}
