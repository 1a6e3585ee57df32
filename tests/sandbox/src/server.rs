//! Listeners and connections, and which service a request belongs to.

mod listener;
mod route;

pub(crate) use crate::server::listener::{Kind, bind, serve};
pub(crate) use crate::server::route::Services;
