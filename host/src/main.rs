//! `pelton`: arguments, then settings, then the command, then the exit code: 0 done, 1 failed, 2 wrong usage.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use pelton::cli::{self, Cli, Command, print};
use pelton::config::LogFormat;
use pelton::demo::HostAdapter;
use pelton::run;
use pelton::signals::Stop;
use pelton::telemetry;
use pelton_demo::{Terminal, simulate};
use pelton_model::cause::Cause;
use pelton_runtime::compiler;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    // Ends with exit code 2 by itself where the arguments are wrong.
    let cli = Cli::parse();
    match execute(cli.command) {
        Ok(code) => code,
        Err(error) if print::is_unread(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // The exit code says it where nobody reads this.
            let _ = writeln!(io::stderr(), "pelton: {}", print::error(&error));
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<ExitCode> {
    let done = match command {
        Command::Run(args) => {
            let config = args.settings()?;
            telemetry::start(config.log_format);
            Runtime::new()?.block_on(run::run(config, &args.apply))
        }
        Command::Submit(args) => cli::submit(args),
        // Its exit code says whether something would change.
        Command::Apply(args) => return cli::apply(args),
        Command::Export(args) => cli::export(&args),
        Command::List(args) => cli::list(&args),
        Command::Show(args) => cli::show(&args),
        Command::Pause(args) => cli::pause(&args),
        Command::Resume(args) => cli::resume(&args),
        Command::Reload(args) => cli::reload(args),
        Command::Rollback(args) => cli::rollback(args),
        Command::Seek(args) => cli::seek(args),
        Command::Scale(args) => cli::scale(&args),
        Command::Set(args) => cli::set(args),
        Command::Logs(args) => cli::logs(&args),
        Command::Cancel(args) => cli::cancel(&args),
        Command::Tail(args) => cli::tail(&args),
        Command::Dlq(command) => cli::dlq::run(command),
        Command::Completions(args) => cli::completions(&args),
        Command::New(args) => cli::new(&args),
        Command::Build(args) => {
            telemetry::start(LogFormat::Text);
            cli::build(args)
        }
        Command::Test(args) => {
            telemetry::start(LogFormat::Text);
            cli::test(args)
        }
        // It tells each step itself.
        Command::Dev(args) => cli::dev(args),
        // Its exit code says whose fault it is.
        Command::Compile(args) => return Ok(ExitCode::from(compiler::serve(&args.bounds()))),
        Command::Push(args) => cli::push(&args),
        Command::Pull(args) => cli::pull(&args),
        Command::Simulate(args) => {
            telemetry::start(LogFormat::Text);
            let listen = || asked_to_end().map_err(Cause::from);
            Ok(Runtime::new()?.block_on(simulate::run(args, listen))?)
        }
        Command::Demo(args) => {
            // Log lines above its live line.
            let terminal = Terminal::start()?;
            telemetry::start_above(terminal.clone());
            Ok(Runtime::new()?.block_on(pelton_demo::run::<HostAdapter>(args, terminal, asked_to_end()?))?)
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Listens from now on for a Ctrl-C or SIGTERM, on which this completes; a second one ends the process at once.
fn asked_to_end() -> Result<impl Future<Output = ()>> {
    let stop = Stop::listen()?;
    Ok(async move { stop.asked().await })
}
