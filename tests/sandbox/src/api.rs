//! The signed API: IMS, STS and the MCP control plane behind one way of judging requests.

mod actions;
mod answer;
pub(crate) mod applications;
mod bearer;
mod catalog;
pub(crate) mod error;
mod handle;
mod rules;
mod safety;
pub(crate) mod tokens;

pub(crate) use crate::api::answer::escape;
pub(crate) use crate::api::error::recommend;
pub(crate) use crate::api::handle::{handle, is_api};
