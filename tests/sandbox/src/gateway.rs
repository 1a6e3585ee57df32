//! The MCP gateway's data plane: who may pass, the servers behind it, and the lab.

mod admit;
mod handle;
mod lab;
mod lab_answers;
pub(crate) mod policy;
pub(crate) mod servers;

pub(crate) use crate::gateway::handle::Gateway;
