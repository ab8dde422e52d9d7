//! Logs: structured events on standard error, as text or JSON, a line each.
//!
//! Never in a log: passwords, keys, the text or subject of a message.

use crate::config::LogFormat;
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging. `filter` as in the setting `log`; a filter that cannot be read is an error.
pub fn start(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log: {error}"))?;
    let layer = fmt::layer().with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Json => tracing_subscriber::registry()
            .with(filter)
            .with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false))
            .try_init(),
        LogFormat::Text => tracing_subscriber::registry()
            .with(filter)
            .with(layer.with_ansi(std::io::stderr().is_terminal()))
            .try_init(),
    };
    started.map_err(|error| error.to_string())
}
