//! The `mcp-proxy` program: everything lives in the library.

/// A call takes and gives back some fifty pieces of memory, and what thousands of streams held is to go back to the
/// system when they end. The C library is slower at the one and does not do the other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    mcp_proxy::cli::main()
}
