//! Layer 2: OAuth. How a token is obtained, kept, renewed and saved; no client's request is seen here.
//!
//! [`machine`] decides, purely. [`keeper`] is the one task that performs what it decides. [`flow`] is the
//! sign-in of a person, [`endpoint`] and [`revocation`] speak with the authorization server, [`store`]
//! with the disk. [`sign_out`] is the end of a login. `reminder` says ahead when a login ends.

pub mod credential;
pub mod custody;
pub mod endpoint;
pub mod flow;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod keeper;

pub mod machine;
pub mod pkce;
mod reminder;
pub mod revocation;
pub mod settings;
pub mod sign_out;
pub mod source;
pub mod store;
pub mod timing;
