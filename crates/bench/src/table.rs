//! The table that is printed: a row a work, with ratios.

/// One work measured on one server: the medians of its turns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figure {
    /// The value in the row's unit.
    pub value: f64,
    /// Milliseconds of server CPU for one operation; 0 when not measured.
    pub cpu_ms: f64,
}

/// A work.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done.
    pub work: String,
    /// Unit of the values.
    pub unit: &'static str,
    /// Whether more is better.
    pub more_is_better: bool,
    /// What it was measured beside.
    pub peer: &'static str,
    /// Ours.
    pub palomar: Figure,
    /// The peer's, where there is one.
    pub other: Option<Figure>,
    /// What we mean to reach.
    pub goal: &'static str,
}

/// All rows.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// In the order of measuring.
    pub rows: Vec<Row>,
    /// Machine, day, versions.
    pub head: String,
}

/// The middle one.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Median of the values and of the CPU times, each for itself.
#[must_use]
pub fn median_figure(figures: &[Figure]) -> Figure {
    Figure {
        value: median(figures.iter().map(|figure| figure.value).collect()),
        cpu_ms: median(figures.iter().map(|figure| figure.cpu_ms).collect()),
    }
}

fn number(value: f64) -> String {
    match value {
        v if v >= 1000.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\n", self.head)?;
        writeln!(
            f,
            "| work | unit | Palomar | peer | ratio | CPU ms | peer CPU ms | CPU ratio | goal |"
        )?;
        writeln!(f, "|---|---|--:|--:|--:|--:|--:|--:|---|")?;
        for row in &self.rows {
            let better = |ours: f64, theirs: f64, more: bool| match (more, ours > 0.0, theirs > 0.0)
            {
                (_, false, _) | (_, _, false) => "–".into(),
                (true, ..) => format!("{} ×", number(ours / theirs)),
                (false, ..) => format!("{} ×", number(theirs / ours)),
            };
            let other = row.other.unwrap_or_default();
            let shown = |value: f64| if value > 0.0 { number(value) } else { "–".into() };
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                row.work,
                row.unit,
                shown(row.palomar.value),
                if other.value > 0.0 {
                    format!("{} ({})", number(other.value), row.peer)
                } else {
                    "–".into()
                },
                better(row.palomar.value, other.value, row.more_is_better),
                shown(row.palomar.cpu_ms),
                shown(other.cpu_ms),
                better(row.palomar.cpu_ms, other.cpu_ms, false),
                row.goal,
            )?;
        }
        Ok(())
    }
}
