//! `tfr completions`: what the shell proposes.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Done, GOOD};

/// Print a script by which a shell completes verbs and flags
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tfr completions bash > ~/.local/share/bash-completion/completions/tfr
  tfr completions zsh > ~/.zfunc/_tfr    (with fpath+=~/.zfunc before compinit)
  tfr completions fish > ~/.config/fish/completions/tfr.fish
  tfr completions elvish >> ~/.config/elvish/rc.elv
  tfr completions powershell >> $PROFILE")]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Done {
    // Into memory first: the generator panics where a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tfr", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(GOOD)
}
