//! The `mcp-proxy` program: everything lives in the library.

fn main() {}
