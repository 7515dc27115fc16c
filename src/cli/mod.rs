//! The command line: flags become a job, events become a progress bar, errors become a sentence and an exit code.

mod batch;
mod believed;
mod bench;
mod edit;
mod edit_flags;
mod exit;
mod fetch;
mod flags;
mod generate;
mod guide;
mod known;
mod materials;
mod measure;
mod model;
mod models;
mod network;
mod place;
mod report;
mod sag;
mod sampling;
mod serve;
mod source;
mod steering;
mod stop;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use exit::Exit;
use flags::{Cli, Command};
use report::Report;

/// Runs the program.
pub fn main() -> ExitCode {
    // A machine without a GPU is no error of the Vulkan loader's: the program says it itself, in a sentence.
    let filter = env_logger::Env::default().default_filter_or("error,wgpu_hal=off");
    env_logger::Builder::from_env(filter).init();
    let cli = Cli::parse();
    stop::listen();
    let ended = run(&cli).unwrap_or_else(|error| {
        Report::new(cli.talk).failure(&error);
        Exit::from(&error)
    });
    ended.into()
}

fn run(cli: &Cli) -> Result<Exit> {
    match &cli.command {
        Command::Generate(flags) => generate::generate(flags, cli.talk),
        Command::Sag(flags) => sag::sag(flags, cli.talk),
        Command::Rank(flags) => guide::rank(flags, cli.talk),
        Command::Guide(flags) => guide::guide(flags, cli.talk),
        Command::Pnp(flags) => edit::pnp(flags, cli.talk),
        Command::Invert(flags) => edit::invert(flags, cli.talk),
        Command::Batch(flags) => batch::batch(flags, cli.talk),
        Command::Measure(flags) => measure::measure(flags, cli.talk),
        Command::Replay(flags) => generate::replay(flags, cli.talk),
        Command::Bench(flags) => bench::bench(flags, cli.talk),
        Command::Models(command) => models::models(command, cli.talk),
        Command::Serve(flags) => serve::serve(flags, cli.talk),
    }
}
