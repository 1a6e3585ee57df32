//! The MCP servers behind the gateway: the same two, over both transports.

mod backends;
mod channel;
mod legacy;
mod notes;
mod resources;
mod shown;
mod tools;

pub(crate) use crate::mcp::backends::Backends;
