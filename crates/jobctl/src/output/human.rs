//! Numbers as people read them. Machines get the plain numbers.

/// A share 0..=1 as per cent with one decimal: `96.0 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Seconds, rounded to what matters: `8 s`, `3 min 05 s`, `2 h 40 min`, `3 d 4 h`.
pub(crate) fn duration(seconds: f64) -> String {
    let total = seconds.max(0.0).round() as u64;
    let (days, hours, minutes, seconds) = (total / 86_400, total / 3_600 % 24, total / 60 % 60, total % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds:02} s"),
        (0, _, _) => format!("{hours} h {minutes:02} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A count with its thousands apart: `60,000`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 network`, `32 networks`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Bytes: `31.0 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    bytesize::ByteSize(bytes).to_string()
}

/// Floating-point operations: `1.3 PFLOP`.
pub(crate) fn flops(flops: f64) -> String {
    // A sum of nothing is minus zero in floating point, and nothing people want to read.
    let flops = flops + 0.0;
    const STEPS: [(f64, &str); 5] = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")];
    match STEPS.iter().find(|(size, _)| flops >= *size) {
        Some((size, letter)) => format!("{:.1} {letter}FLOP", flops / size),
        None => format!("{flops:.0} FLOP"),
    }
}

/// Training speed: `412 images/s`.
pub(crate) fn images_per_s(rate: f64) -> String {
    format!("{} images/s", count(rate.max(0.0).round() as u64))
}

/// A title and, indented below it, labelled facts with their values in one column.
pub(crate) fn facts(title: &str, facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let lines = facts.iter().map(|(label, value)| format!("  {label:width$}  {value}\n"));
    format!("{title}\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_shows_its_two_largest_units() {
        for (seconds, text) in [
            (0.4, "0 s"),
            (59.0, "59 s"),
            (185.0, "3 min 05 s"),
            (9_600.0, "2 h 40 min"),
            (273_600.0, "3 d 4 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_281_167, "1,281,167")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "network"), "1 network");
        assert_eq!(counted(0, "network"), "0 networks");
    }

    #[test]
    fn facts_stand_in_one_column() {
        let text = facts("demo", &[("dataset", "mnist".to_owned()), ("work", "40.0 %".to_owned())]);
        assert_eq!(text, "demo\n  dataset  mnist\n  work     40.0 %\n");
    }

    #[test]
    fn operations_are_given_in_their_largest_unit() {
        assert_eq!(flops(1.34e15), "1.3 PFLOP");
        assert_eq!(flops(12.0), "12 FLOP");
        assert_eq!(flops(-0.0), "0 FLOP");
    }
}
