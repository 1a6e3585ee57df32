//! The `mcp-proxy` program: everything lives in the library.

fn main() -> std::process::ExitCode {
    mcp_proxy::cli::main()
}
