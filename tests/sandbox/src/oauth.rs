//! OAuth: the sign-in page, the token endpoint and their neighbours.

pub(crate) mod authorize;
pub(crate) mod exchange;
mod page;
mod refresh;
mod routes;
mod token;

pub(crate) use crate::oauth::routes::{cloud_router, page_routes};
pub(crate) use crate::oauth::token::{OAuthError, json_answer, json_ok};
