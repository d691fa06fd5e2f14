//! The command line: one file per command. Works on the same database as a running `serve`.

mod academy;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod keys;
mod log;
mod mentor;
mod oauth;
mod serve;
mod stdio;
mod tenant;
mod token;
mod user;

use std::error::Error as StdError;
use std::fmt;
use std::io::{ErrorKind, Write};

use clap::{Parser, Subcommand};

use crate::app::StartError;
use crate::config::{Config, Settings};
use base::error::Error;
use base::storage::Db;

macro_rules! to_begin {
    ($first:literal) => {
        concat!(
            $first,
            "  mentor-gateway tenant create acme\n  mentor-gateway user create --tenant acme alice --role admin\n",
            "  mentor-gateway token create --tenant acme --user alice\n  mentor-gateway serve"
        )
    };
}

/// What a stranger types first.
#[cfg(feature = "demo")]
const BEGINNING: &str = to_begin!("Example:\n  mentor-gateway demo --once\n\nTo begin for real:\n");
/// What an operator types first; this binary has no demo.
#[cfg(not(feature = "demo"))]
const BEGINNING: &str = to_begin!("Example:\n");

/// The way between AI mentors and the tools they use
#[derive(Debug, Parser)]
#[command(
    name = "mentor-gateway",
    version,
    after_help = BEGINNING
)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show a mentor calling a tool over every transport, then keep serving
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    /// Run the service
    Serve(serve::Serve),
    /// Create and list tenants
    #[command(
        subcommand,
        after_help = "Example:\n  mentor-gateway tenant create acme"
    )]
    Tenant(tenant::Tenant),
    /// Create users
    #[command(
        subcommand,
        after_help = "Example:\n  mentor-gateway user create --tenant acme alice --role admin"
    )]
    User(user::User),
    /// Create, list, replace and revoke keys
    #[command(
        subcommand,
        after_help = "Example:\n  mentor-gateway token create --tenant acme --user alice > alice.token"
    )]
    Token(token::Token),
    /// Create mentors
    #[command(
        subcommand,
        after_help = "Example:\n  mentor-gateway mentor create --tenant acme 'Finance Mentor'"
    )]
    Mentor(mentor::Mentor),
    /// List and extend the OAuth providers that people can sign in at
    #[command(subcommand, after_help = "Example:\n  mentor-gateway oauth list")]
    Oauth(oauth::Oauth),
    /// Serve MCP on stdio for a client that starts programs
    Stdio(stdio::Stdio),
    /// Fill the academy of a tenant
    #[command(
        subcommand,
        after_help = "Example:\n  mentor-gateway academy import --tenant acme academy.json"
    )]
    Academy(academy::Academy),
    /// Show and change the master keys
    #[command(subcommand, after_help = "Example:\n  mentor-gateway keys status")]
    Keys(keys::Keys),
    /// Explain step by step why a server can or cannot be reached
    Doctor(doctor::Doctor),
    /// Bring the database's schema up to date and exit
    #[command(
        after_help = "Example:\n  mentor-gateway migrate --database-url postgres://gateway@db/gateway"
    )]
    Migrate,
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever kept the command from being done, with a hint where there is one.
    pub async fn run(self) -> Result<(), Failure> {
        let config = self.settings.resolve().map_err(Failure::used_wrongly)?;
        let usual = match self.command {
            #[cfg(feature = "demo")]
            Command::Demo(_) => log::WITHOUT_REQUESTS,
            _ => log::USUAL,
        };
        log::begin(config.log_format, usual);
        std::panic::set_hook(Box::new(|panic| {
            // Who caught it says what becomes of it.
            let place = panic.location().map(ToString::to_string);
            tracing::error!(place, panic = panic.payload_as_str(), "a panic");
        }));
        match self.command {
            #[cfg(feature = "demo")]
            Command::Demo(command) => command.run(config).await,
            Command::Serve(command) => command.run(config).await,
            Command::Tenant(command) => command.run(&config).await,
            Command::User(command) => command.run(&config).await,
            Command::Token(command) => command.run(&config).await,
            Command::Mentor(command) => command.run(&config).await,
            Command::Oauth(command) => command.run(&config).await,
            Command::Stdio(command) => command.run().await,
            Command::Academy(command) => command.run(&config).await,
            Command::Keys(command) => command.run(&config).await,
            Command::Doctor(command) => command.run(&config).await,
            Command::Migrate => migrate(&config).await,
        }
    }
}

async fn migrate(config: &Config) -> Result<(), Failure> {
    open(config).await?.close().await;
    say("the schema is up to date");
    Ok(())
}

/// The database of the settings, with its schema up to date.
async fn open(config: &Config) -> Result<Db, Failure> {
    config.make_data_dir()?;
    Ok(Db::open(&config.database_url).await?)
}

/// Prints a line that is the command's result. Whoever reads no further, as `head` does, wants no more.
fn say(text: impl fmt::Display) {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.expect("standard output can be written to"),
    }
}

/// Why a command was not done.
#[derive(Debug)]
pub struct Failure {
    source: Box<dyn StdError + Send + Sync>,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            source: source.into(),
            hint: None,
            code: 1,
        }
    }

    fn used_wrongly(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            code: 2,
            ..Self::new(source)
        }
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it, if that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    /// The whole chain of causes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        let mut source = self.source.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let hint = match &error {
            Error::NotFound("tenant") => Some("`mentor-gateway tenant list` shows the tenants"),
            Error::NotFound("user") => {
                Some("`mentor-gateway user create --tenant KEY NAME` makes one")
            }
            _ => None,
        };
        let failure = Self::new(error);
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

macro_rules! from {
    ($($type:ty),+) => {$(
        impl From<$type> for Failure {
            fn from(error: $type) -> Self {
                Self::new(error)
            }
        }
    )+};
}

from!(
    std::io::Error,
    base::storage::StorageError,
    crate::config::ConfigError
);

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let is_about_keys = matches!(
            error,
            StartError::NoKeys(_) | StartError::Keys(_) | StartError::Config(_)
        );
        let failure = Self::new(error);
        if is_about_keys {
            failure.with_hint(
                "put the right master keys back, from the copy you kept; nothing was written",
            )
        } else {
            failure
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    fn without_example(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        let shown = format!("{path} ")
            .trim_start()
            .replace("mentor-gateway ", "");
        let help = command.get_after_help().map(ToString::to_string);
        if !help.is_some_and(|help| help.contains("Example") && help.contains(shown.trim())) {
            found.push(path.clone());
        }
        for command in command.get_subcommands() {
            without_example(command, &path, found);
        }
    }

    #[test]
    fn every_command_shows_an_example() {
        let mut found = Vec::new();
        without_example(&Cli::command(), "", &mut found);
        assert_eq!(found, [""; 0]);
    }
}
