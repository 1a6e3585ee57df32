//! An MCP server as its operator lists it, and the path under which a gateway serves it.

/// One MCP server of an upstream's catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpServer {
    /// The server's id: unique.
    pub id: String,
    /// The server's name: what people know it by; two servers may share one.
    pub name: String,
    /// What the operator says of it.
    pub description: String,
    /// Path of the Streamable HTTP endpoint, beginning with `/`.
    pub mcp_path: Option<String>,
    /// Path of the HTTP+SSE endpoint, beginning with `/`.
    pub sse_path: Option<String>,
}

/// What a gateway path says about the server behind it.
///
/// The forms are `/accounts/<uid>/custom/<name>/id/<id>/…`,
/// `/accounts/<uid>/system/<product>/<name>/id/<id>/…` and `/id/<id>/…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerPath<'a> {
    /// The name in the path: what the client *says*, not proof of what the id stands for.
    pub name: Option<&'a str>,
    /// The id in the path.
    pub id: &'a str,
}

impl<'a> ServerPath<'a> {
    /// Reads a path; `None` if it has none of the known forms.
    pub fn parse(path: &'a str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        match segments.as_slice() {
            ["accounts", _, "custom", name, "id", id, ..] | ["accounts", _, "system", _, name, "id", id, ..] => {
                Some(Self { name: Some(name), id })
            }
            ["id", id, ..] => Some(Self { name: None, id }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_form_is_read() {
        let of = |path| ServerPath::parse(path).map(|p| (p.name, p.id));
        assert_eq!(of("/accounts/12/custom/ecs/id/aB3/mcp"), Some((Some("ecs"), "aB3")));
        assert_eq!(of("/accounts/12/system/eds-aic/phone/id/XS/sse"), Some((Some("phone"), "XS")));
        assert_eq!(of("/id/core1/mcp"), Some((None, "core1")));
        assert_eq!(of("/mcp"), None);
        assert_eq!(of("accounts/12/custom/ecs/id/aB3"), None);
        assert_eq!(of("/accounts/12/custom/ecs"), None);
    }
}
