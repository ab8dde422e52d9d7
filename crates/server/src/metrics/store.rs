//! Figures of the store, asked for when Prometheus asks.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use std::{fmt, sync::Arc};
use store::{Embedded, Stats};

/// Tells them.
pub struct StoreFigures(pub Arc<Embedded>);

impl fmt::Debug for StoreFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreFigures")
    }
}

/// Name without the counters' `_total`, what it is, its value.
type Row = (&'static str, &'static str, u64);

fn counters(stats: &Stats) -> [Row; 5] {
    [
        ("palomar_store_commits", "Commits written", stats.commits),
        ("palomar_store_groups", "Groups that commits shared", stats.groups),
        ("palomar_store_log_bytes", "Octets written to the log", stats.octets),
        ("palomar_store_syncs", "Syncs of the log", stats.syncs),
        ("palomar_store_cleaned_bytes", "Octets that the cleaner copied", stats.cleaned_octets),
    ]
}

fn gauges(stats: &Stats) -> [Row; 6] {
    [
        ("palomar_store_segments", "Segments of the log", stats.segments),
        ("palomar_store_used_bytes", "Octets of the log in use", stats.used_octets),
        ("palomar_store_live_bytes", "Octets of those still needed", stats.live_octets),
        ("palomar_store_index_bytes", "Octets of the index", stats.index_octets),
        ("palomar_store_free_bytes", "Octets free on the disk", stats.free_octets),
        ("palomar_store_poisoned", "1 after a failed write", u64::from(stats.poisoned)),
    ]
}

impl Collector for StoreFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.0.stats();
        for (name, help, value) in counters(&stats) {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        #[allow(clippy::cast_precision_loss, reason = "seconds of a metric")]
        let seconds = ConstCounter::new(stats.sync_micros as f64 / 1e6);
        let (name, help) = ("palomar_store_sync_seconds", "Time that syncs took");
        seconds.encode(encoder.encode_descriptor(name, help, None, seconds.metric_type())?)?;
        for (name, help, value) in gauges(&stats) {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
