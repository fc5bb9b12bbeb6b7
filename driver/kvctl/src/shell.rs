//! `kvctl shell`: many commands against one device, one a line.
//!
//! The lines are parsed by the same definitions as the command line, so nothing has to be learnt
//! twice. In JSON each line answers with one object that carries its line number.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::cli::{Error, describe};
use crate::commands::{Command, ConfigArgs, Session};
use crate::output::{Output, Report};

/// Options of `kvctl shell`.
#[derive(Args, Clone, Debug)]
pub struct ShellArgs {
    /// File of commands; standard input if left out or `-`
    pub file: Option<PathBuf>,
    /// Go on after a line that fails
    #[arg(long)]
    pub keep_going: bool,
}

/// One line.
#[derive(Parser, Debug)]
#[command(no_binary_name = true, name = "", disable_version_flag = true)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    #[command(flatten)]
    Command(Command),
    /// Show the configuration, or change it, which empties the device
    Config(ConfigArgs),
    /// Reset the device
    Reset,
    /// End the session
    Quit,
}

/// What a line asked for.
enum Answer {
    Report(Box<dyn Report>),
    Help(String),
    Nothing,
    Quit,
}

/// Runs a session to the end of its input.
pub fn run(args: &ShellArgs, session: &mut Session, output: Output) -> Result<ExitCode, Error> {
    let file = args.file.as_ref().filter(|file| file.as_os_str() != "-");
    let name = file.map_or_else(|| "line ".to_owned(), |file| format!("{}:", file.display()));
    let input: Box<dyn BufRead> = match file {
        Some(file) => {
            let open = File::open(file).map_err(|e| format!("{}: {e}; name a readable file", file.display()))?;
            Box::new(BufReader::new(open))
        }
        None => Box::new(io::stdin().lock()),
    };
    let prompt = file.is_none() && io::stdin().is_terminal();
    let mut failed = 0;
    ask(prompt);
    for (number, line) in (1..).zip(input.lines()) {
        let line = line.map_err(|e| format!("{name}{number}: {e}"))?;
        match answer(session, &line) {
            Ok(Answer::Report(report)) if output.json => {
                let mut object = report.json();
                object["line"] = number.into();
                output.line(&object.to_string())?;
            }
            Ok(Answer::Report(report)) => output.line(&report.text())?,
            Ok(Answer::Help(text)) => output.line(&text)?,
            Ok(Answer::Nothing) => {}
            Ok(Answer::Quit) => break,
            Err(error) => {
                failed += 1;
                let text = describe(&*error);
                eprintln!("kvctl: {name}{number}: {text}");
                if output.json {
                    output.line(&serde_json::json!({ "line": number, "error": text }).to_string())?;
                }
                if !(args.keep_going || prompt) {
                    break;
                }
            }
        }
        ask(prompt);
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ask(prompt: bool) {
    if prompt {
        // A prompt that cannot be written is not worth an error.
        let _ = write!(io::stderr(), "kvctl> ").and_then(|()| io::stderr().flush());
    }
}

fn answer(session: &mut Session, line: &str) -> Result<Answer, Error> {
    let words: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
    if words.is_empty() {
        return Ok(Answer::Nothing);
    }
    let verb = match Line::try_parse_from(words) {
        Ok(line) => line.verb,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp) => return Ok(Answer::Help(error.to_string())),
        Err(error) => return Err(in_short(&error).into()),
    };
    Ok(match verb {
        Verb::Command(command) => Answer::Report(session.run(&command)?),
        Verb::Config(args) => Answer::Report(session.configure(&args)?),
        Verb::Reset => Answer::Report(Box::new(session.reset()?)),
        Verb::Quit => Answer::Quit,
    })
}

/// The parser's complaint without its usage lines.
fn in_short(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let told: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:"))
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
        .collect();
    told.join(" ").trim_start_matches("error: ").to_owned()
}
