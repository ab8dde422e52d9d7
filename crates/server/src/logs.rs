//! Logs: structured events on standard error, as text or JSON, a line each.
//!
//! Never in a log: passwords, keys, the text or subject of a message.

use crate::config::LogFormat;
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// The DNS library prints whole answers at `warn` for what `server::dns` tells in a sentence. A
/// filter that names it hears it again.
const QUIET: &str = "hickory_net=error,hickory_resolver=error,hickory_proto=error";

/// Starts logging. `filter` as in the setting `log`; a filter that cannot be read is an error.
pub fn start(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(quieter(filter)).map_err(|error| format!("log: {error}"))?;
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

/// The filter with [`QUIET`] before it.
fn quieter(filter: &str) -> String {
    match filter.trim() {
        "" => QUIET.to_owned(),
        filter => format!("{QUIET},{filter}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_later_counts() {
        for filter in ["", "info", "info,server=debug", "hickory_net=trace"] {
            assert!(EnvFilter::try_new(quieter(filter)).is_ok(), "{filter}");
        }
        assert!(EnvFilter::try_new(quieter("a=b=c")).is_err());
        let loud = EnvFilter::try_new(quieter("info,hickory_net=warn")).unwrap().to_string();
        assert!(loud.contains("hickory_net=warn") && !loud.contains("hickory_net=error"), "{loud}");
    }
}
