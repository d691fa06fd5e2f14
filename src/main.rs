//! The binary: reads arguments, runs one command, prints a failure with its causes.

use std::process::ExitCode;

use clap::Parser;
use mentor_gateway::cli::{Cli, Failure};

/// A call makes and frees some hundred small things; the C library's allocator took an eighth of its CPU time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit codes: 0 done, 1 failed, 2 used wrongly (which clap answers itself).
fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&Failure::from(error)),
    };
    let done = runtime.block_on(cli.run());
    // What is left waits for nobody; a thread that reads standard input would be waited for until there is some.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> ExitCode {
    eprintln!("error: {failure}");
    if let Some(hint) = failure.hint() {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(failure.code())
}
