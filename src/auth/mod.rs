//! Layer 2: OAuth. How a token is obtained, kept, renewed and saved; no client's request is seen here.
//!
//! [`machine`] decides, purely. [`keeper`] is the one task that performs what it decides. [`flow`] is the
//! sign-in of a person, [`endpoint`] speaks with the authorization server, [`store`] with the disk.

pub mod credential;
pub mod custody;
pub mod endpoint;
pub mod flow;
pub mod keeper;

pub mod machine;
pub mod pkce;
pub mod settings;
pub mod source;
pub mod store;
pub mod timing;
