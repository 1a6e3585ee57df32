//! HTTP/1.1 as it came over the connection: the bytes that signatures and records are about.

pub(crate) mod connection;
pub(crate) mod head;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod tap;
pub(crate) mod tls;
