//! The log on standard error: text for people or JSON for machines, each line with what it belongs to.
//! Knows no line by its meaning; never lets what others say begin a line of its own.

use std::fmt;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, LevelFilter};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{LogFormat, log_filter};
use base::clock::{Clock, UnixMs};
use base::trace::{self, Value};

/// What is logged unless the operator says otherwise.
pub(super) const USUAL: &str = "info";
/// The same without a line for each request, for a command whose output is there to be read.
#[cfg(feature = "demo")]
pub(super) const WITHOUT_REQUESTS: &str = "info,mentor_gateway::request=warn";

/// Begins the log of this process, with this filter unless the operator says otherwise.
pub(super) fn begin(format: LogFormat, usual: &str) {
    let is_colored = format == LogFormat::Text && io::stderr().is_terminal();
    let look = Look { format, is_colored };
    tracing_subscriber::fmt()
        .with_env_filter(filter(usual))
        .with_writer(io::stderr)
        .event_format(look)
        .fmt_fields(NoFields)
        .init();
    trace::write_with(move |lines| look.write(lines));
}

/// The operator's filter, save that no WebSocket is ever logged frame by frame: chat clients send their key in each.
/// PostgreSQL's notices, that what is there is there, are no news either.
fn filter(usual: &str) -> EnvFilter {
    let quiet = Directive::from(LevelFilter::INFO);
    let mut filter = EnvFilter::new(log_filter(usual));
    for directive in ["tungstenite=info", "sqlx::postgres::notice=warn"] {
        filter = filter.add_directive(directive.parse().unwrap_or(quiet.clone()));
    }
    filter
}

/// Spans are not written: what a line belongs to is told by [`trace`].
struct NoFields;

impl<'writer> FormatFields<'writer> for NoFields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        _: Writer<'writer>,
        _: R,
    ) -> fmt::Result {
        Ok(())
    }
}

/// What a line looks like.
#[derive(Debug, Clone, Copy)]
struct Look {
    format: LogFormat,
    is_colored: bool,
}

impl<S, N> FormatEvent<S, N> for Look
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said {
            message: String::new(),
            fields: Fields::new(self.format),
            names: Vec::new(),
        };
        event.record(&mut said);
        if let Some(trace) = trace::current() {
            trace.fields(&mut |name, value| said.add(name, value, true));
        }
        let about = (event.metadata().level(), event.metadata().target());
        let line = (&said.message[..], &said.fields.text[..]);
        self.line(&mut writer, (Clock::default().now(), about), line)
    }
}

impl Look {
    fn line(
        &self,
        out: &mut dyn fmt::Write,
        (at, (level, target)): (UnixMs, (&Level, &str)),
        (message, fields): (&str, &str),
    ) -> fmt::Result {
        let at = at.to_iso_ms();
        match self.format {
            LogFormat::Text => {
                let (begin, end) = match self.is_colored {
                    true => color(level),
                    false => ("", ""),
                };
                writeln!(
                    out,
                    "{at} {begin}{level:>5}{end} {target}: {message}{fields}"
                )
            }
            LogFormat::Json => {
                let (target, message) = (quoted(target), quoted(message));
                writeln!(
                    out,
                    r#"{{"timestamp":"{at}","level":"{level}","target":{target},"message":{message}{fields}}}"#
                )
            }
        }
    }

    /// Writes the lines about a group of requests at once.
    fn write(&self, lines: &[trace::Line]) {
        let mut text = String::new();
        for line in lines {
            let mut fields = Fields::new(self.format);
            line.fields(&mut |name, value| match value {
                Value::Text(text) => fields.add(name, text, true),
                Value::Number(_) | Value::Ms(_) => fields.add(name, &value.to_string(), false),
            });
            let about = (&Level::INFO, trace::TARGET);
            // Writing to a string does not fail.
            let _ = self.line(&mut text, (line.at, about), ("request", &fields.text));
        }
        // Whoever closed standard error wants to know no more.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

fn color(level: &Level) -> (&'static str, &'static str) {
    let begin = match *level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG | Level::TRACE => "\x1b[2m",
    };
    (begin, "\x1b[0m")
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The fields of a line, as they are written.
struct Fields {
    format: LogFormat,
    text: String,
}

impl Fields {
    fn new(format: LogFormat) -> Self {
        let text = String::new();
        Self { format, text }
    }

    /// Adds one. Its name stands in the source, and needs no escape.
    fn add(&mut self, name: &'static str, value: &str, is_text: bool) {
        let Self { format, text } = self;
        // Writing to a string does not fail.
        let _ = match format {
            LogFormat::Json if is_text && is_plain(value) => {
                write!(text, r#","{name}":"{value}""#)
            }
            LogFormat::Json if is_text => write!(text, r#","{name}":{}"#, quoted(value)),
            LogFormat::Json => write!(text, r#","{name}":{value}"#),
            LogFormat::Text if is_text && !is_plain(value) => write!(text, " {name}={value:?}"),
            LogFormat::Text => write!(text, " {name}={value}"),
        };
    }
}

/// Whether a text needs neither quotes nor escapes.
fn is_plain(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'=' | b'\\');
    !text.is_empty() && text.bytes().all(is_plain)
}

/// An event as it is read.
struct Said {
    message: String,
    fields: Fields,
    /// What it has a field for: the first one stands.
    names: Vec<&'static str>,
}

impl Said {
    fn add(&mut self, name: &'static str, value: &str, is_text: bool) {
        if !self.names.contains(&name) {
            self.names.push(name);
            self.fields.add(name, value, is_text);
        }
    }
}

impl Visit for Said {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), &value.to_string(), false);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), &value.to_string(), false);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), &value.to_string(), false);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let is_number = value.is_finite();
        self.add(field.name(), &format!("{value:.3}"), !is_number);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = on_one_line(value),
            name => self.add(name, value, true),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// A text without what would begin another line, or speak to a terminal.
fn on_one_line(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let escaped = text.chars().map(|c| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    });
    escaped.collect()
}
