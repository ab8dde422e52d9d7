//! What a server costs: CPU time and memory of its whole process tree, from /proc.

use std::{collections::HashMap, fs};

/// Clock ticks of /proc/PID/stat a second; Linux has 100 wherever it runs today.
const TICKS_A_SECOND: f64 = 100.0;

/// pid → (parent, seconds of its own and of its reaped children)
fn processes() -> HashMap<u32, (u32, f64)> {
    let mut all = HashMap::new();
    let Ok(entries) = fs::read_dir("/proc") else { return all };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<f64> =
            rest.split(' ').skip(1).map(|field| field.parse().unwrap_or_default()).collect();
        let [parent, ..] = fields.as_slice() else { continue };
        let ticks: f64 = fields.get(10..14).map_or(0.0, |times| times.iter().sum());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        all.insert(pid, (*parent as u32, ticks / TICKS_A_SECOND));
    }
    all
}

fn tree(roots: &[u32]) -> Vec<(u32, f64)> {
    let all = processes();
    let mut found: Vec<(u32, f64)> = Vec::new();
    let mut open = roots.to_vec();
    while let Some(pid) = open.pop() {
        if let Some((_, seconds)) = all.get(&pid) {
            found.push((pid, *seconds));
            open.extend(all.iter().filter(|(_, (parent, _))| *parent == pid).map(|(pid, _)| *pid));
        }
    }
    found
}

/// Seconds of CPU, user and system, that these processes and all below them have used.
#[must_use]
pub fn seconds(roots: &[u32]) -> f64 {
    tree(roots).iter().map(|(_, seconds)| seconds).sum()
}

/// Proportional set size in KB of these processes and all below them.
#[must_use]
pub fn memory_kilobytes(roots: &[u32]) -> f64 {
    let pss = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("Pss:")).map(str::to_owned);
        line.and_then(|line| line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()))
    };
    tree(roots).iter().filter_map(|(pid, _)| pss(*pid)).sum()
}

/// Octets on disk below a folder, as blocks.
#[must_use]
pub fn disk_octets(folder: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => data.blocks() * 512 + disk_octets(&entry.path()),
        Ok(data) => data.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
