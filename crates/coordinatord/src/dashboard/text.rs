//! Numbers as people read them.

/// A share 0..=1 as a percentage with two decimals, as the paper's tables have them.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2}", share * 100.0)
}

/// Seconds as `42 s`, `3 min 20 s`, `5 h 07 min`, `3 d 4 h`.
pub(super) fn duration(seconds: f64) -> String {
    // Beyond a century it is no estimate.
    let seconds = seconds.clamp(0.0, 3.2e9).round() as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {:02} s", seconds % 60),
        (0, _, _) => format!("{hours} h {:02} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A count with thin groups of three: `60 000`.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// A length as `47.0 MB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1_000.0 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let cases = [
            (0.4, "0 s"),
            (59.4, "59 s"),
            (200.0, "3 min 20 s"),
            (18_420.0, "5 h 07 min"),
            (273_600.0, "3 d 4 h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
        duration(f64::INFINITY);
    }

    #[test]
    fn counts_and_lengths_read_well() {
        assert_eq!(count(60_000), "60\u{202f}000");
        assert_eq!(count(999), "999");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(47_040_000), "47.0 MB");
        assert_eq!(percent(0.8735), "87.35");
    }
}
