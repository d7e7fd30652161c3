//! The results as a table and as JSON.

use std::fmt::Write;

use asynctop_snapshot::text::{bytes, count, duration, optional, rate};
use serde_json::{Value, json};

use super::{Measurement, Row};

/// The titles of the columns, after those of the connections and the style.
pub const COLUMNS: [&str; 7] =
    ["THREADS", "MEMORY", "REQUESTS/S", "P50", "P99", "SWITCHES/REQ", "CPU/REQ"];

/// The cells of [`COLUMNS`].
pub fn cells(m: &Measurement) -> [String; 7] {
    [
        optional(m.threads, count),
        optional(m.memory_bytes, bytes),
        rate(m.requests_per_second),
        duration(m.p50_ns),
        duration(m.p99_ns),
        optional(m.switches_per_request, |n| format!("{n:.2}")),
        optional(m.cpu_ns_per_request, |nanos| duration(nanos.round() as u64)),
    ]
}

/// The rows as an aligned table, followed by a verdict for each number of connections.
pub fn text(rows: &[Row]) -> String {
    let line = |connections: &str, style: &str, cells: [&str; 7]| {
        let [threads, memory, rate, p50, p99, switches, cpu] = cells;
        format!(
            "{connections:>11}  {style:<7}  {threads:>7}  {memory:>9}  {rate:>10}  {p50:>8}  \
             {p99:>8}  {switches:>12}  {cpu:>9}\n"
        )
    };
    let mut out = line("CONNECTIONS", "STYLE", COLUMNS);
    for row in rows {
        let (connections, style) = (row.connections.to_string(), row.style.as_str());
        match &row.outcome {
            Ok(measured) => {
                let cells = cells(measured);
                out += &line(&connections, style, cells.each_ref().map(String::as_str));
            }
            Err(error) => {
                let _ = writeln!(out, "{connections:>11}  {style:<7}  not measured: {error}");
            }
        }
    }
    for pair in rows.chunks(2) {
        if let [Row { connections, outcome: Ok(threads), .. }, Row { outcome: Ok(tasks), .. }] =
            pair
        {
            let _ = writeln!(out, "\n{connections} connections: {}", verdict(threads, tasks));
        }
    }
    out
}

/// One document: `{"schema":"asynctop-compare/1","rows":[…]}`; durations in ns.
pub fn json(rows: &[Row]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let measured = row.outcome.as_ref().ok();
            json!({
                "connections": row.connections,
                "style": row.style.as_str(),
                "requests_per_second": measured.map(|m| m.requests_per_second),
                "p50_ns": measured.map(|m| m.p50_ns),
                "p99_ns": measured.map(|m| m.p99_ns),
                "threads": measured.and_then(|m| m.threads),
                "memory_bytes": measured.and_then(|m| m.memory_bytes),
                "switches_per_request": measured.and_then(|m| m.switches_per_request),
                "cpu_per_request_ns": measured.and_then(|m| m.cpu_ns_per_request),
                "not_measured": row.outcome.as_ref().err().map(ToString::to_string),
            })
        })
        .collect();
    json!({ "schema": "asynctop-compare/1", "rows": rows })
}

/// Names the better style for each statistic, and the ratio. A difference of less than 10% is even.
pub fn verdict(threads: &Measurement, tasks: &Measurement) -> String {
    let parts = ratios(threads, tasks).into_iter().map(|(statistic, ratio)| match ratio {
        ratio if ratio > 1.1 => format!("{statistic}: async ×{ratio:.1} better"),
        ratio if ratio < 1.0 / 1.1 => format!("{statistic}: threads ×{:.1} better", 1.0 / ratio),
        _ => format!("{statistic}: even"),
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// How many times better async is, for each statistic that both rows have. Below 1, threads are
/// better.
pub fn ratios(threads: &Measurement, tasks: &Measurement) -> Vec<(&'static str, f64)> {
    let statistics = [
        // Smaller is better, so rates are inverted.
        ("throughput", 1.0 / threads.requests_per_second, 1.0 / tasks.requests_per_second),
        ("p99 latency", threads.p99_ns as f64, tasks.p99_ns as f64),
        (
            "memory",
            threads.memory_bytes.unwrap_or(0) as f64,
            tasks.memory_bytes.unwrap_or(0) as f64,
        ),
        (
            "CPU per request",
            threads.cpu_ns_per_request.unwrap_or(0.0),
            tasks.cpu_ns_per_request.unwrap_or(0.0),
        ),
    ];
    let known = statistics.into_iter().filter(|(_, a, b)| *a > 0.0 && *b > 0.0);
    known.map(|(statistic, a, b)| (statistic, a / b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        compare::{MeasureError, ServiceStyle},
        limits::LimitTooLow,
    };

    fn row(style: ServiceStyle, requests_per_second: f64, p99_ns: u64) -> Row {
        let outcome = Ok(Measurement {
            requests_per_second,
            p50_ns: 1_500,
            p99_ns,
            threads: Some(101),
            memory_bytes: Some(2_500_000),
            switches_per_request: Some(1.5),
            cpu_ns_per_request: None,
        });
        Row { connections: 100, style, outcome }
    }

    #[test]
    fn verdict_names_the_better_style() {
        let rows = [row(ServiceStyle::Threads, 3_000.0, 10), row(ServiceStyle::Async, 1_500.0, 5)];
        let text = text(&rows);
        assert!(text.contains("throughput: threads ×2.0 better"), "{text}");
        assert!(text.contains("p99 latency: async ×2.0 better"), "{text}");
        assert!(text.contains("memory: even"), "{text}");
        assert!(!text.contains("CPU per request"), "{text}");
    }

    #[test]
    fn row_without_a_measurement_has_a_reason() {
        let error = MeasureError::Limit(LimitTooLow::Files { needed: 10_064, limit: 1_024 });
        let rows = [Row { connections: 10_000, style: ServiceStyle::Async, outcome: Err(error) }];
        assert!(text(&rows).contains("not measured: needs 10064 open files"));
        let json = json(&rows);
        assert_eq!(json["rows"][0]["requests_per_second"], Value::Null);
        assert!(json["rows"][0]["not_measured"].as_str().is_some_and(|why| why.contains("ulimit")));
    }
}
